"""Local correlation of two feature maps, one of which was warped to the other or both to one instant."""

from __future__ import annotations

from types import EllipsisType
from typing import Any, cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from midframe.core.errors import ShapeError


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
    height, width = before.shape[-2:]
    first, second = (
        functional.pad(functional.normalize(side, dim=1, eps=1e-4), (radius,) * 4) for side in (before, after)
    )
    span = 2 * radius + 1
    places = [(i, j) for i in range(span) for j in range(span)]
    mirrored = [(span - 1 - i, span - 1 - j) for i, j in places]
    return cast(Tensor, _Products.apply(first, second, mirrored, places, (height, width)))


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
    height, width = fixed.shape[-2:]
    first = functional.normalize(fixed, dim=1, eps=1e-4)
    second = functional.pad(functional.normalize(moved, dim=1, eps=1e-4), (radius,) * 4)
    span = 2 * radius + 1
    places = [(i, j) for i in range(span) for j in range(span)]
    return cast(Tensor, _Products.apply(first, second, [(0, 0)] * len(places), places, (height, width)))


class _Products(torch.autograd.Function):
    """Channel sums of products of equal parts of two maps, for a list of pairs of parts.

    Its gradient adds to one map of zeros: recorded part by part, each would begin with a map of its own.
    """

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor,
        first_corners: list[tuple[int, int]],
        second_corners: list[tuple[int, int]],
        size: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(first, second)
        ctx.parts = [
            (_part(one, size), _part(other, size)) for one, other in zip(first_corners, second_corners, strict=True)
        ]
        return torch.stack([(first[here] * second[there]).sum(1) for here, there in ctx.parts], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = grad_outputs
        first, second = ctx.saved_tensors
        to_first, to_second = torch.zeros_like(first), torch.zeros_like(second)
        for (here, there), part in zip(ctx.parts, gradient.split(1, dim=1), strict=True):
            to_first[here].addcmul_(second[there], part)
            to_second[there].addcmul_(first[here], part)
        return to_first, to_second, None, None, None


def _part(corner: tuple[int, int], size: tuple[int, int]) -> tuple[EllipsisType, slice, slice]:
    (top, left), (height, width) = corner, size
    return ..., slice(top, top + height), slice(left, left + width)
