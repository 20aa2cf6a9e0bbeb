"""FID and FVD with small TorchScript networks, called as the published ones are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from midframe.core.errors import UsageError, WeightsError
from midframe.metrics import distribution
from midframe.metrics.frechet import frechet_distance
from midframe.metrics.suite import Sample, SetMetric, build_metrics


class Colours(nn.Module):
    """Stands in for Inception: takes bytes, and answers with three features only where features are asked for."""

    def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert images.dtype == torch.uint8
        assert return_features
        return images.float().mean(dim=[2, 3])


class Moments(nn.Module):
    """Stands in for I3D: red of the first and the last frame, and the mean of everything, in -1 to 1."""

    def forward(
        self, video: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        assert rescale
        assert resize
        assert return_features
        assert video.shape[1] == 3
        signed = video * 2 / 255 - 1
        first = signed[:, 0, 0].mean(dim=[1, 2])
        last = signed[:, 0, -1].mean(dim=[1, 2])
        return torch.stack([first, last, signed.mean(dim=[1, 2, 3, 4])], dim=1)


def save_script(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network).save(path)
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setattr(distribution, "INCEPTION_FEATURES", 3)
    monkeypatch.setattr(distribution, "I3D_FEATURES", 3)
    return {
        "inception": save_script(Colours(), tmp_path / "inception.pt"),
        "i3d": save_script(Moments(), tmp_path / "i3d.pt"),
    }


def make_clip(seed: int, length: int) -> list[Sample]:
    """Noise; the four frames of every sample have brightnesses of their own."""
    numbers = np.random.RandomState(seed)

    def picture(brightest: int) -> torch.Tensor:
        brightest = numbers.randint(brightest // 2, brightest)
        return torch.from_numpy(numbers.randint(0, brightest, (3, 8, 10)).astype(np.uint8))

    before, after = picture(250), picture(80)
    return [Sample(picture(120), picture(200), before, after) for _ in range(length)]


def set_metric(name: str, files: dict[str, Path]) -> SetMetric:
    [metric] = build_metrics([name], files)
    assert isinstance(metric, SetMetric)
    assert metric.name == name
    assert not metric.higher_is_better
    return metric


def distance(predicted: Sequence[np.ndarray], true: Sequence[np.ndarray]) -> float:
    moments = []
    for values in (np.stack(predicted), np.stack(true)):
        moments += [torch.from_numpy(values.mean(axis=0)), torch.from_numpy(np.cov(values, rowvar=False))]
    return frechet_distance(*moments)


def test_fid_compares_all_predictions_with_all_targets(files: dict[str, Path]):
    metric = set_metric("fid", files)
    clips = [make_clip(seed, length) for seed, length in ((0, 1), (1, 3), (2, 2))]
    for clip in clips:
        metric.update(clip)
    samples = [sample for clip in clips for sample in clip]
    expected = distance(
        [sample.prediction.numpy().mean(axis=(1, 2)) for sample in samples],
        [sample.target.numpy().mean(axis=(1, 2)) for sample in samples],
    )
    assert expected > 1
    assert metric.compute() == pytest.approx(expected, rel=1e-4)


def test_fvd_compares_clips_with_both_inputs_at_their_ends(files: dict[str, Path]):
    metric = set_metric("fvd", files)
    clips = [make_clip(seed, 7) for seed in range(4)]
    for clip in clips:
        metric.update(clip)

    def features(clip: list[Sample], inner: list[torch.Tensor]) -> np.ndarray:
        video = np.stack([frame.numpy() for frame in (clip[0].before, *inner, clip[0].after)]) / 127.5 - 1
        return np.array([video[0, 0].mean(), video[-1, 0].mean(), video.mean()])

    expected = distance(
        [features(clip, [sample.prediction for sample in clip]) for clip in clips],
        [features(clip, [sample.target for sample in clip]) for clip in clips],
    )
    assert expected > 0.01
    assert metric.compute() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["fid", "fvd"])
def test_perfect_predictions_are_at_no_distance(files: dict[str, Path], name: str):
    metric = set_metric(name, files)
    for seed in range(3):
        metric.update([Sample(s.target, s.target, s.before, s.after) for s in make_clip(seed, 7)])
    assert metric.compute() == pytest.approx(0, abs=1e-6)


def test_fvd_refuses_clips_too_short_for_its_network(files: dict[str, Path]):
    with pytest.raises(UsageError, match="at least 9 frames, 7 targets between two inputs; this test set has 3"):
        set_metric("fvd", files).update(make_clip(0, 3))


def test_fvd_refuses_clips_of_two_lengths(files: dict[str, Path]):
    metric = set_metric("fvd", files)
    metric.update(make_clip(0, 7))
    with pytest.raises(UsageError, match="one of 10 frames follows one of 9"):
        metric.update(make_clip(1, 8))


def test_refuses_a_network_that_answers_with_something_else(files: dict[str, Path], tmp_path: Path):
    class Two(nn.Module):
        def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            return images.float().mean(dim=[2, 3])[:, :2]

    metric = set_metric("fid", files | {"inception": save_script(Two(), tmp_path / "two.pt")})
    with pytest.raises(WeightsError, match=r"Inception file answers .* shape \(2, 2\) where \(2, 3\) was expected"):
        metric.update(make_clip(0, 2))


def test_refuses_a_file_that_is_no_torchscript(tmp_path: Path):
    path = tmp_path / "inception.pt"
    path.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match="does not read as a TorchScript network"):
        build_metrics(["fid"], {"inception": path})
