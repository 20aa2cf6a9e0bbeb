"""The gather variant: for each pixel of the new frame, M places in each of the four frames, and their weights.

It reads the same paper as a kernel method: offsets live on the grid of the new frame, so nothing is splatted and
nothing can be left empty, and the network must know the instant that is wanted. Every instant is a pass of its own.

    frame(p) = sum over frames i and members m of weight_i^m(p) I_i(p + u^m_{t->i}(p)),   weights sum to 1
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError
from midframe.methods.svmv.config import SvmvConfig
from midframe.nn.convolutions import Block, Encoder, cast_and_join, compute_dtype
from midframe.ops.correlation import symmetric_correlation
from midframe.ops.flow import resize_flow
from midframe.ops.resize import resize
from midframe.ops.warp import backward_warp

FRAMES = 4
OFFSETS = 2 * FRAMES
"""Channels of a motion: target to earlier, before, after, later, (x, y) each."""
SPREAD = 0.005
"""Deviation of the weights that first set the members apart."""


@dataclass(frozen=True)
class Gathered:
    """A synthesised frame and where it came from.

    Attributes:
        frame: (batch, 3, height, width); not clamped.
        offsets: (batch, 4, M, 2, height, width), pixels, from the new frame to earlier, before, after and later.
        weight: (batch, 4, M, 1, height, width); sums to 1 over frames and members.
        coarse: Mean motion (batch, 8, ...) after each block but the last, coarse to fine.
        uncertainty: (batch, 1, height, width), standard deviation of the brightness of all that was fetched.
    """

    frame: Tensor
    offsets: Tensor
    weight: Tensor
    coarse: tuple[Tensor, ...]
    uncertainty: Tensor


class GatherNetwork(nn.Module):
    """Four frames and a time in, the frame at that time out."""

    def __init__(self, config: SvmvConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth = config.feature_widths

        def inputs(features: int, radius: int) -> int:
            return FRAMES * features + (2 * radius + 1) ** 2 + OFFSETS + 1 + config.memory

        self.encoder = Encoder(config.feature_widths)
        self.coarse = Block(
            inputs(eighth, config.coarse_radius), config.coarse_width, config.coarse_depth, OFFSETS + config.memory
        )
        self.middle = Block(
            inputs(quarter, config.middle_radius),
            config.middle_width,
            config.middle_depth,
            OFFSETS * config.members + config.memory,
        )
        self.fine = Block(
            inputs(half, config.fine_radius),
            config.fine_width,
            config.fine_depth,
            OFFSETS * config.members + 4 * FRAMES * config.members,
        )
        for block in (self.middle, self.fine):
            nn.init.normal_(block.leave.weight[: OFFSETS * config.members], std=SPREAD)

    def forward(
        self,
        frames: Float[Tensor, "batch 4 3 height width"],
        time: Float[Tensor, " batch"],
        levels: int | None = None,
    ) -> Gathered:
        """The frame at `time`.

        Args:
            frames: earlier, before, after, later; RGB in [0, 1].
            time: Fraction of the gap for each item, in (0, 1).
            levels: Visits of the shared coarse block; by default those of the configuration.

        Raises:
            ShapeError: Height or width do not divide.
        """
        levels = levels or self.config.levels
        multiple = self.config.size_multiple(levels)
        height, width = frames.shape[-2:]
        if height % multiple or width % multiple:
            raise ShapeError(f"SVMV needs sides in multiples of {multiple}; got {height}x{width}. Pad first.")
        members = self.config.members
        pictures = frames.transpose(0, 1).flatten(0, 1)
        half, quarter, eighth = self.encoder(self._cast(pictures - 0.5))
        pyramid = [eighth] + [
            self.encoder.coarsest(self._cast(functional.avg_pool2d(pictures, 2**level) - 0.5))
            for level in range(1, levels)
        ]
        coarse: list[Tensor] = []
        smallest = pyramid[-1]
        motion = smallest.new_zeros(len(frames), OFFSETS, *smallest.shape[-2:], dtype=torch.float32)
        memory = smallest.new_zeros(len(frames), self.config.memory, *smallest.shape[-2:])
        for features in reversed(pyramid):
            motion, memory, parts = self._look(features, motion, memory, time, self.config.coarse_radius)
            step = self.coarse(self._join(parts))
            motion, memory = motion + step[:, :OFFSETS].float(), step[:, OFFSETS:]
            coarse.append(motion)

        motion, memory, parts = self._look(quarter, motion, memory, time, self.config.middle_radius)
        step = self.middle(self._join(parts))
        ensemble = motion.repeat(1, members, 1, 1) + step[:, : OFFSETS * members].float()
        memory = step[:, OFFSETS * members :]
        coarse.append(_mean_member(ensemble, members))

        ensemble = resize_flow(ensemble, (half.shape[-2], half.shape[-1]))
        _, _, parts = self._look(half, _mean_member(ensemble, members), memory, time, self.config.fine_radius)
        step = self.fine(self._join(parts)).float()
        ensemble = resize_flow(ensemble + step[:, : OFFSETS * members], (height, width))
        # Members first in the channels, frames first in the result.
        offsets = ensemble.unflatten(1, (members, FRAMES, 2)).transpose(1, 2)
        weight = functional.pixel_shuffle(step[:, OFFSETS * members :], 2).softmax(1)
        weight = weight.unflatten(1, (FRAMES, members, 1))
        frame = pictures.new_zeros(len(frames), 3, height, width)
        mean_square = frame[:, :1]
        for place in range(FRAMES):
            for member in range(members):
                fetched = backward_warp(frames[:, place], offsets[:, place, member])
                frame = frame + weight[:, place, member] * fetched
                with torch.no_grad():
                    brightness = fetched.mean(1, keepdim=True)
                    mean_square = mean_square + weight[:, place, member] * brightness.square()
        with torch.no_grad():
            variance = mean_square - frame.mean(1, keepdim=True).square()
            uncertainty = variance.clamp(min=0).sqrt()
        return Gathered(frame, offsets, weight, tuple(coarse), uncertainty)

    def _look(
        self, features: Tensor, motion: Tensor, memory: Tensor, time: Tensor, radius: int
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Motion and memory at the size of the features, and what a block sees there."""
        size = (features.shape[-2], features.shape[-1])
        motion, memory = resize_flow(motion, size), resize(memory, size)
        flow = torch.cat(motion.split(2, dim=1))
        warped = backward_warp(features.float(), flow).chunk(FRAMES)
        cost = 1 - symmetric_correlation(warped[1], warped[2], radius)
        plane = time.view(-1, 1, 1, 1).expand(-1, 1, *size)
        return motion, memory, (*warped, cost, motion, plane, memory)

    def _cast(self, x: Tensor) -> Tensor:
        return self._join((x,))

    def _join(self, parts: tuple[Tensor, ...]) -> Tensor:
        return cast_and_join(parts, compute_dtype(self.coarse.enter.weight))


def _mean_member(ensemble: Tensor, members: int) -> Tensor:
    return ensemble.unflatten(1, (members, OFFSETS)).mean(1)
