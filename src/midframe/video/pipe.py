"""y4m on standard output, frame by frame as they are made, with no other byte among them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from midframe.core.errors import WriteError
from midframe.video.probe import reason
from midframe.video.render import FrameSink
from midframe.video.request import WriteRequest

STANDARD_OUTPUT = 1


class WholeWrites:
    """A file that is open for writing, of which each write puts out all bytes or raises.

    One of the system's may write fewer, and the muxer does not ask for the rest: on a full disk the end would be
    missing without an error.

    Args:
        place: Its number; it is not closed here.
    """

    def __init__(self, place: int) -> None:
        self._place = place

    def write(self, data: bytes) -> int:
        """Write all.

        Raises:
            OSError: It cannot be done; part of it may be written.
        """
        left = memoryview(data)
        while left:
            left = left[os.write(self._place, left) :]
        return len(data)


class PipeOutput:
    """Takes the frames of a run in order, and writes each at once: nothing waits on the disk.

    Use it as a context manager, and `finish` it inside the block.
    """

    def __init__(self, request: WriteRequest) -> None:
        self._request = request
        # A copy: Python's own standard output stays open, and nothing that it holds back gets in between.
        self._place = os.dup(STANDARD_OUTPUT)
        if os.name != "nt":  # there they block anyway, and Python before 3.12 has no word for it
            os.set_blocking(self._place, True)  # else a slow reader would lose what does not fit into its pipe
        self._sink = FrameSink(request, WholeWrites(self._place))

    def write(self, number: int, pixels: np.ndarray, time: Fraction, stored: VideoFrame | None = None) -> None:
        """Write one frame; its segment and time do not matter, since y4m has one rate.

        Raises:
            WriteError: Nobody reads any more, or the disk behind is full.
        """
        try:
            self._sink.write(self._request.frame(pixels, stored))
        except (FFmpegError, OSError) as error:
            raise WriteError(f"Standard output cannot be written: {reason(error)}.") from error

    def finish(self) -> None:
        """Write what is left."""
        try:
            self._sink.close()
        except (FFmpegError, OSError) as error:
            raise WriteError(f"Standard output cannot be written: {reason(error)}.") from error

    def __enter__(self) -> PipeOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sink.discard()
        with contextlib.suppress(OSError):
            os.close(self._place)


class PipeWriter:
    """Stands where other formats join their segments: all that was to be written is written."""

    def __init__(self, request: WriteRequest) -> None:
        self._request = request

    def join(self, segments: Sequence[Path], end: Fraction) -> None:
        """Nothing is left to do."""

    def notes(self) -> list[str]:
        """Nothing is found out on the way."""
        return []

    def __enter__(self) -> PipeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass
