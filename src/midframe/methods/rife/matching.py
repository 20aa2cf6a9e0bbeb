"""Intermediate flow, coarse to fine, with a matching prior: the default network.

As in RIFE, the network looks at two frames and a time and predicts the flows from the missing frame to both, a
blend mask and a residual, each block refining what the coarser one found:

    level          block          sees (both frames warped to the target instant by the flow so far)
    1/32 .. 1/8    CoarseBlock    features, their symmetric correlation, flow, mask, time, memory; one block shared
    1/4            MiddleBlock    the same, a smaller correlation window
    1/2            FineBlock      features, flow, mask, time, memory -> flow at 1/2, mask and residual at 1/1
    1/1            none           output = sigmoid(mask) warp(before) + (1 - sigmoid(mask)) warp(after) + residual

Before the blocks at 1/4 and 1/2 and on the finished flow, least squares on the colours themselves (`ops.alignment`)
bring the flow to a fraction of a pixel where there is something to align; blocks alone learn that last bit slowly.

Departures from the published layouts (`paper.py`, `ifnet.py`), each made because plain blocks learn to match over
distance only from millions of samples: the blocks see a local correlation of encoded features; one block serves
all coarse levels, so that a larger picture simply gets more of them; the coarse levels encode a smaller picture
with the same encoder. Time, memory between blocks and the privileged teacher are as published.

Flow is in pixels of its own resolution. Flow, mask and warping are float32; convolutions take the precision of
the weights, or of autocast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError
from midframe.methods.rife.layouts import MatchingConfig
from midframe.methods.rife.synthesis import blend
from midframe.nn.convolutions import Block, Encoder
from midframe.ops.alignment import align
from midframe.ops.correlation import symmetric_correlation
from midframe.ops.flow import resize_flow
from midframe.ops.luma import luma
from midframe.ops.resize import halvings, resize, shrink
from midframe.ops.warp import backward_warp, fetch, sampling_grid

FLOW_CHANNELS = 4  # target->before (x, y), then target->after (x, y)


@dataclass(frozen=True)
class Estimate:
    """What is known of the missing frame after one block.

    Attributes:
        flow: (batch, 4, height, width), target->before then target->after, pixels of this resolution.
        mask: (batch, 1, height, width), logit of the weight of `before`.
    """

    flow: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Rough:
    """What is known of the missing frame at 1/4 of its size.

    Attributes:
        estimates: After each block, coarse to fine.
        memory: What the last of them hands on.
        teacher: The privileged estimate, in training with a target only.
    """

    estimates: tuple[Estimate, ...]
    memory: Tensor
    teacher: Estimate | None = None


@dataclass(frozen=True)
class MatchingOutput:
    """Everything that the objective looks at.

    Attributes:
        output: The frame, (batch, 3, height, width); not clamped.
        estimates: After each block, coarse to fine; the last one at full size.
        teacher: The privileged estimate at 1/4 size, in training with a target only.
    """

    output: Tensor
    estimates: tuple[Estimate, ...]
    teacher: Estimate | None


@dataclass(frozen=True)
class Encoded:
    """Both frames and their features, before and after along the batch axis.

    Attributes:
        pair: (2 batch, 3, height, width), RGB.
        half: Features at 1/2; None where they are made part by part (see `tiled.py`).
        quarter: Features at 1/4.
        small: The frames at 1/4.
        pyramid: Features at 1/8, 1/16, ..., fine to coarse.
    """

    pair: Tensor
    half: Tensor | None
    quarter: Tensor
    small: Tensor
    pyramid: tuple[Tensor, ...]


def size_multiple(levels: int) -> int:
    """What height and width must be multiples of, for that many visits of the coarse block."""
    return 8 * 2 ** (levels - 1)


class MatchingNetwork(nn.Module):
    """Two frames and a time in, the frame at that time out."""

    def __init__(self, config: MatchingConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth = config.feature_widths
        state = FLOW_CHANNELS + 1 + 1  # flow, mask, time
        step = FLOW_CHANNELS + 1 + config.memory
        coarse_window = (2 * config.coarse_radius + 1) ** 2
        middle_window = (2 * config.middle_radius + 1) ** 2
        self.encoder = Encoder(config.feature_widths)
        self.coarse = Block(
            2 * eighth + coarse_window + state + config.memory, config.coarse_width, config.coarse_depth, step
        )
        self.middle = Block(
            2 * quarter + middle_window + state + config.memory,
            config.middle_width,
            config.middle_depth,
            step,
        )
        fine_window = 0 if config.fine_radius is None else (2 * config.fine_radius + 1) ** 2
        # Mask and residual leave at four sub-pixels a cell: PixelShuffle brings them to full size.
        self.fine = Block(
            2 * half + state + config.memory + fine_window,
            config.fine_width,
            config.fine_depth,
            FLOW_CHANNELS + 4 * (1 + 3) + (1 if config.sharpen else 0),
        )
        self.teacher = (
            Block(3 * quarter + state, config.middle_width, config.middle_depth, FLOW_CHANNELS + 1)
            if config.teacher
            else None
        )

    def forward(
        self,
        before: Float[Tensor, "batch 3 height width"],
        after: Float[Tensor, "batch 3 height width"],
        time: Float[Tensor, " batch"],
        target: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> MatchingOutput:
        """Predict the frame at `time`.

        Args:
            before: RGB in [0, 1].
            after: RGB in [0, 1].
            time: Fraction of the gap for each item, in (0, 1).
            target: The true frame, for the teacher; in training only.
        """
        return self.synthesise(self.encode(before, after), time, target)

    def encode(
        self,
        before: Float[Tensor, "batch 3 height width"],
        after: Float[Tensor, "batch 3 height width"],
        levels: int | None = None,
    ) -> Encoded:
        """What does not depend on the time: features of both frames at every level.

        Args:
            before: RGB in [0, 1].
            after: RGB in [0, 1].
            levels: Visits of the shared coarse block; by default those of the configuration. Each one more
                doubles the largest motion, and the multiple that the size must have.
        """
        if before.shape != after.shape:
            raise ShapeError(f"both frames need one size; got {tuple(before.shape)} and {tuple(after.shape)}.")
        return self.encode_pair(torch.cat((before, after)), levels)

    def encode_pair(self, pair: Float[Tensor, "pair 3 height width"], levels: int | None = None) -> Encoded:
        """As `encode`, of before and after along the batch axis."""
        levels = self.config.levels if levels is None else levels
        multiple = size_multiple(levels)
        if pair.shape[-2] % multiple or pair.shape[-1] % multiple:
            raise ShapeError(f"frames need a size in multiples of {multiple}; got {tuple(pair.shape)}. Pad first.")
        half, quarter, eighth = self.encoder(pair - 0.5)
        smaller = halvings(pair, max(levels, 3))
        pyramid = [eighth, *(self.encoder.coarsest(smaller[level] - 0.5) for level in range(1, levels))]
        return Encoded(pair, half, quarter, smaller[2], tuple(pyramid))

    def synthesise(self, encoded: Encoded, time: Tensor, target: Tensor | None = None) -> MatchingOutput:
        """The frame at `time`, from what `encode` saw; arguments as in `forward`."""
        assert encoded.half is not None  # `encode` made it
        rough = self.estimate(encoded, time, target)
        estimate, output = self.finish(encoded.pair, encoded.half, rough, time)
        return MatchingOutput(output, (*rough.estimates, estimate), rough.teacher)

    def estimate(self, encoded: Encoded, time: Tensor, target: Tensor | None = None) -> Rough:
        """Flow and mask up to 1/4 of the size, where motion is found; arguments as in `forward`."""
        estimates: list[Estimate] = []
        estimate, memory = None, None
        for features in reversed(encoded.pyramid):
            for _ in range(1 if features is encoded.pyramid[0] else self.config.visits):
                estimate, memory = self._refine(
                    self.coarse, features, self.config.coarse_radius, estimate, memory, time
                )
            assert estimate is not None  # there is one visit at least
            estimates.append(estimate)
        assert estimate is not None  # there is one level at least
        estimate = self._align(encoded.small, estimate, time, self.config.alignment[0])
        estimate, memory = self._refine(
            self.middle, encoded.quarter, self.config.middle_radius, estimate, memory, time
        )
        estimates.append(estimate)
        teacher = None
        if target is not None and self.teacher is not None:
            teacher = self._teach(encoded.quarter, target, estimate, time)
        return Rough(tuple(estimates), memory, teacher)

    def finish(self, pair: Tensor, half: Tensor, rough: Rough, time: Tensor) -> tuple[Estimate, Tensor]:
        """The frame from flow and mask at 1/4: what lies beyond is local, and any part of a frame can be done alone.

        Args:
            pair: before and after along the batch axis, (2 batch, 3, height, width).
            half: Their features at 1/2.
            rough: What `estimate` gave.
            time: As in `forward`.

        Returns:
            Flow and mask at full size, and the frame.
        """
        estimate, residual, share = self.locate(pair, half, rough, time)
        return estimate, self.merge(pair, estimate, share).add_(residual)

    def locate(
        self, pair: Tensor, half: Tensor, rough: Rough, time: Tensor
    ) -> tuple[Estimate, Tensor, Tensor | None]:
        """Flow and mask at full size, residual, and share of detail (see `merge`); arguments as in `finish`."""
        _, before_half, at_full = self.config.alignment
        # Colours help, but at full size they would take longer than a block.
        estimate = self._align(shrink(pair, 2), rough.estimates[-1], time, before_half)
        estimate, residual, share = self._finish(half, estimate, rough.memory, time)
        return self._align(luma(pair)[:, None], estimate, time, at_full), residual, share

    @staticmethod
    def merge(
        pair: Tensor, estimate: Estimate, detail: Tensor | None = None, corner: tuple[int, int] | None = None
    ) -> Tensor:
        """Blend both frames, warped by the flow, by the mask.

        Args:
            pair: before and after along the batch axis, (2 batch, 3, height, width), at the estimate's size.
            estimate: Flow and mask.
            detail: Share in [0, 1] of the luma's detail that bilinear sampling loses and bicubic sampling keeps,
                (batch, 1, height, width). Where both frames agree to a fraction of a pixel it belongs to the
                picture; elsewhere it is noise, which the blur of the samples averages out.
            corner: First row and column of the part of the frame that the estimate is of; None for all of it.
        """
        size = (pair.shape[-2], pair.shape[-1])
        if corner is None and estimate.flow.shape[-2:] != size:
            raise ShapeError(f"frames {size} and flow {tuple(estimate.flow.shape[-2:])} differ in size.")
        places = sampling_grid(_joined(estimate.flow), size, corner or (0, 0))
        before, after = fetch(pair, places).chunk(2)
        merged = blend(before, after, estimate.mask)
        if detail is None:
            return merged
        before, after = fetch(luma(pair)[:, None], places, "bicubic").chunk(2)
        sharp = blend(before, after, estimate.mask)
        return merged + (sharp - luma(merged)[:, None]).mul_(detail)

    @staticmethod
    def _align(pictures: Tensor, estimate: Estimate, time: Tensor, steps: int) -> Estimate:
        """The estimate at the pictures' size, its flow corrected by what their colours say there."""
        if not steps:
            return estimate
        size = (pictures.shape[-2], pictures.shape[-1])
        flow = resize_flow(estimate.flow, size)
        # The correction passes no gradient: what the blocks learn is to come near enough for it.
        aligned = flow.detach()
        for _ in range(steps):
            aligned = align(pictures, aligned, time)
        if flow.requires_grad:
            aligned = flow + (aligned - flow.detach())
        return Estimate(aligned, resize(estimate.mask, size))

    def _refine(
        self,
        block: Block,
        features: Tensor,
        radius: int,
        estimate: Estimate | None,
        memory: Tensor | None,
        time: Tensor,
    ) -> tuple[Estimate, Tensor]:
        """One block on both frames' features: warp to the target instant, compare, correct."""
        batch, (height, width) = features.shape[0] // 2, features.shape[-2:]
        if estimate is None or memory is None:
            flow = features.new_zeros(batch, FLOW_CHANNELS, height, width, dtype=torch.float32)
            mask = flow[:, :1]
            memory = features.new_zeros(batch, self.config.memory, height, width)
            warped_before, warped_after = features[:batch].float(), features[batch:].float()
        else:
            flow = resize_flow(estimate.flow, (height, width))
            mask = resize(estimate.mask, (height, width))
            memory = resize(memory, (height, width))
            warped_before, warped_after = _warp_joined(features, flow)
        correlation = symmetric_correlation(warped_before, warped_after, radius)
        parts = (warped_before, warped_after, correlation, *self._state(flow, mask, time), memory)
        step = block(*parts)
        change = step[:, : FLOW_CHANNELS + 1].float()
        return Estimate(flow + change[:, :FLOW_CHANNELS], mask + change[:, FLOW_CHANNELS:]), step[
            :, FLOW_CHANNELS + 1 :
        ]

    def _finish(
        self, features: Tensor, estimate: Estimate, memory: Tensor, time: Tensor
    ) -> tuple[Estimate, Tensor, Tensor | None]:
        """The fine block: flow at half size; mask, residual and share of detail at full size."""
        height, width = features.shape[-2:]
        flow = resize_flow(estimate.flow, (height, width))
        mask = resize(estimate.mask, (height, width))
        warped = _warp_joined(features, flow)
        parts = (*warped, *self._state(flow, mask, time), resize(memory, (height, width)))
        if self.config.fine_radius is not None:
            # Its distance from 1: where flow is nearly right all cosines are close to 1, and bfloat16 would round
            # their differences away.
            parts = (*parts, 1 - symmetric_correlation(*warped, self.config.fine_radius))
        step = self.fine(*parts)
        flow = resize_flow(flow + step[:, :FLOW_CHANNELS].float(), (2 * height, 2 * width))
        full = functional.pixel_shuffle(step[:, FLOW_CHANNELS : FLOW_CHANNELS + 4 * (1 + 3)], 2).float()
        share = None
        if self.config.sharpen:
            share = resize(torch.sigmoid(step[:, -1:].float()), (2 * height, 2 * width))
        return Estimate(flow, resize(mask, (2 * height, 2 * width)) + full[:, :1]), full[:, 1:], share

    def _teach(self, features: Tensor, target: Tensor, estimate: Estimate, time: Tensor) -> Estimate:
        """The privileged block: it sees the true frame's features beside the warped ones."""
        assert self.teacher is not None
        seen = self.encoder(target - 0.5)[1]
        parts = (*_warp_joined(features, estimate.flow), seen, *self._state(estimate.flow, estimate.mask, time))
        step = self.teacher(*parts).float()
        return Estimate(estimate.flow + step[:, :FLOW_CHANNELS], estimate.mask + step[:, FLOW_CHANNELS:])

    @staticmethod
    def _state(flow: Tensor, mask: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return flow, mask, time.to(flow.dtype).view(-1, 1, 1, 1).expand_as(mask)


def _warp_joined(pair: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Warp before and after, joined along the batch axis, by the two halves of the flow."""
    before, after = backward_warp(pair, _joined(flow)).chunk(2)
    return before, after


def _joined(flow: Tensor) -> Tensor:
    """The two halves of the flow along the batch axis."""
    return flow.unflatten(1, (2, 2)).transpose(0, 1).flatten(0, 1)
