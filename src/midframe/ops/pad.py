"""Padding to a multiple, and its inverse."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor


def pad_to_multiple(
    frames: Float[Tensor, "*lead height width"], multiple: int
) -> Float[Tensor, "*lead padded_height padded_width"]:
    """Repeat the right and bottom border until height and width are multiples of `multiple`.

    The content stays at the top left, so that `[..., :height, :width]` undoes it.
    """
    height, width = frames.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if not right and not bottom:
        return frames
    flat = frames.reshape(-1, 1, height, width)
    padded = functional.pad(flat, (0, right, 0, bottom), mode="replicate")
    return padded.reshape(*frames.shape[:-2], height + bottom, width + right)


def reflect_to_multiple(
    frames: Float[Tensor, "*lead height width"], multiple: int
) -> Float[Tensor, "*lead padded_height padded_width"]:
    """Mirror the content at its right and bottom border until height and width are multiples of `multiple`.

    Where the padding is longer than the content, it is mirrored again and again. The content stays at the top left.
    """
    for axis in (-2, -1):
        length = frames.shape[axis]
        if length % multiple:
            places = torch.arange(length + -length % multiple, device=frames.device)
            # A mirror at the last pixel repeats after 2 (n - 1) pixels; a single pixel has nothing to mirror.
            turned = places % max(2 * (length - 1), 1)
            frames = frames.index_select(axis, torch.minimum(turned, 2 * (length - 1) - turned))
    return frames
