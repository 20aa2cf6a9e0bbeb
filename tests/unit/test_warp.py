import torch

from midframe.ops.flow import resize_flow
from midframe.ops.warp import backward_warp, fetch, sampling_grid

WARP_TOLERANCE = 1e-5  # float32 rounding of a normalised coordinate on a 40-pixel line


def test_zero_flow_is_the_identity():
    image = torch.rand(2, 3, 24, 40)
    assert torch.allclose(backward_warp(image, torch.zeros(2, 2, 24, 40)), image, atol=WARP_TOLERANCE)


def test_flow_of_one_to_the_right_samples_the_right_neighbour():
    image = torch.rand(1, 3, 24, 40)
    flow = torch.zeros(1, 2, 24, 40)
    flow[:, 0] = 1
    warped = backward_warp(image, flow)
    assert torch.allclose(warped[..., :-1], image[..., 1:], atol=WARP_TOLERANCE)
    assert torch.allclose(warped[..., -1], image[..., -1], atol=WARP_TOLERANCE)


def test_bfloat16_input_is_warped_in_float32():
    image = torch.rand(1, 3, 16, 16)
    flow = torch.full((1, 2, 16, 16), 0.5, dtype=torch.bfloat16)
    assert backward_warp(image.bfloat16(), flow).dtype == torch.float32


def test_resizing_a_flow_scales_its_values():
    flow = torch.ones(1, 4, 8, 8)
    resized = resize_flow(flow, (16, 32))
    assert torch.allclose(resized[:, 0], torch.full((1, 16, 32), 4.0))
    assert torch.allclose(resized[:, 1], torch.full((1, 16, 32), 2.0))


def test_bicubic_samples_keep_detail_that_bilinear_ones_lose():
    length = 4.0  # pixels of the wave: between its samples, half a pixel away, bilinear sampling loses a third of it
    columns = torch.arange(64.0)
    wave = 0.5 + 0.3 * torch.sin(2 * torch.pi * columns / length + 0.6)
    moved = 0.5 + 0.3 * torch.sin(2 * torch.pi * (columns + 0.5) / length + 0.6)
    image, flow = wave.expand(1, 1, 8, 64), torch.zeros(1, 2, 8, 64)
    flow[:, 0] = 0.5
    errors = [
        (backward_warp(image, flow, kernel)[0, 0, 4] - moved)[4:-4].abs().max() for kernel in ("bilinear", "bicubic")
    ]
    assert errors[1] < errors[0] / 2


def test_two_images_fetched_from_the_same_places_are_warped_by_the_same_flow():
    generator = torch.Generator().manual_seed(0)
    flow = 3 * torch.randn(1, 2, 8, 10, generator=generator)
    images = (torch.rand(1, 3, 20, 30, generator=generator), torch.rand(1, 1, 20, 30, generator=generator))
    places = sampling_grid(flow, (20, 30), (5, 7))
    for image, kernel in zip(images, ("bilinear", "bicubic"), strict=True):
        assert torch.equal(fetch(image, places, kernel), backward_warp(image, flow, kernel, corner=(5, 7)))


def test_the_gradient_of_a_flow_is_that_of_the_slope_it_moves_along():
    slope = torch.arange(12.0).expand(1, 1, 9, 12) + 20 * torch.arange(9.0)[:, None]
    flow = torch.full((1, 2, 9, 12), 0.3, requires_grad=True)
    (gradient,) = torch.autograd.grad(backward_warp(slope, flow).sum(), flow)
    assert torch.allclose(gradient[0, :, 1:-1, 1:-1], torch.tensor([1.0, 20.0])[:, None, None], rtol=1e-4)
