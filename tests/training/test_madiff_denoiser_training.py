"""MADIFF's denoiser learns, resumes, shows what it does, and is exported with all that it needs."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors import safe_open
from small_bank import make_bank

import midframe
from midframe import api
from midframe.core.errors import RecipeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Schedule, TrainOptions
from midframe.data.samples import SampleRecipe, SampleStream
from midframe.data.stages import Stage
from midframe.methods.madiff.codec import MotionAwareCodec
from midframe.methods.madiff.config import CodecConfig, CodecModelConfig, DenoiserConfig, HintConfig, MadiffConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from midframe.methods.madiff.model import Hints, MadiffModel, Neighbour
from midframe.methods.madiff.model_file import load_model, save_model
from midframe.methods.madiff.train_codec import CodecRecipe
from midframe.methods.madiff.train_denoiser import DenoiserRecipe, DenoiserTask, measured, prepare
from midframe.methods.madiff.weights_file import CodecModel, save_codec
from midframe.recipes import find_recipe, shipped_recipes
from midframe.training.strip import GAP
from midframe.video.picture import read_picture
from small_madiff import FLOW, SAME_MOTION, SMALL_FLOW_CODEC
from small_madiff_model import SMALL_DENOISER, small_codec, small_model, small_moved_model

CPU = torch.device("cpu")
SIMULATED = HintConfig(kind="simulator")
SAMPLES = SampleRecipe(size=32, batch=4, scales=(1.0,), synthetic=0.5)
SMALL = """
draws = 2
measured_batches = 2
validation_samples = 2
validation_size = 64
validation_steps = 2
[denoiser]
base_width = 8
multiples = [1, 2]
depth = 1
sampling_steps = 2
[schedule]
steps = 4
warm_up = 1
learning_rate = 1e-3
precision = "fp32"
validate_every = 2
[[stages]]
until = 4
[stages.samples]
size = 32
batch = 4
scales = [1.0]
synthetic = 0.5
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = small_codec(SIMULATED)
    path = tmp_path_factory.mktemp("codec") / "weights.safetensors"
    save_codec(made.config, made.codec.state_dict(), None, path, torch.float32)
    return path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def trained(bank: Path, codec: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("trained") / "run"
    api.train("madiff-denoiser", recipe=recipe, data=[bank], builds_on=codec, workers=0, out=out)
    return out


def options(bank: Path, recipe: Path, codec: Path | None, **values) -> TrainOptions:
    return TrainOptions(recipe=recipe, bank=bank, seed=3, device=CPU, workers=0, builds_on=codec, **values)


def task_of(denoiser: DenoiserConfig = SMALL_DENOISER, *, fresh: bool = False, **values) -> DenoiserTask:
    model = small_model(SIMULATED, denoiser)
    if fresh:
        torch.manual_seed(0)
        model = MadiffModel(small_codec(SIMULATED), LatentDenoiser(denoiser))
    recipe = DenoiserRecipe(
        schedule=Schedule(steps=100, warm_up=1), stages=(Stage(until=100, samples=SAMPLES),), denoiser=denoiser
    )
    return DenoiserTask(replace(recipe, **values), model)


def batch_of(bank: Path, size: int = 32, batch: int = 4) -> dict[str, torch.Tensor]:
    return next(iter(SampleStream(bank, replace(SAMPLES, size=size, batch=batch), seed=1)))


def test_an_untrained_denoiser_misses_all_of_the_noise(bank: Path):
    losses = task_of(fresh=True, draws=8).losses(batch_of(bank), 0)["denoiser"]
    # It guesses zero where the noise has unit variance.
    assert float(losses.total.detach()) == pytest.approx(1, abs=0.05)


def test_it_learns_one_batch(bank: Path):
    task, batch = task_of(fresh=True), batch_of(bank, batch=1)
    optimiser = torch.optim.AdamW(task.model.denoiser.parameters(), lr=1e-2)
    found = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = task.losses(batch, 7)["denoiser"].total  # The same noise again and again.
        loss.backward()
        optimiser.step()
        found.append(float(loss.detach()))
    assert found[-1] < 0.7 * found[0]


def test_only_the_denoiser_learns(bank: Path):
    task = task_of()
    task.losses(batch_of(bank), 0)["denoiser"].total.backward()
    learning = {id(parameter) for parameter in task.networks["denoiser"].parameters()}
    for name, parameter in task.model.named_parameters():
        assert (parameter.grad is not None) == (id(parameter) in learning), name


def test_both_hints_are_dropped_together_and_for_half_of_the_samples(bank: Path, monkeypatch: pytest.MonkeyPatch):
    task = task_of(draws=50)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(
        task.model.denoiser, "forward", lambda noisy, step, before, after, hints: (seen.append(hints), noisy)[1]
    )
    batch = batch_of(bank)
    losses = task.losses(batch, 0)["denoiser"]
    found = torch.cat(seen)
    assert len(found) == 200
    towards, onwards = (part.flatten(1).any(1) for part in found.chunk(2, 1))
    assert torch.equal(towards, onwards)
    share = float(towards.float().mean())
    # Three standard deviations of 200 coins.
    assert share == pytest.approx(0.5, abs=3 * 0.5 / 200**0.5)
    assert float(losses.logs["hinted"]) == pytest.approx(share)


@pytest.mark.parametrize(("dropout", "shown"), [(0.0, True), (1.0, False)])
def test_hints_are_always_or_never_dropped_where_the_recipe_says_so(bank: Path, dropout: float, shown: bool):
    logs = task_of(hint_dropout=dropout).losses(batch_of(bank), 0)["denoiser"].logs
    assert float(logs["hinted"]) == float(shown)
    assert ("with_hints" in logs, "without_hints" in logs) == (shown, not shown)


@pytest.mark.parametrize(("share", "found"), [(0.0, False), (1.0, True)])
def test_hints_may_be_of_what_the_denoiser_itself_makes(
    bank: Path, share: float, found: bool, monkeypatch: pytest.MonkeyPatch
):
    """The hints of a sample are those of its estimate, decoded without any, and of no other picture."""
    task, batch = task_of(hint_dropout=0.0, hint_estimates=share), batch_of(bank)
    decoded, hinted = [], []
    decode, hints_between, features = task.model.decode, task.model.hints_between, task.model.hint_features

    def watched_decode(latent: torch.Tensor, before: Neighbour, after: Neighbour, hints: object) -> torch.Tensor:
        assert hints is None
        decoded.append(decode(latent, before, after, None))
        return decoded[-1]

    def watched_features(hints: Hints | None, latent: torch.Tensor) -> torch.Tensor:
        hinted.append(hints)
        return features(hints, latent)

    monkeypatch.setattr(task.model, "decode", watched_decode)
    monkeypatch.setattr(task.model, "hint_features", watched_features)
    task.losses(batch, 0)["denoiser"].total.backward()
    before, target, after = (batch[name].float() / 255 for name in ("before", "target", "after"))
    assert len(decoded) == found
    wanted = hints_between(before, decoded[0] if found else target, after)
    (given,) = (hints for hints in hinted if hints is not None)
    assert all(torch.equal(*pair) for pair in zip(given, wanted, strict=True))


def test_some_samples_keep_true_hints_and_every_draw_sees_those_of_its_sample(
    bank: Path, monkeypatch: pytest.MonkeyPatch
):
    task, batch = task_of(hint_dropout=0.0, hint_estimates=0.5, draws=3), batch_of(bank)
    frames = torch.stack([batch[name].float() / 255 for name in ("before", "target", "after")])
    seen: list[torch.Tensor] = []
    forward = task.model.denoiser.forward

    def watched(noisy: torch.Tensor, *arguments: torch.Tensor) -> torch.Tensor:
        seen.append(arguments[-1])
        return forward(noisy, *arguments)

    monkeypatch.setattr(task.model.denoiser, "forward", watched)
    task.losses(batch, 1)
    true = task.model.hint_features(task.model.hints_between(*frames), task.model.encode(frames[1]).latent)
    hints = seen[-1].unflatten(0, (len(true), 3))
    assert all(torch.equal(hints[:, 0], hints[:, draw]) for draw in (1, 2))
    kept = (hints[:, 0] - true).flatten(1).abs().amax(1) < 1e-6
    assert 0 < int(kept.sum()) < len(kept)


def test_shown_motion_moves_the_latents_and_hidden_motion_leaves_them(bank: Path, monkeypatch: pytest.MonkeyPatch):
    model, batch = small_moved_model(), batch_of(bank)
    task = task_of(draws=3, hint_pairs=1.0)
    task.model = model
    seen: list[tuple[torch.Tensor, ...]] = []
    forward = model.denoiser.forward

    def watched(noisy: torch.Tensor, *arguments: torch.Tensor) -> torch.Tensor:
        seen.append(arguments[1:])
        return forward(noisy, *arguments)

    monkeypatch.setattr(model.denoiser, "forward", watched)
    task.losses(batch, 1)
    before, after = (batch[name].float() / 255 for name in ("before", "after"))
    hints = model.pair_hints(before, after)
    latents = model.encode(before).latent, model.encode(after).latent
    shown = (*model.latents_there(*latents, hints), model.hint_features(hints, latents[0]))
    hidden = (*latents, model.hint_features(None, latents[0]))
    found = [given.unflatten(0, (len(before), 3)) for given in seen[0]]
    count = {True: 0, False: 0}
    for sample in range(len(before)):
        for draw in range(3):
            told = bool(found[2][sample, draw].any())
            count[told] += 1
            for given, wanted in zip(found, shown if told else hidden, strict=True):
                assert torch.allclose(given[sample, draw], wanted[sample], atol=1e-5)
    assert min(count.values()) > 0


def test_what_motion_leaves_to_tell_is_measured_where_it_leads(bank: Path):
    codec = small_codec(FLOW, SMALL_FLOW_CODEC)
    config = measured(SMALL_DENOISER, codec, islice(iter(SampleStream(bank, SAMPLES, seed=2)), 3), CPU, SAME_MOTION)
    model = MadiffModel(codec, LatentDenoiser(config), motion=SAME_MOTION)
    apart = []
    for batch in islice(iter(SampleStream(bank, SAMPLES, seed=2)), 3):
        before, target, after = (batch[name].float() / 255 for name in ("before", "target", "after"))
        latents = [model.encode(frame).latent for frame in (before, target, after)]
        moved = model.latents_there(latents[0], latents[2], model.pair_hints(before, after))
        apart.append((latents[1] - (moved[0] + moved[1]) / 2).square().mean())
    assert float(torch.stack(apart).mean().sqrt()) == pytest.approx(config.base_deviation, rel=1e-3)
    assert config.hint_channels == 3


def test_a_recipe_for_other_hints_is_refused(bank: Path, codec: Path, recipe: Path, trained: Path, tmp_path: Path):
    other = tmp_path / "motion.toml"
    other.write_text('hints = ["flow"]\n' + SMALL)
    with pytest.raises(
        RecipeError, match=r"for hints of kind flow; those of .* are of kind simulator: take another recipe"
    ):
        prepare(options(bank, other, codec))
    made = small_codec(FLOW, SMALL_FLOW_CODEC)
    save_codec(made.config, made.codec.state_dict(), None, tmp_path / "codec.safetensors", torch.float32)
    with pytest.raises(RecipeError, match="hints of kind events or simulator; those of"):
        prepare(options(bank, recipe, tmp_path / "codec.safetensors", motion=SAME_MOTION))
    init = trained / "weights.safetensors"
    begun = options(bank, other, tmp_path / "codec.safetensors", init=init, motion=SAME_MOTION)
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare(begun)


def test_estimates_by_motion_begin_with_that_of_the_neighbours(bank: Path, monkeypatch: pytest.MonkeyPatch):
    task, batch = task_of(hint_dropout=0.0, hint_estimates=1.0), batch_of(bank)
    task.model = small_moved_model()
    given: list[Hints | None] = []
    decode = task.model.decode

    def watched(latent: torch.Tensor, before: Neighbour, after: Neighbour, hints: Hints | None) -> torch.Tensor:
        given.append(hints)
        return decode(latent, before, after, hints)

    monkeypatch.setattr(task.model, "decode", watched)
    task.losses(batch, 0)
    before, after = (batch[name].float() / 255 for name in ("before", "after"))
    assert given[0] is not None
    assert all(
        torch.equal(one, other) for one, other in zip(given[0], task.model.pair_hints(before, after), strict=True)
    )


def test_a_model_told_of_motion_is_trained_and_loaded_by_name(bank: Path, tmp_path: Path):
    recipe = tmp_path / "motion.toml"
    recipe.write_text('hints = ["flow"]\nhint_pairs = 0.5\n' + SMALL)
    made = small_codec(FLOW, SMALL_FLOW_CODEC)
    save_codec(made.config, made.codec.state_dict(), None, tmp_path / "codec.safetensors", torch.float32)
    path = api.train(
        "madiff-denoiser",
        recipe=recipe,
        data=[bank],
        builds_on=tmp_path / "codec.safetensors",
        workers=0,
        out=tmp_path / "run",
    )
    interpolator = midframe.load("madiff", weights=path, device="cpu", precision="fp32")
    assert api.told_by(interpolator).startswith("rife, SHA-256 ")
    frames = torch.rand(1, 2, 3, 40, 50)
    generator = torch.Generator().manual_seed(0)
    assert interpolator.interpolate(frames, [Fraction(1, 2)], generator=generator).shape == (1, 1, 3, 40, 50)
    with pytest.raises(UsageError, match="need another method's motion"):
        load_model(path)


def test_estimates_leave_no_weight_without_gradient(bank: Path):
    """Autocast keeps rounded weights: those of the pass without gradients are not for the one that learns."""
    task = task_of(hint_dropout=0.0, hint_estimates=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.losses(batch_of(bank), 0)["denoiser"].total
    loss.backward()
    assert [name for name, value in task.model.denoiser.named_parameters() if value.grad is None] == []


def test_noise_and_steps_are_a_function_of_seed_and_step(bank: Path):
    task, batch = task_of(), batch_of(bank)
    first = float(task.losses(batch, 5)["denoiser"].total.detach())
    torch.manual_seed(9)
    assert float(task.losses(batch, 5)["denoiser"].total.detach()) == first
    assert float(task.losses(batch, 6)["denoiser"].total.detach()) != first


def test_a_stem_learns_too(bank: Path):
    task = task_of(replace(SMALL_DENOISER, hint_input="stem"))
    task.losses(batch_of(bank), 0)["denoiser"].total.backward()
    stem = task.model.denoiser.stem
    assert stem is not None
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in stem.parameters())


def test_latents_are_brought_to_zero_mean_and_unit_variance(bank: Path):
    codec = small_codec(SIMULATED)
    stream = SampleStream(bank, SAMPLES, seed=2)
    config = measured(SMALL_DENOISER, codec, islice(iter(stream), 3), CPU)
    model = MadiffModel(codec, LatentDenoiser(config))
    frames = [
        batch[name].float() / 255 for batch in islice(iter(stream), 3) for name in ("before", "target", "after")
    ]
    latents = torch.cat([model.encode(frame).latent for frame in frames])
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(3), atol=1e-3)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(3), atol=1e-3)
    earlier, wanted, later = latents.unflatten(0, (3, 3, -1)).unbind(1)
    apart = (wanted - (earlier + later) / 2).square().mean().sqrt()
    assert float(apart) == pytest.approx(config.base_deviation, rel=1e-3)
    squares = []
    for batch in islice(iter(stream), 3):
        before, target, after = (batch[name].float() / 255 for name in ("before", "target", "after"))
        hints = model.hints_between(before, target, after)
        squares.append(model.hint_features(hints, latents[: len(before)]).square().mean())
    assert float(torch.stack(squares).mean()) == pytest.approx(1, abs=0.01)
    assert not model.hint_features(None, latents).any()


