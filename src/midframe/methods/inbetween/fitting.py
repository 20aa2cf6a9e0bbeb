"""Pictures of any shape before a model of a certain size, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.ops.resize import resize

Fit: TypeAlias = Literal["keep", "stretch", "crop"]
"""Keep the shape at about the model's number of pixels; stretch to the model's own size; or cut the middle to its
shape, in which case what is made is the cut."""

Pictures = Float[Tensor, "batch 3 height width"]


@dataclass(frozen=True)
class Fitting:
    """How pictures of one size go into a model.

    Attributes:
        top, left, height, width: The part that is used, in pixels of the picture.
        inner: Height and width at which the model works.
    """

    top: int
    left: int
    height: int
    width: int
    inner: tuple[int, int]

    def enter(self, pictures: Pictures) -> Float[Tensor, "batch 3 rows columns"]:
        """The used part at the model's size, in [0, 1]."""
        cut = pictures[..., self.top : self.top + self.height, self.left : self.left + self.width].float().clamp(0, 1)
        if cut.shape[-2:] == self.inner:
            return cut
        return functional.interpolate(cut, size=self.inner, mode="bilinear", align_corners=False, antialias=True)

    def leave(self, pictures: Pictures) -> Float[Tensor, "batch 3 rows columns"]:
        """The model's pictures at the size of the used part, in [0, 1]."""
        return resize(pictures, (self.height, self.width)).clamp(0, 1)


def fitting(fit: Fit, height: int, width: int, model: tuple[int, int], multiple: int) -> Fitting:
    """Decide how pictures go in.

    Args:
        fit: See `Fit`.
        height: Of the pictures.
        width: Likewise.
        model: Height and width that the model was trained on.
        multiple: What its sizes have to be multiples of.

    Raises:
        UsageError: A size of the model that is not a multiple.
    """
    if any(side % multiple or side < multiple for side in model):
        raise UsageError(f"The model works on sizes in multiples of {multiple}; got {model[0]}x{model[1]}.")
    if fit == "stretch":
        return Fitting(0, 0, height, width, model)
    if fit == "crop":
        aspect = model[1] / model[0]
        used_width = min(width, round(height * aspect))
        used_height = min(height, round(width / aspect))
        return Fitting((height - used_height) // 2, (width - used_width) // 2, used_height, used_width, model)
    factor = math.sqrt(model[0] * model[1] / (height * width))
    inner = tuple(max(round(side * factor / multiple), 1) * multiple for side in (height, width))
    return Fitting(0, 0, height, width, (inner[0], inner[1]))
