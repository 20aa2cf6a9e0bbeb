"""The clip bank: a folder of videos decoded once to memory-mapped uint8 frames, ready for random access.

Building drops repeated frames, splits each clip into runs at scene changes, and stores beside the frames how
much each part of each picture moves, so that a sampler can look where something happens.

    bank/
      index.json       runs: file, first and last frame, scene, frames per second
      <clip>.npy       (frame, height, width, 3) uint8 RGB
      <clip>.motion.npy (frame, rows, columns) float16, mean absolute difference to the next frame, 0 to 255
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import MediaError
from midframe.video.scaled import read_scaled

MOTION_CELL = 16
"""Side in pixels of one cell of the motion maps."""
REPEATED_BELOW = 0.35
"""Largest mean absolute difference (0 to 255) in the busiest cells that still counts as a repeated frame.
Re-encoded repeats differ by a few tenths; the slowest real motion of the training clips by more than one."""
CUT_ABOVE = 28.0
"""Mean absolute difference over the whole frame from which a change may be a cut..."""
CUT_RATIO = 3.0
"""...if it is also this many times the larger of the differences before and after it."""
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".ts", ".gif"}


@dataclass(frozen=True)
class Run:
    """Consecutive frames of one scene: no cut inside, no frame twice.

    Attributes:
        file: Name of the frame file without suffix.
        first: Index of the first frame in that file.
        length: Number of frames.
        scene: Name shared by clips of one scene; validation is split off by it.
        frames_per_second: Of the source, for information.
        motion: Mean absolute difference of successive frames, 0 to 255.
    """

    file: str
    first: int
    length: int
    scene: str
    frames_per_second: float
    motion: float


def add_clips(
    folders: list[Path],
    bank: Path,
    *,
    short_side: int = 288,
    frames_per_clip: int = 120,
    report: Callable[[str], None] = lambda line: None,
) -> list[Run]:
    """Decode every video below some folders into a bank; `write_index` then names the runs.

    A clip longer than `frames_per_clip` gives evenly spaced chunks instead of its beginning. An `index.tsv` in a
    folder, where there is one, names each clip's scene; otherwise each file is its own scene.

    Args:
        folders: Where to look for videos (their sub-folders too).
        bank: Folder to fill.
        short_side: Pixels of the shorter side; smaller clips keep their size.
        frames_per_clip: Most frames kept of one clip.
        report: Called with a line for each clip.

    Returns:
        The runs that were added.

    Raises:
        MediaError: A folder is missing or holds no video.
    """
    runs: list[Run] = []
    for folder in folders:
        if not folder.is_dir():
            raise MediaError(f"there is no folder {folder}.")
        facts = _read_index(folder / "index.tsv")
        videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        if not videos:
            raise MediaError(f"no video below {folder}.")
        for path in videos:
            fact = facts.get(path.name, {})
            try:
                found = _add_clip(
                    path,
                    bank,
                    name=f"{folder.name}-{path.relative_to(folder).with_suffix('').as_posix().replace('/', '-')}",
                    scene=fact.get("scene", f"{folder.name}/{path.name}"),
                    frames_per_second=float(fact.get("frames_per_second", 0)),
                    short_side=short_side,
                    frames_per_clip=frames_per_clip,
                )
            except MediaError as error:
                report(f"skipped: {error}")
                continue
            runs += found
            report(f"{path.name}: {sum(run.length for run in found)} frames in {len(found)} runs")
    return runs


def open_bank(bank: Path) -> list[Run]:
    """The runs of a bank.

    Raises:
        MediaError: No bank lies there.
    """
    index = bank / "index.json"
    if not index.is_file():
        raise MediaError(f"{bank} holds no clip bank (index.json is missing).")
    return [Run(**entry) for entry in json.loads(index.read_text())]


def load_frames(
    bank: Path, runs: list[Run], device: torch.device
) -> dict[str, UInt8[Tensor, "frame rows columns 3"]]:
    """The frames of every file that the runs name.

    On the CPU they stay on disk and are read page by page; on a GPU they are copied to its memory.
    """
    # Copy-on-write: the files stay as they are, and PyTorch does not warn of read-only memory.
    opened = {
        file: torch.from_numpy(np.load(bank / f"{file}.npy", mmap_mode="c")) for file in {run.file for run in runs}
    }
    return opened if device.type == "cpu" else {file: frames.to(device) for file, frames in opened.items()}


def load_motion(bank: Path, runs: list[Run]) -> dict[str, np.ndarray]:
    """The motion maps of every file that the runs name."""
    return {file: np.load(bank / f"{file}.motion.npy") for file in {run.file for run in runs}}


def split_by_scene(runs: list[Run], every: int = 10) -> tuple[list[Run], list[Run]]:
    """Set aside every tenth scene, in alphabetical order of the scenes' reversed names, for validation.

    The reversed name mixes sources whose names share a prefix, and the split does not depend on the order in
    which clips were read.
    """
    scenes = sorted({run.scene for run in runs}, key=lambda scene: scene[::-1])
    held = set(scenes[every // 2 :: every])
    return [run for run in runs if run.scene not in held], [run for run in runs if run.scene in held]


def _read_index(path: Path) -> Mapping[str, Mapping[str, str]]:
    if not path.is_file():
        return {}
    lines = path.read_text().splitlines()
    columns = lines[0].split("\t")
    rows = (dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:] if line.strip())
    return {row["clip"]: row for row in rows}


def _add_clip(
    path: Path,
    bank: Path,
    *,
    name: str,
    scene: str,
    frames_per_second: float,
    short_side: int,
    frames_per_clip: int,
) -> list[Run]:
    kept: list[np.ndarray] = []
    motion: list[np.ndarray] = []
    for frame in read_scaled(path, short_side):
        if kept:
            difference = cell_difference(kept[-1], frame)
            if np.quantile(difference, 0.95) < REPEATED_BELOW:
                continue
            motion.append(difference)
        kept.append(frame)
    if len(kept) < 3:
        return []
    motion.append(np.zeros_like(motion[0]))
    change = np.array([cells.mean() for cells in motion])
    position, wanted = 0, _chunks(len(kept), frames_per_clip)
    runs, files = [], []
    for start, stop in (span for chunk in wanted for span in _split_at_cuts(chunk, change)):
        if stop - start < 3:
            continue
        runs.append(
            Run(name, position, stop - start, scene, frames_per_second, float(change[start : stop - 1].mean()))
        )
        position += stop - start
        files += range(start, stop)
    if not runs:
        return []
    save_clip(bank, name, np.stack([kept[index] for index in files]), [motion[index] for index in files])
    return runs


def save_clip(bank: Path, name: str, frames: np.ndarray, motion: list[np.ndarray]) -> None:
    """Write one file of frames and its motion maps.

    Args:
        bank: Folder of the bank.
        name: Of the file, without suffix.
        frames: (frame, height, width, 3) uint8.
        motion: A map for each frame, as `cell_difference` makes them; zeros where no frame follows.
    """
    np.save(bank / f"{name}.npy", frames)
    np.save(bank / f"{name}.motion.npy", np.stack(motion).astype(np.float16))


def write_index(bank: Path, runs: list[Run]) -> None:
    """Name the runs of a bank; written last, it makes the bank whole."""
    (bank / "index.json").write_text(json.dumps([asdict(run) for run in runs], indent=1))


def cell_difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Mean absolute difference of two frames in square cells, in 0 to 255."""
    height, width = (side // MOTION_CELL * MOTION_CELL for side in before.shape[:2])
    # The green channel at half density is enough to see motion, and four times cheaper.
    apart = np.abs(before[:height:2, :width:2, 1].astype(np.int16) - after[:height:2, :width:2, 1])
    half = MOTION_CELL // 2
    return apart.reshape(height // MOTION_CELL, half, width // MOTION_CELL, half).mean((1, 3)).astype(np.float32)


def _chunks(frames: int, most: int) -> list[tuple[int, int]]:
    if frames <= most:
        return [(0, frames)]
    length = 40
    count = max(1, most // length)
    firsts = np.linspace(0, frames - length, count).astype(int)
    return [(int(first), int(first) + length) for first in firsts]


def _split_at_cuts(span: tuple[int, int], change: np.ndarray) -> Iterator[tuple[int, int]]:
    start, stop = span
    for index in range(span[0], span[1] - 1):
        beside = max(change[index - 1] if index else 0, change[index + 1] if index + 1 < len(change) - 1 else 0)
        if change[index] > CUT_ABOVE and change[index] > CUT_RATIO * beside:
            yield start, index + 1
            start = index + 1
    yield start, stop
