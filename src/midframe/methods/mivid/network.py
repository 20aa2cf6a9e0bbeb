"""The 3-D U-Net: convolutions in space, then in time; attention of each pixel over its nine instants.

    in          7 -> 32       mixed clip (visible frames, noisy hidden ones), visible clip, visibility
                (11 -> 32     mixed clip, what is seen before and after, how far between them, visibility;
                              with a spread: what differs from the base, the base, after less before, the rest alike)
    down 1      32, full      depth x [ResBlock, TemporalBlock], then half size
    down 2      64, half      the same
    down 3      128, quarter  without the halving
    middle      128           ResBlock, TemporalBlock, ResBlock
    up 3 2 1    128 64 32     depth x [ResBlock of this and the stage's own output, TemporalBlock], doubling between
    out         32 -> 3       starts at zero

With a patch of p pixels, "full" is a p-th of the picture: 7 p² (or 11 p²) channels come in and 3 p² leave.

Time is never halved. A convolution in space is a 2-D one on all frames side by side, one in time a (3, 1) one on
frames x pixels: several times faster on a CPU than 3-D convolutions of the same shape. With the default widths 2.95 M
parameters, 4.70 M with two blocks a stage; attention over a window (`window.py`) has 0.41 M more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor, nn

from midframe.methods.mivid.blend import neighbours
from midframe.methods.mivid.config import FRAMES, GROUPS, MividConfig
from midframe.methods.mivid.window import Attended, WindowAttention
from midframe.nn.embedding import StepEmbedding

INPUTS = {"visible": 7, "neighbours": 11, "window": 11}
SEQUENCES_AT_ONCE = 16384
"""Pixels that attend in one call: more would hold gigabytes at full size."""

Clip = Float[Tensor, "batch _ frame _ _"]
"""Features: channels, height and width change on the way."""
Heads = Float[Tensor, "pixel head frame channel"]


@dataclass(frozen=True, eq=False)
class Conditions:
    """A clip of which something is hidden: what stays the same through all steps of the diffusion.

    Attributes:
        known: The clean clip in [-1, 1] where it is visible, zero elsewhere. It is never noised.
        visible: 1 where it is, else 0.
        seen: Of the visible frames, by the network, (batch, 3 or 7, frame, height, width).
        found: What the visible frames have where something is hidden: their temporal blend, or that of what attention
            over a window found.
        base: What a prediction of the clean clip is added to: what was found, or nothing.
        attended: By attention over a window, where the network has that.
    """

    known: Clip
    visible: Clip
    seen: Clip
    found: Clip
    base: Clip
    attended: Attended | None = None


class MaskedVideoNetwork(nn.Module):
    """From a partly noisy clip and what is visible of it to the prediction that the configuration names."""

    def __init__(self, config: MividConfig) -> None:
        super().__init__()
        self.config = config
        full, half, quarter = config.widths
        embedded = 4 * config.base_width
        self.window = WindowAttention(config.reach) if config.conditioning == "window" else None
        self.step = StepEmbedding(config.base_width, embedded)
        folded = config.patch**2
        self.enter = SpaceConvolution(INPUTS[config.conditioning] * folded, full)
        self.down = nn.ModuleList(
            _Stage(config, at, inputs, width, embedded)
            for at, (inputs, width) in enumerate(zip((full, full, half), config.widths, strict=True))
        )
        self.shrink = nn.ModuleList(SpaceConvolution(width, width, stride=2) for width in (full, half))
        self.middle = _Middle(config, quarter, embedded)
        self.up = nn.ModuleList(
            _Stage(config, at, inputs, width, embedded, joined=width)
            for at, (inputs, width) in enumerate(zip((half, quarter, quarter), config.widths, strict=True))
        )
        self.enlarge = nn.ModuleList(SpaceConvolution(width, width) for width in (half, quarter))
        self.normalise = nn.GroupNorm(GROUPS, full)
        self.leave = SpaceConvolution(full, 3 * folded)
        _start_at_zero(self.leave.conv)

    def conditions(
        self,
        known: Float[Tensor, "batch 3 frame height width"],
        visible: Float[Tensor, "batch 1 frame height width"],
    ) -> Conditions:
        """Look at what is visible.

        Args:
            known: The clean clip in [-1, 1] where it is visible, zero elsewhere.
            visible: 1 where it is, else 0.
        """
        near = neighbours(known, visible)
        attended = None if self.window is None else self.window(near, visible)
        if attended is not None:
            near = attended.found
        found = near.blended()
        if self.config.conditioning == "visible":
            seen = known
        elif self.config.spread:
            seen = torch.cat((found, (near.after - near.before) / self.config.spread, near.share), 1)
        else:
            seen = torch.cat((near.before, near.after, near.share), 1)
        base = found if self.config.base == "blend" else torch.zeros_like(known)
        return Conditions(known, visible, seen, found, base, attended)

    def forward(
        self,
        mixed: Float[Tensor, "batch 3 frame height width"],
        seen: Float[Tensor, "batch _ frame height width"],
        visible: Float[Tensor, "batch 1 frame height width"],
        step: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch 3 frame height width"]:
        """Predict.

        Args:
            mixed: The clean clip where it is visible, noise or a noisy clip where it is not; in [-1, 1] and beyond.
                With a spread both are differences to the base, of unit size (`reconstruction.py`).
            seen: Of the clip's `conditions`.
            visible: 1 where it is visible, else 0.
            step: Of the diffusion, for each clip.
        """
        precision = self.leave.conv.weight.dtype
        embedding = self.step(step)
        x = self.enter(_folded(torch.cat((mixed, seen, visible), 1).to(precision), self.config.patch))
        skips = []
        for at, stage in enumerate(self.down):
            x, outputs = cast(_Stage, stage)(x, embedding)
            skips.append(outputs)
            if at < len(self.shrink):
                x = self.shrink[at](x)
        x = self.middle(x, embedding)
        for at in reversed(range(len(self.up))):
            x, _ = cast(_Stage, self.up[at])(x, embedding, skips[at])
            if at:
                x = self.enlarge[at - 1](_doubled(x))
        return _unfolded(self.leave(functional.silu(self.normalise(x))).float(), self.config.patch)


class SpaceConvolution(nn.Module):
    """A 3x3 convolution on every frame."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, x: Clip) -> Clip:
        frames = self.conv(x.transpose(1, 2).flatten(0, 1))
        return frames.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


