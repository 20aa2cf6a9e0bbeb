"""The luma of RGB frames, for what looks at one channel."""

from __future__ import annotations

from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.ops.rounding import round_to_bytes

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of ITU-R BT.601, which OpenCV and FFmpeg use for RGB of no stated origin."""


def luma(frames: Float[Tensor, "*lead 3 height width"]) -> Float[Tensor, "*lead height width"]:
    """Weigh the channels of RGB as the eye does, in the range of the input."""
    red, green, blue = frames.unbind(-3)
    return (RED * red).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)


def luma_bytes(frames: Float[Tensor, "*lead 3 height width"]) -> UInt8[Tensor, "*lead height width"]:
    """The luma of RGB in [0, 1], rounded to 0 to 255."""
    return round_to_bytes(luma(frames.float()))
