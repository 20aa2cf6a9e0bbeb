"""Laplacian pyramid loss."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError

LEVELS = 5


def laplacian_pyramid_loss(
    prediction: Float[Tensor, "batch channel height width"],
    target: Float[Tensor, "batch channel height width"],
    levels: int = LEVELS,
) -> Float[Tensor, ""]:
    """Sum over band-pass levels of the mean absolute difference.

    The pyramid is linear, so it is taken once, of the difference. The final low-pass is dropped: the loss does
    not see a constant offset.

    Args:
        prediction: Any value range.
        target: Same shape.
        levels: Band-pass levels; height and width must be multiples of 2^levels.

    Raises:
        ShapeError: The size does not divide, or shapes differ.

    Source: Bojanowski et al. 2018; kernel, border and weights as in RIFE.
    """
    height, width = prediction.shape[-2:]
    if prediction.shape != target.shape:
        raise ShapeError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ.")
    if height % 2**levels or width % 2**levels:
        raise ShapeError(f"{levels} levels need sizes in multiples of {2**levels}; got {height}x{width}.")
    current = (prediction.float() - target.float()).flatten(0, 1).unsqueeze(1)
    loss = current.new_zeros(())
    for _ in range(levels):
        smaller = _blur(current)[..., ::2, ::2]
        loss = loss + (current - _expand(smaller)).abs().mean()
        current = smaller
    return loss


def _kernel(like: Tensor) -> Tensor:
    line = like.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return torch.outer(line, line)[None, None]


def _blur(image: Tensor) -> Tensor:
    with torch.autocast(image.device.type, enabled=False):
        return functional.conv2d(functional.pad(image, (2, 2, 2, 2), mode="reflect"), _kernel(image))


def _expand(image: Tensor) -> Tensor:
    """Double the size: zeros between the samples, then four times the kernel."""
    batch, channel, height, width = image.shape
    sparse = image.new_zeros(batch, channel, 2 * height, 2 * width)
    sparse[..., ::2, ::2] = image
    return 4 * _blur(sparse)
