from fractions import Fraction

import av
import numpy as np
import pytest

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe.core.errors import MediaError, UsageError
from midframe.core.timeline import Multiply
from midframe.engine import run_video
from midframe.video import EncodeOptions, VideoReader, probe, read_frame, read_frames_at, scan_times
from midframe.video.scan import scan
from midframe.video.span import read_frames

MILLISECOND = Fraction(1, 1000)
B_FRAMES = {"qp": "1", "preset": "ultrafast", "bf": "2", "b_strategy": "0"}
TRANSPORT_PACKET = 188  # bytes
CODED_ERROR = 12  # levels; 4:2:0 blurs the colour edges of the texture


def read(path, **options):
    reader = VideoReader(probe(path), **options)
    return list(reader), reader.notes


def test_times_are_exact_fractions(tmp_path):
    frames, notes = read(make_clip(tmp_path / "clip.mp4", textures(12), Recipe(rate=Fraction(24000, 1001))))
    assert [frame.time for frame in frames] == [k * Fraction(1001, 24000) for k in range(12)]
    assert {frame.duration for frame in frames} == {Fraction(1001, 24000)}
    assert [frame.is_last for frame in frames] == [False] * 11 + [True]
    assert notes == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_variable_frame_rate_is_kept(tmp_path, suffix):
    stamps = [0, 40, 60, 160, 200, 320]
    recipe = Recipe(times=stamps, time_base=MILLISECOND)
    path = make_clip(tmp_path / f"clip.{suffix}", textures(6), recipe)
    frames, _ = read(path)
    assert [frame.time / MILLISECOND for frame in frames] == stamps
    assert scan_times(probe(path)) == [frame.time for frame in frames]


def test_pixels_are_those_of_the_source(tmp_path):
    pictures = [np.full((48, 64, 3), 20 * k, np.uint8) for k in range(1, 12)]
    frames, _ = read(make_clip(tmp_path / "clip.mp4", pictures))
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.pixels.dtype == np.uint8
        assert np.abs(frame.pixels.astype(int) - picture).max() <= 1


def test_a_frame_is_found_by_its_number(tmp_path):
    path = make_clip(tmp_path / "clip.mp4", textures(12), Recipe(options={"crf": "1", "bf": "2"}))
    frames, _ = read(path)
    assert np.array_equal(read_frame(path, 7), frames[7].pixels)
    for pixels, index in zip(read_frames_at(path, [11, 0, 4, 0]), [11, 0, 4, 0], strict=True):
        assert np.array_equal(pixels, frames[index].pixels)


def test_a_number_beyond_the_end_is_refused(tmp_path):
    path = make_clip(tmp_path / "clip.mp4", textures(3))
    with pytest.raises(MediaError, match="has 3 frames; frame 3 was asked for"):
        read_frame(path, 3)
    with pytest.raises(UsageError, match="numbered from 0; got -1"):
        read_frame(path, -1)


def avi_with_b_frames(folder, **options):
    """AVI holds stamps of decoding alone."""
    return make_clip(folder / "clip.avi", textures(60, brightness=40), Recipe(rate=Fraction(25), options=options))


@pytest.mark.parametrize("options", [{}, {"b_strategy": "0"}, {"b_strategy": "0", "b-pyramid": "none", "g": "12"}])
def test_an_avi_with_frames_out_of_order_keeps_them_all_in_their_order(tmp_path, options):
    path = avi_with_b_frames(tmp_path, crf="5", **options)
    frames, notes = read(path)
    assert notes == []
    assert [frame.time for frame in frames] == [Fraction(k, 25) for k in range(60)]
    assert scan_times(probe(path)) == [frame.time for frame in frames]
    assert "not when they are shown" in probe(path).notes[0]
    for frame, picture in zip(frames, textures(60, brightness=40), strict=True):
        assert np.abs(frame.pixels.astype(int) - picture).mean() < CODED_ERROR
    assert [frame.index for frame in read_frames(probe(path), 30, 35)] == [30, 31, 32, 33, 34]


def test_a_damaged_frame_of_such_an_avi_leaves_the_others_at_their_times(tmp_path):
    path = avi_with_b_frames(tmp_path, g="12", crf="5")
    whole, _ = read(path)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        lost = [packet for packet in container.demux(video=0) if packet.size][30]
        place = data.index(bytes(lost))
    data[place : place + lost.size] = bytes(lost.size)
    path.write_bytes(data)
    frames, notes = read(path, skip_damaged=True)
    assert notes
    assert 57 <= len(frames) < 60
    expected = {frame.time: frame.pixels for frame in whole}
    for frame in frames:
        if frame.time < Fraction(24, 25) or frame.time >= Fraction(36, 25):  # outside the group of the damage
            assert np.array_equal(frame.pixels, expected[frame.time])


