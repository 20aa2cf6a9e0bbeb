"""Training losses that two methods or more share. A loss takes tensors and returns a scalar."""
