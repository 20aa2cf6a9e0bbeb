"""From noise to a sample, in few steps.

`sample_ddim` follows a denoiser. A method that does more than that at each step writes the loop itself:

    for jump in ddim_jumps(levels, steps, eta=1.0):
        clean = ...                                # the estimate at jump.step, and whatever is to be done with it
        noisy = jump.land(noisy, clean, generator)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.diffusion.levels import NoiseLevels
from midframe.diffusion.prediction import noise_in

Denoiser: TypeAlias = Callable[[Tensor, int], Tensor]
"""From a noisy sample and its step, the estimate of the clean sample."""
Spacing: TypeAlias = Literal["trailing", "leading"]
"""Which steps are taken of many: the last ones of equal parts, or their first ones and one more."""
End: TypeAlias = Literal["clean", "first level"]
"""Where a walk ends: at the last estimate of the clean sample, or at the level of step 0, which has some noise."""


def sampling_steps(total: int, count: int, spacing: Spacing = "trailing") -> list[int]:
    """Evenly spaced steps, descending.

    Args:
        total: Steps that the diffusion has.
        count: Steps to take.
        spacing: "trailing" begins at the last step, pure noise, for any count; "leading" begins below it and ends
            at step 1, as latent diffusion does.

    Raises:
        UsageError: More steps than there are, or none.

    Source: Lin et al. 2024, table 2; the one more of "leading" is that of Rombach et al. 2022's sampler.
    """
    if not 1 <= count <= total:
        raise UsageError(f"A diffusion of {total} steps can be sampled in 1 to {total} steps; got {count}.")
    if spacing == "trailing":
        return [round(total * (count - taken) / count) - 1 for taken in range(count)]
    apart = total // count
    offset = 1 if apart > 1 else 0  # Where every step is taken, there is none above the last.
    return [apart * taken + offset for taken in reversed(range(count))]


@dataclass(frozen=True, eq=False)
class Jump:
    """From one level of noise down to the next one that is visited.

    Attributes:
        step: Step of the diffusion whose level is left.
        signal: There.
        noise: There.
        next_signal: Where the jump ends.
        next_noise: There.
        fresh: Part of `next_noise`, as a standard deviation, that is drawn anew.
    """

    step: int
    signal: Tensor
    noise: Tensor
    next_signal: Tensor
    next_noise: Tensor
    fresh: Tensor

    def land(self, noisy: Tensor, clean: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The sample at the level where the jump ends.

        Args:
            noisy: The sample at the level that is left.
            clean: What it is estimated to be without noise.
            generator: Source of fresh noise, on the sample's device.
        """
        if self.next_noise == 0:
            return self.next_signal * clean
        epsilon = noise_in(clean, noisy, self.signal, self.noise)
        kept = (self.next_noise.square() - self.fresh.square()).clamp(min=0).sqrt()
        landed = self.next_signal * clean + kept * epsilon
        if self.fresh > 0:
            landed = landed + self.fresh * torch.randn(noisy.shape, generator=generator, device=noisy.device)
        return landed


def ddim_jumps(levels: NoiseLevels, steps: Sequence[int], *, eta: float = 0.0, end: End = "clean") -> list[Jump]:
    """What lies between the steps of a sampler, and behind the last of them.

    Args:
        levels: Signal and noise of every step.
        steps: Descending (`sampling_steps`).
        eta: Share of fresh noise: 0 is deterministic, 1 is ancestral sampling.
        end: Where the last jump ends.

    Raises:
        UsageError: Steps that do not descend, or eta outside [0, 1].

    Source: Song et al. 2021, equations 12 and 16, for any signal and noise.
    """
    if not steps or any(later >= earlier for earlier, later in pairwise(steps)):
        raise UsageError(f"Sampling steps must descend; got {list(steps)}.")
    if not 0 <= eta <= 1:
        raise UsageError(f"eta is a share in [0, 1]; got {eta}.")
    one = torch.ones_like(levels.signal[0])
    last = (one, one * 0) if end == "clean" else (levels.signal[0], levels.noise[0])
    visited = [*((levels.signal[step], levels.noise[step]) for step in steps), last]
    jumps = []
    for step, ((signal, noise), (next_signal, next_noise)) in zip(steps, pairwise(visited), strict=True):
        # Standard deviation of the earlier sample, given this one and the clean one, times eta.
        spread = noise.square() - (signal / next_signal * next_noise).square()
        fresh = eta * next_noise / noise * spread.clamp(min=0).sqrt() if eta else one * 0
        jumps.append(Jump(step, signal, noise, next_signal, next_noise, fresh))
    return jumps


def sample_ddim(
    denoise: Denoiser,
    noisy: Tensor,
    levels: NoiseLevels,
    steps: Sequence[int],
    *,
    eta: float = 0.0,
    end: End = "clean",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Follow a denoiser from noise to a clean sample.

    Args:
        denoise: Estimates the clean sample.
        noisy: A sample at the level of the first step; left unchanged.
        levels: Signal and noise of every step.
        steps: Descending (`sampling_steps`).
        eta: Share of fresh noise: 0 is deterministic, 1 is ancestral sampling.
        end: Where the walk ends.
        generator: Source of the fresh noise, on the device of the sample.

    Returns:
        The last estimate of the clean sample, or what is at the first level.

    Raises:
        UsageError: Steps that do not descend, or eta outside [0, 1].

    Source: as `ddim_jumps`.
    """
    for jump in ddim_jumps(levels, steps, eta=eta, end=end):
        noisy = jump.land(noisy, denoise(noisy, jump.step), generator)
    return noisy
