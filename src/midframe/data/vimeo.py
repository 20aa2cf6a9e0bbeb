"""Vimeo-90K, triplets or septuplets, as a clip bank.

The official layout: `sequences/00001/0001/im1.png ... im3.png` (or `im7.png`) beside `tri_trainlist.txt` (or
`sep_trainlist.txt`). Only the sequences of the training list are read: the rest is the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from midframe.core.errors import MediaError
from midframe.data.bank import Run, cell_difference, save_clip
from midframe.video.picture import read_picture

TRAINING_LISTS = {"tri_trainlist.txt": 3, "sep_trainlist.txt": 7}
"""Name of the list of training sequences, and frames in each."""


def training_list(folder: Path) -> Path | None:
    """The list that makes a folder a Vimeo-90K one, or none."""
    return next((folder / name for name in TRAINING_LISTS if (folder / name).is_file()), None)


def add_vimeo(folder: Path, bank: Path, prefix: str, report: Callable[[str], None] = lambda line: None) -> list[Run]:
    """Decode the training sequences into a bank, one file for each first-level folder.

    Args:
        folder: Holds the training list and `sequences/`.
        bank: Folder to fill.
        prefix: Start of the names of files and scenes; another one for each folder.
        report: Called with a line for each file.

    Raises:
        MediaError: No list, an empty list, or a sequence that is incomplete.
    """
    listed = training_list(folder)
    if listed is None:
        raise MediaError(f"{folder} is no Vimeo-90K folder: it has none of {', '.join(TRAINING_LISTS)}.")
    length = TRAINING_LISTS[listed.name]
    sequences = sorted(line.strip() for line in listed.read_text().splitlines() if line.strip())
    if not sequences:
        raise MediaError(f"{listed} names no sequence.")
    runs = []
    for group, members in groupby(sequences, key=lambda sequence: sequence.split("/")[0]):
        clips = [_read_sequence(folder / "sequences" / member, length) for member in members]
        name = f"{prefix}-{group}"
        frames = np.concatenate(clips)
        save_clip(bank, name, frames, list(_motion(clips)))
        # Sequences of one group are cut from one video: validation is split off by it.
        runs += [Run(name, number * length, length, name, _change(clip)) for number, clip in enumerate(clips)]
        report(f"{name}: {len(clips)} sequences")
    return runs


def _read_sequence(folder: Path, length: int) -> np.ndarray:
    pictures = [folder / f"im{number}.png" for number in range(1, length + 1)]
    missing = [picture.name for picture in pictures if not picture.is_file()]
    if missing:
        raise MediaError(f"{folder} lacks {', '.join(missing)}.")
    return np.stack([read_picture(picture) for picture in pictures])


def _motion(clips: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Motion maps of all frames in order; nothing is known to follow a sequence's last frame."""
    for clip in clips:
        maps = [cell_difference(before, after) for before, after in pairwise(clip)]
        yield from maps
        yield np.zeros_like(maps[-1])


def _change(clip: np.ndarray) -> float:
    return float(np.mean([cell_difference(a, b).mean() for a, b in pairwise(clip)]))
