"""What a protocol does to every picture, inputs and truth alike, before a method sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as functional
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError

Picture: TypeAlias = UInt8[Tensor, "3 height width"]
Prepared: TypeAlias = UInt8[Tensor, "3 new_height new_width"]

WIDEST_HD = 1920
"""Wider pictures count as UHD."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Crop first, then resize; nothing by default.

    Attributes:
        crop: "none"; "square", the largest in the centre, its half-side rounded down; "centre", of `crop_size`;
            "half-of-uhd", the middle half of each side of pictures wider than 1920, others stay whole.
        crop_size: Width and height of the crop "centre".
        size: Width and height to resize to; the shape may change.
        filter: "area" weighs every source pixel by its overlap with the target pixel; "bilinear" and "bicubic"
            widen their kernel where the picture shrinks.
        gamma: Resize powers of the values by this exponent: 2.2 is near linear light.
        raw_size: Width and height of the frames of raw video files (planar YUV 4:2:0, 8 bit), which do not say.
    """

    crop: Literal["none", "square", "centre", "half-of-uhd"] = "none"
    crop_size: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    filter: Literal["area", "bilinear", "bicubic"] = "area"
    gamma: float = 1.0
    raw_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.crop == "centre") != (self.crop_size is not None):
            raise UsageError(f"crop_size belongs to the crop 'centre'; got {self.crop_size} with '{self.crop}'.")
        for name in ("crop_size", "size", "raw_size"):
            value = getattr(self, name)
            if value is not None and min(value) < 1:
                raise UsageError(f"{name} must be positive; got {value[0]}x{value[1]}.")
        if self.gamma <= 0:
            raise UsageError(f"gamma must be positive; got {self.gamma}.")

    def __call__(self, picture: Picture) -> Prepared:
        """The picture as the method and the metrics see it, rounded to 8 bit (halves up).

        Raises:
            ShapeError: The picture is smaller than the crop.
        """
        cropped = self._cropped(picture)
        if self.size is None:
            return cropped
        values = (cropped.double() / 255) ** self.gamma
        resized = resize(values, self.size, self.filter).clamp(0, 1) ** (1 / self.gamma)
        # Exact halves are common where 2x2 pixels become one; the small step keeps them from falling by rounding.
        return (resized * 255 + 0.5 + 1e-9).floor().to(torch.uint8)

    def __str__(self) -> str:
        return ", then ".join(self._steps()) or "as it is"

    def _steps(self) -> list[str]:
        steps = []
        if self.crop == "centre" and self.crop_size is not None:
            steps.append(f"cropped in the centre to {self.crop_size[0]}x{self.crop_size[1]}")
        if self.crop == "square":
            steps.append("cropped to the largest square in the centre")
        if self.crop == "half-of-uhd":
            steps.append("cropped to the middle half of each side where it is wider than 1920")
        if self.size is not None:
            light = "" if self.gamma == 1 else f", gamma {self.gamma:g}"
            steps.append(f"resized to {self.size[0]}x{self.size[1]} ({self.filter} filter{light})")
        return steps

    def _cropped(self, picture: Picture) -> Prepared:
        height, width = picture.shape[-2:]
        if self.crop == "square":
            # Halves are rounded down one by one: an odd side loses a pixel.
            half = min(height, width) // 2
            top, left = height // 2 - half, width // 2 - half
            return picture[:, top : top + 2 * half, left : left + 2 * half]
        if self.crop == "half-of-uhd" and width > WIDEST_HD:
            return picture[:, height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]
        if self.crop == "centre" and self.crop_size is not None:
            crop_width, crop_height = self.crop_size
            if crop_width > width or crop_height > height:
                raise ShapeError(
                    f"A picture of {width}x{height} is too small for the crop of {crop_width}x{crop_height}."
                )
            top, left = (height - crop_height) // 2, (width - crop_width) // 2
            return picture[:, top : top + crop_height, left : left + crop_width]
        return picture


def resize(
    values: Float[Tensor, "channel height width"], size: tuple[int, int], kernel: str
) -> Float[Tensor, "channel new_height new_width"]:
    """Resize to (width, height); for "area" see `Preparation.filter`, the rest as PyTorch does with antialiasing."""
    width, height = size
    if kernel != "area":
        return functional.interpolate(
            values[None], (height, width), mode=kernel, align_corners=False, antialias=True
        )[0]
    return _averaged(_averaged(values, height).mT, width).mT


def _averaged(values: Float[Tensor, "channel old width"], new: int) -> Float[Tensor, "channel new width"]:
    """Means over `new` equal parts of the height, in which every row counts by its overlap with the part."""
    old = values.shape[1]
    # The integral from the top to each border of a part: whole rows, then the fraction of the one that it crosses.
    borders = torch.arange(new + 1, dtype=torch.float64, device=values.device) * old / new
    crossed = borders.long().clamp(max=old - 1)
    above = functional.pad(values, (0, 0, 1, 0)).cumsum(1).index_select(1, crossed)
    integral = above + (borders - crossed)[:, None] * values.index_select(1, crossed)
    return integral.diff(dim=1) * (new / old)
