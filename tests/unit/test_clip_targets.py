"""Which frames of a clip are left out to be remade."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from clips import Recipe, make_clip, textures
from midframe.core.errors import UsageError
from midframe.evaluation.clip_targets import is_repeat, read_targets, spread_targets, survey_clip
from midframe.video import TimedFrame, VideoReader, probe

CLIP = Path("clip.mp4")


def survey(pictures, cuts=(), times=None):
    times = times or [Fraction(k, 25) for k in range(len(pictures))]
    frames = [
        (TimedFrame(k, time, Fraction(1, 25), pixels, k == len(pictures) - 1), k in cuts)
        for k, (time, pixels) in enumerate(zip(times, pictures, strict=True))
    ]
    return survey_clip(CLIP, frames)


def numbers(target):
    frames = target.frames
    references = (frames.earlier, frames.before, frames.target, frames.after, frames.later)
    return [reference and reference.index for reference in references]


def test_every_second_frame_is_a_target_between_kept_ones():
    found = survey(textures(7))
    assert [numbers(target) for target in found.targets] == [
        [None, 0, 1, 2, 4],
        [0, 2, 3, 4, 6],
        [2, 4, 5, 6, None],
    ]
    assert [target.seconds for target in found.targets] == [Fraction(1, 25), Fraction(3, 25), Fraction(5, 25)]


def test_no_target_looks_across_a_cut():
    found = survey(textures(9), cuts={4})
    assert [numbers(target) for target in found.targets] == [
        [None, 0, 1, 2, None],
        [None, 4, 5, 6, 8],
        [4, 6, 7, 8, None],
    ]
    assert [target.scene for target in found.targets] == [1, 2, 2]
    assert found.scenes == 2


def test_repeated_frames_are_passed_over():
    pictures = [picture for picture in textures(5) for _ in range(2)]
    found = survey(pictures)
    assert [numbers(target) for target in found.targets] == [[None, 0, 2, 4, 8], [0, 4, 6, 8, None]]
    assert (found.frames, found.repeats) == (10, 5)


def test_film_shown_in_sixty_fields_offers_each_of_its_frames():
    pictures = [picture for k, picture in enumerate(textures(5)) for _ in range(3 if k % 2 else 2)]
    found = survey(pictures, times=[Fraction(k, 60) for k in range(len(pictures))])
    assert [numbers(target)[1:4] for target in found.targets] == [[0, 2, 5], [5, 7, 10]]


def test_a_frame_far_from_the_middle_of_its_gap_is_no_target():
    times = [Fraction(k, 25) for k in (0, 1, 4, 5, 6)]
    assert [numbers(target)[1:4] for target in survey(textures(5), times=times).targets] == [[2, 3, 4]]


def test_a_still_clip_offers_nothing():
    assert survey(textures(1) * 6).targets == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_coding_noise_is_a_repeat_and_a_small_thing_that_moves_is_not(dtype):
    scale = np.iinfo(dtype).max // 255
    picture = textures(1)[0].astype(dtype) * dtype(scale)
    noise = np.random.default_rng(0).integers(0, 2, picture.shape).astype(dtype) * dtype(scale)
    moved = picture.copy()
    moved[16:32, 16:32] = picture[16:32, 18:34]
    assert is_repeat(picture, picture + noise)
    assert not is_repeat(picture, moved)


@pytest.mark.parametrize(("count", "chosen"), [(1, [5]), (2, [2, 7]), (5, [1, 3, 5, 7, 9]), (10, range(10))])
def test_targets_are_spread_over_the_clip(count, chosen):
    targets = survey(textures(21)).targets
    assert len(targets) == 10
    assert spread_targets(targets, count) == [targets[position] for position in chosen]


def test_refuses_to_test_nothing():
    with pytest.raises(UsageError, match="At least one frame must be tested; got 0"):
        spread_targets(survey(textures(5)).targets, 0)


def test_each_target_is_read_with_the_pixels_of_its_frames(tmp_path):
    path = make_clip(tmp_path / "clip.mp4", textures(11), Recipe(rate=Fraction(25)))
    info = probe(path)
    pixels = [frame.pixels for frame in VideoReader(info)]
    targets = survey_clip(path, ((frame, False) for frame in VideoReader(info))).targets
    read = list(read_targets(info, targets[1:]))
    assert len(read) == 4
    for target, pictures in zip(targets[1:], read, strict=True):
        assert [reference.index for reference in pictures] == [k for k in numbers(target) if k is not None]
        assert all(np.array_equal(found, pixels[reference.index]) for reference, found in pictures.items())
