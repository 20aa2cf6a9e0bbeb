"""A bank of a few tiny rendered clips, and a recipe small enough for a test."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from midframe.data.bank import MOTION_CELL, Run, Source, write_index
from midframe.data.synthetic import SceneStyle, render_scene

HEIGHT, WIDTH, FRAMES, CLIPS = 96, 128, 9, 12


def make_bank(folder: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Write a bank of rendered clips, each a scene of its own."""
    folder.mkdir(parents=True)
    runs = []
    for clip in range(CLIPS):
        times = [Fraction(index, 4) for index in range(FRAMES)]
        frames = render_scene(clip, (height, width), times, SceneStyle(motion_pixels=12.0))
        pixels = (frames.permute(0, 2, 3, 1) * 255).round().byte().numpy()
        np.save(folder / f"clip{clip}.npy", pixels)
        cells = np.ones((FRAMES, height // MOTION_CELL, width // MOTION_CELL), np.float16)
        np.save(folder / f"clip{clip}.motion.npy", cells)
        runs.append(Run(f"clip{clip}", 0, FRAMES, f"scene{clip}", 3.0))
    write_index(folder, Source(("rendered",), height, FRAMES), runs)
    return folder


RECIPE = """
validation_samples = 2
[matching]
feature_widths = [4, 6, 8]
coarse_width = 8
coarse_depth = 1
coarse_radius = 1
middle_width = 8
middle_depth = 1
fine_width = 8
fine_depth = 1
memory = 4
levels = 2
teacher = true
[schedule]
steps = 6
warm_up = 2
learning_rate = 1e-3
precision = "fp32"
validate_every = 3
[[stages]]
until = 4
[stages.samples]
size = 64
batch = 4
scales = [1.0]
synthetic = 0.5
any_time = 0.5
[[stages]]
until = 6
[stages.samples]
size = 96
batch = 2
scales = [1.0]
synthetic = 0.0
"""
