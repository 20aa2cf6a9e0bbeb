"""Pictures read as a video: a folder of them, or an animation that FFmpeg does not read.

The classes stand where PyAV's container, stream, decoder and packet stand, with what this package asks of those, so
that everything behind `open_video` reads pictures as it reads a file. Nothing is copied: each picture is opened when
it is its turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from midframe.core.errors import MediaError

LARGEST_SIDE = 32_768
LARGEST_PIXELS = 2**28
"""Eight times 8K."""


@runtime_checkable
class Picture(Protocol):
    """One picture, decoded when asked."""

    @property
    def size(self) -> int:
        """Bytes that it takes where it lies."""
        ...

    def decode(self) -> VideoFrame:
        """The picture.

        Raises:
            FFmpegError, OSError: It does not decode.
        """
        ...


@dataclass(frozen=True)
class PicturePacket:
    """Stands for a packet: one picture with its time."""

    picture: Any
    pts: int
    duration: int
    time_base: Fraction
    is_corrupt: bool = False
    is_keyframe: bool = True
    is_discard: bool = False

    @property
    def dts(self) -> int:
        return self.pts

    @property
    def size(self) -> int:
        return self.picture.size


class PictureDecoder:
    """Stands for a decoder. What it knows of colours is what the decoder of the first picture says."""

    def __init__(self, first: VideoCodecContext) -> None:
        self._first = first
        self.thread_type: Any = "AUTO"
        self.thread_count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._first, name)

    def decode(self, packet: PicturePacket) -> list[VideoFrame]:
        """The picture of a packet, with its time."""
        frame = packet.picture.decode()
        frame.pts, frame.time_base, frame.duration = packet.pts, packet.time_base, packet.duration
        return [frame]


@dataclass
class PictureStream:
    """Stands for a stream of pictures."""

    codec_context: PictureDecoder
    time_base: Fraction
    duration: int
    average_rate: Fraction
    frames: int
    sample_aspect_ratio: Fraction | None
    thread_type: Any = "AUTO"
    index: int = 0
    type: str = "video"
    start_time: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


class PictureContainer:
    """Stands for a container.

    Args:
        name: Of the format.
        pictures: In order.
        durations: Of each, in ticks.
        time_base: Seconds of a tick.
        first: What decodes the first picture, and its pixel aspect.
    """

    def __init__(
        self,
        name: str,
        pictures: Sequence[Picture],
        durations: Sequence[int],
        time_base: Fraction,
        first: tuple[VideoCodecContext, Fraction | None],
    ) -> None:
        self.format = SimpleNamespace(name=name)
        self.duration = None  # the stream says it
        self.metadata: dict[str, str] = {}
        self._packets, begin = [], 0
        for picture, duration in zip(pictures, durations, strict=True):
            self._packets.append(PicturePacket(picture, begin, duration, time_base))
            begin += duration
        rate = len(durations) / (begin * time_base)
        self.stream = PictureStream(PictureDecoder(first[0]), time_base, begin, rate, len(durations), first[1])
        self.streams = [self.stream]
        self._next = 0

    def chapters(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def seek(self, offset: int, *, stream: PictureStream) -> None:
        """Go to the picture that is shown at an offset in ticks."""
        shown = [number for number, packet in enumerate(self._packets) if packet.pts <= offset]
        self._next = shown[-1] if shown else 0

    def demux(self, stream: PictureStream) -> Iterator[PicturePacket]:
        """All packets from here on."""
        while self._next < len(self._packets):
            self._next += 1
            yield self._packets[self._next - 1]

    def decode(self, stream: PictureStream) -> Iterator[VideoFrame]:
        """All frames from here on."""
        for packet in self.demux(stream):
            yield from self.stream.codec_context.decode(packet)


def decode_file(path: str) -> VideoFrame:
    """The first picture of a file.

    Raises:
        FFmpegError, OSError: There is none; named, since a time says little of a file.
    """
    try:
        with av.open(path, metadata_errors="replace") as container:
            return next(container.decode(video=0))
    except (FFmpegError, OSError, IndexError, StopIteration) as error:
        why = getattr(error, "strerror", None) or "it holds no picture"
        raise OSError(f"{path}: {why}") from error


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a picture before a decoder takes memory for it: a few bytes of a header can ask for gigabytes."""
    if max(width, height) > LARGEST_SIDE or width * height > LARGEST_PIXELS:
        raise MediaError(
            f"{path} declares pictures of {width}x{height}; midframe takes at most {LARGEST_SIDE} pixels a side and "
            f"{LARGEST_PIXELS // 10**6} million in all."
        )
