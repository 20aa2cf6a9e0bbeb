"""Runs with a method that warps everything, over a picture with a logo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from typer.testing import CliRunner

from blend import Blend
from clips import Recipe, make_clip
from midframe import interpolate_video
from midframe.api import plan_video
from midframe.cli.app import app
from midframe.video import EncodeOptions, VideoReader, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
LOGO = np.s_[8:24, 40:56]
STEP = 8


class Rolling(Blend):
    """Knows the motion of the background, and moves the whole frame along it."""

    def interpolate(self, frames, times, *, generator=None):
        return torch.stack([frames[:, 0].roll(round(STEP * float(time)), -1) for time in times], dim=1)


def pictures(count: int) -> list[np.ndarray]:
    coarse = np.random.default_rng(0).integers(40, 200, (12, 16, 3)).astype(np.uint8)
    texture = np.kron(coarse, np.ones((4, 4, 1), np.uint8))
    frames = [np.roll(texture, STEP * k, axis=1) for k in range(count)]
    for frame in frames:
        frame[LOGO] = 230
        frame[12:20, 44:52] = 30
    return frames


def made(path: Path) -> list[np.ndarray]:
    return [frame.pixels.astype(int) for frame in VideoReader(probe(path))][1::2]


def test_a_logo_stays_whole_in_frames_that_are_warped(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", pictures(5), Recipe(pixel_format="yuv444p"))
    interpolate_video(source, tmp_path / "a.mp4", method=Rolling(), encode=LOSSLESS)
    interpolate_video(source, tmp_path / "b.mp4", method=Rolling(), encode=LOSSLESS, protect_overlays=True)
    logo = pictures(1)[0][LOGO].astype(int)
    warped, whole = made(tmp_path / "a.mp4"), made(tmp_path / "b.mp4")
    assert min(np.abs(frame[LOGO] - logo).mean() for frame in warped) > 40
    assert max(np.abs(frame[LOGO] - logo).mean() for frame in whole) < 4
    for before, after in zip(warped, whole, strict=True):
        assert (np.abs(before - after).max(axis=2) <= 2)[28:].mean() > 0.95


def test_the_plan_says_so_and_the_command_line_does_it(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", pictures(4))
    plan = plan_video(source, tmp_path / "out.mp4", method="blend", protect_overlays=True)
    assert ("overlays", "kept from being warped") in plan.lines()
    words = ["interpolate", str(source), str(tmp_path / "out.mp4"), "--method", "blend", "--protect-overlays"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (tmp_path / "out.mp4").exists()
