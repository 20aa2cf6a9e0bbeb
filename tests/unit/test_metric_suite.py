"""Metrics by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from midframe.core.errors import UnknownNameError
from midframe.metrics import interpolation_error, psnr, ssim, ssim_3d, ssim_luma
from midframe.metrics.backbone_files import BACKBONES
from midframe.metrics.suite import DEFAULT, NAMES, NOTES, Sample, SetMetric, build_metrics

FUNCTIONS = {"psnr": psnr, "ssim": ssim, "ssim_3d": ssim_3d, "ssim_luma": ssim_luma, "ie": interpolation_error}


def random_sample() -> Sample:
    """Four different frames: a metric that reads the wrong one gives another score."""
    generator = torch.Generator().manual_seed(1)
    return Sample(*(torch.randint(0, 256, (3, 16, 20), generator=generator, dtype=torch.uint8) for _ in range(4)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_frame_metric_scores_the_prediction_against_the_target(name: str):
    sample = random_sample()
    [metric] = build_metrics([name])
    assert not isinstance(metric, SetMetric)
    assert metric.name == name
    assert metric.higher_is_better == (name != "ie")
    assert metric(sample) == FUNCTIONS[name](sample.prediction, sample.target)


def test_metrics_come_in_the_order_of_their_names():
    assert [metric.name for metric in build_metrics(DEFAULT)] == list(DEFAULT)
    assert [metric.name for metric in build_metrics(["ie", "psnr"])] == ["ie", "psnr"]


def test_an_unknown_metric_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no metric 'pnsr'\. Did you mean 'psnr'"):
        build_metrics(["ssim", "pnsr"])


def test_notes_speak_of_metrics_that_exist():
    assert NOTES
    assert NOTES.keys() <= set(NAMES)


def test_the_reference_lists_every_metric_and_every_backbone():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    first_cells = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")]
    assert first_cells == [f"`{name}`" for name in (*NAMES, *BACKBONES)]
    for published in BACKBONES.values():
        assert f"`{published.file}`" in text
