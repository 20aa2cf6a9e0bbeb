"""Dense inverse search."""

from __future__ import annotations

import pytest
import torch

from midframe.core.errors import ShapeError
from midframe.ops.dense_flow import dense_inverse_search

cv2 = pytest.importorskip("cv2")

HEIGHT, WIDTH = 120, 160
RIGHT, DOWN = 5, -3
SUB_PIXEL = 0.5


def moving_texture() -> tuple[torch.Tensor, torch.Tensor]:
    """Two windows onto one smooth texture: its content moves by (RIGHT, DOWN)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 20, 25, generator=generator)
    plane = torch.nn.functional.interpolate(coarse, size=(HEIGHT + 40, WIDTH + 40), mode="bicubic")[0]
    plane = (plane * 255).clamp(0, 255).to(torch.uint8)

    def window(top: int, left: int) -> torch.Tensor:
        return plane[:, top : top + HEIGHT, left : left + WIDTH].contiguous()

    return window(20, 20), window(20 - DOWN, 20 - RIGHT)


def test_finds_the_motion_of_a_texture_right_before_down():
    flow = dense_inverse_search(*moving_texture())
    inner = flow[:, 20:-20, 20:-20].flatten(1)
    assert flow.shape == (2, HEIGHT, WIDTH)
    assert inner[0].median().item() == pytest.approx(RIGHT, abs=SUB_PIXEL)
    assert inner[1].median().item() == pytest.approx(DOWN, abs=SUB_PIXEL)


def test_the_number_of_threads_neither_matters_nor_changes():
    threads = cv2.getNumThreads()
    flows = []
    try:
        for count in (1, 2, 3):
            cv2.setNumThreads(count)
            flows.append(dense_inverse_search(*moving_texture()))
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(threads)
    assert torch.equal(flows[0], flows[1])
    assert torch.equal(flows[0], flows[2])


def test_the_smallest_frames_have_a_flow():
    picture = torch.zeros(3, 16, 16, dtype=torch.uint8)
    assert dense_inverse_search(picture, picture).abs().max() == 0


def test_refuses_frames_that_are_too_small():
    picture = torch.zeros(3, 15, 40, dtype=torch.uint8)
    with pytest.raises(ShapeError, match="at least 16x16 pixels"):
        dense_inverse_search(picture, picture)


def test_refuses_frames_of_two_sizes(without_shape_checks: None):
    with pytest.raises(ShapeError, match="two frames of one size"):
        dense_inverse_search(torch.zeros(3, 20, 20, dtype=torch.uint8), torch.zeros(3, 20, 24, dtype=torch.uint8))
