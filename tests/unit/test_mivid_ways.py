"""Colours along ways: against what is computed pixel by pixel, and their gradient against differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from midframe.methods.mivid.ways import Ways, fetch

PARTS = (0.5, 0.25, 0.5)
"""Two of three images come together."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fetched_by_sampling(frames: torch.Tensor, weight: torch.Tensor, shares: tuple[float, ...], ways: Ways):
    """Every way by `grid_sample`, weights enlarged by `interpolate`."""
    count, _, height, width = frames.shape
    large = functional.interpolate(weight.flatten(1, 2), (height, width), mode="bilinear", align_corners=False)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    made = torch.zeros_like(frames)
    for image in range(count):
        for number, (down, right) in enumerate((down, right) for down in ways.down for right in ways.right):
            x, y = columns + shares[image] * right, rows + shares[image] * down
            grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), -1)[None]
            seen = functional.grid_sample(frames[image : image + 1], grid, padding_mode="border", align_corners=True)
            made[image] += seen[0] * large[image, number]
    return made


@pytest.mark.parametrize("shape", [(12, 16), (21, 17)])
def test_both_ends_of_every_way_are_fetched_and_weighed(shape: tuple[int, int]):
    before, after = torch.rand(2, 3, 3, *shape, generator=seeded())
    weight = torch.rand(3, 5, 5, 6, 8, generator=seeded(1))
    ways = Ways.square(torch.tensor(PARTS), 2, (shape[0] / 6, shape[1] / 8))
    begin, end = fetch(before, after, weight, ways)
    assert torch.allclose(begin, fetched_by_sampling(before, weight, tuple(-part for part in PARTS), ways), atol=1e-4)
    assert torch.allclose(end, fetched_by_sampling(after, weight, tuple(1 - part for part in PARTS), ways), atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 16), (21, 17)])
def test_the_gradient_of_the_weights_is_that_of_the_plain_sum(shape: tuple[int, int]):
    before, after, pull = torch.rand(3, 3, 3, *shape, generator=seeded())
    weight = torch.rand(3, 3, 3, 6, 8, generator=seeded(1)).requires_grad_()
    ways = Ways.square(torch.tensor(PARTS), 1, (2.0, 2.0))
    begin, end = fetch(before, after, weight, ways)
    (found,) = torch.autograd.grad((begin * pull + end * end).sum(), weight)
    begin = fetched_by_sampling(before, weight, tuple(-part for part in PARTS), ways)
    end = fetched_by_sampling(after, weight, tuple(1 - part for part in PARTS), ways)
    (wanted,) = torch.autograd.grad((begin * pull + end * end).sum(), weight)
    assert torch.allclose(found, wanted, atol=1e-3)


def test_ways_reach_as_far_in_all_directions():
    ways = Ways.square(torch.tensor([0.5]), 2, (2.0, 3.0))
    assert ways.down == (-4.0, -2.0, 0.0, 2.0, 4.0)
    assert ways.right == (-6.0, -3.0, 0.0, 3.0, 6.0)


def test_autocast_rounds_nothing_that_is_fetched():
    before, after = torch.rand(2, 3, 3, 12, 16, generator=seeded())
    weight = torch.rand(3, 3, 3, 6, 8, generator=seeded(1)).flatten(1, 2).softmax(1).unflatten(1, (3, 3))
    ways = Ways.square(torch.tensor(PARTS), 1, (2.0, 2.0))
    plain = fetch(before, after, weight, ways)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = fetch(before, after, weight, ways)
    assert torch.equal(plain[0], rounded[0])
    assert torch.equal(plain[1], rounded[1])
