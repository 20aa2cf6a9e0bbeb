"""Optical flow without a network, and forward splatting: what could be had before learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.method import AnyTime, Frames, MethodSpec, MovedPlanes, Planes, Window, check_request
from midframe.ops.inverse_search import InverseSearch
from midframe.ops.luma import luma_bytes
from midframe.ops.splat import softmax_splat
from midframe.ops.warp import backward_warp

SEVERITY = 20.0
"""How fast a pixel loses its say with its photometric error: Niklaus and Liu's factor, untouched."""


class ClassicalInterpolator:
    """Finds the flow both ways, moves both frames along it, and lets the better matched pixels prevail.

    Every pixel q of a frame moves to q + t flow(q). Where several meet, each weighs w exp(-20 e(q)): w is the
    closeness of its frame in time, and e the mean absolute difference in [0, 1] between q and the pixel of the other
    frame that its flow points at. Where nothing lands, the two frames are blended in place.

    Raises:
        MissingExtraError: OpenCV is not installed.

    Source: flow of Kroeger et al. 2016; splatting and its importance of Niklaus and Liu 2020, "Softmax Splatting for
        Video Frame Interpolation", section 3.1.
    """

    spec = MethodSpec(name="classical", context=1, times=AnyTime(), size_multiple=16, planes=True, pixel_bytes=340)

    def __init__(self) -> None:
        self._find_flow = InverseSearch()

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        return self.interpolate_with_planes(frames, frames[:, :, :0], times)[0]

    def interpolate_with_planes(
        self,
        frames: Window,
        planes: Planes,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, MovedPlanes]:
        """See `midframe.core.method.LayeredInterpolator.interpolate_with_planes`."""
        check_request(self.spec, frames, times)
        frames = frames.float().clamp(0, 1)
        before, after = frames.unbind(1)
        luma_before, luma_after = luma_bytes(frames).unbind(1)
        flow_before_to_after = self._find_flow(luma_before, luma_after)
        flow_after_to_before = self._find_flow(luma_after, luma_before)
        importance_before = _importance(before, after, flow_before_to_after)
        importance_after = _importance(after, before, flow_after_to_before)

        travelling_before, travelling_after = torch.cat((frames, planes.float()), dim=2).unbind(1)

        def synthesise(time: float) -> Tensor:
            canvas = softmax_splat(
                travelling_before, time * flow_before_to_after[:, None], importance_before + math.log(1 - time)
            ) + softmax_splat(
                travelling_after, (1 - time) * flow_after_to_before[:, None], importance_after + math.log(time)
            )
            return canvas.resolve(fill=torch.lerp(travelling_before, travelling_after, time))

        # Each in its place: a list, what is joined of it and what is clamped of that hold every frame three times.
        made = travelling_before.new_empty(len(frames), len(times), *travelling_before.shape[1:])
        for place, time in zip(made.unbind(1), times, strict=True):
            place.copy_(synthesise(float(time)))
        return made[:, :, :3].clamp_(0, 1), made[:, :, 3:]


def _importance(
    frame: Float[Tensor, "batch 3 height width"],
    other: Float[Tensor, "batch 3 height width"],
    flow_frame_to_other: Float[Tensor, "batch 2 height width"],
) -> Float[Tensor, "batch 1 1 height width"]:
    """High where the flow leads to a pixel of the same colour."""
    error = (frame - backward_warp(other, flow_frame_to_other)).abs().mean(dim=1, keepdim=True)
    return -SEVERITY * error[:, None]
