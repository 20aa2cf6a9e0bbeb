"""FloLPIPS: LPIPS weighted by where the prediction would move wrongly."""

from __future__ import annotations

from midframe.metrics.flow_weighted import FlowEstimator, flow_weighted
from midframe.metrics.lpips import PerceptualNetwork
from midframe.metrics.sample import Sample


def flolpips(network: PerceptualNetwork, sample: Sample, flow: FlowEstimator) -> float:
    """LPIPS in which a pixel counts by the length of the difference of two flows (see `flow_weighted`).

    Args:
        network: AlexNet's, in the published measure.
        sample: Prediction, target, and both inputs.
        flow: Estimates motion; PWC-Net in the published measure.

    Returns:
        0 for equal frames; lower is closer.

    Raises:
        UsageError: The sample has no inputs.
        ShapeError: The frames differ in size, or are too small.

    Source: Danier et al. 2022, "FloLPIPS: a bespoke video quality metric for frame interpolation".
    """
    return flow_weighted(network.distance_maps, sample, flow, "flolpips")
