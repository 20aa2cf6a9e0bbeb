"""The closer of the two neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from midframe.core.method import AnyTime, Frames, MethodSpec, Window, check_request


class NearestInterpolator:
    """Repeats the neighbour that is closer in time; the earlier one in the very middle."""

    spec = MethodSpec(name="nearest", context=1, times=AnyTime(), pixel_bytes=24)

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        check_request(self.spec, frames, times)
        positions = [int(time > Fraction(1, 2)) for time in times]
        closer = torch.tensor(positions, dtype=torch.long, device=frames.device)
        return frames.float().clamp(0, 1).index_select(1, closer)
