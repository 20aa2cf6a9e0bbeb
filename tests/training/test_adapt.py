"""Fine-tuning on one video: what is kept apart, what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from midframe import api
from midframe.core.errors import UsageError, WriteError
from midframe.core.task import Adaptation, LossTerms
from midframe.data.bank import MOTION_CELL, Run, Source, open_bank, write_index
from midframe.data.holdout import SEGMENT_PERIOD, hold_out_frames, hold_out_segments
from midframe.data.synthetic import SceneStyle, render_scene
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.weights_file import save_network as save_mivid
from midframe.methods.rife.weights_file import build_network, load_network, save_network
from midframe.training import adapt as adapting
from midframe.video.clip import write_clip
from small_matching import SMALL_MATCHING
from small_mivid import SMALL_MIVID

RATE = Fraction(24)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds and a half of a moving scene at 96x80."""
    path = tmp_path_factory.mktemp("video") / "scene.mp4"
    count = 120
    # Back and forth over one path, so that the scene does not run out.
    times = [Fraction(abs((index % 24) - 12), 12) for index in range(count)]
    frames = render_scene(3, (80, 96), times, SceneStyle(motion_pixels=30.0))
    pixels = (frames.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    write_clip(path, ((frame, index / RATE) for index, frame in enumerate(pixels)), count / RATE, RATE)
    return path


def rife_weights(path: Path) -> Path:
    torch.manual_seed(0)
    save_network(SMALL_MATCHING, build_network(SMALL_MATCHING).state_dict(), path, torch.float16)
    return path


def bank_of(folder: Path, length: int) -> Path:
    folder.mkdir()
    np.save(folder / "video.npy", np.zeros((length, 64, 64, 3), np.uint8))
    np.save(folder / "video.motion.npy", np.ones((length, 64 // MOTION_CELL, 64 // MOTION_CELL), np.float16))
    write_index(folder, Source(("video",), 64, length), [Run("video", 0, length, "video", 1.0)])
    return folder


def frames_of(runs: list[Run]) -> set[int]:
    return {frame for run in runs for frame in range(run.first, run.first + run.length)}


def test_frames_kept_apart_are_in_no_training_run(tmp_path: Path):
    bank = bank_of(tmp_path / "bank", 60)
    held = hold_out_frames(bank)
    targets = {one.first + 1 for one in held}
    assert targets == {4, 13, 22, 31, 40, 49, 58}
    trained = frames_of(open_bank(bank))
    assert not targets & trained
    assert trained | targets == set(range(60)) - {59}  # One frame behind the last is too short a run.


def test_segments_kept_apart_are_in_no_training_run(tmp_path: Path):
    bank = bank_of(tmp_path / "bank", 4 * SEGMENT_PERIOD + 5)
    held = hold_out_segments(bank)
    apart = {frame for one in held for frame in range(one.first, one.first + one.length)}
    assert len(held) == 4
    assert len(apart) == 36
    assert not apart & frames_of(open_bank(bank))


def test_a_short_video_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="30 usable frames in 1 scenes are too few to adapt to"):
        hold_out_frames(bank_of(tmp_path / "a", 30))
    with pytest.raises(UsageError, match="too few"):
        hold_out_segments(bank_of(tmp_path / "b", 90))


def test_rife_adapts_to_a_video(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapting, "FEWEST_STEPS", 40)  # as many on a busy machine
    given, target = rife_weights(tmp_path / "given.safetensors"), tmp_path / "adapted.safetensors"
    lines: list[str] = []
    result = api.adapt(video, target, weights=given, minutes=0.1, report=lines.append)
    assert result.path == target
    assert result.judged >= 2
    assert result.adapted == (result.adapted_psnr >= result.given_psnr + adapting.LEAST_GAIN)
    # An untrained network has all to learn from any video: a few steps measure better.
    assert result.adapted
    before, after = (load_network(path).state_dict() for path in (given, target))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert f"{result.given_psnr:.2f} dB" in str(result)
    assert "120 frames in 1 scenes" in lines[0] or "frames in" in lines[0]


def test_mivid_adapts_to_a_video(video: Path, tmp_path: Path):
    torch.manual_seed(0)
    given = tmp_path / "given.safetensors"
    save_mivid(SMALL_MIVID, MaskedVideoNetwork(SMALL_MIVID).state_dict(), given, torch.float16)
    result = api.adapt(video, tmp_path / "adapted.safetensors", method="mivid", weights=given, minutes=0.05)
    assert result.judged == 2
    assert api.load("mivid", weights=result.path, device="cpu").spec.name == "mivid"


class _Number(torch.nn.Module):
    """Predicts one grey for every pixel."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(level))


class _GreyTask:
    """Learns the grey of the training batches, whatever the held ones show."""

    def __init__(self, level: float) -> None:
        self.network = _Number(level)

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        return {"grey": self.network}

    def losses(self, batch, step: int) -> Mapping[str, LossTerms]:
        return {"grey": LossTerms({"absolute": (self.network.level - batch["target"].float().mean() / 255).abs()})}

    def predict(self, batch) -> torch.Tensor:
        return self.network.level.clamp(0, 1).expand_as(batch["target"])

    def description(self) -> Mapping[str, str]:
        return {"method": "grey"}


def grey(level: float) -> dict[str, torch.Tensor]:
    picture = torch.full((1, 3, 4, 4), level * 255).byte()
    return {"before": picture, "target": picture, "after": picture}


def adapt_grey(target: Path, *, trained: float, held: float):
    """Begin at 0.5, train towards one grey, measure on another."""
    written: list[float] = []

    def export(weights, path: Path) -> None:
        written.append(float(weights["grey"]["level"]))
        path.write_text("weights")

    adaptation = Adaptation(
        task=_GreyTask(0.5),
        batches=[grey(trained)] * 100_000,
        held=[grey(held)] * 4,
        learning_rate=1e-2,
        export=export,
    )
    result = adapting._adapt(adaptation, target, 3.0, torch.device("cpu"), lambda line: None)
    return result, written[0]


def test_weights_that_measure_better_are_kept(tmp_path: Path):
    result, written = adapt_grey(tmp_path / "w.safetensors", trained=0.8, held=0.8)
    assert result.adapted
    assert written == pytest.approx(0.8, abs=0.1)
    assert result.adapted_psnr > result.given_psnr + 5
    assert "kept the adapted weights" in str(result)


def test_weights_that_measure_worse_are_not_kept_and_training_stops_early(tmp_path: Path):
    result, written = adapt_grey(tmp_path / "w.safetensors", trained=0.9, held=0.4)
    assert not result.adapted
    assert result.stopped_early
    assert written == pytest.approx(0.5)
    assert result.adapted_psnr < result.given_psnr
    assert "kept the given weights" in str(result)


def test_what_cannot_be_adapted_is_refused(video: Path, tmp_path: Path):
    given = rife_weights(tmp_path / "given.safetensors")
    with pytest.raises(UsageError, match="'blend' does not adapt to a video; these do: rife, mivid"):
        api.adapt(video, tmp_path / "out.safetensors", method="blend")
    with pytest.raises(UsageError, match=r"written as \.safetensors; got 'out\.pkl'"):
        api.adapt(video, tmp_path / "out.pkl", weights=given)
    with pytest.raises(UsageError, match="minutes must be positive"):
        api.adapt(video, tmp_path / "out.safetensors", weights=given, minutes=0.0)
    with pytest.raises(WriteError, match="exists already"):
        api.adapt(video, given, weights=given)
