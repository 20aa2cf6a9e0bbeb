"""The scripts that ask what each part of a method or a tuning is worth, with hardly any training."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from small_bank import make_bank

import midframe
from midframe.core.errors import UsageError

EXAMPLES = Path(__file__).parents[2] / "examples"
COLUMNS = {
    "svmv": ["psnr", "edges", "spearman", "V_s", "V_e", "bent"],
    "mivid": ["steps", "psnr", "middle", "moving", "masked", "looks"],
}
FIRST = {"svmv": ["full: M = 8, both terms, four frames"], "mivid": ["temporal blend", "window, untrained"]}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank", 144, 192)


@pytest.mark.parametrize(("method", "only"), [("svmv", "two frames"), ("mivid", "without attention")])
def test_a_variant_is_trained_once_and_measured_beside_its_reference(
    method: str, only: str, bank: Path, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script = importlib.import_module(f"{method}_ablations")
    for name in ("CROPS", "SCENES", "CLIPS"):
        if hasattr(script, name):
            monkeypatch.setattr(script, name, 2)
    measure = script.main
    measure(bank, tmp_path, seeds=1, steps=2, only=[only])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert lines[0] == ["variant", *COLUMNS[method]]
    assert [line[0] for line in lines[1:]] == [*FIRST[method], lines[-1][0]]
    assert only in lines[-1][0]
    figures = [float(text) for text in lines[-1][1:]]
    assert 5 < figures[COLUMNS[method].index("psnr")] < 60
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    measure(bank, tmp_path, seeds=1, steps=2, only=[only])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")} == written
    again = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert again == lines


def test_what_hints_are_worth_to_madiff_is_measured(bank: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script = importlib.import_module("madiff_ablations")
    monkeypatch.setattr(script, "CROPS", 2)
    script.main(bank, tmp_path, seeds=1, steps=2, only=["half", "decoder alone"])
    head, codec, denoiser = (line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line)
    assert head == ["variant", "true", "looks", "pair", "looks", "none", "looks"]
    # The codec begins with RIFE's motion, and the denoiser at the mean of what that says.
    for row in (codec, denoiser):
        true, pair, none = (float(row[column]) for column in (1, 3, 5))
        assert none < pair < true
    assert (tmp_path / "denoiser--hints-in-the-decoder-alone-1/weights.safetensors").is_file()


def test_parts_of_mivid_and_its_steps_are_measured(bank: Path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script = importlib.import_module("mivid_steps")
    monkeypatch.setattr(script, "CLIPS", 2)
    monkeypatch.setattr(script, "SIZES", ((64, 64),))
    shipped = Path(midframe.__file__).parent / "weights/mivid.safetensors"
    script.main(bank, shipped, steps=[1, 5])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    names = ["temporal blend", "window, untrained", "window, trained, alone", "1 steps", "5 steps"]
    assert [line[0] for line in lines] == ["what", *names]
    blend, _, alone, one, _ = (float(line[1]) for line in lines[1:])
    assert alone > blend
    assert one == pytest.approx(alone, abs=0.3)
    script.main(bank, shipped, steps=[1], seconds=True)
    row = capsys.readouterr().out.splitlines()[1].split("\t")
    assert row[:2] == ["64x64", "1"]
    assert 0 < float(row[3]) <= float(row[2]) + 0.5


def test_methods_and_weights_are_scored_on_the_crops_of_the_validation(bank: Path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    script = importlib.import_module("validation_scores")
    monkeypatch.setattr(script, "CROPS", 2)
    shipped = Path(midframe.__file__).parent / "weights/rife.safetensors"
    script.main(bank, ["blend", "rife", f"rife={shipped}"])
    head, blend, rife, named = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert head == ["method", "psnr", "looks"]
    assert rife[1:] == named[1:]
    assert float(rife[1]) > float(blend[1])
    assert float(rife[2]) < float(blend[2])


def test_weights_of_another_recipe_are_not_taken_for_this_one(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    ablation = importlib.import_module("ablation")
    wrote: list[Path] = []

    def train(method: str, *, recipe: Path, out: Path, **others: object) -> Path:
        wrote.append(out / "weights.safetensors")
        wrote[-1].touch()
        return wrote[-1]

    monkeypatch.setattr(ablation.api, "train", train)
    call = {"bank": tmp_path, "out": tmp_path, "seed": 1}
    assert ablation.trained("svmv", "M = 4", "steps = 80", **call) == wrote[0]
    assert ablation.trained("svmv", "M = 4", "steps = 80", **call) == wrote[0]
    with pytest.raises(UsageError, match="another recipe"):
        ablation.trained("svmv", "M = 4", "steps = 400", **call)
    assert len(wrote) == 1


def test_the_log_of_a_training_is_read_with_the_last_word_of_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(EXAMPLES)
    lines = [
        {"step": 1, "clock": 5.0, "x/absolute": 3.0},
        {"step": 2, "clock": 6.0, "x/absolute": 2.0},
        {"step": 2, "clock": 9.0, "x/absolute": 1.0, "validation_psnr": 30.0},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curves = importlib.import_module("training_curve").read(log)
    assert {name: (list(steps), list(values)) for name, (steps, values) in curves.items()} == {
        "x/absolute": ([1, 2], [3.0, 1.0]),
        "validation_psnr": ([2], [30.0]),
    }
