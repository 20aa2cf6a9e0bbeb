"""One video's frames, taken apart: what is trained on, and what is kept to measure with.

The frames that are kept apart are in no training sample, neither as input nor as target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from midframe.core.errors import UsageError
from midframe.data.bank import SHORTEST_RUN, Run, Source, add_clip, open_bank, write_index
from midframe.data.samples import CROP_MULTIPLE, centre_samples
from midframe.data.segments import LENGTH

FRAME_PERIOD = 9
"""One frame of nine is kept apart: between two of them lies room for triplets of two frames' distance."""
SEGMENT_PERIOD = 27
"""Nine frames of 27 are kept apart, where a sample is nine frames."""
FEWEST_HELD = 4
"""Two to choose with, two to judge by."""


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


def hold_out_frames(bank: Path) -> list[Run]:
    """Set single frames aside, and leave the runs between them as the bank's.

    Returns:
        Triplets around the frames: their neighbours are trained on, they are not.

    Raises:
        UsageError: The video is too short.
    """
    return _hold_out(bank, FRAME_PERIOD, SHORTEST_RUN, _split_around_frames)


def hold_out_segments(bank: Path) -> list[Run]:
    """Set segments of nine frames aside, and leave the runs between them as the bank's; errors as above."""
    return _hold_out(bank, SEGMENT_PERIOD, LENGTH, _split_around_segments)


def _hold_out(
    bank: Path, period: int, shortest: int, split: Callable[[Run], tuple[list[Run], list[Run]]]
) -> list[Run]:
    runs = open_bank(bank)
    kept: list[Run] = []
    held: list[Run] = []
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


def _split_around_frames(run: Run) -> tuple[list[Run], list[Run]]:
    targets = range(FRAME_PERIOD // 2, run.length - 1, FRAME_PERIOD)
    edges = [-1, *targets, run.length]
    parts = [_part(run, start + 1, stop) for start, stop in pairwise(edges)]
    return parts, [_part(run, target - 1, target + 2) for target in targets]


def _split_around_segments(run: Run) -> tuple[list[Run], list[Run]]:
    starts = range(SEGMENT_PERIOD - LENGTH, run.length - LENGTH + 1, SEGMENT_PERIOD)
    parts, begin = [], 0
    for start in starts:
        parts.append(_part(run, begin, start))
        begin = start + LENGTH
    parts.append(_part(run, begin, run.length))
    return parts, [_part(run, start, start + LENGTH) for start in starts]


def _part(run: Run, start: int, stop: int) -> Run:
    return replace(run, first=run.first + start, length=stop - start)


def held_triplets(bank: Path, held: Sequence[Run], *, count: int, size: int) -> list[dict[str, Tensor]]:
    """Validation batches of the frames kept apart: centre crops, one batch a frame.

    Args:
        bank: Where the frames lie.
        held: From `hold_out_frames`.
        count: Most batches, evenly spread.
        size: Largest side of a crop.

    Raises:
        UsageError: The pictures are too small.
    """
    batches = centre_samples(bank, held, count=count, size=size, stride=1)
    if not batches:
        raise UsageError(f"The video is too small to adapt to: it needs sides of at least {CROP_MULTIPLE} pixels.")
    return batches
