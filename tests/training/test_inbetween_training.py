"""Generative inbetweening learns: the objective, Algorithm 1, the small model's stages; and weights come and go."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_bank import make_bank
from typer.testing import CliRunner

from midframe import api
from midframe.cli.app import app
from midframe.core.errors import RecipeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.methods.inbetween import backbone
from midframe.methods.inbetween.algorithm import BackwardTask, reversal_of
from midframe.methods.inbetween.config import ALL_PROJECTIONS, BackwardConfig
from midframe.methods.inbetween.loss import edm_loss, velocity_loss
from midframe.methods.inbetween.small_train import SmallRecipe, encode_clips
from midframe.methods.inbetween.train import InbetweenRecipe
from midframe.methods.inbetween.weights_file import (
    SmallWeights,
    load_backward,
    load_small,
    networks_of,
    read_backward,
    save_backward,
    save_small,
    with_backward,
)
from midframe.recipes import find_recipe
from midframe.video.picture import read_picture, write_pictures
from small_inbetween import SMALL_INBETWEEN, small_model

STAGE = """
[{name}]
{values}
[{name}.schedule]
steps = 2
warm_up = 1
precision = "fp32"
validate_every = 2
"""
SMALL = (
    """
validation_clips = 1
[model]
frames = 5
size = 32
patch = 4
codec_widths = [32, 32]
latent_channels = 4
widths = [32, 32]
embedding = 16
encoder_width = 32
encoder_layers = 1
steps = 2
injections = 0
"""
    + STAGE.format(name="codec", values="batch = 1\nframes = 2")
    + STAGE.format(name="base", values="batch = 2\nclips = 3")
    + STAGE.format(name="backward", values="batch = 2\nclips = 4")
)
FULL = """
validation_clips = 1
checkpointing = true
[backward]
frames = 5
[clips]
frames = 5
stride = 2
height = 16
width = 32
batch = 1
[schedule]
steps = 2
learning_rate = 1e-2
final_learning_rate = 1e-2
warm_up = 0
average_decay = 0.0
precision = "fp32"
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bank(tmp_path_factory.mktemp("data") / "bank")


@pytest.fixture(scope="module")
def svd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of Stable Video Diffusion, of a tiny model for five frames."""
    import diffusers

    folder = tmp_path_factory.mktemp("svd")
    config = replace(SMALL_INBETWEEN, patch=1, codec_widths=(32, 32))
    torch.manual_seed(0)
    backbone.build_unet(config).save_pretrained(folder / "unet")
    # With its normalisation, as published; the small model has none.
    kind = diffusers.AutoencoderKLTemporalDecoder
    kind.from_config(backbone.build_codec(config).config).save_pretrained(folder / "vae")
    backbone.build_image_encoder(config).save_pretrained(folder / "image_encoder")
    diffusers.EulerDiscreteScheduler(use_karras_sigmas=True, sigma_min=0.01, sigma_max=20.0).save_pretrained(
        folder / "scheduler"
    )
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    draw = torch.Generator().manual_seed(0)
    pair = [(torch.rand(32, 48, 3, generator=draw) * 255).byte().numpy() for _ in range(2)]
    return write_pictures(tmp_path_factory.mktemp("pictures"), pair)


def trained_backward(folder: Path, target: Path) -> None:
    """A backward model for a folder of Stable Video Diffusion."""
    model = backbone.load_video_model(folder, device=torch.device("cpu"), precision=torch.float32)
    own = model.network.own_weights(BackwardConfig(frames=5))
    save_backward(
        {name: torch.full_like(value, 0.05) for name, value in own.items()}, BackwardConfig(frames=5), target
    )


# The objective


def test_the_weighted_error_of_the_clean_clip_is_the_error_of_the_velocity():
    draw = torch.Generator().manual_seed(0)
    clean, epsilon, velocity = (torch.randn(3, 5, 4, 2, 2, generator=draw) for _ in range(3))
    sigma = torch.tensor([0.1, 1.0, 30.0])
    noisy = clean + sigma[:, None, None, None, None] * epsilon
    written = edm_loss(velocity, clean, noisy, sigma)
    assert float(written) == pytest.approx(float(velocity_loss(velocity, clean, epsilon, sigma)), rel=1e-4)


def test_both_directions_see_one_noise_reversed_and_their_own_key_frame():
    model = small_model()
    frames = torch.rand(1, 5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    one = reversal_of(model, frames, torch.tensor([2.0]), torch.Generator().manual_seed(0), (0.0, 1.0))
    assert torch.allclose(one.noisy, one.clean + 2 * one.epsilon)
    other = reversal_of(model, frames.flip(1), torch.tensor([2.0]), torch.Generator().manual_seed(0), (0.0, 1.0))
    assert torch.allclose(one.last.latent, other.first.latent, atol=1e-5)
    assert not torch.allclose(one.first.latent, one.last.latent, atol=1e-3)


@pytest.mark.parametrize("rotated", ["all", "none"])
def test_algorithm_1_learns_a_clip_and_leaves_the_network_alone(rotated):
    model = small_model(backward=False)
    before = {name: value.clone() for name, value in model.network.unet.state_dict().items()}
    projections = ALL_PROJECTIONS if rotated == "none" else BackwardConfig().projections
    config = BackwardConfig(projections=projections, rotated=rotated, frames=5)
    task = BackwardTask(model, config, noise=(0.0, 1.0), seed=1)
    batch = {"frames": (torch.rand(1, 5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255).byte()}
    optimiser = torch.optim.AdamW(task.backward.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = task.losses(batch, 0)["backward"].total
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in model.network.unet.state_dict().items())
    assert task.predict(batch).shape == (1, 3, 3, 32, 32)
    deltas = task.deltas(task.backward.state_dict())
    assert set(deltas) == set(task.base)
    assert any(float(value.abs().max()) > 0 for value in deltas.values())


# The small model


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model through all three stages of two steps."""
    folder = tmp_path_factory.mktemp("small")
    recipe = folder / "small.toml"
    recipe.write_text(SMALL)
    file: Path | None = None
    for name in ("inbetween-small-codec", "inbetween-small-base", "inbetween-small"):
        file = api.train(name, recipe=recipe, out=folder / name, builds_on=file, workers=0)
    assert file is not None
    return file


