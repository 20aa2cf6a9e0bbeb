"""SVMV in the training loop: samples of four frames, both syntheses, weights that load."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from small_bank import make_bank

from midframe import api
from midframe.core.errors import RecipeError, WeightsError
from midframe.core.task import TrainOptions
from midframe.data.samples import SampleRecipe, SampleStream, validation_samples
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.svmv.sample import SvmvInterpolator
from midframe.methods.svmv.train import prepare
from midframe.methods.svmv.weights_file import load_network
from midframe.nn.saved import save_weights
from small_matching import SMALL_MATCHING

RECIPE = """
validation_samples = 2
[svmv]
members = 2
synthesis = "splat"
feature_widths = [4, 6, 8]
coarse_width = 8
coarse_depth = 1
coarse_radius = 1
middle_width = 8
middle_depth = 1
middle_radius = 1
fine_width = 8
fine_depth = 1
memory = 4
levels = 2
[schedule]
steps = 4
warm_up = 1
learning_rate = 2e-3
precision = "fp32"
validate_every = 2
[[stages]]
until = 4
[stages.samples]
context = 2
size = 64
batch = 4
scales = [1.0]
synthetic = 0.5
any_time = 0.5
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


def options(bank: Path, path: Path, **more: object) -> TrainOptions:
    return TrainOptions(recipe=path, bank=bank, seed=1, device=torch.device("cpu"), workers=0, **more)


def write(path: Path, *changes: tuple[str, str]) -> Path:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


