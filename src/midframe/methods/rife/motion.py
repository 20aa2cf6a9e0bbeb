"""RIFE's intermediate flow for other methods."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError, WeightsError
from midframe.core.motion import Motion
from midframe.core.options import LoadOptions
from midframe.methods.rife.matching import MatchingNetwork, size_multiple
from midframe.methods.rife.weights_file import load_network
from midframe.nn.pyramid import pyramid_levels
from midframe.ops.pad import pad_to_multiple


def create(options: LoadOptions) -> RifeMotion:
    """Build the model of motion from RIFE's weights.

    Raises:
        WeightsError: No file was named, or it does not fit.
        UsageError: The weights are of a published layout.
    """
    if options.weights is None:
        raise WeightsError("RIFE needs a file of weights.")
    network = load_network(options.weights)
    if not isinstance(network, MatchingNetwork):
        raise UsageError(f"{options.weights} is of a published layout: only the default one tells of motion.")
    return RifeMotion(network.to(options.device, options.precision, memory_format=torch.channels_last).eval())  # pyright: ignore[reportCallIssue]


class RifeMotion:
    """See `midframe.core.motion.MotionModel`.

    Args:
        network: In evaluation mode, on its device, in its precision.
    """

    def __init__(self, network: MatchingNetwork) -> None:
        self.network = network.requires_grad_(False)

    # Not `inference_mode`: who is told may learn from it, and autograd refuses such tensors.
    @torch.no_grad()
    def __call__(
        self, before: Float[Tensor, "batch 3 height width"], after: Float[Tensor, "batch 3 height width"]
    ) -> Motion:
        """See `midframe.core.motion.MotionModel`."""
        height, width = before.shape[-2:]
        levels = pyramid_levels(self.network.config.levels, height, width)
        pair = pad_to_multiple(torch.cat((before, after)).float(), size_multiple(levels))
        half_way = before.new_full((len(before),), 0.5, dtype=torch.float32)
        encoded = self.network.encode_pair(pair, levels)
        assert encoded.half is not None  # `encode_pair` made it
        rough = self.network.estimate(encoded, half_way)
        estimate, _, _ = self.network.locate(pair, encoded.half, rough, half_way)
        crop = (..., slice(height), slice(width))
        return Motion(estimate.flow[crop].float(), estimate.mask[crop].float())
