"""Interlaced video: recognised, named, and made whole on request."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph
from typer.testing import CliRunner

from blend import Blend
from clips import HEIGHT, WIDTH, Recipe, flat, make_clip
from midframe import interpolate_video
from midframe.cli.app import app
from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.timeline import Multiply, ToRate
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, VideoReader, deinterlaced, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
INTERLACED = {"x264-params": "interlaced=1", "qp": "0"}
RATE = 25
STEP = 4  # levels by which each field is brighter than the one before
ROUNDING = 2


def fields(count, first=40):
    """Frames whose upper and lower lines are of different times: each field is flat, and brighter than the last."""
    frames = []
    for number in range(count):
        pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        pixels[0::2] = first + STEP * 2 * number
        pixels[1::2] = first + STEP * (2 * number + 1)
        frames.append(pixels)
    return frames


def interlaced_clip(path, frames, stamps=None, opening=(), codec="libx264"):
    """Write top field first, behind an opening that is progressive."""
    base = Fraction(1, 1000)
    stamps = stamps or [40 * number for number in range(len(opening) + len(frames))]
    with av.open(str(path), "w") as container:
        options = INTERLACED if codec == "libx264" else {"level": "3"}
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = base
        for number, pixels in enumerate((*opening, *frames)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = stamps[number], base
            if number >= len(opening):
                frame = _top_field_first(frame, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _top_field_first(frame, base):
    graph = Graph()
    enter = graph.add_buffer(width=WIDTH, height=HEIGHT, format="yuv420p", time_base=base)
    graph.link_nodes(enter, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def shown(path, mode="off"):
    return list(VideoReader(deinterlaced(probe(path), mode)))


def middle(frame):
    """Brightness away from the border."""
    return float(frame.pixels[12:-12].mean())


@pytest.mark.parametrize("mode", ["frames", "fields"])
def test_whole_frames_have_the_times_of_their_fields(tmp_path, mode):
    source = interlaced_clip(tmp_path / "in.mkv", fields(6))
    assert probe(source).interlaced
    frames = shown(source, mode)
    distance = Fraction(1, 25) if mode == "frames" else Fraction(1, 50)
    assert [frame.time for frame in frames] == [number * distance for number in range(len(frames))]
    assert [frame.duration for frame in frames] == [distance] * len(frames)
    assert frames[-1].time + frames[-1].duration == Fraction(6, 25)
    # A field is flat: what is made of it is flat too, where the lines of the other field would be seen as stripes.
    for frame in frames[2:-2]:
        assert np.abs(np.diff(frame.pixels[12:-12].astype(int), axis=0)).max() <= STEP
    if mode == "fields":
        steps = np.diff([middle(frame) for frame in frames])[2:-2]
        assert steps == pytest.approx(STEP, abs=ROUNDING)


def test_second_fields_of_a_variable_rate_lie_in_the_middle_of_their_gaps(tmp_path):
    stamps = [0, 40, 60, 160, 200]
    source = interlaced_clip(tmp_path / "in.mkv", fields(5), stamps)
    times = [frame.time * 1000 for frame in shown(source, "fields")]
    assert times == [0, 20, 40, 50, 60, 110, 160, 180, 200, 220]
    info = deinterlaced(probe(source), "fields")
    assert make_plan(info, tmp_path / "out.mkv", Multiply(2)).frames_in == 10


@pytest.mark.parametrize(("mode", "frames_in", "frames_out"), [("frames", 8, 15), ("fields", 16, 31)])
def test_a_run_fills_the_gaps_between_whole_frames(tmp_path, mode, frames_in, frames_out):
    source, target = interlaced_clip(tmp_path / "in.mp4", fields(8)), tmp_path / "out.mp4"
    result = run_video(source, target, Blend(), Multiply(2), deinterlace=mode, encode=LOSSLESS)
    plan = make_plan(deinterlaced(probe(source), mode), tmp_path / "plan.mp4", Multiply(2))
    assert (result.frames_in, result.frames_out) == (frames_in, frames_out)
    assert (plan.frames_in, plan.frames_out) == (frames_in, frames_out)
    assert ("deinterlaced", f"one frame for each {mode[:-1]}") in plan.lines()
    info = probe(target)
    assert not info.interlaced
    frames = shown(target)
    assert len(frames) == frames_out
    assert frames[-1].time + frames[-1].duration == result.duration == Fraction(8, 25)


def test_fields_at_twice_the_rate_are_the_source_of_any_other_rate(tmp_path):
    source, target = interlaced_clip(tmp_path / "in.mp4", fields(8)), tmp_path / "out.mp4"
    method = Blend()
    run_video(source, target, method, ToRate(Fraction(50)), deinterlace="fields", encode=LOSSLESS)
    assert method.calls == []  # each of the 50 instants in a second has a field of its own
    assert len(shown(target)) == 16


def test_what_is_not_deinterlaced_is_named(tmp_path):
    source = interlaced_clip(tmp_path / "in.mp4", fields(4))
    plan = make_plan(probe(source), tmp_path / "out.mp4", Multiply(2))
    assert any("The source is interlaced" in note and "--deinterlace" in note for note in plan.notes)
    whole = make_plan(deinterlaced(probe(source), "frames"), tmp_path / "out.mp4", Multiply(2))
    assert not any("interlaced;" in note for note in whole.notes)


def test_a_progressive_opening_does_not_hide_it(tmp_path):
    # FFV1 says it of each frame; H.264 of all.
    source = interlaced_clip(tmp_path / "in.mkv", fields(5), opening=flat(30, 5), codec="ffv1")
    with av.open(str(source)) as container:
        assert [frame.interlaced_frame for frame in container.decode(video=0)] == [False] * 5 + [True] * 5
    assert probe(source).interlaced
    frames = shown(source, "fields")
    assert [frame.time * 50 for frame in frames] == [0, 2, 4, 6, 8, *range(10, 20)]  # titles stay as they are
    assert (frames[2].pixels == frames[2].pixels[0, 0, 0]).all()


def test_interlaced_frames_far_behind_the_opening_are_noted_by_the_run(tmp_path):
    source = interlaced_clip(tmp_path / "in.mkv", fields(5))
    reader = VideoReader(probe(source))
    assert list(reader)
    assert not any("interlaced" in note for note in reader.notes)  # the plan has said so
    reader = VideoReader(replace(probe(source), interlaced=False))
    assert list(reader)
    assert "5 frames are interlaced, and their fields were treated as whole frames." in reader.notes


def test_a_source_that_does_not_say_so_is_taken_at_its_word(tmp_path):
    source = make_clip(tmp_path / "in.mkv", fields(5), Recipe(codec="ffv1", options={}))
    assert not probe(source).interlaced
    info = deinterlaced(probe(source), "frames")
    plan = make_plan(info, tmp_path / "out.mp4", Multiply(2))
    assert any("does not say that it is interlaced" in note for note in plan.notes)
    for frame in list(VideoReader(info))[1:-1]:
        assert np.abs(np.diff(frame.pixels[12:-12].astype(int), axis=0)).max() <= STEP


def test_numbers_of_listed_cuts_count_frames_and_not_fields(tmp_path):
    source = interlaced_clip(tmp_path / "in.mkv", fields(8))
    (tmp_path / "cuts.txt").write_text("#6\n")
    options = {"method": Blend(), "deinterlace": "fields", "cuts": tmp_path / "cuts.txt", "encode": LOSSLESS}
    assert interpolate_video(source, tmp_path / "out.mkv", **options).cut_times == (Fraction(6, RATE),)
    (tmp_path / "cuts.txt").write_text("#8\n")  # there are 16 fields
    with pytest.raises(UsageError, match="cut at frame 8, and the video has 8 frames"):
        interpolate_video(source, tmp_path / "other.mkv", **options)


def test_another_way_to_deinterlace_is_refused(tmp_path):
    source = make_clip(tmp_path / "in.mp4", flat(30, 2))
    with pytest.raises(UnknownNameError, match=r"no way to deinterlace 'field'\. Did you mean 'fields'"):
        run_video(source, tmp_path / "out.mp4", Blend(), Multiply(2), deinterlace="field")


def test_the_command_line_deinterlaces(tmp_path):
    source, target = interlaced_clip(tmp_path / "in.mp4", fields(4)), tmp_path / "out.mp4"
    options = ["--method", "blend", "--deinterlace", "fields"]
    planned = CliRunner().invoke(app, ["plan", str(source), *options], catch_exceptions=False)
    assert "one frame for each field" in planned.stdout
    CliRunner().invoke(app, ["interpolate", str(source), str(target), *options], catch_exceptions=False)
    assert len(shown(target)) == 15
