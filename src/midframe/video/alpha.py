"""Colours together with their transparency: RGBA whose colours are not multiplied by alpha, as files store them."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame

from midframe.video.colour import Colour, bit_depth, from_rgb, has_alpha, plane_values, to_rgb

PLANAR = ("yuva", "gbrap")


def to_rgba(frame: VideoFrame, colour: Colour) -> np.ndarray:
    """Decode a frame's colours and its alpha.

    Returns:
        (height, width, 4): as `colour.to_rgb`, and alpha, of which the largest value is opaque.
    """
    rgb = to_rgb(frame, colour)
    name = frame.format.name
    if not has_alpha(name) and name != "pal8":
        alpha = np.full(rgb.shape[:2], np.iinfo(rgb.dtype).max, rgb.dtype)
    elif _is_planar(name):
        alpha = _scaled(plane_values(frame, 3, bit_depth(name)), bit_depth(name), rgb.dtype)
    else:
        alpha = frame.to_ndarray(format="rgba" if rgb.dtype == np.uint8 else "rgba64le")[..., 3]
    return np.concatenate((rgb, alpha[..., None]), axis=-1)


def from_rgba(pixels: np.ndarray, pixel_format: str, colour: Colour) -> VideoFrame:
    """Encode pixels as `to_rgba` returns them, in a format that has alpha. The inverse of `to_rgba`."""
    height, width = pixels.shape[:2]
    if not _is_planar(pixel_format):
        packed = VideoFrame.from_ndarray(pixels, format="rgba" if pixels.dtype == np.uint8 else "rgba64le")
        return packed.reformat(format=pixel_format)
    depth = bit_depth(pixel_format)
    opaque = from_rgb(
        np.ascontiguousarray(pixels[..., :3]),
        pixel_format.replace("yuva", "yuv").replace("gbrap", "gbrp"),
        colour,
    )
    frame = VideoFrame(width, height, pixel_format)
    for index in range(3):
        plane_values(frame, index, depth)[:] = plane_values(opaque, index, depth)
    stored = np.uint8 if depth == 8 else np.uint16
    white = np.iinfo(pixels.dtype).max
    plane_values(frame, 3, depth)[:] = np.rint(pixels[..., 3] * ((2**depth - 1) / white)).astype(stored)
    return frame


def _is_planar(pixel_format: str) -> bool:
    """Whether alpha is a plane of whole numbers in this machine's order of bytes."""
    return pixel_format.startswith(PLANAR) and not pixel_format.endswith("be") and "f" not in pixel_format


def _scaled(alpha: np.ndarray, depth: int, dtype: np.dtype) -> np.ndarray:
    white = np.iinfo(dtype).max
    if white == 2**depth - 1:
        return alpha
    return np.rint(alpha * (white / (2**depth - 1))).astype(dtype)
