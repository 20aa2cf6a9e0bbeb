"""The objective of the default network: image, deep supervision, exact flow, masked distillation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.task import LossTerms
from midframe.losses.decibels import decibels_short
from midframe.losses.laplacian import laplacian_pyramid_loss
from midframe.methods.rife.loss import ROOT_FLOOR, TEACHER_MARGIN
from midframe.methods.rife.matching import Estimate, MatchingNetwork, MatchingOutput
from midframe.ops.flow import resize_flow


@dataclass(frozen=True, kw_only=True)
class MatchingWeights:
    """Weight of each term.

    Attributes:
        image: Laplacian pyramid of the output.
        absolute: L1 of the output; the Laplacian pyramid does not see a constant offset.
        levels: L1 of the blended frame after each coarser block, at that block's size.
        flow: End-point error in pixels of full size, where the exact flow is known.
        teacher: L1 of the teacher's blended frame, at 1/4 size.
        distillation: Masked distance of the student's flow from the teacher's.
        decibels: Negative PSNR of each sample, then the mean: a tenth less error counts the same in an easy sample
            as in a hard one, where the terms above follow the hard ones. Zero leaves it out.
    """

    image: float = 1.0
    absolute: float = 0.5
    levels: float = 0.15
    flow: float = 0.004
    teacher: float = 0.5
    distillation: float = 0.01
    decibels: float = 0.0


def matching_loss(
    result: MatchingOutput,
    pair: Float[Tensor, "pair 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    weights: MatchingWeights,
    flow: Float[Tensor, "batch 4 height width"] | None = None,
    flow_weight: Float[Tensor, "batch 2 height width"] | None = None,
) -> LossTerms:
    """Compare what the network made with the true frame and, where it is known, with the true flow.

    Args:
        result: Of the network.
        pair: before and after along the batch axis, RGB in [0, 1].
        target: The true frame.
        weights: Of the terms.
        flow: Exact flow target->before, target->after in pixels; any value where `flow_weight` is zero.
        flow_weight: How much each pixel's flow counts.

    Source: Huang et al. 2022, section 3.4, for image, teacher and distillation terms; deep supervision as in the
    4.x training notes; the end-point error is ours.
    """
    terms = {
        "image": weights.image * laplacian_pyramid_loss(result.output, target),
        "absolute": weights.absolute * (result.output - target).abs().mean(),
    }
    if weights.decibels:
        terms["decibels"] = weights.decibels * decibels_short(result.output, target)
    levels = target.new_zeros(())
    for estimate in result.estimates[:-1]:
        levels = levels + _level_error(estimate, pair, target)
    terms["levels"] = weights.levels * levels
    if flow is not None and flow_weight is not None and weights.flow:
        terms["flow"] = weights.flow * _flow_error(result.estimates, flow, flow_weight)
    if result.teacher is not None:
        terms |= _teacher_terms(result, pair, target, weights)
    final = result.estimates[-1].flow.detach()
    with torch.no_grad():
        logs = {
            "flow_pixels": final.abs().mean(),
            "squared": (result.output.clamp(0, 1) - target).square().mean(),
        }
    return LossTerms(terms, logs)


def _at_size(image: Tensor, like: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(image, (like.shape[-2], like.shape[-1]))


def _level_error(estimate: Estimate, pair: Tensor, target: Tensor) -> Tensor:
    made = MatchingNetwork.merge(_at_size(pair, estimate.flow), estimate)
    return (made - _at_size(target, estimate.flow)).abs().mean()


def _flow_error(estimates: tuple[Estimate, ...], flow: Tensor, weight: Tensor) -> Tensor:
    """Mean end-point error in pixels of full size, summed over the blocks, the finest counting most."""
    total = flow.new_zeros(())
    known = weight.sum().clamp(min=1.0)
    for distance, estimate in enumerate(reversed(estimates)):
        apart = resize_flow(estimate.flow, (flow.shape[-2], flow.shape[-1])) - flow
        before, after = apart.chunk(2, dim=1)
        error = torch.stack((before, after), 1).square().sum(2).add(1e-4).sqrt()
        total = total + 0.8**distance * (error * weight).sum() / known
    return total * (weight.sum() > 0)


def _teacher_terms(
    result: MatchingOutput, pair: Tensor, target: Tensor, weights: MatchingWeights
) -> dict[str, Tensor]:
    assert result.teacher is not None
    teacher, student = result.teacher, result.estimates[-2]
    small_pair, small_target = _at_size(pair, teacher.flow), _at_size(target, teacher.flow)
    taught = MatchingNetwork.merge(small_pair, teacher)
    with torch.no_grad():
        own = (MatchingNetwork.merge(small_pair, student) - small_target).abs().mean(1)
        better = own > (taught - small_target).abs().mean(1) + TEACHER_MARGIN
    distance = (teacher.flow.detach() - student.flow).square().mean(1).add(ROOT_FLOOR).sqrt()
    return {
        "teacher": weights.teacher * (taught - small_target).abs().mean(),
        "distillation": weights.distillation * (distance * better).mean(),
    }
