"""A perceptual measure that needs no network, and that none here is trained by."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float64, UInt8
from torch import Tensor

from midframe.metrics.difference import check_same_size
from midframe.ops.luma import luma

CONSTANT = 170.0
"""Of the similarity, for values from 0 to 255."""


def gmsd(prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]) -> float:
    """Gradient magnitude similarity deviation: how unevenly a picture's edges are kept. 0 for equal pictures.

    The luma is halved by averages of 2 x 2, gradients are Prewitt's, and (2 a b + c) / (a² + b² + c) says how alike
    their lengths a and b are at each pixel; the result is the standard deviation of that over the picture.
    A picture that is wrong alike everywhere therefore does well.

    Raises:
        ShapeError: The frames differ in size.

    Source: Xue, Zhang, Mou, Bovik 2014, with the zeros of the authors' code beyond the border.
    """
    check_same_size(prediction, target)
    one, other = _gradients(prediction), _gradients(target)
    alike = (2 * one * other + CONSTANT) / (one.square() + other.square() + CONSTANT)
    return float(alike.std())


def _gradients(frame: Tensor) -> Float64[Tensor, "row column"]:
    plane = luma(frame.double())[None, None]
    plane = functional.pad(plane, (0, plane.shape[-1] % 2, 0, plane.shape[-2] % 2))
    half = functional.avg_pool2d(plane, 2)
    across = torch.tensor([[1.0, 0.0, -1.0]] * 3, dtype=torch.float64) / 3
    kernels = torch.stack((across, across.T))[:, None].to(half.device)
    return functional.conv2d(half, kernels, padding=1).square().sum(1).sqrt()[0]
