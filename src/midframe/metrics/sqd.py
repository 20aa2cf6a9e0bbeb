"""SqD and FloSqD: perceptual distances on SqueezeNet 1.1 that need no learned heads.

SqD ranks as LPIPS does but is not LPIPS, FloSqD is to it what FloLPIPS is to LPIPS; neither must be compared with
published figures of those.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from midframe.metrics.backbone_files import find_backbone
from midframe.metrics.difference import check_same_size
from midframe.metrics.flow_weighted import FlowEstimator, flow_weighted
from midframe.metrics.sample import Sample
from midframe.nn.backbone_weights import BLUE_GREEN_RED_MEAN, load_trunk, read_onnx_squeezenet
from midframe.nn.backbones import Trunk, squeezenet
from midframe.nn.features import squared_differences

BACKBONE = "squeezenet_onnx"


@torch.inference_mode()
def squeeze_distance(
    trunk: Trunk, prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]
) -> float:
    """Squared distance of channel-normalised features, averaged over each slice, summed over the seven slices.

    Args:
        trunk: SqueezeNet 1.1 with the weights of the ONNX model, which expects BGR from 0 to 255 less the mean.
        prediction: RGB.
        target: RGB.

    Returns:
        0 for equal frames; lower is closer.

    Raises:
        ShapeError: The frames differ in size, or are too small for the network.
    """
    return sum(distance.mean().item() for distance in squeeze_maps(trunk, prediction, target))


@torch.inference_mode()
def squeeze_maps(
    trunk: Trunk, prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]
) -> list[Float64[Tensor, "_ _"]]:
    """The distance at every pixel of every slice, whose means add up to `squeeze_distance`; errors as there."""
    check_same_size(prediction, target)
    differences = squared_differences(trunk(_prepare(prediction, trunk)), trunk(_prepare(target, trunk)))
    return [difference[0].double().sum(dim=0) for difference in differences]


def flosqd(trunk: Trunk, sample: Sample, flow: FlowEstimator) -> float:
    """SqD in which a pixel counts by the length of the difference of two flows.

    One flow leads from the target to an input, the other from the prediction to the same input; `flow_weighted` has
    the equations. Equal to SqD where the flows differ alike everywhere, or nowhere.

    Limits: weights are relative, so a frame that moves wrongly in one small place is judged by that place alone,
    however slightly it does, and a score does not say how much moves wrongly. Flow is unsure where a picture is flat,
    and an estimator that misses a small object misses what is wrong with its motion. A method that is built on the
    estimator (`classical` on `LumaSearch`) is judged by its own eyes.

    Args:
        trunk: As in `squeeze_distance`.
        sample: Prediction, target, and both inputs.
        flow: Estimates motion; the metric of this name takes `LumaSearch`.

    Returns:
        0 for equal frames; lower is closer. No unit; of the order of SqD.

    Raises:
        UsageError: The sample has no inputs.
        ShapeError: The frames differ in size, or are too small for the network.

    Source: Danier et al. 2022 (FloLPIPS) for the weights; this project's for putting them on SqD.
    """
    return flow_weighted(partial(squeeze_maps, trunk), sample, flow, "flosqd")


def load_squeezenet(file: Path | None, device: torch.device) -> Trunk:
    """Read the ONNX model from `file`, or from the cache.

    Raises:
        WeightsError: The file is missing or holds something else.
        MissingExtraError: The package onnx is not installed.
    """
    path = find_backbone(BACKBONE, file)
    return load_trunk(squeezenet(partial_windows=False), read_onnx_squeezenet(path), path).to(device)


class SqueezeDistance:
    """`squeeze_distance` as a metric, with its network."""

    name = "sqd"
    higher_is_better = False

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk

    @classmethod
    def load(cls, file: Path | None, device: torch.device) -> SqueezeDistance:
        """With the network of `load_squeezenet`; errors as there."""
        return cls(load_squeezenet(file, device))

    def __call__(self, sample: Sample) -> float:
        return squeeze_distance(self._trunk, sample.prediction, sample.target)


def _prepare(picture: UInt8[Tensor, "3 height width"], trunk: Trunk) -> Float[Tensor, "1 3 height width"]:
    device = next(trunk.parameters()).device
    mean = torch.tensor(BLUE_GREEN_RED_MEAN, device=device)[:, None, None]
    return (picture.to(device).flip(0).float() - mean)[None]
