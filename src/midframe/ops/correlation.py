"""Local correlation of two feature maps, one of which was warped to the other or both to one instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import EllipsisType
from typing import Any, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from midframe.core.errors import ShapeError

SHORTEST = 1e-4
"""Length of a feature vector below which it counts as shorter than 1."""
STRIP_NUMBERS = 2**17
"""Most products held at once for each thread of a CPU: with their factors they fit into a core's cache of 2 MB."""

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
    offsets = _window(radius)
    mirrored = [(-down, -right) for down, right in offsets]
    return cast(Tensor, _Cosines.apply(before, after, mirrored, offsets))


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
    offsets = _window(radius)
    return cast(Tensor, _Cosines.apply(fixed, moved, [(0, 0)] * len(offsets), offsets))


class _Cosines(torch.autograd.Function):
    """Cosines of one map at p plus an offset and the other at p plus another, for a list of pairs of offsets.

    On a CPU it goes strip by strip: whole maps of products would go to memory and back once for each pair, and
    copies of both maps, normalised, twice; that took most of the time.

    Its gradient adds to one map of zeros: recorded pair by pair, each would begin with a map of its own.
    """

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        first_offsets: Sequence[Offset],
        second_offsets: Sequence[Offset],
    ) -> Tensor:
        # In channels-last maps a pixel's few channels are adjacent, and sums over them slow.
        first, second = first.contiguous(), second.contiguous()
        pairs = list(zip(first_offsets, second_offsets, strict=True))
        ctx.save_for_backward(first, second)
        ctx.pairs = pairs
        batch, _, height, width = first.shape
        reach = max(abs(down) for pair in pairs for down, _ in pair)
        cosines = first.new_zeros(batch, len(pairs), height, width)
        scratch: Tensor | None = None
        for rows in _strips(first):
            # All rows that the offsets lead to from these, which are a map of their own then.
            around = slice(max(rows.start - reach, 0), min(rows.stop + reach, height))
            one_unit, other_unit = _unit(first[:, :, around]), _unit(second[:, :, around])
            scratch = torch.empty_like(one_unit) if scratch is None else scratch
            targets = cosines[:, :, around].unbind(1)
            inside = rows.start - around.start, rows.stop - around.start
            for target, (one, other) in zip(targets, pairs, strict=True):
                place, here, there = _meeting(one, other, inside, (around.stop - around.start, width))
                target = target[place]
                products = scratch[..., : target.shape[-2], : target.shape[-1]]
                torch.sum(torch.mul(one_unit[here], other_unit[there], out=products), 1, out=target)
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = grad_outputs
        maps = ctx.saved_tensors
        height, width = gradient.shape[-2:]
        one_unit, other_unit = (_unit(map_) for map_ in maps)
        to_first, to_second = torch.zeros_like(one_unit), torch.zeros_like(other_unit)
        for (one, other), part in zip(ctx.pairs, gradient.split(1, dim=1), strict=True):
            place, here, there = _meeting(one, other, (0, height), (height, width))
            to_first[here].addcmul_(other_unit[there], part[place])
            to_second[there].addcmul_(one_unit[here], part[place])
        return _to_map(to_first, one_unit, maps[0]), _to_map(to_second, other_unit, maps[1]), None, None


def _window(radius: int) -> list[Offset]:
    """All offsets of a window, row offset slowest."""
    span = range(-radius, radius + 1)
    return [(down, right) for down in span for right in span]


def _strips(map_: Tensor) -> Iterator[slice]:
    """Rows of a map, some at a time. A GPU has no use for short strips.

    How many moves the last digit of a cosine: processes with other numbers of threads may differ in it.
    """
    batch, channels, height, width = map_.shape
    most = STRIP_NUMBERS * torch.get_num_threads()
    rows = max(1, most // (batch * channels * width)) if map_.device.type == "cpu" else height
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


@lru_cache(maxsize=1024)  # All strips but the first and the last few are alike.
def _meeting(one: Offset, other: Offset, rows: tuple[int, int], size: tuple[int, int]) -> tuple[Part, Part, Part]:
    """Of these rows, the places from where both offsets lead into the map, and where either of them leads.

    They are empty where there is no such place.
    """
    height, width = size
    top, bottom = _common(*rows, height, one[0], other[0])
    left, right = _common(0, width, width, one[1], other[1])
    place, here, there = (
        (..., slice(top + i, bottom + i), slice(left + j, right + j)) for i, j in ((0, 0), one, other)
    )
    return place, here, there


def _common(start: int, stop: int, length: int, one: int, other: int) -> tuple[int, int]:
    """Of a line, the places from where both offsets stay between 0 and a length."""
    start = max(start, -one, -other)
    return start, max(start, min(stop, length - one, length - other))


def _unit(map_: Tensor) -> Tensor:
    return map_ * map_.square().sum(1, keepdim=True).clamp_(min=SHORTEST**2).rsqrt_()


def _to_map(gradient: Tensor, unit: Tensor, map_: Tensor) -> Tensor:
    """The gradient of a map, from that of the map divided by its lengths.

    Length does not change the direction, so what points along it is taken off; where the length is held, nothing is.
    """
    squares = map_.square().sum(1, keepdim=True)
    along = (gradient * unit).sum(1, keepdim=True) * (squares >= SHORTEST**2)
    return gradient.addcmul_(unit, along, value=-1).mul_(squares.clamp_(min=SHORTEST**2).rsqrt_())
