"""A picture of a training's progress: the truth on top, below it a row for each validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from midframe.engine.pixels import to_pixels
from midframe.video.picture import read_picture, write_picture

GAP = 2
"""White lines between two rows."""
MOST_ROWS = 200
"""Older ones are thinned out beyond: every second one goes."""


def grow_strip(path: Path, truth: Float[Tensor, "3 height width"], made: Float[Tensor, "3 height width"]) -> None:
    """Add a row to the picture; begin it where there is none, or one of another size.

    Args:
        path: A PNG file.
        truth: The frames as filmed, side by side, in [0, 1].
        made: The same frames as they are made now.

    Raises:
        WriteError: The file cannot be written.
    """
    rows = [
        to_pixels(truth, np.dtype(np.uint8)),
        *_rows(path, (truth.shape[1], truth.shape[2])),
        to_pixels(made, np.dtype(np.uint8)),
    ]
    if len(rows) > MOST_ROWS:
        rows = [rows[0], *rows[1:-1:2], rows[-1]]
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    parts = [part for row in rows for part in (row, gap)][:-1]
    write_picture(path, np.concatenate(parts))


def _rows(path: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """What was made before; nothing where the picture is missing or has other rows."""
    if not path.is_file():
        return []
    picture = read_picture(path)
    height, width = size
    count, rest = divmod(picture.shape[0] + GAP, height + GAP)
    if rest or picture.shape[1] != width:
        return []
    starts = (number * (height + GAP) for number in range(1, count))
    return [picture[start : start + height] for start in starts]
