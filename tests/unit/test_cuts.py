from fractions import Fraction

import numpy as np
import pytest

from clips import flat, textures
from midframe.video import TimedFrame, mark_cuts


def cuts_in(pictures):
    frames = [
        TimedFrame(k, Fraction(k, 24), Fraction(1, 24), pixels, k == len(pictures) - 1)
        for k, pixels in enumerate(pictures)
    ]
    marked = list(mark_cuts(frames))
    assert [frame for frame, _ in marked] == frames
    return [frame.index for frame, opens in marked if opens]


@pytest.mark.parametrize("place", [1, 2, 6, 9, 10, 11])
def test_finds_a_cut_wherever_it_is(place):
    pictures = textures(12, seed=1)[:place] + textures(12, seed=2, brightness=90)[place:]
    assert cuts_in(pictures) == [place]


def test_finds_two_cuts():
    pictures = textures(5, seed=1) + textures(5, seed=2, brightness=90) + textures(5, seed=3)
    assert cuts_in(pictures) == [5, 10]


def test_a_fast_pan_is_no_cut():
    assert cuts_in(textures(12, step=16, seed=4)) == []


def test_the_start_of_a_fast_pan_is_no_cut():
    still = textures(1, seed=4) * 6
    assert cuts_in(still + textures(8, step=16, seed=4)[1:]) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(length):
    pictures = textures(14, seed=5)
    pictures[6 : 6 + length] = flat(255, length)
    assert cuts_in(pictures) == []


def test_sixteen_bit_pictures_are_judged_like_eight_bit_ones():
    pictures = textures(6, seed=1) + textures(6, seed=2, brightness=90)
    assert cuts_in([pixels.astype(np.uint16) * 257 for pixels in pictures]) == [6]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_short_videos_pass_through(count):
    assert cuts_in(textures(count)) == []
