"""What one method may be told of motion by another, without knowing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the pixels of the frame half-way between two frames come from.

    Attributes:
        flow: Displacement from the frame half-way to the one before (x, y), then to the one after, in pixels.
        mask: Logit of the weight of the frame before.
    """

    flow: Float[Tensor, "batch 4 height width"]
    mask: Float[Tensor, "batch 1 height width"]


@runtime_checkable
class MotionModel(Protocol):
    """A method that can say how pixels move."""

    def __call__(
        self, before: Float[Tensor, "batch 3 height width"], after: Float[Tensor, "batch 3 height width"]
    ) -> Motion:
        """Motion from the frame half-way to two given ones.

        Args:
            before: RGB in [0, 1], on the model's device, of any size.
            after: Of the same size.

        Returns:
            In float32, without a gradient.
        """
        ...


MotionSource: TypeAlias = Callable[[], MotionModel]
"""Loads a model of motion: called by who needs one, and by nobody else."""
