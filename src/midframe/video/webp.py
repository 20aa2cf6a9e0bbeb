"""Animated WebP, which FFmpeg writes and does not read: times from the file, pictures through Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from midframe.core.errors import MediaError, MissingExtraError
from midframe.video.sequence import PictureContainer, check_size

MILLISECOND = Fraction(1, 1000)
UNSTATED_MILLISECONDS = 100
"""How long players show a frame that says nothing."""
ANIMATED, TRANSPARENT = 0x02, 0x10
FLAGS_AT = 15
"""Bytes of a frame's chunk before its flags; the three before these are its duration."""
CLEARED, UNBLENDED = 0x01, 0x02
"""Flags of a frame: its place is cleared after it; it replaces what was there and is not laid over it."""


@dataclass(frozen=True)
class WebpFrame:
    """One frame of an animation, put together with those before it."""

    image: Any
    number: int
    mode: str
    size: int

    def decode(self) -> VideoFrame:
        try:
            self.image.seek(self.number)
            pixels = np.asarray(self.image.convert(self.mode))
        except (EOFError, ValueError, SyntaxError) as error:
            raise OSError(f"frame {self.number}: {error}") from error
        return VideoFrame.from_ndarray(pixels, format="rgba" if self.mode == "RGBA" else "rgb24")


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP with more than one picture."""
    if not path.is_file():  # a pipe would block for ever
        return False
    try:
        return bool(_flags(path) & ANIMATED)
    except OSError:
        return False


def _flags(path: Path) -> int:
    """What a file says of itself in its extended header; 0 where it is no WebP, or has none."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[20] if len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" else 0


@contextmanager
def open_webp(path: Path) -> Iterator[PictureContainer]:
    """An animation as a video, with the times that its frames stand.

    Raises:
        MissingExtraError: Pillow is not installed.
        MediaError: The file is damaged.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Reading an animated WebP", "Pillow", "webp") from error
    frames = list(_frames(path))
    try:
        image = Image.open(path, formats=("WEBP",))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path} cannot be read as an animation: {error}.") from error
    with image:
        if not frames or len(frames) != getattr(image, "n_frames", 1):
            raise MediaError(f"{path} is damaged: its frames cannot be counted.")
        check_size(path, *image.size)
        # Later frames may be transparent where they leave those before them as they are.
        try:
            first = np.asarray(image.convert("RGBA"))[..., 3]
        except (OSError, EOFError, ValueError, SyntaxError) as error:
            raise MediaError(f"{path} cannot be read as an animation: {error}.") from error
        may_uncover = _flags(path) & TRANSPARENT and any(uncovers for _, _, uncovers in frames)
        mode = "RGBA" if (first < 255).any() or may_uncover else "RGB"
        pictures = [WebpFrame(image, number, mode, size) for number, (_, size, _) in enumerate(frames)]
        context = av.CodecContext.create("webp", "r")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = image.size
        durations = [duration or UNSTATED_MILLISECONDS for duration, _, _ in frames]
        yield PictureContainer("webp", pictures, durations, MILLISECOND, (context, None))


def replace_frames(file: BinaryIO) -> None:
    """Say of each frame of a finished animation that it replaces the picture, not that it is laid over it.

    FFmpeg writes whole frames and says the second: what is transparent would show all frames before.
    """
    for start, _ in _frame_chunks(file):
        file.seek(start + FLAGS_AT)
        flags = file.read(1)[0]
        file.seek(start + FLAGS_AT)
        file.write(bytes([flags | UNBLENDED]))


def _frames(path: Path) -> Iterator[tuple[int, int, bool]]:
    """Milliseconds and bytes of each frame, and whether it may leave less than was there, from the file's chunks."""
    with path.open("rb") as file:
        for start, length in _frame_chunks(file):
            file.seek(start + FLAGS_AT - 3)
            body = file.read(4)
            if len(body) == 4:
                yield int.from_bytes(body[:3], "little"), length, bool(body[3] & (CLEARED | UNBLENDED))


def _frame_chunks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where the content of each frame's chunk begins, and its length in bytes."""
    start = 12
    file.seek(start)
    while len(header := file.read(8)) == 8:
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"ANMF" and length > FLAGS_AT:
            yield start + 8, length
        start += 8 + length + length % 2
        file.seek(start)
