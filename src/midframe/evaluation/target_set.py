"""The targets of one evaluation: named, drawn, hashed, and grouped by the frames that they lie between."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from midframe.core.errors import MediaError, UsageError
from midframe.core.file_hash import sha256_of
from midframe.core.method import Interpolator
from midframe.evaluation.frame_check import check_frames
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.layouts import missing_share, protocol_targets
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.protocol import Protocol
from midframe.evaluation.result_file import replace_text
from midframe.evaluation.target_list import (
    ABSENT,
    COLUMNS,
    FrameReference,
    Target,
    read_target_list,
    sample_targets,
)
from midframe.metrics.suite import DEFAULT

FILE = "list.tsv"
SEQUENCES = "sequences"
"""The layout of protocols that cut their targets from a folder of sequences."""


@dataclass(frozen=True)
class NumberedTarget:
    """A target with its place in the set, from 1: the name of its prediction and its line in `targets.csv`."""

    number: int
    target: Target


@dataclass(frozen=True, kw_only=True)
class TargetSet:
    """What one folder of results was measured on.

    Attributes:
        name: Name of the list, without its suffix, or of the protocol.
        source: What the targets were read from, as messages call it.
        root: Folder that the paths of the targets start from.
        targets: The frames to synthesise, in order.
        total: Targets in the whole set; more than `targets` where a part was drawn.
        protocol: The rules that the targets come with; None for a list.
        lacking: A sentence on what a folder lacks of the whole set; "" where nothing is known to be missing.
    """

    name: str
    source: str
    root: Path
    targets: tuple[Target, ...]
    total: int
    protocol: Protocol | None = None
    lacking: str = ""

    @property
    def prepare(self) -> Preparation:
        """What is done to every picture before a method or a metric sees it."""
        return Preparation() if self.protocol is None else self.protocol.picture

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """What is measured unless other metrics are asked for."""
        if self.protocol is None:
            return DEFAULT
        of_luma = {"psnr_luma": self.protocol.psnr == "luma", "ssim_luma": self.protocol.ssim == "luma"}
        return (*DEFAULT, *(name for name, is_printed in of_luma.items() if is_printed))

    @property
    def by_sequence(self) -> bool:
        """A mean over the set is one over sequences, of the means over the targets of each."""
        return self.protocol is not None and self.protocol.average == "sequences"

    @property
    def lines(self) -> str:
        """All targets in the format of a test list. Paths count from `root`, and so are the same on every machine."""
        lines = (
            "\t".join(
                ABSENT if part is None else str(part)
                for part in (t.before, t.target, t.after, t.time, t.earlier, t.later)
            )
            for t in self.targets
        )
        return "\n".join((f"# pictures: {self.prepare}", "# " + "\t".join(COLUMNS), *lines)) + "\n"

    @property
    def sha256(self) -> str:
        """Hash of the lines: two runs with one hash were asked for the same frames, prepared in the same way.

        It says nothing of the contents of the files; `files_sha256` does.
        """
        return hashlib.sha256(self.lines.encode()).hexdigest()

    @cached_property
    def files_sha256(self) -> str:
        """Hash of the contents of all files that the targets name. It reads every one of them, once.

        Contents alone tell a copy on another machine, whose files have other dates, from a picture that was replaced
        by one of the same size.

        Raises:
            MediaError: A file cannot be read.
        """
        found = hashlib.sha256()
        for path in sorted({frame.path for target in self.targets for frame in target.frames}):
            try:
                found.update(f"{path.as_posix()} {sha256_of(self.root / path)}\n".encode())
            except OSError as error:
                raise MediaError(f"{self.root / path} cannot be read: {error}.") from error
        return found.hexdigest()

    @property
    def hashes(self) -> tuple[str, str]:
        """Of the lines and of the files: results with the same two were measured on the same pictures."""
        return self.sha256, self.files_sha256

    def write(self, folder: Path) -> None:
        """Put the lines into a folder of results, as `list.tsv`.

        Raises:
            WriteError: It cannot be written.
        """
        replace_text(folder / FILE, self.lines)

    def windows(self) -> Iterator[list[NumberedTarget]]:
        """Consecutive targets between the same input frames, at ascending times."""
        window: list[NumberedTarget] = []
        for number, target in enumerate(self.targets, start=1):
            if window and not _continues(window[-1].target, target):
                yield window
                window = []
            window.append(NumberedTarget(number, target))
        if window:
            yield window

    def store(self, reads: Iterable[FrameReference]) -> FrameStore:
        """The frames of the set; `reads` are all reads to come, with repetitions."""
        return FrameStore(self.root, reads, self.prepare)

    def check_offered(self, interpolator: Interpolator) -> None:
        """Refuse a method that cannot make every target.

        Raises:
            UsageError: The method does not offer an instant of the set.
        """
        for target in self.targets:
            if not interpolator.spec.times.accepts(target.time):
                raise UsageError(
                    f"{self.source} asks for the instant {target.time}; "
                    f"{interpolator.spec.name} offers {interpolator.spec.times}."
                )


def listed_targets(list_path: Path, root: Path, *, max_targets: int | None = None, seed: int = 0) -> TargetSet:
    """The targets of a test list, or a part of them drawn with `seed`.

    Raises:
        MediaError: The list is malformed, has a line twice, or names a frame that does not exist or is out of order.
        ShapeError: The pictures of a target differ in size.
        UsageError: A part of less than one target.
    """
    targets = read_target_list(list_path, root)
    target, count = Counter(targets).most_common(1)[0]
    if count > 1:
        raise MediaError(
            f"{list_path} names the target {target.target} {count} times with the same inputs and time, and it would "
            "count as often; leave one line."
        )
    return _checked(
        TargetSet(
            name=list_path.stem,
            source=list_path.name,
            root=root,
            targets=_drawn(targets, max_targets, seed),
            total=len(targets),
        )
    )


def protocol_set(
    protocol: Protocol, root: Path, *, max_targets: int | None = None, seed: int = 0, partial: bool = False
) -> TargetSet:
    """The targets of a protocol, or a part of them drawn with `seed`.

    A folder of sequences need not hold all of them, with `partial` or without: `lacking` then says what it does not.

    Raises:
        MediaError: The folder is not laid out as the protocol expects, incomplete where `partial` is off, or a frame
            of it does not exist.
        ShapeError: The pictures of a target differ in size.
        UsageError: A part of less than one target.
    """
    targets = protocol_targets(protocol, root, partial=partial or protocol.layout == SEQUENCES)
    return _checked(
        TargetSet(
            lacking=missing_share(protocol, targets),
            name=protocol.name,
            source=f"protocol '{protocol.name}'",
            root=root,
            targets=_drawn(targets, max_targets, seed),
            total=max(len(targets), protocol.targets or 0),
            protocol=protocol,
        )
    )


def _checked(targets: TargetSet) -> TargetSet:
    check_frames(targets.targets, targets.root, targets.prepare, targets.source)
    return targets


def _drawn(targets: Sequence[Target], count: int | None, seed: int) -> tuple[Target, ...]:
    return tuple(targets if count is None else sample_targets(targets, count, seed))


def _continues(previous: Target, target: Target) -> bool:
    """Both lie between the same frames, the second one later."""
    return (
        (previous.earlier, previous.before, previous.after, previous.later)
        == (target.earlier, target.before, target.after, target.later)
    ) and previous.time < target.time
