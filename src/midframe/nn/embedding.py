"""A diffusion step as a vector."""

from __future__ import annotations

import math
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class StepEmbedding(nn.Module):
    """Sines and cosines of a diffusion step, and two layers.

    Args:
        sines: How many sines and cosines.
        width: Of both layers.
    """

    def __init__(self, sines: int, width: int) -> None:
        super().__init__()
        self.sines = sines
        self.layers = nn.Sequential(nn.Linear(sines, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, step: Int[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        half = self.sines // 2
        frequency = torch.exp(-math.log(10_000) * torch.arange(half, device=step.device) / half)
        angle = step[:, None].float() * frequency
        return self.layers(torch.cat((angle.sin(), angle.cos()), 1).to(cast(nn.Linear, self.layers[0]).weight.dtype))
