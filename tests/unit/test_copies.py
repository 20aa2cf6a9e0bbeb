"""Frames that repeat the one before: what counts as one, and what becomes of the time base."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from clips import flat, textures
from midframe.video import Cadence, TimedFrame, drop_copies, mark_cuts

RATE = Fraction(24)


def timed(pictures: Iterable[np.ndarray], count: int, rate: Fraction = RATE) -> Iterator[TimedFrame]:
    for index, pixels in enumerate(pictures):
        yield TimedFrame(index, index / rate, 1 / rate, pixels, index == count - 1)


def dropped(pictures: list[np.ndarray], rate: Fraction = RATE) -> tuple[list[TimedFrame], Cadence]:
    cadence = Cadence()
    return list(drop_copies(timed(pictures, len(pictures), rate), cadence)), cadence


def on(length: int, drawings: list[np.ndarray]) -> list[np.ndarray]:
    return [drawing for drawing in drawings for _ in range(length)]


def noisy(pictures: list[np.ndarray], level: float, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        np.clip(picture + generator.normal(0, level, picture.shape), 0, 255).astype(np.uint8) for picture in pictures
    ]


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_drawing_stands_until_the_next_and_knows_its_copies(length: int) -> None:
    frames, cadence = dropped(on(length, textures(6)))
    assert [frame.index for frame in frames] == [length * k for k in range(6)]
    assert [frame.duration for frame in frames] == [length / RATE] * 6
    assert [len(frame.copies) for frame in frames] == [length - 1] * 6
    assert frames[1].copies[0] == (length + 1) / RATE
    assert [frame.is_last for frame in frames] == [False] * 5 + [True]
    assert cadence.copies == 6 * (length - 1)
    assert f"mostly a new drawing every {length} frames" in cadence.sentence()


def test_a_mixed_cadence_is_named() -> None:
    drawings = textures(8)
    _, cadence = dropped([drawing for k, drawing in enumerate(drawings) for _ in range(2 + k % 2)])
    assert "drawings stand for 2 or 3 frames" in cadence.sentence()


def test_motion_on_every_frame_is_left_alone() -> None:
    pictures = textures(24, step=1)
    frames, cadence = dropped(pictures)
    assert [frame.pixels is picture for frame, picture in zip(frames, pictures, strict=True)] == [True] * 24
    assert cadence.sentence().startswith("No frame repeats")


def test_noise_of_compression_does_not_hide_a_copy() -> None:
    frames, _ = dropped(noisy(on(2, textures(8)), 2.0))
    assert [frame.index for frame in frames] == [2 * k for k in range(8)]


def test_a_small_change_in_a_still_picture_is_a_drawing_of_its_own() -> None:
    pictures = noisy(textures(1) * 8, 1.0)
    for k in range(8):
        pictures[k][20:24, 8 * k : 8 * k + 4] = 255  # four by four pixels that move
    frames, _ = dropped(pictures)
    assert len(frames) == 8


@pytest.mark.parametrize("count", [13, 40])
def test_a_still_picture_longer_than_half_a_second_stays_frame_by_frame(count: int) -> None:
    pictures = textures(3)[:2] + textures(1, seed=5) * count + textures(2, seed=6)
    frames, cadence = dropped(pictures)
    assert [frame.index for frame in frames] == list(range(len(pictures)))
    assert all(frame.copies == () and frame.duration == 1 / RATE for frame in frames)
    assert (cadence.copies, cadence.holds) == (0, 1)


def test_a_picture_that_stands_for_half_a_second_is_part_of_a_motion() -> None:
    frames, cadence = dropped(textures(2)[:1] + textures(1, seed=5) * 12 + textures(2, seed=6))
    assert [len(frame.copies) for frame in frames] == [0, 11, 0, 0]
    assert cadence.holds == 0


def test_half_a_second_is_half_a_second_at_any_rate() -> None:
    frames, _ = dropped(on(8, textures(4)), rate=Fraction(60))
    assert len(frames) == 4
    frames, _ = dropped(on(8, textures(4)), rate=Fraction(12))
    assert len(frames) == 32


def test_a_slow_fade_is_noticed_when_it_has_added_up() -> None:
    pictures = [flat(60 + k, 1)[0] for k in range(40)]  # one level each frame, below any threshold
    frames, _ = dropped(pictures)
    assert 4 <= len(frames) <= 14
    shown = [int(frame.pixels[0, 0, 0]) for frame in frames]
    assert max(b - a for a, b in pairwise(shown)) <= 6


def test_a_long_hold_takes_no_more_memory_than_a_short_one() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def pictures() -> Iterator[np.ndarray]:
        nonlocal most
        for _ in range(300):
            picture = np.full((48, 64, 3), 90, np.uint8)
            alive.append(weakref.ref(picture))
            yield picture
            del picture
            most = max(most, sum(reference() is not None for reference in alive))

    for _ in drop_copies(timed(pictures(), 300), Cadence()):
        pass
    assert most <= 4


def test_each_drawing_of_an_animation_is_not_taken_for_a_cut() -> None:
    pictures = on(3, textures(12, step=8, seed=3))
    assert [frame.index for frame, opens in mark_cuts(timed(pictures, 36)) if opens]  # without dedupe it is
    kept = drop_copies(timed(pictures, 36), Cadence())
    assert [frame.index for frame, opens in mark_cuts(kept) if opens] == []


def test_sixteen_bit_frames_are_judged_like_eight_bit_ones() -> None:
    deep = [picture.astype(np.uint16) * 257 for picture in noisy(on(2, textures(5)), 1.5)]
    assert [frame.index for frame in dropped(deep)[0]] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_very_short_videos_pass_through(count: int) -> None:
    assert sum(1 + len(frame.copies) for frame in dropped(textures(1) * count)[0]) == count
