"""A perceptual distance that counts most where the prediction would move wrongly: what FloLPIPS and FloSqD share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
import torch.nn.functional as functional
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.metrics.sample import Sample
from midframe.ops.inverse_search import InverseSearch
from midframe.ops.luma import luma_bytes
from midframe.ops.rounding import bytes_to_unit

Maps: TypeAlias = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""From a prediction and its target to the distance at every pixel of every slice of a network."""


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

    It was not learnt, so it shares neither training data nor habits with a network whose frames it judges, and equal
    frames give equal bits. The baseline `classical` alone is built on it.

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
def flow_weighted(maps: Maps, sample: Sample, flow: FlowEstimator, name: str) -> float:
    """The distance between prediction and target, each pixel weighted by an error of motion.

        error_n  = flow(target, n) - flow(prediction, n)            for either input n
        weight_n = |error_n| / sum over all pixels of |error_n|     at the size of each slice
        result   = mean over n of the sum over slices and pixels of weight_n distance

    Weights add up to one in every slice: they say where the distance counts, not how wrong the motion is as a whole.
    Where no flow differs, all pixels count alike.

    Args:
        maps: Distances of all slices.
        sample: Prediction, target, and both inputs.
        flow: Estimates motion.
        name: Of the metric, for messages.

    Returns:
        0 for equal frames; lower is closer. In units of the distance.

    Raises:
        UsageError: The sample has no inputs.
        ShapeError: The frames differ in size, or are too small.

    Source: Danier et al. 2022, "FloLPIPS: a bespoke video quality metric for frame interpolation", arXiv 2207.08119;
        both inputs as in the code of Danier et al. 2024 (LDMVFI), where the first one looked at the later frame only.
    """
    inputs = sample.inputs(name)
    if len({frame.shape for frame in (sample.prediction, sample.target, *inputs)}) > 1:
        raise ShapeError(f"'{name}' needs prediction, target and both inputs in one size.")
    distances = maps(sample.prediction, sample.target)
    scores = []
    for neighbour in inputs:
        error = flow(sample.target, neighbour) - flow(sample.prediction, neighbour)
        scores.append(sum(_weighted_mean(distance, error) for distance in distances))
    return sum(scores) / len(scores)


@dataclass(frozen=True)
class FlowWeightedDistance:
    """`flow_weighted` as a metric, with its network and its estimator of motion."""

    name: str
    maps: Maps
    flow: FlowEstimator
    higher_is_better: bool = False

    def __call__(self, sample: Sample) -> float:
        return flow_weighted(self.maps, sample, self.flow, self.name)


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
