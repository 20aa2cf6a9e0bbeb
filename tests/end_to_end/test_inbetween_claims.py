"""The script that measures what generative inbetweening claims, on a model with random weights."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from midframe.methods.inbetween.config import ALL_PROJECTIONS, BackwardConfig
from midframe.methods.inbetween.weights_file import SmallWeights, networks_of, save_small, with_backward
from small_inbetween import SMALL_INBETWEEN, small_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "inbetween_claims.py"


def write(path: Path, kind: BackwardConfig) -> Path:
    """A small model with a backward model of a kind."""
    model = small_model(replace(SMALL_INBETWEEN, backward=kind))
    assert model.network.backward is not None
    parts = {name: network.state_dict() for name, network in networks_of(model).items()}
    weights = SmallWeights(replace(SMALL_INBETWEEN, backward=None), parts, 1.0)
    deltas = model.network.backward.deltas(model.network.own_weights(kind))
    save_small(with_backward(weights, deltas, kind), path, torch.float16)
    return path


def test_every_system_is_measured_and_shown(tmp_path: Path, capsys):
    full = write(tmp_path / "full.safetensors", BackwardConfig(frames=5))
    other = BackwardConfig(frames=5, projections=ALL_PROJECTIONS, rotated="none")
    unrotated = write(tmp_path / "unrotated.safetensors", other)
    arguments = [str(full), str(tmp_path / "out"), "--unrotated", str(unrotated)]
    runpy.run_path(str(EXAMPLE))["main"]([*arguments, "--pairs", "3", "--steps", "2", "--shown", "1"])
    systems = json.loads((tmp_path / "out/claims.json").read_text())["systems"]
    assert len(systems) == 10
    assert systems["rife"]["endpoint"] is None
    assert all(0 <= row["wrong_way"]["mean"] <= 1 for row in systems.values())
    assert all(row["trajectory"]["mean"] > 0 for row in systems.values())
    # A flow method with the two true frames at hand beats noise.
    assert systems["rife"]["trajectory"]["mean"] < systems["full, 1 re-injection"]["trajectory"]["mean"]
    costs = {name: row["evaluations"] for name, row in systems.items()}
    assert costs["forward only"] * 2 == costs["full, no re-injection"] < costs["full, 5 re-injections"]
    assert systems["rife"]["colour"]["mean"] < systems["full, 1 re-injection"]["colour"]["mean"]
    page = (tmp_path / "out/gallery.html").read_text()
    assert page.count("<figure>") == 1 + 10
    assert "Time Reversal Fusion: endpoint" in capsys.readouterr().out

    def sample_nothing(*_: object, **__: object) -> None:
        raise AssertionError("clips are there")

    again = runpy.run_path(str(EXAMPLE))
    again["main"].__globals__["fill_all"] = sample_nothing
    kept = [*arguments[:1], str(tmp_path / "again"), *arguments[2:], "--made", str(tmp_path / "out/made.npz")]
    again["main"]([*kept, "--pairs", "3", "--steps", "2"])
    measured = json.loads((tmp_path / "again/claims.json").read_text())["systems"]
    for name, row in systems.items():
        assert measured[name]["colour"] == pytest.approx(row["colour"])
        assert measured[name]["apart"] == row["apart"]
    with pytest.raises(SystemExit):
        again["main"]([*kept, "--pairs", "4", "--steps", "2"])
    assert "was made with 3 pairs, 2 steps, full, no re-injection" in capsys.readouterr().err
