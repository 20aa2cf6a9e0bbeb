"""Frames per second of a network alone, and of two in turns."""

from __future__ import annotations

import os
import platform
from fractions import Fraction
from statistics import median, quantiles
from typing import Any

import torch
import torch.nn.functional as functional

from midframe.core.errors import UsageError
from midframe.core.method import AnyTime, Grid, Interpolator, MethodSpec, Midpoint, Window
from midframe.evaluation.clock import seconds_now
from midframe.evaluation.machine import MemoryPeak, describe_machine
from midframe.ops.pad import pad_to_multiple

MOTION_PIXELS = 6
TEXTURE_PIXELS = 8
TELLING_INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_fp16", "bf16")
"""What decides the speed of a network on a CPU, in PyTorch's words."""


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
        `frames_per_second` (of the median run), `seconds_median`, `seconds_p95` (19 of 20 runs take no longer),
        `seconds_minimum`, `seconds` of every timed run in order, and `peak_memory_bytes` (see `MemoryPeak`; None
        where the system does not say).

    Raises:
        UsageError: A size or a number of runs that is not positive.
    """
    timer = _Timer(interpolator, size, torch.device(device), precision)
    _check_runs(warm_up_runs, timed_runs)
    for _ in range(warm_up_runs):
        timer.warm_up()
    for _ in range(timed_runs):
        timer.run()
    return timer.result()


def bench_in_turns(
    interpolator: Interpolator,
    other: Interpolator,
    size: tuple[int, int],
    *,
    warm_up_runs: int = 2,
    timed_runs: int = 7,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> dict[str, Any]:
    """Time two methods in turns, so that whatever else the machine does slows both.

    Args:
        other: The method to compare with; all else as in `bench`.

    Returns:
        What `bench` returns, and under `against` the same of `other` with `ratios`, how many times as fast as it
        the first method was in each turn, `ratio` (their median), `ratio_lowest` and `ratio_highest`.

    Raises:
        UsageError: As `bench`.
    """
    timers = [_Timer(method, size, torch.device(device), precision) for method in (interpolator, other)]
    _check_runs(warm_up_runs, timed_runs)
    for _ in range(warm_up_runs):
        for timer in timers:
            timer.warm_up()
    for turn in range(timed_runs):
        # The one that comes second finds a warmer cache and a hotter processor: each does so every other time.
        for timer in timers if turn % 2 == 0 else reversed(timers):
            timer.run()
    first, second = (timer.result() for timer in timers)
    ratios = [theirs / ours for ours, theirs in zip(first["seconds"], second["seconds"], strict=True)]
    spread = {
        "ratio": median(ratios),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
        "ratios": ratios,
    }
    return {**first, "against": {**second, **spread}}


def machine_facts(device: torch.device) -> dict[str, Any]:
    """What decides the speed measured here: `name`, `cores`, `instructions`, `torch`, `threads`, `system`."""
    # PyTorch before 2.11 or so cannot be asked in public; then no instruction is named.
    ask = getattr(torch.cpu, "get_capabilities", None)
    capabilities = ask() if ask is not None else {}
    return {
        "name": describe_machine(device),
        "cores": os.cpu_count(),
        "instructions": [name for name in TELLING_INSTRUCTIONS if capabilities.get(name)],
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def moving_texture(window: int, size: tuple[int, int]) -> Window:
    """A smooth random picture that moves right, for methods whose work depends on motion."""
    width, height = size
    longer = width + MOTION_PIXELS * (window - 1)
    grid = (height // TEXTURE_PIXELS + 1, longer // TEXTURE_PIXELS + 1)
    coarse = torch.rand(1, 3, *grid, generator=torch.Generator().manual_seed(0))
    strip = functional.interpolate(coarse, size=(height, longer), mode="bilinear", align_corners=False)
    starts = [MOTION_PIXELS * (window - 1 - position) for position in range(window)]
    return torch.stack([strip[..., start : start + width] for start in starts], dim=1)


class _Timer:
    """One method at one size, and the time of each of its runs."""

    def __init__(
        self, interpolator: Interpolator, size: tuple[int, int], device: torch.device, precision: str
    ) -> None:
        if min(size) < 1:
            raise UsageError(f"Width and height must be positive; got {size[0]}x{size[1]}.")
        self._interpolator, self._size, self._device, self._precision = interpolator, size, device, precision
        spec = interpolator.spec
        self._frames = pad_to_multiple(moving_texture(spec.window, size), spec.size_multiple).to(device)
        self._times = [_offered_time(spec)]
        self._generator = torch.Generator(device).manual_seed(0) if spec.stochastic else None
        self._seconds: list[float] = []
        self._peaks: list[int | None] = []

    @torch.inference_mode()
    def warm_up(self) -> None:
        self._interpolator.interpolate(self._frames, self._times, generator=self._generator)

    @torch.inference_mode()
    def run(self) -> None:
        peak = MemoryPeak(self._device)
        started = seconds_now(self._device)
        self._interpolator.interpolate(self._frames, self._times, generator=self._generator)
        self._seconds.append(seconds_now(self._device) - started)
        self._peaks.append(peak.read())

    def result(self) -> dict[str, Any]:
        """See `bench`."""
        seconds = self._seconds
        known_peaks = [peak for peak in self._peaks if peak is not None]
        return {
            "method": self._interpolator.spec.name,
            "size": f"{self._size[0]}x{self._size[1]}",
            "device": str(self._device),
            "precision": self._precision,
            "threads": torch.get_num_threads(),
            "frames_per_second": 1 / median(seconds),
            "seconds_median": median(seconds),
            "seconds_p95": quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0],
            "seconds_minimum": min(seconds),
            "seconds": seconds,
            "peak_memory_bytes": max(known_peaks, default=None),
        }


def _check_runs(warm_up_runs: int, timed_runs: int) -> None:
    if timed_runs < 1 or warm_up_runs < 0:
        raise UsageError(f"At least one run must be timed; got {warm_up_runs} to warm up and {timed_runs} timed.")


def _offered_time(spec: MethodSpec) -> Fraction:
    match spec.times:
        case Grid(parts=parts):
            return Fraction(parts // 2, parts)
        case AnyTime() | Midpoint():
            return Fraction(1, 2)
