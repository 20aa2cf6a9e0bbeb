"""A name becomes a method; what does not fit together is refused before any work."""

from __future__ import annotations

import pickle
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from blend import Blend
from midframe import api
from midframe.api.loading import made_with
from midframe.core.errors import UnknownNameError, UsageError, WeightsError
from midframe.core.method import Interpolator, MethodSpec
from midframe.core.options import LoadOptions
from midframe.methods.rife.motion import RifeMotion
from midframe.video.picture import read_picture, write_pictures
from midframe.weights import catalogue

FORMULAS = [name for name, registration in api.methods().items() if not registration.has_network]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[LoadOptions]:
    """What the factory of the default method is told, without building its network."""
    heard: list[LoadOptions] = []

    def create(self: api.Registration, options: LoadOptions) -> Interpolator:
        heard.append(options)
        return import_module("midframe.methods.baseline").create_blend(options)

    monkeypatch.setattr(api.Registration, "create", create)
    return heard


def test_the_default_method_is_registered() -> None:
    assert api.DEFAULT_METHOD in api.methods()


@pytest.mark.parametrize("name", FORMULAS)
def test_a_method_answers_to_the_name_it_is_registered_under(name: str) -> None:
    assert api.load(name).spec.name == name


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loaded_method_is_an_interpolator(name: str) -> None:
    assert isinstance(api.load(name), Interpolator)


def test_an_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"There is no method 'blnd'\. Did you mean 'blend'\?"):
        api.load("blnd")


@pytest.mark.parametrize("options", [{"weights": Path("net.safetensors")}, {"scale": 0.5}, {"tta": True}])
def test_a_formula_refuses_the_options_of_networks(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="'blend' has no network"):
        api.load("blend", **options)  # type: ignore[arg-type]


def test_a_factory_is_told_everything_resolved(told: list[LoadOptions], tmp_path: Path) -> None:
    api.load("rife", weights=tmp_path / "own", device="cpu", precision="fp32", scale="0.25", tta=True)
    assert told == [
        LoadOptions(
            weights=tmp_path / "own",
            device=torch.device("cpu"),
            precision=torch.float32,
            scale=Fraction(1, 4),
            tta=True,
        )
    ]


def test_paths_and_devices_may_be_text_or_objects(told: list[LoadOptions], tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.touch()
    api.load("rife", weights=str(weights), device=torch.device("cpu"), precision=torch.float32)
    assert (told[0].weights, told[0].device, told[0].precision) == (weights, torch.device("cpu"), torch.float32)


def test_who_may_be_told_of_motion_can_load_it_in_another_process_too(told: list[LoadOptions]) -> None:
    api.load("madiff", device="cpu", precision="fp32")
    api.load("rife", device="cpu")
    assert told[1].motion is None
    source = pickle.loads(pickle.dumps(told[0])).motion
    assert (source.name, source.sha256) == ("rife", catalogue()["rife"].sha256)
    assert isinstance(source.load(), RifeMotion)


def test_a_record_says_by_which_weights_a_method_was_told_of_motion(told: list[LoadOptions]) -> None:
    plain, moved = api.load("madiff", device="cpu"), api.load("madiff", device="cpu")
    moved.told_by = "rife, SHA-256 0"  # pyright: ignore[reportAttributeAccessIssue]
    assert made_with(moved)["motion"] == "rife, SHA-256 0"
    assert "motion" not in made_with(plain)


def test_a_factory_is_told_the_shipped_weights(
    told: list[LoadOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.loading, "find", lambda name: tmp_path / name)
    api.load("rife", device="cpu")
    assert told[0].weights == tmp_path / "rife"
    assert told[0].scale is None


def test_a_network_without_shipped_weights_is_refused(
    told: list[LoadOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> Path:
        raise WeightsError(f"none for {name}")

    monkeypatch.setattr(api.loading, "find", find)
    with pytest.raises(WeightsError, match="none for rife"):
        api.load("rife")
    assert told == []


@pytest.mark.parametrize("scale", ["2", "1/3", "half", 0.0, "", "1/0"])
def test_a_scale_that_is_not_offered_is_refused(scale: str | float, told: list[LoadOptions]) -> None:
    with pytest.raises(UsageError, match=r"A scale is 'auto', 0\.25, 0\.5 or 1"):
        api.load("rife", scale=scale)


@pytest.mark.parametrize("scale", ["0.5", "1/2", 0.5, Fraction(1, 2)])
def test_a_scale_may_be_stated_in_any_form(
    scale: str | float | Fraction, told: list[LoadOptions], tmp_path: Path
) -> None:
    api.load("rife", scale=scale, weights=tmp_path)
    assert told[0].scale == Fraction(1, 2)


def test_an_unknown_treatment_of_cuts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'auto', 'off' or a file that lists them; there is no file 'on'"):
        api.interpolate_video(tmp_path / "a.mp4", tmp_path / "b.mp4", method="blend", cuts="on")


class Reached(Exception):
    """The engine was called."""


class Elsewhere:
    """An interpolator that says where its input belongs."""

    spec = MethodSpec(name="elsewhere")
    device = torch.device("meta")

    def interpolate(self, frames, times, *, generator=None):
        raise AssertionError("not called")


@pytest.mark.parametrize(("method", "asked", "place"), [
    (Elsewhere(), None, "meta"),
    (Elsewhere(), "cpu", "cpu"),
    (Blend(), None, "cpu"),
    ("blend", None, "cuda:0"),
    ("blend", "cpu", "cpu"),
])  # fmt: skip
def test_input_goes_where_the_method_is(
    method: str | Interpolator, asked: str | None, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_video(*arguments: object, device: torch.device, **options: object) -> None:
        raise Reached(device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(api.videos, "run_video", run_video)
    with pytest.raises(Reached) as reached:
        api.interpolate_video(tmp_path / "a.mp4", tmp_path / "b.mp4", method=method, device=asked)
    assert reached.value.args == (torch.device(place),)


def test_pictures_need_a_time(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="At least one time"):
        api.interpolate_pictures(tmp_path / "a.png", tmp_path / "b.png", tmp_path, (), method="blend")


def test_transparent_pictures_are_mixed_premultiplied(tmp_path):
    half = np.full((48, 64, 4), (200, 100, 0, 128), np.uint8)
    opaque = np.full((48, 64, 3), (0, 100, 200), np.uint8)
    before, after = write_pictures(tmp_path / "in", [half, opaque])
    (made,) = api.interpolate_pictures(before, after, tmp_path / "out", method="blend", device="cpu")
    colour, alpha = (200 * 128 / 255) / (1 + 128 / 255), (128 + 255) / 2
    expected = (colour, 100, 200 / (1 + 128 / 255), alpha)
    assert np.abs(read_picture(made, alpha=True) - np.array(expected)).max() <= 1
    (plain,) = api.interpolate_pictures(
        before, after, tmp_path / "plain", method="blend", device="cpu", allow_loss=True
    )
    assert read_picture(plain).shape == (48, 64, 3)
