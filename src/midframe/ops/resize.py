"""Resizing of values that are not displacements: images, masks, features (flow: `ops.flow.resize_flow`)."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor

from midframe.core.errors import ShapeError


def shrink(image: Tensor, divisor: int) -> Tensor:
    """Make (batch, channel, height, width) smaller by a whole number: each pixel the mean of those that it covers.

    Raises:
        ShapeError: Height or width is no multiple of the divisor.
    """
    return cell_sums(image, divisor) / divisor**2 if divisor > 1 else image


def halvings(image: Tensor, count: int) -> list[Tensor]:
    """A picture (batch, channel, height, width) at its own size, at 1/2, 1/4, ..., each made of the one before.

    Args:
        image: Any value range.
        count: How many pictures, the first among them.

    Raises:
        ShapeError: Height or width cannot be halved as often.
    """
    pictures = [image]
    while len(pictures) < count:
        pictures.append(shrink(pictures[-1], 2))
    return pictures


def cell_sums(image: Tensor, side: int) -> Tensor:
    """Sums over square cells of (batch, channel, height, width).

    By slices, which take a quarter of the time of pooling on a CPU.

    Raises:
        ShapeError: Height or width is no multiple of the cell's side.
    """
    height, width = image.shape[-2:]
    if height % side or width % side:
        raise ShapeError(f"height and width must be multiples of {side}; got {height}x{width}.")
    rows = sum((image[..., start::side, :] for start in range(1, side)), image[..., ::side, :])
    return sum((rows[..., start::side] for start in range(1, side)), rows[..., ::side])


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (batch, channel, height, width) bilinearly to a height and width."""
    if image.shape[-2:] == size:
        return image
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
