"""Folders and patterns of pictures as input: which files they mean, in which order, and which are missing."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from midframe.core.errors import MediaError, UsageError
from midframe.video.sequence import PictureContainer, check_size, decode_file

USUAL_RATE = Fraction(25)
NUMBERED = re.compile(r"%(0?)(\d*)d")
DIGITS = re.compile(r"(\d+)")
KINDS = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp", "exr", "dpx", "ppm", "pgm", "tga", "jp2", "qoi")
SUFFIXES = frozenset(f".{kind}" for kind in KINDS)
MOST_NAMED = 5
"""Gaps in the numbers that a note names."""


@dataclass(frozen=True)
class FilePicture:
    """A file with one picture."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def decode(self) -> VideoFrame:
        return decode_file(str(self.path.absolute()))


def is_picture_list(path: Path) -> bool:
    """Whether a name means many pictures: a folder, or a pattern that is no file itself."""
    if path.is_dir():
        return True
    return not path.exists() and bool(NUMBERED.search(path.name) or glob.has_magic(path.name))


def list_pictures(path: Path) -> list[Path]:
    """The pictures of a folder or a pattern, sorted as people count: 2 before 10.

    Raises:
        MediaError: There are none, or a folder holds several kinds.
    """
    found: list[Path]
    if path.is_dir():
        files = [entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file()]
        found = [entry for entry in files if not entry.name.startswith(".")]
        kinds = sorted({entry.suffix.lower() for entry in found})
        if len(kinds) > 1:
            kind = f"'{path}/*{kinds[0]}'"
            raise MediaError(f"{path} holds pictures of several kinds ({', '.join(kinds)}); name one: {kind}.")
    else:
        digits = NUMBERED.search(path.name)
        if digits is not None:
            before, after = path.name[: digits.start()], path.name[digits.end() :]
            pattern = re.escape(before) + r"\d+" + re.escape(after)
        else:
            pattern = fnmatch.translate(path.name)
        matches = re.compile(pattern).fullmatch
        entries = path.parent.iterdir() if path.parent.is_dir() else ()
        hidden = path.name.startswith(".")
        found = [
            entry
            for entry in entries
            if matches(entry.name) and entry.is_file() and (hidden or not entry.name.startswith("."))
        ]
    if not found:
        raise MediaError(f"There are no pictures {'in' if path.is_dir() else 'that are named as in'} {path}.")
    return sorted(found, key=_as_counted)


def missing_numbers(paths: Sequence[Path]) -> str | None:
    """A sentence on numbers that are left out where names differ by one number alone; None where none is."""
    split = [DIGITS.split(path.stem) for path in paths]
    if len(paths) < 2 or len({len(parts) for parts in split}) > 1:
        return None
    places = [place for place in range(len(split[0])) if len({parts[place] for parts in split}) > 1]
    if len(places) != 1 or places[0] % 2 == 0:
        return None
    numbers = [int(parts[places[0]]) for parts in split]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    step = min(steps)
    if step < 1 or max(steps) == step:
        return None
    gaps = [
        f"{before + step}" if after == before + 2 * step else f"{before + step} to {after - step}"
        for before, after in itertools.pairwise(numbers)
        if after > before + step
    ]
    named = ", ".join(gaps[:MOST_NAMED]) + (" and more" if len(gaps) > MOST_NAMED else "")
    return f"Pictures with the numbers {named} are missing; those after them move up."


@contextmanager
def open_pictures(path: Path, rate: Fraction | None) -> Iterator[PictureContainer]:
    """The pictures of a folder or a pattern as a video.

    Args:
        path: A folder or a pattern.
        rate: Frames per second; `USUAL_RATE` where None.

    Raises:
        MediaError: There are no pictures, or the first cannot be read.
    """
    files = list_pictures(path)
    try:
        opened = av.open(str(files[0].absolute()), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MediaError(f"{files[0]} cannot be read as a picture: {why}.") from error
    with opened as container:
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.codec_context is None:
            raise MediaError(f"{files[0]} holds no picture that can be decoded.")
        check_size(files[0], stream.codec_context.width, stream.codec_context.height)
        first = stream.codec_context, stream.sample_aspect_ratio
        base = 1 / (rate or USUAL_RATE)
        yield PictureContainer("pictures", [FilePicture(file) for file in files], [1] * len(files), base, first)


def check_input_rate(path: Path, rate: Fraction | None) -> None:
    """Refuse a rate for what has its own.

    Raises:
        UsageError: The source is no list of pictures.
    """
    if rate is not None and not is_picture_list(path):
        raise UsageError(f"{path} has its own times; an input rate is for folders and patterns of pictures.")


def _as_counted(path: Path) -> list[tuple[bool, int, str]]:
    """A key that sorts numbers in names by their value."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in DIGITS.split(path.name)]
