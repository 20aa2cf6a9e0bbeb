"""The weights that ship with the package: what they are, and proof that they arrived whole."""

from midframe.weights.catalogue import ShippedWeights, catalogue, find

__all__ = ["ShippedWeights", "catalogue", "find"]
