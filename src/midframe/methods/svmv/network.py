"""Four frames in, the motion volumes of the two middle ones out.

One encoder looks at all four frames. Then each middle frame, the *source*, is matched with the frame on the other
side of the gap (*near*) and with the one behind it (*far*), coarse to fine; last, both matches of a source are looked
at together:

    level          block     sees                                               gives
    1/32 .. 1/8    coarse    for a source and one other frame: features, the    motion and its doubt, memory
                             other's warped to the source, their correlation,
                             motion, doubt, memory; one block for all levels
    1/4            middle    the same at 1/4                                    motion and its doubt, memory
    1/2            fine      features of the source, of near and far warped     M motions to near and far at 1/2;
                             to it, their correlations, both motions, doubts    scores and gates at 1/1
                             and memories

Before the middle block, before the fine one and on the finished motion, least squares on the colours correct the mean
motion, and with it the members near it (`alignment` in the configuration): blocks learn a fraction of a pixel slowly.

The same weights serve all four matches and both sources, along the batch axis: with time counted from the source they
are one case, so a window played backwards gives the same frame. Nothing here knows the instant that is wanted: the
volumes are computed once for a window (`synthesis.py` uses them for every instant).

The poster names no layers. Chosen here: the coarse and middle blocks see what those of this project's RIFE see at the
instant of the source, in the same order, so that a model can begin with what that one has learnt about matching; one
coarse block serves all levels below 1/4, fed by the encoder run on a smaller picture; no plane names the source.

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
from midframe.methods.svmv.ensemble import SPREAD
from midframe.methods.svmv.motion_volume import MotionVolume, with_opposite
from midframe.nn.convolutions import Block, Encoder
from midframe.ops.alignment import align
from midframe.ops.correlation import local_correlation, symmetric_correlation
from midframe.ops.flow import resize_flow
from midframe.ops.luma import luma
from midframe.ops.resize import halvings, resize, shrink
from midframe.ops.rows import by_rows, doubled_flow, rows_behind
from midframe.ops.warp import backward_warp

PAIR = 4
"""Channels of a motion: source to near (x, y), source to far (x, y)."""
MATCH_STATE = 4 + 1 + 1
"""What a matching block sees beside features: flow to the source (nothing) and to the other, doubt, instant (0)."""
MATCH_STEP = 4 + 1
"""What it changes: both ends of the flow, doubt."""
SCORE_LIMIT = 10.0


@dataclass(frozen=True)
class Volumes:
    """What the network makes of a window.

    Attributes:
        volume: Volumes of `before`, then those of `after`, along the batch axis; at full size.
        coarse: Motion (2 batch, 4, ...) after each matching block, coarse to fine.
    """

    volume: MotionVolume
    coarse: tuple[Tensor, ...]


@dataclass(frozen=True)
class Matched:
    """Motion of both sources at 1/4 of the size.

    Attributes:
        frames: All `earlier`, then all `before`, `after` and `later`, (4 batch, 3, height, width).
        half: Their features at 1/2.
        steps: Motion (2 batch, 4, ...) after each block, coarse to fine.
        doubt: Of source to near, and to far, (2 batch, 2, height / 4, width / 4); unbounded.
        memory: As `doubt`, `memory` channels for each.
    """

    frames: Tensor
    half: Tensor
    steps: tuple[Tensor, ...]
    doubt: Tensor
    memory: Tensor


class MotionVolumeNetwork(nn.Module):
    """The network of the splatting variant."""

    def __init__(self, config: SvmvConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth = config.feature_widths

        def matching(features: int, radius: int, width: int, depth: int) -> Block:
            seen = 2 * features + (2 * radius + 1) ** 2 + MATCH_STATE + config.memory
            return Block(seen, width, depth, MATCH_STEP + config.memory)

        self.encoder = Encoder(config.feature_widths)
        self.coarse = matching(eighth, config.coarse_radius, config.coarse_width, config.coarse_depth)
        self.middle = matching(quarter, config.middle_radius, config.middle_width, config.middle_depth)
        motions = PAIR * config.members
        # Scores and gates leave at four sub-pixels a cell: PixelShuffle brings them to full size.
        self.fine = Block(
            3 * half + 2 * (2 * config.fine_radius + 1) ** 2 + PAIR + 2 + 2 * config.memory,
            config.fine_width,
            config.fine_depth,
            motions + 4 * (config.members + 1 + config.sharpen),
        )
        nn.init.normal_(self.fine.leave.weight[:motions], std=SPREAD)

    def forward(self, frames: Float[Tensor, "batch 4 3 height width"], levels: int | None = None) -> Volumes:
        """Motion volumes of the two middle frames.

        Args:
            frames: earlier, before, after, later; RGB in [0, 1].
            levels: Levels of the shared coarse block; None for those of the configuration. Each one more doubles
                the largest motion, and the multiple that the size must have.

        Raises:
            ShapeError: Height or width do not divide.
        """
        matched = self.match(frames, levels)
        return Volumes(self._volume(matched), matched.steps)

    def match(self, frames: Float[Tensor, "batch 4 3 height width"], levels: int | None = None) -> Matched:
        """Motion up to 1/4 of the size, where it is found; arguments and errors as in `forward`."""
        levels = levels or self.config.levels
        multiple = self.config.size_multiple(levels)
        height, width = frames.shape[-2:]
        if height % multiple or width % multiple:
            raise ShapeError(f"SVMV needs sides in multiples of {multiple}; got {height}x{width}. Pad first.")
        if not self.config.outer_frames:
            frames = frames[:, [1, 1, 2, 2]]
        pictures = frames.transpose(0, 1).flatten(0, 1)
        half, quarter, eighth = self.encoder(pictures - 0.5)
        smaller = halvings(pictures, levels)[1:]
        pyramid = [eighth, *(self.encoder.coarsest(picture - 0.5) for picture in smaller)]
        smallest = pyramid[-1]
        motion = smallest.new_zeros(len(smallest), 2, *smallest.shape[-2:], dtype=torch.float32)
        doubt, memory = motion[:, :1], smallest.new_zeros(len(smallest), self.config.memory, *smallest.shape[-2:])
        steps: list[Tensor] = []
        for features in reversed(pyramid):
            for _ in range(1 if features is eighth else self.config.visits):
                motion, doubt, memory = self._refine(
                    self.coarse, features, self.config.coarse_radius, motion, doubt, memory
                )
            steps.append(_by_source(motion))
        motion = self._align(pictures, 4, motion, self.config.alignment[0])
        motion, doubt, memory = self._refine(self.middle, quarter, self.config.middle_radius, motion, doubt, memory)
        steps.append(_by_source(motion))
        return Matched(pictures, half, tuple(steps), _by_source(doubt), _by_source(memory))

    def _volume(self, matched: Matched) -> MotionVolume:
        """From one motion at 1/4 to M of them at full size."""
        _, at_half, at_full = self.config.alignment
        half, members = matched.half, self.config.members
        size = (half.shape[-2], half.shape[-1])
        motion = torch.cat(resize_flow(matched.steps[-1], size).split(2, dim=1))
        motion = _by_source(self._align(matched.frames, 2, motion, at_half))
        source, other = _pairs(half.float())
        near, far = backward_warp(other, torch.cat(motion.split(2, dim=1))).chunk(2)
        source = source.chunk(2)[0]
        # Distances from 1: where motion is nearly right all cosines are close to 1, and bfloat16 would round their
        # differences away.
        costs = (1 - local_correlation(source, warped, self.config.fine_radius) for warped in (near, far))
        state = (resize(matched.doubt, size), resize(matched.memory, size))
        step = self.fine(source, near, far, *costs, motion, *state)
        pictures = matched.frames.chunk(2)[0]  # of both sources, for their size

        def enlarged(rows: slice) -> Tensor:
            there = rows_behind(rows, size[0])
            ensemble = motion[..., there, :].repeat(1, members, 1, 1) + step[:, : PAIR * members, there].float()
            return doubled_flow(ensemble, there, rows).unflatten(1, (members, PAIR))

        def shuffled(rows: slice) -> Tensor:
            there = slice(rows.start // 2, rows.stop // 2)
            return functional.pixel_shuffle(step[:, PAIR * members :, there].float(), 2)[:, :, None]

        weights = by_rows(shuffled, pictures)
        score = weights[:, :members].clamp(-SCORE_LIMIT, SCORE_LIMIT)
        if at_full:
            mean = by_rows(lambda rows: (enlarged(rows) * score[..., rows, :].softmax(1)).sum(1), pictures)
            stacked = torch.cat(mean.split(2, dim=1))
            correction = _by_source(self._align(matched.frames, 1, stacked, at_full)) - mean

            def corrected(rows: slice) -> Tensor:
                return moved_together(enlarged(rows), mean[..., rows, :], correction[..., rows, :])

        else:
            corrected = enlarged
        motions = by_rows(corrected, pictures)
        # At the ends of a scene a frame is repeated, which says nothing about acceleration.
        source, far = (side.chunk(2)[1] for side in _pairs(matched.frames))
        repeated = (source == far).flatten(1).all(1)
        acceleration = weights[:, members : members + 1].sigmoid().masked_fill(repeated.view(-1, 1, 1, 1, 1), 0.0)
        volume = MotionVolume(
            near=motions[:, :, :2],
            far=motions[:, :, 2:],
            score=score,
            acceleration=acceleration,
            detail=weights[:, members + 1 :].sigmoid() if self.config.sharpen else None,
        )
        return with_opposite(volume, (~repeated).float()) if self.config.cubic else volume

    def _refine(
        self, block: Block, features: Tensor, radius: int, motion: Tensor, doubt: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One block on all four matches: warp to the source, compare, correct."""
        size = (features.shape[-2], features.shape[-1])
        motion, doubt, memory = resize_flow(motion, size), resize(doubt, size), resize(memory, size)
        source, other = _pairs(features.float())
        warped = backward_warp(other, motion)
        correlation = symmetric_correlation(source, warped, radius)
        nothing = torch.zeros_like(motion)
        parts = (source, warped, correlation, nothing, motion, doubt, nothing[:, :1], memory)
        step = block(*parts)
        change = step[:, :MATCH_STEP].float()
        # The source's own end of the flow stays at zero: what moves it moves the other end the other way.
        return motion + change[:, 2:4] - change[:, :2], doubt + change[:, 4:], step[:, MATCH_STEP:]

    @staticmethod
    def _align(pictures: Tensor, divisor: int, motion: Tensor, steps: int) -> Tensor:
        """Motion of all four matches at 1/divisor of the pictures' size, corrected by what their colours say."""
        if not steps:
            return motion
        # Colours help, but at full size they would take longer than a block.
        seen = shrink(pictures, divisor) if divisor > 1 else luma(pictures)[:, None]
        motion = resize_flow(motion, (seen.shape[-2], seen.shape[-1]))
        pair = torch.cat(_pairs(seen))
        # The correction passes no gradient: what the blocks learn is to come near enough for it.
        start = motion.detach()
        flow, time = torch.cat((torch.zeros_like(start), start), 1), start.new_zeros(len(start))
        for _ in range(steps):
            flow = align(pair, flow, time)
        return motion + (flow[:, 2:] - start)


def moved_together(
    ensemble: Float[Tensor, "batch members 4 height width"],
    mean: Float[Tensor, "batch 4 height width"],
    correction: Float[Tensor, "batch 4 height width"],
) -> Float[Tensor, "batch members 4 height width"]:
    """Apply a correction of the mean motion to the members near it, in pixels.

    A member that points elsewhere stands for another surface, of which the correction says nothing.
    """
    apart = (ensemble.detach() - mean.detach()[:, None]).unflatten(2, (2, 2))
    nearness = (-0.5 * apart.square().sum(3, keepdim=True)).exp()
    moved = torch.addcmul(ensemble.unflatten(2, (2, 2)), nearness, correction.unflatten(1, (2, 2))[:, None])
    return moved.flatten(2, 3)


def _pairs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Source and other frame of the four matches: before and after with near, then both with far."""
    earlier, before, after, later = values.chunk(4)
    return torch.cat((before, after, before, after)), torch.cat((after, before, earlier, later))


def _by_source(values: Tensor) -> Tensor:
    """(4 batch, channel, ...) of the four matches as (2 batch, 2 channel, ...): near, then far, of each source."""
    return torch.cat(values.chunk(2), dim=1)
