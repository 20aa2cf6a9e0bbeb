"""Speed ramps: the speed of a video as a person draws it, and the exact map between source time and output time.

Between two points the speed changes evenly in *output* time, as a speed graph of an editor shows it: constant
acceleration. With speeds u and v, T seconds into a stretch that lasts D, the source stands at

    a + u T + (v - u) T^2 / (2 D),    D = 2 (b - a) / (u + v),

where a and b are the source times of the two points. All of it is rational where the points are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from midframe.core.errors import UsageError

SLOWEST, FASTEST = Fraction(1, 1000), Fraction(1000)
ROOT_ERROR = 10**12
"""Inverse of the largest error of a moment, in seconds, that only a square root could state."""


@dataclass(frozen=True)
class Ramp:
    """Show the source at a changing speed, at `rate` frames per second; by default the source's average rate.

    Number of frames: as `ToRate` for a source that lasts as long as the retimed one.

    Attributes:
        points: Source seconds since the first frame, and the speed there (1 is the source's own, 1/4 slow motion).
            Before the first and behind the last the speed stays. Two points at one time are a step.
        rate: Frames per second of the output.
    """

    points: tuple[tuple[Fraction, Fraction], ...]
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if not self.points:
            raise UsageError("A speed ramp needs at least one point, such as 0:0.5.")
        for moment, speed in self.points:
            if moment < 0:
                raise UsageError(f"A speed ramp counts seconds from the first frame, at 0; got {float(moment):g}.")
            if not SLOWEST <= speed <= FASTEST:
                raise UsageError(
                    f"A speed lies between {float(SLOWEST):g} and {float(FASTEST):g}; got {float(speed):g}."
                )
        for (before, _), (after, _) in pairwise(self.points):
            if after < before:
                raise UsageError(
                    f"Points of a speed ramp go forward in time; got {float(after):g} s after {float(before):g} s."
                )
        if self.rate is not None and self.rate <= 0:
            raise UsageError(f"A frame rate must be positive; got {self.rate}.")

    def __str__(self) -> str:
        points = ",".join(f"{moment}:{speed}" for moment, speed in self.points)
        return f"ramp {points}{'' if self.rate is None else f', fps {self.rate}'}"

    @property
    def slowest(self) -> Fraction:
        return min(speed for _, speed in self.points)

    @property
    def keeps_time(self) -> bool:
        """The speed is 1 throughout."""
        return all(speed == 1 for _, speed in self.points)

    def source_time(self, time: Fraction) -> Fraction:
        """Source seconds that are shown at an output time; exact."""
        stretch = self._stretches[0]
        for later in self._stretches[1:]:
            if time < later.output_start:
                break
            stretch = later
        return stretch.source_time(time)

    def output_time(self, moment: Fraction) -> Fraction:
        """When a moment of the source is shown; exact at every point and wherever the speed is constant.

        Inside a changing stretch it may be irrational, and is then off by at most 1 / `ROOT_ERROR` seconds.
        """
        stretch = self._stretches[0]
        for later in self._stretches[1:]:
            if moment < later.source_start:
                break
            stretch = later
        return stretch.output_time(moment)

    def sentence(self) -> str:
        """The ramp for a person."""
        stated = ", ".join(f"{float(speed):g} at {float(moment):g} s" for moment, speed in self.points)
        return stated + (", changing evenly in between" if len(self.points) > 1 else "")

    @cached_property
    def _stretches(self) -> Sequence[_Stretch]:
        return tuple(self._drawn())

    def _drawn(self) -> Iterator[_Stretch]:
        first_moment, first_speed = self.points[0]
        output = first_moment / first_speed
        yield _Stretch(Fraction(0), Fraction(0), first_speed, Fraction(0))
        for (start, speed), (end, next_speed) in pairwise(self.points):
            if end == start:
                continue
            duration = 2 * (end - start) / (speed + next_speed)
            yield _Stretch(start, output, speed, (next_speed - speed) / duration)
            output += duration
        yield _Stretch(self.points[-1][0], output, self.points[-1][1], Fraction(0))


@dataclass(frozen=True)
class _Stretch:
    """A span of constant acceleration.

    Attributes:
        source_start: Seconds of the source at which it opens.
        output_start: When that is shown.
        speed: There.
        acceleration: Of the source, in source seconds for each output second squared.
    """

    source_start: Fraction
    output_start: Fraction
    speed: Fraction
    acceleration: Fraction

    def source_time(self, time: Fraction) -> Fraction:
        passed = time - self.output_start
        return self.source_start + self.speed * passed + self.acceleration * passed**2 / 2

    def output_time(self, moment: Fraction) -> Fraction:
        way = moment - self.source_start
        if not self.acceleration or not way:
            return self.output_start + way / self.speed
        # The smaller root of a T^2 / 2 + u T - way, in the form that does not divide by a small difference.
        root = _square_root(self.speed**2 + 2 * self.acceleration * way)
        return self.output_start + 2 * way / (self.speed + root)


def _square_root(value: Fraction) -> Fraction:
    """Exact for the square of a fraction, else to far more digits than a time needs."""
    numerator, denominator = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if numerator**2 == value.numerator and denominator**2 == value.denominator:
        return Fraction(numerator, denominator)
    scale = ROOT_ERROR**2
    return Fraction(math.isqrt(value.numerator * scale**2 // value.denominator), scale)


def first_shown_from(ramp: Ramp, rate: Fraction, moment: Fraction, shift: Fraction = Fraction(0)) -> int:
    """The smallest k, 0 or more, for which output time (k + shift) / rate shows the source at `moment` or later.

    Exact: a root only tells where to look.
    """
    k = max(0, math.ceil(ramp.output_time(moment) * rate - shift))
    while k > 0 and ramp.source_time((k - 1 + shift) / rate) >= moment:
        k -= 1
    while ramp.source_time((k + shift) / rate) < moment:
        k += 1
    return k
