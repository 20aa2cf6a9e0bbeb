"""Files with clocks of every kind: edit lists, late and negative starts, no duration, odd time bases, B-frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe.core.timeline import Multiply, RateRule, SlowDown, ToRate
from midframe.engine import make_plan, run_video
from midframe.video import VideoReader, probe
from timing import MILLISECOND, check_run

PLAIN = {"qp": "0", "preset": "ultrafast"}
B_FRAMES = PLAIN | {"qp": "1", "bf": "3", "b_strategy": "0"}  # without loss (qp 0) x264 makes none
MPEG = {"qscale": "2"}
NTSC = Fraction(30000, 1001)
RULES = (ToRate(Fraction(60)), Multiply(2), SlowDown(Fraction(2)))

CLOCKS = {
    "edit list of B-frames.mp4": Recipe(options=B_FRAMES, audio=1),
    "late start.mp4": Recipe(options=PLAIN, audio=1, times=[k + 7 for k in range(24)], time_base=Fraction(1, 24)),
    "negative composition offsets.mp4": Recipe(
        options=B_FRAMES, container_options={"movflags": "negative_cts_offsets"}
    ),
    "no edit list.mp4": Recipe(options=B_FRAMES, audio=1, container_options={"use_editlist": "0"}),
    "fragments without a declared length.mp4": Recipe(
        options=B_FRAMES, audio=1, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "base of 90017.mp4": Recipe(time_base=Fraction(1, 90017), times=[round(k * 90017 / 24) for k in range(24)]),
    "B-frames.mov": Recipe(options=B_FRAMES, audio=1),
    "transport stream.ts": Recipe(options=B_FRAMES, audio=1),
    "transport stream at 29.97.ts": Recipe(rate=NTSC, options=B_FRAMES, audio=1),
    "program stream.mpg": Recipe(codec="mpeg2video", options=MPEG, rate=Fraction(25)),
    "no duration.mkv": Recipe(options=B_FRAMES, audio=1, container_options={"live": "1"}),
    "negative start.mkv": Recipe(
        audio=1, rate=Fraction(25), times=[k * 40 - 200 for k in range(24)], time_base=MILLISECOND
    ),
    "flash.flv": Recipe(options=B_FRAMES, audio=1),
    "no presentation stamps.avi": Recipe(options=B_FRAMES),
    "sound.avi": Recipe(options=PLAIN, audio=1),
    "VP8.ogv": Recipe(codec="libvpx", options={"lossless": "1"}),
    "windows media.asf": Recipe(codec="mpeg4", options=MPEG),
    "nut.nut": Recipe(options=B_FRAMES),
}


def grey(count: int) -> list[np.ndarray]:
    """Moving textures without colour, away from black and white: conversions leave their brightness alone."""
    return [picture[..., :1].repeat(3, axis=2) for picture in textures(count, brightness=40)]


# Each clock meets one of the rules in every run of the tests, and all three in a slow one.
PAIRS = [
    pytest.param(name, rule, id=f"{name}-{type(rule).__name__}", marks=() if (k + j) % 3 == 0 else pytest.mark.slow)
    for k, name in enumerate(CLOCKS)
    for j, rule in enumerate(RULES)
]


@pytest.mark.parametrize(("name", "rule"), PAIRS)
def test_instants_duration_frames_and_sound_are_right_whatever_the_clock(
    name: str, rule: RateRule, tmp_path: Path
) -> None:
    recipe = CLOCKS[name]
    source = make_clip(tmp_path / name, grey(24), recipe)
    info = probe(source)
    assert info.average_rate is not None
    *_, last = VideoReader(info)
    duration = last.time + last.duration
    assert abs(duration - 24 / recipe.rate) <= Fraction(1, 2) / recipe.rate + MILLISECOND
    plan = make_plan(info, tmp_path / "out.mp4", rule)
    result = check_run(source, tmp_path / "out.mp4", rule, duration, info.average_rate)
    assert plan.frames_out == result.frames_out


def test_frames_that_an_edit_list_hides_are_not_shown(tmp_path: Path) -> None:
    times = [k * 40 - 200 for k in range(24)]  # the mp4 muxer hides what lies before zero
    source = make_clip(tmp_path / "in.mp4", grey(24), Recipe(rate=Fraction(25), times=times, time_base=MILLISECOND))
    result = check_run(source, tmp_path / "out.mp4", Multiply(2), 19 * Fraction(1, 25), Fraction(25))
    assert result.frames_in == 19


def test_a_variable_rate_stays_variable_in_every_container(tmp_path: Path) -> None:
    steps = [40, 20, 60, 33, 33, 34, 120, 10, 50, 40, 40, 20]
    times = [sum(steps[:k]) for k in range(12)]
    source = make_clip(tmp_path / "in.mkv", grey(12), Recipe(times=times, time_base=MILLISECOND))
    for target in ("out.mp4", "out.mkv", "out.mov"):
        run_video(source, tmp_path / target, Blend(), Multiply(3))
        shown = packet_times(tmp_path / target, "video")
        assert [round(1000 * (time - shown[0])) for time in shown[::3]] == times


def test_a_duration_that_is_declared_otherwise_than_it_is_comes_out_to_a_tick(tmp_path: Path) -> None:
    times = [*range(0, 240, 16), 253]  # Matroska declares 270 ms; the last frame says that it ends at 269
    source = make_clip(tmp_path / "in.mkv", grey(16), Recipe(rate=Fraction(60), times=times, time_base=MILLISECOND))
    *_, last = VideoReader(probe(source))
    check_run(source, tmp_path / "out.mp4", ToRate(Fraction(90)), last.time + last.duration, Fraction(60))
