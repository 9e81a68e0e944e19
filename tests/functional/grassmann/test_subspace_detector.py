"""Thresholds and scores of the detector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subspace_learn.functional.grassmann.subspace_detector import (
    combined_index,
    hotelling_statistic,
    weighted_quantile,
)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    quantile=st.floats(0.01, 0.99),
)
def test_quantile_is_numpys_inverse_of_the_distribution_function(values, quantile):
    values = np.array(values)
    assert weighted_quantile(values, quantile) == np.quantile(
        values, quantile, method="inverted_cdf"
    )


def test_weights_equal_repetition(xp, rng):
    values, weights = rng.normal(size=30), rng.integers(0, 4, size=30)
    for quantile in (0.05, 0.5, 0.95):
        repeated = weighted_quantile(xp.asarray(np.repeat(values, weights)), quantile)
        weighted = weighted_quantile(xp.asarray(values), quantile, xp.asarray(weights * 1.0))
        assert weighted == repeated


def test_hotelling_equals_the_mahalanobis_length(xp, rng):
    scores, variances = rng.normal(size=(20, 3)), np.array([4.0, 1.0, 0.25])
    found = xp.numpy(hotelling_statistic(xp.asarray(scores), xp.asarray(variances)))
    np.testing.assert_allclose(found, (scores**2 / variances).sum(axis=1), rtol=1e-13)


def test_directions_without_spread_are_left_out():
    found = hotelling_statistic(np.array([[2.0, 5.0]]), np.array([4.0, 1e-30]))
    assert found == pytest.approx([1.0])


def test_index_is_one_where_a_single_statistic_is_at_its_limit():
    index = combined_index(np.array([3.0, 0.0]), np.array([0.0, 7.0]), 3.0, 7.0)
    np.testing.assert_allclose(index, 1.0)
