"""Static overlays over a moving texture, and a method that warps everything."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from midframe.engine import overlays
from midframe.engine.overlays import keep_overlays, overlay_mask
from midframe.engine.synthesis import Made

HEIGHT, WIDTH, STEP = 96, 160, 8
HALF = Fraction(1, 2)


def texture(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(40, 200, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.float64)
    return np.kron(coarse, np.ones((4, 4, 1)))


def stamp(picture: np.ndarray) -> np.ndarray:
    """A logo in a corner, and a line of letters along the bottom."""
    stamped = picture.copy()
    stamped[8:28, 120:148] = 230
    stamped[14:22, 126:142] = (200, 20, 20)
    for left in range(24, 130, 12):
        stamped[76:88, left : left + 3] = 250
        stamped[80:83, left : left + 8] = 250
    return stamped


def region() -> np.ndarray:
    marked = stamp(np.zeros((HEIGHT, WIDTH, 3))).max(axis=2) > 0
    assert marked.any()
    return marked


def gap(noise: float = 0, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two frames, the true one half-way, and what a method makes that warps the overlay with all else."""
    generator = np.random.default_rng(1)

    def finish(picture: np.ndarray) -> np.ndarray:
        noisy = np.clip(picture + generator.normal(0, noise, picture.shape), 0, 255)
        return np.rint(noisy * (257 if dtype == np.uint16 else 1)).astype(dtype)

    before, middle, after = (finish(stamp(np.roll(texture(), k * STEP // 2, axis=1))) for k in range(3))
    return before, middle, after, np.roll(before, STEP // 2, axis=1)


def kept(warped: np.ndarray, before: np.ndarray, after: np.ndarray, time: Fraction = HALF) -> np.ndarray:
    (frame,) = keep_overlays([Made(warped)], before, after, [time])
    return frame.pixels


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_error_in_an_overlay_falls_clearly_and_elsewhere_nothing_changes(noise: float, dtype: type) -> None:
    before, middle, after, warped = gap(noise, dtype)
    white = 257 if dtype == np.uint16 else 1
    result = kept(warped, before, after)

    def error(pixels: np.ndarray) -> float:
        return float(np.abs(pixels.astype(float) - middle)[region()].mean()) / white

    assert error(warped) > 15
    assert error(result) < 0.15 * error(warped)
    away = ~region()
    assert (result == warped).all(axis=2)[away].mean() > 0.98
    outside = [np.abs(pixels.astype(float) - middle)[away].mean() for pixels in (result, warped)]
    assert outside[0] <= 1.03 * outside[1]


def test_overlays_come_from_the_nearer_frame() -> None:
    before, _, after, warped = gap(noise=1.0)
    certain = overlay_mask(before, after) == 255
    assert certain.any()
    assert (kept(warped, before, after, Fraction(1, 4))[certain] == before[certain]).all()
    assert (kept(warped, before, after, Fraction(3, 4))[certain] == after[certain]).all()


def test_without_an_overlay_a_moving_picture_stays_as_it_was_made() -> None:
    before, after = (np.roll(texture(), k * STEP, axis=1).astype(np.uint8) for k in range(2))
    assert (overlay_mask(before, after) > 0).mean() < 0.005


def test_a_still_picture_has_no_overlay() -> None:
    picture = stamp(texture()).astype(np.uint8)
    assert not overlay_mask(picture, picture).any()


def test_a_still_background_behind_a_small_moving_thing_is_no_overlay() -> None:
    before, after = (texture(3).astype(np.uint8) for _ in range(2))
    before[40:48, 40:48] = 250
    after[40:48, 60:68] = 250
    assert not overlay_mask(before, after)[40:48, 50:58].any()  # where the thing is half-way


def test_a_letterbox_is_left_to_the_method_but_its_text_at_the_border_is_kept() -> None:
    before, after = (np.roll(texture(), k * STEP, axis=1).astype(np.uint8) for k in range(2))
    for picture in (before, after):
        picture[80:] = 0
        picture[82:88, 40:44] = 240
    mask = overlay_mask(before, after)
    assert mask[83:87, 41:43].min() > 0


def test_bands_give_the_same_mask_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _, after, _ = gap(noise=1.0)
    whole = overlay_mask(before, after)
    monkeypatch.setattr(overlays, "BAND_PIXELS", 7 * WIDTH)
    assert (overlay_mask(before, after) == whole).all()


def test_four_channels_are_kept_alike() -> None:
    before, _, after, warped = (
        np.concatenate([pixels, np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=2) for pixels in gap()
    )
    result = kept(warped, before, after)
    assert result.shape == (HEIGHT, WIDTH, 4)
    assert (result[14:22, 126:142] == before[14:22, 126:142]).all()
