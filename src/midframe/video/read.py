"""Frames of a video, one after the other, each with its exact time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from midframe.core.errors import MediaError, UsageError
from midframe.video.alpha import to_rgba
from midframe.video.buffers import decoder_threads
from midframe.video.colour import FULL, bit_depth, has_alpha, is_grey, is_rgb, to_rgb
from midframe.video.deinterlace import deinterlace
from midframe.video.last_frame import TrackEnd, is_cut_short
from midframe.video.picture_list import is_picture_list
from midframe.video.probe import (
    AnyPacket,
    Container,
    Decoder,
    Stream,
    VideoInfo,
    open_decoder,
    open_video,
    probe,
    reason,
    seconds_of,
)

RENEWED_DECODERS = ("h264", "hevc")

StoredFrame: TypeAlias = VideoFrame
"""Planes as a decoder gives them. Whoever is not of this room hands them on, and does not look inside."""


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """One decoded frame.

    Attributes:
        index: Its number in the video, from 0, in order of presentation.
        time: Seconds since the first frame.
        duration: Seconds until the next frame, or until the end of the video.
        pixels: (height, width, 3) RGB: uint8 with white at 255 for sources of 8 bits; uint16 with white at
            65535 for deeper ones, whatever their depth. With alpha as fourth channel where that was asked for.
        is_last: No frame follows.
        copies: Times of the frames that repeated this one, and were taken out of the time base (`video.copies`).
        stored: The frame as its decoder gave it, where that was asked for.
    """

    index: int
    time: Fraction
    duration: Fraction
    pixels: np.ndarray
    is_last: bool
    copies: tuple[Fraction, ...] = ()
    stored: StoredFrame | None = None


@dataclass
class VideoReader:
    """Reads the frames of a video, one held back until it is known for how long it is shown.

    Args:
        info: The video, as `probe` describes it.
        skip_damaged: Leave out frames that do not decode, and go on where the file is truncated; either is
            noted. Without it both raise.
        alpha: Give transparency too, as a fourth channel; colours are not weighed by it.
        keep_stored: Give frames as they are stored too.
        first: Number of the first frame to give. Those before it are decoded and not converted.

    Attributes:
        notes: Filled while reading: one sentence for each thing that was not as it should be.
    """

    info: VideoInfo
    skip_damaged: bool = False
    alpha: bool = False
    keep_stored: bool = False
    first: int = 0
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[TimedFrame]:
        """Yield all frames in order of presentation.

        A frame without a time stamp follows its predecessor by one average frame duration; a frame whose
        stamp is not later than its predecessor's is left out. Both are noted.

        Raises:
            MediaError: A frame is damaged, or the file ends before its declared end, and `skip_damaged` is
                not set.
        """
        with open_video(self.info.path, self.info.input_rate) as (container, stream):
            decoder = open_decoder(stream)
            # Threads that each decode a frame of their own tell of damage several packets later.
            decoder.thread_type = "SLICE" if self.keep_stored else "AUTO"
            decoder.thread_count = decoder_threads(self.info)
            pending: tuple[int, Fraction, VideoFrame] | None = None
            track_end = TrackEnd(self.info, stream)
            stored = _LastStored(self._in_order(self._decoded(container, stream, decoder, track_end)), self.info)
            frames = iter(stored)
            if self.info.deinterlace != "off":
                frames = deinterlace(frames, self.info)
            for index, (time, frame) in enumerate(frames):
                if pending is not None and pending[0] >= self.first:
                    yield self._timed(*pending, time - pending[1], is_last=False)
                pending = index, time, frame
            if pending is None:
                raise MediaError(f"{self.info.path} has no frame that can be decoded.")
            end = track_end.of_last(stored.start, stored.duration, stored.step)
            if is_cut_short(self.info, end, stored.step):
                self._damage("The video is truncated", end, f"it declares {_clock(self.info.duration)}")
            yield self._timed(*pending, end - pending[1], is_last=True)

    def _timed(self, index: int, time: Fraction, frame: VideoFrame, duration: Fraction, is_last: bool) -> TimedFrame:
        convert = to_rgba if self.alpha else to_rgb
        pixels = convert(frame, self.info.colour)
        return TimedFrame(index, time, duration, pixels, is_last, stored=frame if self.keep_stored else None)

    def _decoded(
        self, container: Container, stream: Stream, decoder: Decoder, track_end: TrackEnd
    ) -> Iterator[VideoFrame]:
        packets = container.demux(stream)
        order = _ShownInOrder(self.info) if self.info.lacks_presentation_times else None
        damaged = False
        while True:
            try:
                packet = next(packets, None)
            except (FFmpegError, OSError) as error:
                self._damage("The file cannot be read further", None, reason(error))
                return
            if packet is None:
                return
            track_end.add(packet)
            left: list[VideoFrame] = []
            if damaged and self.keep_stored and packet.is_keyframe:
                left, decoder, damaged = *_renewed(decoder), False
            if order is not None:
                order.enter(packet)
            try:
                frames = left + decoder.decode(packet)
            except (FFmpegError, OSError) as error:
                damaged = True
                self._damage("A frame does not decode", seconds_of(packet), reason(error))
                frames = left
                if order is not None:
                    order.lose()
            for frame in frames:
                if order is not None:
                    order.stamp(frame)
                if frame.is_corrupt or packet.is_corrupt:
                    damaged = True
                    self._damage("A frame is damaged", seconds_of(frame), "the decoder reports missing data")
                elif (frame.width, frame.height) != (self.info.width, self.info.height):
                    raise MediaError(
                        f"The picture of {self.info.path} changes from "
                        f"{self.info.width}x{self.info.height} to "
                        f"{frame.width}x{frame.height} at {_clock(seconds_of(frame))}; one size is needed."
                    )
                else:
                    yield self._alike(frame)

    def _alike(self, frame: VideoFrame) -> VideoFrame:
        """A picture of a list as the first one is stored, where that is a matter of form.

        Raises:
            MediaError: It has another depth, or transparency where the first has none.
        """
        found, first = frame.format.name, self.info.pixel_format
        if found == first or not is_picture_list(self.info.path):
            return frame
        if bit_depth(found) != self.info.bit_depth or has_alpha(found) != has_alpha(first):
            raise MediaError(
                f"The pictures of {self.info.path} change from {first} to {found} at {_clock(seconds_of(frame))}; "
                "bring them to one depth, all with transparency or all without."
            )
        if is_rgb(first) and is_grey(found):  # tools store frames without colour so; they are of full range here
            return frame.reformat(format=first, src_color_range=FULL, dst_color_range=FULL)
        return frame

    def _in_order(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Frames with their times since the first; gaps in the stamps filled, steps back left out."""
        first = previous = None
        unstamped = backward = interlaced = 0
        for frame in frames:
            interlaced += frame.interlaced_frame
            stamp = seconds_of(frame)
            if stamp is None:
                fields = 2 if self.info.deinterlace == "fields" else 1
                stamp = self.info.start_time if previous is None else previous + self.info.usual_step * fields
                unstamped += 1
            if previous is not None and stamp <= previous:
                backward += 1
                continue
            first = stamp if first is None else first
            previous = stamp
            yield stamp - first, frame
        if interlaced and not self.info.interlaced and self.info.deinterlace == "off":
            self.notes.append(f"{interlaced} frames are interlaced, and their fields were treated as whole frames.")
        if unstamped:
            self.notes.append(f"{unstamped} frames had no time stamp and were placed one frame duration apart.")
        if backward:
            self.notes.append(f"{backward} frames were left out: their time was not later than the frame before.")

    def _damage(self, what: str, time: Fraction | None, why: str) -> None:
        sentence = f"{what} at {_clock(time)}: {why}."
        if not self.skip_damaged:
            raise MediaError(f"{self.info.path}: {sentence} Skip damaged frames to go on without them.")
        self.notes.append(sentence)


