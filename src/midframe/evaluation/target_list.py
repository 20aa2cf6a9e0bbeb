"""The list of a test set: which frames are given, which is to be synthesised, and when.

One line for each target, tab separated, after comment lines that start with "#":

    # before	target	after	time	earlier	later
    clip.mp4#8	clip.mp4#12	clip.mp4#16	1/2	clip.mp4#0	-

A frame is an image file, or a frame of a clip (`clip.mp4#12`, counted from 0); "-" stands for an outer frame
that does not exist. Paths are relative to the root of the test sets.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from midframe.core.errors import MediaError, UsageError

COLUMNS = ("before", "target", "after", "time", "earlier", "later")
ABSENT = "-"


@dataclass(frozen=True)
class FrameReference:
    """One frame on disk.

    Attributes:
        path: Image or clip, relative to the root of the test sets.
        index: Frame number in the clip, from 0; None for an image.
    """

    path: Path
    index: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.index is None else f"{self.path}#{self.index}"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One frame to synthesise, with its inputs.

    Attributes:
        before: Last input before the target.
        target: The true frame.
        after: First input after the target.
        time: Place of the target between `before` and `after`, in (0, 1).
        earlier: Input that precedes `before`, where the test set has one.
        later: Input that follows `after`, where the test set has one.
    """

    before: FrameReference
    target: FrameReference
    after: FrameReference
    time: Fraction
    earlier: FrameReference | None
    later: FrameReference | None

    @property
    def sequence(self) -> Path:
        """The clip that holds the true frame, or the folder of an image."""
        return self.target.path.parent if self.target.index is None else self.target.path

    @property
    def frames(self) -> tuple[FrameReference, ...]:
        """The true frame and all inputs that there are, in order of time."""
        frames = (self.earlier, self.before, self.target, self.after, self.later)
        return tuple(frame for frame in frames if frame is not None)

    def window(self, context: int) -> tuple[FrameReference, ...]:
        """Input frames for a method of `context` 1 or 2, oldest first.

        An outer frame that does not exist is replaced by its neighbour.

        Raises:
            UsageError: A context that the list format does not hold.
        """
        if context == 1:
            return (self.before, self.after)
        if context == 2:
            return (self.earlier or self.before, self.before, self.after, self.later or self.after)
        raise UsageError(f"Test lists hold up to two input frames on each side; the method needs {context}.")


def read_target_list(list_path: Path, root: Path) -> list[Target]:
    """Read a test list and check that its files exist.

    Args:
        list_path: The list, in the format at the top of this module.
        root: Folder that the paths in the list start from.

    Raises:
        MediaError: A missing or empty list, a malformed line, a time outside (0, 1), or a file that does not
            exist. The message names the line.
    """
    if not list_path.is_file():
        raise MediaError(f"There is no test list {list_path}.")
    targets = []
    for number, line in enumerate(list_path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            targets.append(_parse_line(line, f"{list_path}, line {number}", root))
    if not targets:
        raise MediaError(f"{list_path} holds no target.")
    return targets


def sample_targets(targets: Sequence[Target], count: int, seed: int) -> list[Target]:
    """Draw `count` targets at random, all if there are no more, and keep them in the order of the list.

    Raises:
        UsageError: A count below one.
    """
    if count < 1:
        raise UsageError(f"At least one target must be scored; got {count}.")
    if count >= len(targets):
        return list(targets)
    chosen = sorted(random.Random(seed).sample(range(len(targets)), count))
    return [targets[position] for position in chosen]


def _parse_line(line: str, place: str, root: Path) -> Target:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise MediaError(
            f"{place}: needs {len(COLUMNS)} tab-separated fields ({', '.join(COLUMNS)}); got {len(fields)}."
        )
    entry = dict(zip(COLUMNS, (field.strip() for field in fields), strict=True))
    return Target(
        before=_parse_reference(entry["before"], place, root),
        target=_parse_reference(entry["target"], place, root),
        after=_parse_reference(entry["after"], place, root),
        time=_parse_time(entry["time"], place),
        earlier=None if entry["earlier"] == ABSENT else _parse_reference(entry["earlier"], place, root),
        later=None if entry["later"] == ABSENT else _parse_reference(entry["later"], place, root),
    )


def _parse_time(text: str, place: str) -> Fraction:
    try:
        time = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise MediaError(f"{place}: '{text}' is not a time; write a fraction such as 1/2.") from error
    if not 0 < time < 1:
        raise MediaError(f"{place}: the time {text} is not strictly between 0 and 1.")
    return time


def _parse_reference(text: str, place: str, root: Path) -> FrameReference:
    name, mark, index = text.rpartition("#")
    if not mark:
        reference = FrameReference(Path(text))
    elif index.isascii() and index.isdigit():
        reference = FrameReference(Path(name), int(index))
    else:
        raise MediaError(f"{place}: '{text}' names no frame; write clip.mp4#12 for frame 12 of a clip.")
    if not (root / reference.path).is_file():
        raise MediaError(f"{place}: there is no file {root / reference.path}.")
    return reference
