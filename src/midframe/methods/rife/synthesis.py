"""What every RIFE layout does with a flow and a mask, and how its results are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.ops.warp import backward_warp

Image: TypeAlias = Float[Tensor, "batch 3 height width"]
"""RGB in [0, 1]."""
Channels: TypeAlias = Float[Tensor, "batch channel height width"]
"""RGB, or a part or an extension of it."""
FlowPair: TypeAlias = Float[Tensor, "batch 4 height width"]
"""Target to before (x, y), then target to after (x, y), in pixels of the full resolution."""
MaskLogit: TypeAlias = Float[Tensor, "batch 1 height width"]
"""Its sigmoid is the weight of the warped `before`; the rest is the weight of the warped `after`."""
FeatureMap: TypeAlias = Float[Tensor, "batch _ _ _"]
"""Channels, height and width of its own."""
Time: TypeAlias = Float[Tensor, " batch"]
"""Instant of the target, 0 at `before` and 1 at `after`."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What the privileged block, which sees the target, makes of the last student flow.

    Attributes:
        merged: The blend of both images under `flow`, without refinement.
        flow: The corrected flow.
    """

    merged: Image
    flow: FlowPair


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Everything a RIFE network makes on its way to a frame. All float32, all of full resolution.

    Attributes:
        output: The synthesised frame, in [0, 1] for images in [0, 1].
        flows: Flow after each block, coarse to fine.
        masks: Mask logit after each block.
        merged: Blend of both images after each block, before any refinement.
        teacher: Present when a target was given to a network that has a teacher block.
    """

    output: Image
    flows: tuple[FlowPair, ...]
    masks: tuple[MaskLogit, ...]
    merged: tuple[Image, ...]
    teacher: Teacher | None = None


def warp_pair(before: Tensor, after: Tensor, flow: FlowPair) -> tuple[Tensor, Tensor]:
    """Fetch both images, or feature maps, to the instant of the target; float32."""
    return backward_warp(before, flow[:, :2]), backward_warp(after, flow[:, 2:])


def blend(warped_before: Channels, warped_after: Channels, mask: MaskLogit) -> Channels:
    """Weigh the two warped images per pixel: a convex combination, so it stays in their range."""
    return torch.lerp(warped_after, warped_before, torch.sigmoid(mask))


def time_plane(time: Time, like: Image) -> Float[Tensor, "batch 1 height width"]:
    """Spread one instant per item over a plane that can be joined with the images.

    Raises:
        ShapeError: There is not exactly one instant for each item.
    """
    if time.shape != like.shape[:1]:
        raise ShapeError(f"time must hold one instant for each of {like.shape[0]} items; got {tuple(time.shape)}.")
    return time.to(like.dtype).view(-1, 1, 1, 1).expand(-1, 1, *like.shape[-2:])


def check_images(before: Image, after: Image, target: Image | None, multiple: int) -> None:
    """Refuse images that differ in shape or do not divide into the coarsest block.

    Raises:
        ShapeError: With the shapes and the multiple that is needed.
    """
    for name, image in (("after", after), ("target", target)):
        if image is not None and image.shape != before.shape:
            raise ShapeError(f"before {tuple(before.shape)} and {name} {tuple(image.shape)} differ in shape.")
    height, width = before.shape[-2:]
    if height % multiple or width % multiple:
        raise ShapeError(f"Height and width must be multiples of {multiple}; got {height}x{width}. Pad first.")
