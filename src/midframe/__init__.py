"""midframe raises the frame rate of real video."""
