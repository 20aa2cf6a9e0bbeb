"""Part of a video, read without decoding all that lies before it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice

from av.error import FFmpegError

from midframe.core.errors import UsageError
from midframe.video.colour import to_rgb
from midframe.video.probe import VideoInfo, open_video
from midframe.video.read import TimedFrame, VideoReader
from midframe.video.scan import Scan, scan

Span = tuple[Fraction, Fraction]
"""Start and end in seconds since the first frame."""


def read_span(info: VideoInfo, span: Span, margin: int = 0) -> Iterator[TimedFrame]:
    """Yield the frames that are shown between two moments, as a reader from the start would.

    The file is entered at the key frame before the span. Where it cannot be, because its packets carry no times
    or what follows the key frame does not decode, it is read from the start.

    Args:
        info: The video, as `probe` describes it.
        span: Seconds since the first frame; the frame on screen at the start is the first, and frames that
            begin at the end or later are left out.
        margin: Frames to yield beyond each end of the span, as far as there are any.

    Raises:
        UsageError: The span is empty, starts before the video, or starts when the video has ended.
        MediaError: A frame is damaged.
    """
    start, end = span
    if not 0 <= start < end:
        raise UsageError(f"A span starts at 0 or later and ends after its start; got {_text(span)}.")
    scanned = scan_frames(info)
    times = scanned.times
    if start >= scanned.end:
        raise UsageError(f"{info.path} ends before {_text(span)}: its last frame is at {float(times[-1]):g} s.")
    first, stop = bisect_right(times, start) - 1 - margin, bisect_left(times, end) + margin
    yield from _read(info, scanned, range(max(0, first), min(len(times), stop)))


def read_frames(info: VideoInfo, first: int, stop: int, scanned: Scan | None = None) -> Iterator[TimedFrame]:
    """Yield the frames whose numbers, from 0, are `first` or more and below `stop`; otherwise as `read_span`.

    Args:
        scanned: What `scan_frames` gives, where it is known: finding it takes a pass over the file.

    Raises:
        UsageError: There are no such frames.
        MediaError: A frame is damaged.
    """
    scanned = scanned or scan_frames(info)
    times = scanned.times
    if not 0 <= first < stop <= len(times):
        raise UsageError(
            f"{info.path} has {len(times)} frames; numbers {first} to {stop - 1} were asked for, from 0."
        )
    yield from _read(info, scanned, range(first, stop))


def scan_frames(info: VideoInfo) -> Scan:
    """Times of all frames and the end of the last, by decoding where the packets do not tell."""
    found = scan(info)
    if found is not None:
        return found
    shown = [(frame.time, frame.time + frame.duration) for frame in VideoReader(info)]
    return Scan([start for start, _ in shown], shown[-1][1])


def is_read_from_start(info: VideoInfo, scanned: Scan) -> bool:
    """Whether no part of a video can be read without all that lies before it."""
    # The filter of fields sees frames from the start on. Where packets do not say when frames are shown, or say it
    # twice, which frame comes out first is known from the start of the file alone.
    return info.deinterlace != "off" or info.lacks_presentation_times or scanned.step_back is not None


def _read(info: VideoInfo, scanned: Scan, wanted: range) -> Iterator[TimedFrame]:
    position = wanted.start
    for frame in _read_from_key_frame(info, scanned, wanted):
        yield frame
        position += 1
    if position < wanted.stop:
        yield from islice(VideoReader(info, first=position), wanted.stop - position)


def _read_from_key_frame(info: VideoInfo, scanned: Scan, wanted: range) -> Iterator[TimedFrame]:
    """The wanted frames in order, up to the first that does not come out whole."""
    if is_read_from_start(info, scanned):
        return
    times = scanned.times
    numbers = {time: number for number, time in enumerate(times)}
    position = wanted.start
    with open_video(info.path, info.input_rate) as (container, stream):
        stream.thread_type = "AUTO"
        assert stream.time_base is not None  # else `scan` finds no times
        try:
            container.seek(int((times[wanted.start] + info.start_time) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None or frame.time_base is None:
                    return
                number = numbers.get(frame.pts * frame.time_base - info.start_time)
                if number is not None and number < wanted.start:
                    continue
                # A seek may land behind the frame; a size that changes is the whole reader's to refuse.
                if number is None or number != position or frame.is_corrupt:
                    return
                if (frame.width, frame.height) != (info.width, info.height):
                    return
                is_last = number + 1 == len(times)
                until = scanned.end if is_last else times[number + 1]
                pixels = to_rgb(frame, info.colour)
                yield TimedFrame(number, times[number], until - times[number], pixels, is_last)
                position += 1
                if position == wanted.stop:
                    return
        except (FFmpegError, OSError):
            return


def _text(span: Span) -> str:
    return f"{float(span[0]):g}-{float(span[1]):g} s"
