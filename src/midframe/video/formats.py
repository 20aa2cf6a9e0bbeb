"""The kinds of output, by the name that is asked for, and what each of them cannot hold."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from midframe.core.errors import UsageError, WriteError
from midframe.video.colour import FULL, MATRICES, Colour
from midframe.video.picture_list import NUMBERED
from midframe.video.probe import VideoInfo

PIPE = Path("-")
"""Stands for standard input or standard output."""
PICTURES_IN_FOLDER = "%06d.png"
SHORTEST_IN_BROWSERS = Fraction(11, 1000)
"""Seconds; browsers show frames of animations that are shorter for a tenth of a second."""
RGB = ("rgb24", "rgb48le", "rgba", "rgba64le")
RGB_BIG_ENDIAN = ("rgb24", "rgb48be", "rgba", "rgba64be")
Y4M_PIXELS = (
    *("gray", "yuv411p", "yuv420p", "yuv422p", "yuv444p"),
    *("gray10le", "gray12le", "gray16le"),
    *(f"yuv{chroma}p{depth}le" for depth in (9, 10, 12, 14, 16) for chroma in (420, 422, 444)),
)
LONGEST_NAME = 240
"""Bytes; those of the files beside it are a little longer."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of output.

    Attributes:
        name: For a person.
        muxer: FFmpeg's; empty where none is needed.
        codec: Encoder where none is asked for.
        codecs: All that it can hold; empty where the muxer is to be asked.
        pixel_formats: Those of the encoder's that may be used; all where empty.
        is_video: A container with sound, chapters, tags, rotation and any times.
        is_rendered: Its encoder needs all frames in one go: segments are kept in FFV1, and encoded at the end.
        loops: The muxer's option for how often an animation is played; empty where it is none.
        holds_times: Frames may stand for different times.
        holds_aspect: It says how wide a pixel is, and is told so by PyAV.
        holds_transfer: It says primaries and transfer, without which a player takes those of usual video.
        highest_rate: Frames per second that it can hold.
        colour: How its pixels are always read; None where that follows the source.
    """

    name: str
    muxer: str = ""
    codec: str = "libx264"
    codecs: frozenset[str] = frozenset()
    pixel_formats: tuple[str, ...] = ()
    is_video: bool = False
    is_rendered: bool = False
    loops: str = ""
    holds_times: bool = True
    holds_aspect: bool = True
    holds_transfer: bool = True
    highest_rate: int | None = None
    colour: Colour | None = None


def _pictures(codec: str, name: str, pixels: tuple[str, ...], colour: Colour | None = None) -> Format:
    """In PNG alone an encoder of FFmpeg writes primaries and transfer, and in WebP no shape of pixels."""
    return Format(
        name="a folder of pictures",
        codec=codec,
        codecs=frozenset((name,)),
        pixel_formats=pixels,
        holds_times=False,
        holds_aspect=name != "webp",
        holds_transfer=name == "png",
        colour=colour,
    )


MP4 = Format(name="mp4", muxer="mp4", is_video=True)
VIDEO: Mapping[str, Format] = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": Format(name="mov", muxer="mov", is_video=True),
    ".mkv": Format(name="matroska", muxer="matroska", is_video=True),
    ".webm": Format(name="webm", muxer="webm", is_video=True, codec="libvpx-vp9"),
}
Y4M = Format(
    name="y4m",
    muxer="yuv4mpegpipe",
    codec="rawvideo",
    codecs=frozenset(("rawvideo",)),
    pixel_formats=Y4M_PIXELS,
    is_rendered=True,
    holds_times=False,
    holds_aspect=False,
    holds_transfer=False,
)
OTHERS: Mapping[str, Format] = {
    ".gif": Format(
        name="gif",
        muxer="gif",
        codec="gif",
        codecs=frozenset(("gif",)),
        pixel_formats=("pal8",),
        is_rendered=True,
        loops="loop",
        holds_transfer=False,
        highest_rate=50,
    ),
    ".apng": Format(
        name="apng",
        muxer="apng",
        codec="apng",
        codecs=frozenset(("apng",)),
        pixel_formats=RGB_BIG_ENDIAN,
        is_rendered=True,
        loops="plays",
    ),
    # Its encoder turns RGB into the one matrix that WebP has.
    ".webp": Format(
        name="webp",
        muxer="webp",
        codec="libwebp",
        codecs=frozenset(("webp",)),
        pixel_formats=("bgra",),
        loops="loop",
        holds_aspect=False,
        holds_transfer=False,
    ),
    ".y4m": Y4M,
}
JFIF = Colour(matrix=6, range=FULL)
PICTURES: Mapping[str, Format] = {
    ".png": _pictures("png", "png", RGB_BIG_ENDIAN),
    ".tif": _pictures("tiff", "tiff", RGB),
    ".tiff": _pictures("tiff", "tiff", RGB),
    ".webp": _pictures("libwebp", "webp", ("bgra",)),
    ".jpg": _pictures("mjpeg", "mjpeg", ("yuv420p", "yuv422p", "yuv444p"), JFIF),
    ".jpeg": _pictures("mjpeg", "mjpeg", ("yuv420p", "yuv422p", "yuv444p"), JFIF),
}


def check_name(target: Path) -> None:
    """Refuse a name beside which no other could stand: file systems end names at 255 bytes.

    Raises:
        WriteError: It is too long.
    """
    if len(os.fsencode(target.name)) > LONGEST_NAME:
        raise WriteError(f"{target} cannot be written: its name is longer than {LONGEST_NAME} bytes.")


def named_target(target: Path | str) -> Path:
    """The path that stands for an output: a folder, told by a slash or by being there, becomes its pattern.

    Raises:
        WriteError: The name is too long.
    """
    check_name(Path(target))
    text = os.fspath(target)
    ends_in_slash = text.endswith(("/", os.sep))
    path = Path(text)
    return path / PICTURES_IN_FOLDER if ends_in_slash or (path != PIPE and path.is_dir()) else path


def is_pictures(target: Path) -> bool:
    """Whether a name asks for one file for each frame: `%d` or `%06d` in it, and the suffix of a picture."""
    return bool(NUMBERED.search(target.name)) and target.suffix.lower() in PICTURES


def picture_path(target: Path, number: int) -> Path:
    """The file of one frame, numbered from 1."""

    def place(match: re.Match[str]) -> str:
        width = int(match[2] or 0)
        return f"{number:0{width}d}" if match[1] else f"{number:{width}d}"

    return target.with_name(NUMBERED.sub(place, target.name, count=1))


def numbered_pictures(target: Path) -> dict[int, Path]:
    """Files that are there under names that a pattern gives, by their number."""
    match = NUMBERED.search(target.name)
    if match is None or not target.parent.is_dir():
        return {}
    before, after = target.name[: match.start()], target.name[match.end() :]
    name = re.compile(re.escape(before) + r"\s*([0-9]+)" + re.escape(after))
    found = ((name.fullmatch(path.name), path) for path in target.parent.iterdir())
    numbered = sorted((int(match[1]), path) for match, path in found if match and path.is_file())
    # A name of another width is of another pattern: `img_7.png` is none of `img_%04d.png`.
    return {number: path for number, path in numbered if picture_path(target, number) == path}


def format_of(target: Path) -> Format:
    """The kind of output that a name asks for.

    Raises:
        UsageError: None that is known, or one that holds no exact times: AVI, for one, knows no variable rate.
    """
    suffix = target.suffix.lower()
    if target == PIPE:
        return Y4M
    if is_pictures(target):
        return PICTURES[suffix]
    found = VIDEO.get(suffix) or OTHERS.get(suffix)
    if found is None:
        known = ", ".join((*VIDEO, *OTHERS))
        hint = " For pictures, name a folder with a slash at its end, or a pattern such as %06d.png."
        raise UsageError(
            f"'{suffix}' of {target.name} names no container that can be written. Known: {known}."
            f"{hint if suffix in PICTURES or not suffix else ''}"
        )
    return found


def muxer_options(target: Path, info: VideoInfo) -> dict[str, str]:
    """What a muxer is told: how often an animation is played, as its source says, or else without end."""
    kind = format_of(target)
    if not kind.loops:
        return {"strict": "-1"} if kind is Y4M else {}  # more than 8 bits are an extension of y4m
    plays = info.plays or 0
    if kind.muxer == "gif":  # it counts repetitions, and -1 is none
        plays = {0: 0, 1: -1}.get(plays, plays - 1)
    return {kind.loops: str(plays)}


def format_losses(target: Path, info: VideoInfo, is_variable: bool) -> list[str]:
    """What must not be lost unasked: one clause each."""
    kind, losses = format_of(target), []
    if is_variable and not kind.holds_times:
        losses.append(
            f"the uneven times of the frames are lost in {kind.name}, which has one rate (--fps makes it so)"
        )
    if not kind.is_video and _is_mirrored(info):
        losses.append(f"{kind.name} cannot say that the picture is shown mirrored")
    if not kind.is_video and info.rotation % 90:
        losses.append(
            f"{kind.name} cannot say that the picture is shown turned by {info.rotation} degrees, and frames can be "
            "turned by quarters only"
        )
    unusual = info.colour.unusual()
    if unusual and not kind.holds_transfer:
        losses.append(f"{kind.name} cannot say that the colours are {unusual}, and they will be shown wrong")
    return losses


def format_notes(target: Path, info: VideoInfo, rate: Fraction) -> list[str]:
    """What a format cannot hold and a person who asks for it expects: one sentence each."""
    kind, notes = format_of(target), []
    if kind.is_video:
        return ["Matroska and WebM store times in whole milliseconds."] if kind.muxer in ("matroska", "webm") else []
    if info.chapter_count:
        notes.append(f"Lost: {info.chapter_count} chapters, since {kind.name} cannot hold any.")
    if info.quarter_turns:
        notes.append(
            f"Frames are turned by {info.rotation} degrees, since {kind.name} cannot say that a player must."
        )
    if kind.muxer == "gif":
        notes.append("Lost: all but 256 colours, chosen for the whole video, the others dithered between them.")
        notes.append("GIF stores times in hundredths of a second: frames are up to 5 ms off their instants.")
    if kind.muxer == "webp":
        notes.append("WebP stores times in whole milliseconds.")
    if kind.loops and 1 / rate < SHORTEST_IN_BROWSERS:
        notes.append("Browsers show frames this short for a tenth of a second each; --fps 90 is shown as it is.")
    if kind is Y4M:
        notes.append(f"y4m does not say its colour matrix, which is {MATRICES[info.colour.matrix][0]} here.")
    if not kind.muxer:
        notes.append(f"Pictures carry no times: show them at {rate} frames a second.")
    return notes


def check_rate(target: Path, rate: Fraction) -> None:
    """Refuse a rate that a format cannot hold.

    Raises:
        UsageError: It cannot.
    """
    kind = format_of(target)
    if kind.highest_rate is not None and rate > kind.highest_rate:
        raise UsageError(
            f"{kind.name} shows at most {kind.highest_rate} frames a second, and {float(rate):g} were asked for: "
            f"choose --fps {kind.highest_rate} or less, or .webp or .apng."
        )


def _is_mirrored(info: VideoInfo) -> bool:
    matrix = info.display_matrix
    return matrix is not None and matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0
