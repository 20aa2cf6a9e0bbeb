import torch

from midframe.ops.flow import resize_flow
from midframe.ops.warp import backward_warp

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
