"""Frames of a user's own clip that can be left out and remade: the truth of a test without a test set."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np

from midframe.core.errors import UsageError
from midframe.data.bank import cell_difference
from midframe.evaluation.target_list import FrameReference, Target
from midframe.video import TimedFrame, VideoInfo
from midframe.video.span import read_frames

REPEATED_BELOW = 1.0
"""Mean absolute difference (0 to 255) in the cell that changes most, up to which a frame repeats the one before it:
coding noise stays below, and whatever the eye sees move lies above."""
LARGEST_OFFSET = Fraction(1, 10)
"""Of the gap: how far from its middle a frame may stand. Covers film in 60 fields, whose frames stand at 2/5."""


TargetPictures: TypeAlias = Mapping[FrameReference, np.ndarray]
"""The frames of one target, (height, width, 3) RGB each."""


@dataclass(frozen=True)
class ClipTarget:
    """One frame of the clip to remake from its neighbours.

    Attributes:
        frames: The frame, and the kept frames around it; its time is 1/2.
        scene: Number of its scene, from 1.
        seconds: When it is shown, since the first frame of the clip.
    """

    frames: Target
    scene: int
    seconds: Fraction


@dataclass(frozen=True)
class ClipSurvey:
    """What a clip offers to a test.

    Attributes:
        targets: In order of time.
        frames: Frames of the clip that were looked at.
        scenes: Scenes among them.
        repeats: Frames that show nothing new.
    """

    targets: tuple[ClipTarget, ...]
    frames: int
    scenes: int
    repeats: int


@dataclass(frozen=True)
class _Place:
    """A frame that shows something new."""

    index: int
    time: Fraction


def survey_clip(path: Path, marked: Iterable[tuple[TimedFrame, bool]]) -> ClipSurvey:
    """Find the frames that can be left out. Memory: two frames.

    Frames that repeat the frame before are passed over. Of the rest, every second one in each scene is a target
    where a kept frame stands on both sides at about equal distances.

    Args:
        path: The clip; recorded in the targets.
        marked: Its frames in order, each with whether it opens a scene (`video.mark_cuts`).
    """
    targets: list[ClipTarget] = []
    scene: list[_Place] = []
    previous: np.ndarray | None = None
    frames = scenes = repeats = 0
    for frame, opens_scene in marked:
        frames += 1
        if previous is None or opens_scene:
            targets += _targets(path, scene, scenes)
            scene, scenes = [], scenes + 1
        elif is_repeat(previous, frame.pixels):
            repeats += 1
            continue
        scene.append(_Place(frame.index, frame.time))
        previous = frame.pixels
    targets += _targets(path, scene, scenes)
    return ClipSurvey(tuple(targets), frames, scenes, repeats)


def is_repeat(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether a frame, (height, width, 3) RGB, shows no more than coding noise that the one before it did not."""
    if np.array_equal(before, after):
        return True
    cells = cell_difference(to_bytes(before), to_bytes(after))
    return cells.size > 0 and float(cells.max()) < REPEATED_BELOW


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels rounded to 8 bits, as a viewer sees them."""
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def spread_targets(targets: Sequence[ClipTarget], count: int) -> list[ClipTarget]:
    """At most `count` targets, evenly over all there are.

    Raises:
        UsageError: A count below one.
    """
    if count < 1:
        raise UsageError(f"At least one frame must be tested; got {count}.")
    if count >= len(targets):
        return list(targets)
    return [targets[(2 * number + 1) * len(targets) // (2 * count)] for number in range(count)]


def read_targets(info: VideoInfo, targets: Sequence[ClipTarget]) -> Iterator[TargetPictures]:
    """Yield the pictures of each target, read in one pass. Memory: those of the targets that overlap.

    Args:
        info: The clip.
        targets: In order of time, at least one.
    """
    last_uses = {number: position for position, target in enumerate(targets) for number in _numbers(target)}
    held: dict[int, np.ndarray] = {}
    waiting = deque(targets)
    for frame in read_frames(info, min(last_uses), max(last_uses) + 1):
        if frame.index in last_uses:
            held[frame.index] = frame.pixels
        while waiting and frame.index == max(_numbers(waiting[0])):
            yield {reference: held[number] for number, reference in _numbers(waiting.popleft()).items()}
            done = len(targets) - len(waiting)
            held = {number: pixels for number, pixels in held.items() if last_uses[number] >= done}


def _numbers(target: ClipTarget) -> dict[int, FrameReference]:
    """The frames of a target by their numbers in the clip."""
    frames = target.frames
    references = (frames.earlier, frames.before, frames.target, frames.after, frames.later)
    return {reference.index: reference for reference in references if reference and reference.index is not None}


def _targets(path: Path, scene: Sequence[_Place], number: int) -> Iterator[ClipTarget]:
    def reference(position: int) -> FrameReference | None:
        return FrameReference(path, scene[position].index) if 0 <= position < len(scene) else None

    for position in range(1, len(scene) - 1, 2):
        before, target, after = scene[position - 1 : position + 2]
        time = (target.time - before.time) / (after.time - before.time)
        if abs(time - Fraction(1, 2)) > LARGEST_OFFSET:
            continue
        frames = Target(
            before=FrameReference(path, before.index),
            target=FrameReference(path, target.index),
            after=FrameReference(path, after.index),
            time=Fraction(1, 2),
            earlier=reference(position - 3),
            later=reference(position + 3),
        )
        yield ClipTarget(frames, number, target.time)
