"""The network of the paper: three flow blocks, a privileged teacher, context and fusion networks.

    before, after [, instant]
      block0 at 1/4 ── flow, mask ──> warp ──> block1 at 1/2 ──> warp ──> block2 at 1/1 ──> warp ──> blend
      block_tea at 1/1, with the target too (training only) ────────────────────────────> teacher's blend
      contextnet: features of each image at 1/2 .. 1/16, warped by the final flow
      unet: images, warped images, mask, flow and context ──> residual ──> output = blend + residual

Submodules carry the names of the released checkpoints, so weights move without a table of names.

Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import UsageError
from midframe.methods.rife.layouts import PaperConfig
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
from midframe.ops.flow import resize_flow
from midframe.ops.resize import resize
from midframe.ops.warp import backward_warp


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


def _enlargement(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))


class FlowBlock(nn.Module):
    """Estimates flow and mask, or a correction of them, at one resolution."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_convolution(inputs, width // 2, 2), _convolution(width // 2, width, 2))
        self.convblock = nn.Sequential(*(_convolution(width, width) for _ in range(8)))
        self.lastconv = nn.ConvTranspose2d(width, 4 + 1, 4, 2, 1)

    def forward(self, inputs: FeatureMap, flow: FlowPair | None, scale: int) -> tuple[FlowPair, MaskLogit]:
        """Work at 1 / `scale` of the inputs' resolution; return float32 values at the full one."""
        full = inputs.shape[-2], inputs.shape[-1]
        small = full[0] // scale, full[1] // scale
        features = resize(inputs, small)
        if flow is not None:
            features = torch.cat((features, resize_flow(flow, small)), dim=1)
        features = self.conv0(features)
        head = self.lastconv(self.convblock(features) + features).float()
        return resize_flow(head[:, :4], full), resize(head[:, 4:], full)


class ContextNet(nn.Module):
    """Features of one image at 1/2, 1/4, 1/8 and 1/16, each warped to the instant of the target."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _Halving(3, width)
        self.conv2 = _Halving(width, 2 * width)
        self.conv3 = _Halving(2 * width, 4 * width)
        self.conv4 = _Halving(4 * width, 8 * width)

    def forward(self, image: Image, flow: Float[Tensor, "batch 2 height width"]) -> tuple[FeatureMap, ...]:
        features, warped = image, []
        for stage in (self.conv1, self.conv2, self.conv3, self.conv4):
            # The next stage reads the map before warping, so positions are not interpolated twice.
            features = stage(features)
            flow = resize_flow(flow, (features.shape[-2], features.shape[-1]))
            warped.append(backward_warp(features, flow))
        return tuple(warped)


class FusionNet(nn.Module):
    """A U-Net that turns everything known about the target into a colour residual."""

    def __init__(self, context: int) -> None:
        super().__init__()
        width = 2 * context
        self.down0 = _Halving(4 * 3 + 1 + 4, width)
        self.down1 = _Halving(width + 2 * context, 2 * width)
        self.down2 = _Halving(2 * width + 4 * context, 4 * width)
        self.down3 = _Halving(4 * width + 8 * context, 8 * width)
        self.up0 = _enlargement(8 * width + 16 * context, 4 * width)
        self.up1 = _enlargement(2 * 4 * width, 2 * width)
        self.up2 = _enlargement(2 * 2 * width, width)
        self.up3 = _enlargement(2 * width, context)
        self.conv = nn.Conv2d(context, 3, 3, 1, 1)

    def forward(
        self,
        known: FeatureMap,
        context_before: tuple[FeatureMap, ...],
        context_after: tuple[FeatureMap, ...],
    ) -> Image:
        """Return a residual in [-1, 1]; `known` is images, warped images, mask logit and flow."""
        context = [torch.cat(pair, dim=1) for pair in zip(context_before, context_after, strict=True)]
        half = self.down0(known)
        quarter = self.down1(torch.cat((half, context[0]), dim=1))
        eighth = self.down2(torch.cat((quarter, context[1]), dim=1))
        sixteenth = self.down3(torch.cat((eighth, context[2]), dim=1))
        features = self.up0(torch.cat((sixteenth, context[3]), dim=1))
        features = self.up1(torch.cat((features, eighth), dim=1))
        features = self.up2(torch.cat((features, quarter), dim=1))
        features = self.up3(torch.cat((features, half), dim=1))
        return 2 * torch.sigmoid(self.conv(features).float()) - 1


class PaperNetwork(nn.Module):
    """Synthesises the frame at an instant between two images (the midpoint, unless `arbitrary_time`)."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        coarse, middle, fine = config.widths
        first = 3 + 3 + int(config.arbitrary_time)
        later = first + 3 + 3 + 1 + 4
        self.block0 = FlowBlock(first, coarse)
        self.block1 = FlowBlock(later, middle)
        self.block2 = FlowBlock(later, fine)
        self.block_tea = FlowBlock(later + 3, fine) if config.teacher else None
        self.contextnet = ContextNet(config.context_width)
        self.unet = FusionNet(config.context_width)

    def forward(
        self, before: Image, after: Image, time: Time, target: Image | None = None, *, scale: float = 1.0
    ) -> Synthesis:
        """Estimate the flow coarse to fine, blend, and refine.

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
            UsageError: An unknown scale, or an instant other than 1/2 without `arbitrary_time`.
        """
        check_images(before, after, target, self.config.size_multiple(scale))
        plane = time_plane(time, before)
        if self.config.arbitrary_time:
            inputs = torch.cat((before, after, plane), dim=1)
        elif bool((time == 0.5).all()):
            inputs = torch.cat((before, after), dim=1)
        else:
            raise UsageError(f"This network was built for the instant 0.5 only; got {time.tolist()}.")

        coarsest, *finer = self.config.block_scales(scale)
        flow, mask = self.block0(inputs, None, coarsest)
        warped = warp_pair(before, after, flow)
        flows, masks, merged = [flow], [mask], [blend(*warped, mask)]
        for block, block_scale in zip((self.block1, self.block2), finer, strict=True):
            flow_change, mask_change = block(torch.cat((inputs, *warped, mask), dim=1), flow, block_scale)
            flow, mask = flow + flow_change, mask + mask_change
            warped = warp_pair(before, after, flow)
            flows.append(flow)
            masks.append(mask)
            merged.append(blend(*warped, mask))

        teacher = None
        if self.block_tea is not None and target is not None:
            # Nothing is detached: the teacher's image loss trains the student's blocks too.
            flow_change, mask_change = self.block_tea(torch.cat((inputs, *warped, mask, target), dim=1), flow, 1)
            teacher_flow = flow + flow_change
            teacher_warped = warp_pair(before, after, teacher_flow)
            teacher = Teacher(merged=blend(*teacher_warped, mask + mask_change), flow=teacher_flow)

        residual = self.unet(
            torch.cat((before, after, *warped, mask, flow), dim=1),
            self.contextnet(before, flow[:, :2]),
            self.contextnet(after, flow[:, 2:]),
        )
        return Synthesis(
            output=(merged[-1] + residual).clamp(0, 1),
            flows=tuple(flows),
            masks=tuple(masks),
            merged=tuple(merged),
            teacher=teacher,
        )


class _Halving(nn.Module):
    """Two convolutions, the first of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, 2)
        self.conv2 = _convolution(outputs, outputs)

    def forward(self, features: FeatureMap) -> Tensor:
        return self.conv2(self.conv1(features))
