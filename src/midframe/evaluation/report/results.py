"""Finished folders of `midframe evaluate`, read back and put side by side."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from midframe.core.errors import MediaError, UsageError
from midframe.core.recipe import build
from midframe.evaluation.bootstrap import SequenceBootstrap
from midframe.evaluation.column import Column, column
from midframe.evaluation.exact_frames import count_exact, finite
from midframe.evaluation.manifest import FILE, ROWS, SCORES, Manifest, read_manifest
from midframe.evaluation.preparation import Preparation

NOT_METRICS = ("number", "target", "time", "seconds")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One method on one set.

    Attributes:
        label: Name of the method, with its folder where one name comes twice.
        manifest: What the predictions were made from.
        means: Each metric of the set by name; infinite values of a file are infinity again.
        targets: The true frames as the list names them.
        times: Their instants.
        rows: For each metric of single frames one value for each target, infinite where PSNR is.
    """

    label: str
    manifest: Manifest
    means: Mapping[str, float]
    targets: tuple[str, ...]
    times: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def counted(self, metric: str) -> list[float]:
        """Its values as they count in means and differences."""
        return finite(self.rows[metric])

    def exact(self, metric: str) -> int:
        """How many of its values are those of exact frames."""
        return count_exact(self.rows.get(metric, ()))


@dataclass(frozen=True)
class Comparison:
    """All results on one set: the same targets in the same order, so that they can be compared pair by pair."""

    results: tuple[Result, ...]

    @property
    def name(self) -> str:
        """Of the list or protocol."""
        return self.results[0].manifest.origin.targets

    @property
    def protocol(self) -> Mapping[str, Any] | None:
        """Facts of the protocol; None for a list."""
        return self.results[0].manifest.origin.protocol

    @property
    def prepare(self) -> Preparation:
        """What was done to every picture first."""
        if self.protocol is None:
            return Preparation()
        return build(Preparation, {k: v for k, v in self.protocol["picture"].items() if v is not None}, "picture")

    @property
    def sequences(self) -> list[str]:
        """For each target the clip or folder that it comes from."""
        names = (Path(target) for target in self.results[0].targets)
        return [str(path).rpartition("#")[0] if "#" in path.name else str(path.parent) for path in names]

    @property
    def columns(self) -> list[Column]:
        """The metrics that all results have, as the first one orders them."""
        shared = set.intersection(*(set(result.means) for result in self.results))
        return [column(name) for name in self.results[0].means if name in shared]

    @property
    def frame_columns(self) -> list[Column]:
        """Those of them that single frames have too."""
        return [c for c in self.columns if all(c.name in result.rows for result in self.results)]

    @property
    def ranked(self) -> list[Result]:
        """Best mean of the first metric first."""
        first = self.columns[0]
        return sorted(self.results, key=lambda result: result.means[first.name], reverse=first.higher_is_better)

    def bootstrap(self) -> SequenceBootstrap:
        """The draws for the intervals of this set."""
        by_sequence = self.protocol is not None and self.protocol["average"] == "sequences"
        return SequenceBootstrap(self.sequences, by_sequence=by_sequence)


def read_comparisons(folders: Sequence[Path]) -> list[Comparison]:
    """Everything finished in some folders and below them, set by set.

    Raises:
        MediaError: A folder holds no finished evaluation, or a damaged one.
        UsageError: Two sets go by one name.
    """
    found = {path.parent: None for folder in folders for path in _finished(folder)}
    results = _distinct([_read(folder) for folder in found])
    sets: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        sets[result.manifest.origin.hashes].append(result)
    comparisons = [Comparison(tuple(results)) for results in sets.values()]
    name, count = Counter(comparison.name for comparison in comparisons).most_common(1)[0]
    if count > 1:
        raise UsageError(
            f"{count} different sets of targets are called '{name}', such as the same list with another --max or "
            "--seed, or with other pictures under the same names; make a report of each."
        )
    return comparisons


def _finished(folder: Path) -> list[Path]:
    found = sorted(folder.rglob(SCORES))
    if not found:
        raise MediaError(f"{folder} holds no {SCORES}: no evaluation was finished there.")
    return [path for path in found if (path.parent / FILE).is_file()] or found


def _read(folder: Path) -> Result:
    manifest = read_manifest(folder)
    try:
        summary = json.loads((folder / SCORES).read_text(encoding="utf-8"))
        with (folder / ROWS).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
            names = [name for name in reader.fieldnames or () if name not in NOT_METRICS]
        rows = {name: tuple(float(line[name]) for line in lines) for name in names}
        means = {
            name: math.inf if value is None else float(value)
            for name, value in summary.items()
            if name not in ("method", "list", "targets", "exact", "seconds_per_frame")
        }
        targets, times = tuple(line["target"] for line in lines), tuple(line["time"] for line in lines)
    except (OSError, ValueError, KeyError) as error:
        raise MediaError(f"The scores in {folder} cannot be read: {error}.") from error
    if len(lines) != manifest.origin.count:
        raise MediaError(f"{folder / ROWS} has {len(lines)} lines for {manifest.origin.count} targets.")
    return Result(
        label=manifest.origin.method, manifest=manifest, means=means, targets=targets, times=times, rows=rows
    )


def _distinct(results: Sequence[Result]) -> list[Result]:
    """Labels that tell methods apart: the folder is named where one method comes twice on a set."""
    counts = Counter((result.label, result.manifest.origin.hashes) for result in results)
    twice = {label for (label, _), count in counts.items() if count > 1}
    return [
        replace(result, label=f"{result.label} ({result.manifest.folder})") if result.label in twice else result
        for result in results
    ]
