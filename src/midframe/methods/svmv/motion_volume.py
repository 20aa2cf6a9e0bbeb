"""Motion volumes: M candidate motions for every pixel of a source frame, and what their spread says.

    source      near      far          time runs
    before      after     earlier      t          (0 at the source, 1 at `near`, -1 at `far`)
    after       before    later        1 - t

Both sources look alike once time is counted from the source towards the gap: the network and everything here treat
them as one case.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

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
    """

    near: Tensor
    far: Tensor
    score: Tensor
    acceleration: Tensor
    detail: Tensor | None = None

    def at(self, time: Float[Tensor, " batch"]) -> Float[Tensor, "batch members 2 height width"]:
        """Displacement to an instant of the gap.

        Args:
            time: Counted from the source, 1 at the other side of the gap.

        Source: Xu et al. 2019 (QVI), equation 4, with a gate on its second-order part.
        """
        # u(t) = t near + gate (1/2 (near + far) t^2 + 1/2 (near - far) t - t near)
        t = time.view(-1, 1, 1, 1, 1)
        bend = 0.5 * (self.near + self.far) * (t * t - t)
        return self.near * t + self.acceleration * bend

    def share(self) -> Float[Tensor, "batch members 1 height width"]:
        """Each member's part of its pixel: softmax of the scores over the members."""
        return self.score.softmax(1)

    def split(self) -> tuple[MotionVolume, MotionVolume]:
        """The two halves of the batch: volumes of `before` and of `after`."""
        fields = (self.near, self.far, self.score, self.acceleration, self.detail)
        halves = [(None, None) if field is None else field.chunk(2) for field in fields]
        first, second = ([half[side] for half in halves] for side in (0, 1))
        return MotionVolume(*first), MotionVolume(*second)  # pyright: ignore[reportArgumentType]


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