def test_three_stages_make_a_model_that_fills_a_gap(small: Path, pictures: list[Path], tmp_path: Path):
    stages = [
        small.parents[1] / name / "weights.safetensors" for name in ("inbetween-small-codec", "inbetween-small")
    ]
    first, last = (load_file(path) for path in stages)
    assert not any(name.startswith(("unet.", "backward.")) for name in first)
    assert {name.partition(".")[0] for name in last} == {
        "codec",
        "unet",
        "image_encoder",
        "backward",
        "latent_scale",
    }
    # Later stages leave what earlier ones learnt as it is.
    assert all(torch.equal(value, last[name]) for name, value in first.items() if name.startswith("codec."))
    interpolator = api.load("inbetween-small", weights=small, device="cpu", precision="fp32")
    assert interpolator.spec.times.accepts(Fraction(1, 4))
    written = api.interpolate_pictures(*pictures, tmp_path, [Fraction(1, 4)], method=interpolator)
    assert read_picture(written[0]).shape == (32, 48, 3)


def test_a_file_of_an_unfinished_model_is_refused(small: Path):
    codec = small.parents[1] / "inbetween-small-codec" / "weights.safetensors"
    with pytest.raises(WeightsError, match="not finished: unet, image_encoder is missing"):
        api.load("inbetween-small", weights=codec, device="cpu")
    with pytest.raises(WeightsError, match="lacks unet, image_encoder, which this stage begins with"):
        api.train(
            "inbetween-small",
            recipe=small.parents[1] / "small.toml",
            out=small.parents[1] / "early",
            builds_on=codec,
        )


def test_a_stage_without_the_one_before_it_is_refused(tmp_path: Path):
    recipe = tmp_path / "small.toml"
    recipe.write_text(SMALL)
    with pytest.raises(WeightsError, match="has codec: name its file by --builds-on"):
        api.train("inbetween-small-base", recipe=recipe, out=tmp_path / "run")
    with pytest.raises(UsageError, match="learns from scenes that it renders"):
        api.train("inbetween-small-codec", recipe=recipe, out=tmp_path / "run", data=[tmp_path])


def test_encoded_clips_have_unit_variance_once_scaled():
    model = small_model()
    encoded = encode_clips(model, 5, 5, 32, seed=0)
    assert encoded.mean.shape[:2] == (5, 5)
    batch = next(encoded.batches(5, encoded.latent_scale, 0, 0, 1))
    variance = encoded.mean.float().mul(encoded.latent_scale).var() + batch["spread"].float().square().mean()
    assert float(variance) == pytest.approx(1.0, rel=0.1)


def test_a_small_model_comes_back_from_its_file(tmp_path: Path):
    model = small_model()
    assert model.network.backward is not None
    config = model.network.backward.config
    parts = {name: network.state_dict() for name, network in networks_of(model).items()}
    weights = SmallWeights(replace(SMALL_INBETWEEN, backward=None), parts, 0.5)
    deltas = model.network.backward.deltas(model.network.own_weights(config))
    save_small(with_backward(weights, deltas, config), tmp_path / "small.safetensors", torch.float32)
    read = load_small(tmp_path / "small.safetensors")
    assert read.facts.latent_scale == 0.5
    assert read.network.backward is not None
    for name, value in model.network.backward.named_weights().items():
        assert torch.allclose(read.network.backward.named_weights()[name], value, atol=1e-6)


