"""The shipped weights of the quality method: frames, and a map of doubt, on scenes and clips with a known truth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

import midframe
from midframe import api
from midframe.core.method import UncertainInterpolator
from midframe.data.synthetic import SceneStyle, render_scene
from midframe.evaluation.target_set import listed_targets
from midframe.metrics.uncertainty import rank_correlation
from midframe.ops.pad import pad_to_multiple

HALF = Fraction(1, 2)
LEAST_GAIN = {HALF: 8.0, Fraction(1, 4): 7.0}
"""Gain over blending in dB on rendered scenes that accelerate; the shipped weights reach a decibel or so more."""
LEAST_CORRELATION = 0.5
"""Rank correlation of the map with the error, as a mean over frames of real clips."""
LEAST_ON_NOISE = 0.25
"""The same on rendered scenes: where their noise is met well, the errors left are those of resampling, everywhere."""


@pytest.fixture(scope="module")
def svmv() -> UncertainInterpolator:
    method = midframe.load("svmv", device="cpu")
    assert isinstance(method, UncertainInterpolator)
    return method


def psnr(made: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * torch.log10((made - truth).square().mean()))


def scene(seed: int, time: Fraction, acceleration: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """A window of four frames and the truth at an instant of its gap."""
    style = SceneStyle(motion_pixels=16.0, acceleration=acceleration)
    instants = [Fraction(-1), Fraction(0), time, Fraction(1), Fraction(2)]
    earlier, before, truth, after, later = render_scene(seed, (192, 256), instants, style)
    return torch.stack((earlier, before, after, later))[None], truth


@pytest.mark.parametrize("time", LEAST_GAIN)
def test_accelerating_scenes_are_met_at_any_time(svmv: UncertainInterpolator, time: Fraction):
    gains = []
    for seed in range(4):
        frames, truth = scene(seed, time)
        blend = api.load("blend").interpolate(frames[:, 1:3], [time])[0, 0]
        gains.append(psnr(svmv.interpolate(frames, [time])[0, 0], truth) - psnr(blend, truth))
    assert sum(gains) / len(gains) > LEAST_GAIN[time]


def test_still_pictures_stay_as_they_are(svmv: UncertainInterpolator):
    picture = render_scene(5, (192, 256), [Fraction(0)])
    made = svmv.interpolate(picture[None].expand(1, 4, -1, -1, -1), [HALF])[0, 0]
    assert psnr(made, picture[0]) > 40


def test_doubt_is_where_the_error_is(svmv: UncertainInterpolator):
    correlations = []
    for seed in range(4):
        frames, truth = scene(seed, HALF)
        made, doubt = svmv.interpolate_with_uncertainty(frames, [HALF])
        correlations.append(correlation(doubt[0, 0, 0], (made[0, 0] - truth).abs().mean(0)))
    assert sum(correlations) / len(correlations) > LEAST_ON_NOISE


@pytest.mark.data
def test_doubt_is_where_the_error_is_on_real_clips(svmv: UncertainInterpolator, shared: Path):
    targets = listed_targets(shared / "eval/lists/clips-medium.tsv", shared / "eval", max_targets=2)
    reads = [frame for one in targets.targets for frame in (*one.window(2), one.target)]
    store, correlations = targets.store(reads), []
    for one in targets.targets:
        frames = torch.stack([store.read(frame).float() / 255 for frame in one.window(2)])[None]
        height, width = frames.shape[-2:]
        made, doubt = svmv.interpolate_with_uncertainty(pad_to_multiple(frames, svmv.spec.size_multiple), [one.time])
        error = (made[0, 0, :, :height, :width] - store.read(one.target).float() / 255).abs().mean(0)
        correlations.append(correlation(doubt[0, 0, 0, :height, :width], error))
    assert sum(correlations) / len(correlations) > LEAST_CORRELATION


def correlation(doubt: torch.Tensor, error: torch.Tensor) -> float:
    return rank_correlation(doubt.flatten().numpy(), error.flatten().numpy())
