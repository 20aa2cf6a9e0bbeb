"""The objective of image-to-video diffusion, and of Algorithm 1."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.diffusion.edm import clean_from_velocity, unit_variance
from midframe.diffusion.prediction import target_of

Latents = Float[Tensor, "batch frame channel rows columns"]


def draw_sigma(count: int, mean: float, spread: float, generator: torch.Generator) -> Float[Tensor, " batch"]:
    """Levels of noise to train at: their logarithm is normal.

    Source: Karras et al. 2022, table 1.
    """
    return (mean + spread * torch.randn(count, generator=generator)).exp()


def edm_loss(velocity: Latents, clean: Latents, noisy: Latents, sigma: Float[Tensor, " batch"]) -> Tensor:
    """Weighted squared error of the clean sample that a velocity stands for.

    The weight (1 + sigma²) / sigma² makes it the plain squared error of the velocity.

    Args:
        velocity: As predicted.
        clean: The truth.
        noisy: clean + sigma * epsilon.
        sigma: Of each clip.
    """
    # mean over everything of (1 + s²) / s² (D(z) - x)²
    level = sigma[:, None, None, None, None]
    error = clean_from_velocity(velocity, noisy, level) - clean
    return ((1 + level.square()) / level.square() * error.square()).mean()


def velocity_loss(velocity: Latents, clean: Latents, epsilon: Latents, sigma: Float[Tensor, " batch"]) -> Tensor:
    """Squared error of a velocity: what `edm_loss` is, without a division by small levels.

    Args:
        velocity: As predicted.
        clean: The truth.
        epsilon: The noise in the sample.
        sigma: Of each clip.
    """
    signal, noise = unit_variance(sigma[:, None, None, None, None])
    return (velocity - target_of("v", clean, epsilon, signal, noise)).square().mean()
