"""The image-to-event network's objective: the events themselves, a critic, and what two helpers make of its volumes.

A flow network and a picture network learn from true volumes what can be told from events: how pixels moved, and what
the later frame looks like. Made volumes should serve them as well as true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import RecipeError
from midframe.losses.photometric import structure_distance
from midframe.ops.warp import backward_warp

CHARBONNIER_TINY, CHARBONNIER_POWER = 1e-5, 0.45
SMOOTHNESS = 0.5

Grey = Float[Tensor, "batch 1 height width"]
Volume = Float[Tensor, "batch channel height width"]
BySize = Sequence[Float[Tensor, "batch _ _ _"]]
"""Outputs at several sizes, the largest last."""


@dataclass(frozen=True, kw_only=True)
class EventWeights:
    """Sizes of the terms.

    Attributes:
        volume: Of squared differences to the simulated volume. Absolute ones would be least at zero: events are rare.
        adversarial: Of the critic's term.
        flow: Of what the flow network makes of made volumes.
        picture: Of what the picture network makes of them.
        critic_width: Channels of the critic's first layer.
        critic_layers: Of stride 2 and the one behind them, less the first.
        critic_steps: Steps of the critic for each of the network.
        critic_rate: Its learning rate, as a part of the network's.
        swapped: Part of the critic's patches that are given the wrong way round.
        flow_reach: Largest motion that the flow network can say, in pixels.
    """

    volume: float = 200.0
    adversarial: float = 0.1
    flow: float = 1.0
    picture: float = 1.0
    critic_width: int = 64
    critic_layers: int = 4
    critic_steps: int = 2
    critic_rate: float = 0.25
    swapped: float = 0.1
    flow_reach: float = 32.0

    def __post_init__(self) -> None:
        if min(self.volume, self.adversarial, self.flow, self.picture) < 0:
            raise RecipeError("weights cannot be negative.")
        if self.critic_steps < 1:
            raise RecipeError(f"critic_steps must be at least 1; got {self.critic_steps}.")
        if not 0 <= self.swapped < 0.5:
            raise RecipeError(f"swapped is a share below a half; got {self.swapped}.")


def flow_loss(flows: BySize, earlier: Grey, later: Grey, volume: Volume) -> Float[Tensor, ""]:
    """How badly flows explain a pair of frames where there are events, and how rough they are.

    Args:
        flows: From the earlier frame to the later one, in pixels of full size.
        earlier: In [-1, 1].
        later: The same shape.
        volume: True events.

    Source: Zhu et al. 2021, section 3.3: at scale i of L weighted with 2^(i - L + 1).
    """
    happened = (volume.sum(1, keepdim=True) > 0).float()
    total = earlier.new_zeros(())
    for number, flow in enumerate(flows):
        height, width = flow.shape[-2:]
        small_earlier, small_later = (
            functional.adaptive_avg_pool2d(side, (height, width)) for side in (earlier, later)
        )
        mask = functional.adaptive_max_pool2d(happened, (height, width))
        moved = backward_warp(small_later, flow * (width / earlier.shape[-1]))
        error = (charbonnier(moved - small_earlier) * mask).sum() / mask.sum().clamp(min=1)
        rough = torch.stack([charbonnier(flow.diff(dim=axis)).mean() for axis in (2, 3)]).sum()
        total = total + 2.0 ** (number - len(flows) + 1) * (error + SMOOTHNESS * rough)
    return total


def picture_loss(pictures: BySize, later: Grey) -> Float[Tensor, ""]:
    """How unlike the later frame pictures are: absolute differences and structure, weighted by size as flows.

    Args:
        pictures: In [-1, 1].
        later: The true frame.
    """
    total = later.new_zeros(())
    for number, picture in enumerate(pictures):
        enlarged = functional.interpolate(picture, later.shape[-2:], mode="nearest")
        structure = 2 * structure_distance(enlarged * 0.5 + 0.5, later * 0.5 + 0.5).mean()
        total = total + 2.0 ** (number - len(pictures) + 1) * ((enlarged - later).abs().mean() + structure)
    return total


def charbonnier(values: Tensor) -> Tensor:
    """(x² + eps²)^0.45, without a kink at zero."""
    return (values.square() + CHARBONNIER_TINY**2).pow(CHARBONNIER_POWER)
