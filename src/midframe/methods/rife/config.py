"""Architecture of the default network: the numbers, and the checks between them."""

from __future__ import annotations

from dataclasses import dataclass

from midframe.core.errors import RecipeError


@dataclass(frozen=True, kw_only=True)
class RifeConfig:
    """Widths and depths of the matching pyramid (see `network.py`).

    Attributes:
        feature_widths: Encoder channels at 1/2, 1/4 and 1/8 of a level's size.
        coarse_width: Channels of the block shared by all levels from 1/8 down.
        coarse_depth: Residual convolutions in it.
        coarse_radius: Correlation window of it, in cells; motions up to twice that many cells.
        middle_width: Channels of the block at 1/4.
        middle_depth: Residual convolutions in it.
        middle_radius: Correlation window of it.
        fine_width: Channels of the block at 1/2.
        fine_depth: Residual convolutions in it.
        memory: Channels handed from each block to the next finer one.
        levels: Visits of the shared block in training: 3 means 1/32, 1/16, 1/8.
        teacher: Build the privileged teacher, which exists in training only.
    """

    feature_widths: tuple[int, int, int] = (16, 32, 48)
    coarse_width: int = 96
    coarse_depth: int = 5
    coarse_radius: int = 3
    middle_width: int = 64
    middle_depth: int = 4
    middle_radius: int = 1
    fine_width: int = 32
    fine_depth: int = 2
    memory: int = 24
    levels: int = 3
    teacher: bool = False

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise RecipeError(f"levels must be at least 1; got {self.levels}.")
        if min(self.coarse_radius, self.middle_radius) < 0:
            raise RecipeError("a correlation radius cannot be negative.")
