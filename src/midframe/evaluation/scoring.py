"""The second pass: predictions on disk are scored, with no method in sight.

Everything is computed in float64 from 8-bit pictures, and times come from the record of the first pass: scoring the
same pictures again writes the same files, byte for byte.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError, WriteError
from midframe.evaluation.exact_frames import count_exact, finite
from midframe.evaluation.image_file import read_image
from midframe.evaluation.manifest import PICTURES, ROWS, SCORES, Manifest, read_manifest
from midframe.evaluation.predictions import OnTarget
from midframe.evaluation.result_file import replace_text
from midframe.evaluation.target_set import NumberedTarget, TargetSet
from midframe.metrics.sample import PairMetric, Sample, SetMetric

UNFINISHED = "targets.unfinished.jsonl"

Row = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One method on one set of targets.

    Attributes:
        method: Name of the method.
        list: Name of the list, without its suffix, or of the protocol.
        targets: Number of targets scored.
        values: Each metric by name: the mean over targets (over sequences where the protocol says so), or the score
            of the whole set. An exact frame, whose PSNR is infinite, counts as `EXACT_PSNR`.
        exact: How many frames are exact, for each metric that is infinite for some.
        seconds_per_frame: Wall time of the network alone.
    """

    method: str
    list: str
    targets: int
    values: Mapping[str, float]
    exact: Mapping[str, int]
    seconds_per_frame: float

    @property
    def psnr(self) -> float:
        """Decibels."""
        return self.values["psnr"]

    @property
    def ssim(self) -> float:
        """Two-dimensional structural similarity."""
        return self.values["ssim"]

    @property
    def ssim_3d(self) -> float:
        """Structural similarity with a window over the channels too."""
        return self.values["ssim_3d"]

    @property
    def ie(self) -> float:
        """Mean absolute error, 0 to 255."""
        return self.values["ie"]


def score(
    folder: Path,
    targets: TargetSet,
    metrics: Sequence[PairMetric | SetMetric],
    *,
    metric_files: Mapping[str, str] | None = None,
    on_target: OnTarget | None = None,
) -> Scores:
    """Score the predictions in a folder.

    Writes `scores.json` (the means, and how many frames are exact) and `targets.csv` (one line a target). What an
    interrupted run scored is kept in `targets.unfinished.jsonl`, and not computed again.

    Args:
        folder: What `predict` filled.
        targets: The set that it was filled from, on this machine.
        metrics: What to measure, in the order of the columns.
        metric_files: Hashes of the files behind the metrics, by name: unfinished scores count only where they agree.
        on_target: Called after each target.

    Raises:
        UsageError: The predictions are of another set, of files with other contents, or not complete.
        MediaError: The folder holds no record of predictions, or a picture does not decode.
        ShapeError: A prediction and its truth differ in size.
        WriteError: The results cannot be written.
    """
    manifest = read_manifest(folder)
    _check_complete(manifest, targets)
    journal = _Journal(folder / UNFINISHED, manifest, metrics, metric_files or {})
    pair_metrics = [metric for metric in metrics if isinstance(metric, PairMetric)]
    set_metrics = [metric for metric in metrics if isinstance(metric, SetMetric)]
    # A set metric has to see every target, whatever was scored before.
    windows = [
        window
        for window in targets.windows()
        if set_metrics or not all(numbered.number in journal.rows for numbered in window)
    ]
    store = targets.store(
        read
        for window in windows
        for read in (window[0].target.before, window[0].target.after, *(n.target.target for n in window))
    )
    done = len(targets.targets) - sum(len(window) for window in windows)
    with journal:
        for window in windows:
            before, after = store.read(window[0].target.before), store.read(window[0].target.after)
            clip = [_sample(manifest, n, before, store.read(n.target.target), after) for n in window]
            for numbered, sample in zip(window, clip, strict=True):
                if numbered.number not in journal.rows:
                    journal.add(numbered.number, {metric.name: metric(sample) for metric in pair_metrics})
                done += 1
                if on_target is not None:
                    on_target(done, len(targets.targets))
            for metric in set_metrics:
                metric.update(clip)

    rows = [journal.rows[number] for number in range(1, len(targets.targets) + 1)]
    seconds = [value for value in manifest.seconds if value is not None]
    exact = {metric.name: count_exact([row[metric.name] for row in rows]) for metric in pair_metrics}
    scores = Scores(
        method=manifest.origin.method,
        list=manifest.origin.targets,
        targets=len(rows),
        values={
            metric.name: _mean(targets, [row[metric.name] for row in rows])
            if isinstance(metric, PairMetric)
            else metric.compute()
            for metric in metrics
        },
        exact={name: count for name, count in exact.items() if count},
        seconds_per_frame=fmean(seconds),
    )
    replace_text(folder / ROWS, _table(targets, rows, seconds))
    replace_text(folder / SCORES, _summary(scores))
    journal.remove()
    return scores


