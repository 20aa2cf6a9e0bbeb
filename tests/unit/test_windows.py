from fractions import Fraction

import numpy as np
import pytest

from midframe.engine.windows import Content, gap_windows
from midframe.video import TimedFrame


def windows(levels, context, cuts=()):
    frames = [
        TimedFrame(k, Fraction(k), Fraction(1), np.full((2, 2, 3), level, np.uint8), k == len(levels) - 1)
        for k, level in enumerate(levels)
    ]
    return list(gap_windows([(frame, frame.index in cuts) for frame in frames], context))


def seen(window):
    return [frame.index for frame in window.frames]


def test_two_frame_windows_are_the_pairs():
    made = windows(range(4), context=1)
    assert [seen(window) for window in made[:-1]] == [[0, 1], [1, 2], [2, 3]]
    assert made[-1].content is Content.END


def test_four_frame_windows_repeat_the_border_frames():
    assert [seen(window) for window in windows(range(4), context=2)[:-1]] == [
        [0, 0, 1, 2],
        [0, 1, 2, 3],
        [1, 2, 3, 3],
    ]


def test_no_window_looks_across_a_cut():
    made = windows(range(7), context=2, cuts={3})
    assert [seen(window) for window in made[:2]] == [[0, 0, 1, 2], [0, 1, 2, 2]]
    assert made[2].content is Content.CUT
    assert [seen(window) for window in made[3:6]] == [[3, 3, 4, 5], [3, 4, 5, 6], [4, 5, 6, 6]]


@pytest.mark.parametrize("context", [1, 2])
def test_equal_neighbours_are_recognised(context):
    made = windows([5, 5, 6], context)
    assert [window.content for window in made] == [Content.SAME, Content.MOTION, Content.END]


@pytest.mark.parametrize("context", [1, 2])
def test_a_single_frame_is_one_gap_at_the_end(context):
    (only,) = windows([1], context)
    assert only.content is Content.END
    assert only.gap.is_last
