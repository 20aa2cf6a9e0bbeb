"""Diffusion on problems with known answers."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from midframe.core.errors import UsageError
from midframe.diffusion.edm import clean_from_velocity, euler_step, karras_sigmas, renoise, unit_variance
from midframe.diffusion.levels import NoiseLevels, cosine_levels, linear_levels, root_linear_levels
from midframe.diffusion.prediction import clean_from, diffuse, noise_in, target_of
from midframe.diffusion.sampler import ddim_jumps, sample_ddim, sampling_steps

STEPS = 1000
MEAN, SPREAD = 0.7, 0.4
SCHEDULES = {
    "cosine": cosine_levels(STEPS),
    "linear": linear_levels(STEPS),
    "root linear": root_linear_levels(STEPS),
}


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def levels(request: pytest.FixtureRequest) -> NoiseLevels:
    return request.param


def exact_denoiser(levels: NoiseLevels):
    """E[clean | noisy] where the clean sample is Gaussian: linear in the noisy one."""

    def denoise(noisy: torch.Tensor, step: int) -> torch.Tensor:
        signal, noise = levels.signal[step], levels.noise[step]
        gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + noise**2)
        return MEAN + gain * (noisy - signal * MEAN)

    return denoise


def test_levels_run_from_clean_to_noise_at_unit_variance(levels: NoiseLevels):
    assert len(levels) == STEPS
    assert levels.signal[0] > 0.999
    assert levels.signal[-1] < 0.015
    assert (levels.signal.diff() <= 0).all()
    assert torch.allclose(levels.signal**2 + levels.noise**2, torch.ones(STEPS), atol=1e-5)


def test_the_cosine_schedule_is_the_published_formula():
    def share(step: int) -> float:
        return math.cos((step / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2

    found = cosine_levels(STEPS).signal.square()
    for step in (0, 250, 700):
        assert float(found[step]) == pytest.approx(share(step + 1) / share(0), abs=1e-5)


def test_the_linear_schedule_multiplies_what_each_step_keeps():
    found = linear_levels(3, first=0.1, last=0.3).signal.square()
    assert found.tolist() == pytest.approx([0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7], abs=1e-5)


def test_the_root_linear_schedule_adds_squares_of_evenly_spaced_numbers():
    found = root_linear_levels(3, first=0.01, last=0.09).signal.square()
    assert found.tolist() == pytest.approx([0.99, 0.99 * 0.96, 0.99 * 0.96 * 0.91], abs=1e-5)


@pytest.mark.parametrize("schedule", [linear_levels, root_linear_levels])
def test_added_variances_that_fall_are_refused(schedule):
    with pytest.raises(UsageError, match=r"must ascend inside \(0, 1\); got 0\.2 to 0\.1"):
        schedule(10, first=0.2, last=0.1)


@pytest.mark.parametrize("kind", ["x0", "eps", "v"])
@pytest.mark.parametrize(("signal", "noise"), [(0.6, 0.8), (1.0, 5.0)], ids=["unit variance", "growing variance"])
def test_every_prediction_gives_back_the_clean_sample(kind, signal: float, noise: float):
    clean, epsilon = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    a, s = torch.tensor(signal), torch.tensor(noise)
    noisy = diffuse(clean, epsilon, a, s)
    target = target_of(kind, clean, epsilon, a, s)
    assert torch.allclose(clean_from(kind, target, noisy, a, s), clean, atol=1e-4)
    assert torch.allclose(noise_in(clean, noisy, a, s), epsilon, atol=1e-5)


def test_each_sample_of_a_batch_has_its_own_level(levels: NoiseLevels):
    signal, noise = levels.at(torch.tensor([0, 999]), dimensions=5)
    assert signal.shape == noise.shape == (2, 1, 1, 1, 1)
    assert torch.equal(signal.flatten(), levels.signal[[0, 999]])


def test_without_fresh_noise_a_gaussian_keeps_its_quantiles(levels: NoiseLevels):
    # The exact answer: a point at q standard deviations of the noise ends at q of the target.
    quantiles = torch.tensor([-2.0, 0.0, 1.0, 3.0])
    made = sample_ddim(exact_denoiser(levels), quantiles, levels, sampling_steps(STEPS, STEPS))
    assert torch.allclose(made, MEAN + SPREAD * quantiles, atol=0.02)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_samples_have_the_mean_and_the_variance_of_the_target(levels: NoiseLevels, eta: float):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, generator=generator)
    made = sample_ddim(
        exact_denoiser(levels), noise, levels, sampling_steps(STEPS, 500), eta=eta, generator=generator
    )
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.015)
    assert float(made.std()) == pytest.approx(SPREAD, rel=0.04)


def test_levels_with_full_signal_and_growing_noise_sample_as_well():
    noise = torch.logspace(-2, 2, 400)
    levels = NoiseLevels(torch.ones(400), noise)
    quantiles = torch.tensor([-1.0, 0.0, 2.0])
    made = sample_ddim(exact_denoiser(levels), 100 * quantiles, levels, sampling_steps(400, 400))
    assert torch.allclose(made, MEAN + SPREAD * quantiles, atol=0.03)


def test_steps_begin_at_pure_noise_and_descend():
    assert sampling_steps(1000, 1) == [999]
    assert sampling_steps(1000, 4) == [999, 749, 499, 249]
    assert sampling_steps(4, 4) == [3, 2, 1, 0]


def test_leading_steps_are_those_of_latent_diffusion():
    assert sampling_steps(1000, 200, "leading") == [*range(996, 0, -5)]
    assert sampling_steps(1000, 3, "leading") == [667, 334, 1]
    assert sampling_steps(4, 4, "leading") == [3, 2, 1, 0]


def test_a_walk_may_end_at_the_first_level_with_its_noise():
    levels, quantiles = SCHEDULES["root linear"], torch.tensor([-1.0, 0.5])
    steps = sampling_steps(STEPS, 500, "leading")
    made = sample_ddim(exact_denoiser(levels), quantiles, levels, steps, end="first level")
    spread = (levels.signal[0] ** 2 * SPREAD**2 + levels.noise[0] ** 2).sqrt()
    assert torch.allclose(made, levels.signal[0] * MEAN + spread * quantiles, atol=0.02)


@pytest.mark.parametrize("end", ["clean", "first level"])
def test_with_the_true_noise_every_estimate_is_the_clean_sample(levels: NoiseLevels, end):
    clean, epsilon = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jumps = ddim_jumps(levels, sampling_steps(STEPS, 50), end=end)
    noisy = diffuse(clean, epsilon, jumps[0].signal, jumps[0].noise)
    for jump in jumps:
        estimate = clean_from("eps", epsilon, noisy, jump.signal, jump.noise)
        assert torch.allclose(estimate, clean, atol=1e-4)
        noisy = jump.land(noisy, estimate)
    assert torch.allclose(noisy, diffuse(clean, epsilon, jumps[-1].next_signal, jumps[-1].next_noise), atol=1e-4)


def test_fresh_noise_comes_from_the_generator_and_not_from_the_global_one():
    levels, noisy = SCHEDULES["root linear"], torch.zeros(6)

    def sampled(seed: int, world: int) -> torch.Tensor:
        torch.manual_seed(world)
        generator = torch.Generator().manual_seed(seed)
        steps = sampling_steps(STEPS, 5)
        return sample_ddim(exact_denoiser(levels), noisy, levels, steps, eta=1.0, generator=generator)

    assert torch.equal(sampled(1, world=0), sampled(1, world=1))
    assert not torch.equal(sampled(1, world=0), sampled(2, world=0))


@pytest.mark.parametrize("eta", [-0.1, 1.5])
def test_a_share_of_fresh_noise_outside_zero_and_one_is_refused(levels: NoiseLevels, eta: float):
    with pytest.raises(UsageError, match=r"eta is a share in \[0, 1\]"):
        ddim_jumps(levels, [1, 0], eta=eta)


@pytest.mark.parametrize("count", [0, 11])
def test_steps_that_a_diffusion_does_not_have_are_refused(count: int):
    with pytest.raises(UsageError, match="1 to 10 steps"):
        sampling_steps(10, count)


def test_steps_that_ascend_are_refused(levels: NoiseLevels):
    with pytest.raises(UsageError, match="must descend"):
        sample_ddim(lambda noisy, step: noisy, torch.zeros(1), levels, [1, 2])


# Counted in sigma


def test_karras_levels_are_those_of_the_librarys_scheduler():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.EulerDiscreteScheduler(
        use_karras_sigmas=True, sigma_min=0.002, sigma_max=700.0, timestep_type="continuous"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # The library is older than this numpy.
        scheduler.set_timesteps(25)
    assert torch.allclose(karras_sigmas(25, 0.002, 700.0), scheduler.sigmas, rtol=1e-4)


def test_a_velocity_stands_for_the_clean_sample_that_it_was_made_of():
    clean, epsilon = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    for level in (0.01, 1.0, 300.0):
        sigma = torch.tensor(level)
        signal, noise = unit_variance(sigma)
        noisy = clean + sigma * epsilon
        velocity = target_of("v", clean, epsilon, signal, noise)
        assert torch.allclose(clean_from_velocity(velocity, noisy, sigma), clean, atol=1e-3)
        # c_skip z + c_out v, as the paper writes it.
        written = noisy / (level**2 + 1) - level / math.sqrt(level**2 + 1) * velocity
        assert torch.allclose(clean_from_velocity(velocity, noisy, sigma), written, atol=1e-3)


def test_noise_that_is_added_again_restores_the_level():
    generator = torch.Generator().manual_seed(0)
    clean, sigma, following = torch.zeros(200_000), torch.tensor(5.0), torch.tensor(3.0)
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    stepped = euler_step(clean, noisy, sigma, following)
    assert float(stepped.std()) == pytest.approx(3.0, rel=0.01)
    assert float(renoise(stepped, sigma, following, generator).std()) == pytest.approx(5.0, rel=0.01)
    assert torch.equal(euler_step(clean, noisy, sigma, torch.tensor(0.0)), clean)


@pytest.mark.parametrize(("count", "least", "most"), [(0, 0.1, 1.0), (5, 1.0, 1.0), (5, 0.0, 1.0)])
def test_levels_that_do_not_descend_are_refused(count: int, least: float, most: float):
    with pytest.raises(UsageError, match=r"at least one step|descend"):
        karras_sigmas(count, least, most)
