"""Single pictures: read whatever FFmpeg reads, write PNG without loss."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from midframe.core.errors import UsageError, WriteError
from midframe.video.probe import probe
from midframe.video.read import read_frame


def read_picture(path: Path, *, alpha: bool = False, allow_loss: bool = False) -> np.ndarray:
    """The picture as (height, width, 3) RGB: uint8, or uint16 with white at 65535 for deeper files.

    A picture that is stored on its side, as cameras do, is turned upright; PyAV does not tell of mirrored ones.

    Args:
        path: A file with at least one picture.
        alpha: Give a picture that is transparent somewhere as RGBA, of four channels.
        allow_loss: Read a picture that is transparent somewhere, without its transparency.

    Raises:
        MediaError: The file is missing, empty, damaged or no picture.
        UsageError: The picture is transparent somewhere, which would be lost.
    """
    info = probe(path)
    pixels = read_frame(path, 0, alpha=info.has_alpha)
    if info.has_alpha and (allow_loss or _is_opaque(pixels)):
        pixels = pixels[..., :3]
    elif info.has_alpha and not alpha:
        raise UsageError(f"{path} is transparent in places, which is not used here. Allow the loss.")
    return np.ascontiguousarray(np.rot90(pixels, info.quarter_turns))


def write_pictures(folder: Path, pictures: Sequence[np.ndarray], *, overwrite: bool = False) -> list[Path]:
    """Write `0001.png` and so on; nothing is written where one of them exists and may not be replaced.

    Args:
        folder: Made if missing.
        pictures: RGB or RGBA as `read_picture` gives it.
        overwrite: Replace files that exist.

    Raises:
        WriteError: A file exists, or the folder or a file cannot be written.
    """
    paths = [folder / f"{number:04d}.png" for number in range(1, len(pictures) + 1)]
    present = [path for path in paths if path.exists()]
    if present and not overwrite:
        raise WriteError(f"{present[0]} exists already; choose another folder or allow it to be replaced.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, pixels in zip(paths, pictures, strict=True):
            path.write_bytes(_png(pixels))
    except OSError as error:
        raise WriteError(f"Pictures cannot be written to {folder}: {error.strerror or error}.") from error
    return paths


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write one PNG file, replacing another; it appears under its name only when it is whole.

    Raises:
        WriteError: The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(_png(pixels))
        partial.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _is_opaque(pixels: np.ndarray) -> bool:
    """Whether all pixels are; formats such as WebP have room for transparency even where there is none."""
    return bool((pixels[..., 3] == np.iinfo(pixels.dtype).max).all())


def _png(pixels: np.ndarray) -> bytes:
    eight, sixteen = ("rgb24", "rgb48") if pixels.shape[2] == 3 else ("rgba", "rgba64")
    # PNG stores 16-bit numbers with the high byte first.
    stored = (
        av.VideoFrame.from_ndarray(pixels, format=eight)
        if pixels.dtype == np.uint8
        else av.VideoFrame.from_ndarray(pixels, format=f"{sixteen}le").reformat(format=f"{sixteen}be")
    )
    encoder = VideoCodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = stored.width, stored.height, stored.format.name
    encoder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in (*encoder.encode(stored), *encoder.encode(None)))
