"""Runs over scenes: cuts from a list, what is shown before a cut, and transitions that are no cuts."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from blend import Blend
from clips import flat, make_clip, textures
from midframe import interpolate_video
from midframe.api import plan_video
from midframe.cli.app import app
from midframe.core.errors import UsageError, WriteError
from midframe.engine.work_folder import work_folder_of
from midframe.video import EncodeOptions, VideoReader, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mp4", textures(6, seed=1) + textures(6, seed=2, brightness=90))


def levels(path: Path) -> list[float]:
    return [float(frame.pixels.mean()) for frame in VideoReader(probe(path))]


def test_listed_cuts_are_held_where_the_list_says_and_nowhere_else(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "cuts.txt").write_text("#2\n0.375\n")
    result = interpolate_video(
        scenes, tmp_path / "out.mp4", method=Blend(), multi=2, cuts=tmp_path / "cuts.txt", encode=LOSSLESS
    )
    assert result.cut_times == (Fraction(2, 24), Fraction(9, 24))
    assert result.held_at_cuts == 2
    after = [frame.pixels for frame in VideoReader(probe(tmp_path / "out.mp4"))]
    assert (after[3] == after[2]).all()
    assert (after[17] == after[16]).all()
    assert (after[11] != after[10]).any()  # the true cut is not on the list


def test_the_plan_names_the_listed_cuts_and_writes_nothing(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "cuts.txt").write_text("#2\n0.375\n")
    plan = plan_video(scenes, tmp_path / "out.mp4", method="blend", cuts=str(tmp_path / "cuts.txt"))
    assert ("cuts", "2 listed in cuts.txt: frame 2, 0.375 s; the last frame held before each") in plan.lines()
    printed = CliRunner().invoke(
        app, ["plan", str(scenes), "--method", "blend", "--cuts", str(tmp_path / "cuts.txt"), "--cut-style", "repeat"]
    )
    assert "frame 2, 0.375 s; the nearer frame repeated" in " ".join(printed.output.split())


def test_a_list_of_another_video_is_refused_before_any_work(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "cuts.txt").write_text("75.2\n")
    with pytest.raises(UsageError, match=r"cut at 75\.200 s, and the video ends at 0\.500 s"):
        interpolate_video(scenes, tmp_path / "out.mp4", method=Blend(), cuts=tmp_path / "cuts.txt")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(("style", "expected"), [("hold", [0, 0, 0, 0]), ("repeat", [0, 0, 1, 1])])
def test_before_a_cut_the_old_frame_is_held_or_the_nearer_one_repeated(
    scenes: Path, tmp_path: Path, style: str, expected: list[int]
) -> None:
    # Instants 1/5 to 4/5 of the gap before the cut.
    result = interpolate_video(
        scenes, tmp_path / "out.mp4", method=Blend(), multi=5, cut_style=style, encode=LOSSLESS
    )
    before, after = levels(scenes)[5:7]
    shown = levels(tmp_path / "out.mp4")[26:30]
    assert [round((level - before) / (after - before)) for level in shown] == expected
    assert shown == pytest.approx([after if side else before for side in expected], abs=1)
    assert result.held_at_cuts == 4


def test_an_unknown_style_is_refused(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'blend'.*hold, repeat"):
        interpolate_video(scenes, tmp_path / "out.mp4", method=Blend(), cut_style="blend")


def test_a_fade_out_and_in_is_filled_all_the_way(tmp_path: Path) -> None:
    old, new = textures(16, seed=1), textures(16, seed=2, brightness=90)
    fade = [1, 1, 0.8, 0.6, 0.4, 0.2]
    pictures = [(old[k] * share).astype(np.uint8) for k, share in enumerate(fade)]
    pictures += flat(0, 1) + [(new[k] * share).astype(np.uint8) for k, share in enumerate([0.25, 0.5, 0.75, 1, 1])]
    source = make_clip(tmp_path / "in.mp4", pictures)
    result = interpolate_video(source, tmp_path / "out.mp4", method=Blend(), multi=2)
    assert (result.held_at_cuts, result.made) == (0, len(pictures) - 1)


def test_a_run_with_another_list_does_not_go_on_from_the_first(scenes: Path, tmp_path: Path) -> None:
    class Stopping(Blend):
        def interpolate(self, frames, times, *, generator=None):
            if len(self.calls) == 6:
                finished = work_folder_of(tmp_path / "out.mp4")
                while not any(finished.glob("*.segment")):
                    time.sleep(0.01)
                raise RuntimeError("power cut")
            return super().interpolate(frames, times)

    listed = tmp_path / "cuts.txt"
    listed.write_text("#3\n")
    with pytest.raises(RuntimeError, match="power cut"):
        interpolate_video(scenes, tmp_path / "out.mp4", method=Stopping(), cuts=listed)
    listed.write_text("#5\n")
    with pytest.raises(WriteError, match="cuts"):
        interpolate_video(scenes, tmp_path / "out.mp4", method=Blend(), cuts=listed)
