"""Headers, files and places that nobody has in good faith: one sentence, soon, and nothing left behind."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe.core.errors import MediaError, UsageError, WriteError
from midframe.core.timeline import Multiply, RateRule, ToRate
from midframe.engine import make_plan, run_video
from midframe.video import probe

TWICE = Multiply(2)


def refused(
    source: Path, kind: type[Exception], sentence: str, rule: RateRule = TWICE, name: str = "out.mp4"
) -> None:
    """Neither plan nor run takes the source, and the folder stays as it was."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(kind, match=sentence):
        make_plan(probe(source), source.with_name(name), rule)
    with pytest.raises(kind, match=sentence):
        run_video(source, source.with_name(name), Blend(), rule)
    assert sorted(source.parent.iterdir()) == before


def png(path: Path, width: int, height: int) -> Path:
    """A picture whose header declares a size, with hardly any data behind it."""
    chunks = b""
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 1), (33_000, 8), (20_000, 20_000)])
def test_an_absurd_size_is_refused(tmp_path: Path, width: int, height: int):
    refused(png(tmp_path / "in.png", width, height), MediaError, "cannot be read|declares pictures of|can be decoded")


def test_a_size_that_a_decoder_would_take_is_refused_by_its_numbers(tmp_path: Path):
    source = make_clip(tmp_path / "in.avi", textures(3), Recipe(codec="ffv1", options={}))
    content = bytearray(source.read_bytes())
    place = content.index(b"strf") + 12
    content[place : place + 4] = struct.pack("<I", 40_000)
    source.write_bytes(content)
    refused(source, MediaError, "40000x48; midframe takes at most 32768 pixels a side and 268 million")


def with_stamps(folder: Path, stamps: list[int], base: Fraction) -> Path:
    suffix = ".mp4" if base < Fraction(1, 1000) else ".mkv"
    return make_clip(folder / f"in{suffix}", textures(len(stamps)), Recipe(times=stamps, time_base=base))


def test_a_thousand_million_frames_a_second_are_refused_as_they_are_and_taken_at_a_rate(tmp_path: Path):
    source = with_stamps(tmp_path, list(range(6)), Fraction(1, 10**9))
    refused(source, UsageError, "would be 5e-10 s apart, and it counts 1e-06 s.*--fps")
    assert run_video(source, tmp_path / "out.mp4", Blend(), ToRate(Fraction(25))).frames_out == 1


def test_frames_finer_than_the_clock_of_matroska_are_refused_there_alone(tmp_path: Path):
    source = with_stamps(tmp_path, list(range(6)), Fraction(1, 4000))
    refused(source, UsageError, "it counts 0.001 s.*mp4", name="out.mkv")
    run_video(source, tmp_path / "out.mp4", Blend(), TWICE)
    assert packet_times(tmp_path / "out.mp4", "video") == [Fraction(k, 8000) for k in range(11)]


def test_a_frame_that_stands_for_days_is_doubled_and_not_resampled(tmp_path: Path):
    source = with_stamps(tmp_path, [0, 1, 300_000], Fraction(1))
    sixty = ToRate(Fraction(60))
    refused(source, UsageError, "shows one frame from 1 s to 300000 s, for which 17999940 frames", sixty)
    refused(source, UsageError, r"shown for 150000 s, which \.mp4 cannot say: write mkv")
    run_video(source, tmp_path / "out.mkv", Blend(), TWICE)
    assert packet_times(tmp_path / "out.mkv", "video")[2:] == [1, Fraction(300_001, 2), 300_000]


def test_more_frames_than_anybody_waits_for_are_refused(tmp_path: Path):
    source = with_stamps(tmp_path, [0, 2 * 10**6], Fraction(1))
    refused(source, UsageError, "That would be 12.* frames, and 100000000 are the most", ToRate(Fraction(60)))
    refused(source, UsageError, "300000 frames were wanted; at most 262144", Multiply(300_000))


def test_a_long_first_gap_leaves_the_duration_as_it_is(tmp_path: Path):
    """In mp4 the stamps of decoding, which begin before the first picture, make up the length of the track."""
    source = with_stamps(tmp_path, [0, 160, 200, 240, 280], Fraction(1, 1000))
    result = run_video(source, tmp_path / "out.mp4", Blend(), Multiply(3))
    assert abs(probe(tmp_path / "out.mp4").duration - result.duration) <= Fraction(1, 1000)


