"""How the two directions become one clip, and the order of the moves that sampling makes.

All systems here share one skeleton: a list of moves over the levels of noise, each of which denoises by one level or
adds the noise of one level again. They differ in the moves, in the frame weights, in the guidance, and in what the
backward direction is made by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError

System: TypeAlias = Literal["full", "time-reversal", "forward"]
"""Algorithm 2, Time Reversal Fusion, or the image-to-video model alone."""
Weighting: TypeAlias = Literal["average", "linear"]
"""Of the forward direction: a half in every frame, or from 1 at the first frame to 0 at the last."""

JUMP_LENGTH = 5
"""Levels that Time Reversal Fusion goes back at once."""
JUMP_SHARE = 0.8
"""Part of the steps that are still to be made, above which it does so."""


@dataclass(frozen=True)
class Denoise:
    """From level `step` to the next one."""

    step: int


@dataclass(frozen=True)
class Renoise:
    """Back to level `step` from the next one."""

    step: int


Move: TypeAlias = Denoise | Renoise


def moves(system: System, steps: int, injections: int, injection_share: float) -> list[Move]:
    """What sampling does, in order.

    Args:
        system: See `System`.
        steps: Levels of noise above zero.
        injections: Times that each of the first steps is repeated from fresh noise; the full system alone does so.
        injection_share: Part of the steps, from the first, that are repeated.

    Raises:
        UsageError: No steps, a negative number of injections, or a share outside [0, 1].
    """
    if steps < 1 or injections < 0 or not 0 <= injection_share <= 1:
        raise UsageError(
            f"Sampling takes at least one step, no negative injections, and a share of steps in [0, 1]; got {steps}, "
            f"{injections} and {injection_share}."
        )
    if system == "time-reversal":
        return list(_jumping(steps))
    result: list[Move] = []
    for step in range(steps):
        result.append(Denoise(step))
        if system == "full" and step < steps * injection_share:
            result += [Renoise(step), Denoise(step)] * injections
    return result


def _jumping(steps: int) -> Iterator[Move]:
    """Time Reversal Fusion goes back once from each multiple of five steps that are left, where many are left."""
    left = range(0, steps - JUMP_LENGTH, JUMP_LENGTH)
    starts = {steps - count for count in left if count >= JUMP_SHARE * steps}
    for step in range(steps):
        yield Denoise(step)
        done = step + 1
        if done in starts:
            back = range(max(done - JUMP_LENGTH, 0), done)
            yield from (Renoise(undone) for undone in reversed(back))
            yield from (Denoise(again) for again in back)


def evaluations(planned: list[Move], system: System, *, guided: bool) -> int:
    """Clips that go through the network in all."""
    directions = 1 if system == "forward" else 2
    return sum(isinstance(move, Denoise) for move in planned) * directions * (2 if guided else 1)


def guidance_ramp(weighting: Weighting, frames: int, ends: tuple[float, float]) -> Float[Tensor, " frames"]:
    """Guidance of each frame, in the order of a direction's own time.

    Args:
        weighting: With "average" both directions' ramps are averaged, which leaves one value for all frames.
        frames: Of the clip.
        ends: Of the conditioning frame and of the frame farthest from it.
    """
    ramp = torch.linspace(*ends, frames)
    return (ramp + ramp.flip(0)) / 2 if weighting == "average" else ramp


def frame_weights(weighting: Weighting, frames: int) -> Float[Tensor, " frames"]:
    """Share of the forward direction in each frame."""
    return torch.full((frames,), 0.5) if weighting == "average" else torch.linspace(1, 0, frames)


def guided(plain: Tensor, conditioned: Tensor, ramp: Tensor) -> Tensor:
    """Classifier-free guidance by frame: (batch, frame, channel, rows, columns)."""
    return plain + ramp.to(plain.device)[None, :, None, None, None] * (conditioned - plain)


def fuse(forward: Tensor, backward: Tensor, weights: Tensor) -> Tensor:
    """One clip of two directions, each in its own order of time.

    A step of Euler's is affine in the velocity, and the two directions start from one sample: fusing velocities, as
    Algorithm 2 does, and fusing what their steps lead to, as Time Reversal Fusion does, are the same.
    """
    share = weights.to(forward.device)[None, :, None, None, None]
    return share * forward + (1 - share) * backward.flip(1)


def disagreement(forward: Tensor, backward: Tensor) -> float:
    """Root mean square difference of the two directions' predictions."""
    return float((forward - backward.flip(1)).square().mean().sqrt())
