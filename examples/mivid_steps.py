"""What each part of a trained MiVID gives, and what steps of sampling are worth.

    python examples/mivid_steps.py BANK WEIGHTS [--features SQUEEZENET] [--steps 1]... [--seconds]

BANK is a folder that `midframe train` has decoded clips into (`runs/NAME/bank`). Prints what `mivid_ablations.py`
prints, over the same clips, for the temporal blend, for attention over a window before and after the training, on its
own, and for the whole network by numbers of steps. With --seconds instead what seven frames take, by size, on one
thread.
"""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from mivid_ablations import CLIPS, Fill, blended, columns, measure, sampled
from torch import Tensor

from midframe.data.segments import validation_segments
from midframe.losses.perceptual import load_distance
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.sample import PARTS, MividInterpolator
from midframe.methods.mivid.weights_file import load_network

SIZES = ((64, 64), (256, 256), (720, 1280))
REPEATS = 3


def main(
    bank: Path,
    weights: Path,
    features: Annotated[Path | None, typer.Option(help="SqueezeNet 1.1.")] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Of sampling; 1, 2, 5 and 10 by default.")] = None,
    seconds: Annotated[bool, typer.Option("--seconds", help="Measure time alone.")] = False,
) -> None:
    """Measure and print."""
    network = load_network(weights).eval()
    counts = steps or [1, 2, 5, 10]
    if seconds:
        print_seconds(network, counts)
        return
    clips = validation_segments(bank, count=CLIPS, size=network.config.size)
    distance = load_distance(features, torch.device("cpu"))
    fills: dict[str, Fill] = {"temporal blend": blended}
    if network.window is not None:
        fills["window, untrained"] = found_by(MaskedVideoNetwork(network.config).eval())
        fills["window, trained, alone"] = found_by(network)
    fills |= {f"{count} steps": sampled(network, count) for count in counts}
    print("what\tpsnr\tmiddle\tmoving\tmasked\tlooks")
    for name, fill in fills.items():
        print("\t".join((name, *columns([measure(fill, clips, distance)]))), flush=True)


def found_by(network: MaskedVideoNetwork) -> Fill:
    """What attention over a window finds."""

    def fill(known: Tensor, visible: Tensor, seed: int) -> Tensor:
        return network.conditions(known, visible).found

    return fill


def print_seconds(network: MaskedVideoNetwork, counts: list[int]) -> None:
    """Medians of a few calls, in seconds, on one thread."""
    torch.set_num_threads(1)
    instants = [Fraction(part, PARTS) for part in range(1, PARTS)]
    print("size\tsteps\tseven frames\tone")
    for height, width in SIZES:
        for count in counts:
            method = MividInterpolator(network, steps=count)
            frames = torch.rand(1, 2, 3, height, width)
            taken = [
                [_seconds(method, frames, wanted) for _ in range(REPEATS)] for wanted in (instants, instants[3:4])
            ]
            cells = (f"{width}x{height}", str(count), *(f"{median(one):.2f}" for one in taken))
            print("\t".join(cells), flush=True)


def _seconds(method: MividInterpolator, frames: Tensor, instants: list[Fraction]) -> float:
    started = time.perf_counter()
    method.interpolate(frames, instants, generator=torch.Generator().manual_seed(0))
    return time.perf_counter() - started


if __name__ == "__main__":
    typer.run(main)