def test_the_shipped_recipes_are_whole():
    small = read_recipe(find_recipe("inbetween-small"), SmallRecipe)
    assert small.model.frames == 9
    full = read_recipe(find_recipe("inbetween"), InbetweenRecipe)
    assert (full.clips.frames, full.clips.height, full.clips.width) == (14, 576, 1024)
    assert full.backward == BackwardConfig()


# A user's own Stable Video Diffusion


def test_a_file_that_lacks_weights_is_refused(tmp_path: Path, svd: Path):
    folder = tmp_path / "svd"
    shutil.copytree(svd, folder)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    del state["encoder.conv_in.weight"]
    save_file(state, file)
    with pytest.raises(WeightsError, match=r"lacks 1 weights, among them encoder.conv_in.weight"):
        backbone.load_part(folder, "vae", torch.float32)


def test_missing_weights_say_what_to_download_and_its_licence(tmp_path: Path, svd: Path):
    with pytest.raises(WeightsError, match=r"no folder .*Download stabilityai/stable-video-diffusion-img2vid-xt"):
        api.load("inbetween", weights=tmp_path / "nowhere" / "at" / "all")
    with pytest.raises(WeightsError, match=r"not in this machine's Hugging Face cache.*'stable-video-diffusion"):
        api.load("inbetween")
    partial = tmp_path / "partial"
    shutil.copytree(svd / "unet", partial / "unet")
    with pytest.raises(WeightsError, match="lacks vae, image_encoder, scheduler"):
        api.load("inbetween", weights=partial)


def test_a_folder_without_a_backward_model_says_how_to_get_one(svd: Path):
    with pytest.raises(WeightsError, match=r"holds no backward.safetensors.*midframe convert inbetween"):
        api.load("inbetween", weights=svd, device="cpu")


def test_the_command_makes_a_clip_from_a_folder(svd: Path, pictures: list[Path], tmp_path: Path):
    trained_backward(svd, tmp_path / "tuned.safetensors")
    arguments = ["--method", "inbetween", "--weights", str(svd), "--frames", "5", "--steps", "2", "--seed", "1"]
    settings = ["height=16", "width=32", "injections=0", f"backward={tmp_path / 'tuned.safetensors'}"]
    for setting in settings:
        arguments += ["--set", setting]
    arguments += ["--device", "cpu", "--precision", "fp32"]
    result = CliRunner().invoke(app, ["frames", *map(str, pictures), str(tmp_path / "out"), *arguments])
    assert result.exit_code == 0, result.output
    assert "memory: about" in result.output
    made = [read_picture(tmp_path / "out" / f"{number:04d}.png") for number in range(1, 6)]
    given = [read_picture(path) for path in pictures]
    assert (made[0] == given[0]).all()
    assert (made[-1] == given[1]).all()
    again = ["frames", *map(str, pictures), str(tmp_path / "made"), *arguments, "--ends", "made"]
    assert CliRunner().invoke(app, again).exit_code == 0
    assert not (read_picture(tmp_path / "made" / "0001.png") == given[0]).all()
    assert (read_picture(tmp_path / "made" / "0003.png") == made[2]).all()


def test_unknown_settings_are_refused_with_a_hint(svd: Path):
    with pytest.raises(RecipeError, match=r"there is no 'injection'. Did you mean 'injections'"):
        api.load("inbetween", weights=svd, settings={"injection": 3})
    with pytest.raises(UsageError, match="'rife' has no settings of its own"):
        api.load("rife", settings={"injections": 3})
    with pytest.raises(UsageError, match="'rife' makes single frames"):
        api.load("rife", frames=5)


def test_other_methods_make_clips_too(pictures: list[Path], tmp_path: Path):
    written = api.make_clip(*pictures, tmp_path, 5, method="blend")
    assert len(written) == 5
    assert (read_picture(written[0]) == read_picture(pictures[0])).all()
    with pytest.raises(UsageError, match="blend makes what lies between"):
        api.make_clip(*pictures, tmp_path, 5, method="blend", ends="made")


def test_too_little_memory_is_said_before_the_work(svd: Path, pictures: list[Path], tmp_path: Path, monkeypatch):
    from midframe.engine import clips

    settings = {"system": "time-reversal", "height": 16, "width": 32, "decode_chunk": 2, "batching": "one"}
    interpolator = api.load("inbetween", weights=svd, device="cpu", frames=5, settings=settings)
    monkeypatch.setattr(clips, "room", lambda device: 10**6)
    with pytest.raises(UsageError, match=r"needs about \d+ MB on cpu for clips of 5 frames.*1 MB are free"):
        api.make_clip(*pictures, tmp_path, 5, method=interpolator)


