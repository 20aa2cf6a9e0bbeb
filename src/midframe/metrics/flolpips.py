"""FloLPIPS: LPIPS weighted by where the prediction would move wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as functional
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.metrics.lpips import PerceptualNetwork
from midframe.metrics.sample import Sample
from midframe.ops.inverse_search import InverseSearch
from midframe.ops.luma import luma_bytes
from midframe.ops.rounding import bytes_to_unit


@runtime_checkable
class FlowEstimator(Protocol):
    """Finds where every pixel of one frame has gone in another."""

    def __call__(
        self, source: UInt8[Tensor, "3 height width"], destination: UInt8[Tensor, "3 height width"]
    ) -> Float[Tensor, "2 height width"]:
        """Displacements in pixels, x (right) before y (down)."""
        ...


class LumaSearch:
    """Flow by OpenCV's dense inverse search on the luma of both frames.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """

    def __init__(self) -> None:
        self._search = InverseSearch()

    def __call__(
        self, source: UInt8[Tensor, "3 height width"], destination: UInt8[Tensor, "3 height width"]
    ) -> Float[Tensor, "2 height width"]:
        """Displacements in pixels, x (right) before y (down); errors as in `InverseSearch`."""
        lumas = [luma_bytes(bytes_to_unit(frame))[None] for frame in (source, destination)]
        return self._search(*lumas)[0]


@torch.inference_mode()
def flolpips(network: PerceptualNetwork, sample: Sample, flow: FlowEstimator) -> float:
    """LPIPS in which a pixel counts by the length of the difference of two flows.

    One flow leads from the target to an input, the other from the prediction to the same input. The result is the
    mean over the two inputs. Where no flow differs, all pixels count alike.

    Args:
        network: AlexNet's, in the published measure.
        sample: Prediction, target, and both inputs.
        flow: Estimates motion; PWC-Net in the published measure.

    Returns:
        0 for equal frames; lower is closer.

    Raises:
        ShapeError: The frames differ in size, or are too small.

    Source: Danier et al. 2022, "FloLPIPS: a bespoke video quality metric for frame interpolation".
    """
    if len({frame.shape for frame in (sample.prediction, sample.target, sample.before, sample.after)}) > 1:
        raise ShapeError("FloLPIPS needs prediction, target and both inputs in one size.")
    distances = network.distance_maps(sample.prediction, sample.target)
    scores = []
    for neighbour in (sample.before, sample.after):
        error = flow(sample.target, neighbour) - flow(sample.prediction, neighbour)
        scores.append(sum(_weighted_mean(distance, error) for distance in distances))
    return sum(scores) / len(scores)


@dataclass(frozen=True)
class FlowWeightedDistance:
    """`flolpips` as a metric, with its network and its estimator of motion."""

    network: PerceptualNetwork
    flow: FlowEstimator
    name: str = "flolpips"
    higher_is_better: bool = False

    def __call__(self, sample: Sample) -> float:
        return flolpips(self.network, sample, self.flow)


def _weighted_mean(
    distance: Float[Tensor, "slice_height slice_width"], flow_error: Float[Tensor, "2 height width"]
) -> float:
    # As published: the components are resized, then their length is taken. Their scale cancels in the weights.
    resized = functional.interpolate(flow_error[None], size=tuple(distance.shape), mode="bilinear")[0]
    weight = resized.double().square().sum(dim=0).sqrt().to(distance.device)
    total = weight.sum()
    if total == 0:
        return distance.double().mean().item()
    return ((weight / total) * distance.double()).sum().item()
