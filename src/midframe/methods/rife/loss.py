"""The objective of RIFE from (output, target): image losses, and distillation from the privileged teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.core.task import LossTerms
from midframe.losses.laplacian import laplacian_pyramid_loss
from midframe.methods.rife.synthesis import FlowPair, Image, Synthesis, Teacher

TEACHER_MARGIN = 0.01
"""By how much, in [0, 1], the teacher's pixel must be better before the student follows its flow."""
ROOT_FLOOR = 1e-12
"""Keeps the gradient of the root finite where student and teacher agree exactly."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """How much each term counts. The defaults are the paper's.

    Attributes:
        block_decay: Weight of a block's blend relative to the next finer one. Zero leaves the output alone.
        teacher: Weight of the teacher's image loss.
        distillation: Weight of following the teacher's flow.
        brightness: Weight of an L1 term on the output. The pyramid loss cannot see a constant offset.
    """

    block_decay: float = 0.0
    teacher: float = 1.0
    distillation: float = 0.01
    brightness: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.block_decay <= 1:
            raise UsageError(f"block_decay must lie in [0, 1]; got {self.block_decay}.")
        for name in ("teacher", "distillation", "brightness"):
            if getattr(self, name) < 0:
                raise UsageError(f"The weight of {name} must not be negative; got {getattr(self, name)}.")


PAPER_WEIGHTS = LossWeights()
BLOCKWISE_WEIGHTS = LossWeights(block_decay=0.8)
"""For the 4.x line: every block is told how good its own blend is."""


def rife_loss(output: Synthesis, target: Image, weights: LossWeights) -> LossTerms:
    """Weigh the image losses of student and teacher, and the distillation between them.

    Args:
        output: What the network made of the two images.
        target: Ground truth in [0, 1]; sides as `laplacian_pyramid_loss` needs them.
        weights: Terms of weight zero are not computed.

    Returns:
        `reconstruction`, with a teacher also `teacher` and `distillation`, and `brightness`. The logs hold
        the share of pixels, over all blocks, where the teacher is followed.

    Raises:
        ShapeError: Shapes differ, or a side does not suit the pyramid.

    Source: Huang et al. 2022 (image losses, privileged distillation); margin and mask as in their code.
    """
    # The frame that is finally shown takes the place of the last block's blend, which may be unrefined.
    shown = (*output.merged[:-1], output.output)
    depths = range(len(shown) - 1, -1, -1)
    terms = {
        "reconstruction": sum(
            (
                weights.block_decay**depth * laplacian_pyramid_loss(frame, target)
                for frame, depth in zip(shown, depths, strict=True)
                if weights.block_decay**depth > 0
            ),
            start=target.new_zeros((), dtype=torch.float32),
        )
    }
    logs = {}
    if output.teacher is not None:
        if weights.teacher:
            terms["teacher"] = weights.teacher * laplacian_pyramid_loss(output.teacher.merged, target)
        if weights.distillation:
            follow = teacher_mask(output.merged, output.teacher, target)
            terms["distillation"] = weights.distillation * distillation_loss(output.flows, output.teacher, follow)
            logs["teacher_followed"] = follow.mean()
    if weights.brightness:
        terms["brightness"] = weights.brightness * (output.output - target).abs().mean()
    return LossTerms(terms=terms, logs=logs)


def teacher_mask(
    merged: tuple[Image, ...], teacher: Teacher, target: Image
) -> Float[Tensor, "block batch 1 height width"]:
    """One where the teacher's blend is clearly better than the block's, zero elsewhere; no gradient."""
    with torch.no_grad():
        teacher_error = _pixel_error(teacher.merged, target)
        better = [_pixel_error(blend, target) > teacher_error + TEACHER_MARGIN for blend in merged]
        return torch.stack(better).float()


def distillation_loss(
    flows: tuple[FlowPair, ...], teacher: Teacher, follow: Float[Tensor, "block batch 1 height width"]
) -> Float[Tensor, ""]:
    """Sum, over blocks, of the mean distance in pixels to the teacher's flow where `follow` is one.

    The teacher's flow is a constant here: the student moves, the teacher does not.
    """
    goal = teacher.flow.detach()
    loss = goal.new_zeros(())
    for flow, mask in zip(flows, follow, strict=True):
        squared = (goal - flow).square().mean(dim=1, keepdim=True)
        loss = loss + ((squared + ROOT_FLOOR).sqrt() * mask).mean()
    return loss


def _pixel_error(image: Image, target: Image) -> Float[Tensor, "batch 1 height width"]:
    return (image - target).abs().mean(dim=1, keepdim=True)
