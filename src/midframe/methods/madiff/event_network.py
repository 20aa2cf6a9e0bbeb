"""The image-to-event network: a U-Net from two grey frames to an event volume (EventGAN's generator).

    enter        conv to 32 channels, at full size
    encoders     four convolutions of stride 2, to 64, 128, 256, 512 channels; what goes into each is kept
    residual     two blocks at the smallest size
    decoders     nearest resizing to the kept size, joining, conv; back to 32 channels
    leave        1x1 conv, ReLU

13.36 M parameters at these widths. Frames of any size pass: what is resized takes the size of what was kept. Two
helpers of its training have the same shape: one says at four sizes how pixels moved, given a volume, and one makes
the later frame of a volume and the earlier frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from midframe.methods.madiff.config import EVENT_CHANNELS, HintConfig
from midframe.ops.luma import luma

SLOPE = 0.01
"""Of LeakyReLU, left of zero."""
MOMENTUM = 0.01
"""Of the batch normalisations outside the residual blocks."""
SETTLING = 30
"""Power iterations that find a weight's spectral norm from a guess near it."""

FIRST_VOLUME = 0.02
"""Deviation of the last layer's weights at first."""

Map = Float[Tensor, "batch _ height width"]


class EventUNet(nn.Module):
    """The U-Net, for any purpose.

    Args:
        config: Widths.
        inputs: Channels that come in.
        outputs: Channels that go out.
        activation: Of the outputs.
        spectral: Whether residual blocks and decoders are kept at a spectral norm of one while they train.
        every_size: Whether there is an output at each decoder's size, which the next one sees, or at full size only.

    Source: Zhu et al. 2021, section 4, with the layers of their code.
    """

    def __init__(
        self,
        config: HintConfig,
        inputs: int,
        outputs: int,
        activation: Callable[[Tensor], Tensor],
        *,
        spectral: bool = False,
        every_size: bool = False,
    ) -> None:
        super().__init__()
        self.activation = activation
        wrap = spectral_norm if spectral else _unchanged
        widths = [config.width * 2**level for level in range(config.halvings + 1)]
        self.enter = nn.Sequential(nn.Conv2d(inputs, widths[0], 3, padding=1), nn.LeakyReLU(SLOPE))
        self.encoders = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(entering, leaving, 3, 2, 1, bias=False),
                nn.BatchNorm2d(leaving, momentum=MOMENTUM),
                nn.LeakyReLU(SLOPE),
            )
            for entering, leaving in pairwise(widths)
        )
        self.residual = nn.ModuleList(_ResidualBlock(widths[-1], wrap) for _ in range(config.residual))
        # What a decoder puts out is seen by the next one.
        seen = outputs if every_size else 0
        self.decoders = nn.ModuleList(
            nn.Sequential(
                wrap(nn.Conv2d(coarse + fine + (seen if level else 0), fine, 3, padding=1, bias=False)),
                nn.BatchNorm2d(fine, momentum=MOMENTUM),
                nn.LeakyReLU(SLOPE),
            )
            for level, (coarse, fine) in enumerate(pairwise(reversed(widths)))
        )
        sizes = reversed(widths[:-1]) if every_size else widths[:1]
        self.leave = nn.ModuleList(nn.Conv2d(width, outputs, 1) for width in sizes)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """Outputs, the largest last."""
        x = self.enter(x)
        kept = []
        for encoder in self.encoders:
            kept.append(x)
            x = encoder(x)
        for block in self.residual:
            x = block(x)
        outputs = []
        for number, decoder in enumerate(self.decoders):
            beside = kept.pop()
            parts = (functional.interpolate(x, beside.shape[-2:], mode="nearest"), beside)
            x = decoder(torch.cat(parts, 1))
            if len(self.leave) > 1:
                outputs.append(self.activation(self.leave[number](x)))
                x = torch.cat((x, outputs[-1]), 1)
        return outputs or [self.activation(self.leave[0](x))]


class EventNetwork(nn.Module):
    """Event volumes from pairs of frames.

    Args:
        config: Widths.
        spectral: For training; a network that is only used has the norms in its weights (`plain_state`).
    """

    def __init__(self, config: HintConfig, *, spectral: bool = False) -> None:
        super().__init__()
        self.config = config
        self.layers = EventUNet(config, 2, EVENT_CHANNELS, waking_relu, spectral=spectral)
        for leave in self.layers.leave:
            assert isinstance(leave, nn.Conv2d)
            nn.init.normal_(leave.weight, std=FIRST_VOLUME)  # Volumes are nearly empty: begin near that.
            nn.init.zeros_(cast(Tensor, leave.bias))

    def forward(
        self, earlier: Float[Tensor, "batch 3 height width"], later: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """The volume between two frames.

        Args:
            earlier: RGB in [0, 1].
            later: The same shape.

        Returns:
            (batch, 18, height, width), non-negative.
        """
        return self.layers(grey_pair(earlier, later))[-1]


class _WakingRelu(torch.autograd.Function):
    """See `waking_relu`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        return torch.where((x > 0) | (gradient < 0), gradient, torch.zeros_like(gradient))


def waking_relu(x: Tensor) -> Tensor:
    """ReLU whose gradient passes below zero too, where it asks for more.

    Events are rare, so nearly every gradient asks for less, and an ordinary ReLU soon says nothing at all in most
    channels, for good: 16 of 18 after forty steps on four pairs, where this one lost a single one.
    """
    return cast(Tensor, _WakingRelu.apply(x))


def grey_pair(earlier: Tensor, later: Tensor) -> Float[Tensor, "batch 2 height width"]:
    """Two RGB frames in [0, 1] as two grey ones in [-1, 1]."""
    return torch.stack((luma(earlier), luma(later)), 1) * 2 - 1


def plain_state(network: EventNetwork, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network for use, from those of one in training: each weight divided by its spectral norm.

    Args:
        network: Made with spectral norms; its own weights are replaced.
        state: Its weights, perhaps averaged.
    """
    network.load_state_dict(dict(state))
    settle(network)
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def settle(network: EventNetwork) -> None:
    """Let the spectral norms find their weights' true ones; the network is in evaluation mode afterwards."""
    network.train()
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            for _ in range(SETTLING):
                _ = module.weight  # Each look in training mode is a power iteration.
    network.eval()


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, wrap: Callable[[nn.Module], nn.Module]) -> None:
        super().__init__()
        self.first = wrap(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.first_norm = nn.BatchNorm2d(width)
        self.second = wrap(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: Map) -> Map:
        change = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(change)))


def _unchanged(layer: nn.Module) -> nn.Module:
    return layer
