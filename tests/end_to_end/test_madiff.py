"""MADIFF from a file of weights to a video, and the script that measures what its paper claims."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import midframe
from clips import make_clip, textures
from midframe.engine.identity import run_identity
from midframe.evaluation.image_file import read_image
from midframe.methods.madiff.config import HintConfig
from midframe.methods.madiff.model_file import save_model
from midframe.video import VideoReader, probe
from midframe.video.picture import write_picture
from small_madiff_model import small_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "madiff_orderings.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = small_model(HintConfig(kind="simulator"))
    path = tmp_path_factory.mktemp("madiff") / "weights.safetensors"
    save_model(model, model.denoiser.state_dict(), path, torch.float16)
    return path


def test_a_video_gets_midpoints_of_midpoints_and_the_same_ones_again(weights: Path, tmp_path: Path):
    clip = make_clip(tmp_path / "in.mp4", textures(3))
    method = midframe.load("madiff", weights=weights, device="cpu", precision="fp32", steps=1)
    made = []
    for name in ("one.mkv", "two.mkv"):
        result = midframe.interpolate_video(clip, tmp_path / name, method=method, multi=4, seed=7)
        made.append([frame.pixels.tobytes() for frame in VideoReader(probe(tmp_path / name))])
        assert result.made == 6
    assert len(made[0]) == 3 + 6
    assert made[0] == made[1]


def test_the_size_of_parts_tells_runs_apart_where_it_changes_the_frames(weights: Path, tmp_path: Path):
    clip = make_clip(tmp_path / "in.mp4", textures(3))

    def identity(name: str, tile_pixels: int | None, **options) -> dict[str, str]:
        plan = midframe.plan_video(clip, tmp_path / "out.mkv", method=midframe.load(name, device="cpu", **options))
        assert plan.memory is not None
        assert plan.memory.size is not None
        size = replace(plan.memory.size, tile_pixels=tile_pixels)
        plan = replace(plan, memory=replace(plan.memory, size=size))
        return run_identity(plan, seed=0, skip_damaged=False, made_with={})

    assert identity("madiff", None, weights=weights) != identity("madiff", 2**20, weights=weights)
    assert identity("rife", None) == identity("rife", 2**20)


def test_the_orderings_are_measured_for_every_file(weights: Path, tmp_path: Path):
    root = tmp_path / "eval"
    lines = []
    for number in range(2):
        for index, pixels in enumerate(textures(3, step=4, seed=number)):
            folder = root / f"scene{number}"
            folder.mkdir(parents=True, exist_ok=True)
            write_picture(folder / f"{index}.png", pixels)
        lines.append("\t".join(f"scene{number}/{index}.png" for index in range(3)) + "\t1/2\t-\t-")
    (root / "lists").mkdir()
    (root / "lists/tiny.tsv").write_text("\n".join(lines) + "\n")
    other = tmp_path / "other/weights.safetensors"
    other.parent.mkdir()
    other.write_bytes(weights.read_bytes())
    options = ["--lists", "tiny", "--size", "32x32", "--targets", "2"]
    options += ["--seeds", "1", "--steps", "2", "--refresh", "1,2"]
    places = ["--root", str(root), "--out", str(tmp_path / "found.json")]
    options += ["--beside", "blend,nearest", "--grid", str(tmp_path / "grid.png"), "--rows", "2"]
    results = runpy.run_path(str(EXAMPLE))["main"]([str(weights), str(other), *places, *options])
    assert json.loads((tmp_path / "found.json").read_text())["lists"].keys() == {"tiny"}
    first, second, beside, refresh = results["lists"]["tiny"].values()
    # Copies of one file, and equal seeds: equal scores.
    assert first["scores"] == second["scores"]
    assert set(first["scores"]) == {"motion", "pair", "none", "oracle", "codec, true hints", "codec, no hints"}
    assert all(len(values) == 2 for columns in first["scores"].values() for values in columns.values())
    difference = first["differences"]["motion - pair"]["psnr"]
    expected = sum(first["scores"]["motion"]["psnr"]) - sum(first["scores"]["pair"]["psnr"])
    assert difference["mean"] == pytest.approx(expected / 2)
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert list(first["trajectory"]) == sorted(first["trajectory"])
    assert len(first["trajectory"]) == 2
    assert first["pair_error"] > 0
    assert [row["every"] for row in refresh] == [1, 2, None]
    assert refresh[0]["split"]["hints"] > refresh[2]["split"]["hints"] == 0
    assert all(row["seconds"] > sum(row["split"].values()) for row in refresh)
    # What others score is what their known frames score.
    given = [
        [read_image(root / f"scene{number}/{index}.png")[8:40, 16:48] for index in range(3)] for number in (0, 1)
    ]
    blends = [np.round(before / 2 + after / 2).astype(np.uint8) for before, _, after in given]
    truths = [truth for _, truth, _ in given]
    expected = [decibels(*pair) for pair in zip(blends, truths, strict=True)]
    assert beside["scores"]["blend"]["psnr"] == pytest.approx(expected)
    ahead = beside["differences"]["motion - nearest"]["psnr"]["mean"]
    motion = first["scores"]["motion"]["psnr"]
    assert ahead == pytest.approx((sum(motion) - sum(beside["scores"]["nearest"]["psnr"])) / 2)
    # Rows of inputs, truth, two others, and MADIFF with hints from three places, each below a bar of 19 pixels.
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape == (2 * (19 + 32) + 4, 8 * 32 + 7 * 4, 3)
    for number, (before, truth, after) in enumerate(given):
        row = grid[55 * number + 19 :][:32]
        cells = [row[:, 36 * column :][:, :32] for column in range(8)]
        for cell, frame in zip(cells, (before, after, truth, blends[number]), strict=False):
            np.testing.assert_array_equal(cell, frame)
        modes = [first["scores"][mode]["psnr"][number] for mode in ("motion", "pair", "none")]
        assert [decibels(cell, truth) for cell in cells[5:]] == pytest.approx(modes)


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())
