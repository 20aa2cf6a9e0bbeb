"""The one place where decoded pixels become tensors, and tensors pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from midframe.core.errors import UsageError

Pixels: TypeAlias = UInt8[np.ndarray, "_ _ _"] | UInt16[np.ndarray, "_ _ _"]
"""RGB of shape (height, width, 3) with white at the largest value of the type; RGBA of four channels where the
source has transparency, colours not weighed by it."""

BAND_PIXELS = 2**22
"""Pixels that are rounded at once: what is held of a large frame on the way is small beside it."""


def to_tensor(pixels: Pixels, device: torch.device) -> Float[Tensor, "channel height width"]:
    """Pixels as float32 in [0, 1], premultiplied where they have alpha.

    They travel to the device in their own type, which is smaller.

    Raises:
        UsageError: Pixels that are neither uint8 nor uint16.
    """
    white = white_of(pixels.dtype)
    planes = torch.from_numpy(pixels).to(device).permute(2, 0, 1)
    # Type and layout change in one pass over the picture.
    unit = planes.to(torch.float32, memory_format=torch.contiguous_format).div_(white)
    return premultiply(unit) if len(unit) == 4 else unit


def to_window(
    window: Sequence[Pixels], device: torch.device, multiple: int = 1
) -> Float[Tensor, "window channel height width"]:
    """Several frames as `to_tensor` and `ops.pad.pad_to_multiple` give them, without a second copy of any."""
    height, width, channels = window[0].shape
    frames = torch.empty(len(window), channels, height + -height % multiple, width + -width % multiple, device=device)
    for frame, pixels in zip(frames, window, strict=True):
        content = frame[:, :height, :width]
        content.copy_(torch.from_numpy(pixels).to(device).permute(2, 0, 1)).div_(white_of(pixels.dtype))
        if channels == 4:
            premultiply(content)
    frames[..., :height, width:] = frames[..., :height, width - 1 : width]
    frames[..., height:, :] = frames[..., height - 1 : height, :]
    return frames


def to_pixels(frame: Float[Tensor, "channel height width"], dtype: np.dtype) -> Pixels:
    """A frame in [0, 1] rounded to the nearest level of `dtype`, uint8 or uint16.

    Where it has alpha, it is premultiplied, and the pixels are not: what is transparent becomes black.
    """
    channels, height, width = frame.shape
    rows = max(1, BAND_PIXELS // max(1, width))
    if rows >= height:
        return _levels(frame, dtype)
    pixels = np.empty((height, width, channels), dtype)
    for top in range(0, height, rows):
        pixels[top : top + rows] = _levels(frame[:, top : top + rows], dtype)
    return pixels


def _levels(frame: Tensor, dtype: np.dtype) -> Pixels:
    if len(frame) == 4:
        frame = straighten(frame.float())
    levels = frame.float().clamp(0, 1).mul_(white_of(dtype)).round_()
    # Small first, then turned: planes of bytes turn four times faster than planes of floats.
    small = levels.to(torch.uint8) if dtype == np.uint8 else levels.to(torch.int32)
    return small.permute(1, 2, 0).contiguous().cpu().numpy().astype(dtype, copy=False)


def premultiply(frames: Tensor) -> Tensor:
    """Weigh the colours of (..., 4, height, width) by their alpha, in place."""
    frames[..., :3, :, :].mul_(frames[..., 3:, :, :])
    return frames


def straighten(frame: Float[Tensor, "4 height width"]) -> Float[Tensor, "4 height width"]:
    """Undo `premultiply`; what is transparent becomes black."""
    alpha = frame[3:]
    return torch.cat((frame[:3] / alpha.clamp(min=1e-6), alpha))


def white_of(dtype: np.dtype) -> int:
    """The level that stands for white.

    Raises:
        UsageError: Neither uint8 nor uint16.
    """
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise UsageError(f"Pixels must be uint8 or uint16; got {dtype}.")
    return int(np.iinfo(dtype).max)
