"""Animated WebP, which FFmpeg writes and does not read: times from the file, pictures through Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from midframe.core.errors import MediaError, MissingExtraError
from midframe.video.sequence import PictureContainer

MILLISECOND = Fraction(1, 1000)
UNSTATED_MILLISECONDS = 100
"""How long players show a frame that says nothing."""
ANIMATED = 0x02


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
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & ANIMATED)


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
        # Later frames may be transparent where they leave those before them as they are.
        first = np.asarray(image.convert("RGBA"))[..., 3]
        mode = "RGBA" if (first < 255).any() or any(clears for _, _, clears in frames) else "RGB"
        pictures = [WebpFrame(image, number, mode, size) for number, (_, size, _) in enumerate(frames)]
        context = av.CodecContext.create("webp", "r")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = image.size
        durations = [duration or UNSTATED_MILLISECONDS for duration, _, _ in frames]
        yield PictureContainer("webp", pictures, durations, MILLISECOND, (context, None))


def _frames(path: Path) -> Iterator[tuple[int, int, bool]]:
    """Milliseconds and bytes of each frame, and whether it is cleared after it, from the chunks of the file."""
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, length = header[:4], int.from_bytes(header[4:], "little")
            body = file.read(min(length, 16))
            file.seek(length + length % 2 - len(body), 1)
            if name == b"ANMF" and len(body) == 16:
                yield int.from_bytes(body[12:15], "little"), length, bool(body[15] & 1)
