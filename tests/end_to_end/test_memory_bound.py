"""The bound on memory, from file to file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

import midframe
from midframe.core.errors import UsageError

MODEL_FACTOR = 2.0
"""The model of cost rounds up, and a short run does not fill the encoder; it promises the order, not the byte."""
SEAM = 1 / 255
PEAK_MEMORY = Path(__file__).parents[2] / "scripts/peak_memory.py"


def moving_clip(path: Path, width: int, height: int, frames: int) -> Path:
    """A smooth pattern that moves by six pixels a frame."""
    rows, columns = np.mgrid[0:height, 0 : width + 6 * frames].astype(np.float32)
    pattern = np.stack(
        [127 + 100 * np.sin(columns / (20 + 7 * k) + k) * np.cos(rows / (30 - 5 * k)) for k in range(3)], axis=-1
    ).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            picture = np.ascontiguousarray(pattern[:, 6 * index : 6 * index + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def peak_of(*arguments: str) -> float:
    """Largest resident size in bytes of `midframe` with these arguments.

    Measured by a small process between: on Linux a child's peak begins at what its parent held when it was started,
    and pytest holds a gigabyte by now.
    """
    done = subprocess.run(
        [sys.executable, str(PEAK_MEMORY), *arguments], capture_output=True, text=True, check=True, timeout=300
    )
    found = re.search(r"^peak (\d+\.\d+) GB", done.stdout, re.MULTILINE)
    assert found is not None
    return float(found[1]) * 1e9


@pytest.mark.parametrize(
    ("method", "width", "height"), [("rife", 320, 192), ("rife", 640, 352), ("blend", 1280, 720)]
)
def test_the_estimate_is_within_a_factor_of_the_true_peak(tmp_path: Path, method: str, width: int, height: int):
    source = moving_clip(tmp_path / "in.mp4", width, height, 3)
    memory = midframe.plan_video(source, tmp_path / "out.mp4", method=method).memory
    assert memory is not None
    peak = peak_of("interpolate", str(source), str(tmp_path / "out.mp4"), "--method", method)
    assert memory.estimate_bytes / MODEL_FACTOR < peak < memory.estimate_bytes * 1.1


def test_many_instants_in_a_gap_stay_within_the_estimate(tmp_path: Path):
    source, target = moving_clip(tmp_path / "in.mp4", 1280, 720, 3), tmp_path / "out.mkv"
    encode = midframe.EncodeOptions(codec="ffv1")  # it holds few frames, which could hide those of the method
    memory = midframe.plan_video(source, target, method="blend", multi=9, encode=encode).memory
    assert memory is not None
    words = ["interpolate", str(source), str(target), "--method", "blend", "--multi", "9", "--codec", "ffv1"]
    assert peak_of(*words) < memory.estimate_bytes * 1.1


def test_a_bound_that_asks_for_tiles_is_kept_and_said_and_gives_the_same_frames(tmp_path: Path):
    source = moving_clip(tmp_path / "in.mp4", 1024, 576, 2)
    whole, tiled = tmp_path / "whole.mkv", tmp_path / "tiled.mkv"
    encode = midframe.EncodeOptions(codec="ffv1", pixel_format="bgr0")
    midframe.interpolate_video(source, whole, encode=encode)
    estimate = midframe.plan_video(source, tmp_path / "x.mkv", encode=encode).memory
    assert estimate is not None
    bound = estimate.estimate_bytes - 60_000_000
    result = midframe.interpolate_video(source, tiled, encode=encode, memory=bound)
    assert any("Too little memory" in note and "tiles" in note for note in result.notes)
    for one, other in zip(frames_of(whole), frames_of(tiled), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 255 * SEAM


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_command_line_says_what_would_be_needed_in_one_sentence(tmp_path: Path):
    source = moving_clip(tmp_path / "in.mp4", 320, 192, 2)
    with pytest.raises(UsageError, match="needs about"):
        midframe.plan_video(source, tmp_path / "out.mp4", memory="150MB")
    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), str(tmp_path / "out.mp4")]
    run = subprocess.run([*command, "--memory", "150MB"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "the bound is 150 MB" in run.stderr


def test_the_notes_reach_the_command_line(tmp_path: Path):
    source = moving_clip(tmp_path / "in.mp4", 1024, 576, 2)
    memory = midframe.plan_video(source, tmp_path / "out.mp4").memory
    assert memory is not None
    bound = str(memory.estimate_bytes - 60_000_000)
    command = [sys.executable, "-m", "midframe.cli", "plan", str(source), "--memory", bound]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tiles of" in run.stdout


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path: Path):
    peaks = []
    for frames in (240, 2400):
        source = moving_clip(tmp_path / f"{frames}.mp4", 64, 48, frames)
        peaks.append(peak_of("interpolate", str(source), str(tmp_path / f"{frames}-out.mp4"), "--method", "blend"))
    assert peaks[1] < peaks[0] + 20_000_000
