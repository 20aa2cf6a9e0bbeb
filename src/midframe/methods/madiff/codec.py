"""VQ-MAGAN: pictures to small latents, and back with the help of both neighbours and of motion hints.

    encoder   conv, then for each level a residual block and a halving, whose result is also kept as that level's
              features; residual block, attention, residual block; conv to the latent, 1x1 conv
    codebook  every latent pixel becomes its nearest code
    decoder   1x1 conv, conv, residual block, attention, residual block; then from the smallest level up a residual
              block, the neighbours' features (`motion_warp.py`), a doubling; and a head (`heads.py`)

Frames are RGB in [0, 1] outside and in [-1, 1] inside. With the paper's widths (64; 1, 2, 2, 2, 4) the encoder has
6.83 M parameters, its latent a 32nd of the picture's sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError
from midframe.methods.madiff.config import CodecConfig
from midframe.methods.madiff.heads import Displacements, Finished, KernelHead, PixelHead, PlainHead
from midframe.methods.madiff.motion_warp import AttentionContext, Fused, MotionWarp
from midframe.nn.attention import MaxVitBlock
from midframe.nn.quantiser import Quantised, VectorQuantiser
from midframe.nn.residual import Double, Halve, ResidualBlock, normalisation

Frames = Float[Tensor, "batch 3 height width"]
Latent = Float[Tensor, "batch latent _ _"]
Hints = Float[Tensor, "batch hint _ _"]
Pyramid = Sequence[Float[Tensor, "batch _ _ _"]]
"""A frame's features by level, largest first."""
HEADS = {"plain": PlainHead, "pixels": PixelHead, "kernels": KernelHead}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A frame, made small.

    Attributes:
        latent: Not quantised.
        pyramid: Features by level, largest first; the last has the latent's size.
    """

    latent: Latent
    pyramid: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A frame, made of a latent.

    Attributes:
        frames: RGB in [0, 1] and a little beyond: not clamped.
        offsets: For each level that moves features, smallest first, the displacement to either neighbour, in pixels
            of the level; last those of a head that moves pixels.
    """

    frames: Frames
    offsets: tuple[Displacements, ...]


class MotionAwareCodec(nn.Module):
    """The autoencoder.

    Height and width of frames must be multiples of `config.size_multiple`.

    Source: Huang et al. 2024, section 4.2; trunk as in the code of Danier et al. (LDMVFI).
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.to_latent = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.quantiser = VectorQuantiser(
            config.codes, config.latent_channels, commitment=config.commitment, legacy=config.legacy_commitment
        )
        self.from_latent = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)

    def encode(self, frames: Frames) -> Encoded:
        """Make frames small.

        Args:
            frames: RGB in [0, 1].

        Raises:
            ShapeError: Height or width is no multiple of `config.size_multiple`.
        """
        multiple = self.config.size_multiple
        if frames.shape[-2] % multiple or frames.shape[-1] % multiple:
            raise ShapeError(
                f"The codec needs sides in multiples of {multiple}; got {tuple(frames.shape[-2:])}. Pad the frames."
            )
        latent, pyramid = self.encoder(_inside(frames))
        return Encoded(self.to_latent(latent).float(), pyramid)

    def quantise(self, latent: Latent) -> Quantised:
        """The nearest code for every pixel of a latent. In training mode, uses of codes are counted."""
        return self.quantiser(latent)

    def decode(
        self,
        latent: Latent,
        before: Pyramid,
        after: Pyramid,
        hints_before: Hints | None,
        hints_after: Hints | None,
        before_frame: Frames,
        after_frame: Frames,
    ) -> Frames:
        """Make a frame of a latent.

        Args:
            latent: Quantised.
            before: Features of the earlier neighbour, from `encode`.
            after: Features of the later one.
            hints_before: Of the earlier neighbour and the frame, of the frame's size; events may be averaged down to
                half of it, beyond which every level averages. None for nothing.
            hints_after: Of the frame and the later neighbour.
            before_frame: The earlier neighbour, RGB in [0, 1].
            after_frame: The later one.

        Returns:
            RGB in [0, 1] and a little beyond: not clamped.
        """
        return self.reconstruct(latent, before, after, hints_before, hints_after, before_frame, after_frame).frames

    def reconstruct(
        self,
        latent: Latent,
        before: Pyramid,
        after: Pyramid,
        hints_before: Hints | None,
        hints_after: Hints | None,
        before_frame: Frames,
        after_frame: Frames,
    ) -> Decoded:
        """As `decode`, with the displacements that it used."""
        finished, offsets = self.decoder(
            self.from_latent(latent),
            before,
            after,
            hints_before,
            hints_after,
            _inside(before_frame),
            _inside(after_frame),
        )
        return Decoded(finished.picture.float() * 0.5 + 0.5, offsets)

    @property
    def last_weight(self) -> Tensor:
        """Of the decoder's last layer that all its output passes, by whose gradient objectives are balanced."""
        return self.decoder.head.last.weight


