"""What a folder of predictions was made from, and what making them cost."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from midframe.core.errors import MediaError, UsageError
from midframe.evaluation.protocol import Protocol
from midframe.evaluation.result_file import replace_text
from midframe.evaluation.target_set import TargetSet

FILE = "manifest.json"
PICTURES = "predictions"
SCORES, ROWS = "scores.json", "targets.csv"

_WORDS = {
    "protocol": "the protocol",
    "targets_sha256": "the list of targets, which has other lines",
    "files_sha256": "the contents of the files that the list names",
}
"""What differs, where the values themselves tell a reader nothing."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything that predictions and their timings depend on. One folder holds predictions of one origin.

    Attributes:
        method: Name of the method.
        weights: SHA-256 of the file of weights; None for a method that has none.
        options: Precision, scale and the like, in the words of the command line.
        targets: Name of the list or protocol.
        targets_sha256: Hash of `list.tsv` beside this record (see `TargetSet.sha256`).
        files_sha256: Hash of the contents of the files that it names; "" in records from before it was kept.
        protocol: The protocol's own facts; None for a list.
        count: Number of targets.
        total: Number of targets before a part was drawn.
        seed: Seed of the draw, and of a stochastic method.
        device: Where the network ran.
        machine: The device in words.
        versions: Of midframe, PyTorch and Python.
    """

    method: str
    weights: str | None
    options: Mapping[str, str]
    targets: str
    targets_sha256: str
    protocol: Mapping[str, Any] | None
    count: int
    total: int
    seed: int
    device: str
    machine: str
    versions: Mapping[str, str]
    files_sha256: str = ""

    @property
    def hashes(self) -> tuple[str, str]:
        """Those of `TargetSet.hashes`."""
        return self.targets_sha256, self.files_sha256

    def differences(self, other: Origin) -> list[str]:
        """What differs, as "seed (1, not 2)": this value first."""
        mine, theirs = asdict(self), asdict(other)
        names = [name for name in mine if mine[name] != theirs[name]]
        if "targets_sha256" in names and "files_sha256" in names:
            names.remove("files_sha256")  # Another list names other files: that does not mean that any has changed.
        return [_WORDS.get(name, f"{name} ({mine[name]}, not {theirs[name]})") for name in names]


@dataclass(kw_only=True)
class Manifest:
    """The record beside the pictures of one method on one set of targets.

    Attributes:
        folder: Where it lies.
        origin: What the pictures were made from.
        seconds: For each target the wall time of the network; None where the picture is still to be made. A call
            that made several frames counts in equal parts.
        size: Width and height of the first prediction.
        peak_memory_bytes: The most that the work held; None where the system does not say.
        root: Folder that the set was read from, on the machine that last used it.
        keep: Whether the pictures stay when they have been scored.
    """

    folder: Path
    origin: Origin
    seconds: list[float | None] = field(default_factory=list)
    size: tuple[int, int] | None = None
    peak_memory_bytes: int | None = None
    root: str = ""
    keep: bool = False

    def picture(self, number: int) -> Path:
        """Where the prediction of a target lies, by its number from 1."""
        return self.folder / PICTURES / f"{number:05d}.png"

    def has(self, number: int) -> bool:
        """The prediction was made, and is there."""
        return self.seconds[number - 1] is not None and self.picture(number).is_file()

    def has_pictures(self) -> bool:
        """Some prediction is there."""
        return any(self.has(number) for number in range(1, self.origin.count + 1))

    @property
    def finished(self) -> bool:
        """The predictions were scored."""
        return (self.folder / SCORES).is_file()

    def write(self) -> None:
        """Put the record in place of the last one.

        Raises:
            WriteError: The folder cannot be written to.
        """
        written = {name: value for name, value in vars(self).items() if name != "folder"} | {
            "origin": asdict(self.origin)
        }
        replace_text(self.folder / FILE, json.dumps(written, indent=1) + "\n")

    def remove_pictures(self) -> None:
        """Delete the predictions, and nothing else that lies in their folder."""
        for number in range(1, self.origin.count + 1):
            self.picture(number).unlink(missing_ok=True)
        pictures = self.folder / PICTURES
        if pictures.is_dir() and not any(pictures.iterdir()):
            pictures.rmdir()


def read_manifest(folder: Path) -> Manifest:
    """The record in a folder of results.

    Raises:
        MediaError: There is none, or it is not one that this version wrote.
    """
    path = folder / FILE
    if not path.is_file():
        raise MediaError(f"{folder} holds no {FILE}, which every evaluation writes.")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        size = content.pop("size")
        manifest = Manifest(
            folder=folder,
            origin=Origin(**content.pop("origin")),
            size=size and (size[0], size[1]),
            **content,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise MediaError(f"{path} is no record of this version of midframe: {error}.") from error
    if len(manifest.seconds) != manifest.origin.count:
        raise MediaError(f"{path} is damaged: {len(manifest.seconds)} times for {manifest.origin.count} targets.")
    return manifest


def results_in(out: Path) -> list[Manifest]:
    """The records that `evaluate` wrote to a folder: into itself, or into METHOD, SET or METHOD/SET in it.

    Folders that a user gave other names to are others' results, and a damaged record is none.
    """
    found = []
    for path in (out / FILE, *sorted(out.glob(f"*/{FILE}")), *sorted(out.glob(f"*/*/{FILE}"))):
        with suppress(MediaError):
            manifest = read_manifest(path.parent)
            method, targets = manifest.origin.method, manifest.origin.targets
            if path.parent.relative_to(out).parts in ((), (method,), (targets,), (method, targets)):
                found.append(manifest)
    return found


def check_method(folder: Path, method: str) -> None:
    """Refuse a folder of another method's predictions.

    Raises:
        UsageError: They are of another method.
        MediaError: The folder holds no predictions.
    """
    found = read_manifest(folder).origin.method
    if found != method:
        raise UsageError(f"{folder} holds predictions of {found}; asked for was {method}.")


def tidy(folder: Path) -> None:
    """Delete the predictions of a finished run that was not asked to keep them."""
    manifest = read_manifest(folder)
    if not manifest.keep:
        manifest.remove_pictures()


def describe_origin(
    method: str,
    targets: TargetSet,
    *,
    weights: str | None,
    options: Mapping[str, str],
    seed: int,
    device: torch.device,
    machine: str,
) -> Origin:
    """The origin of predictions that are about to be made, here and now."""
    versions = {
        "midframe": metadata.version("midframe"),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    return Origin(
        method=method,
        weights=weights,
        options=dict(options),
        targets=targets.name,
        targets_sha256=targets.sha256,
        files_sha256=targets.files_sha256,
        protocol=None if targets.protocol is None else plain_facts(targets.protocol),
        count=len(targets.targets),
        total=targets.total,
        seed=seed,
        device=str(device),
        machine=machine,
        versions=versions,
    )


def plain_facts(protocol: Protocol) -> Mapping[str, Any]:
    """A protocol as JSON gives it back: fractions as text, tuples as lists."""
    return json.loads(json.dumps(asdict(protocol), default=str))
