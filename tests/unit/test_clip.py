"""Short clips for looking at."""

from fractions import Fraction

import numpy as np
import pytest

from clips import textures
from midframe.core.errors import ShapeError, WriteError
from midframe.video import VideoReader, probe
from midframe.video.clip import write_clip

CODED_ERROR = 6
"""Levels on average: the clip is 4:2:0, at a quality for looking at."""


def timed(pictures):
    return [(picture, Fraction(k * k, 25)) for k, picture in enumerate(pictures)]


def test_pictures_come_back_at_their_times(tmp_path):
    smooth = [np.full((48, 64, 3), (40 + 20 * k, 90, 120), np.uint8) for k in range(5)]
    write_clip(tmp_path / "clip.mp4", timed(smooth), Fraction(1), Fraction(25))
    info = probe(tmp_path / "clip.mp4")
    frames = list(VideoReader(info))
    assert [frame.time for frame in frames] == [Fraction(k * k, 25) for k in range(5)]
    assert info.duration == 1
    assert (info.colour.matrix, info.colour.matrix_is_assumed) == (1, False)
    for frame, picture in zip(frames, smooth, strict=True):
        assert np.abs(frame.pixels.astype(int) - picture).mean() < CODED_ERROR


@pytest.mark.parametrize("sizes", [[(48, 63)], [(48, 64), (48, 66)]])
def test_refuses_sizes_that_it_cannot_hold_and_leaves_no_file(tmp_path, sizes):
    frames = timed([np.zeros((*size, 3), np.uint8) for size in sizes])
    with pytest.raises(ShapeError, match="frames of one even size"):
        write_clip(tmp_path / "clip.mp4", frames, Fraction(1), Fraction(25))
    assert list(tmp_path.iterdir()) == []


def test_says_where_it_cannot_write(tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        write_clip(tmp_path / "missing" / "clip.mp4", timed(textures(2)), Fraction(1), Fraction(25))
