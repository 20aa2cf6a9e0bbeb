"""A short clip of plain RGB frames, for looking at: H.264 that every player and browser shows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream

from midframe.core.errors import ShapeError, WriteError
from midframe.core.timeline import fine_time_base
from midframe.video.colour import LIMITED, Colour, from_rgb
from midframe.video.probe import reason

REVIEW_COLOUR = Colour(matrix=1, range=LIMITED, primaries=1, transfer=1)
"""BT.709, which players assume of untagged clips of any size more often than anything else; tagged all the same."""
REVIEW_OPTIONS = {"crf": "14", "preset": "veryfast"}


def write_clip(
    target: Path, frames: Iterable[np.ndarray], times: list[Fraction], end: Fraction, rate: Fraction
) -> None:
    """Write frames as H.264, 4:2:0; the file appears under its name only when it is whole, replacing another.

    Args:
        target: The file; its suffix chooses the container.
        frames: (height, width, 3) RGB uint8, all of one even size.
        times: Seconds of each frame, ascending from 0.
        end: Seconds at which the last frame ends.
        rate: Nominal frames per second, for the encoder's rate control.

    Raises:
        ShapeError: A frame of another size than the first, or of an odd one.
        WriteError: The file cannot be written.
    """
    partial = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    base = fine_time_base([*times, end])
    try:
        with av.open(str(partial.absolute()), "w") as container:
            stream: VideoStream | None = None
            for pixels, time, until in zip(frames, times, [*times[1:], end], strict=True):
                height, width = pixels.shape[:2]
                if stream is None:
                    stream = container.add_stream("libx264", rate=rate, options=REVIEW_OPTIONS)
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                    stream.codec_context.time_base = stream.time_base = base
                    _tag(stream.codec_context)
                if (width, height) != (stream.width, stream.height) or width % 2 or height % 2:
                    raise ShapeError(
                        f"A clip needs frames of one even size; got {width}x{height}, "
                        f"the first being {stream.width}x{stream.height}."
                    )
                frame = from_rgb(pixels, "yuv420p", REVIEW_COLOUR)
                frame.pts, frame.time_base, frame.duration = int(time / base), base, int((until - time) / base)
                _tag(frame)
                container.mux(stream.encode(frame))
            if stream is not None:
                container.mux(stream.encode(None))
        partial.replace(target)
    except (FFmpegError, OSError) as error:
        raise WriteError(f"{target} cannot be written: {reason(error)}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _tag(tagged: av.VideoFrame | av.VideoCodecContext) -> None:
    tagged.colorspace, tagged.color_range = REVIEW_COLOUR.matrix, REVIEW_COLOUR.range
    tagged.color_primaries, tagged.color_trc = REVIEW_COLOUR.primaries, REVIEW_COLOUR.transfer
