"""How a video is divided, and how its parts are stamped when they are joined."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from midframe.engine.segments import FEWEST_FRAMES, MOST_FRAMES, SegmentCounter, frames_in_segment
from midframe.engine.windows import Content
from midframe.video.write import decoding_stamps


def reordered(stamps: list[int], starts: set[int], shuffle: list[int]) -> list[int]:
    """Stamps in an order of decoding: groups that each begin with their earliest stamp, the rest in any order."""
    edges = [0, *sorted(starts), len(stamps)]
    order: list[int] = []
    for first, last in itertools.pairwise(edges):
        group = stamps[first:last]
        order += group[:1] + sorted(group[1:], key=lambda stamp: shuffle[stamp % len(shuffle)])
    return order


@given(
    st.sets(st.integers(0, 10_000), min_size=1, max_size=30),
    st.sets(st.integers(0, 29), max_size=4),
    st.lists(st.integers(), min_size=7, max_size=7),
)
def test_decoding_stamps_ascend_and_none_is_later_than_its_frame(stamps, starts, shuffle):
    order = reordered(sorted(stamps), {start for start in starts if start < len(stamps)}, shuffle)
    decoding = decoding_stamps(order)
    assert len(decoding) == len(order)
    assert all(later > earlier for earlier, later in itertools.pairwise(decoding))
    assert all(dts <= pts for dts, pts in zip(decoding, order, strict=True))


def test_decoding_stamps_of_frames_in_order_are_their_own():
    assert decoding_stamps([0, 40, 70, 120]) == [0, 40, 70, 120]
    assert decoding_stamps([]) == []


def test_decoding_stamps_are_those_of_an_encoder_with_b_frames():
    assert decoding_stamps([0, 6, 2, 4, 12, 8, 10]) == [-2, 0, 2, 4, 6, 8, 10]


def test_a_segment_ends_at_a_cut_and_when_it_is_full():
    counter = SegmentCounter(most=4)
    gaps = [(Content.MOTION, 2), (Content.MOTION, 2), (Content.CUT, 2), (Content.MOTION, 5), (Content.END, 1)]
    assert [counter.place(*gap) for gap in gaps] == [0, 0, 1, 2, 3]


def test_every_segment_has_a_frame():
    counter = SegmentCounter(most=4)
    gaps = [(Content.CUT, 0), (Content.CUT, 0), (Content.MOTION, 1), (Content.CUT, 0), (Content.MOTION, 1)]
    assert [counter.place(*gap) for gap in gaps] == [0, 0, 0, 0, 1]


def test_larger_pictures_get_shorter_segments():
    lengths = [frames_in_segment(*size) for size in ((64, 48), (960, 540), (1920, 1080), (7680, 4320))]
    assert lengths == [MOST_FRAMES, MOST_FRAMES, MOST_FRAMES // 4, FEWEST_FRAMES]
