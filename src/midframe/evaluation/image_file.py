"""Single pictures on disk, through Pillow."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import MediaError, MissingExtraError, WriteError

WEBP_QUALITY = 92
"""Of pictures for the eye: differences of two or three levels come from it. Nothing is measured on them."""


def read_image(path: Path) -> np.ndarray:
    """Read an image as RGB of shape (height, width, 3), uint8.

    Raises:
        MediaError: The image does not decode.
        MissingExtraError: Pillow is not installed.
    """
    with _opened(path) as image:
        return np.array(image.convert("RGB"))


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, from the header alone.

    Raises:
        MediaError: The file is no image.
        MissingExtraError: Pillow is not installed.
    """
    with _opened(path) as image:
        return image.size


def write_image(picture: UInt8[Tensor, "3 height width"], path: Path) -> None:
    """Write an RGB frame in the format that the path's suffix names.

    Raises:
        WriteError: The file cannot be written.
        MissingExtraError: Pillow is not installed.
    """
    pillow = _pillow()
    try:
        pillow.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error


def image_address(picture: np.ndarray, size: tuple[int, int] | None = None) -> str:
    """RGB of shape (height, width, 3), uint8, as lossy WebP in a data address, for a page that holds its pictures.

    Args:
        picture: What to show.
        size: Width and height to show it at; its own where not stated.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    pillow = _pillow()
    image = pillow.fromarray(picture)
    if size is not None and image.size != size:
        image = image.resize(size, pillow.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, format="WEBP", quality=WEBP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Pillow's image, whose errors in the block become sentences."""
    pillow = _pillow()
    try:
        with pillow.open(path) as image:
            yield image
    except (OSError, SyntaxError) as error:  # Pillow reports damaged PNG chunks as SyntaxError.
        raise MediaError(f"{path} does not decode as an image: {error}.") from error


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("Reading and writing test images", "Pillow", "eval") from error
    return Image
