"""SqD: a perceptual distance on SqueezeNet 1.1 that needs no learned heads.

It ranks as LPIPS does but is not LPIPS, and must not be compared with published LPIPS figures.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.metrics.backbone_files import find_backbone
from midframe.metrics.difference import check_same_size
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
    check_same_size(prediction, target)
    differences = squared_differences(trunk(_prepare(prediction, trunk)), trunk(_prepare(target, trunk)))
    return sum(difference.double().sum(dim=1).mean().item() for difference in differences)


class SqueezeDistance:
    """`squeeze_distance` as a metric, with its network."""

    name = "sqd"
    higher_is_better = False

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk

    @classmethod
    def load(cls, file: Path | None, device: torch.device) -> SqueezeDistance:
        """Read the ONNX model from `file`, or from the cache.

        Raises:
            WeightsError: The file is missing or holds something else.
            MissingExtraError: The package onnx is not installed.
        """
        path = find_backbone(BACKBONE, file)
        trunk = load_trunk(squeezenet(partial_windows=False), read_onnx_squeezenet(path), path)
        return cls(trunk.to(device))

    def __call__(self, sample: Sample) -> float:
        return squeeze_distance(self._trunk, sample.prediction, sample.target)


def _prepare(picture: UInt8[Tensor, "3 height width"], trunk: Trunk) -> Float[Tensor, "1 3 height width"]:
    device = next(trunk.parameters()).device
    mean = torch.tensor(BLUE_GREEN_RED_MEAN, device=device)[:, None, None]
    return (picture.to(device).flip(0).float() - mean)[None]
