"""How many visits of a shared coarse block a picture needs."""

from __future__ import annotations

LEVEL_SIDE = 288
"""Short side, in pixels, up to which the trained number of pyramid levels is used; each doubling adds one. The
training clips have this size, so the coarsest level always sees about as much of the picture as in training."""


def pyramid_levels(trained: int, height: int, width: int) -> int:
    """Visits of the coarse block for a picture of this size."""
    levels, side = trained, min(height, width)
    while side >= 2 * LEVEL_SIDE:
        levels, side = levels + 1, side / 2
    return levels
