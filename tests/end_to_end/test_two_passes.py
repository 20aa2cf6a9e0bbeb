"""Predictions to disk, then scores from disk: either alone, interrupted, or moved to another machine."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from midframe.core.errors import MediaError, UsageError
from midframe.core.method import MethodSpec
from midframe.evaluation import TargetSet, find_protocol, listed_targets, predict, score
from midframe.evaluation import predictions as predictions_module
from midframe.evaluation.manifest import read_manifest
from midframe.methods.baseline import BlendInterpolator
from midframe.metrics.sample import Sample
from midframe.metrics.suite import DEFAULT, build_metrics

HEIGHT, WIDTH = 24, 32
SPEC = MethodSpec(name="noisy", stochastic=True)
STAMPED = ("method", "weights", "options", "targets", "targets_sha256", "count", "total", "seed", "device")


class PowerCutError(Exception):
    """What ends a run in the middle."""


@dataclass
class NoisyBlend:
    """Blends, adds noise from its generator, counts its calls, and fails after `calls_left` of them."""

    calls_left: int = 1000
    calls: list[list[Fraction]] = field(default_factory=list)
    spec: MethodSpec = SPEC

    def interpolate(
        self, frames: torch.Tensor, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        if not self.calls_left:
            raise PowerCutError
        self.calls_left -= 1
        self.calls.append(list(times))
        blend = BlendInterpolator().interpolate(frames, times)
        return (blend + 0.1 * torch.rand(blend.shape, generator=generator)).clamp(0, 1)


@dataclass
class CountingError:
    """Mean absolute error; fails after `samples_left` samples."""

    samples_left: int = 1000
    scored: int = 0
    name: str = "counting"
    higher_is_better: bool = False

    def __call__(self, sample: Sample) -> float:
        if not self.samples_left:
            raise PowerCutError
        self.samples_left -= 1
        self.scored += 1
        return (sample.prediction.double() - sample.target.double()).abs().mean().item() / 3


@dataclass
class ClipLengths:
    """A set metric that keeps the number of samples in every clip that it was given."""

    clips: list[int] = field(default_factory=list)
    name: str = "clips"
    higher_is_better: bool = False

    def update(self, clip: Sequence[Sample]) -> None:
        self.clips.append(len(clip))

    def compute(self) -> float:
        return float(sum(self.clips))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five noise pictures, and a list of a window with three targets and two windows with one."""
    root = tmp_path / "set"
    root.mkdir()
    generator = np.random.default_rng(0)
    for name in "abcde":
        Image.fromarray(generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(root / f"{name}.png")
    (root / "noise.tsv").write_text(
        "a.png\tb.png\te.png\t1/4\t-\t-\n"
        "a.png\tc.png\te.png\t1/2\t-\t-\n"
        "a.png\td.png\te.png\t3/4\t-\t-\n"
        "b.png\tc.png\td.png\t1/2\ta.png\te.png\n"
        "a.png\tb.png\tc.png\t1/2\t-\t-\n"
    )
    return root


@pytest.fixture
def targets(root: Path) -> TargetSet:
    return listed_targets(root / "noise.tsv", root)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "predictions").iterdir())}


def results(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("scores.json", "targets.csv")}


def test_targets_between_the_same_frames_are_made_in_one_call(targets, tmp_path):
    method = NoisyBlend()
    manifest = predict(method, targets, tmp_path / "out")
    assert method.calls == [[Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)], [Fraction(1, 2)], [Fraction(1, 2)]]
    assert len(set(manifest.seconds[:3])) == 1  # one call, in three equal parts
    assert all(second is not None and second > 0 for second in manifest.seconds)


def test_more_instants_than_a_call_may_hold_are_made_by_several(root, tmp_path):
    lines = (f"a.png\tb.png\te.png\t{number}/16\t-\t-\n" for number in range(1, 16))
    (root / "many.tsv").write_text("".join(lines))
    method = NoisyBlend()
    predict(method, listed_targets(root / "many.tsv", root), tmp_path / "out")
    assert [len(times) for times in method.calls] == [8, 7]
    assert len(pictures(tmp_path / "out")) == 15


def test_a_manifest_says_what_the_predictions_were_made_from(targets, root, tmp_path):
    (tmp_path / "weights").write_bytes(b"weights")
    predict(NoisyBlend(), targets, tmp_path / "out", weights=tmp_path / "weights", options={"scale": "0.5"}, seed=3)
    written = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [written["origin"][name] for name in STAMPED] == [
        "noisy",
        hashlib.sha256(b"weights").hexdigest(),
        {"scale": "0.5"},
        "noise",
        targets.sha256,
        5,
        5,
        3,
        "cpu",
    ]
    assert (tmp_path / "out" / "list.tsv").read_text() == targets.lines
    assert listed_targets(tmp_path / "out" / "list.tsv", root).targets == targets.targets
    assert written["size"] == [WIDTH, HEIGHT]


