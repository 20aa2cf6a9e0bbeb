"""The shipped weights of MiVID: against the temporal blend, on rendered scenes with a known truth."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

import midframe
from midframe import api
from midframe.core.method import Interpolator
from midframe.data.synthetic import SceneStyle, render_scene

TIMES = [Fraction(1, 4), Fraction(1, 2), Fraction(7, 8)]
LEAST_GAIN = 1.0
"""Over blending, in dB."""


@pytest.fixture(scope="module")
def mivid() -> Interpolator:
    return midframe.load("mivid", device="cpu")


def psnr(made: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * torch.log10((made - truth).square().mean()))


@pytest.mark.parametrize(("size", "motion"), [((64, 96), 6.0), ((144, 192), 14.0)], ids=["as trained", "larger"])
def test_moving_scenes_are_made_better_than_by_blending(mivid: Interpolator, size: tuple[int, int], motion: float):
    gains = []
    for seed in range(4):
        before, *truth, after = render_scene(
            seed, size, [Fraction(0), *TIMES, Fraction(1)], SceneStyle(motion_pixels=motion)
        )
        frames = torch.stack((before, after))[None]
        made = mivid.interpolate(frames, TIMES, generator=torch.Generator().manual_seed(seed))[0]
        blend = api.load("blend").interpolate(frames, TIMES)[0]
        gains.append(psnr(made, torch.stack(truth)) - psnr(blend, torch.stack(truth)))
    assert sum(gains) / len(gains) > LEAST_GAIN


def test_still_pictures_stay_as_they_are(mivid: Interpolator):
    picture = render_scene(5, (64, 96), [Fraction(0)])
    still = picture[None].expand(1, 2, -1, -1, -1)
    made = mivid.interpolate(still, TIMES, generator=torch.Generator().manual_seed(0))
    assert all(psnr(frame, picture[0]) > 36 for frame in made[0])