class Encoder(nn.Module):
    """From a frame in [-1, 1] to what the 1x1 convolution makes a latent of, and its features by level."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        widths = config.widths
        self.enter = nn.Conv2d(3, config.base_width, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(*pair) for pair in pairwise((config.base_width, *widths)))
        self.halve = nn.ModuleList(Halve(width) for width in widths)
        self.middle = Middle(config)
        self.normalise = normalisation(widths[-1])
        self.leave = nn.Conv2d(widths[-1], config.latent_channels, 3, padding=1)

    def forward(self, frames: Frames) -> tuple[Latent, tuple[Tensor, ...]]:
        x = self.enter(frames)
        pyramid = []
        for block, halve in zip(self.blocks, self.halve, strict=True):
            x = halve(block(x))
            pyramid.append(x)
        x = self.middle(x)
        return self.leave(functional.silu(self.normalise(x))), tuple(pyramid)


class Middle(nn.Module):
    """At the smallest size: a residual block, attention over the whole picture, a residual block."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.widths[-1]
        self.before = ResidualBlock(width, width)
        self.attend = MaxVitBlock(width, 1, config.window)
        self.after = ResidualBlock(width, width)

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        return self.after(self.attend(self.before(x)))


class Decoder(nn.Module):
    """From a latent, the neighbours' features and their pixels to a picture in [-1, 1]."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        fuse = MotionWarp if config.warp == "motion" else AttentionContext
        self.enter = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        self.middle = Middle(config)
        # Smallest level first, as they are passed.
        self.blocks = nn.ModuleList(ResidualBlock(*pair) for pair in pairwise((widths[-1], *reversed(widths))))
        levels = list(enumerate(widths, 1))[::-1]
        self.fuse = nn.ModuleList(fuse(config, width, 2**halvings) for halvings, width in levels)
        self.enlarge = nn.ModuleList(Double(width) for width in reversed(widths))
        self.head = HEADS[config.head](config)

    def forward(
        self,
        latent: Latent,
        before: Pyramid,
        after: Pyramid,
        hints_before: Hints | None,
        hints_after: Hints | None,
        before_frame: Frames,
        after_frame: Frames,
    ) -> tuple[Finished, tuple[Displacements, ...]]:
        h = self.middle(self.enter(latent))
        # A hint of nothing is nothing at every size: the smallest will do.
        nothing = torch.zeros(h.shape[0], self.config.hint_channels, 1, 1, device=h.device)
        towards, onwards = (
            nothing if hint is None else hint * self.config.hint_gain for hint in (hints_before, hints_after)
        )
        offsets, largest = [], None
        levels = zip(self.blocks, self.fuse, self.enlarge, reversed(before), reversed(after), strict=True)
        for block, fuse, enlarge, features_before, features_after in levels:
            fused = cast(Fused, fuse(block(h), features_before, features_after, towards, onwards))
            if fused.offsets is not None:
                offsets.append(fused.offsets)
                largest = fused.offsets if self.config.anchor == "zero" else fused.changes
            h = enlarge(fused.features)
        finished = cast(Finished, self.head(h, before_frame, after_frame, largest, (towards, onwards)))
        if finished.offsets is not None:
            offsets.append(finished.offsets)
        return finished, tuple(offsets)


def _inside(frames: Frames) -> Frames:
    return frames * 2 - 1
