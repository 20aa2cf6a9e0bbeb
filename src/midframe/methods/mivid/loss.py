"""The objective: pixels first, looks later, on what was hidden."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import RecipeError
from midframe.core.task import LossTerms
from midframe.losses.perceptual import FrameDistance
from midframe.methods.mivid.masking import partly_hidden

RISE_FROM, RISE_OVER = 0.2, 0.6
"""The perceptual part rises along a cosine from 20 % of the training, over 60 % of it."""
BALANCE_DECAY = 0.99
"""Of the running means that the scale-free variant divides."""

Clip = Float[Tensor, "batch 3 frame height width"]
Visibility = Float[Tensor, "batch 1 frame height width"]


@dataclass(frozen=True, kw_only=True)
class MividWeights:
    """Sizes of the terms.

    Attributes:
        adaptive: How the weights change with training: "schedule" lets absolute differences fall to a half while the
            perceptual term rises to `perceptual`; "balanced" makes the perceptual term at most twice `perceptual` of
            the absolute one, whatever its scale; "none" leaves absolute differences alone.
        perceptual: Weight of the perceptual term at the end.
        temporal: Weight of differences between successive frames.
        least_trust: The perceptual term counts at least this much, however noisy a clip was. 0 leaves it to the share
            of signal: what samplers of many steps want. 1 is for a network that is used in one step, whose first
            guess is the picture.
    """

    adaptive: Literal["schedule", "balanced", "none"] = "schedule"
    perceptual: float = 0.1
    temporal: float = 0.1
    least_trust: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.least_trust <= 1:
            raise RecipeError(f"least_trust is a weight in [0, 1]; got {self.least_trust}.")
        if min(self.perceptual, self.temporal) < 0:
            raise RecipeError(f"weights cannot be negative; got {self.perceptual} and {self.temporal}.")


class MividObjective:
    """Scores guesses of clips. Keeps the running means that the scale-free variant needs.

    Args:
        weights: Sizes of the terms.
        distance: Of frames, for the perceptual term.
    """

    def __init__(self, weights: MividWeights, distance: FrameDistance) -> None:
        self.weights, self.distance = weights, distance
        self._means: tuple[float, float] | None = None

    def __call__(
        self,
        guessed: Clip,
        clean: Clip,
        visible: Visibility,
        *,
        trust: Float[Tensor, " batch"],
        progress: float,
        pixel_trust: Float[Tensor, " batch"] | None = None,
    ) -> LossTerms:
        """Score a guess.

        Args:
            guessed: The clean clip as the network sees it, in [-1, 1] and a little beyond.
            clean: The truth.
            visible: 1 where it was shown; only the rest counts.
            trust: Weight of each clip's perceptual term: its share of signal, since a guess from pure noise is a mean
                of what is possible, and looks like none of it.
            progress: Part in [0, 1] of the training that is done.
            pixel_trust: Weight of each clip's absolute differences; 1 by default.
        """
        hidden = 1 - visible
        each = _per_clip((guessed - clean).abs() / 2, hidden)
        absolute = (each if pixel_trust is None else each * pixel_trust).mean()
        rise = rise_at(progress)
        terms = {"absolute": absolute * self._pixel_weight(rise)}
        if self.weights.temporal:
            terms["temporal"] = self.weights.temporal * _temporal(guessed, clean, hidden)
        logs = {"hidden": hidden.mean().detach(), "error": each.mean().detach()}
        if self.weights.adaptive != "none" and self.weights.perceptual and rise > 0:
            looks = self._perceptual(guessed, clean, visible, trust.clamp(min=self.weights.least_trust))
            terms["perceptual"] = self._look_weight(rise, absolute, looks) * looks
            logs["looks"] = looks.detach()
        return LossTerms(terms, logs)

    def _pixel_weight(self, rise: float) -> float:
        return 1 - 0.5 * rise if self.weights.adaptive == "schedule" else 1.0

    def _look_weight(self, rise: float, absolute: Tensor, looks: Tensor) -> float:
        if self.weights.adaptive == "schedule":
            return self.weights.perceptual * rise
        pixels, seen = float(absolute.detach()), float(looks.detach())
        before = self._means or (pixels, seen)
        decay = BALANCE_DECAY
        self._means = decay * before[0] + (1 - decay) * pixels, decay * before[1] + (1 - decay) * seen
        return 2 * self.weights.perceptual * rise * self._means[0] / max(self._means[1], 1e-6)

    def _perceptual(self, guessed: Tensor, clean: Tensor, visible: Tensor, trust: Tensor) -> Tensor:
        """Mean over frames that have something hidden; what is visible is pasted from the truth first."""
        pasted = torch.where(visible > 0.5, clean, guessed.clamp(-1, 1))
        frames = partly_hidden(visible)
        weight = trust[:, None].expand(-1, visible.shape[2]).flatten()[frames]
        pictures, truth = (clip.transpose(1, 2).flatten(0, 1)[frames] * 0.5 + 0.5 for clip in (pasted, clean))
        return (self.distance(pictures, truth) * weight).mean()


def rise_at(progress: float) -> float:
    """How far the perceptual term has risen, in [0, 1]."""
    # r(e) = (1 - cos(pi clip((e/E - 0.2) / 0.6, 0, 1))) / 2
    return 0.5 * (1 - math.cos(math.pi * min(max((progress - RISE_FROM) / RISE_OVER, 0.0), 1.0)))


def _per_clip(values: Tensor, hidden: Tensor) -> Tensor:
    """Mean over the hidden voxels of each clip."""
    count = hidden.sum((1, 2, 3, 4)).clamp(min=1) * values.shape[1]
    return (values * hidden).sum((1, 2, 3, 4)) / count


def _temporal(guessed: Tensor, clean: Tensor, hidden: Tensor) -> Tensor:
    """Change from frame to frame, where at least one of the two is hidden."""
    pasted = hidden * guessed + (1 - hidden) * clean
    touched = torch.maximum(hidden[:, :, 1:], hidden[:, :, :-1])
    return _per_clip((pasted.diff(dim=2) - clean.diff(dim=2)).abs() / 2, touched).mean()
