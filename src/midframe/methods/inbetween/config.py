"""Facts and numbers of the models, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midframe.core.errors import UsageError

GROUPS = 32
"""Groups that the library's normalisation is built with: all widths are multiples of it."""
VALUE_AND_OUTPUT = ("to_v", "to_out.0")
"""Projections that Algorithm 1 trains."""
ALL_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
"""Those that are trained where the maps are not handed over."""

Rotated = Literal["all", "up", "none"]
"""Layers whose maps are handed over: all, those of the upward half, or none."""


@dataclass(frozen=True, kw_only=True)
class BackwardConfig:
    """The backward model, as it differs from the forward one.

    Attributes:
        projections: Fine-tuned projections of every temporal self-attention.
        rotated: Where the forward model's maps are used.
        frames: Length of the clips it was trained on.
    """

    projections: tuple[str, ...] = VALUE_AND_OUTPUT
    rotated: Rotated = "all"
    frames: int = 14

    def __post_init__(self) -> None:
        strangers = set(self.projections) - set(ALL_PROJECTIONS)
        if strangers:
            raise UsageError(f"Projections are among {', '.join(ALL_PROJECTIONS)}; got {', '.join(strangers)}.")


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What sampling has to know of a model beside its networks.

    Attributes:
        frames: Of a clip.
        height: Of a frame that it was trained on, in pixels.
        width: Likewise.
        latent_scale: Latents are multiplied by it; the conditioning latent is not.
        latent_factor: Pixels of a frame for one of a latent, along each side.
        patch: Side of the squares of pixels that are folded into channels before the codec sees them.
        picture_size: Side of the picture that the image encoder sees.
        sigma_least: Least noise of a sampling step.
        sigma_most: Most noise.
        rate: Frames a second that the model is told.
        motion: Amount of motion that it is told.
        augmentation: Noise on the conditioning picture.
        steps: Of sampling, where nobody asks for a number.
        injections: Repetitions of each of the first steps, likewise.
        guidance: Of the first and of the last frame from the conditioning one; without any guidance 1 and 1.
    """

    frames: int
    height: int
    width: int
    latent_scale: float
    latent_factor: int = 8
    patch: int = 1
    picture_size: int = 224
    sigma_least: float = 0.002
    sigma_most: float = 700.0
    rate: int = 7
    motion: int = 127
    augmentation: float = 0.02
    steps: int = 50
    injections: int = 5
    guidance: tuple[float, float] = (1.0, 3.0)


@dataclass(frozen=True, kw_only=True)
class SmallConfig:
    """A small image-to-video model of the same classes, and how it is trained and sampled.

    Attributes:
        frames: Of a clip.
        size: Side of a frame in pixels.
        patch: As in `VideoFacts`.
        codec_widths: Channels of the codec at its full, half … size; all but the last halve the picture.
        codec_layers: Residual blocks of each.
        latent_channels: Of a latent.
        widths: Channels of the U-Net at the latent's full, half … size.
        attends: Which of these have attention; the middle has it in any case.
        layers: Residual blocks of each.
        heads: Attention heads.
        embedding: Channels of the image encoder's answer.
        encoder_width: Channels of the image encoder.
        encoder_layers: Layers of it.
        noise_mean: Mean of ln(sigma) in training.
        noise_spread: Its standard deviation.
        sigma_least, sigma_most, steps, injections, guidance: As in `VideoFacts`.
        backward: The backward model; None where none was trained yet.
    """

    frames: int = 9
    size: int = 64
    patch: int = 4
    codec_widths: tuple[int, ...] = (64, 96)
    codec_layers: int = 1
    latent_channels: int = 8
    widths: tuple[int, ...] = (64, 96)
    attends: tuple[bool, ...] = (True, True)
    layers: int = 1
    heads: int = 2
    embedding: int = 64
    encoder_width: int = 64
    encoder_layers: int = 2
    noise_mean: float = 0.0
    noise_spread: float = 1.4
    sigma_least: float = 0.01
    sigma_most: float = 80.0
    steps: int = 20
    injections: int = 1
    guidance: tuple[float, float] = (1.0, 1.0)
    backward: BackwardConfig | None = None

    def __post_init__(self) -> None:
        for width in (*self.codec_widths, *self.widths):
            if width < GROUPS or width % GROUPS:
                raise UsageError(f"Widths are multiples of {GROUPS}; got {width}.")
            if width % self.heads:
                raise UsageError(f"{width} channels cannot be shared by {self.heads} heads.")
        if len(self.attends) != len(self.widths):
            raise UsageError(f"attends has a value for each of {len(self.widths)} widths; got {len(self.attends)}.")
        if self.frames < 3:
            raise UsageError(f"A clip has at least 3 frames; got {self.frames}.")
        if self.size % self.multiple:
            raise UsageError(f"size must be a multiple of {self.multiple}; got {self.size}.")

    @property
    def latent_factor(self) -> int:
        """Pixels for one of a latent."""
        return self.patch * 2 ** (len(self.codec_widths) - 1)

    @property
    def multiple(self) -> int:
        """What height and width in pixels have to be multiples of."""
        return self.latent_factor * 2 ** (len(self.widths) - 1)

    def facts(self, latent_scale: float) -> VideoFacts:
        """For sampling."""
        return VideoFacts(
            frames=self.frames,
            height=self.size,
            width=self.size,
            latent_scale=latent_scale,
            latent_factor=self.latent_factor,
            patch=self.patch,
            picture_size=self.size,
            sigma_least=self.sigma_least,
            sigma_most=self.sigma_most,
            steps=self.steps,
            injections=self.injections,
            guidance=self.guidance,
        )
