"""How much memory a method works in, where it has a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from midframe.core.method import Interpolator


@dataclass(frozen=True, kw_only=True)
class WorkSize:
    """One way to make a frame.

    Attributes:
        scale: Resolution of the flow relative to the frame.
        tile_pixels: Most pixels, of the frame on which flow is estimated, that are worked on at once; None for all.
        seamless: In tiles the frame is that of the whole; else it is another one, as good or nearly.
        size_bytes: Largest memory of a call that makes one frame, beyond the frames that go in and come out.
        words: For a method without flow, what it does; it stands in the place of scale and tiles.
    """

    scale: Fraction = Fraction(1)
    tile_pixels: int | None = None
    seamless: bool = True
    size_bytes: int
    words: str = ""

    def sentence(self) -> str:
        """For a person."""
        if self.words:
            return self.words
        flow = "flow at the frame's size" if self.scale == 1 else f"flow at {self.scale} of the frame's size"
        if self.tile_pixels is None:
            return f"{flow}, whole frames"
        return f"{flow}, the rest in tiles of {self.tile_pixels / 1e6:.2f} million pixels"


@runtime_checkable
class Resizable(Interpolator, Protocol):
    """An interpolator that can make the same frames, or nearly, in less memory."""

    def sizes(self, height: int, width: int) -> Sequence[WorkSize]:
        """What it can do for one frame of a size, the best result first; memory falls along the list."""
        ...

    def smaller(self, height: int, width: int) -> WorkSize | None:
        """The size below the one it works in; None below the smallest."""
        ...

    def resized(self, size: WorkSize) -> Interpolator:
        """The same method working in that size; shares its weights."""
        ...
