"""How far a mean can be trusted: bootstrap intervals over whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000
SEED = 0
"""Fixed: the same scores have the same intervals."""


@dataclass(frozen=True)
class Interval:
    """A mean and where it would mostly lie with other sequences of the same kind.

    Attributes:
        mean: Over the targets, or over sequences where the set says so.
        low: Lower end; None where there is no interval, for a single sequence or an infinite mean.
        high: Upper end.
    """

    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """The sign of the mean is beyond doubt at this level."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class SequenceBootstrap:
    """Percentile bootstrap that draws whole sequences.

    Frames of one sequence err together; drawing them one by one would make intervals too narrow.
    """

    def __init__(self, sequences: Sequence[str], *, by_sequence: bool = False) -> None:
        """Draw once; every metric and every difference then sees the same draws.

        Args:
            sequences: For each target the sequence that it belongs to.
            by_sequence: The mean is one over sequences, of the means over the targets of each.
        """
        names, self._of = np.unique(np.asarray(sequences), return_inverse=True)
        self.count = len(names)
        self._sizes = np.bincount(self._of, minlength=self.count).astype(float)
        self._by_sequence = by_sequence
        generator = np.random.default_rng(SEED)
        self._draws = generator.multinomial(self.count, np.full(self.count, 1 / self.count), RESAMPLES).astype(float)

    def interval(self, values: Sequence[float]) -> Interval:
        """The mean of one value for each target, with its interval."""
        array = np.asarray(values, dtype=float)
        sums = np.bincount(self._of, weights=array, minlength=self.count)
        if self._by_sequence:
            sums, sizes = sums / self._sizes, np.ones(self.count)
        else:
            sizes = self._sizes
        mean = float(sums.sum() / sizes.sum())
        if self.count == 1 or not np.isfinite(array).all():
            return Interval(mean)
        means = (self._draws @ sums) / (self._draws @ sizes)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(mean, float(low), float(high))