class SpaceTimeConvolution(nn.Module):
    """A 3x3 convolution in space, then one over three frames, which starts as the identity."""

    def __init__(self, inputs: int, outputs: int, *, starts_at_zero: bool = False) -> None:
        super().__init__()
        self.space = SpaceConvolution(inputs, outputs)
        self.time = nn.Conv2d(outputs, outputs, (3, 1), padding=(1, 0))
        nn.init.zeros_(self.time.weight)
        nn.init.zeros_(cast(Tensor, self.time.bias))
        with torch.no_grad():
            self.time.weight[:, :, 1, 0].copy_(torch.eye(outputs))
        if starts_at_zero:
            _start_at_zero(self.space.conv)

    def forward(self, x: Clip) -> Clip:
        y = self.space(x)
        return self.time(y.flatten(3)).unflatten(3, y.shape[3:])


class ResBlock(nn.Module):
    """Two convolutions around a scale and shift by the diffusion's step; starts as the identity (or a 1x1 one)."""

    def __init__(self, inputs: int, outputs: int, embedded: int, dropout: float) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(GROUPS, inputs)
        self.first = SpaceTimeConvolution(inputs, outputs)
        self.modulate = nn.Linear(embedded, 2 * outputs)
        self.second_norm = nn.GroupNorm(GROUPS, outputs)
        self.dropout = nn.Dropout(dropout)
        self.second = SpaceTimeConvolution(outputs, outputs, starts_at_zero=True)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Clip, embedding: Float[Tensor, "batch _"]) -> Clip:
        scale, shift = self.modulate(functional.silu(embedding))[:, :, None, None, None].chunk(2, 1)
        y = self.first(functional.silu(self.first_norm(x)))
        y = self.second_norm(y) * (1 + scale) + shift
        y = self.second(self.dropout(functional.silu(y)))
        if self.shortcut is None:
            return x + y
        return self.shortcut(x.flatten(3)).unflatten(3, x.shape[3:]) + y


