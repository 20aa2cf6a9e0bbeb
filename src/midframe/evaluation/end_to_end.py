"""Frames per second from file to file: decoding, conversion and encoding included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from midframe.core.errors import UsageError
from midframe.core.method import Interpolator
from midframe.core.timeline import Multiply
from midframe.engine import run_video
from midframe.evaluation.bench import MOTION_PIXELS, moving_texture
from midframe.evaluation.machine import MemoryPeak
from midframe.ops.rounding import round_to_bytes
from midframe.video.clip import write_clip

FRAMES = 33
"""Of the clip that is doubled: an encoder holds back about forty frames, and does that work at the end alone."""
RATE = Fraction(24)


def bench_end_to_end(
    interpolator: Interpolator, size: tuple[int, int], *, device: torch.device | str = "cpu", frames: int = FRAMES
) -> dict[str, Any]:
    """Double the rate of a rendered clip once, from an H.264 file to an H.264 file, in a temporary folder.

    Args:
        interpolator: The method to time.
        size: Width and height in pixels, both even.
        device: Where the method runs.
        frames: Frames of the clip.

    Returns:
        `new_frames_per_second`, `output_frames_per_second`, `seconds`, and `peak_memory_bytes` (see `MemoryPeak`).

    Raises:
        UsageError: A size that H.264 cannot hold.
    """
    if size[0] % 2 or size[1] % 2 or min(size) < 2:
        raise UsageError(f"From file to file, width and height must be even; got {size[0]}x{size[1]}.")
    picture = round_to_bytes(moving_texture(1, size)[0, 0]).permute(1, 2, 0).numpy()

    def moving() -> Iterator[tuple[np.ndarray, Fraction]]:
        for number in range(frames):
            yield np.roll(picture, MOTION_PIXELS * number, axis=1), number / RATE

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.mp4", Path(folder) / "target.mp4"
        write_clip(source, moving(), frames / RATE, RATE)
        peak = MemoryPeak(torch.device(device))
        result = run_video(source, target, interpolator, Multiply(2), device=torch.device(device))
    return {
        "new_frames_per_second": result.made / result.seconds,
        "output_frames_per_second": result.frames_out / result.seconds,
        "seconds": result.seconds,
        "peak_memory_bytes": peak.read(),
    }
