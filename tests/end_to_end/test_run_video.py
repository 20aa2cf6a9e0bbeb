"""Whole runs over tiny clips, with methods whose output is known."""

from __future__ import annotations

import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from blend import Blend, Doubting, Failing
from clips import (
    Recipe,
    bars_planes,
    decoded_planes,
    flat,
    make_clip,
    packet_bytes,
    packet_times,
    textures,
)
from midframe.core.errors import MediaError, UsageError, WriteError
from midframe.core.method import Grid, Midpoint
from midframe.core.timeline import Multiply, SlowDown, ToRate
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, VideoReader, probe

LOSSLESS = EncodeOptions(encoder_options={"qp": "0"}, preset="ultrafast")
FAST = EncodeOptions(preset="ultrafast")
FILM = Fraction(24000, 1001)
MILLISECOND = Fraction(1, 1000)
ROUNDING_LEVELS = 2  # into 219 levels of luma and out again, for the source and for the output


def run(source, target, rule, method=None, **options):
    options.setdefault("encode", FAST)
    return run_video(source, target, method or Blend(), rule, **options)


def read(path):
    return list(VideoReader(probe(path)))


def total(frames):
    return frames[-1].time + frames[-1].duration


def ramp(count, step=10):
    """Grey frames that grow brighter by `step` levels."""
    return [np.full((48, 64, 3), 16 + step * k, np.uint8) for k in range(count)]


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


# Time


def test_23_976_becomes_60(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(24), Recipe(rate=FILM))
    result = run(source, tmp_path / "out.mp4", ToRate(Fraction(60)))
    frames = read(tmp_path / "out.mp4")
    assert len(frames) == result.frames_out == 60
    assert [frame.time for frame in frames] == [Fraction(k, 60) for k in range(60)]
    assert total(frames) == result.duration == 24 / FILM
    assert (result.frames_in, result.made + result.kept) == (24, 60)


@pytest.mark.parametrize("options", [FAST, EncodeOptions(encoder_options={"bf": "3"})], ids=["plain", "b-frames"])
@pytest.mark.parametrize("rule", [ToRate(Fraction(60)), Multiply(3), SlowDown(Fraction(5, 2))], ids=str)
def test_the_output_lasts_as_long_as_the_source(tmp_path, rule, options):
    source = make_clip(tmp_path / "in.mp4", textures(12))
    plan = make_plan(probe(source), tmp_path / "out.mp4", rule)
    result = run(source, tmp_path / "out.mp4", rule, encode=options)
    frames = read(tmp_path / "out.mp4")
    slower = rule.factor if isinstance(rule, SlowDown) else 1
    assert total(frames) == result.duration == plan.duration == Fraction(1, 2) * slower
    assert probe(tmp_path / "out.mp4").duration == total(frames)
    assert len(frames) == result.frames_out == plan.frames_out


def test_matroska_keeps_the_duration_to_a_millisecond(tmp_path):
    source = make_clip(tmp_path / "in.mkv", textures(24), Recipe(rate=FILM))
    run(source, tmp_path / "out.mkv", ToRate(2 * FILM))
    frames = read(tmp_path / "out.mkv")
    assert len(frames) == 48
    assert abs(total(frames) - 24 / FILM) <= MILLISECOND


def test_multiplying_a_variable_rate_keeps_its_instants(tmp_path):
    stamps = [0, 40, 60, 160, 200, 320]
    source = make_clip(tmp_path / "in.mp4", textures(6), Recipe(times=stamps, time_base=MILLISECOND))
    run(source, tmp_path / "out.mp4", Multiply(2))
    times = [frame.time / MILLISECOND for frame in read(tmp_path / "out.mp4")]
    assert times == [0, 20, 40, 50, 60, 110, 160, 180, 200, 260, 320]
    assert total(read(tmp_path / "out.mp4")) == total(read(source))


def test_each_frame_of_a_variable_source_is_blended_for_its_own_instant(tmp_path):
    stamps = [0, 40, 60, 160, 200]
    levels = [20, 60, 80, 180, 220]  # the level is the time, so the right blend is the time too
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in levels]
    source = make_clip(tmp_path / "in.mp4", pictures, Recipe(times=stamps, time_base=MILLISECOND))
    run(source, tmp_path / "out.mp4", ToRate(Fraction(100)), cuts=False, encode=LOSSLESS)
    for frame in read(tmp_path / "out.mp4"):
        expected = min(20 + frame.time / MILLISECOND, 220)
        assert np.abs(frame.pixels.astype(int) - int(expected)).max() <= 2


