"""The gather variant: for each pixel of the new frame, M places in each of the four frames, and their weights.

It reads the same paper as a kernel method: offsets live on the grid of the new frame, so nothing is splatted and
nothing can be left empty, and the network must know the instant that is wanted. Every instant is a pass of its own.

    frame(p) = sum over frames i and members m of weight_i^m(p) I_i(p + u^m_{t->i}(p)),   weights sum to 1
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.ensemble import EnsemblePyramid
from midframe.ops.correlation import symmetric_correlation
from midframe.ops.warp import backward_warp

FRAMES = 4
OFFSETS = 2 * FRAMES
"""Channels of a motion: target to earlier, before, after, later, (x, y) each."""


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


class GatherNetwork(EnsemblePyramid):
    """Four frames and a time in, the frame at that time out."""

    def __init__(self, config: SvmvConfig) -> None:
        def inputs(features: int, radius: int) -> int:
            return FRAMES * features + (2 * radius + 1) ** 2 + OFFSETS + 1 + config.memory

        super().__init__(config, OFFSETS, inputs, weights=FRAMES * config.members)

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
        plane = time.view(-1, 1, 1, 1)

        def see(features: Tensor, motion: Tensor, memory: Tensor, radius: int) -> tuple[Tensor, ...]:
            flow = torch.cat(motion.split(2, dim=1))
            warped = backward_warp(features.float(), flow).chunk(FRAMES)
            cost = 1 - symmetric_correlation(warped[1], warped[2], radius)
            return (*warped, cost, motion, plane.expand(-1, 1, *motion.shape[-2:]), memory)

        ensemble, weight, coarse = self.descend(frames, levels, len(frames), see)
        members = self.config.members
        # Members first in the channels, frames first in the result.
        offsets = ensemble.unflatten(2, (FRAMES, 2)).transpose(1, 2)
        weight = weight.softmax(1).unflatten(1, (FRAMES, members, 1))
        frame = torch.zeros_like(frames[:, 0])
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
        return Gathered(frame, offsets, weight, coarse, uncertainty)
