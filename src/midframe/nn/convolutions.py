"""Convolution stacks: a picture's features, and blocks that refine an estimate."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 0.2
"""Of LeakyReLU, left of zero."""


class ResidualConvolution(nn.Module):
    """A convolution whose change of its input has a learned size for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, features: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        change = self.conv(features)
        if torch.is_grad_enabled():
            return functional.leaky_relu(change * self.beta + features, SLOPE)
        # The same numbers, up to rounding, in a third of the memory, in one pass where rows of sizes lie as those of
        # the change do: large frames spend most of their time in it.
        sizes = torch.empty_like(change[:1, :, :1]).copy_(self.beta)
        return functional.leaky_relu_(torch.addcmul(features, change, sizes, out=change), SLOPE)


class Block(nn.Module):
    """A stack of residual convolutions from joined inputs to joined outputs."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualConvolution(width) for _ in range(depth)))
        self.leave = nn.Conv2d(width, outputs, 3, padding=1)
        # A block starts by changing nothing: random flow at the first step would have to be unlearnt.
        nn.init.normal_(self.leave.weight, std=1e-3)
        nn.init.constant_(cast(Tensor, self.leave.bias), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.body(functional.leaky_relu_(self.enter(x), SLOPE)))


class Encoder(nn.Module):
    """Features of one picture at 1/2, 1/4 and 1/8 of its size."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.to_half = nn.Sequential(_down(3, half), nn.Conv2d(half, half, 3, padding=1))
        self.to_quarter = nn.Sequential(
            nn.LeakyReLU(SLOPE), _down(half, quarter), nn.Conv2d(quarter, quarter, 3, padding=1)
        )
        self.to_eighth = nn.Sequential(
            nn.LeakyReLU(SLOPE), _down(quarter, eighth), nn.Conv2d(eighth, eighth, 3, padding=1)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.to_half(image)
        quarter = self.to_quarter(half)
        return half, quarter, self.to_eighth(quarter)

    def coarsest(self, image: Tensor) -> Tensor:
        """Only the features at 1/8."""
        return self.forward(image)[2]


def cast_and_join(parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
    """Join along the channels in one number format, channels last.

    Each part is cast before joining: a mixed `cat` would promote all of it to float32 and cast the whole back. It is
    reordered after casting: both at once take half as long again on a CPU.
    """
    return torch.cat([part.to(dtype).to(memory_format=torch.channels_last) for part in parts], dim=1)


def compute_dtype(weight: Tensor) -> torch.dtype:
    """The number format in which a convolution with this weight computes: autocast's where it is on."""
    if torch.is_autocast_enabled(weight.device.type):
        return torch.get_autocast_dtype(weight.device.type)
    return weight.dtype


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE, inplace=True))
