"""What a call takes, by a model whose constants were measured (`docs/reference/reliability.md`, Memory)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from midframe.core.work_size import WorkSize

SCALES = (Fraction(1), Fraction(1, 2), Fraction(1, 4))
"""Resolutions of the flow, the best first."""
TILES = (2**21, 2**20, 2**19, 2**18)
"""Pixels of a window in which a tile is computed, the fastest first: margins cost the more, the smaller it is."""
WHOLE = 500
"""Bytes for each pixel of the frame on which flow is estimated; rounded up, as the others."""
ROUGH = 160
"""The same, of that part which is always done on the whole frame."""
WINDOW = 260
"""Bytes for each pixel of a tile's window."""
MERGE = 110
"""Bytes for each pixel that is blended at once, where flow is estimated at a lower scale."""
PUBLISHED = 1000
"""Bytes for each pixel of the frame, in the published layouts; flow at a lower scale saves little there."""
WEIGHTS = {4: 1.0, 2: 0.6}
"""Share that is left with numbers of so many bytes: flow, mask and warping stay in float32."""


def matching_sizes(scales: Sequence[Fraction], pixels: int, number_bytes: int, *, tta: bool) -> list[WorkSize]:
    """What the default layout can do for a frame of so many pixels, the best result first.

    Tiles give the frame of the whole, so they come before a lower scale.
    """
    found: list[WorkSize] = []
    share = WEIGHTS[number_bytes]
    mirrored = 3 * 4 * 3 * pixels if tta else 0  # both frames turned, and the first result
    for scale in scales:
        small = int(pixels * scale**2)
        for tile in (None, *TILES):
            if tile is not None and tile >= small:
                continue
            seen = small if tile is None else tile
            network = WHOLE * small if tile is None else ROUGH * small + WINDOW * tile
            merge = 0 if scale == 1 else MERGE * min(seen, pixels) + 5 * 4 * small
            found.append(WorkSize(scale=scale, tile_pixels=tile, size_bytes=int(network * share) + merge + mirrored))
    falling: list[WorkSize] = []
    for size in found:
        if not falling or size.size_bytes < falling[-1].size_bytes:
            falling.append(size)
    return falling


def published_sizes(scales: Sequence[Fraction], pixels: int, *, tta: bool) -> list[WorkSize]:
    """What the published layouts do: whole frames."""
    mirrored = 3 * 4 * 3 * pixels if tta else 0
    return [WorkSize(scale=scales[0], size_bytes=PUBLISHED * pixels + mirrored)]
