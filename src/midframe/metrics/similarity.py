"""Structural similarity, in the three variants that papers report.

`ssim` is the index of Wang et al. 2004, channel by channel. `ssim_3d` lets the window reach over the channels
too, with repeated borders; interpolation papers call it "matlab" SSIM, and its values are higher. `ssim_luma`
is the index of the luma alone, as image restoration reports it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.metrics.difference import PEAK, check_same_size

WINDOW = 11
DEVIATION_PIXELS = 1.5
LUMINANCE_CONSTANT = (0.01 * PEAK) ** 2
CONTRAST_CONSTANT = (0.03 * PEAK) ** 2
LUMA_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # BT.601 for 8-bit RGB, limited range.
LUMA_OFFSET = 16

Volume = Float64[Tensor, "channel height width"]


def ssim(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """Structural similarity with an 11x11 Gaussian window, averaged over pixels and RGB channels.

    Only windows that lie inside the frame count.

    Raises:
        ShapeError: The frames differ in size, or are smaller than the window.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
    """
    _check_fits_window(prediction, target)
    return _mean_similarity(prediction.double(), target.double(), _blur_plane)


def ssim_luma(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """Structural similarity as in `ssim`, of the luma alone.

    Luma is BT.601 in limited range (16 to 235), not rounded, as MATLAB's `rgb2ycbcr` gives for floating point.

    Raises:
        ShapeError: The frames differ in size, or are smaller than the window.
    """
    _check_fits_window(prediction, target)
    return _mean_similarity(_luma(prediction), _luma(target), _blur_plane)


def ssim_3d(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """Structural similarity with an 11x11x11 Gaussian window over channel, height and width.

    The border values repeat outward on all three axes, so that every pixel has a full window.

    Raises:
        ShapeError: The frames differ in size.
    """
    check_same_size(prediction, target)
    return _mean_similarity(prediction.double(), target.double(), _blur_volume)


def _check_fits_window(prediction: Tensor, target: Tensor) -> None:
    check_same_size(prediction, target)
    if min(prediction.shape[-2:]) < WINDOW:
        raise ShapeError(f"SSIM needs at least {WINDOW}x{WINDOW} pixels; got {tuple(prediction.shape)}.")


def _luma(picture: UInt8[Tensor, "3 height width"]) -> Float64[Tensor, "1 height width"]:
    weights = torch.tensor(LUMA_WEIGHTS, dtype=torch.float64, device=picture.device)
    return LUMA_OFFSET + torch.einsum("c,chw->hw", weights, picture.double())[None]


def _mean_similarity(x: Volume, y: Volume, blur: Callable[[Volume], Volume]) -> float:
    # float64: the variances below are small differences of large squares.
    mean_x, mean_y = blur(x), blur(y)
    variance_x = blur(x * x) - mean_x * mean_x
    variance_y = blur(y * y) - mean_y * mean_y
    covariance = blur(x * y) - mean_x * mean_y
    # Wang et al. 2004, equation 13:
    # (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2))
    luminance = (2 * mean_x * mean_y + LUMINANCE_CONSTANT) / (mean_x**2 + mean_y**2 + LUMINANCE_CONSTANT)
    contrast = (2 * covariance + CONTRAST_CONSTANT) / (variance_x + variance_y + CONTRAST_CONSTANT)
    return (luminance * contrast).mean().item()


def _blur_plane(volume: Volume) -> Float64[Tensor, "channel shorter_height shorter_width"]:
    return _blur_line(_blur_line(volume, 2), 1)


def _blur_volume(volume: Volume) -> Volume:
    for axis in (2, 1):
        length = volume.shape[axis]
        reach = WINDOW // 2
        border = torch.arange(-reach, length + reach, device=volume.device).clamp(0, length - 1)
        volume = _blur_line(volume.index_select(axis, border), axis)
    return torch.einsum("oc,chw->ohw", _channel_weights(volume), volume)


def _channel_weights(volume: Volume) -> Float64[Tensor, "output input"]:
    """The window over the channel axis with repeated ends, as a matrix: most of its taps fall outside."""
    channels = volume.shape[0]
    weights = torch.zeros(channels, channels, dtype=torch.float64)
    for output in range(channels):
        for offset, weight in enumerate(_gaussian().tolist(), start=-(WINDOW // 2)):
            weights[output, min(max(output + offset, 0), channels - 1)] += weight
    return weights.to(volume.device)


def _blur_line(volume: Volume, axis: int) -> Float64[Tensor, "channel shorter_height shorter_width"]:
    """Filter along one axis; the result is shorter by the window less one."""
    length = volume.shape[axis] - WINDOW + 1
    # Sums of shifted views: PyTorch's float64 convolution copies the frame once for every tap.
    weights = _gaussian().tolist()
    blurred = volume.narrow(axis, 0, length) * weights[0]
    for start, weight in enumerate(weights[1:], start=1):
        blurred.add_(volume.narrow(axis, start, length), alpha=weight)
    return blurred


def _gaussian() -> Float64[Tensor, " window"]:
    distance = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(distance**2) / (2 * DEVIATION_PIXELS**2))
    return weights / weights.sum()
