"""Which candidate a check recommends, from measurements made up for the purpose."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from midframe.evaluation.check import ClipCheck, RemadeTarget, Remake
from midframe.evaluation.clip_targets import ClipSurvey, ClipTarget
from midframe.evaluation.recommendation import by_motion, by_scene, recommend, standings
from midframe.evaluation.target_list import FrameReference, Target


def check_of(psnr, seconds, scenes=None, motion=None):
    """A check in which candidate `name` scores `psnr[name][k]` in `seconds[name]` on frame k."""
    count = len(next(iter(psnr.values())))
    remade = []
    for k in range(count):
        before, target, after = (FrameReference(Path("clip.mp4"), number) for number in (2 * k, 2 * k + 1, 2 * k + 2))
        frames = Target(before=before, target=target, after=after, time=Fraction(1, 2), earlier=None, later=None)
        place = ClipTarget(frames, scenes[k] if scenes else 1, Fraction(k))
        remakes = {name: Remake(float(psnr[name][k]), 0.9, float(seconds[name])) for name in psnr}
        remade.append(RemadeTarget(place, float(motion[k]) if motion else 0.0, remakes))
    survey = ClipSurvey(tuple(one.target for one in remade), 2 * count + 1, 1, 0)
    return ClipCheck(Path("clip.mp4"), (64, 48), Fraction(25), tuple(psnr), survey, tuple(remade))


def test_the_highest_mean_wins():
    choice = recommend(check_of({"slow": [31, 33, 32], "fast": [29, 31, 30]}, {"slow": 1, "fast": 0.01}))
    assert choice.name == "slow"
    assert choice.reason == "2.00 dB ahead of fast (95 % interval 2.00 to 2.00 dB, rough with 3 tested)."


def test_a_difference_that_no_one_sees_is_decided_by_speed():
    scores = {"slow": [30.05, 30.05], "fast": [30.0, 30.0], "poor": [20.0, 20.0]}
    choice = recommend(check_of(scores, {"slow": 1.0, "fast": 0.5, "poor": 0.01}))
    assert choice.name == "fast"
    assert choice.reason == "0.05 dB below slow, which no one sees, and 2.0 times as fast."
    assert [lead.over for lead in choice.leads] == ["slow", "poor"]


def test_a_little_speed_decides_nothing():
    choice = recommend(check_of({"a": [30.05, 30.05], "b": [30.0, 30.0]}, {"a": 1.0, "b": 0.9}))
    assert choice.name == "a"


def test_a_small_lead_is_said_to_be_one_that_may_turn_over():
    choice = recommend(check_of({"a": [30.3, 31.3], "b": [30, 31]}, {"a": 1.0, "b": 1.0}))
    assert choice.name == "a"
    assert choice.reason.endswith("may turn over at the clip's own rate: compare the two by eye.")


def test_a_lead_that_depends_on_the_frames_is_called_too_close():
    choice = recommend(check_of({"a": [35, 25, 32, 28], "b": [25, 34, 27, 32]}, {"a": 1.0, "b": 1.0}))
    assert choice.name == "a"
    lead = choice.leads[0]
    assert lead.low < 0 < lead.decibels < lead.high
    assert choice.reason.endswith("too close to call on these frames.")


def test_more_frames_are_advised_where_there_are_more():
    check = check_of({"a": [35, 25, 32, 28], "b": [25, 34, 27, 32]}, {"a": 1.0, "b": 1.0})
    more = replace(check, survey=replace(check.survey, targets=check.survey.targets * 2))
    assert recommend(more).reason.endswith("too close to call on these frames; test more of them with --max.")


def test_an_interval_over_ten_frames_is_not_called_rough():
    scores = {"a": [31 + k for k in range(10)], "b": [29 + k for k in range(10)]}
    assert recommend(check_of(scores, {"a": 1, "b": 1})).reason.endswith("(95 % interval 2.00 to 2.00 dB).")


def test_standings_hold_means_and_the_speed_of_the_median_frame():
    first, second = standings(check_of({"a": [20, 22], "b": [30, 32]}, {"a": 0.25, "b": 0.5}))
    assert (first.name, first.psnr, first.frames_per_second) == ("b", 31, 2)
    assert (second.name, second.psnr, second.frames_per_second) == ("a", 21, 4)


def test_scenes_are_averaged_apart():
    groups = by_scene(check_of({"a": [20, 22, 40]}, {"a": 1}, scenes=[1, 1, 3]))
    assert [(group.name, group.targets, group.psnr) for group in groups] == [
        ("1, at 0.0 s", 2, {"a": 21}),
        ("3, at 2.0 s", 1, {"a": 40}),
    ]


@pytest.mark.parametrize(
    ("motion", "name"),
    [(0, "0 to 4 px"), (4, "4 to 16 px"), (15.9, "4 to 16 px"), (63, "16 to 64 px"), (64, "64 px and more")],
)
def test_motion_is_graded_by_its_size(motion, name):
    assert [group.name for group in by_motion(check_of({"a": [20]}, {"a": 1}, motion=[motion]))] == [name]
