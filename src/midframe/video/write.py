"""Encodes a video in segments, and joins them under a temporary name that becomes its own when it is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from midframe.core.errors import MediaError, WriteError
from midframe.video.colour import stored_codes
from midframe.video.display_size import state_display_size
from midframe.video.encode import lossless_encoding, states_aspect
from midframe.video.encoders import settled
from midframe.video.formats import format_of, muxer_options
from midframe.video.hdr import add_described_stream, carries_hdr, with_hdr
from midframe.video.probe import open_video, reason
from midframe.video.request import WriteRequest, check_target
from midframe.video.segment_file import SegmentIndex, read_index, read_packets
from midframe.video.streams import StreamCopy, copy_description
from midframe.video.webp import replace_frames

MOV_FAMILY = ("mp4", "mov")
MATROSKA = ("matroska", "webm")
MATROSKA_TICK = Fraction(1, 1000)


class FrameEncoder:
    """Turns frames into packets of one segment, which decode without those of any other.

    Args:
        request: Of the whole video; encoders made from equal requests write equal headers.

    Raises:
        WriteError: The encoder refuses.
    """

    def __init__(self, request: WriteRequest) -> None:
        if format_of(request.target).is_rendered:
            request = replace(request, encoding=lossless_encoding(request.encoding))
        self._request = request
        encoding = request.encoding
        context = av.CodecContext.create(encoding.codec, "w")
        assert isinstance(context, VideoCodecContext)  # `resolve_encoding` checked the codec
        context.options = settled(
            encoding.codec, with_hdr(encoding.codec, dict(encoding.options), request.source.hdr)
        )
        context.framerate = request.rate
        _describe(context, request)
        # All containers that are written keep an encoder's header apart from its packets, where there is one.
        context.flags |= Flags.global_header
        self._context = context
        self._last: int | None = None
        with self._failures():
            context.open()

    @property
    def extradata(self) -> bytes:
        """The encoder's header."""
        return bytes(self._context.extradata or b"")

    def describe(self, context: VideoCodecContext) -> None:
        """Give the context of a stream that has no encoder what muxers ask of one."""
        context.codec_tag = self._context.codec_tag
        context.extradata = self._context.extradata
        context.framerate = self._request.rate

    def encode(self, pixels: np.ndarray, time: Fraction, stored: VideoFrame | None = None) -> list[Packet]:
        """Packets that are ready after one more frame; times are output seconds, ascending.

        Args:
            pixels: (height, width, 3) RGB, uint8 or uint16, as the reader gives them; or RGBA.
            stored: The same frame as it came from its decoder: encoded as it is where the encoder stores what that
                stores, so that nothing is rounded.
        """
        request = self._request
        pts = round(time / request.time_base)
        if self._last is not None and pts <= self._last:
            raise WriteError(f"A frame at {float(time):.6f} s is not later than the frame before it.")
        self._last = pts
        frame = request.frame(pixels, stored)
        frame.pts, frame.time_base = pts, request.time_base
        with self._failures():
            return self._stamped(self._context.encode(frame))

    def flush(self) -> list[Packet]:
        """What is left; the encoder takes nothing after that."""
        with self._failures():
            return self._stamped(self._context.encode(None))

    @staticmethod
    def _stamped(packets: list[Packet]) -> list[Packet]:
        return [packet for packet in packets if packet.pts is not None]

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        request = self._request
        try:
            yield
        except (FFmpegError, OSError, ValueError) as error:
            raise WriteError(
                f"{request.target} cannot be written with {request.encoding.codec}: {reason(error)}."
            ) from error