def test_what_is_decoded_is_what_was_encoded_whatever_the_scale():
    plain = small_model(SIMULATED)
    scaled = replace(SMALL_DENOISER, latent_mean=(0.3, -2.0, 1.0), latent_deviation=(0.1, 2.0, 5.0))
    other = small_model(SIMULATED, scaled)
    frames = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    made = []
    for model in (plain, other):
        before, after = (model.encode(frame) for frame in frames)
        made.append(model.decode(before.latent, before, after, None))
    # Unit variance and back: codes may flip where two are as near.
    assert float((made[0] - made[1]).abs().mean()) < 1e-3


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one_and_takes_no_other_codec(
    bank: Path, codec: Path, recipe: Path, trained: Path, tmp_path: Path
):
    common = {"recipe": recipe, "data": [bank], "out": tmp_path / "broken", "workers": 0}
    api.train("madiff-denoiser", builds_on=codec, until=2, **common)
    other = small_codec(SIMULATED, seed=1)
    save_codec(other.config, other.codec.state_dict(), None, tmp_path / "other.safetensors", torch.float32)
    with pytest.raises(RecipeError, match="resume with the recipe of the run"):
        api.train("madiff-denoiser", builds_on=tmp_path / "other.safetensors", resume=True, **common)
    api.train("madiff-denoiser", builds_on=codec, resume=True, **common)
    expected, found = (load_model(folder / "weights.safetensors") for folder in (trained, tmp_path / "broken"))
    assert expected.config == found.config
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in expected.state_dict().items())


