"""What is wrong with the frames of a set, as far as the headers of its files show it: said before any work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from midframe.core.errors import MediaError, ShapeError
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.image_file import image_size
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.target_list import FrameReference, Target
from midframe.video.scaled import count_packets


def check_frames(targets: Sequence[Target], root: Path, prepare: Preparation, source: str) -> None:
    """Refuse frames that do not exist or do not fit together, outer ones too, whichever method will read them.

    Pictures are opened for their size, clips for the number of their frames: nothing is decoded. The order of
    pictures is not known, nor the size that a preparation leaves them.

    Args:
        targets: The frames.
        root: Folder that their paths start from.
        prepare: What is done to every picture.
        source: What messages call the set.

    Raises:
        MediaError: A picture does not open, a clip ends before a frame, or frames of a clip are out of order.
        ShapeError: The pictures of a target differ in size.
    """
    for target in targets:
        _check_order(target, source)
    pictures = {frame.path for target in targets for frame in target.frames if frame.index is None}
    sizes = {path: image_size(root / path) for path in pictures}
    if prepare.crop == "none" and prepare.size is None:
        for target in targets:
            _check_sizes(target, sizes, source)
    last: dict[Path, int] = defaultdict(int)
    for frame in (frame for target in targets for frame in target.frames):
        if frame.index is not None:
            last[frame.path] = max(last[frame.path], frame.index)
    for path, index in last.items():
        if index >= _count_frames(root / path, prepare):
            frame = FrameReference(path, index)
            FrameStore(root, [frame], prepare).read(frame)  # Packets are an estimate; this knows, and says it.


def _check_order(target: Target, source: str) -> None:
    pairs = (
        (target.earlier, target.before, 0),  # An outer frame may be its neighbour once more.
        (target.before, target.target, 1),
        (target.target, target.after, 1),
        (target.after, target.later, 0),
    )
    for one, other, least in pairs:
        if one is None or other is None or one.index is None or other.index is None or one.path != other.path:
            continue
        if other.index - one.index < least:
            raise MediaError(
                f"{source}: the frames of target {target.target} are out of order: {other} does not come after "
                f"{one}; in time they lie as earlier, before, target, after, later."
            )


def _check_sizes(target: Target, sizes: Mapping[Path, tuple[int, int]], source: str) -> None:
    pictures = [frame.path for frame in target.frames if frame.index is None]
    for one, other in pairwise(pictures):
        if sizes[one] != sizes[other]:
            raise ShapeError(
                f"{source}: the frames of target {target.target} differ in size: {one} is {_size(sizes[one])}, "
                f"{other} is {_size(sizes[other])}."
            )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _count_frames(path: Path, prepare: Preparation) -> int:
    if prepare.raw_size is None:
        return count_packets(path)
    width, height = prepare.raw_size
    return path.stat().st_size // (width * height * 3 // 2)
