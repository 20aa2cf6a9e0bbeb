"""The shipped small model: what lies between two key frames of scenes that run one way, whose objects are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import midframe
from midframe.cli.app import app
from midframe.core.method import ClipInterpolator
from midframe.data.one_way import numbered_generator, render_one_way
from midframe.metrics.trajectory import distances, track, wrong_way
from midframe.video.picture import read_picture, write_picture

FRAMES, SIDE, SCENES = 9, 64, 6
MOST_PIXELS = 4.5
"""Mean distance of an object from where it should be; the shipped weights keep to about three on
these six scenes (4.9 over the 64 of docs/methods/inbetween.md)."""
MOST_WRONG = 0.15
"""Share of steps in which an object moves against the truth."""


@pytest.fixture(scope="module")
def small() -> ClipInterpolator:
    method = midframe.load("inbetween-small", device="cpu")
    assert isinstance(method, ClipInterpolator)
    return method


def test_objects_go_where_they_would_have_gone(small: ClipInterpolator):
    scenes = render_one_way(SCENES, FRAMES, SIDE, numbered_generator(2**31 + 2, 0))
    made = small.clip(scenes.frames[:, [0, -1]], generator=torch.Generator().manual_seed(1))
    truth = track(scenes.frames, scenes.colour)
    found = track((made * 255).round() / 255, scenes.colour)
    apart = distances(found, truth.position, scenes.present)[:, 1:-1]
    wrong, judged = wrong_way(found, truth, scenes.present)
    assert float(apart.mean()) < MOST_PIXELS
    assert float(wrong.sum() / judged.sum()) < MOST_WRONG
    # Standing still at either key frame is farther off, so the bound says something.
    for key in (0, -1):
        still = track(scenes.frames[:, [key]].expand(-1, FRAMES, -1, -1, -1), scenes.colour)
        assert float(distances(still, truth.position, scenes.present)[:, 1:-1].mean()) > 2 * MOST_PIXELS


def test_two_pictures_become_a_folder_of_nine(tmp_path: Path):
    scene = render_one_way(1, FRAMES, SIDE, numbered_generator(2**31 + 2, 1)).frames[0]
    for name, frame in (("a.png", scene[0]), ("b.png", scene[-1])):
        write_picture(tmp_path / name, (frame.permute(1, 2, 0) * 255).round().byte().numpy())
    arguments = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out", "--method", "inbetween-small"]
    asked = [*map(str, arguments), "--frames", "9", "--steps", "2", "--seed", "1"]
    done = CliRunner().invoke(app, ["frames", *asked])
    assert done.exit_code == 0, done.output
    made = sorted((tmp_path / "out").glob("*.png"))
    assert len(made) == FRAMES
    for name, key in ((made[0], "a.png"), (made[-1], "b.png")):
        assert (read_picture(name) == read_picture(tmp_path / key)).all()
