"""Formats that are encoded from all frames in one go: GIF, APNG and y4m; segments hold FFV1, which loses nothing."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from midframe.core.errors import WriteError
from midframe.video.colour import stored_codes
from midframe.video.filters import ready
from midframe.video.formats import format_of, muxer_options
from midframe.video.probe import reason
from midframe.video.request import WriteRequest, check_target
from midframe.video.segment_file import read_index, read_packets

GIF_TICK = Fraction(1, 100)
SHORTEST_GIF_TICKS = 2
"""Players show shorter frames for a tenth of a second."""
LARGEST_IN_APNG = 65_535
"""Of numerator and denominator of a duration."""
DITHER = "dither=sierra2_4a:diff_mode=rectangle"


class RenderedWriter:
    """Encodes finished segments into one file, and gives it its name when it is whole.

    Use it, and give it its arguments, as `VideoWriter`.

    Raises:
        WriteError: The target must not or cannot be written.
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
        self._moved = 0
        try:
            self._partial.touch()
        except OSError as error:
            raise WriteError(f"{request.target} cannot be written: {reason(error)}.") from error

    def join(self, segments: Sequence[Path], end: Fraction) -> None:
        """Encode all segments one after the other and give the file its name.

        Args:
            segments: Finished segment files, in order of time.
            end: Output seconds at which the last frame ends.

        Raises:
            MediaError: A segment is not whole.
            WriteError: The file cannot be completed.
        """
        request = self._request
        try:
            frames = _decoded(segments, request)
            if request.encoding.codec == "gif":
                frames = self._in_ticks(_paletted(frames, _palette(_decoded(segments, request), request), request))
            last = max(entry.pts for path in segments for entry in read_index(path).packets) * request.time_base
            with FrameSink(request, self._partial, (last, end)) as sink:
                for frame in frames:
                    sink.write(frame)
            with self._partial.open("rb+") as written:
                os.fsync(written.fileno())
            self._when_whole(self._partial)
            self._partial.replace(request.target)
        except (FFmpegError, OSError) as error:
            raise WriteError(f"{request.target} cannot be completed: {reason(error)}.") from error

    def notes(self) -> list[str]:
        """What could not be done as planned; complete after `join`."""
        if not self._moved:
            return []
        return [f"{self._moved} frames were less than 20 ms apart, which GIF cannot show, and were moved apart."]

    def _in_ticks(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """Frames with stamps of a GIF: rounded, and no two too near."""
        earliest = 0
        for frame in frames:
            assert frame.pts is not None  # all that are decoded were given one
            ticks = round(frame.pts * self._request.time_base / GIF_TICK)
            self._moved += ticks < earliest
            frame.pts = max(ticks, earliest)
            frame.time_base = GIF_TICK
            earliest = frame.pts + SHORTEST_GIF_TICKS
            yield frame

    def __enter__(self) -> RenderedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._partial.unlink(missing_ok=True)


@runtime_checkable
class ByteSink(Protocol):
    """What a container is written into, from front to back."""

    def write(self, data: bytes) -> int: ...


class FrameSink:
    """Encodes frames into a container, in order; a context manager, or to be ended by `close`.

    Args:
        request: Of the whole video.
        file: Path, or what takes bytes: all that it is given at once, and without seeking.
        last: Output seconds at which the last frame begins and ends, for animations.
    """

    def __init__(
        self, request: WriteRequest, file: Path | ByteSink, last: tuple[Fraction, Fraction] | None = None
    ) -> None:
        self._request, self._last = request, last
        self._kind = format_of(request.target)
        self._file = str(file.absolute()) if isinstance(file, Path) else file
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._count = 0

    def write(self, frame: VideoFrame) -> None:
        """Encode one frame, stamped in its own time base; formats of one rate take only its place in the row."""
        request = self._request
        pixel_format = request.encoding.pixel_format
        if self._container is None:
            self._open(frame)
        if not self._kind.holds_times:
            frame.pts, frame.time_base = self._count, 1 / request.rate
        if frame.format.name != pixel_format:
            frame = frame.reformat(format=pixel_format)
        frame.color_primaries, frame.color_trc = request.colour.primaries, request.colour.transfer
        self._mux(frame)
        self._count += 1

    def close(self) -> None:
        """Complete the file."""
        if self._container is None:
            return
        self._mux(None)
        container, self._container = self._container, None
        container.close()

    def discard(self) -> None:
        """Let go of a file that will not be complete; one that is stays as it is."""
        if self._container is not None:
            with contextlib.suppress(FFmpegError, OSError, ValueError):
                self._container.close()

    def __enter__(self) -> FrameSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self.discard()

    def _open(self, frame: VideoFrame) -> None:
        request = self._request
        options = muxer_options(request.target, request.source) | self._last_delay()
        self._container = av.open(self._file, "w", format=self._kind.muxer, options=options)
        stream = self._container.add_stream(
            request.encoding.codec, rate=request.rate, options=dict(request.encoding.options)
        )
        assert isinstance(stream, VideoStream)  # `resolve_encoding` checked the codec
        stream.width, stream.height = frame.width, frame.height
        stream.pix_fmt = request.encoding.pixel_format
        stream.codec_context.sample_aspect_ratio = request.sample_aspect_ratio
        stream.codec_context.color_range = stored_codes(request.encoding.pixel_format, request.colour)[1]
        stream.codec_context.color_primaries = request.colour.primaries
        stream.codec_context.color_trc = request.colour.transfer
        base = frame.time_base if self._kind.holds_times and frame.time_base else 1 / request.rate
        stream.codec_context.time_base = stream.time_base = base
        self._stream = stream

    def _last_delay(self) -> dict[str, str]:
        """What the muxers of animations are told of the last frame, which no later one ends."""
        if self._last is None or not self._kind.holds_times:
            return {}
        begin, end = self._last
        if self._kind.muxer == "gif":
            return {"final_delay": str(max(SHORTEST_GIF_TICKS, round(end / GIF_TICK) - round(begin / GIF_TICK)))}
        return {"final_delay": str((end - begin).limit_denominator(LARGEST_IN_APNG))}

    def _mux(self, frame: VideoFrame | None) -> None:
        assert self._container is not None and self._stream is not None
        for packet in self._stream.encode(frame):
            self._container.mux_one(packet)


def _decoded(segments: Sequence[Path], request: WriteRequest) -> Iterator[VideoFrame]:
    """All frames of segments of FFV1, in order, with their stamps."""
    for path in segments:
        index = read_index(path)
        decoder = av.CodecContext.create("ffv1", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.extradata = index.extradata
        decoder.width, decoder.height = request.size
        decoder.thread_type = "AUTO"
        packets: Iterator[Packet | None] = (
            _stamped(packet, entry.pts, request.time_base) for entry, packet in read_packets(path, index)
        )
        for packet in itertools.chain(packets, [None]):
            for frame in decoder.decode(packet):
                frame.time_base = request.time_base
                yield frame


def _stamped(packet: Packet, pts: int, time_base: Fraction) -> Packet:
    packet.pts = packet.dts = pts
    packet.time_base = time_base
    return packet


def _palette(frames: Iterator[VideoFrame], request: WriteRequest) -> VideoFrame:
    """The 256 colours, a transparent one among them, that suit all frames best."""
    first = next(frames)
    graph = Graph()
    source, generator, sink = _source(graph, first, request), graph.add("palettegen"), graph.add("buffersink")
    source.link_to(generator)
    generator.link_to(sink)
    graph.configure()
    for frame in itertools.chain([first], frames):
        source.push(frame)
    source.push(None)
    palette = sink.pull()
    assert isinstance(palette, VideoFrame)  # of a filter for pictures
    return palette


def _paletted(frames: Iterator[VideoFrame], palette: VideoFrame, request: WriteRequest) -> Iterator[VideoFrame]:
    """Frames in the colours of a palette, dithered, with their stamps."""
    first = next(frames)
    graph = Graph()
    source, colours = _source(graph, first, request), _source(graph, palette, request)
    chooser, sink = graph.add("paletteuse", DITHER), graph.add("buffersink")
    source.link_to(chooser, 0, 0)
    colours.link_to(chooser, 0, 1)
    chooser.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = first.pts, request.time_base
    colours.push(palette)
    colours.push(None)
    for frame in itertools.chain([first], frames, [None]):
        source.push(frame)
        yield from ready(sink.pull)


def _source(graph: Graph, frame: VideoFrame, request: WriteRequest) -> FilterContext:
    return graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=request.time_base)
