"""One video's frames, taken apart: what is trained on, and what is kept to measure with.

The frames that are kept apart are in no training sample, neither as input nor as target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.data.bank import SHORTEST_RUN, Run, Source, add_clip, load_frames, open_bank, write_index
from midframe.data.segments import LENGTH, cut_segment, segment_batch

FRAME_PERIOD = 9
"""One frame of nine is kept apart: between two of them lies room for triplets of two frames' distance."""
SEGMENT_PERIOD = 27
"""Nine frames of 27 are kept apart, where a sample is nine frames."""
FEWEST_HELD = 4
"""Two to choose with, two to judge by."""
MULTIPLE = 64
"""Sides of held pictures are multiples of it, which suits every layout."""


@dataclass(frozen=True)
class Held:
    """Frames kept apart: `length` of them from `first` on, in a file of the bank."""

    file: str
    first: int
    length: int


def decode_video(video: Path, bank: Path, *, short_side: int, most_frames: int) -> list[Run]:
    """Decode one video into a bank of its own.

    Raises:
        MediaError: It cannot be read.
        UsageError: No three different frames follow each other in it.
    """
    bank.mkdir(parents=True, exist_ok=True)
    # One name for all scenes: none of them is set aside as a whole.
    runs = add_clip(video, bank, "video", "video", short_side, most_frames)
    if not runs:
        raise UsageError(
            f"{video} holds no {SHORTEST_RUN} different frames in a row, and nothing can be learnt of it."
        )
    write_index(bank, Source((str(video),), short_side, most_frames), runs)
    return runs


def hold_out_frames(bank: Path) -> list[Held]:
    """Set single frames aside, and leave the runs between them as the bank's.

    Returns:
        Triplets around the frames: their neighbours are trained on, they are not.

    Raises:
        UsageError: The video is too short.
    """
    return _hold_out(bank, FRAME_PERIOD, SHORTEST_RUN, _split_around_frames)


def hold_out_segments(bank: Path) -> list[Held]:
    """Set segments of nine frames aside, and leave the runs between them as the bank's; errors as above."""
    return _hold_out(bank, SEGMENT_PERIOD, LENGTH, _split_around_segments)


def _hold_out(
    bank: Path, period: int, shortest: int, split: Callable[[Run], tuple[list[Run], list[Held]]]
) -> list[Held]:
    runs = open_bank(bank)
    kept: list[Run] = []
    held: list[Held] = []
    for run in runs:
        parts, apart = split(run)
        kept += [part for part in parts if part.length >= shortest]
        held += apart
    if len(held) < FEWEST_HELD or not kept:
        frames = sum(run.length for run in runs)
        raise UsageError(
            f"{frames} usable frames in {len(runs)} scenes are too few to adapt to: some of every {period} frames of "
            f"a scene are kept apart to measure with, and {FEWEST_HELD} such parts are needed."
        )
    write_index(bank, Source(("one video, taken apart",), 0, 0), kept)
    return held


def _split_around_frames(run: Run) -> tuple[list[Run], list[Held]]:
    targets = range(FRAME_PERIOD // 2, run.length - 1, FRAME_PERIOD)
    edges = [-1, *targets, run.length]
    parts = [_part(run, start + 1, stop) for start, stop in pairwise(edges)]
    return parts, [Held(run.file, run.first + target - 1, 3) for target in targets]


def _split_around_segments(run: Run) -> tuple[list[Run], list[Held]]:
    starts = range(SEGMENT_PERIOD - LENGTH, run.length - LENGTH + 1, SEGMENT_PERIOD)
    parts, begin = [], 0
    for start in starts:
        parts.append(_part(run, begin, start))
        begin = start + LENGTH
    parts.append(_part(run, begin, run.length))
    return parts, [Held(run.file, run.first + start, LENGTH) for start in starts]


def _part(run: Run, start: int, stop: int) -> Run:
    return replace(run, first=run.first + start, length=stop - start)


def held_triplets(bank: Path, held: Sequence[Held], *, count: int, size: int) -> list[dict[str, Tensor]]:
    """Validation batches of the frames kept apart: centre crops, one batch a frame.

    Args:
        bank: Where the frames lie.
        held: From `hold_out_frames`.
        count: Most batches, evenly spread.
        size: Largest side of a crop.

    Raises:
        UsageError: The pictures are too small.
    """
    frames = _frames(bank, held)
    batches = []
    for one in _spread(held, count):
        video = frames[one.file]
        height, width = (min(side // MULTIPLE * MULTIPLE, size) for side in video.shape[1:3])
        if not height or not width:
            raise UsageError(f"The video is too small to adapt to: it needs sides of at least {MULTIPLE} pixels.")
        top, left = (video.shape[1] - height) // 2, (video.shape[2] - width) // 2
        crop = video[one.first : one.first + 3, top : top + height, left : left + width].permute(0, 3, 1, 2)
        before, target, after = (picture[None].clone() for picture in crop)
        batches.append({"before": before, "target": target, "after": after, "time": torch.tensor([0.5])})
    return batches


def held_segments(bank: Path, held: Sequence[Held], *, count: int, size: int) -> list[dict[str, Tensor]]:
    """Validation batches of the segments kept apart, as small squares, one batch a segment."""
    frames = _frames(bank, held)
    return [segment_batch(cut_segment(frames[one.file], one.first, 1, size)) for one in _spread(held, count)]


def _spread(held: Sequence[Held], count: int) -> list[Held]:
    return [held[number] for number in np.linspace(0, len(held) - 1, min(count, len(held))).astype(int)]


def _frames(bank: Path, held: Sequence[Held]) -> dict[str, Tensor]:
    files = sorted({one.file for one in held})
    return load_frames(bank, [Run(file, 0, 0, "", 0.0) for file in files], torch.device("cpu"))
