"""Sets whose targets stand in a text file: Vimeo-90K, SNU-FILM, and midframe's own lists."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath

from midframe.core.errors import MediaError
from midframe.evaluation.layouts.refusal import refusal
from midframe.evaluation.protocol import Protocol
from midframe.evaluation.target_list import FrameReference, Target, read_target_list

MIDDLE = Fraction(1, 2)


def read_list(protocol: Protocol, root: Path) -> list[Target]:
    """A list as `target_list` defines it, whose paths start from `root`."""
    return read_target_list(root / protocol.split, root)


def read_vimeo(protocol: Protocol, root: Path) -> list[Target]:
    """Vimeo-90K: `sequences/00001/0266/im1.png` and so on, beside the list of the split.

    With two inputs a line names a triplet (im1 to im3), with four a septuplet, of which im1, im3, im5 and im7
    are given and im4 is the target.
    """
    targets = []
    for _, sequence in _lines(protocol, root / protocol.split, root):
        folder = Path("sequences", *PurePosixPath(sequence).parts)
        frames = [FrameReference(folder / f"im{number}.png") for number in range(1, 8)]
        if protocol.inputs == 4:
            earlier, _, before, target, after, _, later = frames
        else:
            before, target, after = frames[:3]
            earlier = later = None
        targets.append(Target(before=before, target=target, after=after, time=MIDDLE, earlier=earlier, later=later))
    return targets


def read_snu_film(protocol: Protocol, root: Path) -> list[Target]:
    """SNU-FILM: `test/GOPRO_test/...` and `test/YouTube_test/...` beside `test-easy.txt` and so on.

    The lists may lie in `eval_modes/` as well. Their lines name three files, with the prefix that they had on
    the disk of their author (`data/SNU-FILM/test/GOPRO_test/...`): what precedes `test` is dropped.

    With times other than 1/2 the targets lie between the outer two files of a line, by the number in the name.
    With four inputs the outer ones lie as far beyond; lines for which they do not exist are left out.
    """
    path = root / protocol.split
    if not path.is_file():
        path = root / "eval_modes" / protocol.split
    targets = []
    for number, line in _lines(protocol, path, root):
        where = f"{path.name}, line {number}"
        names = line.split()
        if len(names) != 3:
            raise refusal(protocol, root, f"{where} names {len(names)} files instead of 3")
        before, middle, after = (_below_test(protocol, root, name, where) for name in names)
        if protocol.times != (MIDDLE,):
            targets += _between(protocol, root, before, after, where)
        elif protocol.inputs == 2:
            targets.append(_target(before, middle, after, MIDDLE))
        else:
            spacing = _number(protocol, root, after, where) - _number(protocol, root, before, where)
            earlier, later = _moved(before, -spacing), _moved(after, spacing)
            if earlier is not None and later is not None and (root / earlier).is_file() and (root / later).is_file():
                targets.append(_target(before, middle, after, MIDDLE, earlier, later))
    return targets


def _between(protocol: Protocol, root: Path, before: Path, after: Path, where: str) -> Iterator[Target]:
    spacing = _number(protocol, root, after, where) - _number(protocol, root, before, where)
    for time in protocol.times:
        offset = time * spacing
        if offset.denominator != 1:
            raise refusal(protocol, root, f"{where}: no frame lies at {time} between inputs {spacing} frames apart")
        target = _moved(before, int(offset))
        assert target is not None  # numbers grow from `before` on
        yield _target(before, target, after, time)


def _target(
    before: Path, target: Path, after: Path, time: Fraction, earlier: Path | None = None, later: Path | None = None
) -> Target:
    return Target(
        before=FrameReference(before),
        target=FrameReference(target),
        after=FrameReference(after),
        time=time,
        earlier=None if earlier is None else FrameReference(earlier),
        later=None if later is None else FrameReference(later),
    )


def _below_test(protocol: Protocol, root: Path, name: str, where: str) -> Path:
    parts = PurePosixPath(name).parts
    if "test" not in parts:
        raise refusal(protocol, root, f"{where}: '{name}' has no folder 'test'")
    return Path(*parts[parts.index("test") :])


def _number(protocol: Protocol, root: Path, path: Path, where: str) -> int:
    if not (path.stem.isascii() and path.stem.isdigit()):
        raise refusal(protocol, root, f"{where}: '{path.name}' is not numbered")
    return int(path.stem)


def _moved(path: Path, frames: int) -> Path | None:
    """The file so many frames later, with as many digits; None before the first number."""
    number = int(path.stem) + frames
    return None if number < 0 else path.with_name(f"{number:0{len(path.stem)}d}{path.suffix}")


def _lines(protocol: Protocol, path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers from 1."""
    if not path.is_file():
        raise refusal(protocol, root, f"{protocol.split} is missing")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()
