"""Frames out of FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingLeft
from av.video.frame import VideoFrame


def ready(pull: Callable[[], object]) -> Iterator[VideoFrame]:
    """What a filter has made so far, taken from it one by one."""
    while True:
        try:
            frame = pull()
        except (NothingYet, NothingLeft):
            return
        assert isinstance(frame, VideoFrame)  # of a filter for pictures
        yield frame
