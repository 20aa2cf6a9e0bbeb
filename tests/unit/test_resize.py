import pytest
import torch
import torch.nn.functional as functional

from midframe.core.errors import ShapeError
from midframe.ops.resize import cell_sums, halvings, shrink

ROUNDING = 1e-6  # float32, of means of numbers below 1


@pytest.mark.parametrize("divisor", [2, 3, 4, 8])
def test_a_smaller_picture_holds_the_means_of_what_its_pixels_cover(divisor: int):
    picture = torch.rand(2, 3, 24, 48, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(shrink(picture, divisor), functional.avg_pool2d(picture, divisor), atol=ROUNDING)
    in_other_order = shrink(picture.to(memory_format=torch.channels_last), divisor)
    assert torch.equal(in_other_order, shrink(picture, divisor))


def test_a_picture_divided_by_one_is_itself():
    picture = torch.rand(1, 3, 5, 7)
    assert shrink(picture, 1) is picture


def test_cells_hold_sums_and_leave_what_they_add_as_it_was():
    values = torch.arange(24.0).view(1, 1, 4, 6)
    before = values.clone()
    assert cell_sums(values, 2).tolist() == [[[[14, 22, 30], [62, 70, 78]]]]
    assert torch.equal(values, before)


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (5, 5)])
def test_a_size_that_does_not_divide_is_refused(size: tuple[int, int]):
    with pytest.raises(ShapeError, match=f"multiples of 2; got {size[0]}x{size[1]}"):
        shrink(torch.rand(1, 1, *size), 2)


def test_halvings_begin_with_the_picture_itself():
    picture = torch.rand(1, 2, 8, 16)
    made = halvings(picture, 3)
    assert made[0] is picture
    assert [tuple(one.shape[-2:]) for one in made] == [(8, 16), (4, 8), (2, 4)]
    assert torch.allclose(made[2], functional.avg_pool2d(picture, 4), atol=ROUNDING)


def test_the_gradient_of_a_mean_is_shared_evenly():
    picture = torch.rand(1, 1, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(shrink(picture, 3).sum(), picture)
    assert torch.allclose(gradient, torch.full_like(picture, 1 / 9))
