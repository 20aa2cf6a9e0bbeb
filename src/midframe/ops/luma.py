"""The luma of RGB frames, for what looks for motion in one channel."""

from __future__ import annotations

from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.ops.rounding import round_to_bytes

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of ITU-R BT.601, which OpenCV and FFmpeg use for RGB of no stated origin."""


def luma_bytes(frames: Float[Tensor, "*lead 3 height width"]) -> UInt8[Tensor, "*lead height width"]:
    """Weigh the channels of RGB in [0, 1] as the eye does, and round to 0 to 255."""
    red, green, blue = frames.float().unbind(-3)
    return round_to_bytes(RED * red + GREEN * green + BLUE * blue)
