"""What MADIFF's hints are worth, and how often to show them: small models, equal budgets, several seeds.

    python examples/madiff_ablations.py BANK OUT [--seeds 3] [--steps 240] [--features SQUEEZENET] [--only NAME]...

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Codecs are trained from random
weights, with hints of RIFE's motion; denoisers on the codec of the same seed that sees hints in half of its samples.
Prints means over crops of the scenes set aside and over the seeds, and the deviation between these: dB and, behind
it, the distance of looks (through SqueezeNet with --features, else a Laplacian pyramid)

    true    with hints of the true frame
    pair    with hints of the two neighbours alone, as in use
    none    without

Codecs restore the true latent; denoisers make it, in one step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeAlias

import torch
import typer
from ablation import SCHEDULE_AND_STAGE, spread, trained
from torch import Tensor

from midframe.api.loading import motion_for
from midframe.core.motion import MotionSource
from midframe.core.task import Batch
from midframe.data.samples import validation_samples
from midframe.losses.perceptual import FrameDistance, load_distance
from midframe.methods.madiff.model import MadiffModel
from midframe.methods.madiff.model_file import load_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.methods.madiff.train_codec import pictures_of
from midframe.methods.madiff.weights_file import CodecModel, load_codec
from midframe.metrics.difference import capped_psnr

CROPS, SIDE = 24, 128
SAMPLES = """
size = 64
batch = 8
strides = [0.45, 0.3, 0.25]
scales = [0.5, 0.5, 0.75]
synthetic = 0.2
"""
CODEC = """
[codec]
base_width = 16
multiples = [1, 2, 4]
codes = 256
window = 4
warp = "{warp}"
anchor = "{anchor}"
head = "{head}"
hint_channels = 3
hint_gain = 1.0

[hints]
kind = "flow"

[weights]
perceptual = 0.1
outside = 0.1
adversarial = 0.0
hint_share = {hint_share}
neighbours_from = {alone}
neighbour_share = 0.8

[schedule]
steps = {steps}
learning_rate = 1e-3
final_learning_rate = 2e-5
warm_up = {warm_up}
weight_decay = 0.0
betas = [0.5, 0.9]
"""
DENOISER = """
hints = ["flow"]
hint_dropout = 0.5
draws = 4
measured_batches = 8
validation_samples = 2
validation_size = 128
validation_steps = 1

[denoiser]
base_width = 32
multiples = [1, 2]
depth = 1
window = 2
hint_input = "{hint_input}"
base = "neighbours"
sampling_steps = 1
sampling_hints = "pair"

