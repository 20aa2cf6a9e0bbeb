"""Rational time: which instants an output video shows, and where each of them lies in its source.

Source frame i is shown from its time t_i until t_{i+1}; that span is gap i. The last frame is shown until the
end of the video, and nothing lies behind it to move towards: inside its gap the frame is held.

Every rule is a function of one gap alone, so a video of any length is planned with no look-ahead at all.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from midframe.core.errors import UsageError
from midframe.core.ramp import Ramp, first_shown_from
from midframe.core.repair import Repair

HALF = Fraction(1, 2)
MOST_IN_GAP = 2**18
"""Output frames between two frames of the source, beyond which its stamps are taken for damaged: more than an hour at
60 fps, in which a single frame is shown."""
FINE_TICK = Fraction(1, 100_000)
"""Seconds of a tick that is as good as exact for the end of a video."""


@dataclass(frozen=True)
class Gap:
    """The span in which one source frame is the newest.

    Attributes:
        index: Number of the source frame, from 0.
        start: Its time in seconds since the first frame; the first frame is at 0.
        duration: Seconds until the next frame, or until the end of the video.
        is_last: No frame follows.
    """

    index: int
    start: Fraction
    duration: Fraction
    is_last: bool = False

    @property
    def end(self) -> Fraction:
        return self.start + self.duration


@dataclass(frozen=True)
class Instant:
    """One output frame: when it is shown, and where it lies in the source.

    Attributes:
        time: Output seconds since the first output frame.
        source: Index of the source frame at or before the instant.
        local: Place between frame `source` (0) and the next (1); at 0 the source frame itself is shown.
    """

    time: Fraction
    source: int
    local: Fraction


@dataclass(frozen=True)
class TimedInstant(Instant):
    """An instant with the seconds for which its frame is shown."""

    duration: Fraction


@dataclass(frozen=True)
class ToRate:
    """Resample to a constant rate: instants k / rate.

    Number of frames: the source's duration times the rate, rounded (half down); at least one, and never fewer
    than there are instants before the last source frame.
    """

    rate: Fraction

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise UsageError(f"A frame rate must be positive; got {self.rate}.")

    def __str__(self) -> str:
        return f"fps {self.rate}"


@dataclass(frozen=True)
class Multiply:
    """Keep every instant of the source and divide each gap into `factor` equal parts, whatever its length.

    A variable frame rate stays variable. Number of frames: (source frames - 1) * factor + 1. The last frame
    keeps the duration that it has in the source.
    """

    factor: int

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise UsageError(f"Frames can be multiplied by 1 or more; got {self.factor}.")

    def __str__(self) -> str:
        return f"multi {self.factor}"


@dataclass(frozen=True)
class SlowDown:
    """Stretch time by `factor` and show the result at `rate`, by default the average rate of the source.

    Number of frames: as `ToRate` for a source that lasts `factor` times as long.
    """

    factor: Fraction
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.factor <= 0:
            raise UsageError(f"Time can be stretched by a positive factor; got {self.factor}.")
        if self.rate is not None and self.rate <= 0:
            raise UsageError(f"A frame rate must be positive; got {self.rate}.")

    def __str__(self) -> str:
        return f"slow {self.factor}{'' if self.rate is None else f', fps {self.rate}'}"


RateRule: TypeAlias = ToRate | Multiply | SlowDown | Ramp | Repair


def output_time(rule: RateRule, moment: Fraction) -> Fraction:
    """When a moment of the source is shown; both in seconds since the first frame."""
    if isinstance(rule, Ramp):
        return rule.output_time(moment)
    return moment * rule.factor if isinstance(rule, SlowDown) else moment


def source_time(rule: RateRule, time: Fraction) -> Fraction:
    """The moment of the source that is shown at an output time; both in seconds since the first frame."""
    if isinstance(rule, Ramp):
        return rule.source_time(time)
    return time / rule.factor if isinstance(rule, SlowDown) else time


def keeps_time(rule: RateRule) -> bool:
    """Whether the output runs at the speed of the source throughout."""
    if isinstance(rule, Ramp):
        return rule.keeps_time
    return not isinstance(rule, SlowDown) or rule.factor == 1


def output_rate(rule: RateRule, source_rate: Fraction | None) -> Fraction | None:
    """Frames per second of the output; None where it follows a source of unknown or variable rate.

    Raises:
        UsageError: Another speed at the source's own rate, where that rate is unknown.
    """
    if isinstance(rule, ToRate):
        return rule.rate
    if isinstance(rule, Repair):
        return source_rate
    if isinstance(rule, Multiply):
        return None if source_rate is None else source_rate * rule.factor
    rate = rule.rate or source_rate
    if rate is None:
        raise UsageError("The source does not state its frame rate: slow motion needs the rate of the output.")
    return rate


def instants_in_gap(
    rule: RateRule, gap: Gap, source_rate: Fraction | None = None, tolerance: Fraction = Fraction(0)
) -> list[Instant]:
    """Output instants for which the gap's frame is the newest source frame.

    Args:
        rule: How output instants follow from source instants.
        gap: The source frame and the time it stands.
        source_rate: Average rate of the source; needed for `SlowDown` and `Ramp` without a rate of their own.
        tolerance: Rounding error of the source's time stamps in seconds. An instant this close to a source
            frame is that frame: a container that counts milliseconds puts the frames of 23.976 fps up to half
            a millisecond off their true place. At most a quarter of the distance of two instants counts, or
            strong slow motion would show one frame several times.

    Returns:
        Instants in ascending order, possibly none.

    Raises:
        UsageError: More than `MOST_IN_GAP` of them.
    """
    if isinstance(rule, Multiply):
        count = 1 if gap.is_last else rule.factor
        _check_count(gap, count)
        step = gap.duration / rule.factor
        return [Instant(gap.start + step * k, gap.index, Fraction(k, rule.factor)) for k in range(count)]
    if isinstance(rule, Repair):
        return _repaired(rule, gap, tolerance)
    rate, tolerance = _rate_and_tolerance(rule, source_rate, tolerance)
    first, stop = _numbers(rule, rate, gap, tolerance)
    _check_count(gap, stop - first)
    instants = []
    for k in range(first, stop):
        offset = source_time(rule, k / rate) - gap.start
        held = gap.is_last or abs(offset) <= tolerance
        instants.append(Instant(k / rate, gap.index, Fraction(0) if held else offset / gap.duration))
    return instants


def check_gap(rule: RateRule, gap: Gap, source_rate: Fraction | None = None) -> None:
    """Refuse what `instants_in_gap` would refuse, without making a single instant.

    Raises:
        UsageError: More than `MOST_IN_GAP` of them.
    """
    if isinstance(rule, Multiply):
        _check_count(gap, 1 if gap.is_last else rule.factor)
    elif not isinstance(rule, Repair):
        rate, tolerance = _rate_and_tolerance(rule, source_rate, Fraction(0))
        first, stop = _numbers(rule, rate, gap, tolerance)
        _check_count(gap, stop - first)


def _rate_and_tolerance(
    rule: ToRate | SlowDown | Ramp, source_rate: Fraction | None, tolerance: Fraction
) -> tuple[Fraction, Fraction]:
    """Output frames per second, and the part of a tolerance that counts."""
    rate = output_rate(rule, source_rate)
    assert rate is not None  # the other rules alone have no rate of their own
    slowest = rule.slowest if isinstance(rule, Ramp) else source_time(rule, Fraction(1))
    return rate, min(tolerance, slowest / (4 * rate))


def _numbers(rule: ToRate | SlowDown | Ramp, rate: Fraction, gap: Gap, tolerance: Fraction) -> tuple[int, int]:
    """The first output frame of a gap, and the first behind it."""
    first = _first_from(rule, rate, gap.start - tolerance)
    if gap.is_last:
        stop = _first_from(rule, rate, gap.end, HALF)
        if gap.index == 0:
            stop = max(stop, 1)
    else:
        stop = max(first, _first_from(rule, rate, gap.end - tolerance))
    return first, stop


def _repaired(rule: Repair, gap: Gap, tolerance: Fraction) -> list[Instant]:
    """The gap's own frame, and whatever else was expected while it stands; behind the last frame it is held."""
    after = bisect_right(rule.instants, gap.start + min(tolerance, gap.duration / 4))
    instants = [Instant(gap.start, gap.index, Fraction(0))]
    for place in range(after, len(rule.instants)):
        time = rule.instants[place]
        if not gap.is_last and time >= gap.end - min(tolerance, gap.duration / 4):
            break
        instants.append(Instant(time, gap.index, Fraction(0) if gap.is_last else (time - gap.start) / gap.duration))
    return instants


