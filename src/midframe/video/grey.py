"""Grey maps beside a video: lossless, one channel, at the video's times to the millisecond that Matroska keeps."""

from __future__ import annotations

import contextlib
import os
import secrets
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from midframe.core.errors import WriteError
from midframe.video.probe import reason

SUFFIX = ".mkv"
CODEC, PIXEL_FORMAT = "ffv1", "gray"


class GreyWriter:
    """Writes 8-bit grey frames as FFV1 in Matroska, which keeps every bit.

    Use it as a context manager: when the block ends, the file is complete under its own name; when it raises, no
    file is left.

    Args:
        target: The file to write.
        size: Height and width.
        time_base: Seconds of one tick.
        rate: Nominal frames per second.
        overwrite: Replace a file that is there.

    Raises:
        WriteError: See `check_map`; or it cannot be written.
    """

    def __init__(
        self, target: Path, size: tuple[int, int], time_base: Fraction, rate: Fraction, *, overwrite: bool = False
    ) -> None:
        check_map(target, overwrite)
        self._target, self._time_base = target, time_base
        self._partial = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.partial")
        try:
            self._container = av.open(str(self._partial.absolute()), "w", format="matroska")
            stream = self._container.add_stream(CODEC, rate=rate)
        except (FFmpegError, OSError) as error:
            self._partial.unlink(missing_ok=True)
            raise WriteError(f"{target} cannot be written: {reason(error)}.") from error
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = PIXEL_FORMAT
        stream.codec_context.time_base = stream.time_base = time_base
        self._stream = stream

    def write(self, grey: UInt8[np.ndarray, "height width"], time: Fraction) -> None:
        """Write one map; times are seconds, ascending.

        Raises:
            WriteError: The file cannot be written.
        """
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(grey), format=PIXEL_FORMAT)
        frame.pts, frame.time_base = round(time / self._time_base), self._time_base
        try:
            self._container.mux(self._stream.encode(frame))
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{self._target} cannot be written: {reason(error)}.") from error

    def __enter__(self) -> GreyWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(FFmpegError, OSError, ValueError):
                self._container.close()
            self._partial.unlink(missing_ok=True)
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._partial.replace(self._target)
        except (FFmpegError, OSError) as failure:
            self._partial.unlink(missing_ok=True)
            raise WriteError(f"{self._target} cannot be completed: {reason(failure)}.") from failure


def check_map(target: Path, overwrite: bool) -> None:
    """Refuse a name for a map that cannot be written.

    Raises:
        WriteError: Another suffix than .mkv, a folder, an existing file that may not be replaced, or no such folder.
    """
    if target.suffix.lower() != SUFFIX:
        raise WriteError(f"{target} must end in {SUFFIX}: maps are written as lossless FFV1 in Matroska.")
    if target.is_dir():
        raise WriteError(f"{target} is a folder; name a file.")
    if target.exists() and not overwrite:
        raise WriteError(f"{target} exists already; choose another name or allow it to be replaced.")
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise WriteError(f"{target} cannot be written: {target.parent} is no folder that can be written to.")
