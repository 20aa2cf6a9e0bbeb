"""What a user gets without naming weights: the shipped file, on scenes and pictures with a known truth."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch

import midframe
from midframe import api
from midframe.core.method import Interpolator
from midframe.data.synthetic import SceneStyle, render_scene
from midframe.evaluation import evaluate
from midframe.weights import catalogue

# Least gain over blending in dB, on rendered motion: a decibel or so below what the shipped weights reach. Away from
# the middle blending is nearer to the truth.
LEAST_GAIN = {Fraction(1, 2): 6.5, Fraction(1, 4): 5.5, Fraction(5, 6): 4.3}
ROUNDING = 0.1  # dB: bf16 on one processor, float32 on another


@pytest.fixture(scope="module")
def rife() -> Interpolator:
    return midframe.load("rife", device="cpu")


def psnr(made: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * torch.log10((made - truth).square().mean()))


@pytest.mark.parametrize("time", LEAST_GAIN)
def test_moving_scenes_are_met_at_any_time(rife: Interpolator, time: Fraction):
    gains = []
    for seed in range(4):
        style = SceneStyle(motion_pixels=24.0, acceleration=0.0)
        before, truth, after = render_scene(seed, (192, 256), [Fraction(0), time, Fraction(1)], style)
        frames = torch.stack((before, after))[None]
        made = rife.interpolate(frames, [time])[0, 0]
        blend = api.load("blend").interpolate(frames, [time])[0, 0]
        gains.append(psnr(made, truth) - psnr(blend, truth))
    assert sum(gains) / len(gains) > LEAST_GAIN[time]


def test_still_pictures_stay_as_they_are(rife: Interpolator):
    picture = render_scene(5, (192, 256), [Fraction(0)])
    made = rife.interpolate(picture[None].expand(1, 2, -1, -1, -1), [Fraction(1, 2)])[0, 0]
    assert psnr(made, picture[0]) > 40


@pytest.mark.data
def test_the_catalogue_says_what_middlebury_gives(rife: Interpolator, shared: Path, tmp_path: Path):
    scores = evaluate(rife, shared / "eval/lists/middlebury.tsv", shared / "eval", tmp_path)
    said = catalogue()["rife"].score
    assert json.loads((tmp_path / "scores.json").read_text())["targets"] == 12
    assert scores.psnr == pytest.approx(stated(said), abs=ROUNDING)


def stated(score: str) -> float:
    """The figure behind `middlebury` in a catalogue row."""
    return float(score.split("middlebury ")[1].split()[0].rstrip(","))
