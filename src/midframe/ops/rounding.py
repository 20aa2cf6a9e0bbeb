"""From [0, 1] to the 256 values that a picture file can hold, and back."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

TIE_GRID = 1024
"""Parts of a byte step that are told apart: far coarser than the noise of float32, far finer than the eye."""


def round_to_bytes(frames: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Round values of [0, 1] to the nearest of 0 to 255; halves go to the even number, the rest is clamped.

    The mean of two bytes is a half as often as not, but float32 holds it a hair above or below: without care,
    rounding noise would decide, more often upward. Values within 1/2048 of a half therefore count as halves.
    """
    steps = (frames.float() * (255 * TIE_GRID)).round() / TIE_GRID
    return steps.round().clamp(0, 255).to(torch.uint8)


def bytes_to_unit(frames: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Scale bytes to float32 in [0, 1]."""
    return frames.float() / 255
