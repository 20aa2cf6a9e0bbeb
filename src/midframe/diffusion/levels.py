"""How much signal and how much noise each step of a diffusion holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from midframe.core.errors import UsageError

COSINE_OFFSET = 0.008
LEAST_SIGNAL = 1e-5
"""Of the share of signal in the variance: at zero a prediction of the noise could not be turned into a picture."""


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """Levels by step, from nearly clean (step 0) to nearly pure noise.

    Attributes:
        signal: Factor of the clean sample.
        noise: Standard deviation of the noise.
    """

    signal: Float[Tensor, " steps"]
    noise: Float[Tensor, " steps"]

    def __len__(self) -> int:
        return len(self.signal)

    def to(self, device: torch.device) -> NoiseLevels:
        """The same levels on another device."""
        return NoiseLevels(self.signal.to(device), self.noise.to(device))

    def at(self, steps: Int[Tensor, " batch"], dimensions: int) -> tuple[Tensor, Tensor]:
        """Signal and noise of each sample's step, shaped to multiply samples of that many dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return self.signal[steps].view(shape), self.noise[steps].view(shape)


def cosine_levels(steps: int) -> NoiseLevels:
    """The cosine schedule.

    Raises:
        UsageError: Less than one step.

    Source: Nichol & Dhariwal 2021, equation 17; the share of signal is at least `LEAST_SIGNAL`.
    """
    _check(steps)
    at = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    # ab(k) = f(k) / f(0), f(k) = cos²((k / T + s) / (1 + s) * pi / 2)
    angle = (at + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2
    start = math.cos(COSINE_OFFSET / (1 + COSINE_OFFSET) * math.pi / 2)
    return _preserving((angle.cos() / start).square())


def linear_levels(steps: int, first: float = 1e-4, last: float = 0.02) -> NoiseLevels:
    """The schedule whose added variance grows linearly.

    Args:
        steps: Number of levels.
        first: Variance added by the first step.
        last: Variance added by the last one.

    Raises:
        UsageError: Less than one step, or variances outside (0, 1).

    Source: Ho et al. 2020, section 4.
    """
    _check(steps, first, last)
    return _preserving((1 - torch.linspace(first, last, steps, dtype=torch.float64)).cumprod(0))


def root_linear_levels(steps: int, first: float = 0.0015, last: float = 0.0195) -> NoiseLevels:
    """The schedule of latent diffusion: the square root of the added variance grows linearly.

    Args:
        steps: Number of levels.
        first: Variance added by the first step.
        last: Variance added by the last one.

    Raises:
        UsageError: Less than one step, or variances outside (0, 1).

    Source: Rombach et al. 2022 (their code calls it "linear", diffusers "scaled_linear").
    """
    _check(steps, first, last)
    added = torch.linspace(math.sqrt(first), math.sqrt(last), steps, dtype=torch.float64).square()
    return _preserving((1 - added).cumprod(0))


def _check(steps: int, first: float = 0.5, last: float = 0.5) -> None:
    if steps < 1:
        raise UsageError(f"A diffusion needs at least one step; got {steps}.")
    if not 0 < first <= last < 1:
        raise UsageError(f"Added variances must ascend inside (0, 1); got {first} to {last}.")


def _preserving(share: Tensor) -> NoiseLevels:
    """Levels of unit variance from the share of signal in it."""
    share = share.clamp(LEAST_SIGNAL, 1)
    return NoiseLevels(share.sqrt().float(), (1 - share).sqrt().float())
