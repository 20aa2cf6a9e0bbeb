import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.losses.laplacian import laplacian_pyramid_loss

OFFSET_TOLERANCE = 1e-6  # float32 rounding of a constant that the filters reproduce, over five levels


def images(seed: int = 0, height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_equal_images_cost_nothing():
    assert laplacian_pyramid_loss(images(), images()) == 0


def test_a_brightness_offset_is_invisible():
    loss = laplacian_pyramid_loss(images(), images() + 0.25)
    assert loss < OFFSET_TOLERANCE


def test_different_textures_cost_more_than_an_offset():
    assert laplacian_pyramid_loss(images(0), images(1)) > 0.1


def test_the_loss_is_the_distance_between_two_pyramids():
    # Two levels of a single bright pixel far from the border, by the definition and not by linearity:
    # smoothing spreads it over the outer product of [1 4 6 4 1] / 16.
    image = torch.zeros(1, 1, 32, 32)
    image[..., 16, 16] = 1
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    smooth = torch.zeros(32, 32)
    smooth[14:19, 14:19] = torch.outer(taps, taps)
    enlarged = torch.zeros(32, 32)
    for row in range(6, 11):
        for column in range(6, 11):
            patch = 4 * torch.outer(taps, taps) * smooth[2 * row, 2 * column]
            enlarged[2 * row - 2 : 2 * row + 3, 2 * column - 2 : 2 * column + 3] += patch
    expected = (image[0, 0] - enlarged).abs().mean()
    assert torch.allclose(laplacian_pyramid_loss(image, torch.zeros_like(image), levels=1), expected, atol=1e-8)


def test_half_precision_is_compared_in_float32():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = laplacian_pyramid_loss(images().bfloat16(), images(1).bfloat16())
    expected = laplacian_pyramid_loss(images().bfloat16().float(), images(1).bfloat16().float())
    assert loss.dtype == torch.float32
    assert loss == expected


def test_the_gradient_reaches_every_pixel():
    prediction = images().requires_grad_()
    laplacian_pyramid_loss(prediction, images(1)).backward()
    assert prediction.grad is not None
    assert (prediction.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("size", [(72, 64), (64, 80), (32, 64)])
def test_refuses_a_size_that_does_not_divide_into_the_levels(size: tuple[int, int]):
    image = images(0, *size)
    with pytest.raises(ShapeError, match=f"got {size[0]}x{size[1]}"):
        laplacian_pyramid_loss(image, image)


@pytest.mark.usefixtures("without_shape_checks")
def test_refuses_images_of_different_shape():
    with pytest.raises(ShapeError, match="differ in shape"):
        laplacian_pyramid_loss(images(), images(0, 64, 64))


def test_what_was_kept_in_inference_mode_can_be_trained_through_later():
    first, second = (images(seed, 160, 224) for seed in (0, 1))  # A size of its own: nothing is kept for it yet.
    with torch.inference_mode():
        expected = float(laplacian_pyramid_loss(first, second))
    first.requires_grad_(True)
    loss = laplacian_pyramid_loss(first, second)
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert first.grad is not None
    assert first.grad.any()
