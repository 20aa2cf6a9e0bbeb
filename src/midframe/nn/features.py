"""Distances between features of two pictures."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

TINY_NORM = 1e-10

Features = Float[Tensor, "_ _ _ _"]
"""Batch, channel, height and width. Channel, height and width differ from slice to slice."""


def squared_differences(prediction: Sequence[Features], target: Sequence[Features]) -> list[Features]:
    """Squared difference of the features of each slice, after every pixel's feature was scaled to unit length.

    Source: Zhang et al. 2018, "The unreasonable effectiveness of deep features", equation 1.
    """
    return [(_unit(one) - _unit(other)).square() for one, other in zip(prediction, target, strict=True)]


def _unit(features: Features) -> Features:
    # Beside the norm and not under the root: published values depend on it where features are near zero.
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + TINY_NORM)
