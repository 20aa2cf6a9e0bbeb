"""Reconstruction with spatiotemporal variance-aware supervision: spread where motion is ambiguous, and only there.

    L = L_rec + lambda_sv L_sv + lambda_tv L_tv  (+ terms of this project: coarse motions, exact motion of rendered
    scenes)

L_sv asks the ensemble to spread (V_e) where motion varies from pixel to pixel (V_s). L_tv asks every member, at every
pixel, to be right about the target or about one of the input frames, whichever it sees better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import RecipeError
from midframe.core.task import LossTerms
from midframe.losses.decibels import decibels_short
from midframe.losses.laplacian import laplacian_pyramid_loss
from midframe.losses.perceptual import FrameDistance, pyramid_distance
from midframe.losses.photometric import photometric_distance
from midframe.methods.svmv.motion_volume import (
    MotionVolume,
    ensemble_variance,
    mean_motion,
    spatial_variance,
    time_from_source,
)
from midframe.methods.svmv.network import Volumes
from midframe.methods.svmv.synthesis import Rendered
from midframe.ops.flow import resize_flow
from midframe.ops.warp import backward_warp

LEAST_VARIANCE = 1e-2
"""Square pixels added to V_e: a ratio to nearly nothing would drown every other gradient."""
WARM_UP = 0.05
"""Part of a run before L_sv, and as much again until it has its full weight."""


@dataclass(frozen=True, kw_only=True)
class SvmvWeights:
    """Weight of each term.

    Attributes:
        charbonnier: sqrt(difference² + 1e-6) of the frame.
        laplacian: Laplacian pyramid of the frame.
        decibels: Negative PSNR of each sample (see `losses.decibels`).
        perceptual: How unlike the frame looks (`losses.perceptual`): for sharper frames, at some cost in pixel error.
        separate: Charbonnier of what each source alone would make, where it covers the frame.
        spatial: lambda_sv.
        spatial_form: `log` for log(1 + V_s / V_e), `ratio` for the bare ratio as printed.
        temporal: lambda_tv.
        temporal_far: L_tv's minimum also takes the far frame; the printed form has the near one and the target only.
        temporal_members: Members drawn for L_tv in each step, whose mean stands for the mean over all.
        coarse: L1 of the pictures warped by each coarser block's motion.
        motion: End-point error in pixels of full size, where the exact motion is known.
    """

    charbonnier: float = 1.0
    laplacian: float = 1.0
    decibels: float = 0.01
    perceptual: float = 0.0
    separate: float = 0.1
    spatial: float = 0.001
    spatial_form: Literal["log", "ratio"] = "log"
    temporal: float = 0.05
    temporal_far: bool = True
    temporal_members: int = 2
    coarse: float = 0.1
    motion: float = 0.003

    def __post_init__(self) -> None:
        if self.temporal_members < 1:
            raise RecipeError(f"temporal_members must be at least 1; got {self.temporal_members}.")

    def spatial_at(self, progress: float) -> float:
        """lambda_sv after a part of the run: nothing at first, then a linear rise to its full weight."""
        return self.spatial * min(max((progress - WARM_UP) / WARM_UP, 0.0), 1.0)


@dataclass(frozen=True)
class Pictures:
    """A window and its truth, RGB in [0, 1], each (batch, 3, height, width).

    Attributes:
        earlier, before, after, later: The four inputs.
        target: The frame to be made.
        time: (batch,), its instant.
    """

    earlier: Tensor
    before: Tensor
    target: Tensor
    after: Tensor
    later: Tensor
    time: Tensor

    @property
    def window(self) -> Float[Tensor, "batch 4 3 height width"]:
        return torch.stack((self.earlier, self.before, self.after, self.later), 1)

    @property
    def source(self) -> Tensor:
        """Both sources along the batch axis; likewise `near`, `far` and `wanted`."""
        return torch.cat((self.before, self.after))

    @property
    def near(self) -> Tensor:
        return torch.cat((self.after, self.before))

    @property
    def far(self) -> Tensor:
        return torch.cat((self.earlier, self.later))

    @property
    def wanted(self) -> Tensor:
        return torch.cat((self.target, self.target))


def svmv_loss(
    rendered: Rendered,
    volumes: Volumes,
    pictures: Pictures,
    weights: SvmvWeights,
    *,
    progress: float = 1.0,
    motion: Float[Tensor, "batch 8 height width"] | None = None,
    motion_weight: Float[Tensor, "batch 4 height width"] | None = None,
    distance: FrameDistance = pyramid_distance,
) -> LossTerms:
    """The whole objective.

    Args:
        rendered: The synthesised frame.
        volumes: What it was made of.
        pictures: The window and the truth.
        weights: Of the terms.
        progress: Part of the run that is over, in [0, 1].
        motion: Exact motion before->after, before->earlier, after->before, after->later in pixels.
        motion_weight: How much each pixel's motion counts; zero where it is not known.
        distance: Of frames, for the perceptual term.

    Source: the poster (the sum, L_sv and L_tv); the weights and all other terms are ours.
    """
    volume = volumes.volume
    target = pictures.target
    terms = reconstruction_terms(rendered.frame, target, weights, distance)
    if weights.separate:
        alone = sum((_charbonnier(frame, target) for frame in rendered.separate), target.new_zeros(()))
        terms["separate"] = weights.separate * alone / 2
    share = volume.share()
    to_target = volume.at(time_from_source(pictures.time))
    mean = mean_motion(to_target, share)
    varied, spread = spatial_variance(mean), ensemble_variance(to_target, share)
    spatial = weights.spatial_at(progress)
    if spatial:
        terms["spatial"] = spatial * spatial_term(varied, spread, weights.spatial_form)
    if weights.temporal:
        terms["temporal"] = weights.temporal * temporal_term(volume, to_target, pictures, weights)
    if weights.coarse:
        terms["coarse"] = weights.coarse * _coarse_term(volumes.coarse, pictures)
    if motion is not None and motion_weight is not None and weights.motion:
        final = torch.cat((mean_motion(volume.near, share), mean_motion(volume.far, share)), 1)
        terms["motion"] = weights.motion * _motion_term((*volumes.coarse, final), motion, motion_weight)
    with torch.no_grad():
        logs = {
            "spatial_variance": varied.mean(),
            "ensemble_variance": spread.mean(),
            "holes": 1 - rendered.covered.float().mean(),
            "acceleration": volume.acceleration.mean(),
            "motion_pixels": mean.abs().mean(),
        }
    return LossTerms(terms, logs)


def matching_loss(
    steps: tuple[Tensor, ...],
    pictures: Pictures,
    weights: SvmvWeights,
    *,
    motion: Float[Tensor, "batch 8 height width"] | None = None,
    motion_weight: Float[Tensor, "batch 4 height width"] | None = None,
) -> LossTerms:
    """The objective of the blocks that find motion, alone; arguments as in `svmv_loss`.

    Args:
        steps: Motion of both sources after each block, coarse to fine (`Matched.steps`).
    """
    terms = {"coarse": weights.coarse * _coarse_term(steps, pictures)}
    if motion is not None and motion_weight is not None and weights.motion:
        terms["motion"] = weights.motion * _motion_term(steps, motion, motion_weight)
    return LossTerms(terms, {})


def reconstruction_terms(
    frame: Tensor, target: Tensor, weights: SvmvWeights, distance: FrameDistance = pyramid_distance
) -> dict[str, Tensor]:
    """L_rec: the made frame against the true one."""
    terms = {
        "charbonnier": weights.charbonnier * _charbonnier(frame, target),
        "laplacian": weights.laplacian * laplacian_pyramid_loss(frame, target),
    }
    if weights.decibels:
        terms["decibels"] = weights.decibels * decibels_short(frame, target)
    if weights.perceptual:
        terms["perceptual"] = weights.perceptual * distance(frame, target).mean()
    return terms


def spatial_term(varied: Tensor, spread: Tensor, form: Literal["log", "ratio"]) -> Tensor:
    """L_sv from V_s and V_e, (batch, 1, height, width) square pixels each."""
    ratio = varied / (spread + LEAST_VARIANCE)
    return (ratio.log1p() if form == "log" else ratio).mean()


def temporal_term(volume: MotionVolume, to_target: Tensor, pictures: Pictures, weights: SvmvWeights) -> Tensor:
    """L_tv: the least photometric distance among the frames a member points at, averaged over all."""
    members = volume.near.shape[1]
    drawn = torch.randperm(members)[: weights.temporal_members].tolist()
    total = to_target.new_zeros(())
    for member in drawn:
        seen = [(pictures.wanted, to_target[:, member]), (pictures.near, volume.near[:, member])]
        if weights.temporal_far:
            seen.append((pictures.far, volume.far[:, member]))
        distances = [
            photometric_distance(pictures.source, backward_warp(picture, motion)) for picture, motion in seen
        ]
        total = total + torch.stack(distances).amin(0).mean()
    return total / len(drawn)


def _charbonnier(made: Tensor, target: Tensor) -> Tensor:
    return ((made - target).square() + 1e-6).sqrt().mean()


def _coarse_term(coarse: tuple[Tensor, ...], pictures: Pictures) -> Tensor:
    """Near and far frames, fetched by each block's motion, against the sources at that block's size."""
    total = pictures.target.new_zeros(())
    for motion in coarse:
        size = (motion.shape[-2], motion.shape[-1])
        source, near, far = (
            functional.adaptive_avg_pool2d(side, size) for side in (pictures.source, pictures.near, pictures.far)
        )
        for side, flow in ((near, motion[:, :2]), (far, motion[:, 2:])):
            total = total + (backward_warp(side, flow) - source).abs().mean()
    return total


def _motion_term(estimates: tuple[Tensor, ...], motion: Tensor, weight: Tensor) -> Tensor:
    """Mean end-point error in pixels of full size, summed over the estimates, the last and finest counting most."""
    exact = torch.cat((motion[:, :4], motion[:, 4:]))
    known = torch.cat((weight[:, :2], weight[:, 2:]))
    count = known.sum().clamp(min=1.0)
    size = (exact.shape[-2], exact.shape[-1])
    total = exact.new_zeros(())
    for distance, estimate in enumerate(reversed(estimates)):
        apart = resize_flow(estimate, size) - exact
        error = apart.unflatten(1, (2, 2)).square().sum(2).add(1e-4).sqrt()
        total = total + 0.8**distance * (error * known).sum() / count
    return total * (known.sum() > 0)
