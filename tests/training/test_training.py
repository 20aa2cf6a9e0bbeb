"""The loop: resuming, stages, export, and that a network learns at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from small_bank import RECIPE, make_bank

from midframe import api
from midframe.core.errors import MediaError, RecipeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Schedule, TrainOptions
from midframe.data.samples import SampleRecipe, SampleStream
from midframe.methods.madiff.train_codec import CodecRecipe
from midframe.methods.madiff.train_events import EventRecipe
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.sample import RifeInterpolator
from midframe.methods.rife.train import RifeRecipe, prepare
from midframe.methods.rife.weights_file import load_network
from midframe.methods.svmv.train import SvmvRecipe
from midframe.recipes import find_recipe, shipped_recipes

EQUAL = 1e-6  # the same operations in the same order: only threads could differ, and here there is one


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_network(folder / "weights.safetensors").state_dict())


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(bank: Path, recipe: Path, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    api.train("rife", recipe=recipe, data=[bank], out=whole, workers=0)
    api.train("rife", recipe=recipe, data=[bank], out=broken, workers=0, until=3)
    api.train("rife", recipe=recipe, data=[bank], out=broken, workers=0, resume=True)
    expected, found = weights(whole), weights(broken)
    assert expected.keys() == found.keys()
    assert all(torch.allclose(expected[name], found[name], atol=EQUAL) for name in expected)
    losses = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert any("validation_psnr" in line for line in losses)


def test_the_finished_file_is_an_interpolator_without_the_teacher(bank: Path, recipe: Path, tmp_path: Path):
    path = api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, until=1)
    network = load_network(path)
    assert not any(name.startswith("teacher") for name in network.state_dict())
    frames = torch.rand(1, 2, 3, 64, 64)
    made = RifeInterpolator(network.eval()).interpolate(frames, [Fraction(1, 3)])
    assert made.shape == (1, 1, 3, 64, 64)


def test_the_run_is_recorded(bank: Path, recipe: Path, tmp_path: Path):
    api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, until=1, seed=7)
    record = json.loads((tmp_path / "run/run.jsonl").read_text())
    assert record["seed"] == 7
    assert record["recipe"]["schedule"]["steps"] == 6
    assert record["torch"] == torch.__version__


def test_a_folder_with_a_run_is_not_overwritten(bank: Path, recipe: Path, tmp_path: Path):
    api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, until=1)
    with pytest.raises(UsageError, match="--resume"):
        api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0)


def test_training_may_begin_with_a_file_of_weights(bank: Path, recipe: Path, tmp_path: Path):
    first = api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "first", workers=0, until=1)
    options = TrainOptions(recipe=recipe, bank=bank, seed=9, device=torch.device("cpu"), workers=0, init=first)
    begun = prepare(options).task.networks["rife"].state_dict()
    assert all(torch.equal(begun[name], value) for name, value in load_network(first).state_dict().items())
    recipe.write_text(RECIPE.replace("coarse_width = 8", "coarse_width = 6"))
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare(options)


def trained_and_begun(
    bank: Path, recipe: Path, folder: Path, addition: str, line: str = "fine_depth = 1"
) -> tuple[MatchingNetwork, MatchingNetwork]:
    """A small network, and a larger one of the recipe with an addition to a line that begins with its weights."""
    small = api.train("rife", recipe=recipe, data=[bank], out=folder / "small", workers=0, until=1)
    larger = folder / "larger.toml"
    larger.write_text(recipe.read_text().replace(line, f"{line}{addition}"))
    options = TrainOptions(recipe=larger, bank=bank, seed=9, device=torch.device("cpu"), workers=0, init=small)
    trained, begun = load_network(small).eval(), prepare(options).task.networks["rife"].eval()
    assert isinstance(trained, MatchingNetwork)
    assert isinstance(begun, MatchingNetwork)
    return trained, begun


FRAMES = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
HALF = torch.tensor([0.5])


def test_a_larger_network_begins_where_a_smaller_one_ended(bank: Path, recipe: Path, tmp_path: Path):
    before, grown = trained_and_begun(bank, recipe, tmp_path, "\nfine_radius = 1")
    with torch.inference_mode():
        assert grown.config.fine_radius == 1
        assert torch.allclose(grown(*FRAMES, HALF).output, before(*FRAMES, HALF).output, atol=1e-5)


@pytest.mark.parametrize("name", ["coarse", "middle", "fine"])
def test_a_wider_network_begins_where_a_narrower_one_ended(bank: Path, recipe: Path, tmp_path: Path, name: str):
    before, grown = trained_and_begun(bank, recipe, tmp_path, "8", f"{name}_width = ")  # 8 becomes 88
    block = getattr(grown, name)
    assert block.enter.out_channels == 88
    result = grown(*FRAMES, HALF).output
    assert torch.allclose(result, before(*FRAMES, HALF).output, atol=1e-5)
    result.square().mean().backward()
    assert block.leave.weight.grad[:, 8:].abs().max() > 0  # zero, but what they read is not: they learn at once


def test_a_network_that_sharpens_begins_with_half_of_the_lost_detail(bank: Path, recipe: Path, tmp_path: Path):
    before, grown = trained_and_begun(bank, recipe, tmp_path, "\nsharpen = true")
    share = torch.full((1, 1, 64, 64), 0.5)
    with torch.inference_mode():
        result, pair = before(*FRAMES, HALF), torch.cat((FRAMES[0], FRAMES[1]))
        residual = result.output - before.merge(pair, result.estimates[-1])
        expected = before.merge(pair, result.estimates[-1], share) + residual
        assert not torch.allclose(expected, result.output, atol=1e-3)
        assert torch.allclose(grown(*FRAMES, HALF).output, expected, atol=1e-5)


def test_a_wider_window_does_not_begin_with_weights_for_a_narrower_one(bank: Path, recipe: Path, tmp_path: Path):
    small = api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "small", workers=0, until=1)
    wider = tmp_path / "wider.toml"
    text = recipe.read_text()
    wider.write_text(text.replace("coarse_radius = 1", "coarse_radius = 2"))
    assert wider.read_text() != text
    options = TrainOptions(recipe=wider, bank=bank, seed=9, device=torch.device("cpu"), workers=0, init=small)
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare(options)


def test_a_checkpoint_of_another_network_is_refused(bank: Path, recipe: Path, tmp_path: Path):
    api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, until=1)
    recipe.write_text(RECIPE.replace("coarse_width = 8", "coarse_width = 12"))
    with pytest.raises(RecipeError, match="resume with the recipe of the run"):
        api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, resume=True)


def test_crops_larger_than_every_clip_are_refused(bank: Path, recipe: Path, tmp_path: Path):
    recipe.write_text(RECIPE.replace("scales = [1.0]", "scales = [0.25]"))
    with pytest.raises(RecipeError, match="need clips of at least 256 lines; the largest here has 96"):
        api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0)


def test_crops_of_a_later_stage_are_refused_at_the_start(bank: Path, recipe: Path, tmp_path: Path):
    later = "\n[[stages]]\nuntil = 1000\n[stages.samples]\nsize = 64\nbatch = 2\nscales = [0.25]\n"
    recipe.write_text(RECIPE + later)
    with pytest.raises(RecipeError, match="need clips of at least 256 lines; the largest here has 96"):
        api.train("rife", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0, until=1)


def test_the_share_of_other_times_is_what_the_recipe_says(bank: Path):
    recipe = SampleRecipe(size=64, batch=40, scales=(1.0,), synthetic=0.0, any_time=0.5)
    batches = iter(SampleStream(bank, recipe, seed=1))
    times = torch.cat([next(batches)["time"] for _ in range(10)])
    assert (times != 0.5).float().mean() == pytest.approx(0.5, abs=0.1)
    assert ((times > 0) & (times < 1)).all()


def test_clips_are_decoded_once_and_others_refused(recipe: Path, tmp_path: Path):
    with pytest.raises(MediaError, match="no video below"):
        api.train("rife", recipe=recipe, data=[tmp_path], out=tmp_path / "run")
    make_bank(tmp_path / "other/bank")
    with pytest.raises(UsageError, match="holds clips decoded from"):
        api.train("rife", recipe=recipe, data=[tmp_path], out=tmp_path / "other")


CROPPING = {"madiff-events": EventRecipe, "madiff-codec": CodecRecipe, "rife": RifeRecipe, "svmv": SvmvRecipe}
"""Recipes, by the start of their names, whose stages crop clips; the others' own tests say what they see."""


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name.startswith(tuple(CROPPING))])
def test_every_shipped_recipe_can_crop_from_clips_of_288_lines(name: str):
    kind = next(kind for start, kind in CROPPING.items() if name.startswith(start))
    for stage in read_recipe(find_recipe(name), kind).stages:
        assert max(stage.samples.source_size(scale) for scale in stage.samples.scales) <= 288


