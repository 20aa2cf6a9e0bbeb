"""What MiVID's parts are worth: small networks, equal budgets, several seeds.

    python examples/mivid_ablations.py BANK OUT [--seeds 3] [--steps 400] [--size 64] [--features SQUEEZENET]
        [--only NAME]... [--shares]

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Every variant changes one thing of
the same small recipe (where hidden pixels see nothing but noise, its scale too), and is trained for as many steps
from random weights; OUT keeps the runs, so take a new one after a change of the code or of --size (lines of a
picture; the window shrinks with it, and at 32 a step takes a fifth of the time). Prints, for each variant, means over
the seeds and the standard deviation between them, over clips of the scenes set aside:

    psnr      dB over the seven frames between two known ones
    middle    dB of the fourth of them, farthest from both
    moving    dB over the tenth of the pixels that differ most between the known frames
    masked    dB of what is hidden where three inner frames are known and rectangles move over the clip
    looks     distance of frames through SqueezeNet (with --features; else a Laplacian pyramid), lower is closer

and first for the temporal blend, and for a network with attention over a window that has learnt nothing. With
--shares the full variant is also trained for a sixteenth, an eighth, a quarter and half of the budget: does it still
gain?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeAlias

import torch
import typer
from ablation import spread, trained
from torch import Tensor

from midframe.core.task import Batch
from midframe.data.segments import validation_segments
from midframe.diffusion.sampler import sampling_steps
from midframe.losses.perceptual import FrameDistance, load_distance
from midframe.methods.mivid.blend import temporal_blend
from midframe.methods.mivid.config import MividConfig
from midframe.methods.mivid.masking import MaskRecipe, draw_visibility, ends_visible
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.sample import sample
from midframe.methods.mivid.weights_file import load_network
from midframe.metrics.difference import capped_psnr
from midframe.metrics.moving import moving_pixels

CLIPS, SAMPLING_STEPS = 48, 2
MASKED = MaskRecipe(ratio="fixed", fixed=4 / 7, occluders=1.0, patches=0.0)
"""Four of the seven inner frames hidden, and something always in the way."""
RECIPE = """
validation_segments = 8
validation_steps = 1
pure_noise = {pure_noise}
[mivid]
patch = 2
conditioning = "{conditioning}"
spread = {spread}
reach = {reach}
base_width = 24
attention = {attention}
dropout = 0.0
size = {size}
[masks]
kind = "{kind}"
ratio = "{ratio}"
first = {first}
[weights]
adaptive = "{adaptive}"
[segments]
size = {size}
batch = 8
[schedule]
steps = {steps}
learning_rate = 1e-3
final_learning_rate = 1e-5
warm_up = {warm_up}
average_decay = 0.98
precision = "fp32"
validate_every = {steps}
checkpoint_minutes = 60
"""
FULL: Mapping[str, str] = {
    "conditioning": "window",
    "spread": "0.1",
    "pure_noise": "0.3",
    "first": "0.6",
    "attention": "[true, true, true]",
    "kind": "hybrid",
    "ratio": "progressive",
    "adaptive": "schedule",
}
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "full": {},
    "random masks": {"kind": "random"},
    "block masks": {"kind": "block"},
    "fixed ratio": {"ratio": "fixed"},
    "most shown at first": {"first": "0.25"},
    "any noise": {"pure_noise": "0.0"},
    "colours as they are": {"spread": "0.0"},
    "absolute differences alone": {"adaptive": "none"},
    "balanced weights": {"adaptive": "balanced"},
    "without attention": {"attention": "[false, false, false]"},
    "neighbours alone": {"conditioning": "neighbours"},
    "visible frames alone": {"conditioning": "visible", "spread": "0.0"},
}
Fill: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""From a clip as it is known, where it is visible, and a seed, to the whole clip, in [-1, 1]."""
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the first variant's budget, each a training of its own with a schedule that ends there."""


@dataclass(frozen=True)
class Figures:
    """What one network gives."""

    psnr: float
    middle: float
    moving: float
    masked: float
    looks: float


