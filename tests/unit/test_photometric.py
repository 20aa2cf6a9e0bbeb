"""The photometric distance, held against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from midframe.losses.photometric import photometric_distance

FLOAT32_TOLERANCE = 1e-4  # variances of 3x3 pixels are small differences of squares


def test_it_is_the_published_mixture_of_structure_and_colour():
    first, second = torch.rand(2, 1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    second = 0.7 * first + 0.3 * second
    left, right = (side[0].double().permute(1, 2, 0).numpy() for side in (first, second))
    _, similarity = structural_similarity(
        left, right, win_size=3, data_range=1, use_sample_covariance=False, channel_axis=2, full=True
    )
    expected = (0.85 * np.clip((1 - similarity) / 2, 0, 1) + 0.15 * np.abs(left - right)).mean(2)
    found = photometric_distance(first, second)[0, 0].numpy()
    assert expected.mean() > 0.01
    assert found[1:-1, 1:-1] == pytest.approx(expected[1:-1, 1:-1], abs=FLOAT32_TOLERANCE)


def test_equal_pictures_are_at_no_distance_and_opposite_ones_far_apart():
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    board = board.float().expand(1, 3, 8, 8)
    assert float(photometric_distance(board, board).max()) == pytest.approx(0, abs=FLOAT32_TOLERANCE)
    assert float(photometric_distance(board, 1 - board).min()) > 0.9


def test_what_was_kept_in_inference_mode_can_be_trained_through_later():
    first, second = torch.rand(2, 1, 3, 13, 17, generator=torch.Generator().manual_seed(0))  # Nothing is kept for it.
    with torch.inference_mode():
        expected = photometric_distance(first, second)
    first.requires_grad_(True)
    distance = photometric_distance(first, second)
    distance.sum().backward()
    assert torch.equal(distance.detach(), expected)
    assert first.grad is not None
    assert first.grad.any()
