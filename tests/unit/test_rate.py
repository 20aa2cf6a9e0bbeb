"""What a stated rate means."""

from __future__ import annotations

from fractions import Fraction

import pytest

from midframe.core.errors import UsageError
from midframe.core.rate import parse_rate, parse_times, rate_rule
from midframe.core.timeline import Multiply, RateRule, SlowDown, ToRate


@pytest.mark.parametrize(
    ("stated", "exact"),
    [
        ("60", Fraction(60)),
        (60, Fraction(60)),
        ("60000/1001", Fraction(60000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        (59.94, Fraction(60000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_a_rate_is_an_exact_fraction(stated: str | int | float, exact: Fraction) -> None:
    assert parse_rate(stated) == exact


@pytest.mark.parametrize("stated", ["0", "-24", "1e9", "inf", "nan", "fast", "", "60/0", "1/2/3"])
def test_an_impossible_rate_is_refused_with_the_value(stated: str) -> None:
    with pytest.raises(UsageError, match=f"A frame rate .*got '?{stated}"):
        parse_rate(stated)


def test_each_wish_has_its_rule() -> None:
    assert rate_rule() == Multiply(2)
    assert rate_rule(vfr=True) == Multiply(2)
    assert rate_rule(multi=4) == rate_rule(multi=4, vfr=True) == Multiply(4)
    assert rate_rule(multi="3") == rate_rule(multi=3.0) == Multiply(3)
    assert rate_rule(fps=60) == ToRate(Fraction(60))
    assert rate_rule(slow="2.5") == SlowDown(Fraction(5, 2), None)
    assert rate_rule(slow=4, fps=30) == SlowDown(Fraction(4), Fraction(30))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (rate_rule(fps="59.94"), "fps 60000/1001"),
        (rate_rule(multi=4), "multi 4"),
        (rate_rule(slow="2.5"), "slow 5/2"),
        (rate_rule(slow=4, fps=30), "slow 4, fps 30"),
        (rate_rule(ramp="0:1,5:0.25", fps=30), "ramp 0:1,5:1/4, fps 30"),
        (rate_rule(repair=True), "repair, 0 missing, 0 s"),
    ],
    ids=str,
)
def test_a_rule_is_said_in_the_words_of_the_wish(rule: RateRule, words: str) -> None:
    assert str(rule) == words


@pytest.mark.parametrize("text", ["1/2", "1/4,1/2"])
def test_times_are_a_sequence_of_numbers(text: str) -> None:
    assert parse_times([Fraction(1, 4), "1/2", 0.75]) == [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]
    with pytest.raises(UsageError, match="a sequence"):
        parse_times(text)
    with pytest.raises(UsageError, match="got 'soon'"):
        parse_times(["soon"])


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"multi": 2, "fps": 60}, "multi sets the number of frames"),
        ({"multi": 2, "slow": 2}, "multi sets the number of frames"),
        ({"vfr": True, "fps": 60}, "vfr keeps the source's own instants"),
        ({"vfr": True, "slow": 2}, "vfr keeps the source's own instants"),
        ({"multi": 0}, "got 0"),
        ({"multi": 2.5}, "a whole number of parts; got 2.5"),
        ({"multi": "twice"}, "got 'twice'"),
        ({"slow": 0}, "got 0"),
        ({"slow": "slowly"}, "got 'slowly'"),
    ],
)
def test_wishes_that_cannot_be_met_together_are_refused(wishes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rate_rule(**wishes)  # type: ignore[arg-type]
