"""How well a map of doubt predicts the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def rank_correlation(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Spearman's coefficient, in [-1, 1]; 0 where one side does not vary.

    Args:
        first: Values of any scale; equal ones share their mean rank.
        second: As many.

    Source: Spearman 1904.
    """
    one, other = _ranks(first), _ranks(second)
    if not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def risk_coverage(
    doubt: Float[np.ndarray, " n"], error: Float[np.ndarray, " n"], coverages: Sequence[float]
) -> list[float]:
    """Mean error of what is kept when only the surest share is.

    Args:
        doubt: Of each pixel, of any scale.
        error: Of each pixel. Given as `doubt` too, it tells what the best possible map would reach.
        coverages: Shares in (0, 1].

    Returns:
        A mean for each share.

    Source: Geifman and El-Yaniv 2017, section 2, with the error as loss.
    """
    sums = np.cumsum(error[np.argsort(doubt, kind="stable")], dtype=np.float64)
    counts = [max(1, round(share * len(error))) for share in coverages]
    return [float(sums[count - 1] / count) for count in counts]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 0, the mean of their ranks for equal ones."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count + 1) / 2)[place]