def test_a_missing_folder_of_clips_is_named(recipe: Path, tmp_path: Path):
    with pytest.raises(MediaError, match="there is no folder"):
        api.train("rife", recipe=recipe, data=[tmp_path / "none"], out=tmp_path / "run")


def test_a_method_without_weights_is_not_trained(bank: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="not trained"):
        api.train("blend", recipe="rife", data=[bank], out=tmp_path / "run")


def test_batches_are_a_function_of_seed_and_number(bank: Path, recipe: Path):
    setup = prepare(TrainOptions(recipe=recipe, bank=bank, seed=3, device=torch.device("cpu"), workers=0))
    stream = iter(setup.batches(0))
    batches = [next(stream) for _ in range(5)]
    resumed = next(iter(setup.batches(3)))
    assert all(torch.equal(batches[3][name], resumed[name]) for name in resumed)
    assert not torch.equal(batches[0]["target"], batches[1]["target"])
    # The second stage begins at step 4, with larger crops and nothing rendered.
    assert batches[4]["target"].shape == (2, 3, 96, 96)
    assert batches[3]["flow_weight"].sum() > 0
    assert batches[4]["flow_weight"].sum() == 0


def test_the_learning_rate_warms_up_and_ends_low():
    schedule = Schedule(steps=100, warm_up=10, learning_rate=1.0, final_learning_rate=0.1)
    assert schedule.rate_at(0) == pytest.approx(0.1)
    assert schedule.rate_at(9) == pytest.approx(1.0)
    assert schedule.rate_at(10) == pytest.approx(1.0)
    assert schedule.rate_at(55) == pytest.approx(0.55)
    assert schedule.rate_at(100) == pytest.approx(0.1)


