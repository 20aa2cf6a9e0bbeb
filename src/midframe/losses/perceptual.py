"""How unlike two pictures look: distances of frames that may stand behind the perceptual part of an objective.

Where a paper speaks of a perceptual term, it may look through a network that the user has, VGG-16 or SqueezeNet 1.1.
Without one at hand a Laplacian pyramid with gradients takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.losses.laplacian import laplacian_bands
from midframe.nn.backbone_weights import BLUE_GREEN_RED_MEAN, load_trunk, read_onnx_squeezenet, read_state
from midframe.nn.backbones import Trunk, squeezenet, vgg16
from midframe.nn.features import squared_differences

Pictures = Float[Tensor, "frame 3 height width"]
Distances = Float[Tensor, " frame"]
FrameDistance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From two stacks of frames, RGB in [0, 1], a distance for each frame."""

PYRAMID_LEVELS = 4
VGG_WEIGHTS = (1 / 2.6, 1 / 4.8, 1 / 3.7)
"""Of ReLU 1_2, 2_2 and 3_3: the inverse of their features' usual differences, as in Chen & Koltun 2017."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, for which the checkpoints were trained."""


def pyramid_distance(prediction: Pictures, target: Pictures) -> Distances:
    """Absolute differences of Laplacian bands, level l counting 2^l, and of gradients; no network.

    Raises:
        ShapeError: Height or width is no multiple of 16, or less than 24.
    """
    difference = prediction - target
    bands = laplacian_bands(difference, PYRAMID_LEVELS)
    terms = [2**level * band.abs().mean((1, 2, 3)) for level, band in enumerate(bands)]
    terms += [difference.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3)]
    return torch.stack(terms).sum(0)


def load_distance(file: Path | None, device: torch.device) -> FrameDistance:
    """The distance through the network of a file; without a file `pyramid_distance`.

    Args:
        file: SqueezeNet 1.1 as ONNX (`.onnx`), or VGG-16 or SqueezeNet 1.1 as a checkpoint or safetensors.
        device: Where it computes.

    Raises:
        WeightsError: The file is missing or damaged, or holds another network.
        MissingExtraError: An ONNX file, and the package onnx is not installed.
    """
    if file is None:
        return pyramid_distance
    if not file.is_file():
        raise WeightsError(f"There is no file {file} with a network to look through.")
    if file.suffix == ".onnx":
        trunk = load_trunk(squeezenet(partial_windows=False), read_onnx_squeezenet(file), file).to(device)
        return lambda prediction, target: _squeeze(trunk, _blue_green_red(prediction), _blue_green_red(target))
    state = read_state(file)
    if "features.3.squeeze.weight" in state:
        trunk = load_trunk(squeezenet(partial_windows=True), state, file).to(device)
        return lambda prediction, target: _squeeze(trunk, _normalised(prediction), _normalised(target))
    trunk = load_trunk(vgg16(), state, file).to(device)
    return lambda prediction, target: _vgg(trunk, _normalised(prediction), _normalised(target))


def _vgg(trunk: Trunk, prediction: Tensor, target: Tensor) -> Tensor:
    slices = zip(VGG_WEIGHTS, trunk(prediction), trunk(target), strict=False)
    return torch.stack([weight * (one - other).abs().mean((1, 2, 3)) for weight, one, other in slices]).sum(0)


def _squeeze(trunk: Trunk, prediction: Tensor, target: Tensor) -> Tensor:
    differences = squared_differences(trunk(prediction), trunk(target))
    return torch.stack([difference.sum(1).mean((1, 2)) for difference in differences]).sum(0)


def _normalised(pictures: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(values, device=pictures.device)[:, None, None] for values in (MEAN, DEVIATION))
    return (pictures - mean) / deviation


def _blue_green_red(pictures: Tensor) -> Tensor:
    return pictures.flip(1) * 255 - torch.tensor(BLUE_GREEN_RED_MEAN, device=pictures.device)[:, None, None]