[schedule]
steps = {steps}
learning_rate = 1e-3
final_learning_rate = 2e-5
warm_up = {warm_up}
weight_decay = 0.01
clip = 1.0
"""
HALF = "codec, hints in half of the samples"
DEFAULTS: Mapping[str, object] = {"warp": "motion", "anchor": "hint", "head": "pixels", "hint_share": 0.5}
CODECS: Mapping[str, Mapping[str, object]] = {
    HALF: {},
    "codec, hints in all": {"hint_share": 1.0},
    "codec, attention and kernels in place of motion": {"warp": "attention", "anchor": "zero", "head": "kernels"},
}
DENOISERS = {"denoiser, hints in both": "area", "denoiser, hints in the decoder alone": "none"}
HINTS = "true", "pair", "none"

Figures: TypeAlias = dict[str, tuple[float, float]]
"""For each kind of hints: dB, and the distance of looks."""


def main(
    bank: Path,
    out: Path,
    seeds: Annotated[int, typer.Option()] = 3,
    steps: Annotated[int, typer.Option()] = 240,
    features: Annotated[Path | None, typer.Option(help="SqueezeNet 1.1.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Part of a variant's name.")] = None,
) -> None:
    """Train and measure all variants; runs that are there already are only measured."""
    crops = validation_samples(bank, count=CROPS, size=SIDE)
    distance = load_distance(features, torch.device("cpu"))
    length = {"steps": steps, "warm_up": min(20, steps // 4), "alone": steps // 4}
    print("variant\t" + "\t".join(f"{hints}\tlooks" for hints in HINTS))

    def codec(name: str, seed: int) -> Path:
        recipe = (CODEC + SCHEDULE_AND_STAGE + SAMPLES).format(**{**DEFAULTS, **CODECS[name]}, **length)
        return trained("madiff-codec", name, recipe, bank, out, seed, features=features)

    def show(name: str, found: Callable[[int], Figures]) -> None:
        if not only or any(part in name for part in only):
            figures = [found(seed) for seed in range(1, seeds + 1)]
            print("\t".join((name, *columns(figures))), flush=True)

    for name in CODECS:
        show(name, lambda seed, name=name: restored(load_codec(codec(name, seed)), crops, distance))
    for name, hint_input in DENOISERS.items():
        recipe = (DENOISER + SCHEDULE_AND_STAGE + SAMPLES).format(hint_input=hint_input, **length)

        def denoiser(seed: int, name: str = name, recipe: str = recipe) -> Figures:
            path = trained(
                "madiff-denoiser", name, recipe, bank, out, seed, features=features, builds_on=codec(HALF, seed)
            )
            return sampled(load_model(path, motion=motion_of_rife()), crops, distance)

        show(name, denoiser)


def motion_of_rife() -> MotionSource | None:
    """What tells hints, in float32."""
    return motion_for("rife", torch.device("cpu"), torch.float32)


def restored(trained_codec: CodecModel, crops: Sequence[Batch], distance: FrameDistance) -> Figures:
    """The true latent through a codec."""
    codec, source = trained_codec.codec.eval(), trained_codec.hints(motion_of_rife())

    def make(batch: Batch, hints: str, seed: int) -> Tensor:
        before, target, after = pictures_of(batch)
        earlier, true, later = (codec.encode(frame) for frame in (before, target, after))
        if hints == "none":
            nothing = before.new_zeros(len(before), source.channels, *before.shape[2:])
            told = (nothing, nothing)
        else:
            told = source.between(before, target, after) if hints == "true" else source.pair(before, after)
        code = codec.quantise(true.latent).latent
        return codec.reconstruct(code, earlier.pyramid, later.pyramid, *told, before, after).frames

    return measured(make, crops, distance)


def sampled(model: MadiffModel, crops: Sequence[Batch], distance: FrameDistance) -> Figures:
    """What a denoiser makes of noise."""

    def make(batch: Batch, hints: str, seed: int) -> Tensor:
        before, target, after = pictures_of(batch)
        given = model.hints_between(before, target, after) if hints == "true" else None
        plan = SamplingPlan(steps=1, hints="pair" if hints == "pair" else "none")
        return sample_frame(model, before, after, plan, generator=torch.Generator().manual_seed(seed), given=given)

    return measured(make, crops, distance)


@torch.inference_mode()
def measured(make: Callable[[Batch, str, int], Tensor], crops: Sequence[Batch], distance: FrameDistance) -> Figures:
    """Means over the crops, of frames rounded to 8 bit."""
    found: Figures = {}
    for hints in HINTS:
        decibels, looks = [], []
        for seed, batch in enumerate(crops):
            target = pictures_of(batch)[1]
            made = (make(batch, hints, seed).clamp(0, 1) * 255).round() / 255
            decibels.append(capped_psnr((made - target).square()))
            looks.append(float(distance(made, target).mean()))
        found[hints] = fmean(decibels), fmean(looks)
    return found


def columns(found: Sequence[Figures]) -> list[str]:
    """Mean and deviation of each figure over the seeds."""
    return [
        spread([figures[hints][part] for figures in found], digits)
        for hints in HINTS
        for part, digits in ((0, 2), (1, 3))
    ]


if __name__ == "__main__":
    typer.run(main)