class _Journal:
    """The rows scored so far, one line of JSON each, behind a line that says what they are scores of."""

    def __init__(
        self, path: Path, manifest: Manifest, metrics: Sequence[PairMetric | SetMetric], files: Mapping[str, str]
    ) -> None:
        names = [metric.name for metric in metrics if isinstance(metric, PairMetric)]
        self._heading = json.dumps([manifest.origin.__dict__, names, dict(files)], sort_keys=True)
        self._path = path
        self.rows: dict[int, Row] = {}
        for number, row in self._written():
            self.rows[number] = row

    def _written(self) -> Iterator[tuple[int, Row]]:
        if not self._path.is_file():
            return
        heading, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if heading != self._heading:
            return
        for line in lines:
            with suppress(ValueError):  # The last line may be torn.
                number, row = json.loads(line)
                yield number, row

    def __enter__(self) -> None:
        kept = (json.dumps([number, row]) for number, row in self.rows.items())
        try:
            self._path.write_text("\n".join((self._heading, *kept)) + "\n", encoding="utf-8")
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise WriteError(f"{self._path} cannot be written: {error}.") from error

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def add(self, number: int, row: Row) -> None:
        self.rows[number] = row
        print(json.dumps([number, row]), file=self._file, flush=True)

    def remove(self) -> None:
        self._path.unlink()


def _check_complete(manifest: Manifest, targets: TargetSet) -> None:
    origin = manifest.origin
    if origin.targets_sha256 != targets.sha256:
        raise UsageError(
            f"{manifest.folder} holds predictions for {origin.count} targets of {origin.targets}, drawn with seed "
            f"{origin.seed}; asked for were scores of {len(targets.targets)} targets of {targets.name} that are not "
            "the same."
        )
    if not origin.files_sha256:
        raise UsageError(
            f"{manifest.folder} holds predictions of a version that did not record the contents of the files they "
            "were made from; make the predictions again in another folder."
        )
    if origin.files_sha256 != targets.files_sha256:
        raise UsageError(
            f"{manifest.folder} holds predictions made when the files that {targets.source} names had other contents "
            f"than those now in {targets.root}; bring those back, or make the predictions again in another folder."
        )
    missing = [number for number in range(1, origin.count + 1) if not manifest.has(number)]
    if missing:
        raise UsageError(
            f"{manifest.folder / PICTURES} lacks {len(missing)} of {origin.count} predictions, first "
            f"{manifest.picture(missing[0]).name}; make them first (--pass predict)."
        )


def _sample(manifest: Manifest, numbered: NumberedTarget, before: Tensor, truth: Tensor, after: Tensor) -> Sample:
    prediction = torch.from_numpy(read_image(manifest.picture(numbered.number))).permute(2, 0, 1).contiguous()
    for picture in (before, after, prediction):
        if picture.shape != truth.shape:
            raise ShapeError(
                f"The frames of target {numbered.target.target} differ in size: "
                f"{tuple(picture.shape)} and {tuple(truth.shape)}."
            )
    return Sample(prediction=prediction, target=truth, before=before, after=after)


def _mean(targets: TargetSet, values: Sequence[float]) -> float:
    """Over targets, or over sequences where the set says so."""
    values = finite(values)
    if not targets.by_sequence:
        return fmean(values)
    sequences = defaultdict(list)
    for target, value in zip(targets.targets, values, strict=True):
        sequences[target.sequence].append(value)
    return fmean(fmean(sequence) for sequence in sequences.values())


def _table(targets: TargetSet, rows: Sequence[Row], seconds: Sequence[float]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "target", "time", *rows[0], "seconds"])
    for number, (target, row, second) in enumerate(zip(targets.targets, rows, seconds, strict=True), start=1):
        writer.writerow([number, target.target, target.time, *row.values(), second])
    return text.getvalue()


def _summary(scores: Scores) -> str:
    values = {
        "method": scores.method,
        "list": scores.list,
        "targets": scores.targets,
        **scores.values,
        "exact": scores.exact,
        "seconds_per_frame": scores.seconds_per_frame,
    }
    # JSON has no infinity.
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
