"""Writes a video under a temporary name, and gives it its own name only when it is whole."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from midframe.core.errors import WriteError
from midframe.video.colour import from_rgb, stored_codes
from midframe.video.encode import Encoding
from midframe.video.probe import VideoInfo, open_video, reason
from midframe.video.streams import StreamCopy, StreamFate, container_of, copy_description

MOV_FAMILY = ("mp4", "mov")


@dataclass(frozen=True, kw_only=True)
class WriteRequest:
    """Everything that is fixed before the first frame is written.

    Attributes:
        source: Where colour, pixel aspect, rotation, tags and other streams come from.
        target: The file to write; its suffix chooses the container.
        encoding: Codec, pixel format, options.
        streams: Which other streams are copied.
        time_base: Seconds of one tick of the video's stamps.
        rate: Nominal frames per second, for the encoder's rate control.
        stretch: Output seconds for each source second.
        overwrite: Replace a file that is there.
    """

    source: VideoInfo
    target: Path
    encoding: Encoding
    streams: StreamFate
    time_base: Fraction
    rate: Fraction
    stretch: Fraction = Fraction(1)
    overwrite: bool = False


class VideoWriter:
    """Encodes frames and copies the other streams beside them.

    Use it as a context manager: when the block ends, the file is complete under its own name; when it raises,
    no file is left. The end of the last frame is to be told with `finish` inside the block.

    Raises:
        WriteError: The target is the source, exists, lies in no folder, or cannot be written; or the encoder
            refuses.
    """

    def __init__(self, request: WriteRequest) -> None:
        check_target(request.source.path, request.target, request.overwrite)
        self._request = request
        self._partial = request.target.with_name(f".{request.target.stem}.{secrets.token_hex(4)}.partial")
        self._held: tuple[np.ndarray, int] | None = None
        self._packet: Packet | None = None
        self._durations: dict[int, int] = {}
        self._first_dts = 0
        self._end = 0
        self._finished = False
        self._open_files = contextlib.ExitStack()
        try:
            self._container = av.open(str(self._partial.absolute()), "w", format=container_of(request.target).name)
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{request.target} cannot be written: {reason(error)}.") from error
        self._open_files.callback(self._container.close)
        try:
            self._stream = self._open_stream()
            self._copy = StreamCopy(request.source.path, request.streams.kept, self._container)
            self._open_files.callback(self._copy.close)
            self._start_all()
        except (FFmpegError, OSError, ValueError) as error:
            self._discard()
            raise WriteError(
                f"{request.target} cannot be written with {request.encoding.codec}: {reason(error)}."
            ) from error
        except BaseException:
            self._discard()
            raise

    def write(self, pixels: np.ndarray, time: Fraction) -> None:
        """Write one frame; times are output seconds since the first frame, ascending.

        Args:
            pixels: (height, width, 3) RGB, uint8 or uint16, as the reader gives them.
        """
        pts = round((time + self._offset) / self._request.time_base)
        if self._held is not None and pts <= self._held[1]:
            raise WriteError(f"A frame at {float(time):.6f} s is not later than the frame before it.")
        self._release(pts)
        self._held = pixels, pts

    def finish(self, end: Fraction) -> None:
        """Write what is left and give the file its name.

        Args:
            end: Output seconds at which the last frame ends.
        """
        self._end = round((end + self._offset) / self._request.time_base)
        self._release(self._end)
        self._held = None
        try:
            self._mux(self._stream.encode(None))
            self._mux_last()
            self._copy.advance(None)
            self._open_files.close()
            with self._partial.open("rb+") as written:
                os.fsync(written.fileno())
            self._partial.replace(self._request.target)
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{self._request.target} cannot be completed: {reason(error)}.") from error
        self._finished = True

    def notes(self) -> list[str]:
        """What could not be copied as planned; complete after `finish`."""
        return self._copy.notes()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._finished:
            self._discard()

    def _open_stream(self) -> VideoStream:
        request = self._request
        info, encoding = request.source, request.encoding
        stream = self._container.add_stream(encoding.codec, rate=request.rate, options=dict(encoding.options))
        assert isinstance(stream, VideoStream)  # `resolve_encoding` checked the codec
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = encoding.pixel_format
        context.time_base = request.time_base
        stream.time_base = request.time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.colorspace, context.color_range = stored_codes(encoding.pixel_format, info.colour)
        context.color_primaries, context.color_trc = info.colour.primaries, info.colour.transfer
        context.thread_type = "AUTO"
        if info.display_matrix is not None:
            stream.set_display_matrix(info.display_matrix)
        elif info.rotation:
            stream.set_display_rotation(info.rotation)
        return stream

    def _start_all(self) -> None:
        """Put the earliest stream at zero, so that all keep their distances to the video."""
        info = self._request.source
        origin = info.start_time if self._copy.start is None else min(info.start_time, self._copy.start)
        self._offset = info.start_time - origin
        self._copy.shift_by(-origin)
        with open_video(info.path) as (source, stream):
            self._stream.metadata.update(
                {key: value for key, value in stream.metadata.items() if key in ("language", "title")}
            )
            copy_description(source, self._container, -origin * self._request.stretch, self._request.stretch)
        self._container.start_encoding()

    def _release(self, next_pts: int) -> None:
        """Encode the frame that was held back until its duration was known."""
        if self._held is None:
            return
        pixels, pts = self._held
        info, encoding = self._request.source, self._request.encoding
        frame = from_rgb(pixels, encoding.pixel_format, info.colour)
        frame.pts, frame.time_base = pts, self._request.time_base
        frame.colorspace, frame.color_range = stored_codes(encoding.pixel_format, info.colour)
        frame.color_primaries, frame.color_trc = info.colour.primaries, info.colour.transfer
        self._durations[pts] = next_pts - pts
        try:
            self._mux(self._stream.encode(frame))
            self._copy.advance((pts - 1) * self._request.time_base)
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{self._request.target} cannot be written: {reason(error)}.") from error

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.pts is None:
                continue
            if packet.time_base == self._request.time_base:
                packet.duration = self._durations.pop(packet.pts, packet.duration)
            if self._packet is not None:
                self._container.mux_one(self._packet)
            elif packet.dts is not None:
                self._first_dts = packet.dts
            self._packet = packet

    def _mux_last(self) -> None:
        """Mux the last packet, in mp4 with the duration that makes the track as long as the video.

        There a track's length is the distance from its first to its last packet in decoding order, plus the
        duration of the last packet, which with B-frames is not the last frame shown.
        """
        packet = self._packet
        if packet is None:
            return
        if self._container.format.name in MOV_FAMILY and packet.dts is not None:
            start = round(self._offset / self._request.time_base)
            packet.duration = max(1, self._end - start - (packet.dts - self._first_dts))
        self._container.mux_one(packet)

    def _discard(self) -> None:
        """Close everything and remove the temporary file."""
        # A half-written file need not be closed well, since it is removed.
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            self._open_files.close()
        self._partial.unlink(missing_ok=True)


def check_target(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse a target that must not or cannot be written.

    Raises:
        WriteError: It is the source, a folder, exists and may not be replaced, or its folder is not writable.
    """
    if target.is_dir():
        raise WriteError(f"{target} is a folder; name a file.")
    if target.exists() and target.samefile(source):
        raise WriteError(f"{target} is the source itself; choose another name.")
    if target.exists() and not overwrite:
        raise WriteError(f"{target} exists already; choose another name or allow it to be replaced.")
    if not target.parent.is_dir():
        raise WriteError(f"{target} cannot be written: there is no folder {target.parent}.")
    if not os.access(target.parent, os.W_OK):
        raise WriteError(f"{target} cannot be written: no permission in {target.parent}.")
