"""Output frames of part of a video, each with where it comes from: for looking at, not for writing a whole file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from midframe.core.method import MethodSpec
from midframe.core.timeline import RateRule, instants_in_gap
from midframe.engine.pixels import Pixels
from midframe.engine.plan import stamp_tolerance
from midframe.engine.synthesis import GapFiller
from midframe.engine.windows import Content, gap_windows
from midframe.video import TimedFrame, VideoInfo


@dataclass(frozen=True, eq=False)
class SpanFrame:
    """One output frame.

    Attributes:
        time: Output seconds, as in a run over the whole video.
        source: Number of the source frame at or before it.
        is_made: The method made it; otherwise it is that source frame, shown or held.
        pixels: (height, width, 3) RGB of the type of the source.
    """

    time: Fraction
    source: int
    is_made: bool
    pixels: Pixels


def fill_span(
    marked: Iterable[tuple[TimedFrame, bool]],
    filler: GapFiller,
    method: MethodSpec,
    rule: RateRule,
    info: VideoInfo,
) -> Iterator[SpanFrame]:
    """Make the output frames of the gaps between some frames of a video, as a run over all of it would.

    Behind the last of the frames nothing is known, and it is held. Memory: as many frames as the method looks at.

    Args:
        marked: Neighbouring frames, each with whether it opens a scene.
        filler: Fills gaps with the method.
        method: What the method says of itself.
        rule: How output instants follow from source instants.
        info: The whole video.
    """
    tolerance = stamp_tolerance(info)
    for window in gap_windows(_ended(marked), method.context):
        instants = instants_in_gap(rule, window.gap, info.average_rate, tolerance)
        inside = [instant.local for instant in instants if instant.local]
        moves = window.content is Content.MOTION and bool(inside)
        pictures = [frame.pixels for frame in window.frames]
        between = filler.fill(pictures, inside, window.gap.index) if moves else itertools.repeat(window.before.pixels)
        for instant in instants:
            pixels = next(between) if instant.local else window.before.pixels
            yield SpanFrame(instant.time, instant.source, bool(moves and instant.local), pixels)


def _ended(marked: Iterable[tuple[TimedFrame, bool]]) -> Iterator[tuple[TimedFrame, bool]]:
    """The frames as if the last of them were the last of the video."""
    held: tuple[TimedFrame, bool] | None = None
    for entry in marked:
        if held is not None:
            yield held
        held = entry
    if held is not None:
        yield replace(held[0], is_last=True), held[1]
