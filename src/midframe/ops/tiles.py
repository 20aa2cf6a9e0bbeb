"""Boxes that cover a frame: pure arithmetic, for work that is done part by part."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A part of a frame: rows from `top` to `bottom`, columns from `left` to `right`, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width

    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing the last two axes."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def divided(self, divisor: int) -> Box:
        """The same part of a frame that is smaller by `divisor`, of which all sides must be multiples."""
        return Box(self.top // divisor, self.left // divisor, self.bottom // divisor, self.right // divisor)

    def within(self, outer: Box) -> Box:
        """This box as seen from the corner of one that holds it."""
        return Box(self.top - outer.top, self.left - outer.left, self.bottom - outer.top, self.right - outer.left)

    def holds(self, inner: Box) -> bool:
        return (
            self.top <= inner.top
            and self.left <= inner.left
            and self.bottom >= inner.bottom
            and self.right >= inner.right
        )

    def joined(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def grown(self, margin: int) -> Box:
        return Box(self.top - margin, self.left - margin, self.bottom + margin, self.right + margin)

    def fitted(self, frame: Box, multiple: int) -> Box:
        """Grown outwards to multiples of a number, then cut off at the frame's border."""
        return Box(
            max(frame.top, self.top // multiple * multiple),
            max(frame.left, self.left // multiple * multiple),
            min(frame.bottom, -(-self.bottom // multiple) * multiple),
            min(frame.right, -(-self.right // multiple) * multiple),
        )


def cover(height: int, width: int, area: int, multiple: int = 1) -> Iterator[Box]:
    """Divide a frame into boxes of nearly one size, row by row; each pixel lies in exactly one of them.

    Args:
        height: Of the frame, in pixels.
        width: Of the frame.
        area: Most pixels of a box. One of a single multiple each way is made where less is asked for.
        multiple: Of which all inner borders are.
    """
    side = max(1, math.isqrt(area) // multiple)  # in multiples
    rows, columns = -(-height // multiple), -(-width // multiple)
    # Where the frame is narrow the boxes may be taller.
    across = -(-columns // side)
    widest = -(-columns // across)
    tallest = max(1, area // (widest * multiple**2))
    down = -(-rows // tallest)
    for row in range(down):
        top, bottom = row * rows // down * multiple, (row + 1) * rows // down * multiple
        for column in range(across):
            left, right = column * columns // across * multiple, (column + 1) * columns // across * multiple
            yield Box(top, left, min(bottom, height), min(right, width))


def overlapping(height: int, width: int, side: int, margin: int, multiple: int = 1) -> list[Box]:
    """Divide a frame into boxes that overlap, row by row.

    Args:
        height: Of the frame, in pixels.
        width: Of the frame.
        side: Of a box; where the frame is smaller, the box is as small.
        margin: Least overlap of neighbours, less than `side`.
        multiple: Of which all borders are; frame, side and margin must be.
    """
    rows = _starts(height // multiple, side // multiple, margin // multiple)
    columns = _starts(width // multiple, side // multiple, margin // multiple)
    return [
        Box(top * multiple, left * multiple, min(top * multiple + side, height), min(left * multiple + side, width))
        for top in rows
        for left in columns
    ]


def _starts(length: int, side: int, margin: int) -> list[int]:
    """Where pieces of a line begin that cover it evenly and overlap by a margin or more."""
    if length <= side:
        return [0]
    steps = -(-(length - side) // (side - margin))
    return [step * (length - side) // steps for step in range(steps + 1)]


def quarters(box: Box, multiple: int = 1) -> list[Box]:
    """A box cut in the middle, both ways, at multiples of a number; fewer than four where a side is too short."""
    middle_row = (box.top + box.height // 2) // multiple * multiple
    middle_column = (box.left + box.width // 2) // multiple * multiple
    rows = sorted({box.top, max(box.top, middle_row), box.bottom})
    columns = sorted({box.left, max(box.left, middle_column), box.right})
    return [
        Box(top, left, bottom, right)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
