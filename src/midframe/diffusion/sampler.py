"""From noise to a sample, in few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.diffusion.levels import NoiseLevels
from midframe.diffusion.prediction import noise_in

Denoiser: TypeAlias = Callable[[Tensor, int], Tensor]
"""From a noisy sample and its step, the estimate of the clean sample."""


def sampling_steps(total: int, count: int) -> list[int]:
    """Evenly spaced steps, descending from the last.

    Args:
        total: Steps that the diffusion has.
        count: Steps to take.

    Raises:
        UsageError: More steps than there are, or none.

    Source: the "trailing" spacing of Lin et al. 2024, table 2: it begins at pure noise for any count.
    """
    if not 1 <= count <= total:
        raise UsageError(f"A diffusion of {total} steps can be sampled in 1 to {total} steps; got {count}.")
    return [round(total * (count - taken) / count) - 1 for taken in range(count)]


def sample_ddim(
    denoise: Denoiser,
    noisy: Tensor,
    levels: NoiseLevels,
    steps: Sequence[int],
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Follow a denoiser from noise to a clean sample.

    Args:
        denoise: Estimates the clean sample.
        noisy: A sample at the level of the first step; left unchanged.
        levels: Signal and noise of every step.
        steps: Descending (`sampling_steps`).
        eta: Share of fresh noise: 0 is deterministic, 1 is ancestral sampling.
        generator: Source of the fresh noise, on the device of the sample.

    Returns:
        The last estimate of the clean sample.

    Raises:
        UsageError: Steps that do not descend, or eta outside [0, 1].

    Source: Song et al. 2021, equations 12 and 16, for any signal and noise.
    """
    if not steps or any(later >= earlier for earlier, later in pairwise(steps)):
        raise UsageError(f"Sampling steps must descend; got {list(steps)}.")
    if not 0 <= eta <= 1:
        raise UsageError(f"eta is a share in [0, 1]; got {eta}.")
    for step, following in pairwise(steps):
        signal, noise = levels.signal[step], levels.noise[step]
        next_signal, next_noise = levels.signal[following], levels.noise[following]
        clean = denoise(noisy, step)
        epsilon = noise_in(clean, noisy, signal, noise)
        # Standard deviation of the earlier sample, given this one and the clean one, times eta.
        spread = noise.square() - (signal / next_signal * next_noise).square()
        fresh = eta * next_noise / noise * spread.clamp(min=0).sqrt()
        noisy = next_signal * clean + (next_noise.square() - fresh.square()).clamp(min=0).sqrt() * epsilon
        if eta:
            noisy = noisy + fresh * torch.randn(noisy.shape, generator=generator, device=noisy.device)
    return denoise(noisy, steps[-1])
