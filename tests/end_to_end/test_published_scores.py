"""The blend of the neighbours scores as in another harness: that proves reader and metrics together."""

import json
from pathlib import Path

import pytest

from midframe.evaluation import evaluate
from midframe.methods.baseline import BlendInterpolator

PSNR_DIGITS, SSIM_DIGITS, IE_DIGITS = 2, 4, 2
CLIP_PSNR_TOLERANCE = 0.05  # decoders differ in how they enlarge chroma

slow = pytest.mark.slow


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "targets", "psnr", "ssim", "ssim_3d", "ie"),
    [
        ("middlebury", 12, 28.01, 0.7989, 0.8793, 5.74),
        pytest.param("ucf101", 379, 33.13, 0.9233, 0.9518, 3.56, marks=slow),
        pytest.param("davis", 50, 20.81, 0.5001, None, 15.19, marks=slow),
    ],
)
def test_blend_scores_on_images_as_elsewhere_to_the_last_digit(
    shared: Path,
    tmp_path: Path,
    name: str,
    targets: int,
    psnr: float,
    ssim: float,
    ssim_3d: float | None,
    ie: float,
):
    scores = evaluate(BlendInterpolator(), shared / f"eval/lists/{name}.tsv", shared / "eval", tmp_path)
    assert scores.targets == targets
    assert round(scores.psnr, PSNR_DIGITS) == psnr
    assert round(scores.ssim, SSIM_DIGITS) == ssim
    assert ssim_3d is None or round(scores.ssim_3d, SSIM_DIGITS) == ssim_3d
    assert round(scores.ie, IE_DIGITS) == ie


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "targets", "psnr"),
    [
        ("clips-extreme", 12, 20.25),
        pytest.param("clips-medium", 24, 24.77, marks=slow),
        pytest.param("clips-hard", 18, 22.10, marks=slow),
    ],
)
def test_blend_scores_on_clips_as_elsewhere(shared: Path, tmp_path: Path, name: str, targets: int, psnr: float):
    scores = evaluate(BlendInterpolator(), shared / f"eval/lists/{name}.tsv", shared / "eval", tmp_path)
    assert scores.targets == targets
    assert scores.psnr == pytest.approx(psnr, abs=CLIP_PSNR_TOLERANCE)


# What one machine computed from these predictions, with all its digits; every other has to agree.
ON_ANOTHER_MACHINE = {
    "psnr": 28.00955841672598,
    "ssim": 0.79890029834406,
    "ssim_3d": 0.8793310341515159,
    "ie": 5.73570343197114,
    "sqd": 1.2889427218739151,
}


@pytest.mark.data
def test_predictions_score_the_same_on_every_machine(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    backbones = tmp_path / "cache" / "backbones"
    backbones.mkdir(parents=True)
    (backbones / "squeezenet1.1-fp16.onnx").symlink_to(shared / "features/squeezenet1.1-fp16.onnx")
    monkeypatch.setenv("MIDFRAME_CACHE", str(tmp_path / "cache"))
    names = tuple(ON_ANOTHER_MACHINE)
    root = shared / "eval"
    evaluate(BlendInterpolator(), root / "lists/middlebury.tsv", root, tmp_path / "scores", metrics=names)
    found = json.loads((tmp_path / "scores/scores.json").read_text())
    assert {name: found[name] for name in names} == pytest.approx(ON_ANOTHER_MACHINE, abs=1e-4)
