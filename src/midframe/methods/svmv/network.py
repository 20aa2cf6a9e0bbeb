"""Four frames in, the motion volumes of the two middle ones out.

One encoder looks at all four frames. Then each middle frame, the *source*, is matched with the frame on the other
side of the gap (*near*) and with the one behind it (*far*), coarse to fine:

    level          block     sees                                               gives
    1/32 .. 1/8    coarse    features of the source, of near and far warped     one motion to near and far, memory
                             to it, their local correlations, motion,
                             memory; one block for all levels
    1/4            middle    the same at 1/4                                    M motions, memory
    1/2            fine      the same at 1/2                                    M motions at 1/2; scores, gate at 1/1

The same weights serve both sources, along the batch axis: with time counted from the source they are one case, so a
window played backwards gives the same frame. Nothing here knows the instant that is wanted: the volumes are computed
once for a window (`synthesis.py` uses them for every instant).

The poster names no layers. Chosen here for few operations: one coarse block for all levels below 1/4, fed by the
encoder run on a smaller picture, as in this project's RIFE; cosines for products in the correlation; no plane that
names the source.

Flow is in pixels of its own resolution. Motion, correlation and warping are float32; convolutions take the precision
of the weights, or of autocast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError
from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.motion_volume import MotionVolume
from midframe.nn.convolutions import Block, Encoder, cast_and_join, compute_dtype
from midframe.ops.correlation import local_correlation
from midframe.ops.flow import resize_flow
from midframe.ops.resize import resize
from midframe.ops.warp import backward_warp

PAIR = 4
"""Channels of a motion: source to near (x, y), source to far (x, y)."""
SPREAD = 0.005
"""Deviation of the weights that first set the members apart: equal members would get equal gradients for ever."""
SCORE_LIMIT = 10.0


@dataclass(frozen=True)
class Volumes:
    """What the network makes of a window.

    Attributes:
        volume: Volumes of `before`, then those of `after`, along the batch axis; at full size.
        coarse: Mean motion (2 batch, 4, ...) after each block but the last, coarse to fine.
    """

    volume: MotionVolume
    coarse: tuple[Tensor, ...]


class MotionVolumeNetwork(nn.Module):
    """The network of the splatting variant."""

    def __init__(self, config: SvmvConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth = config.feature_widths

        def inputs(features: int, radius: int) -> int:
            return 3 * features + 2 * (2 * radius + 1) ** 2 + PAIR + config.memory

        self.encoder = Encoder(config.feature_widths)
        self.coarse = Block(
            inputs(eighth, config.coarse_radius), config.coarse_width, config.coarse_depth, PAIR + config.memory
        )
        self.middle = Block(
            inputs(quarter, config.middle_radius),
            config.middle_width,
            config.middle_depth,
            PAIR * config.members + config.memory,
        )
        # Scores and gate leave at four sub-pixels a cell: PixelShuffle brings them to full size.
        self.fine = Block(
            inputs(half, config.fine_radius),
            config.fine_width,
            config.fine_depth,
            PAIR * config.members + 4 * (config.members + 1),
        )
        for block in (self.middle, self.fine):
            nn.init.normal_(block.leave.weight[: PAIR * config.members], std=SPREAD)

    def forward(self, frames: Float[Tensor, "batch 4 3 height width"], levels: int | None = None) -> Volumes:
        """Motion volumes of the two middle frames.

        Args:
            frames: earlier, before, after, later; RGB in [0, 1].
            levels: Visits of the shared coarse block; by default those of the configuration. Each one more doubles
                the largest motion, and the multiple that the size must have.

        Raises:
            ShapeError: Height or width do not divide.
        """
        levels = levels or self.config.levels
        multiple = self.config.size_multiple(levels)
        height, width = frames.shape[-2:]
        if height % multiple or width % multiple:
            raise ShapeError(f"SVMV needs sides in multiples of {multiple}; got {height}x{width}. Pad first.")
        batch, members = len(frames), self.config.members
        pictures = frames.transpose(0, 1).flatten(0, 1)  # All `earlier` first, then all `before`, and so on.
        half, quarter, eighth = self.encoder(self._cast(pictures - 0.5))
        pyramid = [eighth] + [
            self.encoder.coarsest(self._cast(functional.avg_pool2d(pictures, 2**level) - 0.5))
            for level in range(1, levels)
        ]
        coarse: list[Tensor] = []
        smallest = pyramid[-1]
        motion = smallest.new_zeros(2 * batch, PAIR, *smallest.shape[-2:], dtype=torch.float32)
        memory = smallest.new_zeros(2 * batch, self.config.memory, *smallest.shape[-2:])
        for features in reversed(pyramid):
            motion, memory, parts = self._look(features, motion, memory, self.config.coarse_radius)
            step = self.coarse(self._join(parts))
            motion, memory = motion + step[:, :PAIR].float(), step[:, PAIR:]
            coarse.append(motion)

        motion, memory, parts = self._look(quarter, motion, memory, self.config.middle_radius)
        step = self.middle(self._join(parts))
        ensemble = motion.repeat(1, members, 1, 1) + step[:, : PAIR * members].float()
        memory = step[:, PAIR * members :]
        coarse.append(_mean_member(ensemble, members))

        size = (half.shape[-2], half.shape[-1])
        ensemble = resize_flow(ensemble, size)
        motion, memory, parts = self._look(half, _mean_member(ensemble, members), memory, self.config.fine_radius)
        step = self.fine(self._join(parts)).float()
        ensemble = resize_flow(ensemble + step[:, : PAIR * members], (height, width))
        full = functional.pixel_shuffle(step[:, PAIR * members :], 2)
        ensemble = ensemble.unflatten(1, (members, PAIR))
        volume = MotionVolume(
            near=ensemble[:, :, :2],
            far=ensemble[:, :, 2:],
            score=full[:, :members, None].clamp(-SCORE_LIMIT, SCORE_LIMIT),
            acceleration=full[:, members:, None].sigmoid(),
        )
        return Volumes(volume, tuple(coarse))

    def _look(
        self, features: Tensor, motion: Tensor, memory: Tensor, radius: int
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Motion and memory at the size of the features, and what a block sees there."""
        earlier, before, after, later = features.float().chunk(4)
        source, near, far = (torch.cat(pair) for pair in ((before, after), (after, before), (earlier, later)))
        size = (features.shape[-2], features.shape[-1])
        motion, memory = resize_flow(motion, size), resize(memory, size)
        warped_near, warped_far = backward_warp(near, motion[:, :2]), backward_warp(far, motion[:, 2:])
        # Distances from 1: where motion is nearly right all cosines are close to 1, and bfloat16 would round their
        # differences away.
        costs = (1 - local_correlation(source, warped, radius) for warped in (warped_near, warped_far))
        return motion, memory, (source, warped_near, warped_far, *costs, motion, memory)

    def _cast(self, x: Tensor) -> Tensor:
        return self._join((x,))

    def _join(self, parts: tuple[Tensor, ...]) -> Tensor:
        return cast_and_join(parts, compute_dtype(self.coarse.enter.weight))


def _mean_member(ensemble: Tensor, members: int) -> Tensor:
    """Plain mean over the members, (batch, 4, height, width); their shares are known only at the end."""
    return ensemble.unflatten(1, (members, PAIR)).mean(1)
