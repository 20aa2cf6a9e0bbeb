"""Static overlays (subtitles, logos, displays): found in the two frames of a gap, and kept from being warped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional

from midframe.core.timeline import HALF
from midframe.engine.pixels import Pixels, white_of
from midframe.engine.synthesis import Made

STILL_LEVELS, MOVING_LEVELS = 4.0, 12.0
"""Of 255: a pixel that differs by less is still, by more it moves; between the two it is partly kept."""
EDGE_LEVELS = 24.0
"""Contrast within three pixels that makes an edge: a flat still area shows nothing that could be warped."""
FEW_MOVING, MANY_MOVING = 0.25, 0.5
"""Share of the surroundings that moves: below the first nothing is an overlay, above the second it is for certain."""
SMALLEST_REACH, REACH_SHARE = 8, 40
"""Pixels that count as the surroundings: at least the first, and that part of the frame's shorter side."""
WIDER = 3
"""Times that far for the inside of a logo."""
BAND_PIXELS = 2**19
"""Pixels that are judged at once, which bounds what is held beside the frames."""


def overlay_mask(before: Pixels, after: Pixels) -> UInt8[np.ndarray, "height width"]:
    """How surely each pixel belongs to something that stands still while its surroundings move; 255 is certain.

    A pixel is kept where it and its neighbours are equal in both frames, within what compression changes, where there
    are edges that stand still, and where many pixels around it do move. Memory: that of the result, and of a band.

    Args:
        before: The frame before the gap.
        after: The frame after it, of the same size and type.
    """
    height, width = before.shape[:2]
    reach = max(SMALLEST_REACH, min(height, width) // REACH_SHARE)
    halo = WIDER * reach
    rows = max(1, BAND_PIXELS // width)
    mask = np.empty((height, width), np.uint8)
    for top in range(0, height, rows):
        first, last = max(0, top - halo), min(height, top + rows + halo)
        band = _mask_of(_levels(before[first:last]), _levels(after[first:last]), reach)
        mask[top : top + rows] = band[top - first : min(top + rows, height) - first].mul(255).round().byte().numpy()
    return mask


def keep_overlays(made: Iterable[Made], before: Pixels, after: Pixels, times: Sequence[Fraction]) -> Iterator[Made]:
    """Put overlays back into synthesised frames, from the nearer of the two source frames.

    Args:
        made: Frames between the two, one for each time.
        before: The frame before the gap.
        after: The frame after it.
        times: Fractions of the gap in (0, 1).
    """
    mask = overlay_mask(before, after)
    rows = np.flatnonzero(mask.any(axis=1))
    for frame, time in zip(made, times, strict=True):
        if not rows.size:
            yield frame
            continue
        part = slice(rows[0], rows[-1] + 1)
        nearer = (before if time < HALF else after)[part].astype(np.float32)
        pixels = frame.pixels.copy()
        share = mask[part, :, None].astype(np.float32) / 255
        pixels[part] = np.rint(pixels[part] + share * (nearer - pixels[part])).astype(pixels.dtype)
        yield replace(frame, pixels=pixels)


def _levels(pixels: Pixels) -> Tensor:
    """(channel, height, width) in levels of 255."""
    scale = 255 / white_of(pixels.dtype)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)).mul_(scale)


def _mask_of(before: Tensor, after: Tensor, reach: int) -> Tensor:
    """(height, width) in [0, 1]."""
    change = (before - after).abs().amax(0)
    still = ((MOVING_LEVELS - change) / (MOVING_LEVELS - STILL_LEVELS)).clamp(0, 1)
    still = _largest(_smallest(still, 1), 1)  # what is still by chance, a pixel here and there, goes
    moves = (change > MOVING_LEVELS).float()
    moving = torch.maximum(_mean(moves, reach), _mean(moves, WIDER * reach))
    surrounded = ((moving - FEW_MOVING) / (MANY_MOVING - FEW_MOVING)).clamp(0, 1)
    contrast = torch.minimum(*(_largest(grey, 1) - _smallest(grey, 1) for grey in (before.mean(0), after.mean(0))))
    edges = ((contrast > EDGE_LEVELS) & (still > 0)).float()
    return still * surrounded * _largest(edges, reach)


def _largest(values: Tensor, reach: int) -> Tensor:
    """Of each square of 2 `reach` + 1 pixels; rows first, then columns."""
    rows = functional.max_pool2d(values[None, None], (1, 2 * reach + 1), 1, (0, reach))
    return functional.max_pool2d(rows, (2 * reach + 1, 1), 1, (reach, 0))[0, 0]


def _smallest(values: Tensor, reach: int) -> Tensor:
    return -_largest(-values, reach)


def _mean(values: Tensor, reach: int) -> Tensor:
    rows = functional.avg_pool2d(values[None, None], (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)
    return functional.avg_pool2d(rows, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)[0, 0]