# Sound and other streams


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_sound_is_copied_and_stays_in_sync(tmp_path, suffix):
    source = make_clip(tmp_path / "in.mp4", textures(24), Recipe(audio=1.0))
    target = tmp_path / f"out.{suffix}"
    run(source, target, ToRate(Fraction(60)))
    assert packet_bytes(target, "audio") == packet_bytes(source, "audio")
    for end in (0, -1):
        before = packet_times(source, "audio")[end] - packet_times(source, "video")[0]
        after = packet_times(target, "audio")[end] - packet_times(target, "video")[0]
        assert before == after


def test_sound_stays_in_sync_in_matroska(tmp_path):
    source = make_clip(tmp_path / "in.mkv", textures(24), Recipe(audio=1.0))
    target = tmp_path / "out.mkv"
    run(source, target, ToRate(Fraction(60)))
    for end in (0, -1):
        before = packet_times(source, "audio")[end] - packet_times(source, "video")[0]
        after = packet_times(target, "audio")[end] - packet_times(target, "video")[0]
        assert abs(before - after) <= MILLISECOND


def test_sound_that_starts_before_the_picture_keeps_its_distance(tmp_path):
    late = Recipe(audio=1.0, times=[k + 6 for k in range(12)], time_base=Fraction(1, 24))
    source = make_clip(tmp_path / "in.mp4", textures(12), late)
    target = tmp_path / "out.mp4"
    run(source, target, ToRate(Fraction(48)))
    assert packet_times(source, "video")[0] == Fraction(1, 4)
    assert packet_times(target, "video")[0] == Fraction(1, 4)
    assert packet_times(target, "audio") == packet_times(source, "audio")


