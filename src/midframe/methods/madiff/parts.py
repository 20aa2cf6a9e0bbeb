"""A gap in overlapping parts, each small enough for memory.

What the networks say of a part depends on what lies around it, so parts cannot be cut without a trace: neighbours
overlap, and where they do, what they say is mixed by weights that fall towards each part's border. That is done with
the noise of every step and with every decoded frame: the latent is one for the whole frame, and so is its noise.
A frame that fits is one part, and nothing is mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.methods.madiff.model import Frames, Hints, Latent, MadiffModel, Neighbour
from midframe.ops.tiles import Box, overlapping

MARGIN = 4
"""Neighbours overlap by a part of their side: one in so many."""


@dataclass(eq=False)
class Part:
    """What is known of a part of the frame.

    Attributes:
        box: Where it lies, in pixels.
        before: The neighbour before, there.
        after: The neighbour after.
        hints: At the size in which they are kept; None where nothing is known.
        features: Of the hints, for the denoiser.
        latents: Of both neighbours, as the denoiser sees them.
        alone: Hints of the neighbours alone, once they were asked for.
    """

    box: Box
    before: Neighbour
    after: Neighbour
    hints: Hints | None
    features: Float[Tensor, "batch _ row column"]
    latents: tuple[Latent, Latent]
    alone: Hints | None = None


class Gap:
    """Two neighbours, encoded once, with the hints of the moment.

    Args:
        model: All networks.
        before: RGB in [0, 1]; height and width multiples of `MadiffConfig.size_multiple`.
        after: Of the same size.
        tile_pixels: Most pixels of a part, as far as the networks' smallest size allows; None for the whole frame.
    """

    def __init__(self, model: MadiffModel, before: Frames, after: Frames, tile_pixels: int | None = None) -> None:
        self.model, self.before, self.after = model, before, after
        self.factor = model.config.codec.factor
        height, width = before.shape[-2:]
        multiple = model.config.size_multiple
        side = max(height, width) if tile_pixels is None else int(tile_pixels**0.5) // multiple * multiple
        side = max(side, multiple)
        self.margin = max(side // MARGIN // self.factor, 1) * self.factor
        self.parts = [self._part(box) for box in overlapping(height, width, side, self.margin, self.factor)]

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Of the frame that is made."""
        batch, _, height, width = self.before.shape
        return (
            batch,
            self.model.config.codec.latent_channels,
            height // self.factor,
            width // self.factor,
        )

    def epsilon(self, noisy: Latent, step: int) -> Latent:
        """The noise in a latent of the whole frame, given the hints of the moment."""

        def of(part: Part) -> Tensor:
            here = noisy[(..., *part.box.divided(self.factor).slices())]
            return self.model.epsilon(here, step, *part.latents, part.features)

        return self._mixed(of, self.latent_shape, self.factor)

    def decode(self, latent: Latent) -> Frames:
        """The frame of a latent, given the hints of the moment; RGB in [0, 1]."""

        def of(part: Part) -> Tensor:
            here = latent[(..., *part.box.divided(self.factor).slices())]
            return self.model.decode(here, part.before, part.after, part.hints)

        return self._mixed(of, tuple(self.before.shape), 1)

    def look_at(self, frame: Frames) -> None:
        """Take the hints that an estimate of the frame gives rise to."""

        def of(part: Part) -> Hints:
            # Motion of the neighbours alone does not change from step to step.
            return self.model.hints_between(part.before.frame, _cut(frame, part), part.after.frame, part.alone)

        self._take(of)

    def look_at_the_pair(self) -> None:
        """Take the hints of the two neighbours alone."""

        def of(part: Part) -> Hints:
            part.alone = self.model.pair_hints(part.before.frame, part.after.frame)
            return part.alone

        self._take(of)

    def believe(self, hints: Hints) -> None:
        """Take hints of the whole frame as they are given."""
        self._take(lambda part: (_cut(hints[0], part), _cut(hints[1], part)))

    def _part(self, box: Box) -> Part:
        place = (..., *box.slices())
        before, after = self.model.encode(self.before[place]), self.model.encode(self.after[place])
        features = self.model.hint_features(None, before.latent)
        return Part(box, before, after, None, features, (before.latent, after.latent))

    def _take(self, hints_of: Callable[[Part], Hints]) -> None:
        for part in self.parts:
            towards, onwards = hints_of(part)
            part.features = self.model.hint_features((towards, onwards), part.before.latent)
            part.latents = self.model.latents_there(part.before.latent, part.after.latent, (towards, onwards))
            # All but motion is taken at half the size or less, where the mean of means is the mean.
            if not self.model.moves:
                towards, onwards = functional.avg_pool2d(towards, 2), functional.avg_pool2d(onwards, 2)
            part.hints = (towards, onwards)

    def _mixed(self, of: Callable[[Part], Tensor], shape: tuple[int, ...], divisor: int) -> Tensor:
        """What is said of every part, as one; `divisor` is how much smaller it is than the frame."""
        if len(self.parts) == 1:
            return of(self.parts[0])
        total = self.before.new_zeros(shape)
        weight = self.before.new_zeros(shape[-2:])
        for part in self.parts:
            box = part.box.divided(divisor)
            lines = (
                _falling(length, max(self.margin // divisor, 1), total.device) for length in (box.height, box.width)
            )
            share = torch.outer(*lines)
            total[(..., *box.slices())] += of(part) * share
            weight[box.slices()] += share
        return total / weight


def _cut(frame: Tensor, part: Part) -> Tensor:
    return frame[(..., *part.box.slices())]


def _falling(length: int, margin: int, device: torch.device) -> Float[Tensor, " place"]:
    """Weights along a side: one inside, falling over the margin at both ends, never to zero."""
    place = torch.arange(length, device=device, dtype=torch.float32)
    return (torch.minimum(place, length - 1 - place) + 0.5).clamp(max=margin) / margin
