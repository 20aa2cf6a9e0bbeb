"""Frames that repeat the one before: animation on twos and threes, and captures that show each picture twice."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from midframe.video.read import TimedFrame

LONGEST_HOLD = Fraction(1, 2)
"""Seconds that a drawing may stand to be part of a motion; longer is a picture that was meant to stand still."""
MOST_COPIES = 32
ANALYSIS_WIDTH = 960
BLOCK = 16
NOISE_LEVELS, MOST_NOISE_LEVELS = 4.0, 12.0
"""Of 255: mean difference of a block up to which it is in any case, and at most, what compression has left."""
DETAIL_SHARE = 0.25
"""Of a block's detail, up to which a difference is noise: compression errs most where there is most to keep."""
MOTION_SHARE = 0.2
"""Of the usual difference of two drawings, up to which a difference is noise: strong motion costs quality."""
RECENT_DRAWINGS = 8
USUAL_SHARE, NOTABLE_SHARE = 0.6, 0.2


@dataclass
class Cadence:
    """For how many frames each drawing stood.

    Attributes:
        lengths: How often each number of frames came, holds not counted.
        holds: Drawings that stood longer than `LONGEST_HOLD`.
        copies: Frames that were taken out of the time base.
    """

    lengths: Counter[int] = field(default_factory=Counter)
    holds: int = 0

    @property
    def copies(self) -> int:
        return sum((length - 1) * count for length, count in self.lengths.items())

    def sentence(self) -> str:
        """What was found, for a person."""
        if not self.copies:
            return "No frame repeats the one before it for less than half a second."
        drawings = sum(self.lengths.values())
        usual, count = self.lengths.most_common(1)[0]
        notable = sorted(length for length, times in self.lengths.items() if times >= NOTABLE_SHARE * drawings)
        if not notable:
            rhythm = "in no regular cadence"
        elif count < USUAL_SHARE * drawings:
            rhythm = f"drawings stand for {' or '.join(map(str, notable))} frames"
        else:
            rhythm = f"mostly a new drawing every {usual} frames" if usual > 1 else "mostly a new picture each frame"
        held = f"; {self.holds} longer holds were left as they are" if self.holds else ""
        return f"{self.copies} frames repeat the one before, and their place was filled with motion: {rhythm}{held}."


def drop_copies(frames: Iterable[TimedFrame], cadence: Cadence) -> Iterator[TimedFrame]:
    """Take near-equal frames out of the time base: a drawing stands until the next, and knows when its copies were.

    A drawing that stands longer than `LONGEST_HOLD` is a still picture: it and its copies stay frames of their own,
    and nothing moves before the next drawing does. Each frame is compared with the first of its drawing, so that a
    slow change is noticed when it has added up. Memory: two frames.

    Args:
        frames: In order.
        cadence: Filled on the way.
    """
    finder = _CopyFinder()
    pending: TimedFrame | None = None  # the drawing, or the newest copy of a long hold
    copies: list[TimedFrame] = []  # of `pending`, all with its pixels
    is_hold, length = False, 0

    def closed() -> Iterator[TimedFrame]:
        if is_hold:
            cadence.holds += 1
        else:
            cadence.lengths[length] += 1
        if pending is not None:
            yield _merged(pending, copies)

    for frame in frames:
        if not finder.is_copy(frame.pixels):
            if pending is not None:
                yield from closed()
            pending, copies, is_hold, length = frame, [], False, 1
            continue
        assert pending is not None  # the first frame copies none
        length += 1
        if is_hold:
            yield pending
            pending = frame
            continue
        copies.append(replace(frame, pixels=pending.pixels))
        if frame.time + frame.duration - pending.time > LONGEST_HOLD or len(copies) > MOST_COPIES:
            yield pending
            yield from copies[:-1]
            pending, copies, is_hold = frame, [], True
    if pending is not None:
        yield from closed()


def _merged(drawing: TimedFrame, copies: list[TimedFrame]) -> TimedFrame:
    if not copies:
        return drawing
    end = copies[-1].time + copies[-1].duration
    times = tuple(copy.time for copy in copies)
    return replace(drawing, duration=end - drawing.time, copies=times, is_last=copies[-1].is_last)


class _CopyFinder:
    """Compares each frame with the drawing before it."""

    def __init__(self) -> None:
        self._drawing: np.ndarray | None = None
        self._limits = np.zeros(0)
        self._motions: deque[float] = deque(maxlen=RECENT_DRAWINGS)

    def is_copy(self, pixels: np.ndarray) -> bool:
        """Whether nothing has changed but noise; otherwise the frame is the drawing to compare with from here on.

        Every block must agree, so a mouth that moves is enough to make a drawing.
        """
        step = max(1, -(-pixels.shape[1] // ANALYSIS_WIDTH))
        small = pixels[::step, ::step]
        small = small.astype(np.int16) if small.dtype == np.uint8 else (small >> 8).astype(np.int16)
        if self._drawing is not None:
            changes = _block_means(np.abs(self._drawing - small).mean(axis=2, dtype=np.float32))
            usual = statistics.median(self._motions) if self._motions else 0.0
            limits = np.clip(np.maximum(self._limits, MOTION_SHARE * usual), NOISE_LEVELS, MOST_NOISE_LEVELS)
            if (changes <= limits).all():
                return True
            self._motions.append(float(changes.max()))
        self._drawing = small
        self._limits = DETAIL_SHARE * _block_means(_detail(small))
        return False


def _detail(picture: np.ndarray) -> np.ndarray:
    """Levels by which neighbouring pixels differ: what a motion of one pixel would change, or nearly."""
    grey = picture.mean(axis=2, dtype=np.float32)
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    return across + down


def _block_means(values: np.ndarray) -> np.ndarray:
    """Means over blocks of `BLOCK` pixels' side; those at the border may be smaller."""
    height, width = values.shape
    rows, columns = np.arange(0, height, BLOCK), np.arange(0, width, BLOCK)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    return sums / np.outer(np.minimum(BLOCK, height - rows), np.minimum(BLOCK, width - columns))
