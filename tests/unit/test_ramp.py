"""The map between source time and output time where the speed changes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midframe.core.errors import UsageError
from midframe.core.ramp import Ramp
from midframe.core.rate import rate_rule
from midframe.core.timeline import count_frames, gaps, output_instants

DOWN_AND_UP = Ramp(((Fraction(0), Fraction(1)), (Fraction(5), Fraction(1, 4)), (Fraction(8), Fraction(1))))
STEP = Ramp(tuple((Fraction(t), Fraction(v)) for t, v in ((2, 1), (2, "1/4"), (3, "1/4"), (3, 2))))
moments = st.fractions(0, 12, max_denominator=1001)


def test_a_stretch_lasts_as_long_as_at_the_mean_of_its_two_speeds() -> None:
    assert DOWN_AND_UP.output_time(Fraction(5)) == 5 / Fraction(5, 8)
    assert DOWN_AND_UP.output_time(Fraction(8)) == 8 + 3 / Fraction(5, 8)


def test_the_speed_is_reached_at_its_point_and_changes_evenly_on_the_way() -> None:
    step = Fraction(1, 10**6)

    def speed(time: Fraction) -> float:
        return float((DOWN_AND_UP.source_time(time + step) - DOWN_AND_UP.source_time(time - step)) / (2 * step))

    assert speed(Fraction(4)) == pytest.approx(0.625)  # half-way between 1 and 1/4
    assert speed(Fraction(8)) == pytest.approx(0.25, abs=1e-5)
    assert speed(Fraction(20)) == 1.0


def test_two_points_at_one_time_are_a_step() -> None:
    assert [STEP.output_time(Fraction(t)) for t in (1, 2, 3, 5)] == [1, 2, 6, 7]
    assert [STEP.source_time(Fraction(t)) for t in (1, 4, 7)] == [1, Fraction(5, 2), 5]


@given(moments)
def test_the_two_maps_undo_each_other(moment: Fraction) -> None:
    for ramp in (DOWN_AND_UP, STEP):
        assert abs(ramp.source_time(ramp.output_time(moment)) - moment) <= Fraction(1, 10**11)
        assert abs(ramp.output_time(ramp.source_time(moment)) - moment) <= Fraction(1, 10**11)


def test_a_constant_ramp_is_slow_motion() -> None:
    rate, count = Fraction(24000, 1001), 31
    source = [k / rate for k in range(count)]
    ramped = output_instants(gaps(source, count / rate), rate_rule(ramp="0:0.4"), rate)
    slowed = output_instants(gaps(source, count / rate), rate_rule(slow="2.5"), rate)
    assert list(ramped) == list(slowed)


@given(st.integers(2, 60), st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(50)]))
def test_frames_are_counted_exactly_where_the_video_ends_inside_a_ramp(count: int, rate: Fraction) -> None:
    ramp = Ramp(((Fraction(0), Fraction(2)), (Fraction(100), Fraction(1, 3))), Fraction(60))
    times, end = [k / rate for k in range(count)], count / rate
    made = list(output_instants(gaps(times, end), ramp))
    assert len(made) == count_frames(ramp, count, times[-1], end)
    # The video lasts beyond half of the last output frame, and not beyond half of another.
    half = Fraction(1, 120)
    assert ramp.source_time(made[-1].time + half) < end or made[-1].source < count - 1
    assert ramp.source_time(made[-1].time + 3 * half) >= end


def test_a_stated_ramp_is_read_exactly() -> None:
    assert rate_rule(ramp="0:1,5:0.25,8:1") == DOWN_AND_UP
    assert rate_rule(ramp=[(0, 1), (5, 0.25), (8, 1)]) == DOWN_AND_UP
    assert rate_rule(ramp="0:1/3", fps="59.94") == Ramp(((Fraction(0), Fraction(1, 3)),), Fraction(60000, 1001))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"ramp": "0:1;5:2"}, "written as seconds:speed"),
        ({"ramp": ""}, "written as seconds:speed"),
        ({"ramp": []}, "at least one point"),
        ({"ramp": "0:fast"}, "A speed is a number .*got 'fast'"),
        ({"ramp": "0:0"}, "between 0.001 and 1000; got 0"),
        ({"ramp": "0:-1"}, "got -1"),
        ({"ramp": "-1:1"}, "from the first frame, at 0; got -1"),
        ({"ramp": "5:1,2:2"}, "go forward in time; got 2 s after 5 s"),
        ({"ramp": "0:2", "slow": 2}, "goes with fps, and not with slow"),
        ({"ramp": "0:2", "multi": 2}, "goes with fps, and not with"),
        ({"ramp": "0:2", "vfr": True}, "goes with"),
    ],
)
def test_an_impossible_ramp_is_refused_with_what_it_should_be(wishes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rate_rule(**wishes)  # type: ignore[arg-type]
