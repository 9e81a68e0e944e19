"""Thresholds and scores of the detector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subspace_learn.functional.grassmann.subspace_detector import (
    combined_index,
    held_out_weights,
    hotelling_statistic,
    predictive_quantile,
)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    quantile=st.floats(0.01, 0.99),
)
def test_quantile_is_numpys_at_the_position_of_weibull(values, quantile):
    values = np.array(values)
    expected = np.quantile(values, quantile, method="weibull")
    assert predictive_quantile(values, quantile) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_quantile_is_exceeded_by_the_next_value_as_often_as_promised(rng):
    # 4000 tables of 24 values and one more: a standard error of .0035
    values = rng.exponential(size=(4000, 25))
    exceeded = [row[24] > predictive_quantile(row[:24], 0.95) for row in values]
    assert np.mean(exceeded) == pytest.approx(0.05, abs=0.011)


def test_weights_equal_repetition(xp, rng):
    values, weights = rng.normal(size=30), rng.integers(0, 4, size=30)
    for quantile in (0.05, 0.5, 0.95):
        repeated = predictive_quantile(xp.asarray(np.repeat(values, weights)), quantile)
        weighted = predictive_quantile(xp.asarray(values), quantile, xp.asarray(weights * 1.0))
        assert weighted == repeated


def test_folds_share_out_all_weight_once(xp, rng):
    X, weights = rng.normal(size=(23, 3)), rng.uniform(0, 3, size=23)
    folds = list(held_out_weights(xp.asarray(X), 4, xp.asarray(weights)))
    np.testing.assert_allclose(sum(held for held, _ in folds), weights, rtol=1e-12)
    for held, kept in folds:
        np.testing.assert_allclose(held + kept, weights, rtol=1e-8)
        assert abs(held.sum() - weights.sum() / 4) < 1


def test_folds_of_weighted_rows_are_those_of_repeated_rows(rng):
    X, weights = rng.normal(size=(23, 3)), rng.integers(0, 9, size=23)
    source = np.repeat(np.arange(23), weights)
    pairs = zip(held_out_weights(X, 5, weights), held_out_weights(X[source], 5), strict=True)
    for (held, kept), (one, rest) in pairs:
        np.testing.assert_array_equal(held, np.bincount(source, one, minlength=23))
        np.testing.assert_array_equal(kept, np.bincount(source, rest, minlength=23))


def test_folds_follow_the_rows_whatever_their_order(rng):
    X = rng.normal(size=(40, 3))
    order = rng.permutation(40)
    for (held, _), (moved, _) in zip(
        held_out_weights(X, 5), held_out_weights(X[order], 5), strict=True
    ):
        np.testing.assert_array_equal(held[order], moved)


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
