"""The shipped weights of MADIFF: that every part of them does its work in a sampled frame."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import pytest
import torch
from torch import Tensor

import midframe
from midframe import api
from midframe.data.synthetic import SceneStyle, render_scene
from midframe.diffusion.prediction import diffuse
from midframe.methods.madiff.model import MadiffModel
from midframe.methods.madiff.model_file import load_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.weights.catalogue import find

HALF = Fraction(1, 2)
SIZE, SCENES = (64, 128), 4
OVER_NEIGHBOURS, OF_TRUE_HINTS, OF_THE_LATENT = 0.75, 0.25, 2.0
"""Decibels to be had at least: about half of what there were when the weights came."""
LEFT_BY_THE_DENOISER = 0.8
"""Most of the squared error that may be left."""


@pytest.fixture(scope="module")
def model() -> MadiffModel:
    return load_model(find("madiff"))


@pytest.fixture(scope="module")
def scenes() -> list[Tensor]:
    """Of each, the frame before, the true one between and the one after."""
    style = SceneStyle(motion_pixels=8.0)
    return [render_scene(seed, SIZE, [Fraction(0), HALF, Fraction(1)], style) for seed in range(SCENES)]


def psnr(made: Tensor, truth: Tensor) -> float:
    return float(-10 * torch.log10((made - truth).square().mean()))


def sampled(model: MadiffModel, frames: Tensor, seed: int, *, oracle: bool = False) -> Tensor:
    before, target, after = (frame[None] for frame in frames)
    plan = SamplingPlan.of(model.config.denoiser)
    given = model.hints_between(before, target, after) if oracle else None
    return sample_frame(model, before, after, plan, generator=torch.Generator().manual_seed(seed), given=given)[0]


def mean_psnr(made: list[Tensor], scenes: list[Tensor]) -> float:
    return sum(psnr(frame, frames[1]) for frame, frames in zip(made, scenes, strict=True)) / len(scenes)


def test_a_sampled_frame_lies_between_its_neighbours(model: MadiffModel, scenes: list[Tensor]):
    """Closer to the truth than either of them. Blending has more decibels on such scenes."""
    made = [sampled(model, frames, seed) for seed, frames in enumerate(scenes)]
    assert mean_psnr(made, scenes) > mean_psnr([frames[0] for frames in scenes], scenes) + OVER_NEIGHBOURS
    assert mean_psnr(made, scenes) > mean_psnr([frames[2] for frames in scenes], scenes) + OVER_NEIGHBOURS


def test_true_hints_would_make_better_frames(model: MadiffModel, scenes: list[Tensor]):
    made = {
        oracle: [sampled(model, frames, seed, oracle=oracle) for seed, frames in enumerate(scenes)]
        for oracle in (False, True)
    }
    assert mean_psnr(made[True], scenes) > mean_psnr(made[False], scenes) + OF_TRUE_HINTS


@torch.inference_mode()
def test_the_denoiser_tells_what_the_mean_of_the_neighbours_does_not(model: MadiffModel, scenes: list[Tensor]):
    """With true hints, against the same without a word of the network's."""
    silent = load_model(find("madiff"))
    silent.denoiser.leave.weight.zero_()
    cast(Tensor, silent.denoiser.leave.bias).zero_()
    told, assumed = (
        sum(noise_error(one, frames, seed, step) for seed, frames in enumerate(scenes) for step in (200, 600, 999))
        for one in (model, silent)
    )
    assert told < LEFT_BY_THE_DENOISER * assumed


def noise_error(model: MadiffModel, frames: Tensor, seed: int, step: int) -> float:
    before, target, after = (model.encode(frame[None]) for frame in frames)
    features = model.hint_features(model.hints_between(before.frame, target.frame, after.frame), target.latent)
    signal, noise = model.config.denoiser.levels().at(torch.tensor([step]), 4)
    epsilon = torch.randn(target.latent.shape, generator=torch.Generator().manual_seed(seed))
    noisy = diffuse(target.latent, epsilon, signal.float(), noise.float())
    told = model.epsilon(noisy, step, before.latent, after.latent, features)
    return float(((told - epsilon) / model.denoiser.output_scale(torch.tensor([step]))).square().mean())


@torch.inference_mode()
def test_the_picture_is_in_the_latent(model: MadiffModel, scenes: list[Tensor]):
    """A first codec's decoder did without it, and the denoiser could learn what it liked."""
    worth = []
    for frames in scenes:
        before, target, after = (model.encode(frame[None]) for frame in frames)
        made = [model.decode(latent, before, after, None)[0] for latent in (target.latent, target.latent.flip(-1))]
        worth.append(psnr(made[0], frames[1]) - psnr(made[1], frames[1]))
    assert sum(worth) / len(worth) > OF_THE_LATENT


def test_the_interpolator_makes_the_same_frame(model: MadiffModel, scenes: list[Tensor]):
    method = midframe.load("madiff", device="cpu", precision="fp32")
    generator = torch.Generator().manual_seed(0)
    made = method.interpolate(scenes[0][None, [0, 2]], [HALF], generator=generator)[0, 0]
    assert torch.allclose(made, sampled(model, scenes[0], 0), atol=1e-4)
    assert api.load("madiff", device="cpu").spec.name == "madiff"
