"""MADIFF's first two stages: what they learn from, what they minimise, and that one builds on the other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch
from small_bank import make_bank

from midframe import api
from midframe.core.errors import RecipeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Schedule, TrainOptions
from midframe.data.samples import SampleRecipe, SampleStream
from midframe.data.stages import Stage
from midframe.methods.madiff.codec import MotionAwareCodec
from midframe.methods.madiff.codec_loss import CodecWeights
from midframe.methods.madiff.config import CodecConfig, HintConfig
from midframe.methods.madiff.event_loss import EventWeights, flow_loss, picture_loss
from midframe.methods.madiff.event_samples import EventStream, volume_picture
from midframe.methods.madiff.events import simulate_events
from midframe.methods.madiff.hints import FlowHints, SimulatedHints
from midframe.methods.madiff.model import moved
from midframe.methods.madiff.train_codec import CodecRecipe, CodecTask, samples_shown
from midframe.methods.madiff.train_codec import prepare as prepare_codec
from midframe.methods.madiff.train_events import EventRecipe, EventTask
from midframe.methods.madiff.weights_file import load_codec, load_events, save_codec
from midframe.metrics.difference import capped_psnr
from midframe.recipes import find_recipe
from midframe.weights import catalogue
from small_madiff import FLOW, SAME_MOTION, SMALL_CODEC, SMALL_EVENTS, SMALL_FLOW_CODEC, SameMotion
from small_madiff_model import small_codec

EQUAL = 1e-6  # the same operations in the same order, on one thread

SAMPLES = """
[[stages]]
until = 4
[stages.samples]
size = 32
batch = 2
strides = [1.0]
scales = [1.0]
synthetic = 0.5
[schedule]
steps = 4
warm_up = 1
learning_rate = 1e-3
precision = "fp32"
validate_every = 2
"""
EVENTS = f"""
validation_samples = 2
validation_size = 64
[hints]
kind = "events"
width = 4
halvings = 2
residual = 1
[weights]
critic_width = 4
critic_layers = 2
{SAMPLES}"""
CODEC = f"""
validation_samples = 2
validation_size = 64
[codec]
base_width = 8
multiples = [1, 2]
codes = 32
window = 2
[hints]
kind = "events"
[weights]
adversarial_from = 2
critic_width = 4
critic_layers = 1
{SAMPLES}"""


def stages(size: int = 32, batch: int = 2) -> tuple[Stage, ...]:
    return (Stage(until=100, samples=SampleRecipe(size=size, batch=batch, scales=(1.0,))),)


def codec_task(weights: CodecWeights | None = None, codec: CodecConfig = SMALL_CODEC) -> CodecTask:
    recipe = CodecRecipe(
        schedule=Schedule(steps=100, warm_up=1),
        stages=stages(),
        codec=codec,
        weights=weights or CodecWeights(critic_width=4, critic_layers=1, adversarial_from=50),
    )
    torch.manual_seed(0)
    return CodecTask(recipe, SimulatedHints())


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


@pytest.fixture(scope="module")
def triplets(bank: Path) -> dict[str, torch.Tensor]:
    recipe = SampleRecipe(size=32, batch=4, scales=(1.0,), synthetic=0.5, motion_pixels=30.0)
    return next(iter(SampleStream(bank, recipe, seed=1)))


@pytest.fixture(scope="module")
def events_run(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the first stage."""
    folder = tmp_path_factory.mktemp("events")
    (folder / "events.toml").write_text(EVENTS)
    api.train("madiff-events", recipe=folder / "events.toml", data=[bank], out=folder / "run", workers=0)
    return folder / "run"