@pytest.mark.parametrize("synthesis", ["splat", "gather"])
def test_the_finished_file_is_an_interpolator(bank: Path, tmp_path: Path, synthesis: str):
    recipe = write(tmp_path / "small.toml", ('"splat"', f'"{synthesis}"'))
    path = api.train("svmv", recipe=recipe, data=[bank], out=tmp_path / "run", workers=0)
    method = SvmvInterpolator(load_network(path).eval())
    frames = torch.rand(1, 4, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    assert method.interpolate(frames, [Fraction(1, 2)]).shape == (1, 1, 3, 48, 64)


def test_depth_may_grow_and_nothing_else_may_change(bank: Path, tmp_path: Path):
    first = api.train("svmv", recipe=write(tmp_path / "a.toml"), data=[bank], out=tmp_path / "a", workers=0, until=1)
    deeper = write(tmp_path / "b.toml", ("fine_depth = 1", "fine_depth = 2"))
    begun = prepare(options(bank, deeper, init=first)).task.networks["svmv"].state_dict()
    known = load_network(first).state_dict()
    assert all(torch.equal(begun[name], value) for name, value in known.items())
    for change in (
        ('"splat"', '"gather"'),
        ("members = 2", "members = 3"),
        ("middle_radius = 1", "middle_radius = 2"),
    ):
        other = write(tmp_path / "c.toml", change)
        with pytest.raises(WeightsError, match="the recipe describes"):
            prepare(options(bank, other, init=first))


def test_matching_may_come_first_and_from_a_model_of_two_frames(bank: Path, tmp_path: Path):
    torch.manual_seed(3)
    two = MatchingNetwork(SMALL_MATCHING)
    file = tmp_path / "two.safetensors"
    save_weights(SMALL_MATCHING, two.state_dict(), file, torch.float32)
    recipe = write(tmp_path / "a.toml", ("validation_samples = 2", "validation_samples = 2\nmatching_steps = 2"))
    setup = prepare(options(bank, recipe, init=file))
    begun = setup.task.networks["svmv"].state_dict()
    for name, value in two.state_dict().items():
        if name.split(".")[0] in ("encoder", "coarse", "middle"):
            assert torch.equal(begun[name], value), name
    batch = next(iter(setup.batches(0)))
    assert set(setup.task.losses(batch, 1)["svmv"].terms) == {"coarse", "motion"}
    assert "laplacian" in setup.task.losses(batch, 2)["svmv"].terms
    wider = write(tmp_path / "b.toml", ("coarse_width = 8", "coarse_width = 12"))
    with pytest.raises(WeightsError, match="no 'coarse' like the recipe's"):
        prepare(options(bank, wider, init=file))


def test_the_gather_variant_has_no_matching_of_its_own(bank: Path, tmp_path: Path):
    changes = (('"splat"', '"gather"'), ("validation_samples = 2", "validation_samples = 2\nmatching_steps = 2"))
    with pytest.raises(RecipeError, match="no motion without its synthesis"):
        prepare(options(bank, write(tmp_path / "a.toml", *changes)))


def test_features_without_a_perceptual_term_are_refused(bank: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match="no perceptual term"):
        prepare(options(bank, write(tmp_path / "a.toml"), features=tmp_path / "squeezenet.onnx"))


def test_samples_of_two_frames_are_refused(bank: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match="context = 2"):
        prepare(options(bank, write(tmp_path / "small.toml", ("context = 2\n", ""))))


def test_outer_frames_lie_a_gap_away_or_repeat_the_border(bank: Path):
    recipe = SampleRecipe(size=64, batch=24, scales=(1.0,), synthetic=0.0, strides=(1.0,), context=2)
    batch = next(iter(SampleStream(bank, recipe, seed=1)))

    def apart(first: str, second: str) -> torch.Tensor:
        return (batch[first].float() - batch[second].float()).abs().mean((1, 2, 3))

    repeated = apart("earlier", "before") == 0
    assert 0 < int(repeated.sum()) < len(repeated)  # runs of nine frames: many windows touch a border
    moving = ~repeated & (apart("before", "after") > 1)
    assert bool((apart("earlier", "after") > apart("before", "after"))[moving].float().mean() > 0.7)


def test_a_part_of_the_windows_may_repeat_both_inner_frames(bank: Path):
    recipe = SampleRecipe(size=64, batch=40, scales=(1.0,), synthetic=0.5, context=2, repeated=0.5)
    batch = next(iter(SampleStream(bank, recipe, seed=1)))
    alone = (batch["earlier"] == batch["before"]).flatten(1).all(1)
    alone &= (batch["later"] == batch["after"]).flatten(1).all(1)
    rendered = batch["motion_weight"][:, 0].flatten(1).amax(1) > 0
    assert 5 <= int((alone & rendered).sum()) <= 15  # Two deviations from the mean and more.
    assert not batch["motion_weight"][alone][:, 1::2].any()
    assert bool((batch["motion_weight"][~alone & rendered][:, 1::2].flatten(1).amax(1) > 0).all())
    with pytest.raises(RecipeError, match="windows of four"):
        SampleRecipe(repeated=0.5)


def test_rendered_samples_carry_exact_motion_between_the_inputs(bank: Path):
    recipe = SampleRecipe(size=64, batch=4, scales=(1.0,), synthetic=1.0, context=2)
    batch = next(iter(SampleStream(bank, recipe, seed=1)))
    assert batch["motion"].shape == (4, 8, 64, 64)
    assert batch["motion_weight"].shape == (4, 4, 64, 64)
    assert float(batch["motion_weight"].max()) == 1
    assert float(batch["motion"].abs().max()) > 1


def test_validation_shows_both_methods_the_same_targets(bank: Path):
    two, four = validation_samples(bank, count=2), validation_samples(bank, count=2, context=2)
    for pair, window in zip(two, four, strict=True):
        assert all(torch.equal(pair[name], window[name]) for name in ("before", "target", "after"))
        assert window["earlier"].shape == window["later"].shape == window["before"].shape


def test_the_network_learns_one_batch(bank: Path, tmp_path: Path):
    task = prepare(options(bank, write(tmp_path / "small.toml"))).task
    recipe = SampleRecipe(size=64, batch=2, scales=(1.0,), synthetic=1.0, motion_pixels=9.0, context=2)
    batch = next(iter(SampleStream(bank, recipe, seed=3)))
    target = batch["target"].float() / 255
    network = task.networks["svmv"]
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)

    def error() -> float:
        with torch.no_grad():
            return float((task.predict(batch) - target).square().mean())

    blend = float(((batch["before"].float() + batch["after"].float()) / 510 - target).square().mean())
    start = error()
    for _ in range(60):
        optimiser.zero_grad()
        task.losses(batch, 2)["svmv"].total.backward()
        optimiser.step()
    assert error() < 0.6 * min(start, blend)
