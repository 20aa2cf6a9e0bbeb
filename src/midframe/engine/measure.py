"""How long a run will take and how much it will write, measured on a few gaps of the video itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import torch

from midframe.core.errors import MediaError
from midframe.core.method import Interpolator
from midframe.core.repair import Repair
from midframe.engine.estimate import Estimate
from midframe.engine.plan import Plan, write_request
from midframe.engine.segments import frames_in_segment
from midframe.engine.span import SpanFrame, fill_span
from midframe.engine.synthesis import GapFiller
from midframe.video import FrameEncoder, TimedFrame
from midframe.video.scan import Scan
from midframe.video.span import is_read_from_start, read_frames, scan_frames

PLACES = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
"""Parts of the video at which is measured: its beginning and end are often black."""
FRAMES_AT_PLACE = 6
ENOUGH_SECONDS = 30
"""After which no further place is measured."""
FIRST_FRAMES = 600
"""How far into a video that is read from its start: all of it would take as long as a good part of the run."""


def measure(plan: Plan, interpolator: Interpolator, device: torch.device | None = None) -> Estimate | None:
    """Make and encode a few gaps, and reckon from them; nothing is written.

    Args:
        plan: Of the run.
        interpolator: The method as the plan wants it.
        device: Where it runs.

    Returns:
        None where the number of frames is unknown or the video has no gap.

    Raises:
        MediaError: A frame is damaged, and the plan is not to repair it.
    """
    frames_in, frames_out = plan.frames_in, plan.frames_out
    if frames_in is None or frames_out is None or frames_in < 2:
        return None
    scanned = scan_frames(plan.source)
    fill = partial(_filled, plan, GapFiller(interpolator, device), interpolator)
    from_start = is_read_from_start(plan.source, scanned)
    reach = min(frames_in, FIRST_FRAMES) if from_start else frames_in
    starts = sorted({min(int(place * reach), max(0, reach - FRAMES_AT_PLACE)) for place in PLACES})
    # The first call of a network is slower than all others.
    opening_gap = _read(plan, starts[0], starts[0] + 2, scanned)
    next((frame for frame in fill(opening_gap) if frame.is_made), None)
    reading = making = 0.0
    read = count = 0
    opening: list[int] = []
    others: list[int] = []
    for start in starts:
        stop = min(start + FRAMES_AT_PLACE, frames_in)
        began = time.monotonic()
        frames = _read(plan, start, stop, scanned)
        reading += time.monotonic() - began
        if not frames:
            continue
        read += frames[-1].index + 1 if from_start else len(frames)
        began = time.monotonic()
        made = list(fill(frames))
        sizes = _encoded_sizes(plan, made)
        making += time.monotonic() - began
        count += len(made)
        opening += sizes[:1]
        others += sizes[1:]
        if reading + making > ENOUGH_SECONDS:
            break
    if not count:
        return None
    seconds = reading / read * frames_in + making / count * frames_out
    # Each part begins with a whole picture, and so does each stretch that was measured.
    parts = math.ceil(frames_out / frames_in_segment(plan.source.width, plan.source.height))
    later = sum(others) / len(others) if others else opening[0]
    size = parts * sum(opening) / len(opening) + max(0, frames_out - parts) * later
    return Estimate(
        seconds=seconds,
        seconds_per_frame=seconds / frames_out,
        picture_bytes=round(size),
        frames=count,
        # How many there are is known only when all has been decoded.
        leaves_out="the frames made for those that do not decode" if isinstance(plan.rule, Repair) else "",
    )


def _read(plan: Plan, first: int, stop: int, scanned: Scan) -> list[TimedFrame]:
    """Frames of these numbers, as far as they decode where a plan is to repair what does not."""
    frames: list[TimedFrame] = []
    try:
        for frame in read_frames(plan.source, first, stop, scanned):
            frames.append(frame)
    except MediaError:
        if not isinstance(plan.rule, Repair):
            raise
    return frames


def _filled(
    plan: Plan, filler: GapFiller, interpolator: Interpolator, frames: list[TimedFrame]
) -> Iterator[SpanFrame]:
    """Output frames of the gaps that begin with some source frames."""
    if not frames:
        return iter(())
    rule = plan.rule
    if isinstance(rule, Repair):
        # Its last frame is held at all instants that follow, here those of a whole film.
        end = frames[-1].time + frames[-1].duration
        rule = replace(rule, instants=tuple(time for time in rule.instants if time < end))
    return fill_span(((frame, False) for frame in frames), filler, interpolator.spec, rule, plan.source)


def _encoded_sizes(plan: Plan, made: list[SpanFrame]) -> list[int]:
    """Bytes of each packet, the whole picture at the start first."""
    encoder = FrameEncoder(write_request(plan))
    packets = [packet for frame in made for packet in encoder.encode(frame.pixels, frame.time)]
    return [packet.size for packet in (*packets, *encoder.flush())]
