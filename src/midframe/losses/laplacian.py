"""Laplacian pyramid loss."""

from __future__ import annotations

from functools import lru_cache

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
        levels: Band-pass levels; height and width must be multiples of 2^levels and at least 3/2 of it.

    Raises:
        ShapeError: The size does not divide, or shapes differ.

    Source: Bojanowski et al. 2018; kernel, border and weights as in RIFE.
    """
    if prediction.shape != target.shape:
        raise ShapeError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape.")
    _check_size(prediction, levels)
    with torch.autocast(prediction.device.type, enabled=False):
        bands = _bands(prediction.float() - target.float(), levels)
        return torch.stack([band.abs().mean() for band in bands]).sum()


def laplacian_bands(
    image: Float[Tensor, "batch channel height width"], levels: int = LEVELS
) -> list[Float[Tensor, "batch channel _ _"]]:
    """Band-pass levels of a picture, the finest first; the low-pass that remains is dropped.

    Args:
        image: Any value range.
        levels: As in `laplacian_pyramid_loss`, whose bands these are.

    Raises:
        ShapeError: The size does not divide.
    """
    _check_size(image, levels)
    with torch.autocast(image.device.type, enabled=False):
        return _bands(image.float(), levels)


def _check_size(image: Tensor, levels: int) -> None:
    height, width = image.shape[-2:]
    # The coarsest filter reflects two samples at each border and needs three to do so.
    multiple, smallest = 2**levels, 3 * 2 ** (levels - 1)
    if height % multiple or width % multiple or min(height, width) < smallest:
        raise ShapeError(
            f"{levels} levels need sides in multiples of {multiple}, at least {smallest}; got {height}x{width}. "
            "Crop the images or lower `levels`."
        )


def _bands(current: Tensor, levels: int) -> list[Tensor]:
    bands = []
    for _ in range(levels):
        down = [_downsampling(side, current.device) for side in current.shape[-2:]]
        up = [_upsampling(side // 2, current.device) for side in current.shape[-2:]]
        smaller = down[0] @ current @ down[1].T
        bands.append(current - up[0] @ smaller @ up[1].T)
        current = smaller
    return bands


# Both filters are linear and separable, so each is one matrix a side: two small products replace a one-channel
# convolution, whose backward pass on a CPU took longer than the network it trained.


# Matrices made in inference mode could not be trained through later, and they are kept.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _downsampling(length: int, device: torch.device) -> Tensor:
    """Blur by [1 4 6 4 1] / 16 with reflected borders, then keep every second sample: (length / 2, length)."""
    line = functional.pad(torch.eye(length)[:, None], (2, 2), mode="reflect")
    return functional.conv1d(line, _kernel()[None, None])[:, 0, ::2].T.contiguous().to(device)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _upsampling(length: int, device: torch.device) -> Tensor:
    """Zeros between the samples, then the blur again with twice the weight: (2 length, length)."""
    sparse = torch.zeros(length, 1, 2 * length)
    sparse[torch.arange(length), 0, 2 * torch.arange(length)] = 2.0
    line = functional.pad(sparse, (2, 2), mode="reflect")
    return functional.conv1d(line, _kernel()[None, None])[:, 0].T.contiguous().to(device)


def _kernel() -> Tensor:
    return torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
