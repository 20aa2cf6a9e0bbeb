"""The objective of the gather variant: the same terms on the grid of the new frame."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from midframe.core.task import LossTerms
from midframe.losses.perceptual import FrameDistance, pyramid_distance
from midframe.losses.photometric import photometric_distance
from midframe.methods.svmv.gather import FRAMES, Gathered
from midframe.methods.svmv.loss import Pictures, SvmvWeights, reconstruction_terms, spatial_term
from midframe.methods.svmv.motion_volume import ensemble_variance, mean_motion, spatial_variance
from midframe.ops.warp import backward_warp


def gather_loss(
    gathered: Gathered,
    pictures: Pictures,
    weights: SvmvWeights,
    *,
    progress: float = 1.0,
    distance: FrameDistance = pyramid_distance,
) -> LossTerms:
    """As `svmv_loss`, without what needs motion on the sources' grid (`separate`, `motion`).

    Args:
        gathered: The synthesised frame and where it came from.
        pictures: The window and the truth.
        weights: Of the terms.
        progress: Part of the run that is over, in [0, 1].
        distance: Of frames, for the perceptual term.

    L_tv is turned round: it compares the target with each frame where a member points.
    """
    terms = reconstruction_terms(gathered.frame, pictures.target, weights, distance)
    share = gathered.weight / gathered.weight.sum(2, keepdim=True).clamp(min=1e-6)
    variances = [_variances(gathered.offsets[:, place], share[:, place]) for place in range(FRAMES)]
    varied, spread = (torch.stack(side).mean(0) for side in zip(*variances, strict=True))
    spatial = weights.spatial_at(progress)
    if spatial:
        terms["spatial"] = spatial * spatial_term(varied, spread, weights.spatial_form)
    if weights.temporal:
        terms["temporal"] = weights.temporal * _temporal_term(gathered, pictures, weights)
    if weights.coarse:
        terms["coarse"] = weights.coarse * _coarse_term(gathered.coarse, pictures)
    with torch.no_grad():
        logs = {"spatial_variance": varied.mean(), "ensemble_variance": spread.mean()}
    return LossTerms(terms, logs)


def _variances(offsets: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    return spatial_variance(mean_motion(offsets, share)), ensemble_variance(offsets, share)


def _temporal_term(gathered: Gathered, pictures: Pictures, weights: SvmvWeights) -> Tensor:
    members = gathered.offsets.shape[2]
    drawn = torch.randperm(members)[: weights.temporal_members].tolist()
    # Without the far frames this is the printed form's pair of frames; with them, each member may be right anywhere.
    places = range(FRAMES) if weights.temporal_far else (1, 2)
    window = pictures.window
    total = pictures.target.new_zeros(())
    for member in drawn:
        distances = [
            photometric_distance(pictures.target, backward_warp(window[:, place], gathered.offsets[:, place, member]))
            for place in places
        ]
        total = total + torch.stack(distances).amin(0).mean()
    return total / len(drawn)


def _coarse_term(coarse: tuple[Tensor, ...], pictures: Pictures) -> Tensor:
    """Every input, fetched by each block's motion, against the target at that block's size."""
    total = pictures.target.new_zeros(())
    for motion in coarse:
        size = (motion.shape[-2], motion.shape[-1])
        target = functional.adaptive_avg_pool2d(pictures.target, size)
        for place, flow in enumerate(motion.split(2, dim=1)):
            picture = functional.adaptive_avg_pool2d(pictures.window[:, place], size)
            total = total + (backward_warp(picture, flow) - target).abs().mean() / 2
    return total
