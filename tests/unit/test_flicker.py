"""Flicker between kept and made frames, on sequences whose pulse is known."""

from __future__ import annotations

import math

import pytest
import torch

from midframe.core.errors import ShapeError, UsageError
from midframe.metrics.flicker import Flicker, alternation, mean_luma, sharpness
from midframe.metrics.suite import Sample, SetMetric, build_metrics

FLOAT64_TOLERANCE = 1e-9


def grey(level: int) -> torch.Tensor:
    return torch.full((3, 12, 16), level, dtype=torch.uint8)


def checkerboard(contrast: int) -> torch.Tensor:
    """Grey squares of one pixel, `contrast` levels above and below 100: the Laplacian is 8 contrast everywhere."""
    row, column = torch.arange(12)[:, None], torch.arange(16)
    sign = 1 - 2 * ((row + column) % 2)
    return (100 + contrast * sign).to(torch.uint8).expand(3, 12, 16).contiguous()


def decibels(contrast: int) -> float:
    return 10 * math.log10(1 + (8 * contrast) ** 2)


def test_luma_weighs_the_primaries_as_bt_601():
    picture = torch.zeros(3, 4, 4, dtype=torch.uint8)
    picture[0], picture[1], picture[2] = 100, 50, 200
    assert mean_luma(picture) == pytest.approx(29.9 + 29.35 + 22.8, abs=FLOAT64_TOLERANCE)


def test_sharpness_of_known_patterns():
    ramp = torch.arange(16, dtype=torch.uint8).expand(3, 12, 16).contiguous()
    assert sharpness(grey(100)) == pytest.approx(0, abs=FLOAT64_TOLERANCE)
    assert sharpness(ramp) == pytest.approx(0, abs=FLOAT64_TOLERANCE)
    assert sharpness(checkerboard(20)) == pytest.approx(decibels(20), abs=FLOAT64_TOLERANCE)


def test_alternation_is_signed_and_relative_to_both_neighbours():
    assert alternation(mean_luma, grey(100), [grey(97)], grey(104)) == pytest.approx(-5, abs=FLOAT64_TOLERANCE)
    soft = alternation(sharpness, checkerboard(20), [checkerboard(5)], checkerboard(20))
    assert soft == pytest.approx(decibels(5) - decibels(20), abs=FLOAT64_TOLERANCE)
    assert soft < -10


def test_a_steady_fade_does_not_alternate():
    made = [grey(level) for level in (104, 108, 112)]
    assert alternation(mean_luma, grey(100), made, grey(116)) == pytest.approx(0, abs=FLOAT64_TOLERANCE)


def flicker_of(name: str, gaps: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]) -> float:
    """Score of gaps given as (before, prediction, target, after)."""
    [metric] = build_metrics([name])
    assert isinstance(metric, SetMetric)
    assert metric.name == name
    assert not metric.higher_is_better
    for before, prediction, target, after in gaps:
        metric.update([Sample(prediction, target, before, after)])
    return metric.compute()


def test_true_frames_do_not_flicker_even_where_the_video_does():
    pulse = grey(100), grey(120), grey(120), grey(100)
    assert flicker_of("flicker_luma", [pulse, pulse]) == 0


def test_softer_made_frames_flicker_by_what_they_lack():
    gap = checkerboard(20), checkerboard(5), checkerboard(20), checkerboard(20)
    expected = decibels(20) - decibels(5)
    assert flicker_of("flicker_sharpness", [gap]) == pytest.approx(expected, abs=FLOAT64_TOLERANCE)
    assert flicker_of("flicker_luma", [gap]) == pytest.approx(0, abs=FLOAT64_TOLERANCE)


def test_brighter_and_darker_made_frames_do_not_cancel():
    gaps = [(grey(100), grey(104), grey(100), grey(100)), (grey(100), grey(98), grey(100), grey(100))]
    assert flicker_of("flicker_luma", gaps) == pytest.approx(3, abs=FLOAT64_TOLERANCE)
    assert flicker_of("flicker_sharpness", gaps) == pytest.approx(0, abs=FLOAT64_TOLERANCE)


def test_the_pulse_of_the_true_sequence_is_taken_off():
    gap = grey(100), grey(90), grey(104), grey(100)
    assert flicker_of("flicker_luma", [gap]) == pytest.approx(10 - 4, abs=FLOAT64_TOLERANCE)


def test_refuses_to_answer_for_nothing():
    with pytest.raises(UsageError, match="at least one gap"):
        Flicker("flicker_luma", mean_luma).compute()
    with pytest.raises(UsageError, match="at least one made frame"):
        alternation(mean_luma, grey(1), [], grey(1))


def test_refuses_a_picture_without_an_inner_pixel():
    with pytest.raises(ShapeError, match=r"at least 3x3 pixels; got \(3, 2, 5\)"):
        sharpness(torch.zeros(3, 2, 5, dtype=torch.uint8))
