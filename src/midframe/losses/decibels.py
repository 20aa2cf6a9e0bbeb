"""PSNR as an objective."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

BEST_DECIBELS = 50.0
"""Samples that are nearly perfect (still pictures) must not drown the others: the term levels off here."""


def decibels_short(
    prediction: Float[Tensor, "batch channel height width"], target: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, ""]:
    """Decibels that the samples lack to `BEST_DECIBELS`, on average.

    A tenth less error counts the same in an easy sample as in a hard one, where absolute differences follow the hard
    ones.

    Args:
        prediction: Values of a range of 1.
        target: The same shape.
    """
    squared = (prediction - target).square().mean((1, 2, 3))
    return BEST_DECIBELS + 10 * (squared + 10 ** (-BEST_DECIBELS / 10)).log10().mean()
