"""What SVMV costs beside RIFE: parameters, multiply-adds, seconds a window, and what further instants add.

    python examples/svmv_cost.py [ROUNDS] [WIDTHxHEIGHT ...]

Multiply-adds are those of convolutions and matrix products. Times are medians of rounds in which all take turns, in
float32 on the CPU; read their ratios.
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

import midframe
from midframe.core.method import Interpolator
from midframe.methods.rife.weights_file import load_network as load_rife
from midframe.methods.svmv.weights_file import load_network as load_svmv
from midframe.weights import find

INSTANTS = {"one new frame": 1, "seven new frames": 7}


def main(rounds: str = "3", *sizes: str) -> None:
    """Print a table for each size."""
    networks = {"svmv": load_svmv(find("svmv")), "rife": load_rife(find("rife"))}
    for name, network in networks.items():
        print(f"{name}\t{sum(value.numel() for value in network.parameters()):,} parameters")
    methods = {name: midframe.load(name, device="cpu", precision="fp32") for name in networks}
    for size in sizes or ("448x256", "1280x720"):
        width, height = (int(side) for side in size.split("x"))
        frames = {name: window(method, height, width) for name, method in methods.items()}
        seconds: dict[tuple[str, int], list[float]] = {}
        for _ in range(int(rounds)):
            for name, method in methods.items():
                for count in INSTANTS.values():
                    seconds.setdefault((name, count), []).append(timed(method, frames[name], count))
        typical = {key: median(values) for key, values in seconds.items()}
        for name, method in methods.items():
            one, seven = (typical[name, count] for count in INSTANTS.values())
            print(
                f"{size}\t{name}\t{multiply_adds(method, frames[name]):.1f} G multiply-adds\t{one:.2f} s a frame\t"
                f"{seven / one:.2f} times that for seven\t{one / typical['rife', 1]:.2f} and "
                f"{seven / typical['rife', 7]:.2f} times rife",
                flush=True,
            )


def window(method: Interpolator, height: int, width: int) -> torch.Tensor:
    """Noise of the size, padded as the method needs."""
    multiple = method.spec.size_multiple
    height, width = (-(-side // multiple) * multiple for side in (height, width))
    return torch.rand(1, method.spec.window, 3, height, width, generator=torch.Generator().manual_seed(0))


def timed(method: Interpolator, frames: torch.Tensor, count: int) -> float:
    """Seconds for so many instants of one window."""
    start = time.perf_counter()
    method.interpolate(frames, [Fraction(number, count + 1) for number in range(1, count + 1)])
    return time.perf_counter() - start


def multiply_adds(method: Interpolator, frames: torch.Tensor) -> float:
    """Thousand millions of them for one frame."""
    counted = {torch.ops.mkldnn._convolution_pointwise: with_rectifier}
    with FlopCounterMode(display=False, custom_mapping=counted) as counter:
        method.interpolate(frames, [Fraction(1, 2)])
    return counter.get_total_flops() / 2e9


def with_rectifier(x: torch.Size, weight: torch.Size, *_: object, out_shape: torch.Size, **__: object) -> int:
    """Operations of a convolution whose activation is in the same pass; PyTorch does not count them itself."""
    return conv_flop_count(x, weight, out_shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
