"""The one place where decoded pixels become tensors, and tensors pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from midframe.core.errors import UsageError

Pixels: TypeAlias = UInt8[np.ndarray, "_ _ 3"] | UInt16[np.ndarray, "_ _ 3"]
"""RGB of shape (height, width, 3) with white at the largest value of the type."""


def to_tensor(pixels: Pixels, device: torch.device) -> Float[Tensor, "3 height width"]:
    """Pixels as float32 in [0, 1]; they travel to the device in their own type, which is smaller.

    Raises:
        UsageError: Pixels that are neither uint8 nor uint16.
    """
    white = white_of(pixels.dtype)
    planes = torch.from_numpy(pixels).to(device).permute(2, 0, 1)
    # Type and layout change in one pass over the picture.
    return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(white)


def to_pixels(frame: Float[Tensor, "3 height width"], dtype: np.dtype) -> Pixels:
    """A frame in [0, 1] rounded to the nearest level of `dtype`, uint8 or uint16."""
    levels = frame.float().clamp(0, 1).mul_(white_of(dtype)).round_()
    # Small first, then turned: planes of bytes turn four times faster than planes of floats.
    small = levels.to(torch.uint8) if dtype == np.uint8 else levels.to(torch.int32)
    return small.permute(1, 2, 0).contiguous().cpu().numpy().astype(dtype, copy=False)


def white_of(dtype: np.dtype) -> int:
    """The level that stands for white.

    Raises:
        UsageError: Neither uint8 nor uint16.
    """
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise UsageError(f"Pixels must be uint8 or uint16; got {dtype}.")
    return int(np.iinfo(dtype).max)
