"""Sub-pixel alignment of two frames, against known motion."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.ops.alignment import CELL, DAMPING, LONGEST_STEP, TOLERATED, WINDOW, align

SIZE = (48, 64)
INSIDE = (..., slice(8, -8), slice(8, -8))  # away from borders, where a frame says nothing of what comes in
STEPS = 3
ALIGNED_PIXELS = 0.03  # mean; bilinear samples of a wave are slightly off between pixels
SOLUTION_ERROR = 1e-5  # float32


def texture(right: float, down: float) -> Tensor:
    """A smooth pattern moved by so many pixels: waves of 9 to 23 pixels in several directions."""
    rows, columns = torch.meshgrid(
        torch.arange(SIZE[0], dtype=torch.float32), torch.arange(SIZE[1], dtype=torch.float32), indexing="ij"
    )
    x, y = columns - right, rows - down
    waves = [(23, 0.3), (11, 1.1), (9, 2.0), (15, 2.7)]
    channels = [
        sum(torch.sin(2 * math.pi * (x * math.cos(a + c) + y * math.sin(a + c)) / length) for length, a in waves)
        for c in range(3)
    ]
    return 0.5 + 0.1 * torch.stack([torch.as_tensor(channel) for channel in channels])[None]


def moving(velocity: tuple[float, float], time: float) -> tuple[Tensor, Tensor, Tensor]:
    """Both frames along the batch axis, the exact flow from the instant to both, and the instant."""
    pair = torch.cat((texture(0, 0), texture(*velocity)))
    ends = (-time * velocity[0], -time * velocity[1], (1 - time) * velocity[0], (1 - time) * velocity[1])
    return pair, torch.tensor(ends).view(1, 4, 1, 1).expand(1, 4, *SIZE).clone(), torch.tensor([time])


def wrong_by(flow: Tensor, error: tuple[float, float], time: float) -> Tensor:
    """The flow as it would be if the displacement were off by so many pixels."""
    x, y = error
    return flow + torch.tensor((-time * x, -time * y, (1 - time) * x, (1 - time) * y)).view(1, 4, 1, 1)


def distance(flow: Tensor, exact: Tensor) -> float:
    return float((flow - exact).square().sum(1).sqrt()[INSIDE].mean())


@pytest.mark.parametrize("time", [0.5, 0.25, 0.8])
def test_a_flow_that_is_nearly_right_becomes_right(time: float):
    pair, exact, moment = moving((3.3, -1.6), time)
    flow = wrong_by(exact, (0.6, -0.5), time)
    assert distance(flow, exact) > 10 * ALIGNED_PIXELS
    for _ in range(STEPS):
        flow = align(pair, flow, moment)
    assert distance(flow, exact) < ALIGNED_PIXELS


def test_a_change_of_brightness_is_not_taken_for_motion():
    pair, exact, moment = moving((2.4, 1.2), 0.5)
    pair[1] += 0.08
    flow = wrong_by(exact, (0.5, 0.4), 0.5)
    for _ in range(STEPS):
        flow = align(pair, flow, moment)
    assert distance(flow, exact) < ALIGNED_PIXELS


def test_a_point_keeps_its_place_at_the_instant():
    pair, exact, moment = moving((2.0, 1.0), 0.25)
    start = wrong_by(exact, (0.4, 0.3), 0.25)
    to_before, to_after = (align(pair, start, moment) - start).chunk(2, dim=1)
    assert to_after.abs().mean() > 0.1
    assert torch.allclose(to_before * 0.75, -to_after * 0.25, atol=SOLUTION_ERROR)


def test_where_nothing_is_seen_the_flow_stays():
    flow = torch.full((1, 4, *SIZE), 1.7)
    assert torch.equal(align(torch.full((2, 3, *SIZE), 0.4), flow, torch.tensor([0.5])), flow)


def test_no_step_is_longer_than_the_linear_model_holds():
    frames = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    change = align(frames, torch.zeros(1, 4, *SIZE), torch.tensor([0.5]))
    displacement = change[:, 2:] - change[:, :2]
    assert float(displacement.square().sum(1).sqrt().max()) <= LONGEST_STEP + SOLUTION_ERROR


def test_one_step_solves_the_stated_least_squares():
    """At one cell, with its window of 3x3 cells written out: the same normal equations, by another hand."""
    pair, exact, moment = moving((0.6, 0.3), 0.5)
    row, column = 20, 30
    step = align(pair, exact * 0, moment)[0].unflatten(0, (2, 2))[1] * 2
    # Between cells the step is resized: its mean over a cell of a smooth pattern is nearly the cell's own.
    step = step[:, row : row + CELL, column : column + CELL].mean((1, 2))
    before, after = pair.double()
    middle = (before + after) / 2
    rows, columns = slice(row - CELL, row + 2 * CELL), slice(column - CELL, column + 2 * CELL)
    right = (middle[:, :, 2:] - middle[:, :, :-2])[:, rows, column - CELL - 1 : column + 2 * CELL - 1] / 2
    down = (middle[:, 2:] - middle[:, :-2])[:, row - CELL - 1 : row + 2 * CELL - 1, columns] / 2
    difference = (after - before)[:, rows, columns]
    line = torch.tensor(WINDOW).double().repeat_interleave(CELL) / CELL
    weight = torch.outer(line, line) * TOLERATED**2 / (difference.square().mean(0) + TOLERATED**2)
    centred = [
        value - (weight * value).sum((1, 2), keepdim=True) / weight.sum() for value in (right, down, difference)
    ]
    x, y, d = ((weight.sqrt() * value).flatten() / math.sqrt(3) for value in centred)
    design = torch.stack((x, y), 1)
    solution = torch.linalg.solve(design.T @ design + DAMPING * torch.eye(2).double(), -design.T @ d)
    assert 0.2 < float(solution.norm()) < LONGEST_STEP
    assert torch.allclose(step.double(), solution, rtol=0.05)


def test_a_size_that_does_not_divide_into_cells_is_refused():
    with pytest.raises(ShapeError, match="multiples of 2; got 48x63"):
        align(torch.rand(2, 3, 48, 63), torch.zeros(1, 4, 48, 63), torch.tensor([0.5]))


def test_no_gradient_passes():
    pair, exact, moment = moving((1.0, 0.5), 0.5)
    assert not align(pair, exact.requires_grad_(), moment).requires_grad


def test_what_comes_in_is_left_as_it_was():
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        given = (torch.rand(2, channels, 48, 64, generator=generator), torch.rand(1, 4, 48, 64), torch.tensor([0.5]))
        before = tuple(part.clone() for part in given)
        align(*given)
        assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))


def test_one_channel_says_what_three_equal_ones_say():
    pair = torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    flow, moment = torch.zeros(1, 4, *SIZE), torch.tensor([0.3])
    one, three = (align(pair.expand(-1, channels, -1, -1), flow, moment) for channels in (1, 3))
    assert torch.allclose(one, three, atol=SOLUTION_ERROR)
