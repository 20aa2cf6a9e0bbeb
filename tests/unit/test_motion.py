"""How far things move between two frames."""

import pytest
import torch
import torch.nn.functional as functional

from midframe.core.errors import ShapeError
from midframe.evaluation.motion import REACH, block_displacements, motion_pixels

TENTH = 0.1
"""Pixels of error of a block whose motion is not whole."""


def picture(width: int, height: int, right: float = 0, down: float = 0, seed: int = 0) -> torch.Tensor:
    """A smooth random picture, (height, width) in [0, 1], that has moved."""
    coarse = torch.rand(1, 1, height // 8 + 16, width // 8 + 16, generator=torch.Generator().manual_seed(seed))
    y, x = torch.meshgrid(torch.arange(height) - down, torch.arange(width) - right, indexing="ij")
    places = torch.stack((x / (8 * coarse.shape[3]), y / (8 * coarse.shape[2])), dim=-1)
    return functional.grid_sample(coarse, places[None] * 1.5 - 0.5, mode="bicubic", align_corners=False)[0, 0]


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, 0), (-7, 5), (0, -REACH + 1)])
def test_finds_whole_displacements(right, down):
    found = block_displacements(picture(160, 128), picture(160, 128, right, down))
    inner = found[:, 2:-2, 2:-2].flatten(1)
    assert inner.numel()
    expected = torch.tensor([[right], [down]], dtype=torch.float32).expand_as(inner)
    torch.testing.assert_close(inner, expected, atol=TENTH * 2.5, rtol=0)


def test_a_flat_picture_does_not_move():
    assert block_displacements(torch.full((64, 64), 0.5), torch.full((64, 64), 0.5)).abs().max() == 0


def colour(luma: torch.Tensor) -> torch.Tensor:
    return (luma.clamp(0, 1) * 255).round().byte().expand(3, -1, -1).contiguous()


@pytest.mark.parametrize(("side", "distance"), [(1, 6), (2, 12), (4, 24)])
def test_distances_are_pixels_of_the_full_picture(side, distance):
    before, after = (colour(picture(240 * side, 128 * side, right)) for right in (0, distance))
    assert motion_pixels(before, after) == pytest.approx(distance, rel=0.1)


def test_what_a_fifth_of_the_picture_does_counts_and_what_a_twentieth_does_is_overlooked():
    still, moved = picture(160, 160), picture(160, 160, right=8)
    fifth, twentieth = still.clone(), still.clone()
    fifth[:48] = moved[:48]
    twentieth[:10, :80] = moved[:10, :80]
    assert motion_pixels(colour(still), colour(fifth)) == pytest.approx(8, abs=0.5)
    assert motion_pixels(colour(still), colour(twentieth)) == pytest.approx(0, abs=0.25)


def test_refuses_frames_of_two_sizes(without_shape_checks):
    with pytest.raises(ShapeError, match="Frames differ in size"):
        motion_pixels(torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 9, dtype=torch.uint8))