def test_a_validation_says_what_the_sampled_frames_are_worth(trained: Path):
    first = json.loads((trained / "log.jsonl").read_text().splitlines()[0])
    for name in (
        "psnr",
        "psnr_blend",
        "psnr_codec",
        "looks",
        "looks_blend",
        "looks_codec",
        "noise",
        "noise_unhinted",
    ):
        assert f"validation_{name}" in first, name
    # Two validations: the truth and two rows, of the one scene set aside.
    assert read_picture(trained / "samples.png").shape == (3 * 64 + 2 * GAP, 64, 3)


def test_what_a_run_exports_is_all_that_is_needed(trained: Path):
    path = trained / "weights.safetensors"
    interpolator = midframe.load("madiff", weights=path, device="cpu", precision="fp32")
    frames = torch.rand(1, 2, 3, 32, 32)
    made = interpolator.interpolate(frames, [Fraction(1, 2)], generator=torch.Generator().manual_seed(0))
    assert made.shape == (1, 1, 3, 32, 32)
    # The codec's own weights, to half precision.
    given, kept = load_model(path).codec.state_dict(), small_codec(SIMULATED).codec.state_dict()
    assert all(
        torch.equal(given[name], value.half().float()) for name, value in kept.items() if value.is_floating_point()
    )


def test_weights_of_another_run_can_begin_one(bank: Path, codec: Path, recipe: Path, trained: Path, tmp_path: Path):
    path = trained / "weights.safetensors"
    state = prepare(options(bank, recipe, codec, init=path)).task.networks["denoiser"].state_dict()
    assert all(torch.equal(state[name], value) for name, value in load_model(path).denoiser.state_dict().items())
    wider = tmp_path / "wider.toml"
    wider.write_text(SMALL.replace("base_width = 8", "base_width = 16"))
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare(options(bank, wider, codec, init=path))


