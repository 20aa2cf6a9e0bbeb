"""The clip bank: a folder of videos decoded once to memory-mapped uint8 frames, ready for random access.

Building drops repeated frames, splits each clip into runs at scene changes, and stores beside the frames how
much each part of each picture moves, so that a sampler can look where something happens.

    bank/
      index.json       what was decoded, and the runs: file, first frame, length, scene, motion
      <clip>.npy       (frame, height, width, 3) uint8 RGB
      <clip>.motion.npy (frame, rows, columns) float16, mean absolute difference to the next frame, 0 to 255
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import MediaError
from midframe.video.scaled import count_packets, read_scaled

MOTION_CELL = 16
"""Side in pixels of one cell of the motion maps."""
REPEATED_BELOW = 0.35
"""Largest mean absolute difference (0 to 255) in the busiest cells that still counts as a repeated frame.
Re-encoded repeats differ by a few tenths; the slowest real motion of the training clips by more than one."""
CUT_ABOVE = 28.0
"""Mean absolute difference over the whole frame from which a change may be a cut..."""
CUT_RATIO = 3.0
"""...if it is also this many times the larger of the differences before and after it."""
CHUNK = 40
"""Frames in each part that is kept of a long clip."""
SHORTEST_RUN = 3
"""A frame before, a target and a frame after."""
INDEX = "index.json"
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".ts", ".gif"}


@dataclass(frozen=True)
class Run:
    """Consecutive frames of one scene: no cut inside, no frame twice.

    Attributes:
        file: Name of the frame file without suffix.
        first: Index of the first frame in that file.
        length: Number of frames.
        scene: Name shared by clips of one scene; validation is split off by it.
        motion: Mean absolute difference of successive frames, 0 to 255.
    """

    file: str
    first: int
    length: int
    scene: str
    motion: float


@dataclass(frozen=True)
class Source:
    """What a bank was decoded from: two banks with equal sources hold the same frames.

    Attributes:
        folders: Absolute paths of the folders of videos.
        short_side: Pixels of the shorter side; smaller clips keep their size.
        frames_per_clip: Most frames kept of one clip.
    """

    folders: tuple[str, ...]
    short_side: int
    frames_per_clip: int


def add_clips(
    folder: Path,
    bank: Path,
    prefix: str,
    *,
    short_side: int = 288,
    frames_per_clip: int = 120,
    report: Callable[[str], None] = lambda line: None,
) -> list[Run]:
    """Decode every video below a folder into a bank; `write_index` then names the runs.

    A clip longer than `frames_per_clip` gives evenly spaced chunks instead of its beginning. An `index.tsv` in the
    folder, where there is one, names each clip's scene; otherwise each file is its own scene.

    Args:
        folder: Where to look for videos (its sub-folders too).
        bank: Folder to fill.
        prefix: Start of the names of files and scenes; another one for each folder.
        short_side: Pixels of the shorter side; smaller clips keep their size.
        frames_per_clip: Most frames kept of one clip.
        report: Called with a line for each clip.

    Returns:
        The runs that were added.

    Raises:
        MediaError: The folder is missing or holds no video.
    """
    if not folder.is_dir():
        raise MediaError(f"there is no folder {folder}.")
    facts = _read_index(folder / "index.tsv")
    videos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise MediaError(f"no video below {folder}.")
    runs: list[Run] = []
    for number, path in enumerate(videos):
        scene = facts.get(path.name, {}).get("scene", f"{prefix}/{path.relative_to(folder)}")
        try:
            found = add_clip(path, bank, f"{prefix}-{number:05}", scene, short_side, frames_per_clip)
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
    return [Run(**entry) for entry in _index(bank)["runs"]]


def bank_source(bank: Path) -> Source:
    """What a bank was decoded from; errors as in `open_bank`."""
    source = _index(bank)["source"]
    return Source(tuple(source["folders"]), source["short_side"], source["frames_per_clip"])


def is_bank(folder: Path) -> bool:
    """Whether a folder holds a whole bank."""
    return (folder / INDEX).is_file()


def write_index(bank: Path, source: Source, runs: list[Run]) -> None:
    """Name the runs of a bank. Written last and in one piece, the index says that the bank is whole."""
    temporary = bank / f"{INDEX}.tmp"
    temporary.write_text(json.dumps({"source": asdict(source), "runs": [asdict(run) for run in runs]}, indent=1))
    temporary.replace(bank / INDEX)


def _index(bank: Path) -> dict[str, Any]:
    if not is_bank(bank):
        raise MediaError(f"{bank} holds no clip bank ({INDEX} is missing).")
    return json.loads((bank / INDEX).read_text())


def spread(runs: Sequence[Run], count: int) -> list[Run]:
    """At most `count` of some runs, evenly spread."""
    return [runs[number] for number in np.linspace(0, len(runs) - 1, min(count, len(runs))).astype(int)]


def drawing_weights(runs: Sequence[Run]) -> np.ndarray:
    """How often to draw from each run: those that move count for more than still ones, long ones for more than short
    ones; both sublinearly."""
    return np.array([(run.length * min(max(run.motion, 0.5), 12.0)) ** 0.5 for run in runs])


def load_frames(
    bank: Path, runs: Sequence[Run], device: torch.device
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


def add_clip(path: Path, bank: Path, name: str, scene: str, short_side: int, frames_per_clip: int) -> list[Run]:
    """Decode one video into a bank; arguments as in `add_clips`.

    Raises:
        MediaError: It cannot be read.
    """
    chunks = _chunks(count_packets(path), frames_per_clip)
    frames: list[np.ndarray] = []
    motion: list[np.ndarray] = []
    runs: list[Run] = []
    for chunk in _read_chunks(path, chunks, short_side):
        kept = [chunk[0]]
        change = []
        for frame in chunk[1:]:
            difference = cell_difference(kept[-1], frame)
            if np.quantile(difference, 0.95) >= REPEATED_BELOW:
                kept.append(frame)
                change.append(difference)
        means = np.array([cells.mean() for cells in change])
        for start, stop in _split_at_cuts(means):
            if stop - start >= SHORTEST_RUN:
                mean = float(means[start : stop - 1].mean())
                runs.append(Run(name, len(frames), stop - start, scene, mean))
                frames += kept[start:stop]
                motion += [*change[start : stop - 1], np.zeros_like(change[0])]
    if runs:
        save_clip(bank, name, np.stack(frames), motion)
    return runs


def _read_chunks(path: Path, chunks: list[range], short_side: int) -> Iterator[list[np.ndarray]]:
    """The frames of each chunk; of a long clip no more than one chunk is held at a time."""
    waiting = iter(chunks)
    wanted = next(waiting, None)
    chunk: list[np.ndarray] = []
    for number, frame in enumerate(read_scaled(path, short_side)):
        if wanted is None:
            return
        if number in wanted:
            chunk.append(frame)
        if number >= wanted.stop - 1:
            yield chunk
            chunk, wanted = [], next(waiting, None)
    if chunk:
        yield chunk


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


def cell_difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Mean absolute difference of two frames in square cells, in 0 to 255."""
    height, width = (side // MOTION_CELL * MOTION_CELL for side in before.shape[:2])
    # The green channel at half density is enough to see motion, and four times cheaper.
    apart = np.abs(before[:height:2, :width:2, 1].astype(np.int16) - after[:height:2, :width:2, 1])
    half = MOTION_CELL // 2
    return apart.reshape(height // MOTION_CELL, half, width // MOTION_CELL, half).mean((1, 3)).astype(np.float32)


def _chunks(frames: int, most: int) -> list[range]:
    """The whole clip, or evenly spaced parts of it that do not overlap."""
    if frames <= most:
        return [range(frames)]
    length = min(CHUNK, most)
    firsts = np.linspace(0, frames - length, max(1, most // length)).astype(int)
    return [range(int(first), int(first) + length) for first in firsts]


def _split_at_cuts(change: np.ndarray) -> Iterator[tuple[int, int]]:
    """First frame and the one behind the last of each scene, from the mean change after each frame."""
    start = 0
    for index in range(len(change)):
        beside = max(change[index - 1] if index else 0, change[index + 1] if index + 1 < len(change) else 0)
        if change[index] > CUT_ABOVE and change[index] > CUT_RATIO * beside:
            yield start, index + 1
            start = index + 1
    yield start, len(change) + 1
