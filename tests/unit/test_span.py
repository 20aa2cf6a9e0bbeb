"""Part of a video is read as a reader from the start reads it."""

from fractions import Fraction

import numpy as np
import pytest

from clips import Recipe, make_clip, textures
from midframe.core.errors import UsageError
from midframe.video import VideoReader, probe
from midframe.video import span as span_room
from midframe.video.span import read_frames, read_span

SHORT_GROUPS = {"qp": "1", "preset": "medium", "g": "5", "bf": "2"}


@pytest.fixture
def info(tmp_path):
    recipe = Recipe(rate=Fraction(25), options=SHORT_GROUPS)
    return probe(make_clip(tmp_path / "clip.mp4", textures(20), recipe))


def same(found, expected):
    assert [(f.index, f.time, f.duration, f.is_last) for f in found] == [
        (f.index, f.time, f.duration, f.is_last) for f in expected
    ]
    assert all(np.array_equal(f.pixels, e.pixels) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize(("first", "stop"), [(0, 20), (0, 1), (7, 9), (10, 16), (19, 20)])
def test_frames_by_number_are_those_of_a_reader_from_the_start(info, first, stop):
    same(list(read_frames(info, first, stop)), list(VideoReader(info))[first:stop])


@pytest.mark.parametrize(
    ("start", "end", "margin", "numbers"),
    [("0.24", "0.32", 0, [6, 7]), ("0.25", "0.33", 0, [6, 7, 8]), ("0.24", "0.28", 2, [4, 5, 6, 7, 8])],
)
def test_a_span_begins_with_the_frame_on_screen(info, start, end, margin, numbers):
    found = list(read_span(info, (Fraction(start), Fraction(end)), margin))
    assert [frame.index for frame in found] == numbers


def test_a_margin_ends_where_the_video_does(info):
    assert [frame.index for frame in read_span(info, (Fraction(0), Fraction(1)), 30)] == list(range(20))


def test_a_file_that_cannot_be_entered_is_read_from_the_start(info, monkeypatch):
    whole = list(VideoReader(info))

    def breaks_off(info, times, wanted):
        yield from whole[wanted.start : wanted.start + 2]

    monkeypatch.setattr(span_room, "_read_from_key_frame", breaks_off)
    same(list(read_frames(info, 6, 12)), whole[6:12])


def test_packets_without_times_are_no_obstacle(info, monkeypatch):
    monkeypatch.setattr(span_room, "scan", lambda info: None)
    same(list(read_frames(info, 6, 9)), list(VideoReader(info))[6:9])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("1", "1", "A span starts at 0 or later and ends after its start; got 1-1 s"),
        ("-1", "1", "got -1-1 s"),
        ("3", "4", r"ends before 3-4 s: its last frame is at 0\.76 s"),
    ],
)
def test_refuses_a_span_that_shows_nothing(info, start, end, message):
    with pytest.raises(UsageError, match=message):
        list(read_span(info, (Fraction(start), Fraction(end))))


def test_refuses_numbers_beyond_the_end(info):
    with pytest.raises(UsageError, match="has 20 frames; numbers 18 to 20 were asked for, from 0"):
        list(read_frames(info, 18, 21))
