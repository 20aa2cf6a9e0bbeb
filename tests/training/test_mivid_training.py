"""MiVID learns: segments, masks, objective and sampling together; planning by hours; the strip of samples."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_bank import make_bank

from midframe import api
from midframe.core.errors import RecipeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe, write_recipe
from midframe.core.task import Schedule, TrainOptions
from midframe.data.bank import Run, Source, open_bank, write_index
from midframe.data.segments import (
    SegmentRecipe,
    SegmentStream,
    cut_segment,
    is_benchmark_clip,
    source_video,
    split_segments,
)
from midframe.methods.mivid import planning
from midframe.methods.mivid.config import FRAMES
from midframe.methods.mivid.loss import MividWeights
from midframe.methods.mivid.masking import MaskRecipe
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.train import MASKS, PURE_NOISE, MividRecipe, MividTask, prepare
from midframe.methods.mivid.weights_file import load_network, save_network
from midframe.recipes import find_recipe, shipped_recipes
from midframe.training.strip import GAP, grow_strip
from midframe.video.picture import read_picture
from small_mivid import SMALL_MIVID

SMALL = """
validation_segments = 2
validation_steps = 1
[mivid]
base_width = 8
attention = [false, false, true]
heads = [1, 1, 2]
dropout = 0.0
size = 32
sampling_steps = 2
[segments]
size = 32
batch = 2
[schedule]
steps = 6
warm_up = 2
precision = "fp32"
validate_every = 3
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def options(bank: Path, recipe: Path) -> TrainOptions:
    return TrainOptions(recipe=recipe, bank=bank, seed=3, device=torch.device("cpu"), workers=0)


def task_of(**values) -> MividTask:
    torch.manual_seed(0)
    recipe = MividRecipe(
        mivid=SMALL_MIVID, segments=SegmentRecipe(size=32, batch=2), schedule=Schedule(steps=100, warm_up=1)
    )
    return MividTask(replace(recipe, **values), progress=1.0)


def test_the_network_learns_one_batch():
    # A texture that moves a pixel a frame: its blend is a double image.
    coarse = torch.rand(1, 3, 6, 12, generator=torch.Generator().manual_seed(0))
    texture = torch.nn.functional.interpolate(coarse, size=(16, 32), mode="bicubic")[0].clamp(0, 1)
    frames = torch.stack([texture[:, :, index : index + 16] for index in range(9)])[None]
    batch = {"frames": (frames * 255).round().byte()}
    task = task_of(
        mivid=replace(SMALL_MIVID, size=16),
        segments=SegmentRecipe(size=16, batch=1),
        weights=MividWeights(adaptive="none", temporal=0.0),
    )

    def error() -> float:
        return float((task.predict(batch) - frames[:, 1:-1]).square().mean())

    blend = error()  # Untrained, the network adds nothing to the blend.
    optimiser = torch.optim.AdamW(task.network.parameters(), lr=3e-3)
    for step in range(60):
        optimiser.zero_grad()
        task.losses(batch, step)["mivid"].total.backward()
        optimiser.step()
    assert error() < 0.3 * blend


@pytest.mark.parametrize(
    "values",
    [
        {"masks": MaskRecipe(kind="random")},
        {"masks": MaskRecipe(kind="block", ratio="fixed")},
        {"weights": MividWeights(adaptive="balanced")},
        {"weights": MividWeights(adaptive="none", temporal=0.0)},
        {"mivid": replace(SMALL_MIVID, attention=(False, False, False))},
        {"mivid": replace(SMALL_MIVID, prediction="eps", base="none")},
        {"mivid": replace(SMALL_MIVID, prediction="v", base="none", noise="linear")},
        {"mivid": replace(SMALL_MIVID, base="none")},
    ],
    ids=lambda values: next(iter(values)),
)
def test_every_switch_trains_and_predicts(bank: Path, values):
    task = task_of(**values)
    batch = next(iter(SegmentStream(bank, SegmentRecipe(size=32, batch=2), seed=1)))
    terms = task.losses(batch, 3)["mivid"]
    terms.total.backward()
    assert terms.total.isfinite()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in task.network.parameters())
    made = task.predict(batch)
    assert made.shape == (2, 7, 3, 32, 32)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_a_prediction_is_the_same_each_time_and_leaves_the_network_in_training(bank: Path):
    task = task_of(mivid=replace(SMALL_MIVID, dropout=0.5))
    torch.nn.init.normal_(task.network.leave.conv.weight, std=0.05)
    batch = next(iter(SegmentStream(bank, SegmentRecipe(size=32, batch=2), seed=1)))
    assert torch.equal(task.predict(batch), task.predict(batch))
    assert task.network.training


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(bank: Path, recipe: Path, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    api.train("mivid", recipe=recipe, data=[bank], out=whole, workers=0)
    api.train("mivid", recipe=recipe, data=[bank], out=broken, workers=0, until=3)
    api.train("mivid", recipe=recipe, data=[bank], out=broken, workers=0, resume=True)
    expected, found = (load_network(folder / "weights.safetensors").state_dict() for folder in (whole, broken))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    names = ("validation_psnr", "validation_psnr_blend", "validation_psnr_moving", "validation_psnr_blend_moving")
    assert all(name in lines[0] for name in names)
    # Two validations: the truth and two rows, three frames of the one scene set aside.
    assert read_picture(whole / "samples.png").shape == (3 * 32 + 2 * GAP, 3 * 32, 3)
    assert np.array_equal(read_picture(whole / "samples.png"), read_picture(broken / "samples.png"))


def test_the_strip_keeps_its_rows(tmp_path: Path):
    truth, first, second = (torch.full((3, 4, 6), level) for level in (0.0, 0.5, 1.0))
    for made in (first, second):
        grow_strip(tmp_path / "strip.png", truth, made)
    strip = read_picture(tmp_path / "strip.png")
    assert [int(strip[row, 0, 0]) for row in (0, 4 + GAP, 2 * (4 + GAP))] == [0, 128, 255]
    grow_strip(tmp_path / "strip.png", truth[:, :, :3], first[:, :, :3])
    assert read_picture(tmp_path / "strip.png").shape == (2 * 4 + GAP, 3, 3)


def test_segments_are_whole_squares_made_small():
    video = torch.zeros(20, 48, 64, 3, dtype=torch.uint8)
    video += torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1)
    video[:, :, -16:] = 200
    left, right = (cut_segment(video, 1, 2, 16, place=place) for place in (0.0, 1.0))
    assert left.shape == (9, 3, 16, 16)
    assert left[:, 0, 0, 0].tolist() == list(range(1, 18, 2))
    assert int(left.max()) < 20
    assert int(right[0, 0, 8, -1]) == 200


