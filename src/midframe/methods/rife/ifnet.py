"""The time-conditioned 4.x line: flow blocks from coarse to fine, and no refinement.

    before, after ──> encode (once for each image) ──> features
    block0: images, features, instant ──> flow, mask, recurrent features
    block1 ..: warped images, warped features, instant, mask, recurrent features, flow ──> corrections
    output = sigmoid(mask) * warped before + (1 - sigmoid(mask)) * warped after

Submodules carry the names of the released checkpoints, so weights move without a table of names.

Source: the authors' releases 4.6 and 4.25; the teacher of Huang et al., ECCV 2022.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.methods.rife.layouts import EncoderConfig, IFNetConfig
from midframe.methods.rife.synthesis import (
    FeatureMap,
    FlowPair,
    Image,
    MaskLogit,
    Synthesis,
    Teacher,
    Time,
    blend,
    check_images,
    time_plane,
    warp_pair,
)
from midframe.nn.convolutions import ResidualConvolution
from midframe.ops.flow import resize_flow
from midframe.ops.resize import resize

NEGATIVE_SLOPE = 0.2


class Encoder(nn.Module):
    """Full-resolution features of one image, computed at half its resolution."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, config.hidden, 3, 2, 1)
        self.cnn1 = nn.Conv2d(config.hidden, config.hidden, 3, 1, 1)
        self.cnn2 = nn.Conv2d(config.hidden, config.hidden, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(config.hidden, config.channels, 4, 2, 1)

    def forward(self, image: Image) -> FeatureMap:
        features = functional.leaky_relu(self.cnn0(image), NEGATIVE_SLOPE)
        features = functional.leaky_relu(self.cnn1(features), NEGATIVE_SLOPE)
        features = functional.leaky_relu(self.cnn2(features), NEGATIVE_SLOPE)
        return self.cnn3(features)


class FlowBlock(nn.Module):
    """Estimates flow, mask and recurrent features, or corrections of them, at one resolution."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(
            nn.Sequential(nn.Conv2d(inputs, width // 2, 3, 2, 1), nn.LeakyReLU(NEGATIVE_SLOPE)),
            nn.Sequential(nn.Conv2d(width // 2, width, 3, 2, 1), nn.LeakyReLU(NEGATIVE_SLOPE)),
        )
        self.convblock = nn.Sequential(*(ResidualConvolution(width) for _ in range(8)))
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * outputs, 4, 2, 1), nn.PixelShuffle(2))

    def forward(
        self, inputs: FeatureMap, flow: FlowPair | None, scale: int
    ) -> tuple[FlowPair, Float[Tensor, "batch rest height width"]]:
        """Work at 1 / `scale` of the inputs' resolution; return float32 values at the full one."""
        full = inputs.shape[-2], inputs.shape[-1]
        small = full[0] // scale, full[1] // scale
        features = resize(inputs, small)
        if flow is not None:
            features = torch.cat((features, resize_flow(flow, small)), dim=1)
        head = self.lastconv(self.convblock(self.conv0(features))).float()
        return resize_flow(head[:, :4], full), resize(head[:, 4:], full)


class IFNet(nn.Module):
    """Synthesises the frame at any instant between two images."""

    def __init__(self, config: IFNetConfig) -> None:
        super().__init__()
        self.config = config
        for index, width in enumerate(config.widths):
            inputs = config.later_channels if index else config.first_channels
            self.add_module(f"block{index}", FlowBlock(inputs, width, config.head_channels))
        self.encode = Encoder(config.encoder) if config.encoder else None
        self.block_tea = (
            FlowBlock(config.later_channels + 3, config.teacher_width, 4 + 1) if config.teacher_width else None
        )

    def forward(
        self, before: Image, after: Image, time: Time, target: Image | None = None, *, scale: float = 1.0
    ) -> Synthesis:
        """Estimate the flow coarse to fine, and blend.

        Args:
            before: Frame at instant 0.
            after: Frame at instant 1.
            time: Instant of the target for each item of the batch.
            target: Ground truth. Only the teacher block reads it.
            scale: Resolution of the flow relative to the image: 1, 0.5 or 0.25.

        Returns:
            The output and all that a loss needs.

        Raises:
            ShapeError: Shapes differ, or sides are not multiples of `config.size_multiple(scale)`.
            UsageError: An unknown scale.
        """
        check_images(before, after, target, self.config.size_multiple(scale))
        plane = time_plane(time, before)
        features = None if self.encode is None else (self.encode(before), self.encode(after))
        coarsest, *finer = self.config.block_scales(scale)

        flow, rest = self._block(0)(torch.cat((before, after, *(features or ()), plane), dim=1), None, coarsest)
        mask, recurrent = self._split(rest)
        warped = warp_pair(before, after, flow)
        flows, masks, merged = [flow], [mask], [blend(*warped, mask)]
        for index, block_scale in enumerate(finer, start=1):
            known = self._join(warped, features, plane, mask, recurrent, flow)
            flow_change, rest = self._block(index)(known, flow, block_scale)
            mask_estimate, recurrent = self._split(rest)
            flow, mask = flow + flow_change, self._update(mask, mask_estimate)
            warped = warp_pair(before, after, flow)
            flows.append(flow)
            masks.append(mask)
            merged.append(blend(*warped, mask))

        teacher = None
        if self.block_tea is not None and target is not None:
            # Nothing is detached: the teacher's image loss trains the student's blocks too.
            known = self._join(warped, features, plane, mask, recurrent, flow)
            flow_change, mask_estimate = self.block_tea(torch.cat((known, target), dim=1), flow, 1)
            teacher_flow, teacher_mask = flow + flow_change, self._update(mask, mask_estimate)
            teacher_warped = warp_pair(before, after, teacher_flow)
            teacher = Teacher(merged=blend(*teacher_warped, teacher_mask), flow=teacher_flow)

        return Synthesis(
            output=merged[-1],
            flows=tuple(flows),
            masks=tuple(masks),
            merged=tuple(merged),
            teacher=teacher,
        )

    def _block(self, index: int) -> FlowBlock:
        return cast(FlowBlock, self.get_submodule(f"block{index}"))

    def _split(self, rest: FeatureMap) -> tuple[MaskLogit, FeatureMap]:
        return rest[:, :1], rest[:, 1 : 1 + self.config.recurrent_channels]

    def _update(self, mask: MaskLogit, estimate: MaskLogit) -> MaskLogit:
        return mask + estimate if self.config.mask_update == "accumulate" else estimate

    def _join(
        self,
        warped: tuple[Tensor, Tensor],
        features: tuple[Tensor, Tensor] | None,
        plane: Tensor,
        mask: Tensor,
        recurrent: Tensor,
        flow: Tensor,
    ) -> Tensor:
        """Inputs of a later block in the order of the released weights; its flow is joined inside."""
        warped_features = warp_pair(*features, flow) if features else ()
        return torch.cat((*warped, *warped_features, plane, mask, recurrent), dim=1)
