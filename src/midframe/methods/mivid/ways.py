"""Colours fetched along straight ways: what the frames before and after show where a pixel came from, and goes to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

Frames = Float[Tensor, "image channel height width"]
Weights = Float[Tensor, "image down right small_height small_width"]


@dataclass(frozen=True)
class Ways:
    """Straight ways through every pixel, each so far down and so far right.

    Attributes:
        parts: Of a way that lies behind a pixel, in [0, 1], for each image.
        down: Lengths in pixels; negative for up.
        right: Lengths in pixels; negative for left.
    """

    parts: tuple[float, ...]
    down: tuple[float, ...]
    right: tuple[float, ...]

    @classmethod
    def square(cls, parts: Float[Tensor, " image"], reach: int, spacing: Sequence[float]) -> Ways:
        """So many ways on each side of the one of no length, in both axes.

        Args:
            parts: As above.
            reach: Their number.
            spacing: Pixels from one to the next, down and right.
        """
        down, right = (tuple(float(each * number) for number in range(-reach, reach + 1)) for each in spacing)
        return cls(tuple(parts.tolist()), down, right)

    def ends(self, before: Frames, after: Frames) -> Iterator[tuple[Int[Tensor, " chosen"], Iterator[Tensor]]]:
        """The frames as seen from where each way begins, and from where it ends, both together as channels.

        Images with the same part come together, with their numbers. Then one way after another, those of one length
        down side by side; each overwrites the one before. Borders go on for ever; between pixels weights are
        bilinear.
        """
        parts = torch.tensor(self.parts)
        for part in sorted(set(self.parts)):
            images = (parts == part).nonzero()[:, 0].to(before.device)
            yield images, self._ends(before[images], after[images], part)

    def _ends(self, before: Frames, after: Frames, part: float) -> Iterator[Tensor]:
        shares = (-part, 1 - part)
        height, width = before.shape[2:]
        top, left = (math.ceil(max(map(abs, lengths))) + 1 for lengths in (self.down, self.right))
        margins = (left, left, top, top)
        wide = [functional.pad(frame, margins, mode="replicate") for frame in (before, after)]
        seen = torch.cat((before, after), 1)
        outs = seen.split((before.shape[1], after.shape[1]), 1)
        for down in self.down:
            rows = [_cut(frame, top + share * down, height, 2) for frame, share in zip(wide, shares, strict=True)]
            for right in self.right:
                for frame, share, out in zip(rows, shares, outs, strict=True):
                    _cut(frame, left + share * right, width, 3, out)
                yield seen


def fetch(before: Frames, after: Frames, weight: Weights, ways: Ways) -> tuple[Frames, Frames]:
    """Weighted means over ways, of the colours where each begins and of those where it ends.

    Ways are fetched one after another, so that few pictures are held at the size of the frames. The gradient reaches
    the weights alone.

    Args:
        before: Frames where ways begin.
        after: Frames where they end.
        weight: Of each way at each place, for each image; enlarged bilinearly to the size of the frames.
        ways: As many down and right as `weight` has.
    """
    down, right = (
        _enlarging(small, large, weight) for small, large in zip(weight.shape[3:], before.shape[2:], strict=True)
    )
    # Rounded to bfloat16, a hundred weights sum to one no more.
    with torch.autocast(weight.device.type, enabled=False):
        made = _Fetch.apply(before, after, weight.float(), ways, down, right)
    assert made is not None
    return made.split((before.shape[1], after.shape[1]), 1)


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, before: Frames, after: Frames, weight: Weights, ways: Ways, down: Tensor, right: Tensor
    ) -> Tensor:
        ctx.save_for_backward(before, after, down, right)
        ctx.ways = ways
        made = before.new_empty(len(before), before.shape[1] + after.shape[1], *before.shape[2:])
        for images, each in ways.ends(before, after):
            group = made.new_zeros(len(images), *made.shape[1:])
            for place, ends in zip(weight[images].flatten(1, 2).unbind(1), each, strict=True):
                group.addcmul_(ends, (down @ place @ right.T)[:, None])
            made[images] = group
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        before, after, down, right = ctx.saved_tensors
        ways: Ways = ctx.ways
        of_weight = before.new_empty(len(before), len(ways.down), len(ways.right), down.shape[1], right.shape[1])
        # What was fetched is fetched again: kept, it would be a hundred clips.
        for images, each in ways.ends(before, after):
            gradient = gradients[0][images]
            of_row = before.new_empty(len(images), len(ways.right), *before.shape[2:])
            for row in range(len(ways.down)):
                for large in of_row.unbind(1):
                    torch.sum(next(each).mul_(gradient), 1, out=large)
                of_weight[images, row] = down.T @ of_row @ right
        return None, None, of_weight, None, None, None


def _cut(wide: Tensor, at: float, size: int, axis: int, out: Tensor | None = None) -> Tensor:
    """A part of an axis that begins between two pixels."""
    first = math.floor(at)
    one, other = (wide.narrow(axis, first + step, size) for step in (0, 1))
    return torch.lerp(one, other, at - first, out=out)


def _enlarging(small: int, large: int, like: Tensor) -> Float[Tensor, "large small"]:
    """The matrix that enlarges one axis bilinearly, with pixels' borders (not their middles) in line."""
    at = (torch.arange(large, device=like.device, dtype=torch.float32) + 0.5) * small / large - 0.5
    places = torch.arange(small, device=like.device)
    return (1 - (at.clamp(0, small - 1)[:, None] - places).abs()).clamp(min=0)
