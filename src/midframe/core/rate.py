"""How a person states a rate, and the rule that the statement means."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

from midframe.core.errors import UsageError
from midframe.core.ramp import Ramp
from midframe.core.repair import Repair
from midframe.core.timeline import Multiply, RateRule, SlowDown, ToRate

Number: TypeAlias = Fraction | int | float | str
"""A number, or text such as `60`, `59.94` or `60000/1001`."""

RampPoints: TypeAlias = str | Sequence[tuple[Number, Number]]
"""Source seconds and the speed there: "0:1,5:0.25,8:1", or pairs of numbers."""

HIGHEST_RATE = 10_000
"""Frames per second above which a request is taken for a slip of the pen."""

# The NTSC rates have names that are rounded; what is meant is the exact fraction.
_EXACT = {
    Fraction(name): Fraction(thousands * 1000, 1001)
    for name, thousands in (
        ("23.976", 24),
        ("23.98", 24),
        ("29.97", 30),
        ("47.952", 48),
        ("59.94", 60),
        ("119.88", 120),
        ("239.76", 240),
    )
}


def parse_rate(value: Number) -> Fraction:
    """Frames per second as an exact fraction; rounded NTSC names (59.94 and its kin) mean n * 1000 / 1001.

    Raises:
        UsageError: Not a number, not positive, or above `HIGHEST_RATE`.
    """
    rate = _parse(value, "A frame rate")
    if not 0 < rate <= HIGHEST_RATE:
        raise UsageError(f"A frame rate lies above 0 and is at most {HIGHEST_RATE}; got {value}.")
    return _EXACT.get(rate, rate)


def parse_times(times: Sequence[Number]) -> list[Fraction]:
    """Instants as exact fractions.

    Raises:
        UsageError: Not a sequence of numbers.
    """
    if isinstance(times, str):
        raise UsageError(f"Times are a sequence, such as ['1/4', '1/2']; got '{times}'.")
    return [_parse(time, "A time") for time in times]


def rate_rule(
    *,
    fps: Number | None = None,
    multi: Number | None = None,
    slow: Number | None = None,
    vfr: bool = False,
    ramp: RampPoints | None = None,
    repair: bool = False,
) -> RateRule:
    """The rule that a combination of wishes means; twice the frames where none is stated.

    Args:
        fps: Frames per second of the output.
        multi: Divide each gap of the source into this many parts.
        slow: Stretch time by this factor; `fps` then is the rate at which the result is shown.
        vfr: Keep every instant of the source and add between them: `multi`, which is 2 where not stated.
        ramp: Change the speed on the way (`core.ramp`); `fps` then is the rate at which the result is shown.
        repair: Keep the source's frames and rate, and make only what is damaged or missing.

    Raises:
        UsageError: Wishes that contradict each other, or a number that cannot be.
    """
    if repair:
        if vfr or any(wish is not None for wish in (fps, multi, slow, ramp)):
            raise UsageError("repair keeps the source's rate; it goes with none of fps, multi, slow, vfr and ramp.")
        return Repair()
    if multi is not None and (fps is not None or slow is not None):
        raise UsageError("multi sets the number of frames by itself; it goes with neither fps nor slow.")
    if vfr and (fps is not None or slow is not None):
        raise UsageError("vfr keeps the source's own instants; it goes with neither fps nor slow.")
    if ramp is not None and (slow is not None or multi is not None or vfr):
        raise UsageError("ramp sets the speed by itself; it goes with fps, and not with slow, multi or vfr.")
    rate = None if fps is None else parse_rate(fps)
    if ramp is not None:
        return Ramp(parse_ramp(ramp), rate)
    if slow is not None:
        return SlowDown(_parse(slow, "A slow-motion factor"), rate)
    if rate is not None:
        return ToRate(rate)
    parts = _parse(2 if multi is None else multi, "A multiple of the frames")
    if parts.denominator != 1:
        raise UsageError(f"multi divides each gap into a whole number of parts; got {multi}. For others take fps.")
    return Multiply(parts.numerator)


def parse_ramp(points: RampPoints) -> tuple[tuple[Fraction, Fraction], ...]:
    """Exact points of a speed ramp.

    Raises:
        UsageError: Not pairs of numbers.
    """
    pairs = points
    if isinstance(points, str):
        stated = [tuple(point.split(":")) for point in points.split(",")]
        if any(len(point) != 2 for point in stated):
            raise UsageError(
                f"A speed ramp is written as seconds:speed,seconds:speed, as 0:1,5:0.25; got '{points}'."
            )
        pairs = stated
    return tuple((_parse(moment, "A time of a speed ramp"), _parse(speed, "A speed")) for moment, speed in pairs)


def _parse(value: Number, what: str) -> Fraction:
    try:
        # Text first: a float 59.94 is meant as written, not as its nearest binary fraction.
        return Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{what} is a number such as 60, 59.94 or 60000/1001; got '{value}'.") from None
