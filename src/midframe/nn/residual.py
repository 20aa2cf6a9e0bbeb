"""The residual block of image autoencoders and of denoisers, and changes of size by a factor of two."""

from __future__ import annotations

import math
from typing import cast

import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

MOST_GROUPS = 32
SHIFTED_CHANNELS = 4
"""Least channels of a group behind an embedding: a shift that all of a group share is what normalisation removes."""
EPSILON = 1e-6

Map = Float[Tensor, "batch _ height width"]
Sized = Float[Tensor, "batch channel _ _"]
"""The size changes on the way."""


class ResidualBlock(nn.Module):
    """Normalise, SiLU, convolve, twice; added to the input, which a 1x1 convolution adapts where widths differ.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        embedded: Width of an embedding that is added between the convolutions; 0 for a block without one.
        starts_at_zero: The second convolution does, so that the block begins as the identity.

    Source: Rombach et al., CVPR 2022, as their code has it.
    """

    def __init__(self, inputs: int, outputs: int, *, embedded: int = 0, starts_at_zero: bool = False) -> None:
        super().__init__()
        self.first_norm = normalisation(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.shift = nn.Linear(embedded, outputs) if embedded else None
        self.second_norm = normalisation(outputs, SHIFTED_CHANNELS if embedded else 2)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        if starts_at_zero:
            start_at_zero(self.second)

    def forward(self, x: Map, embedding: Float[Tensor, "batch _"] | None = None) -> Map:
        change = self.first(functional.silu(self.first_norm(x)))
        if self.shift is not None:
            assert embedding is not None, "the block was made for an embedding"
            change = change + self.shift(functional.silu(embedding))[:, :, None, None]
        change = self.second(functional.silu(self.second_norm(change)))
        return (x if self.shortcut is None else self.shortcut(x)) + change


class Halve(nn.Module):
    """A convolution of stride 2 whose padding lies at the right and at the bottom only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Sized) -> Sized:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Double(nn.Module):
    """Every pixel four times, and a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Sized) -> Sized:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def normalisation(width: int, least: int = 2) -> nn.GroupNorm:
    """Group normalisation over at most `MOST_GROUPS` groups, as many as divide the width.

    Args:
        width: Channels.
        least: Of these in a group. In a group of a single channel its mean over the picture, which is what the whole
            of it looks like, would be lost.
    """
    return nn.GroupNorm(math.gcd(MOST_GROUPS, max(width // least, 1)), width, eps=EPSILON)


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Let a layer answer zero until it has learnt something."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(cast(Tensor, layer.bias))
