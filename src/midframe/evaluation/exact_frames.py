"""What a frame that was remade exactly counts as, wherever values are averaged or subtracted."""

from __future__ import annotations

import math
from collections.abc import Sequence

EXACT_PSNR = 60.0
"""Decibels, instead of infinity, above which no one sees a difference; libvmaf too counts an exact 8-bit frame so.

Left out of the mean instead, a frame made exactly could lower it. Finite values above it stay as they are: a list
without exact frames has the mean that other code prints.
"""


def finite(values: Sequence[float]) -> list[float]:
    """The values with that many decibels for every exact frame."""
    return [EXACT_PSNR if value == math.inf else value for value in values]


def count_exact(values: Sequence[float]) -> int:
    """How many frames were remade exactly, by a metric that is infinite for them."""
    return sum(value == math.inf for value in values)