class TemporalBlock(nn.Module):
    """At every pixel, its instants attend to each other; linear in the number of pixels. Starts as the identity."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = nn.Parameter(torch.randn(FRAMES, width) * 0.02)
        self.attend_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.layers_norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        _start_at_zero(self.merge)
        _start_at_zero(cast(nn.Linear, self.layers[2]))

    def forward(self, x: Clip) -> Clip:
        batch, _, _, height, width = x.shape
        tokens = x.permute(0, 3, 4, 2, 1).flatten(0, 2)
        done = [self._attended(part) for part in tokens.split(SEQUENCES_AT_ONCE)]
        return torch.cat(done).unflatten(0, (batch, height, width)).permute(0, 4, 3, 1, 2)

    def _attended(self, tokens: Float[Tensor, "pixel frame channel"]) -> Float[Tensor, "pixel frame channel"]:
        placed = self.attend_norm(tokens) + self.position
        split = self.queries_keys_values(placed).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = _attend(*split.unbind(0)).transpose(1, 2).flatten(2)
        tokens = tokens + self.merge(attended)
        return tokens + self.layers(self.layers_norm(tokens))


def _attend(queries: Heads, keys: Heads, values: Heads) -> Heads:
    if not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(queries, keys, values)
    # For nine tokens the fused kernel of a CPU takes two to three times as long, there and back.
    scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
    return scores.softmax(-1).to(values.dtype) @ values


class _Stage(nn.Module):
    """Blocks at one size. Hands out the output of each, which the same stage on the way up takes, last one first."""

    def __init__(
        self, config: MividConfig, at: int, inputs: int, outputs: int, embedded: int, joined: int = 0
    ) -> None:
        super().__init__()
        self.residual = nn.ModuleList(
            ResBlock((inputs if block == 0 else outputs) + joined, outputs, embedded, config.dropout)
            for block in range(config.depth)
        )
        self.temporal = nn.ModuleList(
            TemporalBlock(outputs, config.heads[at]) if config.attention[at] else nn.Identity()
            for _ in range(config.depth)
        )

    def forward(self, x: Clip, embedding: Tensor, skips: list[Tensor] | None = None) -> tuple[Clip, list[Tensor]]:
        outputs = []
        for number, (residual, temporal) in enumerate(zip(self.residual, self.temporal, strict=True)):
            joined = x if skips is None else torch.cat((x, skips[-1 - number]), 1)
            x = temporal(residual(joined, embedding))
            outputs.append(x)
        return x, outputs


class _Middle(nn.Module):
    def __init__(self, config: MividConfig, width: int, embedded: int) -> None:
        super().__init__()
        self.before = ResBlock(width, width, embedded, config.dropout)
        self.temporal = TemporalBlock(width, config.heads[2]) if config.attention[2] else nn.Identity()
        self.after = ResBlock(width, width, embedded, config.dropout)

    def forward(self, x: Clip, embedding: Tensor) -> Clip:
        return self.after(self.temporal(self.before(x, embedding)), embedding)


def _folded(x: Clip, patch: int) -> Clip:
    """Squares of pixels as channels."""
    return functional.pixel_unshuffle(x.transpose(1, 2), patch).transpose(1, 2)


def _unfolded(x: Clip, patch: int) -> Clip:
    return functional.pixel_shuffle(x.transpose(1, 2), patch).transpose(1, 2)


def _doubled(x: Clip) -> Clip:
    """Twice the height and width, every pixel four times."""
    return x.repeat_interleave(2, 3).repeat_interleave(2, 4)


def _start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
