"""What a metric is given, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import UsageError


@dataclass(frozen=True)
class Sample:
    """One synthesised frame with everything that it may be compared with: 8-bit RGB, all of one size.

    Attributes:
        prediction: The synthesised frame, rounded to 8 bit.
        target: The true frame.
        before: Last input before the target; None where nobody knows it.
        after: First input after the target; likewise.
    """

    prediction: UInt8[Tensor, "3 height width"]
    target: UInt8[Tensor, "3 height width"]
    before: UInt8[Tensor, "3 height width"] | None = None
    after: UInt8[Tensor, "3 height width"] | None = None

    def inputs(self, metric: str) -> tuple[UInt8[Tensor, "3 height width"], UInt8[Tensor, "3 height width"]]:
        """The frames before and after, for a metric that says nothing without them.

        Args:
            metric: Its name, for the message.

        Raises:
            UsageError: One of them is not there.
        """
        if self.before is None or self.after is None:
            missing = [name for name in ("before", "after") if getattr(self, name) is None]
            raise UsageError(
                f"The metric '{metric}' compares a frame with both inputs around it; this sample has none "
                f"{' and none '.join(missing)} it."
            )
        return self.before, self.after


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
