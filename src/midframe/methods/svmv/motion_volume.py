"""Motion volumes: M candidate motions for every pixel of a source frame, and what their spread says.

    source      near      far          time runs
    before      after     earlier      t          (0 at the source, 1 at `near`, -1 at `far`)
    after       before    later        1 - t

Both sources look alike once time is counted from the source towards the gap: the network and everything here treat
them as one case.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.ops.warp import backward_warp

RETURN_PART, RETURN_PIXELS = 0.05, 1.0
"""A point is seen by the other source where its way there and back closes. What is missing, squared, is compared to a
part of the squares of both ways, and to some square pixels."""
LEAST_KNOWN = 1e-6
"""Divisor where no acceleration is known, and all of them are zero."""
VARIANCE_WINDOW = 5
"""Side, in pixels, of the neighbourhood of a spatial variance."""


@dataclass(frozen=True)
class MotionVolume:
    """The ensemble of one source frame, or of several along the batch axis.

    Attributes:
        near: (batch, M, 2, height, width), displacement in pixels (x right, y down) to the frame on the other side
            of the gap.
        far: As `near`, to the frame before the source, seen from the gap.
        score: (batch, M, 1, height, width), logarithm of each member's weight; it ranks the members of a pixel, and
            pixels that meet.
        acceleration: (batch, 1, 1, height, width), how much of the measured acceleration is believed, in [0, 1].
        detail: (batch, 1, 1, height, width), how much of what splatting blurs is put back, in [0, 1]; None for
            nothing.
        opposite: (batch, 1, 2, height, width), acceleration that the other source saw of what each pixel shows, in
            pixels for a gap squared, or the pixel's own where it saw none of it (`with_opposite`); None for its own
            everywhere.
        known: (batch, 2), 1 where a frame behind the source, and behind the other one, tells its acceleration, else
            0; None where both do.
    """

    near: Tensor
    far: Tensor
    score: Tensor
    acceleration: Tensor
    detail: Tensor | None = None
    opposite: Tensor | None = None
    known: Tensor | None = None

    def at(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch members 2 height width"]:
        """Displacement to an instant of the gap.

        With one acceleration motion is quadratic. With that of both sources, each the more the nearer it is in time,
        it is the cubic whose speed at either end is the mean of the gaps beside it: it goes on without a jerk into
        the next gap, and both sources send a point that both see to the same place.

        Args:
            time: Counted from the source, 1 at the other side of the gap.

        Source: Xu et al. 2019 (QVI), equation 4, with a gate on its second-order part; two such parabolas, mixed in
            the shares of the time, are the curve of Catmull and Rom 1974.
        """
        # u(t) = t near + 1/2 (t^2 - t) a, where a constant acceleration is a = near + far
        t = time.view(-1, 1, 1, 1, 1)
        bend = 0.5 * (t * t - t)
        own, other = 1.0, 0.0
        if self.opposite is not None:
            own, other = 1 - t, t
            if self.known is not None:
                own, other = (
                    part * side.view(-1, 1, 1, 1, 1) for part, side in zip((own, t), self.known.T, strict=True)
                )
            both = (own + other).clamp(min=LEAST_KNOWN)
            own, other = own / both, other / both
        # Summed up for each frame that it leads to, so that few passes are over all members.
        of_own = bend * own * self.acceleration
        motion = torch.addcmul(self.near * (t + of_own), self.far, of_own)
        return motion if self.opposite is None else motion + bend * other * self.opposite

    def rows(self, rows: slice) -> MotionVolume:
        """The volumes of some rows of the sources."""
        parts = {
            field.name: getattr(self, field.name)[..., rows, :]
            for field in fields(self)
            if field.name != "known" and getattr(self, field.name) is not None
        }
        return replace(self, **parts)

    def share(self) -> Float[Tensor, "batch members 1 height width"]:
        """Each member's part of its pixel: softmax of the scores over the members."""
        return self.score.softmax(1)

    def split(self) -> tuple[MotionVolume, MotionVolume]:
        """The two halves of the batch: volumes of `before` and of `after`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        halves: dict[str, tuple[Any, ...]] = {
            name: (None, None) if value is None else value.chunk(2) for name, value in values.items()
        }
        first, second = ({name: half[side] for name, half in halves.items()} for side in (0, 1))
        return MotionVolume(**first), MotionVolume(**second)


def with_opposite(volume: MotionVolume, known: Tensor | None = None) -> MotionVolume:
    """The volumes of both sources, each with the acceleration that the other one saw of the same points.

    The other source tells nothing of what is hidden there: where a motion and the one back do not close, its own
    acceleration counts.

    Args:
        volume: Of `before`, then of `after`, along the batch axis.
        known: (batch,), 1 for sources whose acceleration is known, 0 for others: the known one holds for both then,
            where that source sees the point.

    Returns:
        The volumes with `opposite`, and with `known` where it was given.
    """
    share = volume.share()
    arrival = mean_motion(volume.near, share)
    believed = volume.acceleration[:, 0] * (arrival + mean_motion(volume.far, share))
    # Where a pixel arrives is not to be moved for the sake of what lies there.
    arrival = arrival.detach()
    fetched, back = backward_warp(torch.cat((_swapped(believed), _swapped(arrival)), 1), arrival).chunk(2, 1)
    missing, ways = (arrival + back).square(), arrival.square() + back.square()
    allowed = RETURN_PART * ways.sum(1, keepdim=True) + RETURN_PIXELS
    seen = torch.exp(-missing.sum(1, keepdim=True) / allowed)
    fetched = torch.lerp(believed, fetched, seen)
    both = None if known is None else torch.stack((known, _swapped(known)), dim=1)
    return replace(volume, opposite=fetched[:, None], known=both)


def _swapped(values: Tensor) -> Tensor:
    """What belongs to `before` and to `after`, the other way round."""
    before, after = values.chunk(2)
    return torch.cat((after, before))


def mean_motion(
    motion: Float[Tensor, "batch members 2 height width"], share: Float[Tensor, "batch members 1 height width"]
) -> Float[Tensor, "batch 2 height width"]:
    """The ensemble's mean, each member counted by its share."""
    return (motion * share).sum(1)


def ensemble_variance(
    motion: Float[Tensor, "batch members 2 height width"], share: Float[Tensor, "batch members 1 height width"]
) -> Float[Tensor, "batch 1 height width"]:
    """V_e: spread of the members about their mean, in square pixels.

    Members count by their share: without it, one far-flung member of no weight would pass for diversity.
    """
    apart = motion - mean_motion(motion, share)[:, None]
    return (share * apart.square().sum(2, keepdim=True)).sum(1)


def spatial_variance(motion: Float[Tensor, "batch 2 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """V_s: variance of a motion over each pixel's neighbourhood, summed over x and y, in square pixels."""
    # About the picture's mean and not about zero: the square of a large common motion would swallow differences.
    centre = motion.detach().mean((2, 3), keepdim=True)
    padded = functional.pad(motion - centre, (VARIANCE_WINDOW // 2,) * 4, mode="replicate")
    mean = functional.avg_pool2d(padded, VARIANCE_WINDOW, stride=1)
    mean_square = functional.avg_pool2d(padded.square(), VARIANCE_WINDOW, stride=1)
    return (mean_square - mean.square()).clamp(min=0).sum(1, keepdim=True)


def time_from_source(time: Float[Tensor, " batch"]) -> Float[Tensor, " both_sources"]:
    """Instants of the gap as each source counts them: those of `before`, then those of `after`."""
    return torch.cat((time, 1 - time))
