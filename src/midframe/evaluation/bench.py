"""Frames per second of a network alone."""

from __future__ import annotations

from fractions import Fraction
from statistics import median
from typing import Any

import torch
import torch.nn.functional as functional

from midframe.core.errors import UsageError
from midframe.core.method import AnyTime, Grid, Interpolator, MethodSpec, Midpoint, Window
from midframe.evaluation.clock import seconds_now
from midframe.ops.pad import pad_to_multiple

MOTION_PIXELS = 6
TEXTURE_PIXELS = 8


def bench(
    interpolator: Interpolator,
    size: tuple[int, int],
    *,
    warm_up_runs: int = 2,
    timed_runs: int = 7,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> dict[str, Any]:
    """Time the synthesis of one frame between inputs that are already in the memory of the device.

    Args:
        interpolator: The method to time, with the batch size 1.
        size: Width and height in pixels; padded to the method's multiple before the clock starts.
        warm_up_runs: Runs before the clock starts.
        timed_runs: Runs of which the median counts.
        device: Where the input frames are put.
        precision: Precision that the interpolator was loaded with; recorded, not set.

    Returns:
        `method`, `size` ("1280x720"), `device`, `precision`, `threads` (of PyTorch on the CPU),
        `frames_per_second` (of the median run), `seconds_median`, `seconds_minimum`, and `seconds` of every
        timed run in order.

    Raises:
        UsageError: A size or a number of runs that is not positive.
    """
    if min(size) < 1:
        raise UsageError(f"Width and height must be positive; got {size[0]}x{size[1]}.")
    if timed_runs < 1 or warm_up_runs < 0:
        raise UsageError(f"At least one run must be timed; got {warm_up_runs} to warm up and {timed_runs} timed.")
    device = torch.device(device)
    spec = interpolator.spec
    frames = pad_to_multiple(_moving_texture(spec.window, size), spec.size_multiple).to(device)
    times = [_offered_time(spec)]
    generator = torch.Generator(device).manual_seed(0) if spec.stochastic else None
    seconds = []
    with torch.inference_mode():
        for run in range(warm_up_runs + timed_runs):
            started = seconds_now(device)
            interpolator.interpolate(frames, times, generator=generator)
            if run >= warm_up_runs:
                seconds.append(seconds_now(device) - started)
    return {
        "method": spec.name,
        "size": f"{size[0]}x{size[1]}",
        "device": str(device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "frames_per_second": 1 / median(seconds),
        "seconds_median": median(seconds),
        "seconds_minimum": min(seconds),
        "seconds": seconds,
    }


def _moving_texture(window: int, size: tuple[int, int]) -> Window:
    """A smooth random picture that moves right, for methods whose work depends on motion."""
    width, height = size
    longer = width + MOTION_PIXELS * (window - 1)
    grid = (height // TEXTURE_PIXELS + 1, longer // TEXTURE_PIXELS + 1)
    coarse = torch.rand(1, 3, *grid, generator=torch.Generator().manual_seed(0))
    strip = functional.interpolate(coarse, size=(height, longer), mode="bilinear", align_corners=False)
    starts = [MOTION_PIXELS * (window - 1 - position) for position in range(window)]
    return torch.stack([strip[..., start : start + width] for start in starts], dim=1)


def _offered_time(spec: MethodSpec) -> Fraction:
    match spec.times:
        case Grid(parts=parts):
            return Fraction(parts // 2, parts)
        case AnyTime() | Midpoint():
            return Fraction(1, 2)
