"""Four frames in, the motion volumes of the two middle ones out.

One encoder looks at all four frames. Then each middle frame, the *source*, is matched with the frame on the other
side of the gap (*near*) and with the one behind it (*far*), coarse to fine:

    level          block     sees                                               gives
    1/32 .. 1/8    coarse    features of the source, of near and far warped     one motion to near and far, memory
                             to it, their local correlations, motion,
                             memory; one block for all levels
    1/4            middle    the same at 1/4                                    M motions, memory
    1/2            fine      the same at 1/2                                    M motions at 1/2; scores, gate at 1/1

The same weights serve both sources, along the batch axis: with time counted from the source they are one case, so a
window played backwards gives the same frame. Nothing here knows the instant that is wanted: the volumes are computed
once for a window (`synthesis.py` uses them for every instant).

The poster names no layers. Chosen here for few operations: one coarse block for all levels below 1/4, fed by the
encoder run on a smaller picture, as in this project's RIFE; cosines for products in the correlation; no plane that
names the source.

Flow is in pixels of its own resolution. Motion, correlation and warping are float32; convolutions take the precision
of the weights, or of autocast.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.ensemble import EnsemblePyramid
from midframe.methods.svmv.motion_volume import MotionVolume
from midframe.ops.correlation import local_correlation
from midframe.ops.warp import backward_warp

PAIR = 4
"""Channels of a motion: source to near (x, y), source to far (x, y)."""
SCORE_LIMIT = 10.0


@dataclass(frozen=True)
class Volumes:
    """What the network makes of a window.

    Attributes:
        volume: Volumes of `before`, then those of `after`, along the batch axis; at full size.
        coarse: Mean motion (2 batch, 4, ...) after each block but the last, coarse to fine.
    """

    volume: MotionVolume
    coarse: tuple[Tensor, ...]


class MotionVolumeNetwork(EnsemblePyramid):
    """The network of the splatting variant."""

    def __init__(self, config: SvmvConfig) -> None:
        def inputs(features: int, radius: int) -> int:
            return 3 * features + 2 * (2 * radius + 1) ** 2 + PAIR + config.memory

        super().__init__(config, PAIR, inputs, weights=config.members + 1)

    def forward(self, frames: Float[Tensor, "batch 4 3 height width"], levels: int | None = None) -> Volumes:
        """Motion volumes of the two middle frames.

        Args:
            frames: earlier, before, after, later; RGB in [0, 1].
            levels: Visits of the shared coarse block (see `EnsemblePyramid.descend`).

        Raises:
            ShapeError: Height or width do not divide.
        """
        ensemble, weights, coarse = self.descend(frames, levels, 2 * len(frames), _see)
        members = self.config.members
        volume = MotionVolume(
            near=ensemble[:, :, :2],
            far=ensemble[:, :, 2:],
            score=weights[:, :members, None].clamp(-SCORE_LIMIT, SCORE_LIMIT),
            acceleration=weights[:, members:, None].sigmoid(),
        )
        return Volumes(volume, coarse)


def _see(features: Tensor, motion: Tensor, memory: Tensor, radius: int) -> tuple[Tensor, ...]:
    """Both sources' features, near and far ones warped to them, and how well those fit around each place."""
    earlier, before, after, later = features.float().chunk(4)
    source, near, far = (torch.cat(pair) for pair in ((before, after), (after, before), (earlier, later)))
    warped_near, warped_far = backward_warp(near, motion[:, :2]), backward_warp(far, motion[:, 2:])
    # Distances from 1: where motion is nearly right all cosines are close to 1, and bfloat16 would round their
    # differences away.
    costs = (1 - local_correlation(source, warped, radius) for warped in (warped_near, warped_far))
    return (source, warped_near, warped_far, *costs, motion, memory)