def test_weights_go_on_with_the_statistics_that_they_were_trained_for(
    bank: Path, codec: Path, recipe: Path, trained: Path, tmp_path: Path
):
    other = tmp_path / "other.toml"
    # Other samples to measure, and another way to use what comes out.
    other.write_text(recipe.read_text().replace("measured_batches = 2", "measured_batches = 1"))
    path = trained / "weights.safetensors"
    configs = [
        cast(DenoiserTask, prepare(options(bank, other, codec, init=init)).task).model.config.denoiser
        for init in (path, None)
    ]
    begun = load_model(path).config.denoiser
    assert configs[0].base_deviation == begun.base_deviation
    assert configs[0].latent_mean == begun.latent_mean
    assert configs[1].base_deviation != begun.base_deviation


def test_a_denoiser_without_a_codec_is_refused(bank: Path, recipe: Path):
    with pytest.raises(UsageError, match="name its file of weights with --builds-on"):
        prepare(options(bank, recipe, None))


def test_the_method_itself_is_trained_in_stages(bank: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"'madiff' is trained in stages, each for itself: .*madiff-denoiser"):
        api.train("madiff", recipe="madiff-denoiser", data=[bank], out=tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("size = 32", "size = 40"), "crops of 40 pixels .* multiples of 16"),
        (("synthetic = 0.5", "synthetic = 0.5\nany_time = 0.5"), "midpoints only"),
        (("draws = 2", "draws = 0"), "must be at least 1; got 0"),
        (("draws = 2", "hint_dropout = 1.5"), r"share in \[0, 1\]; got 1.5"),
    ],
)
def test_recipes_that_cannot_be_trained_are_refused(
    bank: Path, codec: Path, tmp_path: Path, change: tuple[str, str], message: str
):
    path = tmp_path / "wrong.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(RecipeError, match=message):
        prepare(options(bank, path, codec))


