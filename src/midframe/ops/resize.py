"""Resizing of values that are not displacements: images, masks, features (flow: `ops.flow.resize_flow`)."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (batch, channel, height, width) bilinearly to a height and width."""
    if image.shape[-2:] == size:
        return image
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False)
