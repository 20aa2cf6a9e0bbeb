"""Boxes that cover a frame."""

from __future__ import annotations

import numpy as np
import pytest

from midframe.ops.tiles import Box, cover, quarters


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (64, 48), (61, 117)])
@pytest.mark.parametrize("area", [1, 60, 1000, 10**7])
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_each_pixel_lies_in_exactly_one_box(height: int, width: int, area: int, multiple: int):
    seen = np.zeros((height, width), int)
    for box in cover(height, width, area, multiple):
        assert box.area > 0
        assert box.area <= max(area, multiple**2)
        assert box.top % multiple == 0 and box.left % multiple == 0
        seen[box.slices()] += 1
    assert (seen == 1).all()


def test_boxes_are_as_large_as_they_may_be():
    count = len(list(cover(720, 1280, 100_000, 8)))
    assert count <= 1.6 * 720 * 1280 / 100_000


def test_a_frame_that_fits_is_one_box():
    assert list(cover(9, 31, 31 * 31)) == [Box(0, 0, 9, 31)]


def test_quarters_cover_their_box_once():
    box = Box(8, 16, 72, 100)
    seen = np.zeros((80, 120), int)
    for part in quarters(box, 4):
        seen[part.slices()] += 1
        assert part.top % 4 == 0 and part.left % 4 == 0
    assert seen[box.slices()].sum() == seen.sum() == box.area
    assert seen.max() == 1


def test_growth_ends_at_the_border_of_the_frame():
    frame = Box(0, 0, 50, 70)
    assert Box(10, 20, 30, 40).grown(5).fitted(frame, 4) == Box(4, 12, 36, 48)
    assert Box(0, 60, 30, 70).grown(8).fitted(frame, 4) == Box(0, 52, 40, 70)


def test_a_box_is_seen_from_the_corner_of_another():
    assert Box(12, 20, 16, 28).within(Box(8, 16, 40, 40)) == Box(4, 4, 8, 12)
    assert Box(8, 16, 40, 48).divided(4) == Box(2, 4, 10, 12)
    assert Box(8, 16, 40, 40).holds(Box(8, 16, 40, 40))
    assert not Box(8, 16, 40, 40).holds(Box(7, 16, 40, 40))