def test_a_plan_of_a_million_frames_takes_no_minute(tmp_path: Path):
    source = with_stamps(tmp_path, [3600 * k for k in range(12)], Fraction(1))
    started = time.monotonic()
    plan = make_plan(probe(source), tmp_path / "out.mkv", ToRate(Fraction(60)))
    assert time.monotonic() - started < 10
    assert plan.frames_out > 11 * 3600 * 60
    assert plan.frames_kept is None


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_a_last_frame_below_a_millisecond_lasts_no_usual_duration(tmp_path: Path, suffix: str):
    source = with_stamps(tmp_path, [0, 40_000, 80_000, 120_300], Fraction(1, 10**6))
    result = run_video(source, tmp_path / f"out{suffix}", Blend(), ToRate(Fraction(25)))
    assert abs(packet_end(tmp_path / f"out{suffix}") - result.duration) <= Fraction(1, 1000)


def packet_end(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        return max((p.pts + p.duration) * p.time_base for p in container.demux(video=0) if p.pts is not None)


def test_a_duration_that_nobody_believes_is_named(tmp_path: Path):
    source = make_clip(tmp_path / "in.avi", textures(5), Recipe(codec="mjpeg", pixel_format="yuvj420p", options={}))
    content = bytearray(source.read_bytes())
    for place in (content.index(b"avih") + 24, content.index(b"strh") + 40):  # both numbers of frames
        content[place : place + 4] = b"\xff\xff\xff\xff"
    source.write_bytes(content)
    plan = make_plan(probe(source), tmp_path / "out.mp4", ToRate(Fraction(60)))
    assert plan.frames_out == 12
    assert any("declares 178956970.6" in note and "truncated" in note for note in plan.notes)
    result = run_video(source, tmp_path / "out.mp4", Blend(), ToRate(Fraction(60)), skip_damaged=True)
    assert result.frames_out == 12


def test_what_came_out_otherwise_than_planned_is_noted(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(24), Recipe(options={"qp": "0", "g": "1"}))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    source.write_bytes(content)
    plan = make_plan(probe(source), tmp_path / "out.mkv", TWICE)
    result = run_video(source, tmp_path / "out.mkv", Blend(), TWICE, skip_damaged=True)
    assert plan.frames_in == 24
    assert result.frames_in < 24
    assert f"The source's packets promised 24 frames; {result.frames_in} came out of it." in result.notes


def test_a_huge_file_of_nothing_is_refused_at_once(tmp_path: Path):
    source = tmp_path / "in.mp4"
    with source.open("wb") as file:
        file.truncate(2**40)
    refused(source, MediaError, "in.mp4 cannot be read as a video")


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/dev/null"])
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path, place: str):
    source = tmp_path / "in.mp4"
    if place == "pipe":
        os.mkfifo(source)
    else:
        source.symlink_to(place)
    refused(source, MediaError, "is not a regular file")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nobody can write")
def test_a_folder_in_which_nobody_can_write_is_named_in_one_sentence(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(3))
    line = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), "/proc/out.mp4", "--method", "blend"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("midframe: /proc/")
    assert done.stderr.count("\n") == 1


def test_a_link_in_the_place_of_the_target_is_replaced_and_what_it_names_stays(tmp_path: Path):
    source, other, target = make_clip(tmp_path / "in.mp4", textures(4)), tmp_path / "other", tmp_path / "out.mp4"
    other.write_bytes(b"mine")
    target.symlink_to(other)
    with pytest.raises(WriteError, match="exists already"):
        run_video(source, target, Blend(), TWICE)
    run_video(source, target, Blend(), TWICE, overwrite=True)
    assert other.read_bytes() == b"mine"
    assert not target.is_symlink()
    assert probe(target).duration is not None


def test_a_link_to_the_source_in_the_place_of_the_target_is_refused(tmp_path: Path):
    source, target = make_clip(tmp_path / "in.mp4", textures(4)), tmp_path / "out.mp4"
    before = source.read_bytes()
    target.symlink_to(source)
    with pytest.raises(WriteError, match="is the source itself"):
        run_video(source, target, Blend(), TWICE, overwrite=True)
    assert source.read_bytes() == before
