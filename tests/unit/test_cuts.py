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


def mixed(before, after):
    """A picture that turns evenly into another; neither is part of it."""
    shares = np.linspace(0, 1, len(before) + 2)[1:-1]
    return [np.rint(a * (1 - w) + b * w).astype(np.uint8) for a, b, w in zip(before, after, shares, strict=True)]


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize("length", [1, 2, 4, 12, 24])
def test_fades_and_dissolves_are_no_cuts(length, step):
    old, new = textures(40, step, seed=1), textures(40, step, seed=2, brightness=90)
    black, white = flat(0, 40), flat(255, 40)
    fading, rest = old[8 : 8 + length], new[length : length + 10]
    assert cuts_in(old[:8] + mixed(fading, black[:length]) + black[:8]) == []
    assert cuts_in(black[:8] + mixed(black[:length], new[:length]) + rest) == []
    assert cuts_in(old[:8] + mixed(fading, new[:length]) + rest) == []
    assert cuts_in(old[:8] + mixed(fading, white[:length]) + white[:8]) == []
    through_black = mixed(fading, black[:length]) + black[:3] + mixed(black[:length], new[:length])
    assert cuts_in(old[:8] + through_black + rest) == []


def test_a_cut_to_black_is_a_cut():
    assert cuts_in(textures(8, seed=1) + flat(0, 8)) == [8]


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.8])
def test_light_that_flares_up_and_dies_away_is_no_cut(decay):
    pictures = [
        np.clip(picture + 95 * decay ** (k - 8), 0, 255).astype(np.uint8) if k >= 8 else picture
        for k, picture in enumerate(textures(24, seed=5))
    ]
    assert cuts_in(pictures) == []


def test_a_flickering_light_is_no_cut():
    pictures = textures(24, seed=5)
    for k in range(6, 18, 3):
        pictures[k] = flat(255, 1)[0]
    assert cuts_in(pictures) == []


def test_a_cut_between_two_letterboxed_scenes_is_found():
    pictures = textures(8, seed=1) + textures(8, seed=2, brightness=90)
    barred = [np.where(np.arange(48)[:, None, None] % 40 < 8, 0, picture).astype(np.uint8) for picture in pictures]
    assert cuts_in(barred) == [8]


def test_a_cut_next_to_a_fade_is_found():
    old, new = textures(20, seed=1), textures(20, seed=2, brightness=90)
    assert cuts_in(old[:8] + mixed(old[8:14], flat(0, 6)) + new[:8]) == [14]
