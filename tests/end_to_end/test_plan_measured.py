"""What `midframe plan --measure` foretells, held against the run."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import midframe
from blend import Blend
from clips import Recipe, flat, make_clip, textures
from midframe.api import plan_video
from midframe.engine.measure import FRAMES_AT_PLACE, PLACES
from midframe.engine.pixels import to_tensor
from midframe.video import EncodeOptions, VideoReader

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
STEADY_SECONDS = 0.02
"""Of each frame: enough for other programs to matter little."""


ROUNDED_SHARE = 2
"""Of the bytes of a repair: it encodes frames as they are stored, and what is measured has passed through RGB."""


class Steady(Blend):
    """Takes its time."""

    def interpolate(self, frames, times, *, generator=None):
        time.sleep(STEADY_SECONDS * len(times))
        return super().interpolate(frames, times)


def picture_bytes(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size for packet in container.demux(video=0))


def test_the_estimate_is_near_what_the_run_takes(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(60), Recipe(rate=Fraction(25)))
    target = tmp_path / "out.mp4"
    plan = plan_video(source, target, method=Steady(), multi=2, encode=LOSSLESS, measured=True)
    assert plan.estimate is not None
    assert list(tmp_path.iterdir()) == [source]
    result = midframe.interpolate_video(source, target, method=Steady(), multi=2, encode=LOSSLESS)
    assert plan.estimate.picture_bytes == pytest.approx(picture_bytes(target), rel=0.3)
    assert plan.estimate.seconds >= 0.8 * 60 * STEADY_SECONDS
    assert plan.estimate.seconds < 5 * result.seconds
    headings = [heading for heading, _ in plan.lines()]
    assert {"parts", "time", "disk"} <= set(headings)


def test_a_repair_is_measured_on_a_few_of_its_frames(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(200), Recipe(rate=Fraction(25)))
    target, encode = tmp_path / "out.mp4", EncodeOptions(preset="ultrafast")
    plan = plan_video(source, target, method=Blend(), repair=True, encode=encode, measured=True)
    assert plan.estimate is not None
    assert plan.estimate.frames == len(PLACES) * FRAMES_AT_PLACE
    midframe.interpolate_video(source, target, method=Blend(), repair=True, encode=encode)
    assert 0.9 < plan.estimate.picture_bytes / picture_bytes(target) < ROUNDED_SHARE


@pytest.mark.parametrize("mode", ["frames", "fields"])
def test_what_is_deinterlaced_is_measured_as_it_will_be_read(tmp_path: Path, mode: str):
    source = make_clip(tmp_path / "in.mp4", [combed(number) for number in range(24)])
    method = Blend()
    plan = plan_video(source, tmp_path / "out.mp4", method=method, deinterlace=mode, measured=True)
    assert plan.estimate is not None
    read = {to_tensor(frame.pixels, torch.device("cpu")).numpy().tobytes() for frame in VideoReader(plan.source)}
    assert method.calls
    assert all(frame.numpy().tobytes() in read for frames, _ in method.calls for frame in frames[0])


def test_reading_from_the_start_counts_once_for_each_frame(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", [combed(number % 50) for number in range(400)])
    plans = [
        plan_video(source, tmp_path / "out.mp4", method=Steady(), deinterlace=mode, measured=True)
        for mode in ("off", "frames")
    ]
    plain, filtered = (plan.estimate.seconds for plan in plans if plan.estimate)
    assert filtered < 4 * plain


def combed(number: int) -> np.ndarray:
    """A frame whose upper lines are of another time than its lower ones."""
    pixels = textures(1)[0].copy()
    pixels[0::2] += np.uint8(4 * number)
    pixels[1::2] += np.uint8(4 * number + 2)
    return pixels


def test_nothing_is_measured_unless_asked_for(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(8))
    method = Blend()
    plan = plan_video(source, tmp_path / "out.mp4", method=method)
    assert plan.estimate is None
    assert not method.calls
    assert "parts" in dict(plan.lines())


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_short_video_is_measured_as_far_as_it_goes(tmp_path: Path, frames: int):
    source = make_clip(tmp_path / "in.mp4", textures(frames))
    plan = plan_video(source, tmp_path / "out.mp4", method=Blend(), measured=True)
    assert (plan.estimate is None) == (frames == 1)


def test_a_still_video_costs_little(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", flat(90, 30))
    plan = plan_video(source, tmp_path / "out.mp4", method=Steady(), measured=True)
    assert plan.estimate is not None
    assert plan.estimate.picture_bytes < 100_000
