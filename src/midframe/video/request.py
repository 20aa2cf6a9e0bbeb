"""What is fixed before the first frame of an output is written, and whether it may be written at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import PictureType, VideoFrame

from midframe.core.errors import WriteError
from midframe.video.alpha import from_rgba
from midframe.video.colour import Colour, from_rgb, stored_codes
from midframe.video.encode import Encoding
from midframe.video.formats import PIPE, check_name, format_of, is_pictures, numbered_pictures
from midframe.video.picture_list import is_picture_list, list_pictures
from midframe.video.probe import VideoInfo
from midframe.video.streams import StreamFate


def _at_its_own_speed(moment: Fraction) -> Fraction:
    return moment


@dataclass(frozen=True, kw_only=True)
class WriteRequest:
    """Everything that is fixed before the first frame is written.

    Attributes:
        source: Where colour, pixel aspect, rotation, tags and other streams come from.
        target: The file to write; its suffix chooses the container.
        encoding: Codec, pixel format, options.
        streams: Which other streams are copied.
        time_base: Seconds of one tick of the video's stamps.
        rate: Nominal frames per second, for the encoder's rate control.
        retime: Output seconds of a moment of the source, both since the first frame; for the chapters.
        overwrite: Replace a file that is there.
    """

    source: VideoInfo
    target: Path
    encoding: Encoding
    streams: StreamFate
    time_base: Fraction
    rate: Fraction
    retime: Callable[[Fraction], Fraction] = _at_its_own_speed
    overwrite: bool = False

    @property
    def turns(self) -> int:
        """Quarter turns, counter-clockwise, for formats that cannot say how a player turns the picture."""
        return 0 if format_of(self.target).is_video else self.source.quarter_turns

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures as they are stored."""
        width, height = self.source.width, self.source.height
        return (height, width) if self.turns % 2 else (width, height)

    @property
    def sample_aspect_ratio(self) -> Fraction:
        """Width of a pixel over its height, as it is stored."""
        aspect = self.source.sample_aspect_ratio
        return 1 / aspect if self.turns % 2 else aspect

    @property
    def colour(self) -> Colour:
        """How the stored pixels are to be read."""
        return format_of(self.target).colour or self.source.colour

    def frame(self, pixels: np.ndarray, stored: VideoFrame | None = None) -> VideoFrame:
        """Pixels as RGB or RGBA in the form that is stored, with its tags.

        Args:
            pixels: (height, width, 3 or 4).
            stored: The same frame as its decoder gave it; taken where its form is the one that is asked for.
        """
        pixel_format, colour = self.encoding.pixel_format, self.colour
        if self.turns:
            pixels = np.ascontiguousarray(np.rot90(pixels, self.turns))
        as_it_is = not self.turns and colour == self.source.colour
        if stored is not None and as_it_is and stored.format.name == pixel_format:
            frame = stored
            frame.pict_type = PictureType.NONE  # or the encoder would make it one of the kind that it was
        else:
            frame = (from_rgba if pixels.shape[2] == 4 else from_rgb)(pixels, pixel_format, colour)
        frame.colorspace, frame.color_range = stored_codes(pixel_format, colour)
        frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
        return frame


def check_target(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse a target that must not or cannot be written.

    Raises:
        WriteError: It is the source, a folder, exists and may not be replaced, or its folder is not writable.
    """
    if target == PIPE:
        return
    folder = target.parent
    if is_pictures(target):
        if source.is_dir() and folder.is_dir() and folder.samefile(source):
            raise WriteError(f"{folder} is the source itself; choose another folder.")
        present = numbered_pictures(target)
        if is_picture_list(source) and not source.is_dir():
            own = {path.resolve() for path in list_pictures(source)}
            if any(path.resolve() in own for path in present.values()):
                raise WriteError(f"{target} names pictures of the source itself; choose another folder or pattern.")
        if present and not overwrite:
            first = present[min(present)]
            raise WriteError(f"{first} exists already; choose another folder or allow its pictures to be replaced.")
        if not folder.exists():
            folder = folder.parent  # the folder of the pictures is made, those around it are not
    check_name(target)
    if target.is_dir():
        raise WriteError(f"{target} is a folder; name a file.")
    if target.exists() and source.exists() and target.samefile(source):
        raise WriteError(f"{target} is the source itself; choose another name.")
    if target.exists() and not overwrite:
        raise WriteError(f"{target} exists already; choose another name or allow it to be replaced.")
    if not folder.is_dir():
        raise WriteError(f"{target} cannot be written: there is no folder {folder}.")
    if not os.access(folder, os.W_OK):
        raise WriteError(f"{target} cannot be written: no permission in {folder}.")
