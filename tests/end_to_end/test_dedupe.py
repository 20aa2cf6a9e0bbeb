"""Runs over animation on twos and threes, captures with repeated frames, and pictures that stand still."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe import interpolate_video
from midframe.api import plan_video
from midframe.cli.app import app
from midframe.video import EncodeOptions, VideoReader, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
LOSSY = Recipe(options={"crf": "22", "preset": "veryfast", "g": "9"})
ROUNDING_LEVELS = 2


def brighter(drawings: int, length: int, step: int = 12) -> list[np.ndarray]:
    """Drawings that grow brighter, each `length` frames long."""
    return [np.full((48, 64, 3), 16 + step * (k // length), np.uint8) for k in range(drawings * length)]


def levels(path: Path) -> list[float]:
    return [float(frame.pixels.mean()) for frame in VideoReader(probe(path))]


@pytest.mark.parametrize("wish", [{"multi": 2}, {"fps": 60}, {"slow": 2}], ids=str)
@pytest.mark.parametrize("length", [2, 3])
def test_held_stretches_become_motion_and_all_times_stay(tmp_path: Path, length: int, wish: dict[str, int]) -> None:
    source = make_clip(tmp_path / "in.mp4", brighter(6, length))
    plain, smooth = tmp_path / "plain.mp4", tmp_path / "smooth.mp4"
    without = interpolate_video(source, plain, method=Blend(), cuts="off", encode=LOSSLESS, **wish)
    result = interpolate_video(source, smooth, method=Blend(), dedupe=True, cuts="off", encode=LOSSLESS, **wish)
    assert packet_times(smooth, "video") == packet_times(plain, "video")
    assert result.duration == without.duration
    assert result.frames_out == without.frames_out
    assert (result.frames_in, result.copies) == (6 * length, 6 * (length - 1))
    slower = wish.get("slow", 1)
    for frame in VideoReader(probe(smooth)):
        place = min(frame.time / slower * 24 / length, 5)  # in drawings; the last one is held
        assert float(frame.pixels.mean()) == pytest.approx(16 + 12 * float(place), abs=ROUNDING_LEVELS)


def test_the_drawings_themselves_stay_as_they_are(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "in.mp4", [p for p in textures(6) for _ in range(2)], Recipe(pixel_format="yuv444p")
    )
    interpolate_video(source, tmp_path / "out.mp4", method=Blend(), dedupe=True, encode=LOSSLESS)
    before = [frame.pixels for frame in VideoReader(probe(source))]
    after = [frame.pixels.astype(int) for frame in VideoReader(probe(tmp_path / "out.mp4"))]
    for k in range(0, 12, 2):
        assert np.abs(after[2 * k] - before[k]).max() <= ROUNDING_LEVELS


def test_animation_on_twos_is_found_through_lossy_compression(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", [picture for picture in textures(16) for _ in range(2)], LOSSY)
    result = interpolate_video(source, tmp_path / "out.mp4", method=Blend(), dedupe=True)
    assert result.copies == 16
    assert any("mostly a new drawing every 2 frames" in note for note in result.notes)


def test_a_picture_that_stands_still_for_long_still_does(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", brighter(2, 2) + brighter(1, 20) + brighter(3, 2))
    plain = interpolate_video(source, tmp_path / "a.mp4", method=Blend(), encode=LOSSLESS, cuts="off")
    result = interpolate_video(source, tmp_path / "b.mp4", method=Blend(), dedupe=True, encode=LOSSLESS, cuts="off")
    # Frames 4 to 25 are one picture (the hold and the drawing after it): nothing moves until frame 26 is due.
    shown = levels(tmp_path / "b.mp4")
    assert max(abs(a - b) for a, b in pairwise(shown[8:51])) == 0
    assert shown[51] - shown[50] == pytest.approx(6, abs=1)
    assert result.frames_out == plain.frames_out
    assert result.copies == 4  # one of each pair


def test_a_static_scene_is_not_touched(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", textures(1) * 30, LOSSY)
    plain = interpolate_video(source, tmp_path / "a.mp4", method=Blend(), encode=LOSSLESS)
    result = interpolate_video(source, tmp_path / "b.mp4", method=Blend(), dedupe=True, encode=LOSSLESS)
    assert (result.copies, result.frames_out) == (0, plain.frames_out)
    pairs = zip(*(VideoReader(probe(tmp_path / name)) for name in ("a.mp4", "b.mp4")), strict=True)
    assert max(np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in pairs) < ROUNDING_LEVELS


def test_a_cut_between_repeated_drawings_is_held(tmp_path: Path) -> None:
    pictures = [p for p in [*textures(5, seed=1), *textures(5, seed=2, brightness=90)] for _ in range(2)]
    source = make_clip(tmp_path / "in.mp4", pictures)
    result = interpolate_video(source, tmp_path / "out.mp4", method=Blend(), dedupe=True, encode=LOSSLESS)
    assert result.cut_times == (Fraction(10, 24),)
    assert result.held_at_cuts == 3
    (tmp_path / "cuts.txt").write_text("#11\n")  # a copy: the next drawing is meant
    listed = interpolate_video(
        source, tmp_path / "b.mp4", method=Blend(), dedupe=True, cuts=tmp_path / "cuts.txt", encode=LOSSLESS
    )
    assert listed.cut_times == (Fraction(12, 24),)


@pytest.mark.parametrize("length", [2, 3, 10])
def test_a_repeated_scene_opens_half_a_source_frame_early_however_long_its_drawings_stand(
    tmp_path: Path, length: int
) -> None:
    pictures = [p for p in [*textures(4, seed=1), *textures(4, seed=2, brightness=90)] for _ in range(length)]
    source, target = make_clip(tmp_path / "in.mp4", pictures, Recipe(rate=Fraction(25))), tmp_path / "out.mp4"
    result = interpolate_video(
        source, target, method=Blend(), dedupe=True, cut_style="repeat", multi=4, encode=LOSSLESS
    )
    cut = Fraction(4 * length, 25)
    assert result.cut_times == (cut,)
    bright = [frame.time for frame in VideoReader(probe(target)) if frame.pixels.mean() > 120]
    assert bright[0] == cut - Fraction(1, 50)


def test_the_plan_and_the_report_say_what_is_done(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", brighter(6, 2))
    plan = plan_video(source, tmp_path / "out.mp4", method="blend", dedupe=True)
    assert ("repeats", "filled with motion, up to 0.5 s each") in plan.lines()
    assert ("frames", "12 in, 23 out, at most 12 kept") in plan.lines()
    words = ["interpolate", str(source), str(tmp_path / "out.mp4"), "--method", "blend", "--dedupe"]
    done = json.loads(CliRunner().invoke(app, words).stdout.splitlines()[-1])
    assert done["frames_repeated"] == 6
    assert any("6 frames repeat the one before" in note for note in done["notes"])
