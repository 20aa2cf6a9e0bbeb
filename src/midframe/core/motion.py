"""What one method may be told of motion by another, without knowing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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


@runtime_checkable  # Annotations are checked where tests run.
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


@dataclass(frozen=True, eq=False)
class MotionSource:
    """Another method's motion, for who needs it: nothing is loaded before.

    Attributes:
        name: The method.
        sha256: Hash of its weights.
        load: Loads it.
    """

    name: str
    sha256: str
    load: Callable[[], MotionModel]

    @property
    def words(self) -> str:
        """Name and weights, for a record of what frames depend on."""
        return f"{self.name}, SHA-256 {self.sha256}"
