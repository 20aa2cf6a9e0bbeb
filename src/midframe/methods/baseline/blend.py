"""The weighted mean of the two neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from midframe.core.method import AnyTime, Frames, MethodSpec, Window, check_request


class BlendInterpolator:
    """Mixes the two neighbours in proportion to their distance in time."""

    spec = MethodSpec(name="blend", context=1, times=AnyTime(), pixel_bytes=48)

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        check_request(self.spec, frames, times)
        before, after = frames.float().clamp(0, 1).split(1, dim=1)
        weight = before.new_tensor([float(time) for time in times])[:, None, None, None]
        return before * (1 - weight) + after * weight
