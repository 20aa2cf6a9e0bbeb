import numpy as np
import pytest

from midframe.metrics.uncertainty import rank_correlation, risk_coverage


def test_ranks_agree_whatever_the_scale():
    values = np.array([0.1, 3.0, 0.2, 7.0])
    assert rank_correlation(values, values**3) == pytest.approx(1)
    assert rank_correlation(values, -np.exp(values)) == pytest.approx(-1)


def test_equal_values_share_their_mean_rank():
    # Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
    assert rank_correlation(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx((4.5 / 5) ** 0.5)


def test_a_side_that_does_not_vary_correlates_with_nothing():
    assert rank_correlation(np.ones(4), np.arange(4.0)) == 0


def test_risk_is_that_of_the_surest_share():
    error = np.array([4.0, 1.0, 3.0, 2.0])
    doubt = np.array([0.9, 0.2, 0.1, 0.3])
    assert risk_coverage(doubt, error, (1.0, 0.75, 0.5, 0.25)) == [2.5, 2.0, 2.0, 3.0]
    assert risk_coverage(error, error, (0.5, 0.01)) == [1.5, 1.0]