def test_batches_are_a_function_of_seed_and_number(bank: Path, recipe: Path):
    setup = prepare(options(bank, recipe))
    stream = iter(setup.batches(0))
    first, second = next(stream), next(stream)
    assert torch.equal(next(iter(setup.batches(1)))["frames"], second["frames"])
    assert not torch.equal(first["frames"], second["frames"])
    assert first["frames"].shape == (2, 9, 3, 32, 32)


def test_training_and_validation_share_no_source_video(tmp_path: Path):
    runs = [
        Run(f"file{group}-{clip}", 0, 9, f"00/UCF/v_Bowling_g{group:02d}_c{clip:02d}.avi", 1.0)
        for group in range(1, 26)
        for clip in range(1, 5)
    ]
    write_index(tmp_path, Source(("ucf",), 240, 120), runs)
    training, held = split_segments(tmp_path)
    assert training
    assert held
    assert not {run.scene for run in training} & {run.scene for run in held}
    # Groups 1 to 7 are the benchmark's, and in neither part.
    groups = {int(run.file.removeprefix("file").split("-")[0]) for run in (*training, *held)}
    assert groups == set(range(8, 26))


def test_only_names_of_ucf101_tell_of_a_source_video():
    assert source_video("00/v_Bowling_g09_c03.avi") == "v_Bowling_g09"
    assert source_video("00/dog.mp4") == "00/dog.mp4"
    assert is_benchmark_clip("v_Bowling_g07_c01")
    assert not is_benchmark_clip("v_Bowling_g08_c01")
    assert not is_benchmark_clip("00/dog.mp4")


def test_a_bank_without_nine_frames_in_a_row_is_refused(tmp_path: Path):
    write_index(tmp_path, Source(("short",), 96, 120), [Run("a", 0, 8, "a", 1.0)])
    with pytest.raises(RecipeError, match="no scene of at least 9 frames"):
        split_segments(tmp_path)


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name.startswith("mivid")])
def test_the_shipped_recipes_are_whole(name: str):
    recipe = read_recipe(find_recipe(name), MividRecipe)
    assert recipe.segments.size == recipe.mivid.size == 64


def test_a_plan_is_a_recipe_on_disk(tmp_path: Path):
    plan = planning.choose([planning.Pace(planning.NARROW, 0.2)], hours=2.0)
    write_recipe(tmp_path / "plan.toml", asdict(plan))
    assert read_recipe(tmp_path / "plan.toml", MividRecipe) == plan


@pytest.mark.parametrize(
    ("hours", "seconds", "batch"), [(2.0, 0.2, 4), (40.0, 0.2, 16), (12.0, 0.1, 8)], ids=["short", "long", "fast"]
)
def test_a_plan_fits_the_time_and_spends_plenty_of_it_on_larger_batches(hours: float, seconds: float, batch: int):
    plan = planning.choose([planning.Pace(planning.WIDE, seconds)], hours)
    assert plan.segments.batch == batch
    spent = plan.schedule.steps * batch * seconds / 3600
    assert 0.7 * hours <= spent <= hours