def gaps(times: Iterable[Fraction], end: Fraction) -> Iterator[Gap]:
    """Gaps of a source whose frames stand at `times` and whose last frame stands until `end`."""
    previous: tuple[int, Fraction] | None = None
    for index, time in enumerate(times):
        if previous is not None:
            yield Gap(*previous, time - previous[1])
        previous = index, time
    if previous is not None:
        yield Gap(*previous, end - previous[1], is_last=True)


def output_instants(
    source: Iterable[Gap],
    rule: RateRule,
    source_rate: Fraction | None = None,
    tolerance: Fraction = Fraction(0),
) -> Iterator[TimedInstant]:
    """All output instants with their durations, which add up to the time that the whole source is shown."""
    pending: Instant | None = None
    end = Fraction(0)
    for gap in source:
        for instant in instants_in_gap(rule, gap, source_rate, tolerance):
            if pending is not None:
                yield _timed(pending, instant.time)
            pending = instant
        end = output_time(rule, gap.end)
    if pending is not None:
        yield _timed(pending, end)


def count_frames(
    rule: RateRule,
    source_frames: int,
    last_time: Fraction,
    duration: Fraction,
    source_rate: Fraction | None = None,
) -> int:
    """Number of output frames, by the rule that each class states.

    Args:
        source_frames: Frames of the source, at least one.
        last_time: Time of the last source frame in seconds since the first.
        duration: Seconds from the first source frame to the end of the last.
    """
    if isinstance(rule, Multiply):
        return (source_frames - 1) * rule.factor + 1
    if isinstance(rule, Repair):
        return len(rule.instants)
    rate = output_rate(rule, source_rate)
    assert rate is not None  # `Multiply` alone has no rate of its own
    return max(1, _first_from(rule, rate, last_time), _first_from(rule, rate, duration, HALF))


