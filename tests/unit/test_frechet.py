"""The Fréchet distance and the moments that it is computed from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from midframe.core.errors import ShapeError, UsageError
from midframe.metrics.frechet import FeatureMoments, frechet_distance

FLOAT64_TOLERANCE = 1e-9


def features(seed: int, count: int, dimension: int, offset: float = 0.0) -> torch.Tensor:
    """Correlated features."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    return torch.randn(count, dimension, generator=generator, dtype=torch.float64) @ mixing + offset


def moments(values: torch.Tensor, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    collected = FeatureMoments()
    for start in range(0, len(values), batch):
        collected.add(values[start : start + batch])
    return collected.moments()


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_moments_do_not_depend_on_batches(batch: int):
    values = features(0, 100, 6)
    mean, covariance = moments(values, batch)
    np.testing.assert_allclose(mean, values.numpy().mean(axis=0), atol=FLOAT64_TOLERANCE)
    np.testing.assert_allclose(covariance, np.cov(values.numpy(), rowvar=False), atol=FLOAT64_TOLERANCE)


def test_a_large_common_offset_costs_no_precision():
    """The sum of squares less the square of the sum would keep no digit here."""
    _, covariance = moments(features(0, 100, 3, offset=1e8), 10)
    _, expected = moments(features(0, 100, 3), 10)
    np.testing.assert_allclose(covariance, expected, rtol=1e-6)


def test_refuses_a_covariance_of_one_feature():
    collected = FeatureMoments()
    collected.add(torch.zeros(1, 3))
    with pytest.raises(UsageError, match="at least two pictures or clips; got 1"):
        collected.moments()


def test_refuses_features_of_two_dimensions():
    collected = FeatureMoments()
    collected.add(torch.zeros(2, 3))
    with pytest.raises(ShapeError, match="Features of 4 values follow features of 3"):
        collected.add(torch.zeros(2, 4))


def test_equal_sets_are_at_no_distance():
    mean, covariance = moments(features(1, 200, 8), 50)
    assert frechet_distance(mean, covariance, mean, covariance) == pytest.approx(0, abs=FLOAT64_TOLERANCE)


def test_a_shift_counts_by_its_square():
    mean, covariance = moments(features(1, 200, 8), 50)
    shift = torch.arange(8, dtype=torch.float64)
    assert frechet_distance(mean + shift, covariance, mean, covariance) == pytest.approx(140, abs=1e-8)


def test_axis_aligned_gaussians_have_a_closed_form():
    """The sum over the axes of (sigma - other sigma) squared."""
    mean = torch.zeros(3, dtype=torch.float64)
    sigma, other = torch.tensor([1.0, 2, 0]).double(), torch.tensor([4.0, 0.5, 3]).double()
    distance = frechet_distance(mean, torch.diag(sigma**2), mean, torch.diag(other**2))
    assert distance == pytest.approx(9 + 2.25 + 9, abs=FLOAT64_TOLERANCE)


def test_agrees_with_the_matrix_square_root_of_published_code():
    mean, covariance = moments(features(1, 500, 12), 100)
    other_mean, other_covariance = moments(features(2, 400, 12, offset=0.3), 100)
    root = np.real(sqrtm(covariance.numpy() @ other_covariance.numpy()))
    expected = (
        float((mean - other_mean).square().sum()) + np.trace(covariance + other_covariance) - 2 * np.trace(root)
    )
    distance = frechet_distance(mean, covariance, other_mean, other_covariance)
    assert expected > 10
    assert distance == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(other_mean, other_covariance, mean, covariance) == pytest.approx(distance, rel=1e-9)


def test_fewer_features_than_dimensions_are_no_trouble():
    """Two sets in planes of a 40-dimensional space; turning both together must not change their distance."""
    plane, other_plane = features(3, 5, 4), features(4, 6, 4)
    mean, covariance = moments(plane, 5)
    other_mean, other_covariance = moments(other_plane, 6)
    expected = frechet_distance(mean, covariance, other_mean, other_covariance)
    generator = torch.Generator().manual_seed(5)
    turned, _ = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=torch.float64))
    embedded = [moments(values @ turned[:4], 2) for values in (plane, other_plane)]
    assert expected > 1
    assert frechet_distance(*embedded[0], *embedded[1]) == pytest.approx(expected, rel=1e-9)


def test_refuses_moments_of_two_dimensions(without_shape_checks: None):
    with pytest.raises(ShapeError, match="one dimension are needed"):
        frechet_distance(torch.zeros(3), torch.eye(3), torch.zeros(4), torch.eye(4))
