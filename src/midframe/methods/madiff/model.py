"""All parts together: what a sampler asks of them, in the units that it works in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.motion import MotionSource
from midframe.methods.madiff.codec import Pyramid
from midframe.methods.madiff.config import FLOW_SCALE, MadiffConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from midframe.methods.madiff.hints import mixed_hints
from midframe.methods.madiff.motion_warp import pooled
from midframe.methods.madiff.weights_file import CodecModel
from midframe.ops.warp import backward_warp

Frames = Float[Tensor, "batch 3 height width"]
Latent = Float[Tensor, "batch latent row column"]
Hints = tuple[Float[Tensor, "batch hint _ _"], Float[Tensor, "batch hint _ _"]]
"""Of the neighbour before and the wanted frame, and of that and the neighbour after (see `hints`)."""


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A given frame, and what the codec made of it.

    Attributes:
        frame: RGB in [0, 1].
        latent: At unit variance, as the denoiser takes it.
        pyramid: Features for the decoder.
    """

    frame: Frames
    latent: Latent
    pyramid: Pyramid


class MadiffModel(nn.Module):
    """Codec, source of hints and denoiser.

    The denoiser computes in the precision of its weights, the codec and the image-to-event network keep float32
    weights and compute in `precision`; codes are looked up, pixels moved and noise added in float32 always.

    Args:
        codec: The codec, and what its hints come from.
        denoiser: Made for latents and hints of that codec.
        motion: Another model's motion, where hints are of kind "flow".

    Raises:
        UsageError: The parts do not fit each other, or hints need a motion that is not given.
    """

    def __init__(self, codec: CodecModel, denoiser: LatentDenoiser, *, motion: MotionSource | None = None) -> None:
        super().__init__()
        self.config = MadiffConfig(codec=codec.config.codec, hints=codec.config.hints, denoiser=denoiser.config)
        self.precision = torch.float32
        self.codec, self.events, self.denoiser = codec.codec, codec.events, denoiser
        self._hints = codec.hints(motion)
        self.told_by = motion.words if motion is not None and self._hints.moves else ""
        mean, deviation = denoiser.config.latent_mean, denoiser.config.latent_deviation
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.deviation: Tensor
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), persistent=False)

    @property
    def moves(self) -> bool:
        """Whether hints say where each pixel of the wanted frame comes from (see `hints.FlowHints`)."""
        return self._hints.moves

    def encode(self, frame: Frames) -> Neighbour:
        """Make a frame small.

        Raises:
            ShapeError: Height or width is no multiple of the codec's.
        """
        with self._computing():
            encoded = self.codec.encode(frame)
        latent = (encoded.latent.float() - self.mean) / self.deviation
        return Neighbour(frame, latent, encoded.pyramid)

    def epsilon(
        self, noisy: Latent, step: int, before: Latent, after: Latent, features: Float[Tensor, "batch _ row column"]
    ) -> Latent:
        """The noise in a latent of unit variance, as the denoiser sees it.

        Args:
            noisy: The latent.
            step: Of the diffusion.
            before: Latent of the neighbour before, from `latents_there`.
            after: Of the one after.
            features: From `hint_features`.
        """
        steps = torch.full((len(noisy),), step, device=noisy.device)
        return self.denoiser(noisy, steps, before, after, features)

    def decode(self, latent: Latent, before: Neighbour, after: Neighbour, hints: Hints | None) -> Frames:
        """Make a frame of a latent.

        Args:
            latent: At unit variance; not quantised.
            before: The neighbour before.
            after: The one after.
            hints: None where nothing is known.

        Returns:
            RGB in [0, 1].
        """
        codes = self.codec.quantise(latent * self.deviation + self.mean).latent
        towards, onwards = hints or (None, None)
        with self._computing():
            made = self.codec.decode(
                codes, before.pyramid, after.pyramid, towards, onwards, before.frame, after.frame
            )
        return made.float().clamp(0, 1)

    def hints_between(self, before: Frames, frame: Frames, after: Frames, alone: Hints | None = None) -> Hints:
        """Hints that a frame between its neighbours gives rise to.

        Args:
            before: The neighbour before, RGB in [0, 1].
            frame: The frame.
            after: The neighbour after.
            alone: What `pair_hints` gave, where it is known: saves finding it again.
        """
        with self._computing():
            return self._hints.between(before, frame, after, alone)

    def mixed_hints(self, before: Frames, frame: Frames, after: Frames, of_pair: Tensor | None) -> Hints:
        """See `hints.mixed_hints`."""
        with self._computing():
            return mixed_hints(self._hints, before, frame, after, of_pair)

    def pair_hints(self, before: Frames, after: Frames) -> Hints:
        """Hints of the two neighbours alone."""
        with self._computing():
            return self._hints.pair(before, after)

    def latents_there(self, before: Latent, after: Latent, hints: Hints | None) -> tuple[Latent, Latent]:
        """Both neighbours' latents as the denoiser sees them: moved to the wanted frame, where hints say how.

        Args:
            before: Latent of the neighbour before.
            after: Of the one after.
            hints: None where nothing is known.
        """
        if hints is None or not self.moves:
            return before, after
        return moved(before, hints[0], self.config.codec.factor), moved(after, hints[1], self.config.codec.factor)

    def hint_features(self, hints: Hints | None, latent: Latent) -> Float[Tensor, "batch _ row column"]:
        """What the denoiser sees of hints.

        Args:
            hints: None where nothing is known.
            latent: A latent of the wanted size.
        """
        size = (latent.shape[2], latent.shape[3])
        if hints is None:
            # A hint of nothing is nothing at any size; the stem asks for the frame's.
            factor = self.config.codec.factor if self.config.denoiser.hint_input == "stem" else 1
            shape = (len(latent), self.config.codec.hint_channels, factor * size[0], factor * size[1])
            hints = (latent.new_zeros(shape), latent.new_zeros(shape))
        return self.denoiser.hint_features(*hints, size)

    def _computing(self) -> AbstractContextManager[object]:
        device = self.mean.device.type
        return torch.autocast(device, self.precision, enabled=self.precision != torch.float32)


def moved(latent: Latent, hint: Float[Tensor, "batch hint _ _"], factor: int) -> Latent:
    """A neighbour's latent where the wanted frame shows it.

    Args:
        latent: The neighbour's.
        hint: Of kind "flow", towards it.
        factor: Side of the picture behind one latent pixel.
    """
    size = (latent.shape[2], latent.shape[3])
    return backward_warp(latent, pooled(hint, size)[:, :2] * (FLOW_SCALE / factor))
