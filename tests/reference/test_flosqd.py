"""FloSqD: what it weighs SqD by, on answers that are known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from random_backbones import random_picture, random_state, shifted_pair

from midframe.core.errors import UsageError
from midframe.metrics.flow_weighted import LumaSearch, flow_weighted
from midframe.metrics.sqd import flosqd, squeeze_distance
from midframe.metrics.suite import Sample, build_metrics
from midframe.nn.backbone_weights import load_trunk
from midframe.nn.backbones import Trunk, squeezenet

Flow = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SIDE, SQUARE, STEP = 96, 24, 6
TOP, LEFT, RIGHT = 36, 16, 64
"""Of a square that moves along x, at the wanted instant, and of a still one, whole pixels of every slice away."""


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    return load_trunk(squeezenet(partial_windows=False), random_state("squeeze"), Path("random"))


def pair_sample() -> Sample:
    prediction, target = shifted_pair(5, 48, 64)
    return Sample(prediction, target, random_picture(6, 48, 64), random_picture(7, 48, 64))


def wrong_by(sample: Sample, before: torch.Tensor, after: torch.Tensor) -> Flow:
    """A flow that errs in the prediction alone, by given displacements to either input."""

    def flow(source: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
        field = torch.full((2, *source.shape[-2:]), 7.0)
        if source is sample.prediction:
            field += before if destination is sample.before else after
        return field

    return flow


def column(number: int, x: float, y: float) -> torch.Tensor:
    field = torch.zeros(2, 48, 64)
    field[:, :, number] = torch.tensor([x, y])[:, None]
    return field


def test_each_pixel_counts_by_the_length_of_its_flow_error():
    """A distance that is its column's number, in a slice as large as the picture."""
    sample = pair_sample()

    def maps(prediction: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
        return [torch.arange(64.0).expand(48, 64)]

    def score(before: torch.Tensor, after: torch.Tensor) -> float:
        return flow_weighted(maps, sample, wrong_by(sample, before, after), "any")

    assert score(column(10, 3, -4), column(10, 0.1, 0)) == pytest.approx(10)
    # Lengths 5 and 10 in one picture: a third and two thirds. The other input has columns 30 alone; then their mean.
    both = column(10, 3, 4) + column(40, -6, 8)
    assert score(both, column(30, 1, 1)) == pytest.approx(((10 + 2 * 40) / 3 + 30) / 2)


@pytest.mark.parametrize("size", [0.0, 2.5])
def test_it_is_sqd_where_the_flow_is_equally_wrong_everywhere(trunk: Trunk, size: float):
    sample = pair_sample()
    alike = torch.full((2, 48, 64), size)
    expected = squeeze_distance(trunk, sample.prediction, sample.target)
    assert expected > 0.1
    assert flosqd(trunk, sample, wrong_by(sample, alike, -3 * alike)) == pytest.approx(expected)


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Before, target and after: of two equal squares on a still ground the left one moves by `STEP` a frame."""
    return drawn(LEFT - STEP), drawn(LEFT), drawn(LEFT + STEP)


def drawn(left: int) -> torch.Tensor:
    frame = smooth(SIDE, SIDE + 16, contrast=80, seed=4)
    for start in (left, RIGHT):
        frame[:, TOP : TOP + SQUARE, start : start + SQUARE] = smooth(SQUARE, SQUARE, contrast=255, seed=3)
    return frame


def smooth(height: int, width: int, contrast: float, seed: int) -> torch.Tensor:
    """Detail of four pixels and more: a ground without any would move with what lies on it."""
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed)) - 0.5
    return (functional.interpolate(coarse, (height, width), mode="bilinear")[0] * contrast + 128).to(torch.uint8)


def damaged(frame: torch.Tensor, left: int) -> torch.Tensor:
    """The square that begins there without its contrast: the same loss wherever it is."""
    damaged = frame.clone()
    place = damaged[:, TOP : TOP + SQUARE, left : left + SQUARE]
    place.copy_((place.float() * 0.4 + 77).to(torch.uint8))
    return damaged


def test_the_same_damage_weighs_more_where_the_motion_is_wrong(trunk: Trunk):
    before, target, after = scene()
    wrong = torch.zeros(2, *target.shape[-2:])
    wrong[0, TOP : TOP + SQUARE, LEFT : LEFT + SQUARE] = 3
    moving, still = (Sample(damaged(target, left), target, before, after) for left in (LEFT, RIGHT))
    plain = [squeeze_distance(trunk, sample.prediction, target) for sample in (moving, still)]
    assert plain[0] == pytest.approx(plain[1], rel=0.1)
    weighted = [flosqd(trunk, sample, wrong_by(sample, wrong, wrong)) for sample in (moving, still)]
    assert weighted[0] > 2 * plain[0]
    assert weighted[1] < 0.5 * plain[1]


def test_the_search_finds_the_square_that_moves_wrongly(trunk: Trunk):
    pytest.importorskip("cv2")
    before, target, after = scene()
    sample = Sample(drawn(LEFT - 3), target, before, after)
    inside = torch.zeros(target.shape[-2:])
    inside[TOP - 8 : TOP + SQUARE + 8, LEFT - 8 : LEFT + SQUARE + 8] = 1
    share = flow_weighted(lambda prediction, target: [inside], sample, LumaSearch(), "any")
    assert inside.mean() < 0.2
    assert share > 0.7
    # Less contrast in the still square moves nothing: what it costs nearly vanishes.
    both = Sample(damaged(sample.prediction, RIGHT), target, before, after)
    plain = [squeeze_distance(trunk, one.prediction, target) for one in (sample, both)]
    weighted = [flosqd(trunk, one, LumaSearch()) for one in (sample, both)]
    assert plain[1] > 3 * plain[0]
    assert weighted[1] < 1.3 * weighted[0]


def test_a_perfect_frame_scores_zero(trunk: Trunk):
    pytest.importorskip("cv2")
    before, target, after = scene()
    assert flosqd(trunk, Sample(target, target, before, after), LumaSearch()) == 0


def test_it_says_which_input_is_missing(trunk: Trunk):
    sample = pair_sample()

    def unused(source: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    with pytest.raises(
        UsageError, match=r"'flosqd' compares a frame with both inputs.* none before and none after it"
    ):
        flosqd(trunk, Sample(sample.prediction, sample.target), unused)
    with pytest.raises(UsageError, match="this sample has none after it"):
        flosqd(trunk, Sample(sample.prediction, sample.target, sample.before), unused)


@pytest.mark.data
def test_the_suite_reads_the_file_and_measures_motion(shared: Path):
    pytest.importorskip("onnx")
    pytest.importorskip("cv2")
    files = {"squeezenet_onnx": shared / "features" / "squeezenet1.1-fp16.onnx"}
    plain, weighted = build_metrics(["sqd", "flosqd"], files)
    assert (weighted.name, weighted.higher_is_better) == ("flosqd", False)
    before, target, after = scene()
    sample = Sample(drawn(LEFT - 3), target, before, after)
    # The still half of the picture, which is right, counts in SqD and not here.
    assert weighted(sample) > 1.5 * plain(sample) > 0