def test_the_second_stage_builds_on_the_first_and_its_file_holds_both(bank: Path, events_run: Path, tmp_path: Path):
    (tmp_path / "codec.toml").write_text(CODEC)
    events = events_run / "weights.safetensors"
    path = api.train(
        "madiff-codec",
        recipe=tmp_path / "codec.toml",
        data=[bank],
        out=tmp_path / "run",
        builds_on=events,
        workers=0,
    )
    model = load_codec(path)
    assert model.config.hints == SMALL_EVENTS
    assert model.events is not None
    trained, kept = load_events(events).state_dict(), model.events.state_dict()
    floating = [name for name, value in trained.items() if value.is_floating_point()]
    assert all(torch.equal(trained[name], kept[name]) for name in floating)
    frames = torch.rand(1, 3, 16, 16)
    assert model.hints()(frames, frames).shape == (1, 18, 16, 16)
    assert model.codec.encode(frames).latent.shape == (1, 3, 4, 4)
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "validation_psnr" in line]
    assert {"validation_psnr_without_hints", "validation_looks", "validation_looks_without_hints"} <= validated[
        0
    ].keys()
    assert (tmp_path / "run/samples.png").is_file()


def test_the_first_stage_is_validated_against_events_simulated_from_the_ends(events_run: Path):
    lines = [json.loads(line) for line in (events_run / "log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "validation_psnr" in line]
    assert {"validation_error", "validation_error_simulated"} <= validated[0].keys()
    assert 0 < validated[0]["validation_error_simulated"] < validated[0]["validation_error_nothing"]


@pytest.mark.parametrize(("name", "text"), [("madiff-events", EVENTS), ("madiff-codec", CODEC)])
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(bank: Path, tmp_path: Path, name: str, text: str):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text.replace('kind = "events"', 'kind = "simulator"') if name == "madiff-codec" else text)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    first = api.train(name, recipe=recipe, data=[bank], out=whole, workers=0)
    api.train(name, recipe=recipe, data=[bank], out=broken, workers=0, until=2)
    second = api.train(name, recipe=recipe, data=[bank], out=broken, workers=0, resume=True)
    load = load_events if name == "madiff-events" else lambda path: load_codec(path).codec
    expected, found = load(first).state_dict(), load(second).state_dict()
    assert all(torch.allclose(expected[key].float(), found[key].float(), atol=EQUAL) for key in expected)


def test_a_stage_without_what_it_builds_on_is_refused(bank: Path, events_run: Path, tmp_path: Path):
    recipe = tmp_path / "codec.toml"
    recipe.write_text(CODEC)
    options = TrainOptions(recipe=recipe, bank=bank, seed=1, device=torch.device("cpu"), workers=0)
    with pytest.raises(RecipeError, match="name its file with --builds-on"):
        prepare_codec(options)
    recipe.write_text(CODEC.replace('kind = "events"', 'kind = "simulator"'))
    with pytest.raises(RecipeError, match="come from no network"):
        prepare_codec(replace(options, builds_on=events_run / "weights.safetensors"))
    recipe.write_text(CODEC.replace('kind = "events"', 'kind = "flow"'))
    with pytest.raises(UsageError, match="have 3 channels"):
        prepare_codec(options)
    with pytest.raises(UsageError, match="builds on no other stage"):
        api.train("rife", data=[bank], out=tmp_path / "run", builds_on=events_run / "weights.safetensors")


def test_training_may_begin_with_a_file_of_weights(bank: Path, events_run: Path, tmp_path: Path):
    from midframe.methods.madiff.train_events import prepare

    recipe = tmp_path / "events.toml"
    recipe.write_text(EVENTS)
    path = events_run / "weights.safetensors"
    options = TrainOptions(recipe=recipe, bank=bank, seed=9, device=torch.device("cpu"), workers=0, init=path)
    begun, frames = prepare(options).task.networks["events"].eval(), torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        # A spectral norm that is divided out twice is one the second time.
        assert torch.allclose(begun(*frames), load_events(path).eval()(*frames), atol=1e-3)
    recipe.write_text(EVENTS.replace("width = 4\nhalvings", "width = 8\nhalvings"))
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare(options)


def moved_recipe(text: str) -> str:
    """A codec's recipe with hints of another model's motion in the place of a network's events."""
    anchored = (
        'window = 2\nhead = "pixels"\nanchor = "hint"\nsampling = "bicubic"\nhint_channels = 3\nhint_gain = 1.0'
    )
    return text.replace("window = 2", anchored).replace('kind = "events"', 'kind = "flow"')


def test_hints_may_be_another_models_motion(bank: Path, tmp_path: Path):
    recipe, out = tmp_path / "codec.toml", tmp_path / "run"
    recipe.write_text(moved_recipe(CODEC).replace("[weights]", "[weights]\npair_share = 0.5"))
    path = api.train("madiff-codec", recipe=recipe, data=[bank], out=out, workers=0)
    rife = catalogue()["rife"].sha256
    assert load_codec(path).config.hints == HintConfig(kind="flow", model="rife", model_sha256=rife)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    scored = [line for line in lines if "validation_psnr" in line]
    assert {"validation_psnr_with_pair_hints", "validation_looks_with_pair_hints"} <= set(scored[-1])
    with pytest.raises(UsageError, match="need another method's motion"):
        load_codec(path).hints()


def test_a_codec_may_begin_with_one_of_other_hints(bank: Path, tmp_path: Path):
    """All it knows is kept but where pixels come from, which begins at the new hints."""
    recipe = tmp_path / "codec.toml"
    options = TrainOptions(recipe=recipe, bank=bank, seed=1, device=torch.device("cpu"), workers=0)
    begun = small_codec(HintConfig(kind="simulator"), replace(SMALL_CODEC, head="pixels"))
    save_codec(begun.config, begun.codec.state_dict(), None, tmp_path / "begun.safetensors", torch.float32)
    recipe.write_text(moved_recipe(CODEC))
    moved = replace(options, init=tmp_path / "begun.safetensors", motion=SAME_MOTION)
    codec = cast(MotionAwareCodec, prepare_codec(moved).task.networks["codec"]).eval()
    frames, hint = torch.rand(3, 1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    with torch.no_grad():
        encoded, expected = codec.encode(frames[1]), begun.codec.encode(frames[1])
        pyramids = [codec.encode(frame).pyramid for frame in (frames[0], frames[2])]
        made = codec.reconstruct(encoded.latent, *pyramids, hint, hint, frames[0], frames[2])
    assert torch.equal(encoded.latent, expected.latent)
    assert not any(torch.stack(pair).any() for pair in made.offsets)
    columns = begun.codec.state_dict()["decoder.fuse.0.to_before.layers.0.weight"]
    kept = codec.state_dict()["decoder.fuse.0.to_before.layers.0.weight"]
    assert torch.equal(torch.cat((columns[:, :16], columns[:, -16:]), 1), torch.cat((kept[:, :16], kept[:, -16:]), 1))
    assert not kept[:, 16:-16].any()
    # With the same hints nothing is forgotten.
    moving = small_codec(FLOW, replace(SMALL_FLOW_CODEC, sampling="bilinear"))
    save_codec(moving.config, moving.codec.state_dict(), None, tmp_path / "begun.safetensors", torch.float32)
    recipe.write_text(moved_recipe(CODEC))
    kept = cast(MotionAwareCodec, prepare_codec(moved).task.networks["codec"]).state_dict()
    weights = {name: value for name, value in moving.codec.state_dict().items() if value.is_floating_point()}
    assert all(torch.equal(kept[name], value) for name, value in weights.items())
    save_codec(begun.config, begun.codec.state_dict(), None, tmp_path / "begun.safetensors", torch.float32)
    recipe.write_text(moved_recipe(CODEC).replace("codes = 32", "codes = 16"))
    with pytest.raises(WeightsError, match="the recipe describes"):
        prepare_codec(moved)


def test_crops_that_the_codec_cannot_take_are_refused():
    with pytest.raises(RecipeError, match="multiples of 8 pixels for this codec; got 36"):
        CodecRecipe(schedule=Schedule(steps=100, warm_up=1), stages=stages(36), codec=SMALL_CODEC)


def test_half_of_the_samples_see_hints_and_others_none():
    shown = torch.cat([samples_shown(50, 0.5, seed) for seed in range(100)])
    assert float(shown.float().mean()) == pytest.approx(0.5, abs=0.03)  # four deviations
    assert torch.equal(samples_shown(50, 0.5, 7), samples_shown(50, 0.5, 7))
    assert not samples_shown(50, 0.0, 1).any()
    assert bool(samples_shown(50, 1.0, 1).all())


def test_both_hints_are_hidden_together(triplets: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch):
    task = codec_task()
    seen = []
    reconstruct = task.codec.reconstruct

    def watched(*arguments: object) -> object:
        seen.extend(argument.abs().amax((1, 2, 3)) > 0 for argument in arguments[3:5])  # pyright: ignore[reportAttributeAccessIssue]
        return reconstruct(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(task.codec, "reconstruct", watched)
    found = []
    for step in range(12):
        task.losses(triplets, step)
        before, after = seen[-2:]
        shown = samples_shown(4, 0.5, task.seed, step, 0)
        assert not (before | after)[~shown].any()
        found.append(shown & before & after)
    assert torch.cat(found).any()


def test_neighbours_are_hidden_until_their_step_and_from_a_share_of_samples_after_it(
    triplets: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
):
    task = codec_task(CodecWeights(critic_width=4, critic_layers=1, neighbours_from=3, neighbour_share=0.5))
    found = []
    reconstruct = task.codec.reconstruct

    def watched(*arguments: Any) -> object:
        before, after = ([level.abs().amax((1, 2, 3)) > 0 for level in side] for side in arguments[1:3])
        found.append(torch.stack((*before, *after)))
        return reconstruct(*arguments)

    monkeypatch.setattr(task.codec, "reconstruct", watched)
    for step in range(15):
        task.losses(triplets, step)
    assert not torch.cat(found[:3]).any()
    later = torch.cat(found[3:], 1)
    assert torch.equal(later.all(0), later.any(0))  # All levels of both neighbours, or none.
    assert 0 < int(later.all(0).sum()) < later.shape[1]


@pytest.mark.parametrize("head", ["pixels", "kernels"])
def test_hidden_neighbours_are_hidden_from_heads_too(
    head: Literal["pixels", "kernels"], triplets: dict[str, torch.Tensor]
):
    # Hints are made of the neighbours; here they are hidden as well.
    weights = CodecWeights(critic_width=4, critic_layers=1, neighbours_from=1, hint_share=0.0)
    task = codec_task(weights, replace(SMALL_CODEC, head=head))
    others = {**triplets, "before": triplets["before"].flip(-1), "after": triplets["after"].flip(-2)}
    first, second, beside = (
        float(task.losses(batch, step)["codec"].terms["absolute"].detach())
        for batch, step in ((triplets, 0), (others, 0), (others, 1))
    )
    assert first == pytest.approx(second, abs=1e-6)
    assert abs(first - beside) > 1e-4


def test_the_validation_tells_whether_the_latent_is_read(triplets: dict[str, torch.Tensor]):
    task = codec_task()
    assert not torch.equal(task.restored(triplets, hints=True), task.restored(triplets, hints=True, latent=False))
    torch.nn.init.zeros_(task.codec.from_latent.weight)
    made = task.restored(triplets, hints=True)
    assert torch.equal(made, task.restored(triplets, hints=True, latent=False))
    scores = task.inspect([triplets], [made]).scores
    truth = triplets["target"].float() / 255
    assert scores["validation_psnr_without_latent"] == pytest.approx(capped_psnr((made - truth).square()))


def test_no_gradient_enters_the_hints_and_none_is_left_in_the_critic(triplets: dict[str, torch.Tensor]):
    task = codec_task(CodecWeights(critic_width=4, critic_layers=1, adversarial_from=0))
    losses = task.losses(triplets, 0)
    assert set(losses) == {"codec", "critic"}
    assert float(losses["codec"].logs["balance"]) > 0
    losses["codec"].total.backward()
    assert all(parameter.grad is None for parameter in task.critic.parameters())
    assert [name for name, value in task.codec.named_parameters() if value.grad is None] == []
    before = {name: value.grad.clone() for name, value in task.codec.named_parameters() if value.grad is not None}
    losses["critic"].total.backward()
    assert all(torch.equal(before[name], value.grad) for name, value in task.codec.named_parameters())  # pyright: ignore[reportArgumentType]
    assert all(parameter.grad is not None for parameter in task.critic.parameters())


def test_the_critic_comes_late(triplets: dict[str, torch.Tensor]):
    task = codec_task()
    assert set(task.losses(triplets, 49)) == {"codec"}
    assert set(task.losses(triplets, 50)) == {"codec", "critic"}
    logs = task.losses(triplets, 0)["codec"].logs
    assert {"codes_in_use", "codes_in_batch", "offset_level_0", "offset_level_1", "looks"} <= logs.keys()


def test_a_guess_is_the_mean_of_the_neighbours_latents_and_teaches_the_encoder_nothing(
    triplets: dict[str, torch.Tensor],
):
    task = codec_task()
    frames = [triplets[name].float() / 255 for name in ("before", "target", "after")]
    with torch.no_grad():
        earlier, _, later = (task.codec.encode(frame) for frame in frames)
        mean = task.codec.quantiser.looked_up((earlier.latent + later.latent) / 2)
        expected = task.codec.decode(mean, earlier.pyramid, later.pyramid, None, None, frames[0], frames[2])
    made = task.restored(triplets, hints=False, guess=True)
    assert torch.allclose(made, expected.clamp(0, 1), atol=1e-4)
    assert not task.codec.quantiser.uses.any()
    weights = CodecWeights(critic_width=4, critic_layers=1, guess_share=1.0, codes=0.0, adversarial=0.0)
    guessing = codec_task(weights)
    guessing.losses(triplets, 0)["codec"].total.backward()
    assert not (guessing.codec.to_latent.weight.grad is not None and guessing.codec.to_latent.weight.grad.any())
    gradient = guessing.codec.from_latent.weight.grad
    assert gradient is not None
    assert gradient.any()
    # A guess is looked up, and no use of a code.
    assert int(guessing.codec.quantiser.uses.sum()) == 4 * 8 * 8
    assert int(guessing.codec.quantiser.batches) == 1
    assert {"validation_psnr_from_guess"} <= set(guessing.inspect([triplets], [made]).scores)


def test_samples_are_told_of_the_pair_and_decoded_from_guesses_as_the_shares_say(
    triplets: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
):
    told: list[torch.Tensor] = []
    decoded: list[tuple[torch.Tensor, torch.Tensor]] = []
    weights = CodecWeights(
        critic_width=4, critic_layers=1, hint_share=1.0, pair_share=0.5, guess_share=0.5, neighbour_share=0.5
    )
    task = codec_task(weights)
    frames = [triplets[name].float() / 255 for name in ("before", "target", "after")]
    pair, frame = task.source.pair(frames[0], frames[2]), task.source.between(*frames)
    reconstruct = task.codec.reconstruct

    def watched(code: torch.Tensor, earlier: Any, later: Any, towards: torch.Tensor, *more: Any) -> object:
        told.append(torch.stack([(towards == hint[0]).flatten(1).all(1) for hint in (pair, frame)]))
        true = task.codec.quantiser.looked_up(task.codec.encode(frames[1]).latent)
        decoded.append(((code - true).abs().amax((1, 2, 3)) > 1e-4, earlier[0].abs().amax((1, 2, 3)) > 0))
        return reconstruct(code, earlier, later, towards, *more)

    monkeypatch.setattr(task.codec, "reconstruct", watched)
    for step in range(12):
        task.losses(triplets, step)
    of_pair, of_frame = torch.cat(told, 1)
    assert torch.equal(of_pair, ~of_frame)
    assert 12 < int(of_pair.sum()) < 36  # of 48
    guessed, beside = (torch.cat(flags) for flags in zip(*decoded, strict=True))
    assert not (guessed & ~beside).any()
    assert 4 < int(guessed.sum()) < int(beside.sum()) < 40


def test_seed_step_and_purpose_all_count_and_processes_have_other_seeds(bank: Path, tmp_path: Path):
    flags = [samples_shown(200, 0.5, *seeds) for seeds in ((1, 7, 0), (2, 7, 0), (1, 8, 0), (1, 7, 1))]
    for number, one in enumerate(flags):
        assert all(60 < int((one != other).sum()) < 140 for other in flags[:number])
    (tmp_path / "codec.toml").write_text(CODEC.replace('kind = "events"', 'kind = "simulator"'))
    options = TrainOptions(recipe=tmp_path / "codec.toml", bank=bank, seed=1, device=torch.device("cpu"), workers=0)
    tasks = [prepare_codec(replace(options, process=number, processes=2)).task for number in (0, 1)]
    assert len({cast(CodecTask, task).seed for task in tasks}) == 2


def test_a_guess_by_motion_is_of_moved_latents(triplets: dict[str, torch.Tensor]):
    recipe = CodecRecipe(
        schedule=Schedule(steps=100, warm_up=1),
        stages=stages(),
        codec=SMALL_FLOW_CODEC,
        hints=FLOW,
        weights=CodecWeights(critic_width=4, critic_layers=1),
    )
    torch.manual_seed(0)
    task = CodecTask(recipe, FlowHints(SameMotion()))
    frames = [triplets[name].float() / 255 for name in ("before", "after")]
    with torch.no_grad():
        earlier, later = (task.codec.encode(frame) for frame in frames)
        hints = task.source.pair(*frames)
        latents = moved(earlier.latent, hints[0], 4), moved(later.latent, hints[1], 4)
        code = task.codec.quantise((latents[0] + latents[1]) / 2).latent
        expected = task.codec.decode(code, earlier.pyramid, later.pyramid, *hints, *frames)
    made = task.restored(triplets, hints=True, pair=True, guess=True)
    assert torch.allclose(made, expected.clamp(0, 1), atol=1e-4)


def test_a_restored_frame_has_its_own_size_and_ignores_hints_on_request(triplets: dict[str, torch.Tensor]):
    task = codec_task()
    odd = {name: triplets[name][..., :27, :21] for name in ("before", "target", "after")}
    restored = task.predict(odd)
    assert restored.shape == (4, 3, 27, 21)
    assert bool(((restored >= 0) & (restored <= 1)).all())
    assert task.codec.training
    assert not task.codec.quantiser.uses.any()


def test_the_codec_learns_one_batch(triplets: dict[str, torch.Tensor]):
    task = codec_task(CodecWeights(critic_width=4, critic_layers=1, adversarial=0.0, perceptual=0.1, hint_share=1.0))
    target = triplets["target"].float() / 255
    optimiser = torch.optim.Adam(task.codec.parameters(), lr=5e-3)

    def error() -> float:
        return float((task.predict(triplets) - target).square().mean())

    start = error()
    for step in range(60):
        optimiser.zero_grad()
        task.losses(triplets, step)["codec"].total.backward()
        optimiser.step()
    assert error() < 0.35 * start
    logs = task.losses(triplets, 60)["codec"].logs
    assert float(logs["offset_level_0"]) > 0.05
    assert float(logs["codes_in_batch"]) > 8


def event_task(weights: EventWeights | None = None) -> EventTask:
    recipe = EventRecipe(
        schedule=Schedule(steps=100, warm_up=1),
        stages=stages(),
        hints=SMALL_EVENTS,
        weights=weights or EventWeights(critic_width=4, critic_layers=2),
    )
    torch.manual_seed(0)
    return EventTask(recipe)


@pytest.fixture(scope="module")
def pairs(bank: Path) -> dict[str, torch.Tensor]:
    recipe = SampleRecipe(size=32, batch=4, scales=(1.0,), synthetic=0.5, motion_pixels=60.0)
    return next(iter(EventStream(bank, recipe, 0.15, seed=1)))


def test_pairs_carry_the_events_between_them(pairs: dict[str, torch.Tensor]):
    assert pairs["before"].shape == pairs["after"].shape == (4, 3, 32, 32)
    assert pairs["before"].dtype == torch.uint8
    assert pairs["volume"].shape == (4, 18, 32, 32)
    assert float(pairs["volume"].max()) > 0
    # The ends alone say less: what passes in between leaves events that they do not show.
    ends = torch.stack((pairs["before"], pairs["after"]), 1).float() / 255
    assert float(pairs["volume"].sum()) > 1.05 * float(simulate_events(ends).sum())


def test_batches_are_a_function_of_seed_and_number(bank: Path):
    recipe = SampleRecipe(size=32, batch=2, scales=(1.0,), synthetic=0.5)
    stream = iter(EventStream(bank, recipe, 0.15, seed=3))
    batches = [next(stream) for _ in range(3)]
    resumed = next(iter(EventStream(bank, recipe, 0.15, seed=3, first=2)))
    assert all(torch.equal(batches[2][name], resumed[name]) for name in resumed)
    assert not torch.equal(batches[0]["volume"], batches[1]["volume"])


def test_the_critic_takes_two_steps_for_each_of_the_network(pairs: dict[str, torch.Tensor]):
    task = event_task()
    assert set(task.losses(pairs, 0)) == {"critic", "flow", "picture"}
    losses = task.losses(pairs, 1)
    assert set(losses) == {"events", "critic", "flow", "picture"}
    assert losses["critic"].rate == 0.25
    assert set(losses["events"].terms) == {"volume", "adversarial", "flow", "picture"}
    losses["events"].total.backward()
    for helper in (task.critic, task.flow, task.picture):
        assert all(parameter.grad is None for parameter in helper.parameters())
    assert [name for name, value in task.events.named_parameters() if value.grad is None] == []


def test_parts_without_a_weight_are_left_out(pairs: dict[str, torch.Tensor]):
    task = event_task(EventWeights(adversarial=0.0, flow=0.0, picture=0.0, critic_width=4))
    assert set(task.networks) == {"events"}
    assert set(task.losses(pairs, 0)) == {"events"}


def test_the_event_network_learns_one_batch(pairs: dict[str, torch.Tensor]):
    task = event_task(EventWeights(adversarial=0.0, flow=0.0, picture=0.0, critic_width=4))
    optimiser = torch.optim.Adam(task.events.parameters(), lr=1e-2)
    for step in range(120):
        optimiser.zero_grad()
        task.losses(pairs, step)["events"].total.backward()
        optimiser.step()
    squared = task.losses(pairs, 120)["events"].logs["squared"]
    assert float(squared) < 0.7 * float(pairs["volume"].square().mean())


def test_the_true_flow_explains_a_pair_better_than_none():
    generator = torch.Generator().manual_seed(0)
    wide = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 40, 40, generator=generator), 5, 1, 2) * 2 - 1
    earlier, later = wide[..., 4:36, 4:36], wide[..., 4:36, 2:34]  # everything moves two pixels to the right
    events = torch.ones(1, 18, 32, 32)

    def explained(right: float) -> float:
        flows = [torch.zeros(1, 2, side, side) for side in (16, 32)]
        for flow in flows:
            flow[:, 0] = right
        return float(flow_loss(flows, earlier, later, events))

    assert explained(2.0) < 0.5 * explained(0.0)
    assert explained(2.0) < explained(1.0)
    assert float(flow_loss([torch.zeros(1, 2, 32, 32)], earlier, later, events * 0)) < explained(0.0)


def test_the_true_picture_differs_least():
    later = torch.rand(1, 1, 16, 16) * 2 - 1
    assert float(picture_loss([later], later)) == pytest.approx(0, abs=1e-5)
    assert float(picture_loss([torch.zeros(1, 1, 8, 8), later], later)) > 0.1


def test_a_volume_s_picture_tells_the_polarities_apart():
    volume = torch.zeros(1, 18, 2, 2)
    volume[0, 3, 0, 0], volume[0, 12, 1, 1] = 4.5, 4.5
    picture = volume_picture(volume)
    assert picture[0, :, 0, 0].tolist() == [1, 0, 0]
    assert picture[0, :, 1, 1].tolist() == [0, 0, 1]


def test_the_paper_s_recipe_is_the_published_configuration():
    recipe = read_recipe(find_recipe("madiff-codec-f32"), CodecRecipe)
    assert recipe.codec == CodecConfig(base_width=64, multiples=(1, 2, 2, 2, 4), codes=8192, window=8, head="kernels")
    assert recipe.hints == HintConfig(kind="events")
    assert recipe.weights == CodecWeights()
    assert recipe.schedule.rate_at(0) < recipe.schedule.rate_at(1000) == recipe.schedule.rate_at(500_000) == 1e-4
