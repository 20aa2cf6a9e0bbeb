"""The one place where decoded pixels become tensors, and tensors pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from midframe.core.errors import UsageError

Pixels: TypeAlias = UInt8[np.ndarray, "_ _ 3"] | UInt16[np.ndarray, "_ _ 3"]
"""RGB of shape (height, width, 3) with white at the largest value of the type."""

BAND_PIXELS = 2**22
"""Pixels that are rounded at once: what is held of a large frame on the way is small beside it."""


def to_tensor(pixels: Pixels, device: torch.device) -> Float[Tensor, "3 height width"]:
    """Pixels as float32 in [0, 1]; they travel to the device in their own type, which is smaller.

    Raises:
        UsageError: Pixels that are neither uint8 nor uint16.
    """
    white = white_of(pixels.dtype)
    planes = torch.from_numpy(pixels).to(device).permute(2, 0, 1)
    # Type and layout change in one pass over the picture.
    return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(white)


def to_window(
    window: Sequence[Pixels], device: torch.device, multiple: int = 1
) -> Float[Tensor, "window 3 height width"]:
    """Several frames as `to_tensor` and `ops.pad.pad_to_multiple` give them, without a second copy of any."""
    height, width = window[0].shape[:2]
    frames = torch.empty(len(window), 3, height + -height % multiple, width + -width % multiple, device=device)
    for frame, pixels in zip(frames, window, strict=True):
        content = frame[:, :height, :width]
        content.copy_(torch.from_numpy(pixels).to(device).permute(2, 0, 1)).div_(white_of(pixels.dtype))
    frames[..., :height, width:] = frames[..., :height, width - 1 : width]
    frames[..., height:, :] = frames[..., height - 1 : height, :]
    return frames


def to_pixels(frame: Float[Tensor, "3 height width"], dtype: np.dtype) -> Pixels:
    """A frame in [0, 1] rounded to the nearest level of `dtype`, uint8 or uint16."""
    height, width = frame.shape[-2:]
    rows = max(1, BAND_PIXELS // max(1, width))
    if rows >= height:
        return _levels(frame, dtype)
    pixels = np.empty((height, width, 3), dtype)
    for top in range(0, height, rows):
        pixels[top : top + rows] = _levels(frame[:, top : top + rows], dtype)
    return pixels


def _levels(frame: Tensor, dtype: np.dtype) -> Pixels:
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
