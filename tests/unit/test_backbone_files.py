"""Where the networks of perceptual metrics are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from midframe.core.errors import UnknownNameError, WeightsError
from midframe.metrics.backbone_files import BACKBONES, cache_folder, find_backbone
from midframe.metrics.suite import build_metrics


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFRAME_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "backbones"
    folder.mkdir(parents=True)
    return folder


def test_a_named_file_goes_before_the_cache(cache: Path, tmp_path: Path):
    named, cached = tmp_path / "mine.pth", cache / BACKBONES["alexnet"].file
    named.touch()
    cached.touch()
    assert find_backbone("alexnet", named) == named
    assert find_backbone("alexnet") == cached


def test_the_cache_is_in_the_home_folder_unless_stated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("MIDFRAME_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "midframe" / "backbones"


@pytest.mark.parametrize("name", BACKBONES)
def test_a_missing_file_is_answered_with_what_to_fetch_and_where_to_put_it(cache: Path, name: str):
    published = BACKBONES[name]
    with pytest.raises(WeightsError) as caught:
        find_backbone(name)
    message = str(caught.value)
    assert f"fetch {published.file} from {published.source}" in message
    assert f"put it at {cache / published.file}" in message


def test_a_named_file_that_is_missing_is_named(cache: Path, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"The backbone 'vgg16' is not at .*mine\.pth"):
        find_backbone("vgg16", tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("metric", "missing"),
    [
        ("sqd", "squeezenet_onnx"),
        ("lpips_alex", "alexnet"),
        ("lpips_vgg", "vgg16"),
        ("lpips_squeeze", "squeezenet1_1"),
        ("flosqd", "squeezenet_onnx"),
        ("flolpips", "alexnet"),
        ("fid", "inception"),
        ("fvd", "i3d"),
    ],
)
def test_each_metric_asks_for_its_own_backbone(cache: Path, metric: str, missing: str):
    with pytest.raises(WeightsError, match=f"The backbone '{missing}' is not at"):
        build_metrics([metric])


def test_an_unknown_backbone_is_answered_with_the_nearest(cache: Path, tmp_path: Path):
    with pytest.raises(UnknownNameError, match=r"no backbone 'alexnot'\. Did you mean 'alexnet'"):
        build_metrics(["psnr"], {"alexnot": tmp_path / "a.pth"})
    with pytest.raises(UnknownNameError, match=r"no backbone 'alexnot'"):
        find_backbone("alexnot")
