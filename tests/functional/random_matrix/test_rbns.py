"""Scores of directions and the conformal rule, by hand and by law."""

import numpy as np
import pytest
from scipy.linalg import eigh

from subspace_learn.functional.random_matrix.rbns import (
    conformal_support,
    robustness_scores,
    rotated_directions,
    same_class_rows,
)


def test_scores_by_hand():
    Z = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
    moved = Z + np.array([0.5, -1.0])
    np.testing.assert_allclose(robustness_scores(Z, moved), [0.5, 1 / 2**0.5])
    labels = np.array([0, 1, 0, 1])  # class means +-1 and +-1
    np.testing.assert_allclose(robustness_scores(Z, moved, labels), [0.5, 1.0])


def test_weights_are_repeated_rows(rng):
    Z = rng.normal(size=(6, 3))
    moved, labels = Z + rng.normal(size=Z.shape), np.array([0, 0, 1, 1, 2, 2])
    weights = np.array([1.0, 2.0, 0.0, 3.0, 1.0, 1.0])
    rows = np.repeat(np.arange(6), weights.astype(int))
    np.testing.assert_allclose(
        robustness_scores(Z, moved, labels, weights),
        robustness_scores(Z[rows], moved[rows], labels[rows]),
    )


def test_turned_directions_are_the_eigenvectors_of_movement_against_covariance(rng):
    Z = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    moves = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    weights = rng.uniform(0, 3, size=200)
    W = rotated_directions(Z, Z + moves, weights)
    covariance = np.cov(Z.T, aweights=weights, ddof=0)
    movement = (moves * weights[:, None]).T @ moves / weights.sum()
    values, wanted = eigh(movement, covariance)
    np.testing.assert_allclose(W.T @ covariance @ W, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(W.T @ movement @ W, np.diag(values), atol=1e-10 * values[-1])
    np.testing.assert_allclose(np.abs(W), np.abs(wanted), rtol=1e-6)


def test_turning_of_a_silent_direction_stays_finite():
    Z = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])
    assert np.isfinite(rotated_directions(Z, Z + 1.0)).all()
    assert np.isfinite(rotated_directions(0 * Z, Z)).all()
    assert rotated_directions(Z[:, :0], Z[:, :0]).shape == (0, 0)


def test_silent_directions_are_dropped_if_they_move_and_kept_if_not():
    Z = np.zeros((4, 2))
    np.testing.assert_array_equal(robustness_scores(Z, Z + np.array([1.0, 0.0])), [np.inf, 0.0])


@pytest.mark.parametrize(
    ("n", "quantile", "dropped"), [(5, 0.8, 1), (10, 0.8, 2), (4, 0.8, 0), (6, 0.5, 3), (1, 0.5, 0)]
)
def test_largest_scores_are_dropped(n, quantile, dropped, rng):
    scores = rng.permutation(n).astype(float)
    np.testing.assert_array_equal(conformal_support(scores, quantile), scores < n - dropped)


def test_equal_scores_share_their_fate():
    np.testing.assert_array_equal(
        conformal_support(np.array([1.0, 2.0, 2.0, 2.0, 0.0]), 0.8), [True] * 5
    )


def test_exchangeable_direction_is_dropped_at_most_as_often_as_allowed(rng):
    draws = rng.normal(size=(4000, 7))
    dropped = np.mean([not conformal_support(scores, 0.8)[0] for scores in draws])
    assert dropped < 0.2 + 3 * (0.16 / 4000) ** 0.5


def test_partners_are_other_rows_of_the_class(rng):
    labels = np.array([0, 1, 0, 1, 1, 2])
    partners = same_class_rows(labels, rng)
    np.testing.assert_array_equal(labels[partners], labels)
    np.testing.assert_array_equal(np.sort(partners), np.arange(6))
    assert np.sum(partners == np.arange(6)) == 1  # the class of one row
