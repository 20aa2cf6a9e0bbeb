"""Photometric distance: how unlike two pictures look around each pixel."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

STRUCTURE_SHARE = 0.85
LUMINANCE_CONSTANT = 0.01**2
CONTRAST_CONSTANT = 0.03**2


def photometric_distance(
    first: Float[Tensor, "batch channel height width"], second: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch 1 height width"]:
    """Structure and colour differences around each pixel, averaged over the channels.

    Args:
        first: Values in [0, 1].
        second: The same shape.

    Returns:
        0.85 (1 - SSIM) / 2 + 0.15 |difference|, with 3x3 windows for SSIM; in [0, 1].

    Source: Godard et al. 2017, equation 2; written from the formula.
    """
    with torch.autocast(first.device.type, enabled=False):
        first, second = first.float(), second.float()
        structure = structure_distance(first, second)
        distance = STRUCTURE_SHARE * structure + (1 - STRUCTURE_SHARE) * (first - second).abs()
        return distance.mean(1, keepdim=True)


def structure_distance(
    first: Float[Tensor, "batch channel height width"], second: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch channel height width"]:
    """Structure differences around each pixel: (1 - SSIM) / 2 with 3x3 windows, in [0, 1].

    Args:
        first: Values in [0, 1].
        second: The same shape.
    """
    with torch.autocast(first.device.type, enabled=False):
        x, y = first.float(), second.float()
        # Linear and separable, so one matrix a side: a tenth of the time of pooling on a CPU, backward too.
        down, across = (_mean_of_three(side, first.device) for side in first.shape[-2:])

        def mean(values: Tensor) -> Tensor:
            return down @ values @ across.T

        mean_x, mean_y = mean(x), mean(y)
        variance_x = mean(x * x) - mean_x * mean_x
        variance_y = mean(y * y) - mean_y * mean_y
        covariance = mean(x * y) - mean_x * mean_y
        # (2 μx μy + C1) (2 σxy + C2) / ((μx² + μy² + C1) (σx² + σy² + C2))
        similarity = ((2 * mean_x * mean_y + LUMINANCE_CONSTANT) * (2 * covariance + CONTRAST_CONSTANT)) / (
            (mean_x**2 + mean_y**2 + LUMINANCE_CONSTANT) * (variance_x + variance_y + CONTRAST_CONSTANT)
        )
        return ((1 - similarity) / 2).clamp(0, 1)


# A matrix made in inference mode could not be trained through later, and it is kept.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _mean_of_three(length: int, device: torch.device) -> Tensor:
    """Each sample averaged with its two neighbours, borders reflected: (length, length)."""
    line = functional.pad(torch.eye(length)[:, None], (1, 1), mode="reflect")
    return functional.avg_pool1d(line, 3, stride=1)[:, 0].T.contiguous().to(device)
