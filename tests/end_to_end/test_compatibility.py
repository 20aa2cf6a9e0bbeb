"""Outputs open in other players: FFmpeg's own, mpv, and a browser. A test skips where its player is not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from blend import Blend
from browser import Browser, find_browser
from clips import Recipe, make_clip, textures
from midframe.core.timeline import ToRate
from midframe.engine import run_video
from midframe.video import EncodeOptions

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 120
SECONDS, RATE = 1, 60
FORMATS = (
    *(("out.mp4", codec) for codec in ("h264", "h265", "vp9", "av1")),
    *(("out.mkv", codec) for codec in ("h264", "h265", "av1", "ffv1")),
    *(("out.mov", codec) for codec in ("h264", "h265", "prores")),
    *(("out.webm", codec) for codec in ("vp9", "av1")),
)
ANIMATIONS = (("out.gif", None), ("out.apng", None), ("out.webp", None))
PLAYED_BY_BROWSERS = (("out.mp4", "h264"), ("out.mp4", "av1"), ("out.webm", "vp9"), ("out.webm", "av1"))
NO_SCREEN = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def made(folder: Path, name: str, codec: str | None) -> Path:
    """Twenty-four pictures with sound, brought to 60 a second; 50 in a GIF."""
    source = make_clip(folder / "in.mp4", textures(24), Recipe(audio=1.0))
    rate = 50 if name.endswith(".gif") else RATE
    run_video(source, folder / name, Blend(), ToRate(Fraction(rate)), encode=EncodeOptions(codec=codec))
    return folder / name


def said(*words: str) -> subprocess.CompletedProcess[str]:
    """What a player prints; it is to play without a word of complaint."""
    return subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=os.environ | NO_SCREEN
    )


@pytest.mark.parametrize(("name", "codec"), FORMATS)
def test_ffprobe_counts_all_frames_and_the_duration(tmp_path: Path, name: str, codec: str):
    command = (
        "-v",
        "error",
        "-count_frames",
        "-select_streams",
        "v:0",
        "-show_streams",
        "-show_format",
        "-of",
        "json",
    )
    done = said(program("ffprobe"), *command, str(made(tmp_path, name, codec)))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert int(found["streams"][0]["nb_read_frames"]) == SECONDS * RATE
    assert abs(float(found["format"]["duration"]) - SECONDS) < 0.05  # sound ends with its last whole packet


@pytest.mark.parametrize(("name", "codec"), (*FORMATS, ("out.gif", None), ("out.apng", None), ("out.y4m", None)))
def test_ffplay_plays_it_to_the_end_without_a_complaint(tmp_path: Path, name: str, codec: str | None):
    done = said(program("ffplay"), "-v", "error", "-autoexit", str(made(tmp_path, name, codec)))
    assert (done.returncode, done.stderr.strip()) == (0, "")


@pytest.mark.parametrize(("name", "codec"), (*FORMATS, *ANIMATIONS))
def test_mpv_plays_it_to_the_end_without_a_complaint(tmp_path: Path, name: str, codec: str | None):
    done = said(program("mpv"), "--vo=null", "--ao=null", "--msg-level=all=error", str(made(tmp_path, name, codec)))
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (0, "", "")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium is installed")
    with Browser(found, tmp_path / "profile") as opened:
        yield opened


@pytest.mark.parametrize(("name", "codec"), PLAYED_BY_BROWSERS)
def test_chromium_plays_it_to_the_end(tmp_path: Path, browser: Browser, name: str, codec: str):
    made(tmp_path, name, codec)
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><video muted preload=auto src={name}></video>", encoding="utf-8")
    browser.open(page)
    browser.evaluate("globalThis.video = document.querySelector('video'); 0")
    ended = (
        "new Promise((done, failed) => {"
        " video.onended = () => done('ended'); video.onerror = () => done(video.error.message);"
        " if (video.error) done(video.error.message); video.play().catch(error => done(String(error))); })"
    )
    assert browser.evaluate(ended) == "ended"
    assert abs(browser.evaluate("video.duration") - SECONDS) < 0.05
    assert browser.evaluate("[video.videoWidth, video.videoHeight]") == [64, 48]
    quality = "video.getVideoPlaybackQuality()"
    assert browser.evaluate(f"{quality}.totalVideoFrames") > 0
    assert browser.evaluate(f"{quality}.corruptedVideoFrames") == 0


@pytest.mark.parametrize(("name", "codec"), ANIMATIONS)
def test_chromium_shows_an_animation(tmp_path: Path, browser: Browser, name: str, codec: str | None):
    made(tmp_path, name, codec)
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><img src={name}>", encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("[document.images[0].naturalWidth, document.images[0].naturalHeight]") == [64, 48]
    assert browser.evaluate("document.images[0].decode().then(() => 'shown', error => String(error))") == "shown"
