"""How a decoder level uses the neighbours' features: moved to where the hints say, or attended to where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.methods.madiff.config import FLOW_SCALE, MASK_SCALE, POLARITIES, CodecConfig
from midframe.nn.attention import MaxVitBlock
from midframe.nn.residual import normalisation, start_at_zero
from midframe.ops.warp import backward_warp

Map = Float[Tensor, "batch channel height width"]
Hint = Float[Tensor, "batch hint _ _"]
Offset = Float[Tensor, "batch 2 height width"]
SQUEEZED = 4
"""Channels of the squeeze-and-excitation's inner layer go into its width so many times."""


@dataclass(frozen=True, eq=False)
class Fused:
    """A level's features of the wanted frame, and where they were taken from.

    Attributes:
        features: Of the wanted frame.
        offsets: Displacement in this level's pixels from the wanted frame to the neighbour before and to the one
            after; None where nothing is moved.
        changes: How much of these the network added to where they started from.
    """

    features: Map
    offsets: tuple[Offset, Offset] | None = None
    changes: tuple[Offset, Offset] | None = None


class MotionWarp(nn.Module):
    """MA-WARP: both neighbours' features moved to the wanted frame, blended by a gate, and a residual.

        offset_n = f(h, hint_n, features_n)          pixels of this level, nothing is passed on to the next
        moved_n  = warp(features_n, offset_n)
        gate     = sigmoid(g(moved_before, moved_after))
        result   = gate moved_before + (1 - gate) moved_after + d(h)

    The result replaces h: what the latent says reaches the picture through offsets and residual alone. Offsets and
    the gate's layer start at zero, so that the first picture is built on the mean of the neighbours. With
    `CodecConfig.anchor` "hint" they start at the hint's flow and weight: the first picture is built on that motion.

    Args:
        config: Of the codec.
        width: Channels of this level.
        pixels: Side in pixels of the picture behind one of this level.

    Source: Huang et al. 2024, section 4.2, for the equations; the layers are this project's.
    """

    def __init__(self, config: CodecConfig, width: int, pixels: int) -> None:
        super().__init__()
        self.anchor = HintAnchor(config, pixels) if config.anchor == "hint" else None
        self.to_before = _OffsetLayers(width, config.hint_channels)
        self.to_after = _OffsetLayers(width, config.hint_channels) if config.offsets == "separate" else None
        inner = max(width // 2, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * width, inner, 3, padding=1), nn.SiLU(), nn.Conv2d(inner, 1, 3, padding=1)
        )
        self.residual = nn.Sequential(normalisation(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        leave = self.gate[-1]
        assert isinstance(leave, nn.Conv2d)
        start_at_zero(leave)

    def forward(self, h: Map, before: Map, after: Map, hint_before: Hint, hint_after: Hint) -> Fused:
        """Fuse.

        Args:
            h: The wanted frame's features so far.
            before: The earlier neighbour's features, of the same shape.
            after: The later one's.
            hint_before: Of the earlier neighbour and the wanted frame, at this size or larger.
            hint_after: Of the wanted frame and the later neighbour.
        """
        size = (h.shape[2], h.shape[3])
        known_before, known_after = pooled(hint_before, size), pooled(hint_after, size)
        changes = (
            self.to_before(h, known_before, before),
            self.to_before(h, turned_round(known_after), after)
            if self.to_after is None
            else self.to_after(h, known_after, after),
        )
        towards, onwards = changes
        if self.anchor is not None:
            towards, onwards = towards + self.anchor.flow(known_before), onwards + self.anchor.flow(known_after)
        moved_before = backward_warp(before, towards).to(h.dtype)
        moved_after = backward_warp(after, onwards).to(h.dtype)
        gate = self.gate(torch.cat((moved_before, moved_after), 1))
        if self.anchor is not None:
            gate = gate + self.anchor.logit(known_before)
        gate = torch.sigmoid(gate)
        # Three-operand form: one pass over the features instead of four.
        blended = torch.lerp(moved_after, moved_before, gate.to(h.dtype).expand_as(moved_before))
        return Fused(blended + self.residual(h), (towards, onwards), changes)


@dataclass(frozen=True)
class HintAnchor:
    """Reads hints that are motion (`hints.FlowHints`), as a decoder sees them.

    Attributes:
        config: Of the codec.
        pixels: Side in pixels of the picture behind one of the map that the motion is for.
    """

    config: CodecConfig
    pixels: int

    def flow(self, hint: Hint) -> Offset:
        """Displacement in the map's pixels; zero where the hint is hidden."""
        return hint[:, :2].float() * (FLOW_SCALE / self.config.hint_gain / self.pixels)

    def logit(self, hint: Hint) -> Float[Tensor, "batch 1 height width"]:
        """Of the weight of the neighbour that the hint leads to."""
        return hint[:, 2:].float() * (MASK_SCALE / self.config.hint_gain)


class _OffsetLayers(nn.Module):
    def __init__(self, width: int, hint_channels: int) -> None:
        super().__init__()
        inner = max(width // 2, 1)
        leave = nn.Conv2d(inner, 2, 3, padding=1)
        self.layers = nn.Sequential(
            nn.Conv2d(2 * width + hint_channels, width, 3, padding=1),
            normalisation(width),
            nn.SiLU(),
            nn.Conv2d(width, inner, 3, padding=1),
            nn.SiLU(),
            leave,
        )
        start_at_zero(leave)

    def forward(self, h: Map, hint: Hint, features: Map) -> Offset:
        return self.layers(torch.cat((h, hint.to(h.dtype), features), 1)).float()


class AttentionContext(nn.Module):
    """LDMVFI's way, the baseline: both neighbours' features become a context that the wanted frame attends to.

    Source: Danier et al., AAAI 2024, section 4.2, with the layers of their code.
    """

    def __init__(self, config: CodecConfig, width: int, pixels: int) -> None:
        super().__init__()
        self.context = _MobileBlock(2 * width, width)
        self.attend = MaxVitBlock(width, config.heads_at(width), config.window)

    def forward(self, h: Map, before: Map, after: Map, hint_before: Hint, hint_after: Hint) -> Fused:
        """Fuse; hints are taken, so that both ways can be exchanged, and do not count."""
        return Fused(self.attend(h, self.context(torch.cat((before, after), 1))))


class _MobileBlock(nn.Module):
    """Widen, look around in each channel, weigh the channels by the whole picture, narrow (MBConv)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        wide = 4 * outputs
        self.enter = nn.Sequential(
            nn.Conv2d(inputs, wide, 1),
            nn.BatchNorm2d(wide),
            nn.GELU(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            nn.BatchNorm2d(wide),
            nn.GELU(),
        )
        self.weigh = nn.Sequential(
            nn.Linear(wide, wide // SQUEEZED, bias=False),
            nn.SiLU(),
            nn.Linear(wide // SQUEEZED, wide, bias=False),
            nn.Sigmoid(),
        )
        self.leave = nn.Sequential(nn.Conv2d(wide, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "batch _ height width"]) -> Map:
        x = self.enter(x)
        return self.leave(x * self.weigh(x.mean((2, 3)))[:, :, None, None])


def pooled(hint: Hint, size: tuple[int, int]) -> Hint:
    """A hint at a smaller size: the mean over each pixel's area. Sampling would miss most of a sparse volume."""
    if hint.shape[-2:] == size:
        return hint
    return functional.adaptive_avg_pool2d(hint, size)


def turned_round(volume: Float[Tensor, "batch hint height width"]) -> Float[Tensor, "batch hint height width"]:
    """An event volume as seen backwards in time: bins in reverse, brightening and darkening exchanged."""
    return volume.unflatten(1, (POLARITIES, -1)).flip(1, 2).flatten(1, 2)
