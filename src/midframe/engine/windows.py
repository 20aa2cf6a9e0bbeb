"""Cuts a stream of frames into gaps, each with the frames that a method looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from itertools import pairwise

import numpy as np

from midframe.core.timeline import Gap, Instant, RateRule, instants_in_gap
from midframe.video import TimedFrame


class Content(Enum):
    """What belongs between a frame and the next."""

    MOTION = auto()
    SAME = auto()  # both frames are equal, bit for bit
    CUT = auto()  # the next frame opens another scene
    END = auto()  # there is no next frame


@dataclass(frozen=True, eq=False)
class GapWindow:
    """One gap of the source.

    Attributes:
        gap: Its place in time.
        frames: `context` frames on each side, oldest first. Where the video or the scene ends, its border
            frame is repeated; beyond a cut nothing is seen. Where nothing moves, the frame before the gap and, if
            there is one, the frame after it.
        content: What belongs inside.
        before: The frame on which the gap starts.
    """

    gap: Gap
    frames: tuple[TimedFrame, ...]
    content: Content
    before: TimedFrame


def gap_windows(marked: Iterable[tuple[TimedFrame, bool]], context: int) -> Iterator[GapWindow]:
    """Yield one window for each frame, the last included. Memory: 2 `context` frames.

    Args:
        marked: Frames in order, each with whether it opens a scene.
        context: Frames that the method takes on each side of a gap.
    """
    recent: deque[tuple[TimedFrame, bool]] = deque()
    centre = 0
    for entry in marked:
        recent.append(entry)
        if len(recent) > centre + context:
            yield _window(recent, centre, context)
            centre = _forget(recent, centre + 1, context)
    while centre < len(recent):
        yield _window(recent, centre, context)
        centre = _forget(recent, centre + 1, context)


def window_instants(
    rule: RateRule, window: GapWindow, source_rate: Fraction | None, tolerance: Fraction
) -> list[Instant]:
    """Output instants in a gap, as `instants_in_gap` gives them.

    Where copies of the frame before were taken out of the time base, the instants are those of the source with its
    copies, and their places those between the two drawings.
    """
    gap, copies = window.gap, window.before.copies
    if not copies:
        return instants_in_gap(rule, gap, source_rate, tolerance)
    instants = []
    edges = [gap.start, *copies, gap.end]
    for number, (start, end) in enumerate(pairwise(edges)):
        is_last = gap.is_last and number == len(copies)
        part = Gap(gap.index + number, start, end - start, is_last)
        for instant in instants_in_gap(rule, part, source_rate, tolerance):
            place = (start - gap.start + instant.local * part.duration) / gap.duration
            instants.append(Instant(instant.time, gap.index, Fraction(0) if gap.is_last else place))
    return instants


def _forget(recent: deque[tuple[TimedFrame, bool]], centre: int, context: int) -> int:
    """Drop the frame that no later window sees; returns the place of the centre after that."""
    if centre >= context:
        recent.popleft()
        return centre - 1
    return centre


def _window(recent: deque[tuple[TimedFrame, bool]], centre: int, context: int) -> GapWindow:
    before = recent[centre][0]
    gap = Gap(before.index, before.time, before.duration, before.is_last)
    if before.is_last:
        content = Content.END
    elif recent[centre + 1][1]:
        content = Content.CUT
    elif np.array_equal(before.pixels, recent[centre + 1][0].pixels):
        content = Content.SAME
    else:
        content = Content.MOTION
    if content is not Content.MOTION:
        after = () if content is Content.END else (recent[centre + 1][0],)
        return GapWindow(gap, (before, *after), content, before)
    first, last = centre, centre + 1
    left, right = [recent[first][0]], [recent[last][0]]
    for _ in range(context - 1):
        if first > 0 and not recent[first][1]:
            first -= 1
        if last + 1 < len(recent) and not recent[last + 1][1]:
            last += 1
        left.insert(0, recent[first][0])
        right.append(recent[last][0])
    return GapWindow(gap, (*left, *right), content, before)
