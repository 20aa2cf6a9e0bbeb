"""All streams beside the picture: which of them an output can hold, and their copying, packet for packet."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.format import Flags
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from midframe.core.errors import MediaError
from midframe.video.formats import format_of
from midframe.video.probe import Container, OtherStream, VideoInfo, reason

TIMED_KINDS = ("audio", "subtitle", "video")
# Written anew by the muxer, or true of the source file alone.
TAGS_NOT_COPIED = frozenset(
    (
        "encoder",
        "major_brand",
        "minor_version",
        "compatible_brands",
        "duration",
        "number_of_frames",
        "number_of_bytes",
    )
)


@dataclass(frozen=True)
class StreamFate:
    """What becomes of the other streams.

    Attributes:
        kept: Streams that are copied.
        lost: Streams that are not, each with the reason.
    """

    kept: tuple[OtherStream, ...]
    lost: tuple[tuple[OtherStream, str], ...]


def codecs_of(target: Path) -> frozenset[str]:
    """Codecs that the container of a file name can hold, by FFmpeg's names.

    Raises:
        UsageError: A suffix of none that keeps exact times: AVI, for one, knows no variable frame rate.
    """
    kind = format_of(target)
    if kind.codecs:
        return kind.codecs
    with av.open(io.BytesIO(), "w", format=kind.muxer) as container:
        return frozenset(container.supported_codecs)


def decide_streams(info: VideoInfo, target: Path, keeps_time: bool) -> StreamFate:
    """Sort the other streams into those that the target can hold and those that it cannot.

    Args:
        keeps_time: The output runs at the speed of the source throughout. At another no timed stream would stay
            in sync, so none is kept; a cover has no time.
    """
    container = format_of(target)
    if not container.is_video:
        return StreamFate(
            (), tuple((stream, f"{container.name} cannot hold {stream.kind}") for stream in info.streams)
        )
    codecs = codecs_of(target)
    chapters = " (chapters are)" if info.chapter_count else ""
    kept, lost = [], []
    for stream in info.streams:
        if stream.kind == "attachment":
            cause = None if container.name == "matroska" else f"{container.name} cannot hold attachments"
        elif stream.kind not in TIMED_KINDS:
            cause = f"{stream.kind} streams are not carried{chapters}"
        elif not keeps_time and not stream.is_cover:
            cause = "it would not stay in sync with pictures at another speed"
        elif stream.codec not in codecs:
            cause = f"{container.name} cannot hold {stream.codec}"
        else:
            cause = None
        if cause is None:
            kept.append(stream)
        else:
            lost.append((stream, cause))
    return StreamFate(tuple(kept), tuple(lost))


class StreamCopy:
    """Copies packets of the kept streams into an output, in step with its video.

    Args:
        source: File to copy from.
        kept: Streams to copy.
        output: Container before its header is written.
    """

    def __init__(self, source: Path, kept: tuple[OtherStream, ...], output: OutputContainer) -> None:
        self._output = output
        self._input = av.open(str(source.absolute()), "r", metadata_errors="replace") if kept else None
        self._targets: dict[int, Stream] = {}
        self._unplaced: Counter[int] = Counter()
        self._not_later: Counter[int] = Counter()
        self._shift = Fraction(0)
        self._next: Packet | None = None
        for stream in kept:
            assert self._input is not None
            template = self._input.streams[stream.index]
            if isinstance(template, AttachmentStream):
                output.add_attachment(template.name or "attachment", template.mimetype or "", template.data)
                continue
            target = output.add_stream_from_template(template)
            target.metadata.update(_tags(template.metadata))
            target.disposition = template.disposition
            self._targets[stream.index] = target
        self._packets = self._demux()

    @property
    def start(self) -> Fraction | None:
        """When the earliest copied stream starts, in seconds on the source's clock; None without any."""
        starts = [
            stream.start_time * stream.time_base
            for stream in self._copied()
            if stream.start_time is not None and stream.time_base is not None
        ]
        return min(starts, default=None)

    def shift_by(self, seconds: Fraction) -> None:
        """Move all copied packets later by some seconds."""
        self._shift = seconds

    def advance(self, time: Fraction | None) -> None:
        """Copy all packets up to an output time in seconds; all that remain for None.

        Raises:
            MediaError: The source cannot be read further.
        """
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            packet = self._next
            if packet is None:
                return
            assert packet.dts is not None  # `_demux` sees to it
            if time is not None and packet.dts * packet.time_base + self._shift > time:
                return
            self._next = None
            ticks = round(self._shift / packet.time_base)
            packet.dts += ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.stream = self._targets[packet.stream_index]
            self._output.mux_one(packet)

    def notes(self) -> list[str]:
        """One sentence for each stream of which packets had to be left out."""
        return [
            *(
                f"{count} packets of stream {index} carry no time stamp and were left out."
                for index, count in self._unplaced.items()
            ),
            *(
                f"{count} packets of stream {index} were left out: their time was not later than the one before."
                for index, count in self._not_later.items()
            ),
        ]

    def close(self) -> None:
        """Close the source."""
        if self._input is not None:
            self._input.close()

    def _copied(self) -> list[Stream]:
        """Streams of the source whose packets are copied."""
        return [] if self._input is None else [self._input.streams[index] for index in self._targets]

    def _demux(self) -> Iterator[Packet]:
        streams = self._copied()
        if self._input is None or not streams:
            return
        takes_equal = Flags.ts_nonstrict in Flags(self._output.format.flags)
        latest: dict[int, int] = {}
        passed: dict[int, int] = {}
        try:
            for packet in self._input.demux(*streams):
                if packet.dts is None and packet.size:
                    if Disposition.attached_pic not in packet.stream.disposition:
                        self._unplaced[packet.stream_index] += 1
                        continue
                    packet.pts = packet.dts = 0  # a cover stands outside time; muxers want a stamp
                if packet.dts is None or not packet.size:
                    continue
                # Muxers refuse what steps back, as where files were joined byte by byte; by then the work is done.
                index, before = packet.stream_index, latest.get(packet.stream_index)
                # Lines of subtitles may stand together, but not where another clock comes by a time once more.
                may_equal = (takes_equal or packet.stream.type == "subtitle") and passed.get(index) != packet.dts
                if before is not None and (packet.dts < before or (packet.dts == before and not may_equal)):
                    self._not_later[index] += 1
                    passed[index] = before
                    continue
                latest[index] = packet.dts
                yield packet
        except (FFmpegError, OSError) as error:
            raise MediaError(f"A stream beside the video cannot be read further: {reason(error)}.") from error


def copy_description(source: Container, output: OutputContainer, when_shown: Callable[[Fraction], Fraction]) -> None:
    """Copy title and other tags, and the chapters.

    Args:
        when_shown: Seconds of the output's clock for those of the source's.
    """
    output.metadata.update(_tags(source.metadata))
    chapters = source.chapters()
    for chapter in chapters:
        base = chapter["time_base"] or Fraction(1, av.time_base)
        for edge in ("start", "end"):
            chapter[edge] = round(when_shown(chapter[edge] * base) / base)
    if chapters:
        output.set_chapters(chapters)


def _tags(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.lower().partition("-")[0] not in TAGS_NOT_COPIED and not key.startswith("_STATISTICS")
    }
