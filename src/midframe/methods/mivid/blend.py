"""The temporal blend: every hidden pixel from the same pixel in the nearest frames that show it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def temporal_blend(
    known: Float[Tensor, "batch channel frame height width"],
    visible: Float[Tensor, "batch 1 frame height width"],
) -> Float[Tensor, "batch channel frame height width"]:
    """Blend, pixel by pixel, the last visible instant before and the first one after, by distance in time.

    Args:
        known: Any values; where hidden they have no effect.
        visible: 1 where a pixel is known, else 0.

    Returns:
        The known values where visible. Elsewhere ((r - j) x_l + (j - l) x_r) / (r - l), or the one side that exists
        where the other does not, or 0 where there is neither.
    """
    frames = known.shape[2]
    at = torch.arange(frames, device=known.device).view(1, 1, frames, 1, 1).expand_as(visible)
    seen = visible > 0.5
    left = torch.where(seen, at, -1).cummax(2).values
    right = torch.where(seen, at, frames).flip(2).cummin(2).values.flip(2)
    has_left, has_right = left >= 0, right < frames
    # Where one side is missing, the other stands for both.
    first = torch.where(has_left, left, right).clamp(0, frames - 1)
    second = torch.where(has_right, right, left).clamp(0, frames - 1)
    share = ((at - first) / (second - first).clamp(min=1)).to(known.dtype)
    before, after = (known.gather(2, index.expand_as(known)) for index in (first, second))
    blended = before * (1 - share) + after * share
    return torch.where(has_left | has_right, blended, torch.zeros_like(blended))
