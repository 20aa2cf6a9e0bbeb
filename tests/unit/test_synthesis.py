from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef

from blend import Blend
from midframe.core.errors import ShapeError, UsageError
from midframe.core.method import AnyTime, Grid, Midpoint
from midframe.engine import GapFiller, interpolate_pair, nearest_offered, to_pixels, to_tensor
from midframe.engine.memory import TIMES_PER_CALL

times = st.fractions(0, 1, max_denominator=60).filter(lambda time: 0 < time < 1)


def picture(level, dtype=np.uint8, size=(5, 7)):
    return np.full((*size, 3), level, dtype)


@given(times)
def test_halving_moves_no_instant_by_more_than_a_sixteenth(time):
    moved = nearest_offered(Midpoint(), time)
    assert abs(moved - time) <= Fraction(1, 16)
    assert moved.denominator & (moved.denominator - 1) == 0


@given(times, st.integers(2, 16))
def test_a_grid_moves_no_instant_by_more_than_half_a_part(time, parts):
    moved = nearest_offered(Grid(parts), time)
    assert abs(moved - time) <= Fraction(1, 2 * parts)
    assert (moved * parts).denominator == 1


@given(times)
def test_a_method_for_any_time_is_asked_for_the_very_time(time):
    assert nearest_offered(AnyTime(), time) == time


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_way_to_a_tensor_and_back(dtype):
    white = np.iinfo(dtype).max
    levels = np.arange(white + 1, dtype=dtype).reshape(1, -1, 1).repeat(3, axis=2)
    assert np.array_equal(to_pixels(to_tensor(levels, torch.device("cpu")), np.dtype(dtype)), levels)


@pytest.mark.parametrize("offer", [AnyTime(), Grid(8), Midpoint()])
def test_blending_by_quarters_is_exact_for_every_kind_of_method(offer):
    quarters = [Fraction(k, 4) for k in (1, 2, 3)]
    made = interpolate_pair(Blend(offer), picture(0), picture(200), quarters)
    assert [int(frame[0, 0, 0]) for frame in made] == [50, 100, 150]
    assert all((frame == frame[0, 0, 0]).all() for frame in made)


def test_halving_makes_each_midpoint_once():
    method = Blend(Midpoint())
    interpolate_pair(method, picture(0), picture(200), [Fraction(k, 8) for k in range(1, 8)])
    assert len(method.calls) == 7


def test_all_times_of_a_gap_go_into_one_call():
    method = Blend()
    interpolate_pair(method, picture(0), picture(200), [Fraction(k, 5) for k in range(1, 5)])
    assert [len(asked) for _, asked in method.calls] == [4]


def test_frames_of_a_long_gap_are_made_as_they_are_taken():
    method = Blend()
    made = GapFiller(method).fill([picture(0), picture(200)], [Fraction(k, 1000) for k in range(1, 1000)])
    assert method.calls == []
    for _ in range(TIMES_PER_CALL + 1):
        next(made)
    assert [len(asked) for _, asked in method.calls] == [TIMES_PER_CALL] * 2
    assert not torch.is_inference_mode_enabled()
    assert len(list(made)) == 999 - TIMES_PER_CALL - 1


class Watched(Blend):
    """Knows how many of the frames that it made are still in memory."""

    def __init__(self) -> None:
        super().__init__(Midpoint())
        self.made: list[StorageWeakRef] = []

    def interpolate(self, frames, times, *, generator=None):
        frame = super().interpolate(frames, times)
        self.made.append(StorageWeakRef(frame.untyped_storage()))
        return frame

    def alive(self) -> int:
        return sum(not frame.expired() for frame in self.made)


def test_halving_holds_a_frame_for_each_level_and_no_more():
    method = Watched()
    made = GapFiller(method).fill([picture(0), picture(200)], [Fraction(k, 256) for k in range(1, 256)])
    held = [method.alive() for _ in made]
    assert len(method.made) == 255
    assert max(held) <= 8 + 1  # 256 is 2^8


def test_times_moved_to_one_instant_share_its_frame():
    method = Blend(Grid(2))
    made = interpolate_pair(method, picture(0), picture(200), [Fraction(k, 100) for k in range(1, 100)])
    assert [int(frame[0, 0, 0]) for frame in made] == [0] * 25 + [100] * 49 + [200] * 25
    assert len(method.calls) == 1


def test_frames_are_padded_to_the_multiple_and_cropped_again():
    method = Blend(size_multiple=16)
    (made,) = interpolate_pair(method, picture(10), picture(20), [Fraction(1, 2)])
    assert method.calls[0][0].shape[-2:] == (16, 16)
    assert made.shape == (5, 7, 3)
    assert (made == 15).all()


def test_a_four_frame_method_sees_each_of_two_pictures_twice():
    method = Blend(context=2)
    interpolate_pair(method, picture(0), picture(255), [Fraction(1, 2)])
    assert [float(frame.mean()) for frame in method.calls[0][0][0]] == [0, 0, 1, 1]


def test_equal_pictures_are_returned_without_a_call():
    method = Blend()
    before = picture(9)
    assert interpolate_pair(method, before, picture(9), [Fraction(1, 3)])[0] is before
    assert method.calls == []


def test_an_instant_moved_onto_a_source_frame_returns_that_frame():
    before, after = picture(0), picture(200)
    early, late = interpolate_pair(Blend(Midpoint()), before, after, [Fraction(1, 60), Fraction(59, 60)])
    assert early is before
    assert late is after


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(ShapeError, match="differ in size"):
        interpolate_pair(Blend(), picture(0), picture(0, size=(5, 8)), [Fraction(1, 2)])


@pytest.mark.parametrize("asked", [[Fraction(0)], [Fraction(1)], [Fraction(1, 2), Fraction(1, 4)]])
def test_times_outside_the_gap_or_out_of_order_are_refused(asked):
    with pytest.raises(UsageError, match="ascend strictly"):
        interpolate_pair(Blend(), picture(0), picture(1), asked)


def test_halving_more_than_two_frames_is_refused():
    with pytest.raises(UsageError, match="2 frames"):
        GapFiller(Blend(Midpoint(), context=2))