def test_sound_stays_in_sync_where_the_first_pictures_do_not_decode(tmp_path):
    recipe = Recipe(audio=2, options={"qp": "10", "g": "12", "bf": "2", "preset": "ultrafast"})
    whole = make_clip(tmp_path / "whole.ts", textures(48), recipe).read_bytes()
    source, target = tmp_path / "cut.ts", tmp_path / "out.mp4"
    source.write_bytes(whole[len(whole) // 188 // 5 * 188 :])  # a transport packet has 188 bytes
    run(source, target, Multiply(2), skip_damaged=True)
    with av.open(str(source)) as container:
        first = next(container.decode(video=0))
        first_picture = first.pts * first.time_base
    assert first_picture > packet_times(source, "video")[0]
    before = first_picture - packet_times(source, "audio")[0]
    after = packet_times(target, "video")[0] - packet_times(target, "audio")[0]
    assert before == after


def test_slow_motion_drops_sound_and_the_plan_says_so(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(12), Recipe(audio=0.5))
    plan = make_plan(probe(source), tmp_path / "out.mp4", SlowDown(Fraction(2)))
    assert "in sync" in plan.streams.lost[0][1]
    assert any("Lost: audio stream 1" in text for _, text in plan.lines())
    run(source, tmp_path / "out.mp4", SlowDown(Fraction(2)))
    assert probe(tmp_path / "out.mp4").streams == ()


def test_what_the_container_cannot_hold_is_named_in_the_plan(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(12), Recipe(audio=0.5))
    plan = make_plan(probe(source), tmp_path / "out.webm", ToRate(Fraction(48)))
    assert [(stream.codec, cause) for stream, cause in plan.streams.lost] == [("aac", "webm cannot hold aac")]


# Picture


def test_kept_frames_never_reach_the_network_and_made_ones_are_exact(tmp_path):
    source = make_clip(tmp_path / "in.mp4", ramp(8))
    method = Blend()
    run(source, tmp_path / "out.mp4", Multiply(2), method, encode=LOSSLESS)
    levels = [int(frame.pixels[24, 32, 1]) for frame in read(tmp_path / "out.mp4")]
    assert np.abs(np.array(levels) - np.arange(16, 16 + 71, 5)).max() <= 1
    assert all(asked == [Fraction(1, 2)] for _, asked in method.calls)
    assert len(method.calls) == 7


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("colour_range", [1, 2], ids=["limited", "full"])
def test_colour_bars_come_back_within_one_level(tmp_path, matrix, colour_range):
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    planes = [bars_planes(red, blue, colour_range == 2)] * 4
    tags = {"colorspace": matrix, "color_range": colour_range, "color_primaries": 1, "color_trc": 1}
    recipe = Recipe(pixel_format="yuv444p", planes=planes, tags=tags)
    source = make_clip(tmp_path / "in.mp4", [None] * 4, recipe)
    run(source, tmp_path / "out.mp4", Multiply(2), encode=LOSSLESS)
    info = probe(tmp_path / "out.mp4")
    assert (info.colour.matrix, info.colour.range) == (matrix, colour_range)
    assert (info.colour.primaries, info.colour.transfer) == (1, 1)
    before, after = read(source)[0].pixels.astype(int), [frame.pixels for frame in read(tmp_path / "out.mp4")]
    assert len(after) == 7
    assert all(np.abs(pixels - before).max() <= 1 for pixels in after)
    for stored, original in zip(decoded_planes(tmp_path / "out.mp4")[0], planes[0], strict=True):
        assert np.abs(stored.astype(int) - original).max() <= 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_ten_bits_stay_ten_bits(tmp_path, suffix):
    planes = [bars_planes(0.2627, 0.0593, False, depth=10)] * 4
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
    recipe = Recipe(pixel_format="yuv444p10le", planes=planes, tags=tags)
    source = make_clip(tmp_path / "in.mp4", [None] * 4, recipe)
    target = tmp_path / f"out.{suffix}"
    run(source, target, Multiply(2), encode=LOSSLESS)
    info = probe(target)
    assert (info.bit_depth, info.pixel_format) == (10, "yuv444p10le")
    assert (info.colour.matrix, info.colour.primaries, info.colour.transfer) == (9, 9, 16)
    for stored, original in zip(decoded_planes(target)[3], planes[0], strict=True):
        assert np.abs(stored.astype(int) - original).max() <= 1


def test_pixels_stored_as_rgb_are_not_said_to_have_a_matrix(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2), Recipe(tags={"colorspace": 1, "color_range": 1}))
    run(source, tmp_path / "out.mp4", Multiply(2), encode=EncodeOptions(codec="libx264rgb", preset="ultrafast"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert frame.format.is_rgb
    assert (frame.colorspace, frame.color_range) == (0, 2)


def test_grey_of_limited_range_comes_back_as_it_was(tmp_path):
    planes = [[np.tile(np.linspace(16, 235, 64).astype(np.uint8), (48, 1))]] * 2
    tags = {"colorspace": 6, "color_range": 1}
    recipe = Recipe(codec="ffv1", options={}, pixel_format="gray", planes=planes, tags=tags)
    source = make_clip(tmp_path / "in.mkv", [None] * 2, recipe)
    assert (read(source)[0].pixels[:, [0, -1]] == [[[0], [255]]]).all()
    run(source, tmp_path / "out.mp4", Multiply(2), encode=LOSSLESS)
    assert np.abs(decoded_planes(tmp_path / "out.mp4")[0][0].astype(int) - planes[0][0]).max() <= 1


def test_rotation_and_pixel_aspect_are_kept(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(4), Recipe(rotation=90, aspect=Fraction(4, 3)))
    run(source, tmp_path / "out.mp4", Multiply(2))
    info = probe(tmp_path / "out.mp4")
    assert (info.rotation, info.sample_aspect_ratio) == (90, Fraction(4, 3))


def test_an_unasked_loss_is_refused(tmp_path):
    recipe = Recipe(codec="ffv1", pixel_format="yuv420p10le", options={})
    source = make_clip(tmp_path / "in.mkv", textures(2), recipe)
    with pytest.raises(UsageError, match="10 bits become 8"):
        run(source, tmp_path / "out.mp4", Multiply(2), encode=EncodeOptions(codec="mpeg4"))
    run(source, tmp_path / "out.mp4", Multiply(2), encode=EncodeOptions(codec="mpeg4", allow_loss=True))
    assert probe(tmp_path / "out.mp4").bit_depth == 8


# Cuts and equal frames


@pytest.mark.parametrize("context", [1, 2])
def test_holds_the_last_frame_of_a_scene_at_a_cut(tmp_path, context):
    source = make_clip(tmp_path / "in.mp4", textures(6, seed=1) + textures(6, seed=2, brightness=90))
    before = [frame.pixels for frame in read(source)]
    method = Blend(context=context)
    result = run(source, tmp_path / "out.mp4", Multiply(2), method, encode=LOSSLESS)
    after = [frame.pixels.astype(int) for frame in read(tmp_path / "out.mp4")]
    assert (result.held_at_cuts, result.made, result.kept) == (1, 10, 12)
    assert result.cut_times == (Fraction(6, 24),)
    assert np.abs(after[11] - after[10]).max() == 0
    first_scene = float(np.mean(before[5]))
    for frames, _ in method.calls:
        means = frames[0].mean(dim=(1, 2, 3)) * 255
        assert max(abs(float(mean) - first_scene) < 30 for mean in means) == min(
            abs(float(mean) - first_scene) < 30 for mean in means
        )


def test_without_cut_detection_every_gap_is_filled(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(6, seed=1) + textures(6, seed=2, brightness=90))
    result = run(source, tmp_path / "out.mp4", Multiply(2), cuts=False)
    assert (result.held_at_cuts, result.made) == (0, 11)


def test_equal_frames_are_repeated_without_the_network(tmp_path):
    source = make_clip(tmp_path / "in.mp4", flat(90, 6))
    method = Blend()
    result = run(source, tmp_path / "out.mp4", Multiply(2), method)
    assert method.calls == []
    assert (result.held_between_equals, result.kept) == (5, 6)


@pytest.mark.parametrize("offer", [Midpoint(), Grid(8)], ids=str)
def test_methods_with_few_instants_reach_any_rate(tmp_path, offer):
    source = make_clip(tmp_path / "in.mp4", ramp(6))
    result = run(source, tmp_path / "out.mp4", ToRate(Fraction(60)), Blend(offer), encode=LOSSLESS)
    assert result.frames_out == 15
    for frame in read(tmp_path / "out.mp4"):
        exact = 16 + 10 * min(float(frame.time * 24), 5)
        assert abs(float(frame.pixels.mean()) - exact) <= 10 / 16 + ROUNDING_LEVELS
    assert any("instants move by up to" in note for note in result.notes)


def test_a_video_of_one_frame_comes_out_whole(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(1))
    result = run(source, tmp_path / "out.mp4", Multiply(4))
    assert (result.frames_in, result.frames_out) == (1, 1)
    assert total(read(tmp_path / "out.mp4")) == Fraction(1, 24)


# Failure


@pytest.mark.parametrize("error", [RuntimeError("the network failed"), KeyboardInterrupt()], ids=repr)
def test_no_file_is_left_behind_when_the_method_fails(tmp_path, error):
    source = make_clip(tmp_path / "in.mp4", textures(12))
    method = Failing()
    method.error = error
    with pytest.raises(type(error)):
        run(source, tmp_path / "out.mp4", Multiply(2), method)
    assert leftovers(tmp_path) == ["in.mp4"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("midframe")]


def test_no_file_is_left_behind_when_the_source_is_truncated(tmp_path):
    faststart = Recipe(container_options={"movflags": "faststart"}, options={"qp": "0", "g": "1"})
    source = make_clip(tmp_path / "in.mp4", textures(48), faststart)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(MediaError, match=r"in\.mp4: .* at \d"):
        run(source, tmp_path / "out.mp4", Multiply(2))
    assert leftovers(tmp_path) == ["in.mp4"]


def test_no_file_is_left_behind_when_the_encoder_refuses(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(4))
    with pytest.raises(WriteError, match="libx264"):
        run(source, tmp_path / "out.mp4", Multiply(2), encode=EncodeOptions(encoder_options={"profile": "none"}))
    assert leftovers(tmp_path) == ["in.mp4"]


def test_a_failing_progress_callback_stops_the_run(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(12))

    def refuse(progress):
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        run(source, tmp_path / "out.mp4", Multiply(2), progress=refuse)
    assert leftovers(tmp_path) == ["in.mp4"]


def test_the_source_is_never_overwritten(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2))
    before = source.read_bytes()
    with pytest.raises(WriteError, match="is the source itself"):
        run(source, source, Multiply(2), overwrite=True)
    assert source.read_bytes() == before


def test_an_existing_target_is_replaced_only_when_asked(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2))
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    with pytest.raises(WriteError, match="exists already"):
        run(source, target, Multiply(2))
    assert target.read_text() == "precious"
    run(source, target, Multiply(2), overwrite=True)
    assert len(read(target)) == 3


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("missing/out.mp4", WriteError, "there is no folder"),
        ("out.txt", UsageError, "names no container"),
        ("", WriteError, "is a folder"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_before_any_work(tmp_path, name, error, sentence):
    source = make_clip(tmp_path / "in.mp4", textures(2))
    method = Blend()
    with pytest.raises(error, match=sentence):
        run(source, tmp_path / name, Multiply(2), method)
    assert method.calls == []
    assert leftovers(tmp_path) == ["in.mp4"]


def test_progress_counts_up_to_the_total(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(12))
    seen = []
    result = run(source, tmp_path / "out.mp4", Multiply(2), progress=seen.append)
    assert [report.frames_done for report in seen] == sorted(report.frames_done for report in seen)
    assert seen[-1].frames_done == seen[-1].frames_total == result.frames_out
    assert seen[-1].seconds_left == 0


# Confidence


def grey_frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray")
        return [(frame.to_ndarray(), frame.pts * frame.time_base) for frame in container.decode(stream)]


def test_the_map_is_black_for_source_frames_and_shows_the_doubt_of_made_ones(tmp_path):
    source = make_clip(tmp_path / "in.mp4", ramp(4, step=16))
    target, chart = tmp_path / "out.mp4", tmp_path / "map.mkv"
    result = run(source, target, Multiply(2), Doubting(), confidence=chart)
    maps = grey_frames(chart)
    shown = [frame.time for frame in read(target)]
    assert len(maps) == result.frames_out == len(shown)
    assert [float(time) for _, time in maps] == pytest.approx([float(time) for time in shown], abs=float(MILLISECOND))
    kept, made = maps[0][0], maps[1][0]
    assert kept.max() == 0
    # Neighbours differ by 16 levels of 255, of which half is doubted; white stands for a quarter of the range.
    assert made.astype(float) == pytest.approx(8 * 4, abs=4 * ROUNDING_LEVELS)
    rows = (tmp_path / "map.csv").read_text().splitlines()
    assert rows[0] == "frame,seconds,kind,mean_uncertainty,worst_percent_uncertainty"
    assert len(rows) == 1 + len(maps)
    assert rows[1].split(",")[2:] == ["source", "0.0", "0.0"]
    assert rows[2].split(",")[2] == "made"
    assert float(rows[2].split(",")[3]) == pytest.approx(8, abs=ROUNDING_LEVELS)


def test_a_method_that_cannot_doubt_is_not_asked_to(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(3))
    with pytest.raises(UsageError, match="blend does not say how sure it is"):
        run(source, tmp_path / "out.mp4", Multiply(2), confidence=tmp_path / "map.mkv")
    assert leftovers(tmp_path) == ["in.mp4"]


def test_a_map_of_another_kind_is_refused_before_any_work(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(3))
    with pytest.raises(WriteError, match=r"must end in \.mkv"):
        run(source, tmp_path / "out.mp4", Multiply(2), Doubting(), confidence=tmp_path / "map.png")
    assert leftovers(tmp_path) == ["in.mp4"]


def test_no_map_is_left_of_a_run_that_fails(tmp_path):
    class Broken(Doubting):
        def interpolate_with_uncertainty(self, frames, times, *, generator=None):
            raise RuntimeError("broken")

    source = make_clip(tmp_path / "in.mp4", textures(4))
    with pytest.raises(RuntimeError, match="broken"):
        run(source, tmp_path / "out.mp4", Multiply(2), Broken(), confidence=tmp_path / "map.mkv")
    assert leftovers(tmp_path) == ["in.mp4"]


@pytest.mark.parametrize("chart", ["in.mkv", "out.mkv"])
def test_a_map_does_not_take_the_place_of_a_video(tmp_path, chart):
    source = make_clip(tmp_path / "in.mkv", textures(3))
    before = source.read_bytes()
    with pytest.raises(WriteError, match=rf"{chart} is the video itself"):
        run(source, tmp_path / "out.mkv", Multiply(2), Doubting(), confidence=tmp_path / chart, overwrite=True)
    assert leftovers(tmp_path) == ["in.mkv"]
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["map.csv", "map.mkv"])
def test_a_folder_in_the_place_of_a_map_or_its_table_is_refused_before_any_work(tmp_path, name):
    source = make_clip(tmp_path / "in.mp4", textures(3))
    (tmp_path / name).mkdir()
    with pytest.raises(WriteError, match=f"{name} is a folder"):
        run(source, tmp_path / "out.mp4", Multiply(2), Doubting(), confidence=tmp_path / "map.mkv", overwrite=True)
    assert leftovers(tmp_path) == ["in.mp4", name]
