"""The closer of the two neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from midframe.core.method import AnyTime, Frames, MethodSpec, MovedPlanes, Planes, Window, check_request


class NearestInterpolator:
    """Repeats the neighbour that is closer in time; the earlier one in the very middle."""

    spec = MethodSpec(name="nearest", context=1, times=AnyTime(), planes=True, pixel_bytes=24)

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        check_request(self.spec, frames, times)
        return _closer(frames.float().clamp(0, 1), times)

    def interpolate_with_planes(
        self,
        frames: Window,
        planes: Planes,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, MovedPlanes]:
        """See `midframe.core.method.LayeredInterpolator.interpolate_with_planes`."""
        return self.interpolate(frames, times), _closer(planes.float(), times)


def _closer(frames: Tensor, times: Sequence[Fraction]) -> Tensor:
    positions = [int(time > Fraction(1, 2)) for time in times]
    return frames.index_select(1, torch.tensor(positions, dtype=torch.long, device=frames.device))
