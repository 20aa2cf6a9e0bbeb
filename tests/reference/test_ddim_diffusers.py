"""Latent diffusion's sampler against the numbers of diffusers 0.42.1, whose DDIMScheduler is set up for it.

The numbers below are what `by_diffusers` gave; to make them anew, beside an installed midframe:

    pip install --no-deps --target /tmp/diffusers diffusers
    PYTHONPATH=/tmp/diffusers pytest tests/reference/test_ddim_diffusers.py
"""

from __future__ import annotations

import math
from itertools import count

import pytest
import torch

from midframe.diffusion.levels import root_linear_levels
from midframe.diffusion.prediction import clean_from
from midframe.diffusion.sampler import sample_ddim, sampling_steps

STEPS, TAKEN = 1000, 25
START = torch.linspace(-2, 2, 5, dtype=torch.float64)
SHARES = {0: 0.9984999895095825, 500: 0.11492197960615158, 999: 0.00014230386295821518}
"""Of signal in the variance, `alphas_cumprod`."""
RECORDED = {
    0.0: [-1.6963405196850132, -0.8294675369584417, 0.0, 0.8294675369584417, 1.6963405196850132],
    1.0: [-0.09857413871030697, -0.164761802524924, -0.09095354628926353, 0.0664730786395596, 0.17517986865701182],
}
FLOAT32_TOLERANCE = 1e-4  # both keep their levels in float32; at the highest the signal is 0.012


def epsilon(noisy: torch.Tensor, step: int) -> torch.Tensor:
    """Stands for a network: nearly all noise at high levels, and a bend of its own."""
    return noisy * (1 - math.exp(-step / 150)) + 0.01 * torch.sin(3 * noisy)


def fresh_noise(number: int) -> torch.Tensor:
    """What is drawn at a step, so that two samplers draw alike."""
    return torch.cos(torch.arange(5, dtype=torch.float64) + number)


def by_diffusers(eta: float) -> list[float]:
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=STEPS,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="leading",
    )
    scheduler.set_timesteps(TAKEN)
    assert scheduler.timesteps.tolist() == sampling_steps(STEPS, TAKEN, "leading")
    noisy = START
    for number, step in enumerate(scheduler.timesteps.tolist()):
        drawn = fresh_noise(number) if eta else None
        noisy = scheduler.step(epsilon(noisy, step), step, noisy, eta=eta, variance_noise=drawn).prev_sample
    return noisy.tolist()


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_sampler_gives_the_recorded_numbers(eta: float, monkeypatch: pytest.MonkeyPatch):
    numbers = count()
    monkeypatch.setattr(torch, "randn", lambda *args, **options: fresh_noise(next(numbers)))
    levels = root_linear_levels(STEPS)

    def denoise(noisy: torch.Tensor, step: int) -> torch.Tensor:
        return clean_from("eps", epsilon(noisy, step), noisy, levels.signal[step], levels.noise[step])

    steps = sampling_steps(STEPS, TAKEN, "leading")
    made = sample_ddim(denoise, START, levels, steps, eta=eta, end="first level")
    assert made.tolist() == pytest.approx(RECORDED[eta], abs=FLOAT32_TOLERANCE)
    assert next(numbers) == (TAKEN if eta else 0)


def test_the_schedule_has_the_recorded_levels():
    found = root_linear_levels(STEPS).signal.square()
    assert {step: float(found[step]) for step in SHARES} == pytest.approx(SHARES, rel=1e-5)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_recorded_numbers_are_those_of_diffusers(eta: float):
    assert by_diffusers(eta) == pytest.approx(RECORDED[eta], abs=1e-12)
