"""What both variants share: an encoder, and three blocks that find an ensemble of motions, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from midframe.core.errors import ShapeError
from midframe.methods.svmv.config import SvmvConfig
from midframe.nn.convolutions import Block, Encoder
from midframe.ops.flow import resize_flow
from midframe.ops.resize import halvings, resize

SPREAD = 0.005
"""Deviation of the weights that first set the members apart: equal members would get equal gradients for ever."""

See: TypeAlias = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, ...]]
"""Features of all four frames, motion and memory at their size, and a correlation radius, to what a block sees."""


class EnsemblePyramid(nn.Module):
    """The base of both networks.

    Args:
        config: The architecture.
        axes: Channels of one member's motion: (x, y) for each frame that it leads to.
        inputs: From the channels of a feature map and a correlation radius, the channels that a block sees.
        weights: Channels at full size beside the motions.
    """

    def __init__(self, config: SvmvConfig, axes: int, inputs: Callable[[int, int], int], weights: int) -> None:
        super().__init__()
        self.config, self.axes = config, axes
        half, quarter, eighth = config.feature_widths
        motions = axes * config.members
        self.encoder = Encoder(config.feature_widths)
        self.coarse = Block(
            inputs(eighth, config.coarse_radius), config.coarse_width, config.coarse_depth, axes + config.memory
        )
        self.middle = Block(
            inputs(quarter, config.middle_radius), config.middle_width, config.middle_depth, motions + config.memory
        )
        # Weights leave at four sub-pixels a cell: PixelShuffle brings them to full size.
        self.fine = Block(
            inputs(half, config.fine_radius), config.fine_width, config.fine_depth, motions + 4 * weights
        )
        for block in (self.middle, self.fine):
            nn.init.normal_(block.leave.weight[:motions], std=SPREAD)

    def descend(
        self, frames: Tensor, levels: int | None, count: int, see: See
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """From the coarsest level to full size.

        Args:
            frames: (batch, 4, 3, height, width), RGB in [0, 1].
            levels: Visits of the shared coarse block; None for those of the configuration. Each one more doubles
                the largest motion, and the multiple that the size must have.
            count: Items along the batch axis for which motion is sought.
            see: What a block sees of the features, (4 batch, ...), all `earlier` first, then all `before`, and so on.

        Returns:
            The ensemble, (count, members, axes, height, width); the fine block's weights, (count, weights, height,
            width); and the mean motion after each block but the last, coarse to fine.

        Raises:
            ShapeError: Height or width do not divide.
        """
        levels = levels or self.config.levels
        multiple = self.config.size_multiple(levels)
        height, width = frames.shape[-2:]
        if height % multiple or width % multiple:
            raise ShapeError(f"SVMV needs sides in multiples of {multiple}; got {height}x{width}. Pad first.")
        members, motions = self.config.members, self.axes * self.config.members
        pictures = frames.transpose(0, 1).flatten(0, 1)
        half, quarter, eighth = self.encoder(pictures - 0.5)
        smaller = halvings(pictures, levels)[1:]
        pyramid = [eighth, *(self.encoder.coarsest(picture - 0.5) for picture in smaller)]

        def visit(
            block: Block, features: Tensor, motion: Tensor, memory: Tensor, radius: int
        ) -> tuple[Tensor, Tensor]:
            """Motion at the size of the features, and what the block answers there."""
            size = (features.shape[-2], features.shape[-1])
            motion, memory = resize_flow(motion, size), resize(memory, size)
            return motion, block(*see(features, motion, memory, radius))

        coarse: list[Tensor] = []
        smallest = pyramid[-1]
        motion = smallest.new_zeros(count, self.axes, *smallest.shape[-2:], dtype=torch.float32)
        memory = smallest.new_zeros(count, self.config.memory, *smallest.shape[-2:])
        for features in reversed(pyramid):
            motion, step = visit(self.coarse, features, motion, memory, self.config.coarse_radius)
            motion, memory = motion + step[:, : self.axes].float(), step[:, self.axes :]
            coarse.append(motion)

        motion, step = visit(self.middle, quarter, motion, memory, self.config.middle_radius)
        ensemble = motion.repeat(1, members, 1, 1) + step[:, :motions].float()
        memory = step[:, motions:]
        coarse.append(self._mean_member(ensemble))

        ensemble = resize_flow(ensemble, (half.shape[-2], half.shape[-1]))
        _, step = visit(self.fine, half, self._mean_member(ensemble), memory, self.config.fine_radius)
        step = step.float()
        ensemble = resize_flow(ensemble + step[:, :motions], (height, width))
        weights = functional.pixel_shuffle(step[:, motions:], 2)
        return ensemble.unflatten(1, (members, self.axes)), weights, tuple(coarse)

    def _mean_member(self, ensemble: Tensor) -> Tensor:
        """Plain mean over the members, (count, axes, height, width); their shares are known only at the end."""
        return ensemble.unflatten(1, (self.config.members, self.axes)).mean(1)
