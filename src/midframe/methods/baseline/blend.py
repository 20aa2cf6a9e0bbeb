"""The weighted mean of the two neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from midframe.core.method import AnyTime, Frames, MethodSpec, MovedPlanes, Planes, Window, check_request


class BlendInterpolator:
    """Mixes the two neighbours in proportion to their distance in time."""

    spec = MethodSpec(name="blend", context=1, times=AnyTime(), planes=True, pixel_bytes=48)

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        check_request(self.spec, frames, times)
        return _mix(frames.float().clamp(0, 1), times)

    def interpolate_with_planes(
        self,
        frames: Window,
        planes: Planes,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, MovedPlanes]:
        """See `midframe.core.method.LayeredInterpolator.interpolate_with_planes`."""
        return self.interpolate(frames, times), _mix(planes.float(), times)


def _mix(frames: Tensor, times: Sequence[Fraction]) -> Tensor:
    before, after = frames.unbind(1)
    mixed = before.new_empty(len(before), len(times), *before.shape[1:])
    # One by one: in a single expression each frame is in memory three times.
    for frame, time in zip(mixed.unbind(1), times, strict=True):
        weight = before.new_tensor(float(time))
        torch.mul(before, 1 - weight, out=frame)
        frame += after * weight
    return mixed
