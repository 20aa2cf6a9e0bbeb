"""Boxes that cover a frame."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from midframe.ops.tiles import Box, cover, overlapping, quarters


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


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 40), (96, 240), (1088, 1920)])
@pytest.mark.parametrize(("side", "margin"), [(32, 8), (40, 16), (256, 64)])
def test_boxes_that_overlap_cover_the_frame_and_share_at_least_the_margin(
    height: int, width: int, side: int, margin: int
):
    boxes = overlapping(height, width, side, margin, 8)
    seen = np.zeros((height, width), int)
    for box in boxes:
        assert (box.height, box.width) == (min(side, height), min(side, width))
        assert box.top % 8 == box.left % 8 == 0
        seen[box.slices()] += 1
    assert seen.min() >= 1
    for starts in ({box.top for box in boxes}, {box.left for box in boxes}):
        assert all(later - earlier <= side - margin for earlier, later in itertools.pairwise(sorted(starts)))
