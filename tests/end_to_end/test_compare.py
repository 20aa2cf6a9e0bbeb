"""`midframe compare`: the page and the video, down to the pixels that a browser shows."""

import base64
import io
import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from clips import HEIGHT, WIDTH, Recipe, make_clip, textures
from midframe.cli.candidates import parse_span
from midframe.cli.compare import compare
from midframe.core.errors import UsageError
from midframe.core.timeline import Multiply, ToRate
from midframe.evaluation.check import Candidate
from midframe.evaluation.compare import compare_clip
from midframe.evaluation.panels import labelled
from midframe.methods.baseline import BlendInterpolator, NearestInterpolator
from midframe.video import VideoReader, probe

STORED_ERROR = 12
"""Levels, on average: WebP halves the resolution of chroma."""
DRAWN_ERROR = 4
"""Levels: a browser rounds differently where it composes two pictures."""
CHROMIUM = shutil.which("chromium")

app = typer.Typer()
app.command()(compare)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two scenes at 25 frames a second; the second opens with frame 8."""
    pictures = textures(8, seed=1) + textures(8, seed=2, brightness=90)
    recipe = Recipe(rate=Fraction(25), codec="libx264rgb", pixel_format="rgb24")
    return make_clip(tmp_path / "clip.mkv", pictures, recipe)


def candidates() -> list[Candidate]:
    cpu = torch.device("cpu")
    return [Candidate("blend", BlendInterpolator(), cpu), Candidate("nearest", NearestInterpolator(), cpu)]


def data_of(page: Path) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def picture(data: dict, frame: int, method: int) -> np.ndarray:
    stored = base64.b64decode(data["pictures"][data["frames"][frame]["pictures"][method]].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")).astype(int)


def test_the_page_holds_what_each_method_shows_at_each_moment(clip, tmp_path):
    source = [frame.pixels.astype(int) for frame in VideoReader(probe(clip))]
    result = compare_clip(clip, candidates(), (Fraction(2, 25), Fraction(4, 25)), Multiply(2), tmp_path / "out")
    data = data_of(result.page)
    assert (result.frames, result.made) == (4, 2)
    assert data["names"] == ["blend", "nearest"]
    assert [frame["seconds"] for frame in data["frames"]] == [0.08, 0.1, 0.12, 0.14]
    assert [frame["made"] for frame in data["frames"]] == [False, True, False, True]
    assert [frame["lasts"] for frame in data["frames"]] == [0.02] * 4
    expected = {
        (0, 0): source[2],
        (1, 0): (source[2] + source[3]) / 2,
        (1, 1): source[2],
        (2, 1): source[3],
        (3, 0): (source[3] + source[4]) / 2,
    }
    for (frame, method), pixels in expected.items():
        assert np.abs(picture(data, frame, method) - pixels).mean() < STORED_ERROR
    assert np.abs(picture(data, 1, 0) - picture(data, 1, 1)).mean() > 2
    assert data["frames"][0]["pictures"] == [0, 0], "a source frame is stored once"


def test_a_cut_inside_the_part_is_held(clip, tmp_path):
    result = compare_clip(clip, candidates(), (Fraction(6, 25), Fraction(9, 25)), Multiply(2), tmp_path / "out")
    assert [frame["made"] for frame in data_of(result.page)["frames"]] == [False, True, False, False, False, True]


def test_moments_are_those_of_a_run_over_the_whole_clip(clip, tmp_path):
    result = compare_clip(
        clip, candidates(), (Fraction(1, 5), Fraction(2, 5)), ToRate(Fraction(60)), tmp_path / "out"
    )
    assert [frame["seconds"] for frame in data_of(result.page)["frames"]] == [round(k / 60, 4) for k in range(12, 24)]


def test_the_video_shows_all_methods_with_their_names(clip, tmp_path):
    result = compare_clip(clip, candidates(), (Fraction(0), Fraction(4, 25)), Multiply(2), tmp_path / "out")
    info = probe(result.video)
    frames = [frame.pixels for frame in VideoReader(info)]
    assert len(frames) == 8
    assert (info.codec, info.pixel_format, info.average_rate) == ("h264", "yuv420p", 50)
    assert info.width == 2 * WIDTH + 4
    bar = labelled(np.zeros((HEIGHT, WIDTH, 3), np.uint8), "blend", "new").shape[0] - HEIGHT
    below = frames[1][bar : bar + HEIGHT].astype(int)
    left, right = below[:, :WIDTH], below[:, -WIDTH:]
    source = [frame.pixels.astype(int) for frame in VideoReader(probe(clip))]
    assert np.abs(left - (source[0] + source[1]) / 2).mean() < STORED_ERROR
    assert np.abs(right - source[0]).mean() < STORED_ERROR
    for start in (0, WIDTH + 4):
        assert frames[1][:bar, start : start + WIDTH].max() > 150, "letters"


def test_refuses_what_a_page_cannot_hold(clip, tmp_path):
    with pytest.raises(UsageError, match=r"20000 pictures are too many .* 800: ask for 8\.0 seconds or less"):
        compare_clip(clip, candidates(), (Fraction(0), Fraction(200)), Multiply(2), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refuses_a_part_beyond_the_end(clip, tmp_path):
    with pytest.raises(UsageError, match="ends before 3-4 s"):
        compare_clip(clip, candidates(), (Fraction(3), Fraction(4)), Multiply(2), tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "span"),
    [("12.5-14", ("12.5", "14")), ("1:02-1:04.5", ("62", "64.5")), ("1:00:00-1:00:01", (3600, 3601))],
)
def test_parts_are_written_in_seconds_or_minutes(text, span):
    assert parse_span(text) == tuple(Fraction(bound) for bound in span)


@pytest.mark.parametrize("text", ["12.5", "a-b", "1-", "-"])
def test_refuses_what_is_no_part(text):
    with pytest.raises(UsageError, match="A part of a clip is written as 12"):
        parse_span(text)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_without_network_shows_the_page_and_moves_the_wipe(clip, tmp_path):
    out = tmp_path / "out"
    arguments = [str(clip), "--at", "0.08-0.16", "--methods", "blend,nearest", "--out", str(out)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    page = (out / "compare.html").read_text()
    assert not re.search(r"https?://", page), "nothing is fetched"
    shots = {
        wipe: screenshot(out / "compare.html", f"view=wipe&frame=1&a=0&b=1&wipe={wipe}", tmp_path)
        for wipe in (0, 50, 100)
    }
    rows = slice(shots[0].shape[0] * 35 // 100, shots[0].shape[0] * 70 // 100)  # inside the picture
    first, second, half = shots[100][rows], shots[0][rows], shots[50][rows]
    columns = np.flatnonzero((np.abs(first - second).sum(-1) > 24).any(0))
    assert columns.size > 300, "the methods differ over the width of the picture"
    middle = (columns.min() + columns.max()) // 2
    left, right = slice(columns.min() + 8, middle - 8), slice(middle + 8, columns.max() - 8)
    for side, shown, hidden in ((left, first, second), (right, second, first)):
        assert np.abs(half[:, side] - shown[:, side]).max() <= DRAWN_ERROR
        assert np.abs(half[:, side] - hidden[:, side]).max() > 5 * DRAWN_ERROR


def screenshot(page: Path, state: str, folder: Path) -> np.ndarray:
    """The page as a headless browser draws it, (height, width, 3)."""
    target = folder / "shot.png"
    assert CHROMIUM is not None
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=800,700",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000", profile,
        f"--screenshot={target}", f"{page.as_uri()}#{state}",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(target) as image:
        return np.asarray(image.convert("RGB")).astype(int)
