"""Intervals against what statistics says they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from midframe.evaluation.bootstrap import SequenceBootstrap


def test_the_interval_of_independent_targets_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(30, 2, 400)
    interval = SequenceBootstrap([str(number) for number in range(400)]).interval(list(values))
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval.high == pytest.approx(values.mean() + half, abs=half / 10)


def test_targets_of_one_sequence_count_as_one_draw():
    # Ten sequences of forty equal values know no more than ten values do.
    values = np.random.default_rng(2).normal(30, 2, 10)
    few = SequenceBootstrap(list("abcdefghij")).interval(list(values))
    many = SequenceBootstrap([name for name in "abcdefghij" for _ in range(40)]).interval(list(np.repeat(values, 40)))
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_the_true_mean_lies_inside_about_as_often_as_promised():
    generator = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        values = generator.normal(0, 1, 40)
        interval = SequenceBootstrap([str(number) for number in range(40)]).interval(list(values))
        assert interval.low is not None and interval.high is not None
        inside += interval.low <= 0 <= interval.high
    assert 180 <= inside <= 198  # 0.95 of 200, give or take three deviations


def test_a_mean_over_sequences_weighs_long_and_short_ones_alike():
    sequences, values = ["long"] * 9 + ["short"], [1.0] * 9 + [11.0]
    assert SequenceBootstrap(sequences).interval(values).mean == 2
    assert SequenceBootstrap(sequences, by_sequence=True).interval(values).mean == 6


def test_one_sequence_has_no_interval():
    interval = SequenceBootstrap(["only"] * 5).interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (interval.mean, interval.low, interval.high) == (3, None, None)
    assert not interval.excludes_zero


def test_an_infinite_value_leaves_no_interval():
    interval = SequenceBootstrap(["a", "b"]).interval([30.0, math.inf])
    assert (interval.mean, interval.low, interval.high) == (math.inf, None, None)


@pytest.mark.parametrize(
    ("values", "beyond_doubt"), [([1.0, 2.0, 3.0], True), ([-1.0, 2.0, -3.0, 4.0], False), ([-1.0, -2.0], True)]
)
def test_the_sign_is_beyond_doubt_where_the_interval_excludes_zero(values, beyond_doubt):
    interval = SequenceBootstrap([str(number) for number in range(len(values))]).interval(
        [float(value) for value in values]
    )
    assert interval.excludes_zero == beyond_doubt
