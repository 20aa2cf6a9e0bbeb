"""How MADIFF is best sampled, by the scenes that its training sets aside; the test sets are not for choosing.

    python examples/madiff_validation.py BANK WEIGHTS [--features squeezenet1.1.onnx] [--crops 24] [--size 128]

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Prints, for each way, dB and the
distance of looks (through SqueezeNet with --features, else a Laplacian pyramid), means over centre crops, one seed:

    motion, pair, none, true   where hints come from: each step's estimate, the two neighbours alone, nowhere, the
                               true frame, which no user has; after `>` the share of signal from which on they do
    mean                       no denoiser: the mean of the neighbours' latents, decoded without hints; with hints of
                               motion, of latents moved as they say
    mean, own hints            the same, decoded once more with the hints of that frame
    mean, pair hints           the mean, with hints of the neighbours alone
    latent                     no denoiser: the true latent, decoded without hints
    latent, pair hints         the true latent with them
    mean, true hints           no denoiser: the mean of the neighbours' latents with the true frame's hints
    latent, true hints         the true latent with them
    latent before, true hints  that of the frame before in its place
    flat latent, true hints    its mean over the picture in its place
    shuffled latent, …         its pixels in another order in its place
    blend                      the mean of both frames
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal, TypeAlias

import torch
import typer
from torch import Tensor

from midframe.api.loading import motion_for
from midframe.data.samples import validation_samples
from midframe.losses.perceptual import load_distance
from midframe.methods.madiff.model import Hints, MadiffModel
from midframe.methods.madiff.model_file import load_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.metrics.difference import capped_psnr

Make: TypeAlias = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""From the frame before, the true one, the one after and a seed to the frame that is made."""
Latent: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the latents of the frame before, the true one and the one after to the one that is decoded."""
PLANS = {
    "motion": (SamplingPlan(steps=1), SamplingPlan(steps=4), SamplingPlan(steps=8), SamplingPlan(steps=25)),
    "motion > 0.5": (SamplingPlan(steps=8, refresh_above=0.5),),
    "motion > 0.9": (SamplingPlan(steps=8, refresh_above=0.9),),
    "pair": (SamplingPlan(steps=1, hints="pair"), SamplingPlan(steps=8, hints="pair")),
    "none": (SamplingPlan(steps=1, hints="none"), SamplingPlan(steps=8, hints="none")),
    "true": (SamplingPlan(steps=1, hints="none"), SamplingPlan(steps=8, hints="none")),
}


def main(
    bank: Path,
    weights: Path,
    features: Annotated[Path | None, typer.Option(help="SqueezeNet 1.1.")] = None,
    crops: Annotated[int, typer.Option()] = 24,
    size: Annotated[int, typer.Option()] = 128,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="Of the codec.")] = "fp32",
) -> None:
    """Sample in every way, and print what it is worth."""
    number = torch.bfloat16 if precision == "bf16" else torch.float32
    model = load_model(weights, motion=motion_for("rife", torch.device("cpu"), number))
    model.precision = number
    samples = validation_samples(bank, count=crops, size=size)
    distance = load_distance(features, torch.device("cpu"))
    rows = {
        f"{name}\t{plan.steps}": sampled(model, plan, true=name == "true")
        for name, plans in PLANS.items()
        for plan in plans
    }
    mean, latent = LATENTS["mean"], LATENTS["latent"]
    rows |= {"mean\t": decoded(model, mean), "mean, own hints\t": decoded(model, mean, "own")}
    rows |= {"mean, pair hints\t": decoded(model, mean, "pair")}
    rows |= {"latent\t": decoded(model, latent), "latent, pair hints\t": decoded(model, latent, "pair")}
    rows |= {f"{name}, true hints\t": decoded(model, taken, "true") for name, taken in LATENTS.items()}
    rows |= {"blend\t": lambda before, _, after, seed: (before + after) / 2}
    print("hints\tsteps\tpsnr\tlooks")
    for name, make in rows.items():
        decibels, looks = [], []
        for seed, sample in enumerate(samples):
            before, target, after = (sample[key].float() / 255 for key in ("before", "target", "after"))
            with torch.inference_mode():
                made = (make(before, target, after, seed) * 255).round() / 255
                looks.append(float(distance(made, target).mean()))
            decibels.append(capped_psnr((made - target).square()))
        print(f"{name}\t{fmean(decibels):.2f}\t{fmean(looks):.3f}", flush=True)


def sampled(model: MadiffModel, plan: SamplingPlan, *, true: bool) -> Make:
    """By the denoiser."""

    def make(before: Tensor, target: Tensor, after: Tensor, seed: int) -> Tensor:
        given = model.hints_between(before, target, after) if true else None
        generator = torch.Generator().manual_seed(seed)
        return sample_frame(model, before, after, plan, generator=generator, given=given)

    return make


def decoded(model: MadiffModel, latent: Latent, hints: Literal["true", "pair", "own"] | None = None) -> Make:
    """By the codec alone, with no hints, the true frame's, the pair's, or those of what it makes without."""

    def make(before: Tensor, target: Tensor, after: Tensor, seed: int) -> Tensor:
        earlier, true, later = (model.encode(frame) for frame in (before, target, after))

        def with_hints(given: Hints | None) -> Tensor:
            there = model.latents_there(earlier.latent, later.latent, given)
            return model.decode(latent(there[0], true.latent, there[1]), earlier, later, given)

        if hints == "true":
            return with_hints(model.hints_between(before, target, after))
        if hints == "pair":
            return with_hints(model.pair_hints(before, after))
        made = with_hints(None)
        return with_hints(model.hints_between(before, made, after)) if hints == "own" else made

    return make


def _shuffled(latent: Tensor) -> Tensor:
    pixels = latent.flatten(2)
    order = torch.randperm(pixels.shape[-1], generator=torch.Generator().manual_seed(0))
    return pixels[..., order].view_as(latent)


LATENTS: Mapping[str, Latent] = {
    "mean": lambda before, true, after: (before + after) / 2,
    "latent": lambda before, true, after: true,
    "latent before": lambda before, true, after: before,
    "flat latent": lambda before, true, after: true.mean((2, 3), keepdim=True).expand_as(true),
    "shuffled latent": lambda before, true, after: _shuffled(true),
}


if __name__ == "__main__":
    typer.run(main)
