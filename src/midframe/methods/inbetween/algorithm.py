"""Algorithm 1: the backward model learns to follow the forward model's maps on reversed clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from midframe.core.seeds import draws_of
from midframe.core.task import Batch, LossTerms
from midframe.diffusion.edm import clean_from_velocity
from midframe.methods.inbetween.attention import Pass, ReverseProjections
from midframe.methods.inbetween.backbone import Condition, VideoModel
from midframe.methods.inbetween.config import BackwardConfig
from midframe.methods.inbetween.loss import draw_sigma, velocity_loss
from midframe.methods.inbetween.rotation import AttentionMap
from midframe.methods.inbetween.weights_file import set_backward

JUDGED_SIGMA = 1.0
"""Level of noise at which a validation lets the model restore a clip in one step."""

Frames = Float[Tensor, "batch frame 3 height width"]
Latents = Float[Tensor, "batch frame channel rows columns"]


@dataclass(frozen=True, eq=False)
class Reversal:
    """One batch of Algorithm 1, everything in the order of time of the direction that it belongs to.

    Attributes:
        clean: Latents of the clips, forwards.
        epsilon: Their noise, forwards; the backward direction has the same noise, reversed.
        sigma: (batch,).
        first: What the forward direction is told.
        last: What the backward one is.
    """

    clean: Latents
    epsilon: Latents
    sigma: Tensor
    first: Condition
    last: Condition

    @property
    def noisy(self) -> Latents:
        return self.clean + self.sigma[:, None, None, None, None] * self.epsilon


def reversal_of(
    model: VideoModel, frames: Frames, sigma: Tensor | None, draw: torch.Generator, noise: tuple[float, float]
) -> Reversal:
    """Latents, noise and conditions of clips in [0, 1].

    Args:
        model: Its codec and image encoder.
        frames: In their natural order.
        sigma: Levels of noise; None to draw them.
        draw: Source of everything random, on the CPU, so that all devices draw alike.
        noise: Mean and standard deviation of ln(sigma).
    """
    device = frames.device
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        mean, spread = model.posterior(frames)
        clean = mean + spread * torch.randn(mean.shape, generator=draw).to(device)
        added = torch.randn(frames[:, 0].shape, generator=draw).to(device)
        first, last = (model.condition(frames[:, place], added) for place in (0, -1))
    levels = draw_sigma(len(frames), *noise, draw).to(device) if sigma is None else sigma
    return Reversal(clean, torch.randn(clean.shape, generator=draw).to(device), levels, first, last)


def backward_velocity(model: VideoModel, one: Reversal) -> Latents:
    """What the backward model predicts, in its own order of time, following the forward model's maps.

    The forward pass comes first, and teaches nothing.
    """
    maps: dict[str, AttentionMap] = {}
    if any(model.network.rotates(layer) for layer in model.network.layers):
        with torch.no_grad():
            model.velocity(one.noisy, one.sigma, one.first, Pass("forward", taken=maps))
    return model.velocity(one.noisy.flip(1), one.sigma, one.last, Pass("backward", given=maps))


class BackwardTask:
    """Train the backward model's projections, and nothing else.

    Args:
        model: Frozen; its backward model becomes the one that is trained.
        config: Of the backward model.
        noise: Mean and standard deviation of ln(sigma).
        seed: Of noise, which is a function of it and of the step, so that a resumed run repeats nothing.
        start: Weights to begin with; by default the forward model's own.
    """

    def __init__(
        self,
        model: VideoModel,
        config: BackwardConfig,
        *,
        noise: tuple[float, float],
        seed: int,
        start: ReverseProjections | None = None,
    ) -> None:
        self.model, self.config, self.noise, self.seed = model, config, noise, seed
        self.base = {name: value.detach() for name, value in model.network.own_weights(config).items()}
        # In float32 beside a network that may be short.
        self.backward = (start or ReverseProjections(self.base, config)).float().requires_grad_(True)
        set_backward(model, None, config.rotated)
        model.network.backward = self.backward

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"backward": self.backward}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        draw = draws_of(self.seed, step)
        one = reversal_of(self.model, as_frames(batch["frames"]), None, draw, self.noise)
        velocity = backward_velocity(self.model, one)
        loss = velocity_loss(velocity, one.clean.flip(1), one.epsilon.flip(1), one.sigma)
        return {"backward": LossTerms({"velocity": loss}, {"sigma": one.sigma.log().mean().exp()})}

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """The clip's inner frames, restored by the backward model in one step from a fixed level of noise."""
        draw = torch.Generator().manual_seed(0)
        frames = as_frames(batch["frames"])
        sigma = torch.full((len(frames),), JUDGED_SIGMA, device=frames.device)
        one = reversal_of(self.model, frames, sigma, draw, self.noise)
        velocity = backward_velocity(self.model, one)
        clean = clean_from_velocity(velocity, one.noisy.flip(1), sigma[:, None, None, None, None])
        return self.model.decode(clean.flip(1))[:, 1:-1].clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        return {
            "method": "inbetween",
            "trains": "backward",
            "projections": list(self.config.projections),
            "rotated": self.config.rotated,
        }

    def deltas(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Differences to the forward model, of averaged weights as the training loop names them."""
        trained = {name.removeprefix("weights.").replace("/", "."): value for name, value in weights.items()}
        return {name: value.float().cpu() - self.base[name].float().cpu() for name, value in trained.items()}


def as_frames(stored: UInt8[Tensor, ...]) -> Float[Tensor, ...]:
    """Bytes of the loader as colours in [0, 1]."""
    return stored.float() / 255
