"""Sampling that looks at its own estimates: denoise, decode, take hints of the decoded frame, denoise on.

    hints = nothing                                            the frame is not known
    z = noise
    for each step t, from noise to picture:
        e     = epsilon(z, t, latents of the neighbours, hints)
        clean = (z - noise(t) e) / signal(t)                   not the posterior mean that the paper prints
        frame = decode(quantised clean, features of the neighbours, hints)
        hints = (before -> frame, frame -> after)
        z     = where DDIM lands from clean and e
    frame = decode(quantised z, features of the neighbours, hints)

Where hints are motion, those of the neighbours alone are there before the first step, and the latents of the
neighbours are moved as hints say.

Source: Huang et al. 2024, section 4.3; steps, spacing and noise as in LDMVFI (Danier et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.diffusion.prediction import clean_from
from midframe.diffusion.sampler import Jump, ddim_jumps, sampling_steps
from midframe.methods.madiff.config import DenoiserConfig
from midframe.methods.madiff.model import Frames, Hints, MadiffModel
from midframe.methods.madiff.parts import Gap

HintMode: TypeAlias = Literal["motion", "pair", "none"]
"""Where hints come from when a frame is made: from estimates of it, from its two neighbours alone, or nowhere."""
Watch: TypeAlias = Callable[[Jump, Tensor], None]
"""Called with each step whose estimate was decoded, and with the decoded frame."""


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """How a frame is sampled.

    Attributes:
        steps: From noise to picture.
        eta: Share of fresh noise in each of them.
        hints: Where they come from.
        refresh_every: Of "motion": steps from one extraction to the next, counted so that the last step has one.
        refresh_above: Of "motion": share of signal in the variance from which on hints are extracted.
    """

    steps: int = 25
    eta: float = 1.0
    hints: HintMode = "motion"
    refresh_every: int = 1
    refresh_above: float = 0.0

    @classmethod
    def of(cls, config: DenoiserConfig) -> SamplingPlan:
        """As a file of weights says."""
        return cls(
            steps=config.sampling_steps,
            eta=config.eta,
            hints=config.sampling_hints,
            refresh_every=config.refresh_every,
            refresh_above=config.refresh_above,
        )

    def __post_init__(self) -> None:
        if self.refresh_every < 1:
            raise UsageError(f"refresh_every is at least 1; got {self.refresh_every}.")

    def jumps(self, config: DenoiserConfig, device: torch.device) -> list[Jump]:
        """The steps, and what lies between them.

        Raises:
            UsageError: More steps than the diffusion has, or an eta outside [0, 1].
        """
        levels = config.levels()
        # A single step of the parent's spacing would be that of the least noise, and see all of it.
        visited = sampling_steps(len(levels), self.steps, "leading" if self.steps > 1 else "trailing")
        return ddim_jumps(levels.to(device), visited, eta=self.eta, end="first level")

    def refreshes(self, jumps: Sequence[Jump]) -> list[bool]:
        """For each step, whether hints are extracted from its estimate."""
        last = len(jumps) - 1
        return [
            self.hints == "motion"
            and (last - number) % self.refresh_every == 0
            and float(jump.signal) ** 2 > self.refresh_above
            for number, jump in enumerate(jumps)
        ]


@torch.inference_mode()
def sample_frame(
    model: MadiffModel,
    before: Frames,
    after: Frames,
    plan: SamplingPlan,
    *,
    generator: torch.Generator,
    tile_pixels: int | None = None,
    given: Hints | None = None,
    watch: Watch | None = None,
) -> Frames:
    """Make the frame half-way between two.

    All noise is drawn in float32 for the whole frame, whatever the model's precision and however it is cut into
    parts, so that neither changes what a seed stands for.

    Args:
        model: In evaluation mode.
        before: RGB in [0, 1]; height and width multiples of `MadiffConfig.size_multiple`.
        after: Of the same size.
        plan: How.
        generator: Source of all noise, on the frames' device.
        tile_pixels: See `parts.Gap`.
        given: Hints to be believed from the first step to the last, in place of the plan's: those of the true frame,
            to measure what better hints could bring.
        watch: See `Watch`.

    Returns:
        RGB in [0, 1].
    """
    gap = Gap(model, before, after, tile_pixels)
    if given is not None:
        gap.believe(given)
    elif plan.hints == "pair" or (plan.hints == "motion" and model.moves):
        gap.look_at_the_pair()
    jumps = plan.jumps(model.config.denoiser, before.device)
    noisy = torch.randn(gap.latent_shape, generator=generator, device=before.device)
    for jump, refresh in zip(jumps, plan.refreshes(jumps), strict=True):
        epsilon = gap.epsilon(noisy, jump.step)
        clean = clean_from("eps", epsilon, noisy, jump.signal, jump.noise)
        if refresh and given is None:
            frame = gap.decode(clean)
            if watch is not None:
                watch(jump, frame)
            gap.look_at(frame)
        noisy = jump.land(noisy, clean, generator)
    return gap.decode(noisy)
