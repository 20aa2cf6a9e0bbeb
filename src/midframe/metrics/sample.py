"""What a metric is given, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """One synthesised frame with everything that it may be compared with: 8-bit RGB, all of one size.

    Attributes:
        prediction: The synthesised frame, rounded to 8 bit.
        target: The true frame.
        before: Last input before the target.
        after: First input after the target.
    """

    prediction: UInt8[Tensor, "3 height width"]
    target: UInt8[Tensor, "3 height width"]
    before: UInt8[Tensor, "3 height width"]
    after: UInt8[Tensor, "3 height width"]


@runtime_checkable
class PairMetric(Protocol):
    """A score of one frame; a test set's score is the mean over its targets.

    Attributes:
        name: Column in every table.
        higher_is_better: Direction of the scale.
    """

    @property
    def name(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...

    def __call__(self, sample: Sample) -> float: ...


@runtime_checkable
class SetMetric(Protocol):
    """A score of a whole test set, which single frames do not have.

    Attributes:
        name: Column in every table.
        higher_is_better: Direction of the scale.
    """

    @property
    def name(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...

    def update(self, clip: Sequence[Sample]) -> None:
        """Take in all targets between one pair of inputs, one at least, in order of time."""
        ...

    def compute(self) -> float:
        """The score of everything taken in so far."""
        ...
