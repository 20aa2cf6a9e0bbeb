"""`midframe check`, from a clip to its table and files."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from clips import HEIGHT, WIDTH, Recipe, flat, make_clip, textures
from midframe import api
from midframe.cli.check import check
from midframe.core.errors import MediaError, UnknownNameError, UsageError, WriteError
from midframe.core.method import MethodSpec
from midframe.evaluation.check import HIGHEST_PSNR, Candidate, check_clip
from midframe.evaluation.check_files import worst_spot
from midframe.methods.baseline import BlendInterpolator, NearestInterpolator

app = typer.Typer()
app.command()(check)
CPU = torch.device("cpu")


class Mover:
    """Moves the first frame by what a texture of step 2 moves in one frame: the truth itself."""

    spec = MethodSpec(name="mover")

    def interpolate(self, frames, times, *, generator=None):
        assert times == [Fraction(1, 2)]
        return frames[:, :1].roll(2, dims=-1)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def clip(tmp_path):
    """Two scenes of moving texture, without loss."""
    pictures = textures(8, seed=1) + textures(7, seed=2, brightness=90)
    recipe = Recipe(rate=Fraction(25), codec="libx264rgb", pixel_format="rgb24")
    return make_clip(tmp_path / "clip.mkv", pictures, recipe)


def test_a_method_that_tells_the_truth_is_found_and_recommended(clip):
    candidates = [
        Candidate("nearest", NearestInterpolator(), CPU),
        Candidate("truth", Mover(), CPU),
        Candidate("blend", BlendInterpolator(), CPU),
    ]
    result = check_clip(clip, candidates)
    assert result.survey.scenes == 2
    assert [remade.target.frames.target.index for remade in result.remade] == [1, 3, 5, 9, 11, 13]
    for remade in result.remade:
        assert remade.remakes["truth"].psnr == HIGHEST_PSNR
        assert remade.remakes["truth"].ssim == 1
        assert remade.remakes["nearest"].psnr < remade.remakes["blend"].psnr < HIGHEST_PSNR
        assert remade.motion_pixels == pytest.approx(4, abs=0.5)


def test_a_part_of_the_clip_is_tested_alone(clip):
    result = check_clip(clip, [Candidate("blend", BlendInterpolator(), CPU)], span=(Fraction(9, 25), Fraction(1)))
    assert [remade.target.frames.target.index for remade in result.remade] == [10, 12]
    assert result.survey.scenes == 1


def test_prints_tables_and_writes_numbers_and_the_worst_case(clip, tmp_path):
    out = tmp_path / "out"
    result = run(clip, "--methods", "blend,nearest", "--out", out, "--max", 4)
    assert result.exit_code == 0
    assert "Recommended: blend." in result.stdout
    assert "each gap was twice as wide as those of the clip" in result.stdout
    written = json.loads((out / "check.json").read_text())
    assert (written["frames_tested"], written["frames_that_could_be_tested"], written["scenes"]) == (4, 6, 2)
    assert written["recommended"]["name"] == "blend"
    assert [group["targets"] for group in written["by_scene"]] == [2, 2]
    scores = [target["candidates"]["blend"]["psnr"] for target in written["targets"]]
    by_name = {row["name"]: row for row in written["candidates"]}
    assert by_name["blend"]["psnr"] == pytest.approx(np.mean(scores))
    with Image.open(out / "worst.png") as strip:  # before, truth, two candidates, after
        assert strip.width == 5 * WIDTH + 4 * 4
        assert strip.height > 2 * HEIGHT


def test_every_scale_is_tried_for_methods_with_a_network_alone(clip, monkeypatch):
    asked = []

    def load(name, **options):
        asked.append((name, options["scale"]))
        return BlendInterpolator()

    monkeypatch.setattr(api, "load", load)
    result = run(clip, "--methods", "rife,blend", "--scales", "auto,0.5", "--max", 1)
    assert asked == [("rife", "auto"), ("rife", "0.5"), ("blend", "auto")]
    assert "rife at 0.5" in result.stdout


def test_refuses_what_it_cannot_test(clip, tmp_path):
    with pytest.raises(UnknownNameError, match="no method 'blint'"):
        run(clip, "--methods", "blint")
    with pytest.raises(UsageError, match="The method 'blend' is named 2 times"):
        run(clip, "--methods", "blend,blend")
    with pytest.raises(UsageError, match=r"written as 12.5-14 .* got '3'"):
        run(clip, "--at", "3")
    still = make_clip(tmp_path / "still.mkv", flat(90, 6))
    with pytest.raises(MediaError, match=r"holds no frame to leave out: .* frames: 6, scenes: 1, repeats: 5"):
        run(still, "--methods", "blend")


def test_the_worst_spot_is_where_most_is_wrong():
    truth = np.zeros((100, 200, 3), np.uint8)
    prediction = truth.copy()
    prediction[40:60, 150:170] = 90
    prediction[10, 10] = 255
    row, column = worst_spot(prediction, truth)
    assert abs(row - 50) <= 7 and abs(column - 160) <= 7


def test_shows_the_perceptual_distance_where_its_network_is_in_the_cache(clip, shared, tmp_path, monkeypatch):
    network = shared / "features" / "squeezenet1.1-fp16.onnx"
    monkeypatch.setenv("MIDFRAME_CACHE", str(tmp_path))
    without = run(clip, "--methods", "blend", "--max", 1)
    assert "PSNR" in without.stdout and "SqD" not in without.stdout
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / network.name).symlink_to(network)
    shown = run(clip, "--methods", "blend,nearest", "--max", 2, "--out", tmp_path / "out")
    assert "SqD" in shown.stdout
    rows = {
        row["name"]: row["sqd"] for row in json.loads((tmp_path / "out" / "check.json").read_text())["candidates"]
    }
    assert rows["blend"] > 0 and rows["nearest"] > 0 and rows["blend"] != rows["nearest"]


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(clip, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be made"):
        run(tmp_path / "there is no such clip.mp4", "--methods", "blend", "--out", tmp_path / "file" / "out")
