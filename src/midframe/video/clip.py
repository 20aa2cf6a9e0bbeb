"""A short clip of plain RGB frames, for looking at: H.264 that every player and browser shows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from midframe.core.errors import ShapeError, WriteError
from midframe.video.colour import LIMITED, Colour, from_rgb
from midframe.video.probe import reason

REVIEW_COLOUR = Colour(matrix=1, range=LIMITED, primaries=1, transfer=1)
"""BT.709, which players assume of untagged clips of any size more often than anything else; tagged all the same."""
TICK = Fraction(1, 90_000)
REVIEW_OPTIONS = {"crf": "14", "preset": "veryfast", "bf": "0"}
"""Without B-frames the order of packets is that of frames, and their durations add up to the clip's."""


def write_clip(
    target: Path, frames: Iterable[tuple[np.ndarray, Fraction]], seconds: Fraction, rate: Fraction
) -> None:
    """Write frames as H.264, 4:2:0; the file appears under its name only when it is whole, replacing another.

    Args:
        target: The file; its suffix chooses the container.
        frames: (height, width, 3) RGB uint8, all of one even size, each with its time in seconds, ascending from 0.
        seconds: When the last frame ends.
        rate: Nominal frames per second, for the encoder's rate control.

    Raises:
        ShapeError: A frame of an odd size, or of another than the first.
        WriteError: The file cannot be written.
    """
    partial = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        with av.open(str(partial.absolute()), "w") as container:
            stream = container.add_stream("libx264", rate=rate, options=REVIEW_OPTIONS)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = stream.time_base = TICK
            _tag(stream.codec_context)
            durations: dict[int, int] = {}
            for (pixels, time), until in _with_ends(frames, seconds):
                height, width = pixels.shape[:2]
                if not stream.codec_context.is_open:
                    stream.width, stream.height = width, height
                if width % 2 or height % 2 or (width, height) != (stream.width, stream.height):
                    raise ShapeError(
                        f"A clip needs frames of one even size; got {width}x{height} in one of "
                        f"{stream.width}x{stream.height}."
                    )
                frame = from_rgb(pixels, "yuv420p", REVIEW_COLOUR)
                frame.pts, frame.time_base = round(time / TICK), TICK
                durations[frame.pts] = round(until / TICK) - frame.pts
                _tag(frame)
                _mux(container, stream.encode(frame), durations)
            _mux(container, stream.encode(None), durations)
        partial.replace(target)
    except (FFmpegError, OSError) as error:
        raise WriteError(f"{target} cannot be written: {reason(error)}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _mux(container: OutputContainer, packets: list[Packet], durations: dict[int, int]) -> None:
    for packet in packets:
        if packet.pts is not None:
            packet.duration = durations.pop(packet.pts, packet.duration)
        container.mux_one(packet)


def _with_ends(
    frames: Iterable[tuple[np.ndarray, Fraction]], last_end: Fraction
) -> Iterator[tuple[tuple[np.ndarray, Fraction], Fraction]]:
    """Each frame with the time at which it ends: where the next begins."""
    held: tuple[np.ndarray, Fraction] | None = None
    for frame in frames:
        if held is not None:
            yield held, frame[1]
        held = frame
    if held is not None:
        yield held, last_end


def _tag(tagged: av.VideoFrame | av.VideoCodecContext) -> None:
    tagged.colorspace, tagged.color_range = REVIEW_COLOUR.matrix, REVIEW_COLOUR.range
    tagged.color_primaries, tagged.color_trc = REVIEW_COLOUR.primaries, REVIEW_COLOUR.transfer
