"""Sets of whole sequences, from which windows are cut: DAVIS, X-TEST, Xiph, HD, VFITex, UCF101-7."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeAlias, TypeVar

from midframe.core.errors import UsageError
from midframe.evaluation.layouts.refusal import refusal
from midframe.evaluation.protocol import Protocol, Sequences
from midframe.evaluation.target_list import FrameReference, Target
from midframe.video.scaled import count_packets

PICTURES = frozenset((".png", ".webp", ".jpg", ".jpeg", ".bmp"))

Frames: TypeAlias = Sequence[FrameReference]
Found = TypeVar("Found")


def read_folders(protocol: Protocol, root: Path) -> list[Target]:
    """A folder of numbered pictures for each sequence."""
    cut = _cut(protocol)
    for pattern in cut.folders:
        paths = [path for path in sorted(root.glob(pattern)) if path.is_dir()]
        found = {path.relative_to(root).as_posix(): _numbered(path) for path in paths}
        found = {name: files for name, files in found.items() if files}
        if found:
            break
    else:
        raise refusal(protocol, root, "no folder of numbered pictures is there")
    return _targets(protocol, _in_order(protocol, root, _select(protocol, root, found)))


def read_numbered_files(protocol: Protocol, root: Path) -> list[Target]:
    """All pictures in one folder, as `<sequence>-001.png`."""
    found: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for number, path in _numbered(root):
        name, mark, _ = path.stem.rpartition("-")
        if mark:
            found[name].append((number, path))
    if not found:
        raise refusal(protocol, root, "no numbered picture is there")
    selected = _select(protocol, root, {name: found[name] for name in sorted(found)})
    return _targets(protocol, _in_order(protocol, root, selected))


def read_raw_videos(protocol: Protocol, root: Path) -> list[Target]:
    """Raw planar YUV 4:2:0 files of 8 bit, whose frame size the protocol knows."""
    cut, size = _cut(protocol), protocol.picture.raw_size
    if size is None:
        raise UsageError(f"The layout '{protocol.layout}' of '{protocol.name}' needs picture.raw_size.")
    frame_bytes = size[0] * size[1] * 3 // 2
    found = {}
    for pattern in cut.folders:
        for path in sorted(root.glob(f"{pattern}/*.yuv")):
            name = path.relative_to(root)
            found[name.as_posix()] = [
                FrameReference(name, index) for index in range(path.stat().st_size // frame_bytes)
            ]
        if found:
            break
    else:
        raise refusal(protocol, root, "no .yuv file is there")
    return _targets(protocol, _select(protocol, root, found).values())


def read_ucf101_videos(protocol: Protocol, root: Path) -> list[Target]:
    """The videos that a list of UCF101's test split names, in the order of their names.

    Videos are counted only until there are enough windows. A protocol of no known number of targets skips
    videos that are missing.
    """
    path = next((path for path in (root / protocol.split, root / Path(protocol.split).name) if path.is_file()), None)
    if path is None:
        raise refusal(protocol, root, f"{protocol.split} is missing")
    names = sorted(line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return _targets(protocol, _ucf101_sequences(protocol, root, names))


def _ucf101_sequences(protocol: Protocol, root: Path, names: Iterable[str]) -> Iterator[Frames]:
    for name in names:
        places = [Path(folder, name) for folder in _cut(protocol).folders]
        place = next((place for place in places if (root / place).is_file()), None)
        if place is None and protocol.targets is not None:
            raise refusal(protocol, root, f"{places[0]} is missing")
        if place is not None:
            yield [FrameReference(place, index) for index in range(count_packets(root / place))]


def _cut(protocol: Protocol) -> Sequences:
    if protocol.sequences is None:
        raise UsageError(f"The layout '{protocol.layout}' of '{protocol.name}' needs a table [sequences].")
    return protocol.sequences


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """Pictures whose names end in a number, with that number, in its order."""
    numbered = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue  # macOS leaves `._00000.jpg` beside `00000.jpg`.
        match = re.search(r"\d+$", path.stem, flags=re.ASCII)
        if match and path.suffix.lower() in PICTURES:
            numbered.append((int(match[0]), path))
    return sorted(numbered)


def _in_order(protocol: Protocol, root: Path, selected: Mapping[str, list[tuple[int, Path]]]) -> Iterator[Frames]:
    """The pictures as frames. A hole in their numbers would shift all that follow, and is refused."""
    for name, files in selected.items():
        numbers = [number for number, _ in files]
        step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
        for before, after in pairwise(numbers):
            if after - before != step or step == 0:
                raise refusal(protocol, root, f"in {name}, picture {before} is followed by picture {after}")
        yield [FrameReference(path.relative_to(root)) for _, path in files]


def _select(protocol: Protocol, root: Path, found: Mapping[str, Found]) -> dict[str, Found]:
    """The sequences that the protocol takes, in the order in which they were found.

    Args:
        found: By path; the last part, without a suffix, is the sequence's name.
    """
    cut = _cut(protocol)
    taken = {path: frames for path, frames in found.items() if not cut.names or Path(path).stem in cut.names}
    if not taken:
        raise refusal(protocol, root, f"it holds none of the sequences, such as {cut.names[0]}")
    if cut.count is not None:
        missing = sorted(set(cut.names) - {Path(path).stem for path in taken})
        if missing:
            raise refusal(protocol, root, f"the sequence {missing[0]} is missing")
        if len(taken) != cut.count:
            raise refusal(protocol, root, f"it holds {len(taken)} sequences instead of {cut.count}")
    return taken


def _targets(protocol: Protocol, sequences: Iterable[Frames]) -> list[Target]:
    windows = (window for frames in sequences for window in _windows(protocol, frames))
    return [
        target
        for window in islice(windows, _cut(protocol).most_windows)
        for target in _window_targets(protocol, window)
    ]


def _windows(protocol: Protocol, frames: Frames) -> Iterator[tuple[Frames, int]]:
    """The sequence with the position of the inner first input, for every window that fits into it."""
    cut = _cut(protocol)
    frames = frames[: cut.length]
    margin = cut.spacing if cut.needs_outer or protocol.inputs == 4 else 0
    for before in range(margin, len(frames) - cut.spacing - margin, cut.step):
        yield frames, before


def _window_targets(protocol: Protocol, window: tuple[Frames, int]) -> Iterator[Target]:
    frames, before = window
    spacing = _cut(protocol).spacing
    for time in protocol.times:
        yield Target(
            before=frames[before],
            target=frames[before + int(time * spacing)],
            after=frames[before + spacing],
            time=time,
            earlier=frames[before - spacing] if protocol.inputs == 4 else None,
            later=frames[before + 2 * spacing] if protocol.inputs == 4 else None,
        )