@pytest.fixture
def long_last(tmp_path):
    """An mp4 whose last frame stands for five seconds, as midframe writes it: its packet is not the last one."""
    times = [k * 40 for k in range(30)]
    recipe = Recipe(times=times, time_base=MILLISECOND, last=5000, options=B_FRAMES)
    source = make_clip(tmp_path / "in.mkv", textures(30), recipe)
    target = tmp_path / "long last.mp4"
    run_video(source, target, Blend(), Multiply(2), encode=EncodeOptions(encoder_options=B_FRAMES), sidecar=False)
    return target


def test_a_last_frame_that_stands_long_is_no_damage(long_last):
    info = probe(long_last)
    frames, notes = read(long_last)
    assert notes == []
    assert (frames[-1].time, frames[-1].duration) == (Fraction(29, 25), 5)
    found = scan(info)
    assert (found.times[-1], found.end) == (frames[-1].time, info.duration)
    (last,) = read_frames(info, len(frames) - 1, len(frames))
    assert (last.time, last.duration) == (frames[-1].time, frames[-1].duration)


def test_such_a_file_without_its_last_packet_is_truncated_all_the_same(long_last, tmp_path):
    path = tmp_path / "cut.mp4"
    with av.open(str(long_last)) as source, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert read(path)[0][-1].duration == 5  # whole
    with av.open(str(path)) as container:
        *_, last = [packet for packet in container.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: last.pos])
    with pytest.raises(MediaError, match=r"truncated at 1\.\d{3} s: it declares 6\.160 s"):
        read(path)
    frames, notes = read(path, skip_damaged=True)
    assert frames[-1].duration <= Fraction(1, 25)
    assert any("truncated" in note for note in notes)


def truncated(folder):
    whole = make_clip(
        folder / "whole.mp4",
        textures(48),
        Recipe(container_options={"movflags": "faststart"}, options={"qp": "0", "g": "1"}),
    ).read_bytes()
    path = folder / "truncated.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


def test_a_truncated_file_is_an_error_that_names_the_time(tmp_path):
    with pytest.raises(MediaError, match=r"truncated\.mp4: .* at \d+\.\d{3} s"):
        read(truncated(tmp_path))


def test_a_truncated_file_can_be_read_as_far_as_it_goes(tmp_path):
    frames, notes = read(truncated(tmp_path), skip_damaged=True)
    assert 24 <= len(frames) < 40
    assert any("truncated" in note for note in notes)


def cut_inside_a_group(folder):
    """A transport stream that opens between two key frames, 12 frames apart, as a recording does."""
    recipe = Recipe(options={"qp": "10", "g": "12", "bf": "2", "preset": "ultrafast"}, audio=2)
    whole = make_clip(folder / "whole.ts", textures(48), recipe).read_bytes()
    path = folder / "cut.ts"
    path.write_bytes(whole[len(whole) // TRANSPORT_PACKET // 5 * TRANSPORT_PACKET :])
    return path


@pytest.mark.parametrize("skip_damaged", [False, True])
def test_time_starts_at_the_first_whole_frame_of_a_stream_cut_inside_a_group(tmp_path, skip_damaged):
    path = cut_inside_a_group(tmp_path)
    info = probe(path)
    assert packet_times(path, "video")[0] < info.start_time
    frames, notes = read(path, skip_damaged=skip_damaged)
    assert notes == []
    assert [frame.time for frame in frames] == [Fraction(k, 24) for k in range(36)]
    assert scan_times(info) == [frame.time for frame in frames]
    assert info.duration == frames[-1].time + frames[-1].duration


def damaged(folder):
    path = make_clip(folder / "damaged.mp4", textures(24), Recipe(options={"qp": "0", "g": "1"}))
    data = bytearray(path.read_bytes())
    start = len(data) // 2
    data[start : start + 300] = bytes(300)
    path.write_bytes(data)
    return path


def test_a_damaged_frame_is_an_error_that_names_the_time(tmp_path):
    with pytest.raises(MediaError, match=r"damaged\.mp4: A frame .* at 0\.\d{3} s"):
        read(damaged(tmp_path))


def test_damaged_frames_can_be_skipped_and_are_noted(tmp_path):
    frames, notes = read(damaged(tmp_path), skip_damaged=True)
    assert 20 <= len(frames) < 24
    assert notes
    assert max(frame.duration for frame in frames) >= Fraction(2, 24)


def test_a_stream_without_stamps_is_read_at_its_average_rate(tmp_path):
    path = make_clip(tmp_path / "clip.h264", textures(6), Recipe(rate=Fraction(25)))
    frames, _ = read(path)
    assert len(frames) == 6
    assert len({frame.duration for frame in frames}) == 1
