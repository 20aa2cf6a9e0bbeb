"""What FFmpeg holds while it decodes and encodes, and how to make that less for large frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import av

from midframe.video.colour import bit_depth
from midframe.video.encode import Encoding
from midframe.video.probe import VideoInfo

DECODER_THREAD_BYTES = 128 * 2**20
"""Each thread of a decoder holds a frame of its own."""
REFERENCES = 4
"""Frames that a decoder keeps beside those of its threads: H.264 and H.265 allow as many at their largest sizes."""
SMALL_FRAME_BYTES = 8 * 10**6
"""An encoder's frame up to which its memory is not worth a thought: up to 1440 lines."""
# Encoder -> its options for large frames, each set smaller than the one before; and the frames that it then holds.
# Those of libx264 were measured with 3840x2160 and 7680x4320 on two cores; the others are guesses on the safe side.
SMALLER: dict[str, tuple[tuple[dict[str, str], int], ...]] = {
    "libx264": (
        ({"rc-lookahead": "10"}, 74),
        ({"rc-lookahead": "2", "bf": "1", "refs": "1", "threads": "1"}, 24),
        ({"rc-lookahead": "0", "bf": "0", "refs": "1", "threads": "1", "x264-params": "mbtree=0"}, 12),
    ),
    "libx265": (({"x265-params": "rc-lookahead=5:bframes=1:ref=1:frame-threads=1:lookahead-slices=0"}, 40),),
    "libvpx-vp9": (({"lag-in-frames": "4", "threads": "2"}, 30),),
}
FULL_FRAMES = 124
"""Frames that an encoder holds at its usual settings: libx264 at 40 frames of look-ahead."""


def stored_bytes(pixel_format: str, width: int, height: int) -> int:
    """A frame in a codec's own format."""
    described = av.VideoFormat(pixel_format, 64, 64)
    samples = sum(component.width * component.height / 64**2 for component in described.components)
    return int(width * height * samples * (2 if bit_depth(pixel_format) > 8 else 1))


def frame_bytes(info: VideoInfo) -> int:
    """A frame as its decoder gives it."""
    return stored_bytes(info.pixel_format, info.width, info.height)


def decoder_threads(info: VideoInfo) -> int:
    """Threads of a decoder: as FFmpeg chooses, fewer where frames are large."""
    usual = min(16, (os.cpu_count() or 1) + 1)
    return max(1, min(usual, DECODER_THREAD_BYTES // max(1, frame_bytes(info))))


def reader_bytes(info: VideoInfo) -> int:
    """What a decoder holds, and the picture that is being converted."""
    return frame_bytes(info) * (decoder_threads(info) + REFERENCES) + info.width * info.height * 3


def encoder_bytes(encoding: Encoding, info: VideoInfo) -> int:
    """What an encoder holds, and the picture that is being converted."""
    size = stored_bytes(encoding.pixel_format, info.width, info.height)
    held = FULL_FRAMES if encoding.codec in SMALLER else 8
    for options, frames in SMALLER.get(encoding.codec, ()):
        if all(encoding.options.get(key) == value for key, value in options.items()):
            held = frames
    return size * held + info.width * info.height * 3


def smaller_encodings(encoding: Encoding, info: VideoInfo) -> Iterator[Encoding]:
    """The same encoding with less memory, for large frames; what was asked for by name stays as it is."""
    if stored_bytes(encoding.pixel_format, info.width, info.height) <= SMALL_FRAME_BYTES:
        return
    for options, _ in SMALLER.get(encoding.codec, ()):
        yield replace(encoding, options=options | encoding.options)
