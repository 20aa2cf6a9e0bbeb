"""Diffusion counted in sigma: z = clean + sigma * epsilon, the network's input scaled to unit variance.

A network for this form predicts the velocity of the scaled sample, so that `prediction.target_of("v")` and
`clean_from("v")` hold with the signal and noise that `unit_variance` gives.

    c_in = 1 / sqrt(sigma² + 1) = signal       c_skip = signal²       c_out = -noise       c_noise = ln(sigma) / 4

Source: Karras et al. 2022, table 1, with a velocity for the network's output as in Stable Video Diffusion.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.diffusion.prediction import clean_from

RHO = 7.0
"""How much denser the levels lie near the clean end."""


def karras_sigmas(count: int, least: float, most: float, rho: float = RHO) -> Float[Tensor, " levels"]:
    """Levels of noise for so many steps.

    Args:
        count: Steps.
        least: Sigma of the last step.
        most: Sigma of the first one.
        rho: See `RHO`.

    Returns:
        `count` + 1 levels, float32, descending, the last of them zero.

    Raises:
        UsageError: No step, or levels that do not descend.

    Source: Karras et al. 2022, equation 5.
    """
    if count < 1:
        raise UsageError(f"Sampling needs at least one step; got {count}.")
    if not 0 < least < most:
        raise UsageError(f"Levels of noise descend to a positive one; got {most} to {least}.")
    ramp = torch.linspace(0, 1, count, dtype=torch.float64)
    sigmas = (most ** (1 / rho) + ramp * (least ** (1 / rho) - most ** (1 / rho))) ** rho
    return torch.cat((sigmas, sigmas.new_zeros(1))).float()


def unit_variance(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise of the scaled sample z / sqrt(sigma² + 1)."""
    signal = (sigma.square() + 1).rsqrt()
    return signal, sigma * signal


def noise_condition(sigma: Tensor) -> Tensor:
    """What the network is told of the level."""
    return sigma.log() / 4


def clean_from_velocity(velocity: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
    """The clean sample that a velocity stands for.

    Args:
        velocity: As the network predicts it.
        noisy: clean + sigma * epsilon.
        sigma: Broadcasts with both.
    """
    signal, noise = unit_variance(sigma)
    return clean_from("v", velocity, signal * noisy, signal, noise)


def euler_step(clean: Tensor, noisy: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """From one level of noise to the next along the straight line to the clean sample."""
    # d = (z - D) / sigma; z + (sigma' - sigma) d
    return noisy + (noisy - clean) / sigma * (following - sigma)


def renoise(noisy: Tensor, sigma: Tensor, following: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Back from the level `following` to the larger `sigma`, with fresh noise.

    Args:
        noisy: A sample at the level `following`.
        sigma: Level to go back to.
        following: Level that it has.
        generator: Source of the noise, on the sample's device.
    """
    spread = (sigma.square() - following.square()).clamp(min=0).sqrt()
    return noisy + spread * torch.randn(noisy.shape, generator=generator, device=noisy.device, dtype=noisy.dtype)