def test_an_interrupted_first_pass_goes_on_to_the_same_pictures(targets, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        predict(NoisyBlend(calls_left=2), targets, tmp_path / "cut")
    assert list(pictures(tmp_path / "cut")) == [f"{number:05d}.png" for number in (1, 2, 3, 4)]
    method, done = NoisyBlend(), []
    manifest = predict(method, targets, tmp_path / "cut", on_target=lambda *counts: done.append(counts))
    assert method.calls == [[Fraction(1, 2)]]
    assert done == [(5, 5)]
    assert pictures(tmp_path / "cut") == pictures(tmp_path / "whole")
    assert None not in manifest.seconds


def test_what_a_crash_left_unrecorded_is_made_again(targets, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    whole = pictures(tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    manifest.seconds[1] = None  # as if the machine had stopped before the record was written
    manifest.write()
    manifest.picture(5).unlink()
    (tmp_path / "out" / "predictions" / "00002.part.png").write_bytes(b"half a picture")
    method = NoisyBlend()
    predict(method, targets, tmp_path / "out")
    assert [len(times) for times in method.calls] == [3, 1]
    assert pictures(tmp_path / "out") == whole


def test_a_long_run_records_what_is_done_on_its_way(targets, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions_module, "SECONDS_BETWEEN_RECORDS", -1)
    recorded = []
    predict(
        NoisyBlend(),
        targets,
        tmp_path / "out",
        on_target=lambda done, total: recorded.append(read_done(tmp_path / "out")),
    )
    assert recorded[1:] == [3, 4]  # each call sees the record of the window before it


def read_done(folder: Path) -> int:
    if not (folder / "manifest.json").is_file():
        return 0
    return sum(second is not None for second in read_manifest(folder).seconds)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"seed": 1}, r"seed \(0, not 1\)"),
        ({"options": {"scale": "0.5"}}, r"options \(\{\}, not \{'scale': '0.5'\}\)"),
    ],
)
def test_predictions_of_another_origin_are_refused(targets, tmp_path, change, difference):
    predict(NoisyBlend(), targets, tmp_path / "out")
    before = pictures(tmp_path / "out")
    with pytest.raises(UsageError, match=f"holds predictions that differ from those asked for in {difference};"):
        predict(NoisyBlend(), targets, tmp_path / "out", **change)
    assert pictures(tmp_path / "out") == before


def replace_pictures(root: Path, *names: str) -> None:
    """Put other pictures of the same size in the place of some."""
    for name in names:
        with Image.open(root / name) as picture:
            changed = picture.transpose(Image.Transpose.ROTATE_180)
        changed.save(root / name)


@pytest.mark.parametrize("name", ["a.png", "c.png"])
def test_predictions_from_other_pictures_under_the_same_names_are_refused(targets, root, tmp_path, name):
    predict(NoisyBlend(), targets, tmp_path / "out")
    replace_pictures(root, name)
    again = listed_targets(root / "noise.tsv", root)
    message = "asked for in the contents of the files that the list names; name another folder"
    with pytest.raises(UsageError, match=message):
        predict(NoisyBlend(), again, tmp_path / "out")
    with pytest.raises(UsageError, match=r"made when the files that noise\.tsv names had other contents"):
        score(tmp_path / "out", again, build_metrics(DEFAULT))


