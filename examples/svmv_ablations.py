"""What each part of SVMV is worth: small models, equal budgets, several seeds.

    python examples/svmv_ablations.py BANK OUT [--seeds 3] [--steps 80] [--only NAME]...

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Every variant changes one thing of
the same small recipe, and is trained for as many steps from random weights. Prints, for each variant, means over the
seeds and the standard deviation between them:

    psnr        dB on crops of the scenes set aside
    edges       the same over the tenth of each crop's pixels with the largest spatial variance V_s, found by the full
                variant of the same seed, so that all variants are judged on the same pixels
    spearman    rank correlation of the maps V_s and V_e over the pixels of a crop
    V_s, V_e    their means, square pixels
    bent        dB on rendered scenes whose layers accelerate as fast as they move
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
import typer
from ablation import SCHEDULE_AND_STAGE, spread, trained
from torch import Tensor

from midframe.core.task import Batch
from midframe.data.samples import validation_samples
from midframe.data.synthetic import SceneStyle, random_scenes, render_windows
from midframe.methods.svmv.motion_volume import ensemble_variance, mean_motion, spatial_variance, time_from_source
from midframe.methods.svmv.network import MotionVolumeNetwork
from midframe.methods.svmv.synthesis import render
from midframe.methods.svmv.weights_file import load_network
from midframe.metrics.difference import capped_psnr
from midframe.metrics.uncertainty import rank_correlation

CROPS, SCENES, SIDE = 24, 24, 128
RECIPE = """
[svmv]
members = {members}
outer_frames = {outer_frames}
feature_widths = [8, 16, 24]
coarse_width = 48
coarse_depth = 3
middle_width = 32
middle_depth = 2
fine_width = 32
fine_depth = 3
levels = 2
alignment = [1, 2, 1]
sharpen = true

[weights]
spatial = {spatial}
temporal = {temporal}
temporal_members = 1
motion = 0.006

[schedule]
steps = {steps}
learning_rate = 1.5e-3
final_learning_rate = 1e-5
warm_up = {warm_up}
"""
SAMPLES = """
context = 2
size = 64
batch = 6
scales = [0.5, 0.5, 0.75]
synthetic = 0.4
acceleration = 1.0
motion_pixels = 32.0
any_time = 0.25
"""
FULL: Mapping[str, object] = {"members": 8, "outer_frames": "true", "spatial": 0.001, "temporal": 0.05}
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "full: M = 8, both terms, four frames": {},
    "M = 4": {"members": 4},
    "M = 1": {"members": 1},
    "without L_sv": {"spatial": 0.0},
    "without L_tv": {"temporal": 0.0},
    "without both": {"spatial": 0.0, "temporal": 0.0},
    "L_sv ten times as heavy": {"spatial": 0.01},
    "two frames, linear motion": {"outer_frames": "false"},
}


@dataclass(frozen=True)
class Figures:
    """What one trained model gives."""

    psnr: float
    edges: float
    spearman: float
    varied: float
    spread: float
    bent: float


def main(
    bank: Path,
    out: Path,
    seeds: Annotated[int, typer.Option()] = 3,
    steps: Annotated[int, typer.Option()] = 80,
    only: Annotated[list[str] | None, typer.Option(help="Part of a variant's name.")] = None,
) -> None:
    """Train and measure all variants; runs that are there already are only measured."""
    crops, scenes = validation_samples(bank, count=CROPS, context=2), bent_scenes()
    print("variant\tpsnr\tedges\tspearman\tV_s\tV_e\tbent")
    judged: dict[int, list[Tensor]] = {}
    for name, changes in VARIANTS.items():
        if only and name not in next(iter(VARIANTS)) and not any(part in name for part in only):
            continue
        found = []
        for seed in range(1, seeds + 1):
            recipe = (RECIPE + SCHEDULE_AND_STAGE + SAMPLES).format(
                **{**FULL, **changes}, steps=steps, warm_up=min(20, steps // 4)
            )
            network = network_of(trained("svmv", name, recipe, bank, out, seed))
            if seed not in judged:
                judged[seed] = [busiest(network, crop) for crop in crops]
            found.append(measure(network, crops, judged[seed], scenes))
        print("\t".join((name, *columns(found))), flush=True)


def network_of(weights: Path) -> MotionVolumeNetwork:
    """The network of a file, ready to be measured."""
    network = load_network(weights)
    assert isinstance(network, MotionVolumeNetwork)
    return network.eval()


def bent_scenes() -> Sequence[Batch]:
    """Rendered windows whose second-order motion is as large as the first-order one."""
    style = SceneStyle(motion_pixels=16.0, acceleration=1.0)
    scenes = random_scenes(SCENES, (SIDE, SIDE), style, torch.Generator().manual_seed(2024))
    time = torch.full((SCENES,), 0.5)
    frames = render_windows(scenes, time, (SIDE, SIDE))[0]
    names = ("earlier", "before", "target", "after", "later")
    fields = dict(zip(names, (frames.clamp(0, 1) * 255).round().unbind(1), strict=True))
    return [
        {name: value[i : i + 1] for name, value in fields.items()} | {"time": time[i : i + 1]} for i in range(SCENES)
    ]


@torch.inference_mode()
def made(network: MotionVolumeNetwork, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The frame, rounded, and the mean over both sources of V_s and V_e; (height, width) maps."""
    window = torch.stack([batch[name].float() / 255 for name in ("earlier", "before", "after", "later")], 1)
    volume = network(window).volume
    rendered = render(volume, window[:, 1], window[:, 2], batch["time"])
    motion, share = volume.at(time_from_source(batch["time"])), volume.share()
    varied = spatial_variance(mean_motion(motion, share)).mean((0, 1))
    spread = ensemble_variance(motion, share).mean((0, 1))
    return (rendered.frame[0].clamp(0, 1) * 255).round() / 255, varied, spread


def busiest(network: MotionVolumeNetwork, batch: Batch) -> Tensor:
    """The tenth of the pixels with the largest V_s, as a mask."""
    varied = made(network, batch)[1]
    return varied >= varied.flatten().kthvalue(round(0.9 * varied.numel())).values


def measure(
    network: MotionVolumeNetwork, crops: Sequence[Batch], judged: Sequence[Tensor], scenes: Sequence[Batch]
) -> Figures:
    """Figures of one model."""
    psnr, edges, spearman, means = [], [], [], []
    for batch, mask in zip(crops, judged, strict=True):
        frame, varied, spread = made(network, batch)
        error = (frame - batch["target"][0].float() / 255).square().mean(0)
        psnr.append(capped_psnr(error))
        edges.append(capped_psnr(error[mask]))
        spearman.append(rank_correlation(np.asarray(varied.flatten()), np.asarray(spread.flatten())))
        means.append((float(varied.mean()), float(spread.mean())))
    bent = [capped_psnr((made(network, batch)[0] - batch["target"][0] / 255).square()) for batch in scenes]
    return Figures(
        fmean(psnr),
        fmean(edges),
        fmean(spearman),
        fmean(v for v, _ in means),
        fmean(e for _, e in means),
        fmean(bent),
    )


def columns(found: list[Figures]) -> list[str]:
    """Mean and deviation of each figure over the seeds."""
    picks: tuple[tuple[Callable[[Figures], float], int], ...] = (
        (lambda one: one.psnr, 2),
        (lambda one: one.edges, 2),
        (lambda one: one.spearman, 2),
        (lambda one: one.varied, 3),
        (lambda one: one.spread, 4),
        (lambda one: one.bent, 2),
    )
    return [spread([pick(one) for one in found], digits) for pick, digits in picks]


if __name__ == "__main__":
    typer.run(main)