def test_the_widest_network_that_gets_enough_steps_is_planned(monkeypatch: pytest.MonkeyPatch):
    costs = {config: 0.1 * config.base_width for config in planning.CANDIDATES}
    monkeypatch.setattr(planning, "_seconds_for_a_clip", lambda config, device: costs[config])
    lines: list[str] = []
    # 24 channels: 2.4 s a clip, 9.6 s a step, 3000 steps in 8 h, and 85 % are planned.
    plan = planning.plan_recipe(10.0, torch.device("cpu"), lines.append)
    assert plan.mivid == planning.MEDIUM
    assert len(lines) == 3
    assert lines[-1].startswith("plan: 24 channels")


def test_a_plan_measures_the_machine_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planning, "CANDIDATES", (SMALL_MIVID,))
    plan = planning.plan_recipe(0.5, torch.device("cpu"))
    assert plan.mivid == SMALL_MIVID


def test_weights_to_begin_with_decide_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_network(SMALL_MIVID, MaskedVideoNetwork(SMALL_MIVID).state_dict(), tmp_path / "w.safetensors", torch.float16)
    monkeypatch.setattr(planning, "_seconds_for_a_clip", lambda config, device: 0.5)
    plan = planning.plan_recipe(2.0, torch.device("cpu"), begun=tmp_path / "w.safetensors")
    assert plan.mivid == SMALL_MIVID


def test_what_is_planned_is_like_the_recipe_of_the_shipped_weights():
    recipe = read_recipe(find_recipe("mivid"), MividRecipe)
    assert recipe.mivid == planning.MEDIUM
    assert (recipe.masks, recipe.pure_noise) == (MASKS, PURE_NOISE)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_clips_is_all_noise(share: float):
    recipe = MividRecipe(
        mivid=SMALL_MIVID,
        pure_noise=share,
        segments=SegmentRecipe(size=32, batch=16),
        schedule=Schedule(steps=2, warm_up=1),
    )
    task = MividTask(recipe)
    seen: list[torch.Tensor] = []
    task.network.step.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    frames = torch.randint(256, (16, FRAMES, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        for step in range(8):
            task.losses({"frames": frames}, step)
    last = (torch.cat(seen) == len(task.levels) - 1).float().mean()
    assert float(last) == pytest.approx(share, abs=0.12)
    with pytest.raises(RecipeError, match="pure_noise is a share"):
        replace(recipe, pure_noise=1.5)


def test_too_little_time_is_refused():
    with pytest.raises(UsageError, match=r"teach it nothing; 0\.1 hours are the least"):
        planning.choose([planning.Pace(planning.NARROWEST, 1.0)], hours=0.05)


def test_hours_plan_a_run_once(bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = MividRecipe(
        mivid=SMALL_MIVID,
        segments=SegmentRecipe(size=32, batch=2),
        schedule=Schedule(steps=2, warm_up=1, precision="fp32"),
        validation_segments=1,
    )
    planned: list[tuple[float, Path]] = []
    weights = tmp_path / "begun.safetensors"
    save_network(SMALL_MIVID, MaskedVideoNetwork(SMALL_MIVID).state_dict(), weights, torch.float16)

    def plan(hours: float, device: torch.device, report: object, begun: Path) -> dict[str, object]:
        planned.append((hours, begun))
        return asdict(small)

    monkeypatch.setattr(planning, "plan", plan)
    common = {"hours": 2.0, "data": [bank], "out": tmp_path / "run", "workers": 0, "init": weights}
    api.train("mivid", **common, until=1)
    api.train("mivid", **common, resume=True)
    assert planned == [(2.0, weights)]
    assert read_recipe(tmp_path / "run/recipe.toml", MividRecipe) == small


def test_hours_and_features_are_refused_where_they_mean_nothing(bank: Path, tmp_path: Path):
    common = {"data": [bank], "out": tmp_path / "run"}
    with pytest.raises(UsageError, match=r"'rife' does not plan by hours.*These do: mivid"):
        api.train("rife", hours=2.0, **common)
    with pytest.raises(UsageError, match="either the recipe 'mivid' or 2 hours"):
        api.train("mivid", recipe="mivid", hours=2.0, **common)
    with pytest.raises(UsageError, match="hours must be positive"):
        api.train("mivid", hours=0.0, **common)
    with pytest.raises(UsageError, match="'rife' has no perceptual term"):
        api.train("rife", recipe="rife", features=tmp_path / "vgg.pth", **common)


@pytest.mark.parametrize("named", ["features", "init"])
def test_a_file_that_is_not_there_is_noticed_before_clips_are_decoded(named: str, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"There is no file .*nothing\.pth"):
        api.train("mivid", data=[tmp_path / "clips"], out=tmp_path / "run", **{named: tmp_path / "nothing.pth"})
    assert list(tmp_path.iterdir()) == []


def test_segments_of_another_size_than_the_network_are_refused():
    with pytest.raises(RecipeError, match="segments of 48 pixels do not suit a network for 32"):
        MividRecipe(mivid=SMALL_MIVID, segments=SegmentRecipe(size=48), schedule=Schedule(steps=2, warm_up=1))


def test_a_bank_is_left_as_it_was(bank: Path):
    before = open_bank(bank)
    split_segments(bank)
    assert open_bank(bank) == before