def _first_from(
    rule: ToRate | SlowDown | Ramp, rate: Fraction, moment: Fraction, shift: Fraction = Fraction(0)
) -> int:
    """The smallest k, 0 or more, for which output time (k + shift) / rate shows the source at `moment` or later."""
    if isinstance(rule, Ramp):
        return first_shown_from(rule, rate, moment, shift)
    return max(0, math.ceil(output_time(rule, moment) * rate - shift))


def fine_time_base(
    times: Iterable[Fraction], end: Fraction = Fraction(0), largest_denominator: int = 10_000_000
) -> Fraction:
    """The coarsest time base 1 / n in which all `times`, and the end of the video, are whole numbers.

    Where n would exceed `largest_denominator` (encoders and containers store it in 32 bits), the end gives way
    first: it is then off by half a tick of at most `FINE_TICK`. Where the times alone do not fit, microseconds are
    returned, and an instant may be off by half of one.
    """
    denominator = math.lcm(*(time.denominator for time in times))
    if denominator > largest_denominator:
        return Fraction(1, 1_000_000)
    exact = math.lcm(denominator, end.denominator)
    if exact <= largest_denominator:
        return Fraction(1, exact)
    return Fraction(1, denominator * max(1, math.ceil(1 / (denominator * FINE_TICK))))


def _check_count(gap: Gap, count: int) -> None:
    if count > MOST_IN_GAP:
        raise UsageError(
            f"The source shows one frame from {float(gap.start):.6g} s to {float(gap.end):.6g} s, for which {count} "
            f"frames were wanted; at most {MOST_IN_GAP} can be. Ask for fewer, or mend its time stamps first."
        )


def _timed(instant: Instant, end: Fraction) -> TimedInstant:
    return TimedInstant(instant.time, instant.source, instant.local, end - instant.time)
