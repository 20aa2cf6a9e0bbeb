"""Flow arithmetic. Flow is in pixels of its own resolution, x (right) before y (down)."""

from __future__ import annotations

import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor


def resize_flow(
    flow: Float[Tensor, "batch pairs height width"], size: tuple[int, int]
) -> Float[Tensor, "batch pairs new_height new_width"]:
    """Resize one or more flows bilinearly, and scale their values with the size.

    Args:
        flow: An even number of channels, (x, y) pairs.
        size: New height and width.

    Returns:
        Flow in pixels of the new resolution.
    """
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    factor = flow.new_tensor([size[1] / width, size[0] / height]).repeat(flow.shape[1] // 2)
    # Scaled before it grows: the same result from a quarter of the products.
    return functional.interpolate(flow * factor[:, None, None], size=size, mode="bilinear", align_corners=False)
