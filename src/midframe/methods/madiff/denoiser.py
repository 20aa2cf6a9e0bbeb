"""The latent U-Net: says what noise lies in a latent, given both neighbours' latents and both hints.

    in          9 + hints -> 256    noisy latent, the neighbours' latents, the hints at the latent's size
    down 0 1 2  256, 512, 1024      2 x [ResidualBlock, MaxVitBlock]; half size behind the first two
    middle      1024                ResidualBlock, MaxVitBlock, ResidualBlock
    up 2 1 0    1024, 512, 256      3 x [ResidualBlock of this and what lies beside it on the way down, MaxVitBlock];
                                    double size behind the first two
    out         256 -> 3            starts at zero

with the default widths: 416.5 M parameters without hints. Steps of the diffusion are added inside each residual
block. Hints come in area-averaged to the latent's size, or through a small stem of strided convolutions.

Where the wanted latent is the mean m of the neighbours' but for a deviation s, most of the noise can be told without
a network (`DenoiserConfig.base = "neighbours"`):

    left  = noisy - signal m,  spread^2 = signal^2 s^2 + noise^2
    noise = noise left / spread^2  +  (signal s / spread) network(left / spread, ...)

The first part is the best linear guess, and what it leaves has the second factor for a deviation: so the network sees
and answers values of unit variance at every step, and before any training what is told of pure noise is the mean of
the neighbours. Karras et al. 2022 (EDM) scale their networks so, about a mean of zero.

Source: Rombach et al., CVPR 2022, with the attention of LDMVFI (Danier et al., AAAI 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor, nn

from midframe.methods.madiff.config import DenoiserConfig
from midframe.nn.attention import MaxVitBlock
from midframe.nn.embedding import StepEmbedding
from midframe.nn.residual import Double, Halve, ResidualBlock, normalisation, start_at_zero

EMBEDDING = 4
"""Width of the step's embedding, as a multiple of `DenoiserConfig.base_width`."""

Latent = Float[Tensor, "batch channel row column"]
Hint = Float[Tensor, "batch hint height width"]
Features = Float[Tensor, "batch _ row column"]


