"""What a call takes, by a model whose constants were measured (`docs/reference/reliability.md`, Memory)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from midframe.core.work_size import WorkSize
from midframe.methods.rife.layouts import MatchingConfig

SCALES = (Fraction(1), Fraction(1, 2), Fraction(1, 4))
"""Resolutions of the flow, the best first."""
TILES = (2**21, 2**20, 2**19, 2**18)
"""Pixels of a window in which a tile is computed, the fastest first: margins cost the more, the smaller it is."""
WHOLE, ROUGH, WINDOW, MERGE = 260, 110, 300, 130
PUBLISHED = 900


def matching_sizes(
    scales: Sequence[Fraction], pixels: int, config: MatchingConfig, number_bytes: int, tta: bool
) -> list[WorkSize]:
    return []


def published_sizes(scales: Sequence[Fraction], pixels: int, tta: bool) -> list[WorkSize]:
    return []
