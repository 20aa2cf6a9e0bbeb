"""How far things move between two frames, told by the pictures alone: no method under test has a say in it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.ops.luma import luma
from midframe.ops.rounding import bytes_to_unit

ANALYSIS_SIDE = 256
"""Pixels of the longer side at which blocks are matched."""
BLOCK = 16
REACH = 20
"""Largest displacement that is looked for along each axis: a thirteenth of the longer side."""
DISTANCE_COST = 2e-4
"""Of a luma in [0, 1], for each pixel of displacement: a flat block, which fits everywhere, stays where it is."""
EXCEEDED_BY = 0.1
"""Part of the picture that moves farther than the size that is reported."""

MEANING = "pixels that a tenth of the picture exceeds"
"""For the axis of a chart and the head of a table."""


def motion_pixels(before: UInt8[Tensor, "3 height width"], after: UInt8[Tensor, "3 height width"]) -> float:
    """The distance that a tenth of the picture exceeds between two frames, in pixels.

    Blocks of the first frame, reduced to 256 pixels along its longer side, are looked for in the second one among
    all displacements up to a thirteenth of that side; larger motions report about that much.

    Raises:
        ShapeError: The frames differ in size.
    """
    if before.shape != after.shape:
        raise ShapeError(f"Frames differ in size: {tuple(before.shape)} and {tuple(after.shape)}.")
    factor = max(1.0, max(before.shape[-2:]) / ANALYSIS_SIDE)
    first, second = (_reduced_luma(frame, factor) for frame in (before, after))
    distances = block_displacements(first, second).norm(dim=0)
    return float(torch.quantile(distances, 1 - EXCEEDED_BY)) * factor


def block_displacements(
    before: Float[Tensor, "height width"], after: Float[Tensor, "height width"]
) -> Float[Tensor, "2 rows columns"]:
    """Where each block of 16 x 16 pixels goes: x, then y, to a fraction of a pixel.

    Incomplete blocks at the right and lower border are left out; a picture smaller than a block is one block.
    """
    height, width = (min(BLOCK, side) for side in before.shape)
    rows, columns = before.shape[0] // height, before.shape[1] // width
    before, after = before[: rows * height, : columns * width], after[: rows * height, : columns * width]
    surroundings = functional.pad(after[None, None], (REACH,) * 4, mode="replicate")[0, 0]
    span = 2 * REACH + 1
    # All displacements to the right at once, those down one by one: few operations, in little memory.
    shifted = surroundings.unfold(1, before.shape[1], 1).contiguous()  # (row, displacement, column) of pixels
    sums = (
        (shifted[down : down + before.shape[0]] - before[:, None]).abs_().reshape(rows, height, span, -1).sum(1)
        for down in range(span)
    )
    costs = torch.cat([s.reshape(rows, span, columns, width).sum(3).transpose(0, 1) for s in sums])
    costs /= height * width
    offsets = torch.arange(-REACH, REACH + 1, dtype=before.dtype)
    down, right = torch.meshgrid(offsets, offsets, indexing="ij")
    best = (costs + DISTANCE_COST * torch.hypot(right, down).reshape(-1, 1, 1)).argmin(0)
    costs = costs.reshape(span, span, rows * columns)
    y, x = (best.flatten() // span), (best.flatten() % span)
    blocks = torch.arange(rows * columns)
    found = (
        right.flatten()[best.flatten()] + _vertex(costs, blocks, y, x, step=(0, 1)),
        down.flatten()[best.flatten()] + _vertex(costs, blocks, y, x, step=(1, 0)),
    )
    return torch.stack(found).reshape(2, rows, columns)


def _vertex(costs: Tensor, blocks: Tensor, y: Tensor, x: Tensor, step: tuple[int, int]) -> Tensor:
    """Offset in (-1/2, 1/2) of the lowest point of a V through a cost and its two neighbours along one axis.

    A V and not a parabola: absolute differences rise with the distance itself. At the border of the reach, and
    where the three costs are one, it is 0.
    """
    last = costs.shape[0] - 1
    inside = (y >= step[0]) & (y <= last - step[0]) & (x >= step[1]) & (x <= last - step[1])
    here = costs[y, x, blocks]
    left = costs[(y - step[0]).clamp(0, last), (x - step[1]).clamp(0, last), blocks]
    right = costs[(y + step[0]).clamp(0, last), (x + step[1]).clamp(0, last), blocks]
    steepest = torch.maximum(left, right) - here
    offset = (left - right) / (2 * steepest)
    return torch.where(inside & (steepest > 0), offset.clamp(-0.5, 0.5), torch.zeros_like(offset))


def _reduced_luma(frame: UInt8[Tensor, "3 height width"], factor: float) -> Float[Tensor, "lower narrower"]:
    whole = luma(bytes_to_unit(frame))
    if factor == 1:
        return whole
    size = [max(1, math.floor(side / factor)) for side in whole.shape]
    return functional.interpolate(whole[None, None], size=size, mode="area")[0, 0]
