"""FFmpeg's motion-compensated filter, as a method like any other."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import FilterError
from midframe.core.method import AnyTime, Frames, MethodSpec, Window, check_request
from midframe.ops.luma import luma_bytes
from midframe.ops.rounding import bytes_to_unit, round_to_bytes
from midframe.video.filters import filtered, require_filter

FILTER = "minterpolate"
OPTIONS = "mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
"""Motion compensation by adaptive overlapped blocks of variable size, bidirectional search. Cuts are the caller's to
find: beside a repeated border frame every fast motion would pass for one."""

PIXEL_FORMAT = "yuva444p"
"""Four planes of bytes. The filter looks for motion in the first and treats all alike, so that luma travels in the
first, and red, green and blue in the other three: they are never converted, and lose nothing."""

MOST_MADE = 2
"""Instants made for each one wanted, up to which one run of the filter serves them all."""


class MinterpolateInterpolator:
    """Sends each pair of frames through libavfilter's `minterpolate`.

    Frames are rounded to 8 bit, and instants to 1/1024 of the gap, as the filter does. It fills the gap between the
    second and the third of four frames: the border frames are repeated to make four of two. Sizes are multiples of
    32, because the filter takes no smaller ones and searches in whole blocks of 16.

    Raises:
        FilterError: PyAV's FFmpeg was built without the filter.
    """

    spec = MethodSpec(name="minterpolate", context=1, times=AnyTime(), size_multiple=32)

    def __init__(self) -> None:
        require_filter(FILTER, "Method 'minterpolate'")

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`.

        Raises:
            FilterError: FFmpeg fails.
        """
        check_request(self.spec, frames, times)
        colours = round_to_bytes(frames)
        luma = luma_bytes(bytes_to_unit(colours))[:, :, None]
        pairs = torch.cat((luma, colours), dim=2).cpu()
        synthesised = torch.stack([self._fill(pair, times) for pair in pairs])
        return bytes_to_unit(synthesised[:, :, 1:].to(frames.device))

    def _fill(
        self, pair: UInt8[Tensor, "2 4 height width"], times: Sequence[Fraction]
    ) -> UInt8[Tensor, "time 4 height width"]:
        """One run for all times, where they are most of a regular grid; else one for each."""
        before, after = pair
        step = _common_step(times)
        if 1 / step <= MOST_MADE * len(times):
            # The filter itself repeats the first frame. It begins at that frame's instant, which is 0.
            made = self._run(torch.stack((before, after, after)), step)
            return _pick(made, [time / step for time in times])
        # With a further frame at -1, a step of 1 + time leads from there to the instant wanted, past all others.
        window = torch.stack((before, before, after, after))
        return torch.cat([_pick(self._run(window, 1 + time), [Fraction(1)]) for time in times])

    def _run(
        self, frames: UInt8[Tensor, "window 4 height width"], step: Fraction
    ) -> UInt8[Tensor, "time 4 height width"]:
        """Pass frames one second apart through the filter; it gives one every `step` seconds from the first on.

        Raises:
            FilterError: The filter fails.
        """
        made = filtered(frames.numpy(), PIXEL_FORMAT, FILTER, f"fps={1 / step}:{OPTIONS}")
        return torch.from_numpy(made)


def _common_step(times: Sequence[Fraction]) -> Fraction:
    """The largest step from 0 that meets every time."""
    denominator = lcm(*(time.denominator for time in times))
    return Fraction(gcd(*(int(time * denominator) for time in times)), denominator)


def _pick(
    made: UInt8[Tensor, "made 4 height width"], positions: Sequence[Fraction]
) -> UInt8[Tensor, "time 4 height width"]:
    """The frames at whole positions.

    Raises:
        FilterError: There are too few frames.
    """
    wanted = [int(position) for position in positions]
    if wanted[-1] >= len(made):
        raise FilterError(
            f"FFmpeg's minterpolate gave {len(made)} frames where {wanted[-1] + 1} or more were expected."
        )
    return made[wanted]