def test_a_list_that_was_corrected_is_said_to_differ_in_words(targets, root, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    (root / "noise.tsv").write_text("a.png\tb.png\tc.png\t1/2\t-\t-\n")
    with pytest.raises(UsageError, match="in the list of targets, which has other lines, count") as refusal:
        predict(NoisyBlend(), listed_targets(root / "noise.tsv", root), tmp_path / "out")
    assert targets.sha256 not in str(refusal.value)


def test_scores_of_other_predictions_do_not_lie_beside_new_ones(targets, root, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out", keep=False)
    score(tmp_path / "out", targets, build_metrics(DEFAULT))
    read_manifest(tmp_path / "out").remove_pictures()
    replace_pictures(root, "a.png")
    with pytest.raises(PowerCutError):
        predict(NoisyBlend(calls_left=1), listed_targets(root / "noise.tsv", root), tmp_path / "out")
    assert not (tmp_path / "out" / "scores.json").exists()
    assert not (tmp_path / "out" / "targets.csv").exists()


def test_pictures_without_a_record_are_refused(targets, tmp_path):
    (tmp_path / "out" / "predictions").mkdir(parents=True)
    (tmp_path / "out" / "predictions" / "00001.png").touch()
    with pytest.raises(UsageError, match=r"predictions holds pictures that no manifest\.json describes"):
        predict(NoisyBlend(), targets, tmp_path / "out")


def test_scoring_again_writes_the_same_bytes(targets, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    score(tmp_path / "out", targets, build_metrics(DEFAULT))
    first = results(tmp_path / "out")
    score(tmp_path / "out", targets, build_metrics(DEFAULT))
    assert results(tmp_path / "out") == first
    manifest = read_manifest(tmp_path / "out")
    with (tmp_path / "out" / "targets.csv").open() as file:
        assert [float(row["seconds"]) for row in csv.DictReader(file)] == manifest.seconds


def test_predictions_score_the_same_in_another_place(targets, root, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    score(tmp_path / "out", targets, build_metrics(DEFAULT))
    shutil.copytree(root, tmp_path / "elsewhere" / "set")
    shutil.copytree(tmp_path / "out", tmp_path / "elsewhere" / "out")
    (tmp_path / "elsewhere" / "out" / "scores.json").unlink()
    for path in (tmp_path / "elsewhere" / "set").iterdir():
        os.utime(path, (0, 0))  # a copy has other dates
    moved = listed_targets(tmp_path / "elsewhere" / "set" / "noise.tsv", tmp_path / "elsewhere" / "set")
    score(tmp_path / "elsewhere" / "out", moved, build_metrics(DEFAULT))
    assert results(tmp_path / "elsewhere" / "out") == results(tmp_path / "out")


def test_an_interrupted_second_pass_goes_on_to_the_same_files(targets, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    score(tmp_path / "whole", targets, [CountingError(), ClipLengths()])
    with pytest.raises(PowerCutError):
        score(tmp_path / "cut", targets, [CountingError(samples_left=4), ClipLengths()])
    assert not (tmp_path / "cut" / "scores.json").exists()
    unfinished = tmp_path / "cut" / "targets.unfinished.jsonl"
    unfinished.write_text(unfinished.read_text() + '[5, {"count')  # a torn last line
    metric, clips = CountingError(), ClipLengths()
    scores = score(tmp_path / "cut", targets, [metric, clips])
    assert metric.scored == 1
    assert clips.clips == [3, 1, 1]  # a score of the set has to see all of it
    assert scores.values["clips"] == 5
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert not unfinished.exists()


def test_unfinished_scores_of_other_metrics_do_not_count(targets, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    with pytest.raises(PowerCutError):
        score(tmp_path / "out", targets, [CountingError(samples_left=4)], metric_files={"alex": "one hash"})
    metric = CountingError()
    score(tmp_path / "out", targets, [metric], metric_files={"alex": "another hash"})
    assert metric.scored == 5


def test_a_protocol_may_ask_for_a_mean_over_sequences(root, tmp_path):
    (root / "sequence").mkdir()
    for name in "abc":
        shutil.copy(root / f"{name}.png", root / "sequence")
    (root / "two.tsv").write_text(
        "a.png\tb.png\te.png\t1/2\t-\t-\n"
        "b.png\tc.png\td.png\t1/2\t-\t-\n"
        "sequence/a.png\tsequence/b.png\tsequence/c.png\t1/2\t-\t-\n"
    )
    targets = listed_targets(root / "two.tsv", root)
    predict(NoisyBlend(), targets, tmp_path / "out")
    plain = score(tmp_path / "out", targets, build_metrics(["ie"])).ie
    with (tmp_path / "out" / "targets.csv").open() as file:
        errors = [float(row["ie"]) for row in csv.DictReader(file)]
    rules = replace(find_protocol("eval-davis"), average="sequences")
    grouped = score(tmp_path / "out", replace(targets, protocol=rules), build_metrics(["ie"])).ie
    assert plain == pytest.approx(sum(errors) / 3)
    assert grouped == pytest.approx(((errors[0] + errors[1]) / 2 + errors[2]) / 2)
    assert abs(plain - grouped) > 1e-3


def test_scores_of_unfinished_predictions_are_refused(targets, tmp_path):
    with pytest.raises(PowerCutError):
        predict(NoisyBlend(calls_left=2), targets, tmp_path / "out")
    with pytest.raises(UsageError, match=r"predictions lacks 1 of 5 predictions, first 00005\.png; make them first"):
        score(tmp_path / "out", targets, build_metrics(DEFAULT))


def test_scores_on_another_set_are_refused(targets, root, tmp_path):
    predict(NoisyBlend(), targets, tmp_path / "out")
    with pytest.raises(UsageError, match="asked for were scores of 2 targets of noise that are not the same"):
        score(tmp_path / "out", listed_targets(root / "noise.tsv", root, max_targets=2), build_metrics(DEFAULT))


def test_a_folder_without_a_record_is_refused(targets, tmp_path):
    with pytest.raises(MediaError, match=r"holds no manifest\.json"):
        score(tmp_path, targets, build_metrics(DEFAULT))


@pytest.mark.parametrize("text", ["not JSON", "{}", '{"origin": {}, "size": null}', '{"origin": null, "size": null}'])
def test_a_damaged_record_is_refused(targets, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(MediaError, match=r"manifest\.json is no record of this version"):
        score(tmp_path, targets, build_metrics(DEFAULT))
