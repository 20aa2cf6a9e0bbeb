import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from scipy.signal import convolve2d
from skimage.color import rgb2ycbcr, rgb2yuv
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from midframe.core.errors import ShapeError, UsageError
from midframe.metrics import interpolation_error, psnr, psnr_luma, ssim, ssim_3d, ssim_luma
from midframe.metrics.difference import capped_psnr
from midframe.metrics.gradient import gmsd
from midframe.metrics.moving import MovingPsnr, moving_pixels
from midframe.metrics.sample import Sample

FLOAT64_TOLERANCE = 1e-9
ALL = (psnr, psnr_luma, ssim, ssim_3d, ssim_luma, interpolation_error, gmsd)


def constant(value: int) -> torch.Tensor:
    return torch.full((3, 24, 32), value, dtype=torch.uint8)


def random_pair(height: int = 31, width: int = 44) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth picture and a noisy copy, different in every channel."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0] * 255
    noisy = smooth + 12 * torch.randn(3, height, width, generator=generator)
    return noisy.round().clamp(0, 255).to(torch.uint8), smooth.round().to(torch.uint8)


def as_array(picture: torch.Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy()


def test_equal_frames_reach_the_best_of_every_score():
    picture, _ = random_pair()
    assert psnr(picture, picture) == math.inf
    assert interpolation_error(picture, picture) == 0
    assert ssim(picture, picture) == pytest.approx(1, abs=FLOAT64_TOLERANCE)
    assert ssim_3d(picture, picture) == pytest.approx(1, abs=FLOAT64_TOLERANCE)
    assert ssim_luma(picture, picture) == pytest.approx(1, abs=FLOAT64_TOLERANCE)


def test_a_constant_offset_has_known_scores():
    one, other = constant(100), constant(105)
    assert psnr(one, other) == pytest.approx(10 * math.log10(255**2 / 25), abs=FLOAT64_TOLERANCE)
    assert interpolation_error(one, other) == 5
    # Without variance only the luminance term is left: (2 a b + C1) / (a² + b² + C1) with C1 = (0.01 · 255)².
    luminance = (2 * 100 * 105 + 2.55**2) / (100**2 + 105**2 + 2.55**2)
    assert ssim(one, other) == pytest.approx(luminance, abs=FLOAT64_TOLERANCE)
    assert ssim_3d(one, other) == pytest.approx(luminance, abs=FLOAT64_TOLERANCE)


def test_a_capped_score_is_the_score_and_stays_finite():
    one, other = (picture.double() / 255 for picture in random_pair())
    expected = psnr(*random_pair())
    assert capped_psnr((one - other).square()) == pytest.approx(expected, abs=FLOAT64_TOLERANCE)
    assert capped_psnr((one - one).square()) == pytest.approx(100, abs=FLOAT64_TOLERANCE)


def test_black_against_white_has_no_signal():
    assert psnr(constant(0), constant(255)) == 0
    assert interpolation_error(constant(0), constant(255)) == 255


def test_differences_of_bytes_do_not_wrap_around():
    assert interpolation_error(constant(3), constant(250)) == interpolation_error(constant(250), constant(3)) == 247


def test_psnr_agrees_with_scikit_image():
    prediction, target = random_pair()
    expected = peak_signal_noise_ratio(as_array(target), as_array(prediction), data_range=255)
    assert psnr(prediction, target) == pytest.approx(float(expected), abs=FLOAT64_TOLERANCE)


def test_psnr_luma_is_that_of_the_y_channel_of_scikit_image():
    prediction, target = random_pair()
    planes = [rgb2yuv(as_array(picture) / 255)[..., 0] * 255 for picture in (target, prediction)]
    expected = peak_signal_noise_ratio(*planes, data_range=255)
    assert psnr_luma(prediction, target) == pytest.approx(float(expected), abs=FLOAT64_TOLERANCE)
    assert abs(psnr_luma(prediction, target) - psnr(prediction, target)) > 1


def test_ssim_agrees_with_scikit_image():
    prediction, target = random_pair()
    expected = structural_similarity(
        as_array(prediction),
        as_array(target),
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert 0.2 < expected < 0.9
    assert ssim(prediction, target) == pytest.approx(float(expected), abs=FLOAT64_TOLERANCE)


def test_ssim_luma_agrees_with_scikit_image():
    prediction, target = random_pair()
    expected = structural_similarity(
        rgb2ycbcr(as_array(prediction))[..., 0],
        rgb2ycbcr(as_array(target))[..., 0],
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert 0.2 < expected < 0.95
    assert abs(ssim_luma(prediction, target) - ssim(prediction, target)) > 0.005
    assert ssim_luma(prediction, target) == pytest.approx(float(expected), abs=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("width", [44, 45])
def test_gmsd_agrees_with_the_authors_steps_done_by_convolutions(width: int):
    """As in their MATLAB: `conv2` of the same size with zeros beyond the border, every second pixel, `std2`."""
    prediction, target = random_pair(width=width)
    lengths = []
    for picture in (prediction, target):
        plane = as_array(picture).astype(float) @ [0.299, 0.587, 0.114]
        # MATLAB's "same" part of a 2 x 2 kernel begins one row and column later than SciPy's.
        half = convolve2d(plane, np.full((2, 2), 0.25))[1::2, 1::2]
        across = np.array([[1, 0, -1]] * 3) / 3
        sides = (convolve2d(half, kernel, mode="same") for kernel in (across, across.T))
        lengths.append(np.hypot(*sides))
    one, other = lengths
    expected = ((2 * one * other + 170) / (one**2 + other**2 + 170)).std(ddof=1)
    assert gmsd(prediction, target) == pytest.approx(expected, abs=FLOAT64_TOLERANCE)


def test_gmsd_tells_a_blurred_edge_from_a_change_of_brightness():
    edge = torch.cat((torch.full((3, 24, 16), 40), torch.full((3, 24, 16), 200)), 2).to(torch.uint8)
    blurred = torch.nn.functional.avg_pool2d(edge[None].float(), 9, 1, 4, count_include_pad=False)[0].to(torch.uint8)
    assert gmsd(edge + 20, edge) < 0.1 * gmsd(blurred, edge)


def test_ssim_3d_agrees_with_a_full_three_dimensional_window():
    prediction, target = random_pair(17, 19)
    line = torch.exp(-((torch.arange(11).double() - 5) ** 2) / (2 * 1.5**2))
    window = torch.einsum("c,h,w->chw", line, line, line)
    window = (window / window.sum())[None, None]

    def mean(volume: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(volume[None, None], (5,) * 6, mode="replicate")
        return torch.nn.functional.conv3d(padded, window)[0, 0]

    x, y = prediction.double(), target.double()
    variance_x, variance_y = mean(x * x) - mean(x) ** 2, mean(y * y) - mean(y) ** 2
    covariance = mean(x * y) - mean(x) * mean(y)
    c1, c2 = 2.55**2, 7.65**2
    similarity = ((2 * mean(x) * mean(y) + c1) * (2 * covariance + c2)) / (
        (mean(x) ** 2 + mean(y) ** 2 + c1) * (variance_x + variance_y + c2)
    )
    assert ssim_3d(prediction, target) == pytest.approx(similarity.mean().item(), abs=FLOAT64_TOLERANCE)
    assert abs(ssim_3d(prediction, target) - ssim(prediction, target)) > 0.005


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_order_of_the_frames_does_not_matter(metric):
    prediction, target = random_pair()
    assert metric(prediction, target) == pytest.approx(metric(target, prediction), abs=FLOAT64_TOLERANCE)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_refuses_to_broadcast_frames_of_two_sizes(metric):
    row = torch.zeros(3, 1, 32, dtype=torch.uint8)
    with pytest.raises((ShapeError, TypeCheckError)):  # the annotation speaks first where it is checked
        metric(row, constant(0))


@pytest.mark.parametrize("metric", [ssim, ssim_luma], ids=lambda metric: metric.__name__)
def test_ssim_refuses_frames_smaller_than_its_window(metric):
    small = torch.zeros(3, 10, 40, dtype=torch.uint8)
    with pytest.raises(ShapeError, match=r"at least 11x11 pixels; got \(3, 10, 40\)"):
        metric(small, small)


def test_psnr_where_a_gap_changes_most_sees_nothing_else():
    before, after = constant(100), constant(100)
    after[:, :4, :16] = 160  # 64 of 768 pixels: less than a tenth, so 13 of the others count too, and all are equal.
    after[:, 4:8, :16] = 130
    target, prediction = constant(100), constant(100)
    prediction[:, 20:] = 0
    judged = moving_pixels(before, after)
    assert judged.sum() == 128
    assert judged[:8, :16].all()
    assert MovingPsnr()(Sample(prediction, target, before, after)) == math.inf
    prediction[:, 0, 0] = 110
    expected = 10 * math.log10(255**2 / (10**2 / 128))
    assert MovingPsnr()(Sample(prediction, target, before, after)) == pytest.approx(expected, abs=FLOAT64_TOLERANCE)


def test_where_nothing_moves_all_pixels_count():
    prediction, target = random_pair()
    still = Sample(prediction, target, target, target)
    assert MovingPsnr()(still) == pytest.approx(psnr(prediction, target), abs=FLOAT64_TOLERANCE)


def test_psnr_of_what_moves_needs_both_inputs_in_one_size():
    with pytest.raises(UsageError, match="psnr_moving"):
        MovingPsnr()(Sample(constant(1), constant(2)))
    with pytest.raises((ShapeError, TypeCheckError)):
        MovingPsnr()(Sample(constant(1), constant(2), constant(1)[:, 1:], constant(1)))
