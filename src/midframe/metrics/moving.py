"""PSNR where a gap changes most: what is still in both inputs, any method copies."""

from __future__ import annotations

from jaxtyping import Bool, Real
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.metrics.difference import psnr
from midframe.metrics.sample import Sample

MOVING_SHARE = 0.1
"""Part of the pixels that is judged."""


def moving_pixels(
    before: Real[Tensor, "*batch 3 height width"], after: Real[Tensor, "*batch 3 height width"]
) -> Bool[Tensor, "*batch height width"]:
    """The tenth of the pixels that differ most between two frames, by the mean absolute difference of channels.

    Args:
        before: RGB on any scale.
        after: Likewise.

    Returns:
        True at these pixels; at more where the last of them has equals, at all where nothing differs.
    """
    difference = (before.double() - after.double()).abs().mean(-3)
    pixels = difference.shape[-2] * difference.shape[-1]
    first = min(int((1 - MOVING_SHARE) * pixels) + 1, pixels)
    return difference >= difference.flatten(-2).kthvalue(first).values[..., None, None]


class MovingPsnr:
    """`psnr` over the tenth of the pixels that differ most between the inputs.

    Raises:
        UsageError: The sample has no inputs.
        ShapeError: The frames differ in size.

    Source: this project.
    """

    name = "psnr_moving"
    higher_is_better = True

    def __call__(self, sample: Sample) -> float:
        before, after = sample.inputs(self.name)
        if len({frame.shape for frame in (sample.prediction, sample.target, before, after)}) > 1:
            raise ShapeError(f"'{self.name}' needs prediction, target and both inputs in one size.")
        judged = moving_pixels(before, after)
        # As one row of pixels: `psnr` takes frames.
        return psnr(sample.prediction[:, judged][:, None], sample.target[:, judged][:, None])
