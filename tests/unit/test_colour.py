import av
import numpy as np
import pytest

from clips import bars_planes, bars_rgb, textures
from midframe.video.colour import FULL, LIMITED, MATRICES, Colour, from_rgb, resolve_colour, to_rgb

ONE_LEVEL = 1  # 8 bits: two roundings. 10 bits: a saturated bar, rounded, lies just outside RGB and is clipped
QUANTISED_CHROMA = 2.0 / 255  # 8-bit limited chroma has 224 levels for a range of 1.86 in blue
DEEP_ERROR = 1.0 / 1023


def frame_of(planes, pixel_format):
    frame = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        stored = np.frombuffer(plane, values.dtype).reshape(plane.height, -1)
        stored[:, : plane.width] = values
    return frame


def planes_of(frame, dtype):
    return [
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].astype(int) for plane in frame.planes
    ]


CASES = [(matrix, colour_range) for matrix in (1, 6, 9) for colour_range in (LIMITED, FULL)]


@pytest.mark.parametrize(("matrix", "colour_range"), CASES)
def test_eight_bit_bars_have_the_colours_of_the_standard(matrix, colour_range):
    _, red, blue = MATRICES[matrix]
    frame = frame_of(bars_planes(red, blue, colour_range == FULL), "yuv444p")
    decoded = to_rgb(frame, Colour(matrix, colour_range)) / 255
    assert np.abs(decoded - bars_rgb()).max() <= QUANTISED_CHROMA


@pytest.mark.parametrize(("matrix", "colour_range"), CASES)
def test_ten_bit_bars_have_the_colours_of_the_standard(matrix, colour_range):
    _, red, blue = MATRICES[matrix]
    frame = frame_of(bars_planes(red, blue, colour_range == FULL, depth=10), "yuv444p10le")
    decoded = to_rgb(frame, Colour(matrix, colour_range))
    assert decoded.dtype == np.uint16
    assert np.abs(decoded / 65535 - bars_rgb()).max() <= 2 * DEEP_ERROR


@pytest.mark.parametrize(("matrix", "colour_range"), CASES)
@pytest.mark.parametrize(("depth", "pixel_format"), [(8, "yuv444p"), (10, "yuv444p10le")])
def test_stored_levels_survive_the_way_to_rgb_and_back(matrix, colour_range, depth, pixel_format):
    _, red, blue = MATRICES[matrix]
    planes = bars_planes(red, blue, colour_range == FULL, depth)
    colour = Colour(matrix, colour_range)
    back = from_rgb(to_rgb(frame_of(planes, pixel_format), colour), pixel_format, colour)
    for before, after in zip(planes, planes_of(back, planes[0].dtype), strict=True):
        assert np.abs(after - before.astype(int)).max() <= ONE_LEVEL


@pytest.mark.parametrize(("matrix", "colour_range"), CASES)
def test_reading_again_what_was_written_is_within_one_level(matrix, colour_range):
    _, red, blue = MATRICES[matrix]
    colour = Colour(matrix, colour_range)
    first = to_rgb(frame_of(bars_planes(red, blue, colour_range == FULL), "yuv444p"), colour)
    second = to_rgb(from_rgb(first, "yuv444p", colour), colour)
    assert np.abs(second.astype(int) - first).max() <= 1


@pytest.mark.parametrize(("pixel_format", "depth"), [("gray", 8), ("gray10le", 10), ("ya8", 8), ("gray16le", 16)])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_grey_has_the_levels_of_its_range(pixel_format, depth, colour_range):
    white, step = np.iinfo(np.uint8 if depth == 8 else np.uint16).max, 2 ** (depth - 8)
    lowest, highest = (16 * step, 235 * step) if colour_range == LIMITED else (0, 2**depth - 1)
    ramp = np.linspace(0, 1, 64)
    luma = np.tile(np.rint(lowest + ramp * (highest - lowest)), (48, 1)).astype(np.uint8 if depth == 8 else np.uint16)
    if pixel_format == "ya8":
        luma = np.stack((luma, np.full_like(luma, 255)), axis=-1).reshape(48, -1)
    frame = av.VideoFrame(64, 48, pixel_format)
    np.frombuffer(frame.planes[0], luma.dtype).reshape(48, -1)[:] = luma
    colour = Colour(6, colour_range)
    decoded = to_rgb(frame, colour)
    assert np.abs(decoded / white - ramp[None, :, None]).max() <= 1.01 / (highest - lowest)
    back = from_rgb(decoded, pixel_format, colour)
    assert np.abs(np.frombuffer(back.planes[0], luma.dtype).reshape(48, -1).astype(int) - luma).max() <= ONE_LEVEL


@pytest.mark.parametrize(("pixel_format", "set_bits"), [("monob", 255), ("monow", 0)])
def test_one_bit_is_black_or_white(pixel_format, set_bits):
    frame = av.VideoFrame(64, 48, pixel_format)
    rows = np.frombuffer(frame.planes[0], np.uint8).reshape(48, -1)
    rows[:] = 255 - set_bits
    rows[:, 4:8] = set_bits
    decoded = to_rgb(frame, resolve_colour(2, 0, 2, 2, pixel_format, 48))
    assert (decoded[:, :32] == 0).all()
    assert (decoded[:, 32:] == 255).all()


@pytest.mark.parametrize("pixel_format", ["rgb24", "gbrp"])
def test_rgb_sources_are_not_changed(pixel_format):
    pixels = textures(1)[0]
    frame = from_rgb(pixels, pixel_format, Colour(6, LIMITED))
    assert np.array_equal(to_rgb(frame, Colour(6, LIMITED)), pixels)
