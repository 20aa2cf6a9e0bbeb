"""LPIPS and FloLPIPS against the published package, on random weights in the published files' names.

The values below were printed by `published_lpips.py` with lpips 0.1.4.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from random_backbones import (
    colour_flow,
    random_heads,
    random_picture,
    random_state,
    shifted_pair,
)
from safetensors.torch import save_file

from midframe.core.errors import ShapeError, WeightsError
from midframe.metrics.flolpips import flolpips
from midframe.metrics.lpips import PerceptualNetwork, lpips
from midframe.metrics.suite import Sample, SetMetric, build_metrics

PUBLISHED = {
    ("alex", 64, 64): 0.13619356,
    ("alex", 75, 98): 0.13650511,
    ("vgg", 64, 64): 0.10888131,
    ("vgg", 75, 98): 0.10742255,
    ("squeeze", 64, 64): 0.14375952,
    ("squeeze", 75, 98): 0.12951811,
}
PUBLISHED_FLOLPIPS = 0.21917780
FLOAT32_TOLERANCE = 1e-6  # Both sides convolve in float32, in another order of sums.
BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}


def write_files(folder: Path, variant: str) -> dict[str, Path]:
    """A classifier's whole file, its last layers too, and the heads."""
    files = {BACKBONES[variant]: folder / "trunk.pth", f"heads_{variant}": folder / "heads.pth"}
    torch.save(random_state(variant) | {"classifier.1.weight": torch.zeros(10, 4)}, files[BACKBONES[variant]])
    torch.save(random_heads(variant), files[f"heads_{variant}"])
    return files


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PerceptualNetwork]:
    return {
        variant: PerceptualNetwork.load(
            variant, write_files(tmp_path_factory.mktemp(variant), variant), torch.device("cpu")
        )
        for variant in BACKBONES
    }


def flolpips_sample() -> Sample:
    prediction, target = shifted_pair(5, 75, 98)
    return Sample(prediction, target, random_picture(6, 75, 98), random_picture(7, 75, 98))


@pytest.mark.parametrize(("variant", "height", "width"), PUBLISHED)
def test_lpips_is_what_the_published_package_says(
    networks: dict[str, PerceptualNetwork], variant: str, height: int, width: int
):
    prediction, target = shifted_pair(5, height, width)
    expected = PUBLISHED[variant, height, width]
    assert lpips(networks[variant], prediction, target) == pytest.approx(expected, abs=FLOAT32_TOLERANCE)


@pytest.mark.parametrize("variant", BACKBONES)
def test_lpips_of_equal_frames_is_zero(networks: dict[str, PerceptualNetwork], variant: str):
    picture = random_picture(3, 64, 64)
    assert lpips(networks[variant], picture, picture) == 0


def test_flolpips_is_what_the_published_formula_says(networks: dict[str, PerceptualNetwork]):
    score = flolpips(networks["alex"], flolpips_sample(), colour_flow)
    assert score == pytest.approx(PUBLISHED_FLOLPIPS, abs=FLOAT32_TOLERANCE)


def test_flolpips_is_lpips_where_no_flow_differs(networks: dict[str, PerceptualNetwork]):
    sample = flolpips_sample()

    def still(source: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
        return torch.zeros(2, *source.shape[-2:])

    expected = lpips(networks["alex"], sample.prediction, sample.target)
    assert expected > 0.1
    assert flolpips(networks["alex"], sample, still) == pytest.approx(expected, abs=FLOAT32_TOLERANCE)


def test_flolpips_counts_only_where_the_prediction_moves_wrongly(networks: dict[str, PerceptualNetwork]):
    """The frames differ in their upper half; the flows differ in one half at a time."""
    sample = flolpips_sample()

    def wrong_in(rows: slice):
        def flow(source: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
            field = torch.zeros(2, *source.shape[-2:])
            field[0, rows] = float(source is sample.prediction)
            return field

        return flow

    upper = flolpips(networks["alex"], sample, wrong_in(slice(0, 30)))
    lower = flolpips(networks["alex"], sample, wrong_in(slice(60, 75)))
    assert upper > 3 * lower


def test_the_suite_reads_files_and_measures_motion(tmp_path: Path):
    pytest.importorskip("cv2")
    sample = flolpips_sample()
    files = write_files(tmp_path, "alex")
    distance, weighted = build_metrics(["lpips_alex", "flolpips"], files)
    assert not isinstance(distance, SetMetric)
    assert not isinstance(weighted, SetMetric)
    assert (distance.name, weighted.name) == ("lpips_alex", "flolpips")
    assert distance(sample) == pytest.approx(PUBLISHED["alex", 75, 98], abs=FLOAT32_TOLERANCE)
    assert math.isfinite(weighted(sample))
    assert weighted(Sample(sample.target, sample.target, sample.before, sample.after)) == 0


def test_safetensors_load_as_well(tmp_path: Path, networks: dict[str, PerceptualNetwork]):
    files = {"squeezenet1_1": tmp_path / "trunk.safetensors", "heads_squeeze": tmp_path / "heads.safetensors"}
    save_file(random_state("squeeze"), files["squeezenet1_1"])
    save_file(random_heads("squeeze"), files["heads_squeeze"])
    network = PerceptualNetwork.load("squeeze", files, torch.device("cpu"))
    pair = shifted_pair(5, 64, 64)
    assert lpips(network, *pair) == lpips(networks["squeeze"], *pair)


def test_refuses_the_weights_of_another_network(tmp_path: Path):
    files = write_files(tmp_path, "alex")
    torch.save(random_state("squeeze"), files["alexnet"])
    with pytest.raises(
        WeightsError, match=r"another network: 57 of them do not fit, the first is features\.0\.weight"
    ):
        build_metrics(["lpips_alex"], files)


def test_refuses_the_heads_of_another_network(tmp_path: Path):
    files = write_files(tmp_path, "alex")
    torch.save(random_heads("squeeze"), files["heads_alex"])
    with pytest.raises(WeightsError, match="no LPIPS heads of this network"):
        build_metrics(["lpips_alex"], files)


@pytest.mark.parametrize("content", [b"", b"hello world", b"not weights", b"<!DOCTYPE html><html></html>"])
def test_refuses_a_file_of_something_else_in_one_line(tmp_path: Path, content: bytes):
    files = write_files(tmp_path, "alex")
    files["alexnet"].write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot be read as a checkpoint of plain tensors \(\w+\)\.$") as refused:
        build_metrics(["lpips_alex"], files)
    assert "\n" not in str(refused.value)


def test_refuses_frames_too_small_for_the_network(networks: dict[str, PerceptualNetwork]):
    small = random_picture(3, 30, 64)
    with pytest.raises(ShapeError, match=r"at least 31x31 pixels; got \(30, 64\)"):
        lpips(networks["alex"], small, small)


@pytest.mark.parametrize(("variant", "smallest"), [("alex", 31), ("vgg", 16), ("squeeze", 31)])
def test_the_smallest_frames_have_a_score(networks: dict[str, PerceptualNetwork], variant: str, smallest: int):
    one, other = random_picture(3, smallest, smallest), random_picture(4, smallest, smallest)
    assert lpips(networks[variant], one, other) > 0
