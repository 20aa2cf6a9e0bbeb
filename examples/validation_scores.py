"""PSNR and looks of methods on the crops that trainings validate with: what a tuning brought, beside other methods.

    python examples/validation_scores.py BANK METHOD[=WEIGHTS]... [--repeated] [--enlarge 2] [--features SQUEEZENET]

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Prints, for each method, means over
48 crops of the scenes set aside, rounded to 8 bit:

    psnr    dB
    looks   the perceptual term of `midframe train svmv --features`: distance of frames through SqueezeNet (without
            --features a Laplacian pyramid), lower is closer

With --repeated the inner frames stand for the outer ones, as where only two are known. With --enlarge the crops are
made larger first, bicubically: a larger video's motions and edges.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Annotated

import torch
import torch.nn.functional as functional
import typer
from torch import Tensor

import midframe
from midframe.core.method import Interpolator
from midframe.core.task import Batch
from midframe.data.samples import validation_samples
from midframe.losses.perceptual import load_distance
from midframe.metrics.difference import capped_psnr

CROPS = 48


def main(
    bank: Path,
    methods: list[str],
    features: Annotated[Path | None, typer.Option(help="SqueezeNet 1.1.")] = None,
    repeated: Annotated[bool, typer.Option("--repeated", help="Without outer frames.")] = False,
    enlarge: Annotated[float, typer.Option(help="By this factor.")] = 1.0,
) -> None:
    """Measure them one after the other."""
    crops = validation_samples(bank, count=CROPS, context=2)
    if repeated:
        crops = [{**crop, "earlier": crop["before"], "later": crop["after"]} for crop in crops]
    if enlarge != 1:
        crops = [{name: enlarged(part, enlarge) for name, part in crop.items()} for crop in crops]
    distance = load_distance(features, torch.device("cpu"))
    print("method\tpsnr\tlooks")
    for text in methods:
        name, _, weights = text.partition("=")
        method = midframe.load(name, weights=Path(weights) if weights else None, device="cpu", precision="fp32")
        pairs = [(made(method, crop), crop["target"].float() / 255) for crop in crops]
        psnr = fmean(capped_psnr((frame - target).square()) for frame, target in pairs)
        with torch.inference_mode():
            looks = fmean(float(distance(frame, target).mean()) for frame, target in pairs)
        print(f"{text}\t{psnr:.3f}\t{looks:.4f}", flush=True)


def enlarged(part: Tensor, factor: float) -> Tensor:
    """Frames of a crop in bytes; what else a crop holds stays as it is."""
    if part.dim() != 4:
        return part
    frames = functional.interpolate(part.float(), scale_factor=factor, mode="bicubic", align_corners=False)
    return frames.round().clamp(0, 255).byte()


def made(method: Interpolator, crop: Batch) -> Tensor:
    """The frame in the middle of the crop's gap, from as many frames as the method sees."""
    names = ("earlier", "before", "after", "later") if method.spec.context == 2 else ("before", "after")
    window = torch.stack([crop[name].float() / 255 for name in names], 1)
    return (method.interpolate(window, [Fraction(1, 2)])[:, 0].clamp(0, 1) * 255).round() / 255


if __name__ == "__main__":
    typer.run(main)
