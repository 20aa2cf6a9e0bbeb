"""Colour bars through a whole run, for every way in which video stores its colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from blend import Blend
from clips import Recipe, bars_planes, bars_rgb, decoded_planes, make_clip
from midframe.core.timeline import Multiply
from midframe.engine import run_video
from midframe.video import EncodeOptions, VideoReader, probe
from midframe.video.colour import FULL, LIMITED, Colour

WEIGHTS = {6: (0.299, 0.114), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
TRANSFER = {6: 6, 1: 1, 9: 14}
CHROMA = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
LOSSLESS = {
    8: EncodeOptions(preset="ultrafast", encoder_options={"qp": "0"}),
    10: EncodeOptions(preset="ultrafast", encoder_options={"qp": "0"}),
    12: EncodeOptions(preset="ultrafast", encoder_options={"x265-params": "lossless=1:log-level=none"}),
}
WIDTH, HEIGHT = 128, 96
BAR_WIDTH, BAR_HEIGHT = WIDTH // 4, HEIGHT // 2
REACH = 12
"""Pixels on each side of an edge that chroma of half the size reaches when it is resampled three times."""
QUANTISED_CHROMA = 2 / 255
"""8-bit limited chroma has 224 levels for a range of 1.86 in blue."""


def arranged(plane):
    """Eight bars in two rows of four, so that each is wide enough to have an inside."""
    colours = plane[0, 4::8].reshape(2, 4)
    return np.kron(colours, np.ones((BAR_HEIGHT, BAR_WIDTH), plane.dtype))


def stored_bars(matrix, full_range, depth, chroma):
    across, down = CHROMA[chroma]
    luma, *colour = (arranged(plane) for plane in bars_planes(*WEIGHTS[matrix], full_range, depth))
    return [luma, *(plane[::down, ::across] for plane in colour)]


def inside(plane):
    """Where a plane of any size shows one bar and nothing of its neighbours."""
    across, down = WIDTH // plane.shape[1], HEIGHT // plane.shape[0]
    column, row = np.arange(WIDTH) % BAR_WIDTH, np.arange(HEIGHT) % BAR_HEIGHT
    columns = (column >= REACH) & (column < BAR_WIDTH - REACH)
    rows = (row >= REACH) & (row < BAR_HEIGHT - REACH)
    return plane[rows[::down]][:, columns[::across]]


@pytest.mark.parametrize(
    ("depth", "chroma", "colour_range", "matrix"),
    list(itertools.product((8, 10, 12), CHROMA, (LIMITED, FULL), WEIGHTS)),
)
def test_bars_come_back_in_kept_and_in_made_frames(tmp_path, depth, chroma, colour_range, matrix):
    pixel_format = f"yuv{chroma}p" + ("" if depth == 8 else f"{depth}le")
    bars = stored_bars(matrix, colour_range == FULL, depth, chroma)
    # The second picture differs in a corner: between equal ones nothing would be made.
    marked = [bars[0].copy(), *bars[1:]]
    marked[0][-2:, -2:] = bars[0][0, 0]
    tags = {
        "colorspace": matrix,
        "color_range": colour_range,
        "color_primaries": matrix,
        "color_trc": TRANSFER[matrix],
    }
    recipe = Recipe(
        codec="ffv1", options={}, pixel_format=pixel_format, planes=[bars, marked], tags=tags, size=(WIDTH, HEIGHT)
    )
    source, target = make_clip(tmp_path / "in.mkv", [None] * 2, recipe), tmp_path / "out.mp4"
    result = run_video(source, target, Blend(), Multiply(2), encode=LOSSLESS[depth])
    assert (result.kept, result.made) == (2, 1)
    after = probe(target)
    assert after.colour == probe(source).colour == Colour(matrix, colour_range, matrix, TRANSFER[matrix])
    assert (after.pixel_format.replace("yuvj", "yuv"), after.bit_depth) == (pixel_format, depth)
    for frame in decoded_planes(target):
        for stored, original in zip(frame, bars, strict=True):
            assert np.abs(inside(stored).astype(int) - inside(original)).max() <= 2 ** (depth - 8)
    white = 255 if depth == 8 else 65535
    truth = np.stack([arranged(bars_rgb()[..., channel]) for channel in range(3)], axis=-1)
    wanted = inside(next(iter(VideoReader(probe(source)))).pixels / white)
    assert np.abs(wanted - inside(truth)).max() <= QUANTISED_CHROMA
    shown = list(VideoReader(after))
    assert len(shown) == 3
    for frame in shown:
        assert np.abs(inside(frame.pixels / white) - wanted).max() <= 1 / 255
