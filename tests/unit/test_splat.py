import math

import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.ops.splat import Canvas, softmax_splat, splat, splat_rows
from midframe.ops.warp import backward_warp

SUM_TOLERANCE = 1e-5  # float32 rounding of a sum of a few dozen terms of the order of one
ROUND_TRIP_TOLERANCE = 0.01  # two bilinear resamplings of a picture with a wavelength of 24 pixels


def uniform_flow(right: float, down: float, size: tuple[int, int], members: int = 1) -> torch.Tensor:
    return torch.tensor([right, down], dtype=torch.float32)[:, None, None].expand(1, members, 2, *size).clone()


def ones(flow: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(flow[:, :, :1])


def smooth_picture(height: int, width: int) -> torch.Tensor:
    column = torch.arange(width) * (2 * math.pi / 24)
    row = torch.arange(height)[:, None] * (2 * math.pi / 24)
    return (0.5 + 0.25 * column.sin() + 0.25 * row.cos())[None, None]


def test_zero_motion_changes_no_bit():
    values = torch.rand(2, 3, 9, 13)
    flow = torch.zeros(2, 1, 2, 9, 13)
    canvas = splat(values, flow, ones(flow))
    assert torch.equal(canvas.weighted_values, values)
    assert torch.equal(canvas.weight, torch.ones(2, 1, 9, 13))


def test_a_shift_by_whole_pixels_is_exact_and_leaves_a_hole():
    values = torch.rand(1, 3, 10, 12)
    flow = uniform_flow(3, -2, (10, 12))
    canvas = splat(values, flow, ones(flow))
    assert torch.equal(canvas.weighted_values[..., :-2, 3:], values[..., 2:, :-3])
    assert canvas.is_covered().sum() == 8 * 9
    assert canvas.is_covered()[0, 0, :-2, 3:].all()


def test_a_fraction_is_the_same_to_the_bit_at_every_distance_from_the_corner():
    values = torch.zeros(1, 1, 1, 4000)
    values[..., ::4] = 1
    flow = uniform_flow(0.3, 0, (1, 4000))
    landed = splat(values, flow, ones(flow)).weighted_values.reshape(1000, 4)
    assert torch.equal(landed, landed[:1].expand(1000, 4))
    assert landed[0, 1].item() == pytest.approx(0.3)


def test_a_fraction_of_a_pixel_is_shared_among_four_neighbours():
    values = torch.zeros(1, 1, 5, 5)
    values[..., 2, 1] = 1
    canvas = splat(values, uniform_flow(1.25, -0.5, (5, 5)), torch.ones(1, 1, 1, 5, 5))
    expected = torch.zeros(5, 5)
    expected[1, 2:4] = expected[2, 2:4] = torch.tensor([0.375, 0.125])
    assert torch.allclose(canvas.weighted_values[0, 0], expected, atol=SUM_TOLERANCE)


def test_weight_is_kept_where_nothing_leaves_the_picture():
    torch.manual_seed(0)
    values, weight = torch.rand(2, 3, 16, 16), torch.zeros(2, 4, 1, 16, 16)
    weight[..., 4:-4, 4:-4] = torch.rand(2, 4, 1, 8, 8)
    canvas = splat(values, torch.rand(2, 4, 2, 16, 16) * 6 - 3, weight)
    assert torch.allclose(canvas.weight.sum((1, 2, 3)), weight.sum((1, 2, 3, 4)), rtol=SUM_TOLERANCE)


def test_what_leaves_the_picture_is_lost():
    for right, down in ((50, 0), (-50, 0), (0, 50), (0, -1e9)):
        flow = uniform_flow(right, down, (6, 8))
        canvas = splat(torch.ones(1, 3, 6, 8), flow, ones(flow))
        assert not canvas.weight.any()
        assert not canvas.weighted_values.any()


def test_splatting_there_and_fetching_back_restores_a_smooth_picture():
    picture = smooth_picture(48, 64)
    flow = uniform_flow(4.3, -2.6, (48, 64))
    there = splat(picture, flow, ones(flow)).resolve(torch.zeros_like(picture))
    back = backward_warp(there, flow[:, 0])
    inside = (..., slice(8, -8), slice(8, -8))
    assert (back - picture)[inside].abs().max() < ROUND_TRIP_TOLERANCE


def test_members_of_one_pixel_land_at_several_places():
    values = torch.zeros(1, 1, 5, 9)
    values[..., 2, 4] = 1
    flow = torch.cat((uniform_flow(-3, 0, (5, 9)), uniform_flow(2, 1, (5, 9))), dim=1)
    weight = torch.tensor([0.25, 0.5])[None, :, None, None, None].expand(1, 2, 1, 5, 9)
    canvas = splat(values, flow, weight)
    assert canvas.weighted_values[0, 0, 2, 1] == 0.25
    assert canvas.weighted_values[0, 0, 3, 6] == 0.5
    assert canvas.weighted_values.sum() == 0.75


def test_members_add_up_as_canvases_of_their_own_do():
    torch.manual_seed(0)
    values = torch.rand(2, 3, 12, 10)
    flow, weight = torch.randn(2, 3, 2, 12, 10) * 3, torch.rand(2, 3, 1, 12, 10)
    together = splat(values, flow, weight)
    first, second, third = (splat(values, flow[:, m : m + 1], weight[:, m : m + 1]) for m in range(3))
    apart = first + second + third
    assert torch.allclose(together.weighted_values, apart.weighted_values, atol=SUM_TOLERANCE)
    assert torch.allclose(together.weight, apart.weight, atol=SUM_TOLERANCE)


def test_a_hole_takes_the_fill_and_the_rest_the_weighted_mean():
    canvas = Canvas(torch.tensor([[[[0.6, 0.0, 3e-7]]]]), torch.tensor([[[[2.0, 0.0, 1e-6]]]]))
    assert canvas.is_covered().tolist() == [[[[True, False, False]]]]
    assert torch.allclose(canvas.resolve(torch.full((1, 1, 1, 3), 0.7)), torch.tensor([0.3, 0.7, 0.7]))


def test_where_pixels_collide_the_more_important_one_prevails():
    values = torch.tensor([0.2, 0.9])[None, None, None]
    flow = torch.zeros(1, 1, 2, 1, 2)
    flow[..., 0, :, 0] = 1  # The left pixel moves onto the right one.
    importance = torch.tensor([0.0, 2.0])[None, None, None, None]
    mean = softmax_splat(values, flow, importance).resolve(torch.zeros_like(values))
    assert mean[..., 1].item() == pytest.approx((0.2 + 0.9 * math.e**2) / (1 + math.e**2))
    extreme = softmax_splat(values, flow, torch.tensor([-1e9, 1e9])[None, None, None, None])
    assert extreme.resolve(values)[..., 1].item() == pytest.approx(0.9)


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(1, 2, 6, 7, generator=generator)
    # Fractions stay clear of 0 and 1, where the kernel has corners and differences straddle them.
    flow = torch.randint(-2, 3, (1, 2, 2, 6, 7), generator=generator) + 0.2
    flow = flow + 0.6 * torch.rand(flow.shape, generator=generator)
    importance = torch.randn(1, 2, 1, 6, 7, generator=generator)
    fill = torch.rand(1, 2, 6, 7, generator=generator)
    cotangent = torch.rand(1, 2, 6, 7, generator=generator)

    def score(*inputs: torch.Tensor) -> torch.Tensor:
        return (softmax_splat(*inputs).resolve(fill) * cotangent).sum()

    inputs = [tensor.requires_grad_() for tensor in (values, flow, importance)]
    gradients = torch.autograd.grad(score(*inputs), inputs)
    step = 1e-2
    for position, gradient in enumerate(gradients):
        direction = torch.randn(gradient.shape, generator=generator)
        direction /= direction.norm()
        with torch.no_grad():
            ahead, behind = (
                score(
                    *(
                        tensor + side * direction if index == position else tensor
                        for index, tensor in enumerate(inputs)
                    )
                )
                for side in (step, -step)
            )
        slope = (ahead - behind) / (2 * step)
        assert slope.abs() > 1e-3, "a flat direction proves nothing"
        assert torch.allclose((gradient * direction).sum(), slope, rtol=0.01, atol=1e-3)


def test_gradients_are_finite_where_nothing_lands():
    values = torch.rand(1, 3, 6, 8, requires_grad=True)
    flow = uniform_flow(5.5, 0.25, (6, 8)).requires_grad_()
    weight = torch.ones(1, 1, 1, 6, 8, requires_grad=True)
    splat(values, flow, weight).resolve(torch.zeros_like(values)).square().sum().backward()
    for tensor in (values, flow, weight):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


def test_two_runs_agree_to_the_bit():
    torch.manual_seed(0)
    values, weight = torch.rand(2, 3, 64, 96), torch.rand(2, 2, 1, 64, 96)
    flow = torch.randn(2, 2, 2, 64, 96) * 8  # Many pixels collide, so that the order of addition shows.
    first, second = (splat(values, flow, weight) for _ in range(2))
    assert torch.equal(first.weighted_values, second.weighted_values)
    assert torch.equal(first.weight, second.weight)


def test_bfloat16_input_is_splatted_in_float32():
    flow = torch.full((1, 1, 2, 4, 300), 0.5, dtype=torch.bfloat16)
    canvas = splat(torch.rand(1, 3, 4, 300).bfloat16(), flow, ones(flow))
    assert canvas.weighted_values.dtype == canvas.weight.dtype == torch.float32
    assert torch.equal(canvas.weight[..., 1:, 1:], torch.ones(1, 1, 3, 299))


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize(
    ("flow_shape", "weight_shape"),
    [
        ((1, 1, 2, 6, 9), (1, 1, 1, 6, 8)),
        ((1, 2, 2, 6, 8), (1, 1, 1, 6, 8)),
        ((1, 2, 6, 8), (1, 1, 6, 8)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(flow_shape, weight_shape):
    with pytest.raises(ShapeError, match=r"values \(1, 3, 6, 8\), flow .* do not fit"):
        splat(torch.rand(1, 3, 6, 8), torch.zeros(flow_shape), torch.ones(weight_shape))


def test_a_picture_sent_by_rows_lands_as_one_sent_at_once():
    torch.manual_seed(0)
    values, flow, weight = torch.rand(2, 3, 20, 17), 6 * torch.randn(2, 2, 2, 20, 17), torch.rand(2, 2, 1, 20, 17)
    whole = splat(values, flow, weight)
    parts = [slice(0, 6), slice(6, 14), slice(14, 20)]
    canvas = splat_rows(
        ((rows.start, *(part[..., rows, :] for part in (values, flow, weight))) for rows in parts), (20, 17)
    )
    assert torch.allclose(canvas.weighted_values, whole.weighted_values, atol=1e-5)
    assert torch.allclose(canvas.weight, whole.weight, atol=1e-5)


@pytest.mark.parametrize("far", [3.0, 40.0, 1e6, 1e12, math.inf, math.nan])
def test_what_lands_outside_is_lost_however_far_it_flies(far: float):
    values, weight = torch.ones(1, 1, 6, 5), torch.ones(1, 1, 1, 6, 5)
    gone = 9 if math.isnan(far) else int(min(far, 9))
    for direction in ((1, 0), (-1, 0), (0, 1), (0, -1), (-1, 1)):
        flow = (
            torch.tensor([part * far if part else 0.0 for part in direction])
            .view(1, 1, 2, 1, 1)
            .expand(1, 1, 2, 6, 5)
        )
        landed = splat(values, flow, weight).weight
        expected = max(0, 5 - gone * abs(direction[0])) * max(0, 6 - gone * abs(direction[1]))
        assert float(landed.sum()) == expected
