"""Named protocols: which pictures of which set, how they are prepared, and how papers score them.

Each is a small TOML file in `protocols/`; a file of one's own works as well. `layouts` turns a protocol and a
folder into targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.recipe import read_recipe
from midframe.evaluation.preparation import Preparation

FOLDER = Path(__file__).parent / "protocols"
SUFFIX = ".toml"
AS_IT_IS = Preparation()


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """What a file of the set must hold.

    Attributes:
        file: Path relative to the root of the set.
        sha256: Its hash, in lower-case hexadecimal digits.
    """

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """How windows are cut from sequences of consecutive frames.

    Attributes:
        folders: Patterns of the folders that hold the sequences, tried in this order below the root.
        spacing: Frames from one input to the next.
        step: Frames from the start of a window to the start of the next one.
        names: The sequences to take; without names every sequence found is taken.
        count: Number of sequences that there must be; with None, whatever is there is taken.
        length: Use only so many first frames of each sequence.
        needs_outer: Leave out windows whose outer inputs do not exist, for methods of two inputs too, so that
            methods of two and of four inputs are scored on the same targets.
        most_windows: Stop after so many windows, counted over all sequences.
    """

    spacing: int
    step: int
    folders: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()
    count: int | None = None
    length: int | None = None
    needs_outer: bool = False
    most_windows: int | None = None

    def __post_init__(self) -> None:
        if min(self.spacing, self.step) < 1:
            raise UsageError(f"spacing and step must be positive; got {self.spacing} and {self.step}.")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way to score a method on one set.

    Attributes:
        name: As on the command line.
        title: The set and the split, in words.
        layout: How the set lies on disk: a key of `layouts.LAYOUTS`.
        split: List of the set that names its targets, relative to the root; "" where folders say it all.
        expects: The official layout of the folder, in one line.
        inputs: Input frames that the protocol offers: 2 or 4.
        times: Instants of the targets between the inner two inputs.
        sequences: For layouts of whole sequences: how windows are cut from them.
        picture: What is done to every picture first.
        border: How the papers pad a picture to the size that a network needs. Recorded: midframe pads by
            repeating border pixels, on the right and below, and crops the prediction.
        rounding: What predictions are rounded to before they are scored.
        psnr: "rgb", or "luma" where papers score the Y channel alone.
        ssim: "2d", a window for each channel; "3d", the "matlab" variant over the channels too; or "luma".
        lpips: Backbone of LPIPS.
        average: "targets": the mean over all targets; "sequences": over each sequence first.
        targets: Number of targets; None where it is not known for certain.
        same_targets_as: Protocol of the very same targets, whose published scores hold for this one too; or "".
        checksums: Hashes of lists that come with the set, as far as they are known.
        source: Where the set and the protocol come from.
        notes: What is not certain, and where papers differ.
    """

    name: str
    title: str
    layout: str
    expects: str
    source: str
    border: str
    ssim: Literal["2d", "3d", "luma"]
    split: str = ""
    inputs: Literal[2, 4] = 2
    times: tuple[Fraction, ...] = (Fraction(1, 2),)
    sequences: Sequences | None = None
    picture: Preparation = AS_IT_IS
    rounding: Literal["8 bit"] = "8 bit"
    psnr: Literal["rgb", "luma"] = "rgb"
    lpips: Literal["alex", "vgg", "squeeze"] = "alex"
    average: Literal["targets", "sequences"] = "targets"
    targets: int | None = None
    same_targets_as: str = ""
    checksums: tuple[Checksum, ...] = ()
    notes: str = ""

    def __post_init__(self) -> None:
        if not self.times or not all(0 < time < 1 for time in self.times):
            raise UsageError(f"Times lie strictly between 0 and 1; got {', '.join(map(str, self.times)) or 'none'}.")
        if list(self.times) != sorted(set(self.times)):
            raise UsageError(f"Times ascend, each once; got {', '.join(map(str, self.times))}.")
        if self.sequences is not None:
            for time in self.times:
                if (time * self.sequences.spacing).denominator != 1:
                    raise UsageError(f"No frame lies at {time} between inputs {self.sequences.spacing} frames apart.")


@cache
def protocols() -> Mapping[str, Protocol]:
    """All shipped protocols by name, in alphabetical order."""
    paths = sorted(FOLDER.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
    found = {path.stem: read_recipe(path, Protocol) for path in paths}
    return MappingProxyType(found)


def find_protocol(name_or_file: str | Path) -> Protocol:
    """A shipped protocol by its name, or one that a TOML file of your own describes.

    Raises:
        UnknownNameError: There is no protocol of this name.
        RecipeError: The file is missing, or does not describe a protocol.
    """
    if isinstance(name_or_file, Path) or name_or_file.endswith(SUFFIX):
        return read_recipe(Path(name_or_file), Protocol)
    if name_or_file not in protocols():
        raise UnknownNameError("protocol", name_or_file, protocols())
    return protocols()[name_or_file]
