"""Backward warping."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError


def backward_warp(
    image: Float[Tensor, "batch channel height width"],
    flow: Float[Tensor, "batch 2 part_height part_width"],
    kernel: Literal["bilinear", "bicubic"] = "bilinear",
    corner: tuple[int, int] | None = None,
) -> Float[Tensor, "batch channel part_height part_width"]:
    """Fetch, for every output pixel, the image colour that the flow points at.

    Always computed in float32: PyTorch's CPU `grid_sample` is not safe in bfloat16, and a bfloat16
    coordinate cannot name a pixel of a wide image.

    Args:
        image: Any value range; left unchanged.
        flow: Displacement in pixels (x right, y down) from output to image.
        kernel: Bilinear samples blur between pixels and stay within the image's range. Bicubic ones keep its detail
            and its noise, may overshoot at edges, and take four times as long.
        corner: First row and column of the part of the frame that the flow is of; None for all of it. The part may
            fetch from anywhere in the image.

    Returns:
        Samples in float32. Positions outside the image take the nearest border pixel.

    Raises:
        ShapeError: image and flow differ in batch, or without a corner in height or width.

    Source: Jaderberg et al. 2015, section 3.3; border rule as in RIFE.
    """
    if image.shape[0] != flow.shape[0] or (corner is None and image.shape[-2:] != flow.shape[-2:]):
        raise ShapeError(f"image {tuple(image.shape)} and flow {tuple(flow.shape)} differ in batch or size.")
    return fetch(image, sampling_grid(flow, (image.shape[-2], image.shape[-1]), corner or (0, 0)), kernel)


def fetch(
    image: Float[Tensor, "batch channel height width"],
    places: Float[Tensor, "batch part_height part_width 2"],
    kernel: Literal["bilinear", "bicubic"] = "bilinear",
) -> Float[Tensor, "batch channel part_height part_width"]:
    """As `backward_warp`, from places that are known: for several images that are fetched by one flow.

    Args:
        image: As there.
        places: From `sampling_grid`, for the image's size.
        kernel: As there.

    Returns:
        As there.
    """
    with torch.autocast(device_type=image.device.type, enabled=False):
        return functional.grid_sample(image.float(), places, mode=kernel, padding_mode="border", align_corners=False)


def sampling_grid(
    flow: Float[Tensor, "batch 2 height width"], size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> Float[Tensor, "batch height width 2"]:
    """Places that a flow points at, as `grid_sample` counts them with `align_corners=False`; float32.

    Args:
        flow: Displacement in pixels (x right, y down).
        size: Height and width of the picture that will be sampled.
        corner: First row and column in it of the part that the flow is of.

    Returns:
        x and y of each place, from -1 to 1 over the picture; a view of separate planes, not contiguous.
    """
    (height, width), (top, left) = size, corner
    flow = flow.float()
    column = torch.arange(left, left + flow.shape[-1], device=flow.device, dtype=torch.float32)
    row = torch.arange(top, top + flow.shape[-2], device=flow.device, dtype=torch.float32)
    # Pixel centre p of a line of n pixels has the normalised coordinate (2 p + 1) / n - 1 under
    # align_corners=False: valid for n = 1 too, where the align_corners=True form divides by zero.
    across, down = column * (2 / width) + (1 / width - 1), row * (2 / height) + (1 / height - 1)
    places = torch.stack((across.expand(len(row), -1), down[:, None].expand(-1, len(column))))
    # Filled and not copied from a list: a GPU would wait for the copy.
    factor = flow.new_empty(2, 1, 1)
    factor[0].fill_(2 / width)
    factor[1].fill_(2 / height)
    # `grid_sample` takes x and y in separate planes as well, and laying them side by side would take longer than
    # all else here.
    return torch.addcmul(places, flow, factor).permute(0, 2, 3, 1)
