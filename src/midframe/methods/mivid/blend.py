"""The temporal blend: every hidden pixel from the same pixel in the nearest frames that show it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Clip = Float[Tensor, "batch channel frame height width"]
Visibility = Float[Tensor, "batch 1 frame height width"]
Indices = Int[Tensor, "batch 1 frame height width"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What the nearest frames that show a pixel have there.

    Attributes:
        before: The last one up to now; the first one after where there is none before; where there is neither, zero.
        after: The first one from now on; the last one before where there is none after; where there is neither, zero.
        share: How far between them in time, from 0 at `before` to 1 at `after`; where there is only one, at that one;
            0 where there is neither.
    """

    before: Clip
    after: Clip
    share: Visibility

    def blended(self) -> Clip:
        """Both, by distance in time."""
        return self.before * (1 - self.share) + self.after * self.share


def neighbours(known: Clip, visible: Visibility) -> Neighbours:
    """Find, pixel by pixel, the last visible instant before and the first one after.

    Args:
        known: Any values; where hidden they have no effect.
        visible: 1 where a pixel is known, else 0.
    """
    first, second, share = nearest(visible)
    before, after = (known.gather(2, index.expand_as(known)) for index in (first, second))
    nowhere = ~(visible > 0.5).any(2, keepdim=True)
    return Neighbours(before.masked_fill(nowhere, 0), after.masked_fill(nowhere, 0), share)


def nearest(visible: Visibility) -> tuple[Indices, Indices, Visibility]:
    """The last visible instant up to now and the first one from now on, pixel by pixel, and how far between them.

    Where one side is missing, the other stands for both. Where both are missing, the indices mean nothing.
    """
    frames = visible.shape[2]
    at = torch.arange(frames, device=visible.device).view(1, 1, frames, 1, 1).expand_as(visible)
    seen = visible > 0.5
    left = torch.where(seen, at, -1).cummax(2).values
    right = torch.where(seen, at, frames).flip(2).cummin(2).values.flip(2)
    has_left, has_right = left >= 0, right < frames
    first = torch.where(has_left, left, right).clamp(0, frames - 1)
    second = torch.where(has_right, right, left).clamp(0, frames - 1)
    between = ((at - first) / (second - first).clamp(min=1)).to(visible.dtype)
    return first, second, torch.where(has_left & has_right, between, (has_right & ~has_left).to(visible.dtype))


def temporal_blend(known: Clip, visible: Visibility) -> Clip:
    """Blend the neighbours of every hidden pixel by distance in time; arguments as of `neighbours`.

    Returns:
        The known values where visible. Elsewhere ((r - j) x_l + (j - l) x_r) / (r - l), or the one side that exists
        where the other does not, or 0 where there is neither.
    """
    return neighbours(known, visible).blended()
