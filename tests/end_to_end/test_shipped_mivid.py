"""The shipped weights of MiVID: against the temporal blend and an untrained network, on scenes and clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import midframe
from midframe import api
from midframe.data.synthetic import SceneStyle, render_scene
from midframe.losses.perceptual import load_distance
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.sample import MividInterpolator
from midframe.video.picture import read_picture

TIMES = [Fraction(1, 4), Fraction(1, 2), Fraction(7, 8)]
LEAST_GAIN = 4.0
"""Over blending, in dB, on rendered scenes; the shipped weights reach two more."""
MOST_LOST = 0.4
"""Against a network that has learnt nothing, which follows these scenes well: what is learnt is of real clips."""
LEAST_GAIN_ON_CLIPS, MOST_LOST_ON_CLIPS = 1.5, 0.3
"""The same on real ones: decibels are given for looks."""
MOST_OF_LOOKS = 0.95
"""Of the distance through SqueezeNet that a network has which has learnt nothing."""


@pytest.fixture(scope="module")
def mivid() -> MividInterpolator:
    method = midframe.load("mivid", device="cpu")
    assert isinstance(method, MividInterpolator)
    return method


def psnr(made: torch.Tensor, truth: torch.Tensor) -> float:
    return float(-10 * torch.log10((made - truth).square().mean()))


@pytest.mark.parametrize(("size", "motion"), [((64, 96), 6.0), ((144, 192), 14.0)], ids=["as trained", "larger"])
def test_moving_scenes_are_made_better_than_by_blending(
    mivid: MividInterpolator, size: tuple[int, int], motion: float
):
    untrained = MividInterpolator(MaskedVideoNetwork(mivid.network.config).eval())
    scores: dict[str, list[float]] = {"mivid": [], "untrained": [], "blend": []}
    for seed in range(6):
        instants = [Fraction(0), *TIMES, Fraction(1)]
        before, *truth, after = render_scene(seed, size, instants, SceneStyle(motion_pixels=motion))
        frames = torch.stack((before, after))[None]
        for name, method in {"mivid": mivid, "untrained": untrained, "blend": api.load("blend")}.items():
            made = method.interpolate(frames, TIMES, generator=torch.Generator().manual_seed(seed))[0]
            scores[name].append(psnr(made, torch.stack(truth)))
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    assert means["mivid"] > means["blend"] + LEAST_GAIN
    assert means["mivid"] > means["untrained"] - MOST_LOST


@pytest.mark.data
def test_real_clips_look_better_than_before_the_training(mivid: MividInterpolator, shared: Path):
    looks = load_distance(shared / "features/squeezenet1.1-fp16.onnx", torch.device("cpu"))
    untrained = MividInterpolator(MaskedVideoNetwork(mivid.network.config).eval())
    times = [Fraction(part, 8) for part in range(1, 8)]
    scores: dict[str, list[float]] = {"mivid": [], "untrained": [], "blend": []}
    distances: dict[str, list[float]] = {"mivid": [], "untrained": [], "blend": []}
    for sequence in sorted((shared / "eval/davis").iterdir()):
        clip = torch.stack([small_square(read_picture(path)) for path in sorted(sequence.iterdir())[:9]])
        for name, method in {"mivid": mivid, "untrained": untrained, "blend": api.load("blend")}.items():
            made = method.interpolate(clip[None, [0, -1]], times, generator=torch.Generator().manual_seed(0))[0]
            scores[name].append(psnr(made, clip[1:-1]))
            distances[name].append(float(looks(made, clip[1:-1]).mean()))
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    assert means["mivid"] > means["blend"] + LEAST_GAIN_ON_CLIPS
    assert means["mivid"] > means["untrained"] - MOST_LOST_ON_CLIPS
    apart = {name: sum(values) / len(values) for name, values in distances.items()}
    assert apart["mivid"] < MOST_OF_LOOKS * min(apart["untrained"], apart["blend"])


def small_square(pixels: np.ndarray) -> torch.Tensor:
    """The largest square in the middle, at the size of the training."""
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    side = min(picture.shape[2:])
    top, left = ((length - side) // 2 for length in picture.shape[2:])
    square = picture[:, :, top : top + side, left : left + side]
    return torch.nn.functional.interpolate(square, (64, 64), mode="bilinear", antialias=True)[0]


def test_still_pictures_stay_as_they_are(mivid: MividInterpolator):
    picture = render_scene(5, (64, 96), [Fraction(0)])
    still = picture[None].expand(1, 2, -1, -1, -1)
    made = mivid.interpolate(still, TIMES, generator=torch.Generator().manual_seed(0))
    assert all(psnr(frame, picture[0]) > 36 for frame in made[0])
