"""Local correlation of two feature maps, one of which was warped to the other or both to one instant."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

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
    return torch.stack(
        [
            (
                first[:, :, span - 1 - i : span - 1 - i + height, span - 1 - j : span - 1 - j + width]
                * second[:, :, i : i + height, j : j + width]
            ).sum(1)
            for i in range(span)
            for j in range(span)
        ],
        dim=1,
    )


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
    return torch.stack(
        [(first * second[:, :, i : i + height, j : j + width]).sum(1) for i in range(span) for j in range(span)],
        dim=1,
    )
