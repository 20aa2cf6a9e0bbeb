"""Pictures side by side with their names above them. All are (height, width, 3) RGB, uint8."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from types import ModuleType

import numpy as np

from midframe.core.errors import MissingExtraError

GAP = 4
"""Pixels between two panels."""
BACKGROUND = (24, 24, 24)
INK, FAINT_INK = (240, 240, 240), (150, 150, 150)
SMALLEST_FONT = 11


def labelled(pixels: np.ndarray, name: str, note: str = "") -> np.ndarray:
    """A picture below a bar with its name, and a fainter note at the bar's right end.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    return np.concatenate([_bar(pixels.shape[1], name, note), pixels])


def tiled(panels: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Panels in rows of `columns`, with gaps between; the background fills what is left. Sides are made even."""
    rows = [_beside(panels[start : start + columns]) for start in range(0, len(panels), columns)]
    width = max(row.shape[1] for row in rows)
    parts: list[np.ndarray] = []
    for row in rows:
        parts += [_filled(GAP, width)] if parts else []
        parts.append(np.concatenate([row, _filled(row.shape[0], width - row.shape[1])], axis=1))
    whole = np.concatenate(parts)
    below, right = whole.shape[0] % 2, whole.shape[1] % 2
    whole = np.concatenate([whole, _filled(whole.shape[0], right)], axis=1)
    return np.concatenate([whole, _filled(below, whole.shape[1])])


def reduced(pixels: np.ndarray, width: int, height: int, pixel_aspect: Fraction = Fraction(1)) -> np.ndarray:
    """The picture with square pixels, made to fit into `width` x `height` of them; never enlarged but for that.

    Args:
        pixel_aspect: Width of a pixel of the picture over its height.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    true_width = pixels.shape[1] * pixel_aspect
    factor = min(1, width / true_width, height / Fraction(pixels.shape[0]))
    size = (max(1, round(true_width * factor)), max(1, round(pixels.shape[0] * factor)))
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    image, _, _ = _pillow()
    return np.asarray(image.fromarray(np.ascontiguousarray(pixels)).resize(size, image.Resampling.LANCZOS))


def crop_around(pixels: np.ndarray, centre: tuple[int, int], width: int, height: int) -> np.ndarray:
    """The part of a picture around a place (row, column), moved inside where it would reach over the border."""
    starts = [
        min(max(0, place - size // 2), max(0, side - size))
        for place, size, side in zip(centre, (height, width), pixels.shape[:2], strict=True)
    ]
    return pixels[starts[0] : starts[0] + height, starts[1] : starts[1] + width]


def _beside(panels: Sequence[np.ndarray]) -> np.ndarray:
    height = max(panel.shape[0] for panel in panels)
    parts: list[np.ndarray] = []
    for panel in panels:
        parts += [_filled(height, GAP)] if parts else []
        parts.append(np.concatenate([panel, _filled(height - panel.shape[0], panel.shape[1])]))
    return np.concatenate(parts, axis=1)


def _filled(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


@lru_cache(maxsize=64)
def _bar(width: int, name: str, note: str) -> np.ndarray:
    image, draw, font = _pillow()
    size = max(SMALLEST_FONT, width // 26)
    height = round(size * 1.7)
    bar = image.new("RGB", (width, height), BACKGROUND)
    pen, letters, middle = draw.Draw(bar), font.load_default(size), height // 2
    pen.text((size // 2, middle), name, fill=INK, font=letters, anchor="lm")
    pen.text((width - size // 2, middle), note, fill=FAINT_INK, font=letters, anchor="rm")
    return np.asarray(bar)


def _pillow() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise MissingExtraError("Labels on pictures", "Pillow", "eval") from error
    return Image, ImageDraw, ImageFont
