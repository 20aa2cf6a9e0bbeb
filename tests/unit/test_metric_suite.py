"""Metrics by name."""

from __future__ import annotations

import pytest
import torch

from midframe.core.errors import UnknownNameError
from midframe.metrics import interpolation_error, psnr, ssim, ssim_3d, ssim_luma
from midframe.metrics.suite import DEFAULT, Sample, SetMetric, build_metrics

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