PAPER_CODEC = CodecConfig(base_width=64, multiples=(1, 2, 2, 2, 4), codes=8192, window=8, head="kernels")


@pytest.mark.parametrize("name", [name for name in shipped_recipes() if name.startswith("madiff-denoiser")])
def test_the_shipped_recipes_are_whole(name: str):
    recipe = read_recipe(find_recipe(name), DenoiserRecipe)
    codec = PAPER_CODEC if name.endswith("f32") else CodecConfig(multiples=(1, 2, 4), window=4)
    multiple = MadiffConfig(codec=codec, denoiser=recipe.denoiser).size_multiple
    assert all(stage.samples.size % multiple == 0 for stage in recipe.stages)
    assert recipe.validation_size % multiple == 0
    # Clips of 288 lines are large enough.
    assert all(s.samples.source_size(scale) <= 288 for s in recipe.stages for scale in s.samples.scales)


@pytest.mark.parametrize(("hints", "millions"), [("", [4.57, 3.22]), ("-motion", [4.51, 3.20])])
def test_what_the_small_recipes_make_can_be_shipped(hints: str, millions: list[float], tmp_path: Path):
    """At most 15 MiB of the 16 that a shipped file may have, and nothing in it but weights."""
    codec_recipe = read_recipe(find_recipe(f"madiff-codec{hints}"), CodecRecipe)
    recipe = read_recipe(find_recipe(f"madiff-denoiser{hints}"), DenoiserRecipe)
    config = CodecModelConfig(codec=codec_recipe.codec, hints=codec_recipe.hints)
    denoiser = LatentDenoiser(replace(recipe.denoiser, hint_channels=config.codec.hint_channels))
    codec = CodecModel(config, MotionAwareCodec(config.codec), None)
    model = MadiffModel(codec, denoiser, motion=SAME_MOTION)
    path = tmp_path / "weights.safetensors"
    save_model(model, model.denoiser.state_dict(), path, torch.float16)
    assert path.stat().st_size <= 15 * 2**20
    counts = [sum(values.numel() for values in part.parameters()) for part in (model.codec, model.denoiser)]
    with safe_open(path, framework="pt") as file:
        assert sum(math.prod(file.get_slice(name).get_shape()) for name in list(file.keys())) == sum(counts)
    # What the documentation says of them.
    assert [round(count / 1e6, 2) for count in counts] == millions


