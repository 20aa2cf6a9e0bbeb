"""Local correlation of two feature maps, one of which was warped to the other or both to one instant."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import Any, TypeAlias, cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from midframe.core.errors import ShapeError

SHORTEST = 1e-4
"""Length of a feature vector below which it counts as shorter than 1."""
STRIP_NUMBERS = 2**18
"""Most cosines worked on at once for each thread of a CPU: they fit into a core's cache of 2 MB."""

Offset: TypeAlias = tuple[int, int]
"""Rows down and columns right."""
Part: TypeAlias = tuple[EllipsisType, slice, slice]
"""Rows and columns of a map, for indexing it."""


def symmetric_correlation(
    before: Float[Tensor, "batch channel height width"],
    after: Float[Tensor, "batch channel height width"],
    radius: int,
) -> Float[Tensor, "batch offsets height width"]:
    """Compare the surroundings of each pixel in two maps, mirrored about the pixel.

    Channel (i, j) holds the cosine between `before` at p - k and `after` at p + k, with k = (j, i) - radius: a
    point that moves by 2 k between the maps passes p half way. A window of `radius` therefore covers motions of
    twice that many pixels. Outside the maps features are zero.

    Args:
        before: Features warped to an instant from the frame before it.
        after: Features warped to the same instant from the frame after it.
        radius: Largest mirrored offset in pixels.

    Returns:
        Cosines in [-1, 1], (2 radius + 1)^2 channels, row offset slowest.

    Raises:
        ShapeError: The maps differ in shape.

    Source: bilateral cost volume of Park et al. 2020 (BMBC), section 3.2.
    """
    if before.shape != after.shape:
        raise ShapeError(f"maps differ: {tuple(before.shape)} and {tuple(after.shape)}.")
    return cast(Tensor, _Cosines.apply(before, after, radius, True))


def local_correlation(
    fixed: Float[Tensor, "batch channel height width"],
    moved: Float[Tensor, "batch channel height width"],
    radius: int,
) -> Float[Tensor, "batch offsets height width"]:
    """Compare each pixel of one map with the surroundings of the same place in another.

    Channel (i, j) holds the cosine between `fixed` at p and `moved` at p + k, with k = (j, i) - radius. Outside the
    maps features are zero.

    Args:
        fixed: Features of the frame whose motion is sought.
        moved: Features of another frame, warped to it by what is known of the motion.
        radius: Largest offset in pixels.

    Returns:
        Cosines in [-1, 1], (2 radius + 1)^2 channels, row offset slowest.

    Raises:
        ShapeError: The maps differ in shape.

    Source: cost volume of Sun et al. 2018 (PWC-Net), section 3, with cosines for products.
    """
    if fixed.shape != moved.shape:
        raise ShapeError(f"maps differ: {tuple(fixed.shape)} and {tuple(moved.shape)}.")
    return cast(Tensor, _Cosines.apply(fixed, moved, radius, False))