class VideoWriter:
    """Joins finished segments and copies the other streams beside them.

    Use it as a context manager: after `join` the file is complete under its own name; without it, or when the block
    raises, no file is left. To open and leave it says whether target, codec and streams go together.

    Args:
        request: What to write.
        partial: Where the file grows until it is whole, on the target's file system.
        when_whole: Called with `partial` when that is whole and on the disk, before it gets its name.

    Raises:
        WriteError: The target is the source, exists, lies in no folder, or cannot be written; or the encoder
            refuses.
    """

    def __init__(
        self,
        request: WriteRequest,
        partial: Path,
        when_whole: Callable[[Path], None],
    ) -> None:
        check_target(request.source.path, request.target, request.overwrite)
        self._request = request
        self._partial = partial
        self._when_whole = when_whole
        self._finished = False
        self._open_files = contextlib.ExitStack()
        try:
            self._container = av.open(
                str(self._partial.absolute()),
                "w",
                format=format_of(request.target).muxer,
                options=muxer_options(request.target, request.source),
            )
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

    def join(self, segments: Sequence[Path], end: Fraction) -> None:
        """Write all segments one after the other and give the file its name.

        Args:
            segments: Finished segment files, in order of time.
            end: Output seconds at which the last frame ends.

        Raises:
            MediaError: A segment is not whole, or not of this video.
            WriteError: The file cannot be completed.
        """
        time_base = self._request.time_base
        offset = round(self._offset / time_base)
        stop = round((end + self._offset) / time_base)
        indices = [read_index(segment) for segment in segments]
        self._check_headers(segments, indices)
        order = [entry.pts + offset for index in indices for entry in index.packets]
        shown = sorted(order)
        durations = {pts: after - pts for pts, after in zip(shown, [*shown[1:], stop], strict=True)}
        stamps = decoding_stamps(order)
        if order and self._container.format.name in MOV_FAMILY:
            # There a track's length is the distance from its first to its last packet in decoding order, plus the
            # duration of the last packet, which with B-frames is not the last frame shown.
            durations[order[-1]] = max(1, stop - offset - (stamps[-1] - stamps[0]))
        elif order and self._container.format.name in MATROSKA:
            # A shorter one would count as none, in whose place players take the usual duration.
            durations[shown[-1]] = max(durations[shown[-1]], ceil(MATROSKA_TICK / time_base))
        entries = (pair for path, index in zip(segments, indices, strict=True) for pair in read_packets(path, index))
        try:
            for (entry, packet), pts, dts in zip(entries, order, stamps, strict=True):
                packet.pts, packet.dts, packet.time_base = pts, dts, time_base
                packet.duration, packet.is_keyframe, packet.stream = durations[pts], entry.is_key, self._stream
                self._copy.advance((dts - 1) * time_base)
                self._container.mux_one(packet)
            self._copy.advance(None)
            self._open_files.close()
            with self._partial.open("rb+") as written:
                self._state_shape(written)
                if self._container.format.name == "webp" and self._request.source.has_alpha:
                    replace_frames(written)
                written.flush()
                os.fsync(written.fileno())
            self._when_whole(self._partial)
            self._partial.replace(self._request.target)
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{self._request.target} cannot be completed: {reason(error)}.") from error
        self._finished = True

    def _state_shape(self, file: BinaryIO) -> None:
        request = self._request
        aspect, muxer = request.source.sample_aspect_ratio, self._container.format.name
        if aspect != 1 and muxer in MATROSKA and not states_aspect(request.encoding.codec):
            state_display_size(file, request.size, aspect, webm=muxer == "webm")

    def notes(self) -> list[str]:
        """What could not be copied as planned; complete after `join`."""
        return self._copy.notes()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._finished:
            self._discard()

    def _open_stream(self) -> VideoStream:
        """The stream of the picture. An encoder gives the header, and encodes nothing."""
        request = self._request
        info, encoding = request.source, request.encoding
        if info.hdr is not None and carries_hdr(encoding.codec):
            stream = add_described_stream(self._container, encoding.codec, request.size, info.hdr)
            FrameEncoder(request).describe(stream.codec_context)
        else:
            options = settled(encoding.codec, dict(encoding.options))
            stream = self._container.add_stream(encoding.codec, rate=request.rate, options=options)
            assert isinstance(stream, VideoStream)  # `resolve_encoding` checked the codec
        _describe(stream.codec_context, request)
        if stream.codec_context.codec.canonical_name == "hevc" and self._container.format.name in MOV_FAMILY:
            stream.codec_context.codec_tag = "hvc1"  # Apple's players know no other name of it
        stream.time_base = request.time_base
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
        with open_video(info.path, info.input_rate) as (source, stream):
            self._stream.metadata.update(
                {key: value for key, value in stream.metadata.items() if key in ("language", "title")}
            )
            copy_description(source, self._container, self._when_shown)
        self._container.start_encoding()

    def _when_shown(self, moment: Fraction) -> Fraction:
        """Seconds of the output's clock for those of the source's."""
        return self._offset + self._request.retime(moment - self._request.source.start_time)

    def _check_headers(self, segments: Sequence[Path], indices: Sequence[SegmentIndex]) -> None:
        header = bytes(self._stream.codec_context.extradata or b"")
        for path, index in zip(segments, indices, strict=True):
            if index.extradata != header:
                raise MediaError(f"{path} was encoded with other settings than {self._request.target} needs.")

    def _discard(self) -> None:
        """Close everything and remove the temporary file."""
        # A half-written file need not be closed well, since it is removed.
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            self._open_files.close()
        self._partial.unlink(missing_ok=True)


def decoding_stamps(order: Sequence[int]) -> list[int]:
    """Stamps of decoding for packets of any number of segments.

    Each encoder stamps its own segment as if nothing came before it. Here packet i in order of decoding gets the
    stamp of presentation that is i - d in order of presentation, with the smallest delay d for which no packet is
    shown before it is decoded: what an encoder of the whole would have given. The stamps before the first picture are
    as far apart as those that are left over at the end: in mp4 the span of all is the length of the track.

    Args:
        order: Stamps of presentation in order of decoding, no two equal.

    Returns:
        As many, strictly ascending, none later than its packet is shown.
    """
    shown = sorted(order)
    place = {pts: rank for rank, pts in enumerate(shown)}
    delay = max((number - place[pts] for number, pts in enumerate(order)), default=0)
    step = max(1, (shown[-1] - shown[-1 - delay]) // delay) if delay else 1
    return [shown[0] - step * (delay - number) for number in range(min(delay, len(order)))] + shown[
        : len(shown) - delay
    ]


def _describe(context: VideoCodecContext, request: WriteRequest) -> None:
    """What an encoder is told of the pictures."""
    encoding = request.encoding
    context.width, context.height = request.size
    context.pix_fmt = encoding.pixel_format
    if context.is_encoder:  # PyAV lets no other have one
        context.time_base = request.time_base
    context.sample_aspect_ratio = request.sample_aspect_ratio
    context.colorspace, context.color_range = stored_codes(encoding.pixel_format, request.colour)
    context.color_primaries, context.color_trc = request.colour.primaries, request.colour.transfer
    context.thread_type = "AUTO"