def test_validation_scenes_are_never_trained_on(bank: Path, recipe: Path):
    from midframe.data.bank import open_bank, split_by_scene

    training, validation = split_by_scene(open_bank(bank))
    assert validation
    assert not {run.scene for run in training} & {run.scene for run in validation}


def test_the_network_learns_one_batch(bank: Path, recipe: Path):
    setup = prepare(TrainOptions(recipe=recipe, bank=bank, seed=3, device=torch.device("cpu"), workers=0))
    batch = next(iter(setup.batches(0)))
    network = setup.task.networks["rife"]
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    errors = []
    for step in range(40):
        terms = setup.task.losses(batch, step)["rife"]
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        errors.append(float(terms.logs["squared"]))
    assert errors[-1] < 0.5 * errors[0]


def test_gradients_are_averaged_over_processes(tmp_path: Path):
    results = tmp_path / "gradients"
    results.mkdir()
    script = tmp_path / "average.py"
    script.write_text(AVERAGE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(script), str(results)], check=True, capture_output=True, timeout=240, env=environment
    )
    # Process 0 has the gradient 1, process 1 the gradient 3.
    assert [torch.load(results / f"{process}.pt").item() for process in (0, 1)] == [2.0, 2.0]


AVERAGE = """
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from midframe.training.loop import _average_gradients

accelerator = Accelerator(cpu=True)
network = torch.nn.Linear(1, 1, bias=False)
network.weight.grad = torch.full((1, 1), 1.0 + 2.0 * accelerator.process_index)
_average_gradients(accelerator, network)
torch.save(network.weight.grad, Path(sys.argv[1]) / f"{accelerator.process_index}.pt")
torch.distributed.destroy_process_group()
"""