def test_the_model_makes_its_own_training_clips(svd: Path, pictures: list[Path], tmp_path: Path):
    settings = {"height": 16, "width": 32, "fit": "stretch", "system": "forward"}
    method = api.load("inbetween", weights=svd, device="cpu", precision="fp32", steps=1, settings=settings)
    written = api.imagine(pictures[0].parent, tmp_path, method=method, count=2)
    assert [path.name for path in written] == ["0001.mp4", "0002.mp4"]
    from midframe.video import probe

    info = probe(written[0])
    assert (info.width, info.height, info.frame_count) == (32, 16, 5)


def test_algorithm_1_runs_on_a_folder_and_leaves_differences_alone(svd: Path, bank: Path, tmp_path: Path):
    recipe = tmp_path / "full.toml"
    recipe.write_text(FULL)
    file = api.train("inbetween", recipe=recipe, data=[bank], builds_on=svd, out=tmp_path / "run", workers=0)
    config, deltas = read_backward(file)
    assert config == BackwardConfig(frames=5)
    assert len(deltas) == 2 * 7
    assert file.stat().st_size < 2 * sum(value.numel() for value in deltas.values()) + 5000
    model = backbone.load_video_model(svd, device=torch.device("cpu"), precision=torch.float32)
    merged = load_backward(file, model).named_weights()
    base = model.network.own_weights(config)
    assert all(torch.allclose(value, base[name] + deltas[name].float(), atol=1e-6) for name, value in merged.items())


def test_what_was_learnt_for_one_length_of_clips_moves_to_a_model_of_another(svd: Path, tmp_path: Path):
    """The transfer from 14 to 25 frames, in small: W_long + (W_tuned - W_short)."""
    longer = tmp_path / "longer"
    shutil.copytree(svd, longer)
    config = json.loads((longer / "unet" / "config.json").read_text())
    (longer / "unet" / "config.json").write_text(json.dumps({**config, "num_frames": 7}))
    trained_backward(svd, longer / backbone.BACKWARD_FILE)
    interpolator = api.load("inbetween", weights=longer, device="cpu", precision="fp32", steps=1)
    assert interpolator.spec.times.accepts(Fraction(1, 6))
    network = interpolator.model.network
    base = network.own_weights(BackwardConfig())
    for name, value in network.backward.named_weights().items():
        assert torch.allclose(value - base[name], torch.full_like(value, 0.05), atol=1e-4)


# The authors' checkpoint


@pytest.fixture
def released(svd: Path, tmp_path: Path) -> Path:
    """A whole U-Net in the layout of the release, tuned from the folder's."""
    folder = tmp_path / "svd_reverse_motion_with_attnflip"
    shutil.copytree(svd / "unet", folder / "unet")
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    for name, value in state.items():
        if "temporal_transformer_blocks" in name and ("attn1.to_v" in name or "attn1.to_out.0.weight" in name):
            state[name] = value + 0.125
    save_file(state, file, metadata={"format": "pt"})
    return folder


def test_the_release_becomes_its_differences(svd: Path, released: Path, tmp_path: Path):
    target = tmp_path / "backward.safetensors"
    values = api.convert("inbetween", released, target, base=svd)
    config, deltas = read_backward(target)
    assert config == BackwardConfig(frames=5)
    assert len(deltas) == 14
    assert values == sum(value.numel() for value in deltas.values())
    assert all(torch.allclose(value.float(), torch.tensor(0.125), atol=1e-3) for value in deltas.values())
    with pytest.raises(UsageError, match="'rife' converts no checkpoints; these do: inbetween"):
        api.convert("rife", released, tmp_path / "other.safetensors")


def test_a_checkpoint_of_another_origin_is_refused(svd: Path, released: Path, tmp_path: Path):
    target = tmp_path / "backward.safetensors"
    with pytest.raises(WeightsError, match="it is the model itself"):
        api.convert("inbetween", svd, target, base=svd)
    file = released / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    save_file({name: value + 1 for name, value in state.items()}, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="was not tuned from"):
        api.convert("inbetween", released, target, base=svd)
    config = json.loads((released / "unet" / "config.json").read_text())
    (released / "unet" / "config.json").write_text(json.dumps({**config, "num_frames": 25}))
    with pytest.raises(WeightsError, match=r"is for 25 frames and .* for 5"):
        api.convert("inbetween", released, target, base=svd)
    assert not target.exists()
