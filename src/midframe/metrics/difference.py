"""Scores of pixel differences."""

from __future__ import annotations

import math

from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.ops.luma import luma

PEAK = 255


def psnr(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """Peak signal-to-noise ratio in decibels, over all pixels and channels together.

    Returns:
        10 log10(255² / mean squared error); infinity where the frames are equal.

    Raises:
        ShapeError: The frames differ in size.
    """
    check_same_size(prediction, target)
    return _decibels(prediction.double() - target.double())


def psnr_luma(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """As `psnr`, of the luma alone: BT.601 from 0 to 255, not rounded.

    Raises:
        ShapeError: The frames differ in size.
    """
    check_same_size(prediction, target)
    return _decibels(luma(prediction.double()) - luma(target.double()))


def interpolation_error(
    prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]
) -> float:
    """Mean absolute difference (IE), from 0 to 255.

    Raises:
        ShapeError: The frames differ in size.
    """
    check_same_size(prediction, target)
    return (prediction.double() - target.double()).abs().mean().item()


def capped_psnr(squared: Float[Tensor, "*shape"]) -> float:
    """PSNR of squared differences, 100 dB at most: a mean over pictures stays finite where one is met exactly.

    Args:
        squared: Of values in [0, 1].

    Returns:
        Decibels.
    """
    return -10 * math.log10(max(float(squared.mean()), 1e-10))


def check_same_size(prediction: Tensor, target: Tensor) -> None:
    """Refuse frames of two sizes.

    Raises:
        ShapeError: The frames differ in size.
    """
    if prediction.shape != target.shape:
        raise ShapeError(
            f"Only frames of one size can be compared; the prediction is {tuple(prediction.shape)}, "
            f"the target {tuple(target.shape)}."
        )


def _decibels(difference: Float64[Tensor, "*shape"]) -> float:
    mean_squared_error = difference.square().mean().item()
    return math.inf if mean_squared_error == 0 else 10 * math.log10(PEAK**2 / mean_squared_error)
