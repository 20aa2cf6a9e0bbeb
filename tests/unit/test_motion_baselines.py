"""The two baselines that find motion, held against scenes whose middle is known."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as functional

from midframe.core.errors import FilterError, MissingExtraError
from midframe.core.method import Interpolator
from midframe.methods.baseline import (
    BlendInterpolator,
    ClassicalInterpolator,
    MinterpolateInterpolator,
    minterpolate,
)
from midframe.ops.rounding import bytes_to_unit, round_to_bytes

HALF = Fraction(1, 2)
MARGIN = 16  # nothing is known of what comes in from outside
SHARE_OF_BLEND = 0.25  # of the blend's error: overlapped blocks differ a little at their seams


@pytest.fixture(params=[ClassicalInterpolator, MinterpolateInterpolator], ids=["classical", "minterpolate"])
def interpolator(request: pytest.FixtureRequest) -> Interpolator:
    return request.param()


def texture(right: int, down: int = 0) -> torch.Tensor:
    """64x96 pixels of noise with features of some 16 pixels, moved, in bytes scaled to [0, 1]."""
    noise = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(3))
    picture = functional.interpolate(noise, scale_factor=8, mode="bicubic", align_corners=False).clamp(0, 1)
    return bytes_to_unit(round_to_bytes(picture[0, :, 32 - down : 96 - down, 32 - right : 128 - right]))


def error(prediction: torch.Tensor, truth: torch.Tensor) -> float:
    inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    return (prediction - truth)[inner].abs().mean().item()


@pytest.mark.parametrize(("right", "down"), [(8, 0), (0, -8), (-8, 4)])
def test_a_moved_texture_is_found_half_way(interpolator, right, down):
    window = torch.stack((texture(0), texture(right, down)))[None]
    truth = texture(right // 2, down // 2)
    moved = interpolator.interpolate(window, [HALF])[0, 0]
    assert error(moved, truth) < SHARE_OF_BLEND * error(BlendInterpolator().interpolate(window, [HALF])[0, 0], truth)


def test_each_instant_finds_the_texture_at_its_own_place(interpolator):
    window = torch.stack((texture(0), texture(8)))[None]
    places = [texture(right) for right in range(1, 8)]
    frames = interpolator.interpolate(window, [Fraction(right, 8) for right in (1, 3, 6)])[0]
    closest = [min(range(7), key=lambda place, frame=frame: error(frame, places[place])) + 1 for frame in frames]
    assert closest == [1, 3, 6]


def test_a_still_scene_stays_as_it_is(interpolator):
    window = texture(0)[None, None].expand(1, 2, -1, -1, -1)
    still = interpolator.interpolate(window, [Fraction(1, 3), Fraction(2, 3)])
    assert torch.equal(round_to_bytes(still), round_to_bytes(window))


def test_channels_keep_their_order(interpolator):
    window = torch.stack((texture(0), texture(8)))[None]
    frame = interpolator.interpolate(window, [HALF])[0, 0]
    confused = [error(frame.roll(shift, dims=0), texture(4)) for shift in (1, 2)]
    assert error(frame, texture(4)) < min(confused) / 2


@pytest.mark.parametrize("level", range(0, 256, 15))
def test_minterpolate_keeps_every_level_of_every_channel(level):
    colour = torch.tensor([level, 255 - level, (level + 85) % 256], dtype=torch.uint8)
    window = bytes_to_unit(colour)[None, None, :, None, None].expand(1, 2, 3, 32, 32)
    frame = MinterpolateInterpolator().interpolate(window, [HALF])[0, 0]
    assert torch.equal(round_to_bytes(frame), colour[:, None, None].expand(3, 32, 32))


def test_minterpolate_takes_an_instant_that_no_short_grid_meets():
    window = torch.stack((texture(0), texture(8)))[None]
    odd = MinterpolateInterpolator().interpolate(window, [Fraction(500_001, 1_000_003)])[0, 0]
    assert error(odd, texture(4)) < SHARE_OF_BLEND * error(window.mean(1)[0], texture(4))


def test_ground_that_one_frame_hides_is_taken_from_the_other(interpolator):
    """A bright square moves by 12 pixels on dark ground: beside its middle place, a blend shows its ghosts."""

    def scene(left: int) -> torch.Tensor:
        picture = 0.3 * texture(0)
        picture[:, 20:44, left : left + 24] = 0.7 + 0.3 * texture(0)[:, 20:44, 30:54]
        return picture

    window = torch.stack((scene(30), scene(42)))[None]
    frame, truth, blended = interpolator.interpolate(window, [HALF])[0, 0], scene(36), window.mean(1)[0]
    for uncovered in (slice(30, 36), slice(60, 66)):
        ground = (slice(None), slice(24, 40), uncovered)
        assert (frame - truth)[ground].abs().mean() < SHARE_OF_BLEND * (blended - truth)[ground].abs().mean()


def test_classical_without_opencv_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        MissingExtraError, match=r"needs OpenCV. Install it with: pip install 'midframe\[classical\]'"
    ):
        ClassicalInterpolator()


def test_an_ffmpeg_without_the_filter_is_named(monkeypatch):
    monkeypatch.setattr(minterpolate, "FILTER", "minterpolat")
    with pytest.raises(FilterError, match="'minterpolate' needs FFmpeg's filter 'minterpolat', which PyAV"):
        MinterpolateInterpolator()


def test_what_the_filter_refuses_is_reported(monkeypatch):
    monkeypatch.setattr(minterpolate, "OPTIONS", "mi_mode=dream")
    with pytest.raises(FilterError, match="FFmpeg's minterpolate failed on frames of 96x64: Invalid argument"):
        MinterpolateInterpolator().interpolate(torch.rand(1, 2, 3, 64, 96), [HALF])


def test_too_few_frames_are_reported(monkeypatch):
    monkeypatch.setattr(minterpolate, "filtered", lambda frames, *_: frames[:0])
    with pytest.raises(FilterError, match="gave 0 frames where 2 or more were expected"):
        MinterpolateInterpolator().interpolate(torch.rand(1, 2, 3, 64, 96), [HALF])
