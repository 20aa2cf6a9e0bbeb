import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midframe.core.errors import UsageError
from midframe.core.ramp import Ramp
from midframe.core.timeline import (
    Multiply,
    SlowDown,
    ToRate,
    count_frames,
    fine_time_base,
    gaps,
    output_instants,
    output_rate,
    output_time,
    source_time,
)

ticks = st.integers(1, 400).map(lambda n: Fraction(n, 1000))
rates = st.fractions(Fraction(1, 2), 240, max_denominator=1001)


def made_ramps(count, seed=0):
    """Random ramps of one to four points in three seconds; checks of types forbid to make them in a strategy."""
    draw = random.Random(seed)
    for _ in range(count):
        moments = sorted(Fraction(draw.randrange(73), 24) for _ in range(draw.randint(1, 4)))
        points = tuple((moment, Fraction(draw.randint(1, 48), 8)) for moment in moments)
        yield Ramp(points, Fraction(draw.choice([7, 24, 30, 60]) * 1000, draw.choice([1000, 1001])))


ramps = st.sampled_from(list(made_ramps(40)))
rules = st.one_of(
    ramps,
    rates.map(ToRate),
    st.integers(1, 9).map(Multiply),
    st.builds(SlowDown, st.fractions(Fraction(1, 3), 8, max_denominator=12), rates),
)


@st.composite
def sources(draw):
    """Frame times of a variable rate and the end of the last frame."""
    durations = draw(st.lists(ticks, min_size=1, max_size=12))
    times = [sum(durations[:k], Fraction(0)) for k in range(len(durations))]
    return times, sum(durations, Fraction(0))


@given(sources(), rules)
def test_count_follows_the_rule_that_is_stated(source, rule):
    times, end = source
    made = list(output_instants(gaps(times, end), rule))
    assert len(made) == count_frames(rule, len(times), times[-1], end)


@given(sources(), rules)
def test_durations_are_positive_and_add_up_to_the_stretched_source(source, rule):
    times, end = source
    made = list(output_instants(gaps(times, end), rule))
    assert made[0].time == 0
    assert all(instant.duration > 0 for instant in made)
    assert all(a.time + a.duration == b.time for a, b in itertools.pairwise(made))
    assert sum(instant.duration for instant in made) == output_time(rule, end)


@given(sources(), rules)
def test_every_instant_lies_between_the_frames_that_it_names(source, rule):
    times, end = source
    for instant in output_instants(gaps(times, end), rule):
        moment = source_time(rule, instant.time)
        assert 0 <= instant.local < 1
        if instant.source == len(times) - 1:
            assert instant.local == 0
            assert moment >= times[-1]
        else:
            before, after = times[instant.source], times[instant.source + 1]
            assert moment == before + instant.local * (after - before)


@given(sources(), rules, st.integers(0, 3).map(lambda n: Fraction(n, 10_000)))
def test_an_instant_on_a_source_frame_returns_that_frame(source, rule, tolerance):
    times, end = source
    for instant in output_instants(gaps(times, end), rule, tolerance=tolerance):
        moment = source_time(rule, instant.time)
        for index, time in enumerate(times):
            if moment == time:
                assert (instant.source, instant.local) == (index, 0)


@given(sources(), st.integers(1, 9))
def test_multiplying_keeps_every_instant_of_a_variable_source(source, factor):
    times, end = source
    made = list(output_instants(gaps(times, end), Multiply(factor)))
    assert [instant.time for instant in made if instant.local == 0] == times


@given(st.integers(1, 30), st.integers(1, 6))
def test_whole_slow_motion_of_a_constant_source_keeps_every_frame(count, factor):
    rate = Fraction(24000, 1001)
    times = [k / rate for k in range(count)]
    made = list(output_instants(gaps(times, count / rate), SlowDown(Fraction(factor)), rate))
    assert [instant.source for instant in made if instant.local == 0][:count] == list(range(count))
    assert len(made) == count * factor


def test_23_976_to_60_has_the_expected_local_times():
    rate = Fraction(24000, 1001)
    made = list(output_instants(gaps([k / rate for k in range(24)], 24 / rate), ToRate(Fraction(60))))
    assert len(made) == 60
    assert made[1].local == Fraction(1, 60) * rate
    assert made[3].source == 1


def test_stamps_rounded_to_milliseconds_still_return_the_source_frames():
    rounded = [Fraction(round(1000 * k * 1001 / 24000), 1000) for k in range(24)]
    made = list(
        output_instants(
            gaps(rounded, Fraction(1001, 1000)), ToRate(Fraction(48000, 1001)), tolerance=Fraction(1, 2000)
        )
    )
    assert [instant.source for instant in made[::2]] == list(range(24))
    assert all(instant.local == 0 for instant in made[::2])
    assert all(abs(instant.local - Fraction(1, 2)) < Fraction(1, 20) for instant in made[1:-1:2])


def test_strong_slow_motion_shows_every_instant_once():
    times = [Fraction(k, 24) for k in range(4)]
    rule = SlowDown(Fraction(100), Fraction(24))
    made = list(output_instants(gaps(times, Fraction(4, 24)), rule, tolerance=Fraction(1, 1000)))
    moving = [instant.source + instant.local for instant in made if instant.source < 3]
    assert moving == [Fraction(k, 100) for k in range(300)]


def test_time_base_holds_all_instants_exactly():
    base = fine_time_base([Fraction(1, 60), Fraction(1001, 24000)])
    assert (Fraction(1, 60) / base).denominator == (Fraction(1001, 24000) / base).denominator == 1


def test_the_end_of_the_video_gives_way_before_its_instants_do():
    base = fine_time_base([Fraction(1001, 60000)], end=Fraction(10**12 + 1, 10**12))
    assert (Fraction(1001, 60000) / base).denominator == 1
    assert base <= Fraction(1, 100_000)


def test_time_base_falls_back_to_microseconds_where_no_container_could_hold_it():
    assert fine_time_base([Fraction(1, 99_999_989), Fraction(1, 3)]) == Fraction(1, 1_000_000)


@pytest.mark.parametrize(
    "impossible", [lambda: ToRate(Fraction(0)), lambda: Multiply(0), lambda: SlowDown(Fraction(-1))]
)
def test_impossible_rules_are_refused(impossible):
    with pytest.raises(UsageError, match=r"positive|1 or more"):
        impossible()


def test_slow_motion_without_any_known_rate_is_refused():
    with pytest.raises(UsageError, match="does not state its frame rate"):
        output_rate(SlowDown(Fraction(2)), None)