class LatentDenoiser(nn.Module):
    """From a noisy latent and what is known to the noise in it."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        embedded = EMBEDDING * config.base_width
        self.step = StepEmbedding(config.base_width, embedded)
        self.stem = _Stem(config.hint_channels, config.stem_widths) if config.hint_input == "stem" else None
        self.enter = nn.Conv2d(3 * config.latent_channels + config.hint_features, config.widths[0], 3, padding=1)
        # The width of everything that the way up finds beside it, in the order in which it is made.
        beside, width = [config.widths[0]], config.widths[0]
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for level, wider in enumerate(config.widths):
            blocks = nn.ModuleList()
            for _ in range(config.depth):
                blocks.append(_Block(config, width, wider, embedded))
                width = wider
                beside.append(width)
            self.down.append(blocks)
            if level < len(config.widths) - 1:
                self.shrink.append(Halve(width))
                beside.append(width)
        self.middle = _Middle(config, width, embedded)
        self.up, self.enlarge = nn.ModuleList(), nn.ModuleList()
        for level, narrower in reversed(list(enumerate(config.widths))):
            blocks = nn.ModuleList()
            for _ in range(config.depth + 1):
                blocks.append(_Block(config, width + beside.pop(), narrower, embedded))
                width = narrower
            self.up.append(blocks)
            if level:
                self.enlarge.append(Double(width))
        self.normalise = normalisation(width)
        self.leave = nn.Conv2d(width, config.latent_channels, 3, padding=1)
        start_at_zero(self.leave)
        # No buffers: rounded to half precision with the weights, they would not be the sampler's any more, and what
        # is left where there is hardly any signal is a difference of nearly equal numbers.
        self.levels = config.levels()

    def hint_features(
        self, before: Hint, after: Hint, size: tuple[int, int]
    ) -> Float[Tensor, "batch feature row column"]:
        """What the network sees of both hints: at the latent's size, both behind each other.

        Args:
            before: Hint of the neighbour before and the frame that is made.
            after: Of that and the neighbour after; zeros in both mean that nothing is known.
            size: Of the latent. Area averages take hints of any multiple of it, the stem only those of full size.
        """
        if self.config.hint_input == "none":
            return before.new_zeros(len(before), 0, *size)
        scale = 1 / self.config.hint_deviation
        if self.stem is None:
            # Bilinear samples would miss most of a sparse volume.
            return torch.cat([functional.adaptive_avg_pool2d(hint, size) * scale for hint in (before, after)], 1)
        precision = self.enter.weight.dtype
        return torch.cat([self.stem((hint * scale).to(precision)) for hint in (before, after)], 1)

    def forward(
        self,
        noisy: Latent,
        step: Int[Tensor, " batch"],
        before: Latent,
        after: Latent,
        hints: Float[Tensor, "batch feature row column"],
    ) -> Latent:
        """Predict the noise.

        Args:
            noisy: Latent of the frame that is made; height and width multiples of `DenoiserConfig.size_multiple`.
            step: Of the diffusion, for each latent.
            before: Latent of the neighbour before.
            after: Latent of the neighbour after.
            hints: From `hint_features`.
        """
        if self.config.base == "noise":
            return self._told(noisy, step, before, after, hints)
        signal, noise, spread = self._scales(step)
        left = noisy - signal * (before + after) / 2
        told = self._told(left / spread, step, before, after, hints)
        return noise / spread.square() * left + self.output_scale(step) * told

    def output_scale(self, step: Int[Tensor, " batch"]) -> Float[Tensor, "batch 1 1 1"]:
        """Deviation of the noise from what is told of it before any training: what errors are to be measured in."""
        if self.config.base == "noise":
            return torch.ones(len(step), 1, 1, 1, device=step.device)
        signal, _, spread = self._scales(step)
        return signal * self.config.base_deviation / spread

    def _scales(self, step: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor, Tensor]:
        signal, noise = (level.float() for level in self.levels.to(step.device).at(step, 4))
        return signal, noise, (signal * self.config.base_deviation).square().add(noise.square()).sqrt()

    def _told(self, noisy: Latent, step: Tensor, before: Latent, after: Latent, hints: Tensor) -> Latent:
        """What the network says."""
        embedding = self.step(step)
        precision = self.enter.weight.dtype
        x = self.enter(torch.cat([part.to(precision) for part in (noisy, before, after, hints)], 1))
        beside = [x]
        for level, blocks in enumerate(self.down):
            for block in cast(nn.ModuleList, blocks):
                x = block(x, embedding)
                beside.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
                beside.append(x)
        x = self.middle(x, embedding)
        for level, blocks in enumerate(self.up):
            for block in cast(nn.ModuleList, blocks):
                x = block(torch.cat((x, beside.pop()), 1), embedding)
            if level < len(self.enlarge):
                x = self.enlarge[level](x)
        return self.leave(functional.silu(self.normalise(x))).float()


class _Block(nn.Module):
    """A residual block, and attention over its output."""

    def __init__(self, config: DenoiserConfig, inputs: int, outputs: int, embedded: int) -> None:
        super().__init__()
        self.residual = ResidualBlock(inputs, outputs, embedded=embedded, starts_at_zero=True)
        self.attend = MaxVitBlock(outputs, config.heads_at(outputs), config.window)

    def forward(self, x: Features, embedding: Float[Tensor, "batch _"]) -> Features:
        return self.attend(self.residual(x, embedding))


class _Middle(nn.Module):
    def __init__(self, config: DenoiserConfig, width: int, embedded: int) -> None:
        super().__init__()
        self.enter = _Block(config, width, width, embedded)
        self.leave = ResidualBlock(width, width, embedded=embedded, starts_at_zero=True)

    def forward(self, x: Features, embedding: Float[Tensor, "batch _"]) -> Features:
        return self.leave(self.enter(x, embedding), embedding)


class _Stem(nn.Sequential):
    """Strided convolutions that bring a hint to the latent's size."""

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, 2, 1), nn.SiLU()]
            inputs = width
        super().__init__(*layers[:-1])
