"""Repair: every frame of the source at its own instant, and new ones only where frames are damaged or missing."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

CONSTANT_SHARE = Fraction(1, 2)
LONGEST_HOLE_SECONDS = 1
"""A gap that is longer is taken for one that is meant."""
LONGEST_STEP = Fraction(3, 2)
"""What is longer than so many usual steps is a hole."""
STRAY = Fraction(1, 6)
"""Part of a frame by which a stamp may miss a constant cadence, at most `STRAY_SECONDS`."""
STRAY_SECONDS = Fraction(2, 1000)


@dataclass(frozen=True)
class Repair:
    """Keep the source's rate, and make a frame only at an instant at which none comes out of the decoder.

    Number of frames: as many as there are instants in `instants`: those of all packets, and those that are missing
    from an otherwise constant cadence.

    Attributes:
        instants: Seconds since the first whole frame, ascending; filled by the plan.
        end: Seconds at which the last one ends.
        missing: How many of them no packet has.
    """

    instants: tuple[Fraction, ...] = field(default=(), repr=False)
    end: Fraction = Fraction(0)
    missing: int = 0

    @property
    def step(self) -> Fraction:
        """Seconds from one instant to the next, without the holes that are too long to fill.

        Raises:
            ValueError: There are fewer than two instants.
        """
        steps = [late - early for early, late in itertools.pairwise(self.instants)]
        usual = LONGEST_STEP * statistics.median(steps)
        near = [step for step in steps if step <= usual]
        return sum(near, Fraction(0)) / len(near)

    def __str__(self) -> str:
        return f"repair, {self.missing} missing, {self.end} s"

    def sentence(self) -> str:
        """For a person."""
        return f"{self.missing} frames are missing from the cadence; these, and all that do not decode, are made anew"


def repaired(times: Sequence[Fraction], end: Fraction, tick: Fraction) -> Repair:
    """The rule for a source.

    Args:
        times: Of its packets, seconds since the first whole frame, ascending.
        end: Seconds at which the last frame ends.
        tick: Seconds of one tick of its stamps; what is missing is placed on whole ones.
    """
    missing = missing_instants(times, tick)
    return Repair(tuple(sorted({*times, *missing})), end, len(missing))


def missing_instants(times: Sequence[Fraction], tick: Fraction) -> list[Fraction]:
    """Instants that an otherwise constant cadence lacks.

    A cadence is constant where every gap is a multiple of one step, and more than half of them are one step. Then a
    gap of n steps, up to a second, lacks n - 1 frames. Where it is not constant, nothing is said to be missing.

    Args:
        times: Ascending, in seconds.
        tick: What the result is rounded to.
    """
    steps = [late - early for early, late in itertools.pairwise(times)]
    if len(steps) < 2:
        return []
    usual = statistics.median(steps)
    counts = [max(1, round(step / usual)) for step in steps]
    if sum(count == 1 for count in counts) <= CONSTANT_SHARE * len(counts):
        return []
    short = [(step, count) for step, count in zip(steps, counts, strict=True) if step <= LONGEST_HOLE_SECONDS]
    if not short:
        return []
    exact = sum((step for step, _ in short), Fraction(0)) / sum(count for _, count in short)
    stray = min(STRAY_SECONDS, STRAY * exact)
    if any(abs(step - count * exact) > stray for step, count in short):
        return []
    return [
        round((early + (late - early) * Fraction(k, count)) / tick) * tick
        for (early, late), count in zip(itertools.pairwise(times), counts, strict=True)
        if late - early <= LONGEST_HOLE_SECONDS
        for k in range(1, count)
    ]