class _Cosines(torch.autograd.Function):
    """Cosines of one map at p, or at p - k, and the other at p + k, for all offsets k of a window.

    Channel by channel, products are added for all offsets at once: by views, in which a step from one offset to the
    next is a step in memory. On a CPU it goes strip by strip, so that what is worked on stays in the caches.

    Its gradient adds to one map of zeros: recorded offset by offset, each would begin with a map of its own.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, radius: int, mirrored: bool) -> Tensor:
        # In channels-last maps a pixel's few channels are adjacent, and views of one channel slow.
        first, second = first.contiguous(), second.contiguous()
        ctx.save_for_backward(first, second)
        ctx.radius, ctx.mirrored = radius, mirrored
        batch, channels, height, width = first.shape
        # Seen from the place in the first map, the other's is one offset away, or two where offsets are mirrored.
        # Mirrored sums are kept where the first map is read, at p - k, which may lie up to a radius outside.
        step, border = (2, radius) if mirrored else (1, 0)
        side, reach = 2 * radius + 1, step * radius
        sums = first.new_zeros(batch, side, side, height + 2 * border, width + 2 * border)
        for rows in _strips(first, side**2):
            top, bottom = max(rows.start - reach, 0), min(rows.stop + reach, height)
            outside = (reach, reach, reach - (rows.start - top), reach - (bottom - rows.stop))
            one, other = _unit(first[:, :, rows]), functional.pad(_unit(second[:, :, top:bottom]), outside)
            item, channel, row, column = other.stride()
            windows = other.as_strided(
                (batch, side, side, channels, one.shape[2], width),
                (item, step * row, step * column, channel, row, column),
            )
            target = sums[..., border + rows.start : border + rows.stop, border : border + width]
            for factor, window in zip(one[:, None, None].unbind(3), windows.unbind(3), strict=True):
                target.addcmul_(factor, window)
        return (_centred(sums, radius) if mirrored else sums).flatten(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = grad_outputs
        maps = ctx.saved_tensors
        size = (gradient.shape[-2], gradient.shape[-1])
        one_unit, other_unit = (_unit(map_) for map_ in maps)
        to_first, to_second = torch.zeros_like(one_unit), torch.zeros_like(other_unit)
        for (down, right), part in zip(_window(ctx.radius), gradient.split(1, dim=1), strict=True):
            mirror = (-down, -right) if ctx.mirrored else (0, 0)
            place, here, there = _meeting(mirror, (down, right), size)
            to_first[here].addcmul_(other_unit[there], part[place])
            to_second[there].addcmul_(one_unit[here], part[place])
        return _to_map(to_first, one_unit, maps[0]), _to_map(to_second, other_unit, maps[1]), None, None


def _window(radius: int) -> list[Offset]:
    """All offsets of a window, row offset slowest."""
    span = range(-radius, radius + 1)
    return [(down, right) for down in span for right in span]


def _strips(map_: Tensor, offsets: int) -> Iterator[slice]:
    """Rows of a map, some at a time. A GPU has no use for short strips.

    How many moves the last digit of a cosine: processes with other numbers of threads may differ in it.
    """
    batch, _, height, width = map_.shape
    most = STRIP_NUMBERS * torch.get_num_threads()
    rows = max(1, most // (batch * offsets * width)) if map_.device.type == "cpu" else height
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def _centred(sums: Tensor, radius: int) -> Tensor:
    """Mirrored sums moved by their offset k, from p - k to p.

    Args:
        sums: (batch, side, side, height, width); the outer `radius` rows and columns lie outside the map: zeros.
        radius: The largest offset.

    Returns:
        Without the border; a view.
    """
    batch, side, _, height, width = sums.shape
    item, down, right, row, column = sums.stride()
    size = (batch, side, side, height - 2 * radius, width - 2 * radius)
    # For the first offset, -radius, p - k is as far down and right as the border allows; the next is a place back.
    return sums.as_strided(size, (item, down - row, right - column, row, column), 2 * radius * (row + column))


def _meeting(one: Offset, other: Offset, size: tuple[int, int]) -> tuple[Part, Part, Part]:
    """The places from where both offsets lead into the map, and where either of them leads.

    They are empty where there is no such place.
    """
    height, width = size
    top, bottom = _common(height, one[0], other[0])
    left, right = _common(width, one[1], other[1])
    place, here, there = (
        (..., slice(top + i, bottom + i), slice(left + j, right + j)) for i, j in ((0, 0), one, other)
    )
    return place, here, there


def _common(length: int, one: int, other: int) -> tuple[int, int]:
    """Of a line, the places from where both offsets stay between 0 and its length."""
    start = max(0, -one, -other)
    return start, max(start, min(length, length - one, length - other))


def _unit(map_: Tensor) -> Tensor:
    return map_ * map_.square().sum(1, keepdim=True).clamp_(min=SHORTEST**2).rsqrt_()


def _to_map(gradient: Tensor, unit: Tensor, map_: Tensor) -> Tensor:
    """The gradient of a map, from that of the map divided by its lengths.

    Length does not change the direction, so what points along it is taken off; where the length is held, nothing is.
    """
    squares = map_.square().sum(1, keepdim=True)
    along = (gradient * unit).sum(1, keepdim=True) * (squares >= SHORTEST**2)
    return gradient.addcmul_(unit, along, value=-1).mul_(squares.clamp_(min=SHORTEST**2).rsqrt_())