def main(
    bank: Path,
    out: Path,
    seeds: Annotated[int, typer.Option()] = 3,
    steps: Annotated[int, typer.Option()] = 400,
    size: Annotated[int, typer.Option()] = 64,
    features: Annotated[Path | None, typer.Option(help="SqueezeNet 1.1.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Part of a variant's name.")] = None,
    shares: Annotated[bool, typer.Option(help="Also train for parts of the budget.")] = False,
) -> None:
    """Train and measure all variants; runs that are there already are only measured."""
    clips = validation_segments(bank, count=CLIPS, size=size)
    distance = load_distance(features, torch.device("cpu"))
    names = [field.name for field in fields(Figures)]
    print("variant\tsteps\t" + "\t".join(names))
    reach = math.ceil(MividConfig().reach * size / MividConfig().size)
    window = MaskedVideoNetwork(MividConfig(patch=2, conditioning="window", size=size, reach=reach)).eval()
    for name, fill in (("temporal blend", blended), ("window, untrained", sampled(window))):
        print("\t".join((name, "", *columns([measure(fill, clips, distance)]))), flush=True)
    for name, changes in VARIANTS.items():
        if only and not any(part in name for part in only):
            continue
        lengths = [round(steps * share) for share in SHARES] if shares and name == "full" else []
        for length in (*lengths, steps):
            recipe = RECIPE.format(
                **{**FULL, **changes}, size=size, reach=reach, steps=length, warm_up=min(20, length // 4)
            )
            runs = [
                trained("mivid", f"{name} {length} {size}", recipe, bank, out, seed) for seed in range(1, seeds + 1)
            ]
            found = [measure(sampled(load_network(weights).eval()), clips, distance) for weights in runs]
            print("\t".join((name, str(length), *columns(found))), flush=True)


@torch.inference_mode()
def measure(fill: Fill, clips: Sequence[Batch], distance: FrameDistance) -> Figures:
    """Figures of a way to fill what is hidden."""
    found: dict[str, list[float]] = {field.name: [] for field in fields(Figures)}
    for number, batch in enumerate(clips):
        clip = batch["frames"].transpose(1, 2).float() / 127.5 - 1
        size = (1, *clip.shape[-2:])
        draw = torch.Generator().manual_seed(number)
        ends, masked = ends_visible(*size), draw_visibility(MASKED, size, 0.0, draw)
        error, pictures, truth = restored(fill, clip, ends, number)
        found["psnr"].append(capped_psnr(error))
        found["middle"].append(capped_psnr(error[:, :, 3]))
        moving = moving_pixels(clip[0, :, 0], clip[0, :, -1])
        found["moving"].append(capped_psnr(error[..., moving]))
        hidden = (masked < 0.5).expand_as(clip)
        found["masked"].append(capped_psnr(((fill(clip * masked, masked, number) - clip) / 2).square()[hidden]))
        found["looks"].append(float(distance(pictures, truth).mean()))
    return Figures(**{name: fmean(values) for name, values in found.items()})


def restored(fill: Fill, clip: Tensor, visible: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Squared error of the inner frames in [0, 1], what was made, and the truth, frame by frame."""
    made, true = (
        ((side * 0.5 + 0.5).clamp(0, 1) * 255).round()[:, :, 1:-1] / 255
        for side in (fill(clip * visible, visible, seed), clip)
    )
    pictures, truth = (side.transpose(1, 2).flatten(0, 1) for side in (made, true))
    return (made - true).square(), pictures, truth


def blended(known: Tensor, visible: Tensor, seed: int) -> Tensor:
    """The temporal blend."""
    return temporal_blend(known, visible)


def sampled(network: MaskedVideoNetwork, steps: int = SAMPLING_STEPS) -> Fill:
    """By a network, from noise in so many steps."""
    chosen = sampling_steps(network.config.noise_steps, steps)

    def fill(known: Tensor, visible: Tensor, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return sample(network, network.conditions(known, visible), chosen, generator=generator)

    return fill


def columns(found: Sequence[Figures]) -> Iterator[str]:
    """Mean and deviation of each figure."""
    for field in fields(Figures):
        yield spread([getattr(one, field.name) for one in found], 4 if field.name == "looks" else 2)


if __name__ == "__main__":
    typer.run(main)
