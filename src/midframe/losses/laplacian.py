"""The Laplacian pyramid loss: an L1 distance of band-pass images."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError

BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
REFLECTION = len(BINOMIAL) // 2


def laplacian_pyramid_loss(
    prediction: Float[Tensor, "batch channel height width"],
    target: Float[Tensor, "batch channel height width"],
    levels: int = 5,
) -> Float[Tensor, ""]:
    """Sum, over the band-pass levels, of the mean absolute difference.

    The low-pass residue is dropped, as in the published loss, so a constant brightness offset costs
    nothing. Add a small L1 term where that matters. Always computed in float32: a coarse band is a small
    difference of large numbers.

    Args:
        prediction: Any value range.
        target: The same range and shape.
        levels: Number of band-pass levels, each of half the resolution of the one before.

    Returns:
        A float32 scalar.

    Raises:
        ShapeError: The shapes differ, a side is not a multiple of 2 ** levels, or the coarsest level is too
            small for its 5-tap filter.

    Source: Niklaus and Liu 2018 (the loss); the variant of RIFE (levels, filter, borders, no level weights).
    """
    if prediction.shape != target.shape:
        raise ShapeError(
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape."
        )
    height, width = target.shape[-2:]
    multiple, smallest = 2**levels, (REFLECTION + 1) * 2 ** (levels - 1)
    if height % multiple or width % multiple or min(height, width) < smallest:
        raise ShapeError(
            f"A Laplacian pyramid of {levels} levels needs sides that are multiples of {multiple} and at "
            f"least {smallest}; got {height}x{width}. Crop the images or lower `levels`."
        )
    with torch.autocast(device_type=target.device.type, enabled=False):
        # The pyramid is linear, so the difference of two pyramids is the pyramid of the difference.
        remainder = (prediction.float() - target.float()).reshape(-1, 1, height, width)
        taps = remainder.new_tensor(BINOMIAL) / sum(BINOMIAL)
        loss = remainder.new_zeros(())
        for _ in range(levels):
            coarser = _smooth(remainder, taps)[..., ::2, ::2]
            loss = loss + (remainder - _enlarge(coarser, taps)).abs().mean()
            remainder = coarser
    return loss


def _smooth(
    image: Float[Tensor, "planes 1 height width"], taps: Float[Tensor, " taps"]
) -> Float[Tensor, "planes 1 height width"]:
    """Binomial 5x5 low-pass with reflected borders, as one pass along each axis."""
    image = functional.pad(image, (REFLECTION,) * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(image, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


def _enlarge(
    image: Float[Tensor, "planes 1 height width"], taps: Float[Tensor, " taps"]
) -> Float[Tensor, "planes 1 2*height 2*width"]:
    """Insert zeros between the pixels and smooth; the factor 4 restores the mean."""
    planes, _, height, width = image.shape
    spread = image.new_zeros(planes, 1, 2 * height, 2 * width)
    spread[..., ::2, ::2] = image
    return 4 * _smooth(spread, taps)
