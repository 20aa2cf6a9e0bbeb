"""The architecture as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midframe.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SvmvConfig:
    """Widths and depths of the network (see `network.py`).

    Attributes:
        members: M, offsets for each pixel and source.
        synthesis: `splat` sends the pixels of the two middle frames forward along their offsets; `gather` fetches
            them, for each pixel of the new frame, from all four frames.
        feature_widths: Encoder channels at 1/2, 1/4 and 1/8 of a level's size.
        coarse_width: Channels of the block shared by all levels from 1/8 down.
        coarse_depth: Residual convolutions in it.
        coarse_radius: Correlation window of it, in cells; at 1/32 each cell is 32 pixels of motion.
        middle_width: Channels of the block at 1/4; in the gather variant it creates the ensemble.
        middle_depth: Residual convolutions in it.
        middle_radius: Correlation window of it.
        fine_width: Channels of the block at 1/2; in the splat variant it creates the ensemble.
        fine_depth: Residual convolutions in it.
        fine_radius: Correlation window of it.
        memory: Channels handed from each block to the next finer one.
        levels: Levels of the shared block in training: 3 means 1/32, 1/16, 1/8.
        visits: Times that each of its levels but the finest is looked at.
        outer_frames: Without them the two middle frames stand for all four and motion is linear, as a comparison;
            `splat` only.
        alignment: Steps of least squares on the colours (`ops.alignment`) that correct the motion before the block at
            1/4, before the one at 1/2, and at full size; `splat` only.
        cubic: A pixel's motion bends by the accelerations that both sources saw, on a cubic curve; without it by that
            of its own source, on a parabola. `splat` only.
        sharpen: Put back what splatting blurs, as far as the network says for each pixel (`synthesis.py`); `splat`
            only.
    """

    members: int = 8
    synthesis: Literal["splat", "gather"] = "splat"
    feature_widths: tuple[int, int, int] = (16, 32, 48)
    coarse_width: int = 96
    coarse_depth: int = 5
    coarse_radius: int = 3
    middle_width: int = 64
    middle_depth: int = 4
    middle_radius: int = 1
    fine_width: int = 40
    fine_depth: int = 4
    fine_radius: int = 1
    memory: int = 24
    levels: int = 3
    visits: int = 1
    outer_frames: bool = True
    alignment: tuple[int, int, int] = (0, 0, 0)
    cubic: bool = False
    sharpen: bool = False

    def __post_init__(self) -> None:
        if self.members < 1:
            raise UsageError(f"members must be at least 1; got {self.members}.")
        if self.levels < 1:
            raise UsageError(f"levels must be at least 1; got {self.levels}.")
        if self.visits < 1:
            raise UsageError(f"visits must be at least 1; got {self.visits}.")
        if min(self.alignment) < 0:
            raise UsageError(f"alignment counts steps; got {self.alignment}.")
        of_splat = self.sharpen or self.cubic or any(self.alignment) or not self.outer_frames
        if self.synthesis == "gather" and of_splat:
            raise UsageError("alignment, cubic, sharpen and outer_frames belong to the splat synthesis.")
        if min(self.coarse_radius, self.middle_radius, self.fine_radius) < 0:
            raise UsageError("a correlation radius cannot be negative.")

    def size_multiple(self, levels: int | None = None) -> int:
        """What height and width must be multiples of, for that many visits of the shared block."""
        return 8 * 2 ** ((levels or self.levels) - 1)
