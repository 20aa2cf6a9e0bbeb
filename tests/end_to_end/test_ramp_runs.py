"""Runs at a changing speed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe import interpolate_video
from midframe.api import plan_video
from midframe.cli.app import app
from midframe.core.ramp import Ramp
from midframe.video import EncodeOptions, VideoReader, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
RAMP = "0:1,1/2:1/4,1:2"
EXACT = Ramp(((Fraction(0), Fraction(1)), (Fraction(1, 2), Fraction(1, 4)), (Fraction(1), Fraction(2))))
ROUNDING_LEVELS = 2


def brighter(count: int) -> list[np.ndarray]:
    """Grey frames whose level is 16 plus 8 for each frame, so that a blend tells its place."""
    return [np.full((48, 64, 3), 16 + 8 * k, np.uint8) for k in range(count)]


def test_every_frame_shows_the_moment_that_the_ramp_says(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", brighter(24))
    arguments = {"method": Blend(), "ramp": RAMP, "fps": 60, "cuts": "off", "encode": LOSSLESS}
    plan = plan_video(source, tmp_path / "out.mp4", **arguments)
    result = interpolate_video(source, tmp_path / "out.mp4", **arguments)
    frames = list(VideoReader(probe(tmp_path / "out.mp4")))
    assert [frame.time for frame in frames] == [Fraction(k, 60) for k in range(len(frames))]
    for frame in frames:
        level = 16 + 8 * min(EXACT.source_time(frame.time) * 24, 23)
        assert float(frame.pixels.mean()) == pytest.approx(float(level), abs=ROUNDING_LEVELS)
    lasting = EXACT.output_time(Fraction(1))
    assert lasting == Fraction(1, 2) / Fraction(5, 8) + Fraction(1, 2) / Fraction(9, 8)
    assert result.duration == plan.duration == lasting
    assert len(frames) == plan.frames_out == result.frames_out == round(lasting * 60)
    tick = probe(tmp_path / "out.mp4").time_base
    assert abs(frames[-1].time + frames[-1].duration - lasting) <= tick


def test_a_video_that_ends_inside_a_ramp_is_planned_as_it_is_made(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", brighter(24), Recipe(rate=Fraction(24000, 1001)))
    arguments = {"method": Blend(), "ramp": "0:1,7:1/3", "encode": LOSSLESS}
    plan = plan_video(source, tmp_path / "out.mp4", **arguments)
    interpolate_video(source, tmp_path / "out.mp4", **arguments)
    frames = list(VideoReader(probe(tmp_path / "out.mp4")))
    assert [frame.time for frame in frames] == [k * Fraction(1001, 24000) for k in range(len(frames))]
    assert len(frames) == plan.frames_out
    assert plan.duration is not None
    assert abs(frames[-1].time + frames[-1].duration - plan.duration) <= plan.time_base <= Fraction(1, 100_000)


def test_sound_is_left_out_and_the_plan_says_so_and_names_the_ramp(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", textures(24), Recipe(audio=1))
    plan = plan_video(source, tmp_path / "out.mp4", method="blend", ramp="0:1,0.5:0.25")
    assert ("speed", "1 at 0 s, 0.25 at 0.5 s, changing evenly in between") in plan.lines()
    assert ["at another speed" in cause for _, cause in plan.streams.lost] == [True]
    interpolate_video(source, tmp_path / "out.mp4", method="blend", ramp="0:1,0.5:0.25")
    assert probe(tmp_path / "out.mp4").streams == ()


def test_sound_stays_where_the_speed_is_1_throughout(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", textures(24), Recipe(audio=1))
    interpolate_video(source, tmp_path / "out.mp4", method="blend", ramp="0:1,0.5:1", fps=48)
    assert packet_times(tmp_path / "out.mp4", "audio") == packet_times(source, "audio")
    assert len(packet_times(tmp_path / "out.mp4", "video")) == 48


def test_chapters_move_with_the_pictures(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "in.mkv", textures(24))
    chapters = [{"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}]
    chapters.append(
        {"id": 2, "start": 500, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "two"}}
    )
    source = tmp_path / "chapters.mkv"
    with av.open(str(clip)) as given, av.open(str(source), "w") as copied:
        stream = copied.add_stream_from_template(given.streams.video[0])
        copied.set_chapters(chapters)
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copied.mux(packet)
    interpolate_video(source, tmp_path / "out.mkv", method="blend", ramp="0:1,0.5:0.5,0.5:2")
    with av.open(str(tmp_path / "out.mkv")) as made:
        starts = [chapter["start"] * chapter["time_base"] for chapter in made.chapters()]
    assert [float(start) for start in starts] == pytest.approx([0, 2 / 3], abs=0.001)


def test_the_command_line_takes_a_ramp_and_refuses_a_wrong_one_in_one_sentence(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", textures(12))
    words = ["interpolate", str(source), str(tmp_path / "out.mp4"), "--method", "blend", "--ramp"]
    assert CliRunner().invoke(app, [*words, "0:1/2,0.25:1/2"]).exit_code == 0
    assert len(packet_times(tmp_path / "out.mp4", "video")) == 24
    refused = CliRunner().invoke(app, [*words, "0-1"])
    assert "written as seconds:speed" in str(refused.exception)
    planned = CliRunner().invoke(app, ["plan", str(source), "--method", "blend", "--ramp", "0:1/2"])
    assert "0.5 at 0 s" in planned.output
