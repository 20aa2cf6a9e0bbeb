"""How a video is divided into segments: the unit of work, and of what survives when a run is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

from midframe.engine.pixels import Pixels
from midframe.engine.windows import Content
from midframe.video import FrameEncoder, SegmentFile, StoredFrame, WriteRequest

MOST_FRAMES, FEWEST_FRAMES = 240, 30
"""Output frames of a segment: each begins with a whole picture, so short ones cost bits; long ones cost work when a
run is stopped."""
FULL_SIZE = 960 * 540
"""Pixels up to which segments are as long as they may be; larger pictures take longer, and get shorter ones."""


def frames_in_segment(width: int, height: int) -> int:
    """Output frames after which a segment ends, at the latest within a gap."""
    return max(FEWEST_FRAMES, min(MOST_FRAMES, MOST_FRAMES * FULL_SIZE // (width * height)))


@dataclass
class SegmentCounter:
    """Numbers the gaps of a video by segment: a function of the video and of the instants, and of nothing else.

    A segment ends at a scene cut, and at the gap in which it reaches its number of frames.

    Attributes:
        most: See `frames_in_segment`.
        number: Of the segment that the next gap belongs to.
    """

    most: int
    number: int = 0
    _frames: int = field(default=0, repr=False)

    def place(self, content: Content, frames: int) -> int:
        """The segment of the next gap.

        Args:
            content: Of the gap.
            frames: Output frames in it.
        """
        number = self.number
        self._frames += frames
        if self._frames and (content is Content.CUT or self._frames >= self.most):
            self.number, self._frames = number + 1, 0
        return number


@runtime_checkable
class SegmentStore(Protocol):
    """Where segments go.

    Attributes:
        finished: Segments that were there before.
    """

    @property
    def finished(self) -> frozenset[int]: ...

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        ...

    def claim(self, number: int) -> bool:
        """Whether the caller is to make a segment; asked once for each."""
        ...


class SegmentedOutput:
    """Encodes frames into one file for each segment.

    Use it as a context manager, and `finish` it inside the block. Without that the open segment is dropped; those
    before it stay.

    Args:
        request: Of the whole video.
        store: Where the files go.
    """

    def __init__(self, request: WriteRequest, store: SegmentStore) -> None:
        self._request, self._store = request, store
        self._open: tuple[int, FrameEncoder, SegmentFile] | None = None

    def write(self, number: int, pixels: Pixels, time: Fraction, stored: StoredFrame | None = None) -> None:
        """Write one frame of a segment; segments and times ascend. See `FrameEncoder.encode` for `stored`."""
        if self._open is None or self._open[0] != number:
            self.finish()
            self._open = number, FrameEncoder(self._request), SegmentFile(self._store.segment(number))
        _, encoder, file = self._open
        for packet in encoder.encode(pixels, time, stored):
            file.add(packet)

    def finish(self) -> None:
        """Complete the segment that is open."""
        if self._open is None:
            return
        _, encoder, file = self._open
        for packet in encoder.flush():
            file.add(packet)
        file.finish(encoder.extradata)
        self._open = None

    def __enter__(self) -> SegmentedOutput:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open[2].discard()