def test_the_recipe_of_the_paper_s_sizes_has_the_paper_s_size():
    recipe = read_recipe(find_recipe("madiff-denoiser-f32"), DenoiserRecipe)
    paper = {name: value for name, value in asdict(DenoiserConfig()).items() if name != "sampling_steps"}
    assert {name: value for name, value in asdict(recipe.denoiser).items() if name in paper} == paper
    assert recipe.denoiser.sampling_steps == 200


@pytest.mark.slow
def test_a_training_step_at_the_paper_s_sizes(bank: Path):
    """Seven gigabytes of memory: 416.5 M weights, their gradients, and both of AdamW's means."""
    recipe = read_recipe(find_recipe("madiff-denoiser-f32"), DenoiserRecipe)
    hints = HintConfig(kind="events")
    model = MadiffModel(small_codec(hints, PAPER_CODEC), LatentDenoiser(recipe.denoiser))
    task = DenoiserTask(recipe, model)
    draw = torch.Generator().manual_seed(0)
    batch = {
        name: torch.randint(256, (1, 3, 256, 256), generator=draw, dtype=torch.uint8)
        for name in ("before", "target", "after")
    }
    network = task.networks["denoiser"]
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.schedule.learning_rate, foreach=False)
    found = []
    for _ in range(3):
        loss = task.losses(batch, 0)["denoiser"].total
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        found.append(float(loss.detach()))
    assert found[0] == pytest.approx(1, abs=0.3)
    assert found[-1] < found[0]