class _LastStored:
    """Hands frames on, and knows what the file says of the last: fields made of it have other times.

    Attributes:
        start: When it is shown, in seconds since the first.
        step: Seconds between it and the one before.
        duration: As its packet says.
    """

    def __init__(self, frames: Iterator[tuple[Fraction, VideoFrame]], info: VideoInfo) -> None:
        self._frames = frames
        self.start, self.step, self.duration = Fraction(0), info.usual_step, info.usual_step

    def __iter__(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        for number, (time, frame) in enumerate(self._frames):
            self.step = time - self.start if number else self.step
            self.start = time
            self.duration = frame.duration * frame.time_base if frame.duration and frame.time_base else self.step
            yield time, frame


class _ShownInOrder:
    """Gives frames their times where packets are stamped for decoding: each takes the earliest that is left.

    That is exact, since a decoder gives one frame for each packet, in the order in which they are shown. FFmpeg's
    own programs take the stamp of the packet that pushed a frame out instead, which is late by the frames held back.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._start = info.start_time
        self._left: deque[int] = deque()

    def enter(self, packet: AnyPacket) -> None:
        """Take the stamp of a packet that goes into the decoder."""
        time = seconds_of(packet)
        if packet.size and packet.pts is not None and time is not None and time >= self._start:
            self._left.append(packet.pts)

    def lose(self) -> None:
        """A packet gives no frame: those behind it keep their times, and the few held back are one late."""
        if self._left:
            self._left.popleft()

    def stamp(self, frame: VideoFrame) -> None:
        """Stamp the next frame that is shown."""
        frame.pts = self._left.popleft() if self._left else None


def _renewed(decoder: Decoder) -> tuple[list[VideoFrame], Decoder]:
    """What a decoder still holds, and another one in its place.

    FFmpeg's decoder of H.264 may give wrong frames behind a damaged one, even where they need no other frame, and
    which ones depends on its threads. One that has not seen the damage gives what is stored.
    """
    if not isinstance(decoder, VideoCodecContext):
        return [], decoder  # of pictures, each of which stands alone
    try:
        left = list(decoder.decode(None))
    except (FFmpegError, OSError):
        left = []
    if decoder.codec.canonical_name not in RENEWED_DECODERS:
        decoder.flush_buffers()  # it takes packets again
        return left, decoder
    fresh = CodecContext.create(decoder.codec.name, "r")
    assert isinstance(fresh, VideoCodecContext)
    fresh.extradata, fresh.thread_type, fresh.thread_count = decoder.extradata, "SLICE", decoder.thread_count
    return left, fresh


def read_frames_at(path: Path, indices: Sequence[int], *, alpha: bool = False) -> list[np.ndarray]:
    """Frames of a video by their numbers, in the order asked for, in one pass from the start.

    Args:
        indices: Numbers from 0; any order, repetitions allowed.
        alpha: Give transparency too, as a fourth channel.

    Returns:
        RGB pixels as in `TimedFrame`.

    Raises:
        UsageError: A number below 0, or none at all.
        MediaError: The video is shorter than asked for, or damaged.
    """
    if not indices or min(indices) < 0:
        raise UsageError(f"Frames are numbered from 0; got {', '.join(map(str, indices)) or 'no number'}.")
    wanted, found, count = set(indices), {}, 0
    info = probe(path)
    with open_video(path) as (container, stream):
        reader = VideoReader(info)
        decoder = open_decoder(stream)
        decoder.thread_type = "AUTO"
        frames = reader._in_order(reader._decoded(container, stream, decoder, TrackEnd(info, stream)))
        for count, (_, frame) in enumerate(frames, start=1):
            if count - 1 in wanted:
                found[count - 1] = (to_rgba if alpha else to_rgb)(frame, info.colour)
            if len(found) == len(wanted):
                return [found[index] for index in indices]
    raise MediaError(f"{path} has {count} frames; frame {max(wanted)} was asked for, counting from 0.")


def read_frame(path: Path, index: int, *, alpha: bool = False) -> np.ndarray:
    """One frame of a video by its number; see `read_frames_at`."""
    return read_frames_at(path, [index], alpha=alpha)[0]


def _clock(seconds: Fraction | None) -> str:
    return "an unknown time" if seconds is None else f"{float(seconds):.3f} s"
