"""Penalised fits on few labels: ridge, leaving one out and the evidence by brute force."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge

from subspace_learn.functional.sampling.dpp_least_squares import feature_space, phi_at
from subspace_learn.functional.sampling.label_ridge import _PENALTIES, CHOICES, ridge_fit

N, D = 60, 4


@pytest.fixture
def pool(rng):
    F = rng.normal(size=(N, D)) * [1.0, 40.0, 0.03, 5.0] + [0.0, 9.0, -2.0, 700.0]
    y = F[:, :1] - 0.02 * F[:, 1:2] + rng.normal(size=(N, 1)) * [[0.4, 5.0]]
    return F, 80.0 * y, rng.uniform(0.2, 3.0, N)


def fitted(pool, rows, alpha, intercept=True):
    F, y, w = pool
    space = feature_space(F, intercept=intercept)
    return ridge_fit(space, F[rows], phi_at(space, rows), y[rows], w[rows], alpha)


def standardised(F, intercept):
    return (F - F.mean(axis=0) * intercept) / np.sqrt(
        np.mean((F - F.mean(axis=0) * intercept) ** 2, axis=0)
    )


def plain_ridge(pool, rows, alpha, intercept):
    """scikit-learn's predictions of the whole pool; its penalty is times the sum of weights."""
    F, y, w = pool
    Z = standardised(F, intercept)
    model = Ridge(alpha=alpha * w[rows].sum(), fit_intercept=intercept, solver="svd")
    return model.fit(Z[rows], y[rows], sample_weight=w[rows]).predict(Z)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("n", [3, 5, 12])
def test_fit_is_that_of_weighted_ridge_on_standardised_features(pool, n, intercept):
    rows = np.arange(n)
    fit = fitted(pool, rows, 0.2, intercept)
    found = pool[0] @ fit.coef + fit.intercept
    np.testing.assert_allclose(found, plain_ridge(pool, rows, 0.2, intercept), rtol=1e-8)
    assert fit.alpha.tolist() == [0.2, 0.2]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("n", [3, 12, 25])
def test_leaving_one_out_is_what_leaving_out_each_label_gives(pool, n, intercept):
    F, y, w = pool
    rows = np.arange(n)
    errors = np.zeros((len(_PENALTIES), 2))
    Z = standardised(F, intercept)
    for left in rows:
        others = np.delete(rows, left)
        for k, alpha in enumerate(_PENALTIES):
            # the penalty stays what it was: alpha times all weights
            model = Ridge(alpha=alpha * w[rows].sum(), fit_intercept=intercept, solver="svd")
            model.fit(Z[others], y[others], sample_weight=w[others])
            errors[k] += w[left] * (y[left] - model.predict(Z[[left]])[0]) ** 2
    chosen = fitted(pool, rows, "loo", intercept).alpha
    for target in range(2):
        at = np.argmin(np.abs(np.log(_PENALTIES / chosen[target])))
        # penalties beside each other may be level up to rounding
        assert errors[at, target] <= errors[:, target].min() * (1 + 1e-9)


@pytest.mark.parametrize("n", [4, 12, 25])
def test_evidence_is_the_density_of_the_differences_of_labels(pool, n):
    F, y, w = pool
    rows = np.arange(n)
    Z, share = standardised(F, True)[rows], w[rows] / w[rows].sum()
    contrasts = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1].T  # no intercept left in them
    # below, the law is singular to rounding, and its density far from the largest
    penalties = _PENALTIES[_PENALTIES > 1e-5]
    densities = np.zeros((len(penalties), 2))
    for k, alpha in enumerate(penalties):
        law = contrasts @ (np.diag(1 / share) + Z @ Z.T / alpha) @ contrasts.T
        for target in range(2):
            labels = contrasts @ y[rows, target]
            scale = labels @ np.linalg.solve(law, labels) / (n - 1)  # the likeliest noise
            densities[k, target] = multivariate_normal.logpdf(labels, cov=scale * law)
    chosen = fitted(pool, rows, "evidence").alpha
    for target in range(2):
        assert chosen[target] in penalties
        at = np.flatnonzero(penalties == chosen[target])[0]
        assert densities[at, target] >= densities[:, target].max() - 1e-6


@pytest.mark.parametrize("choice", CHOICES)
def test_a_row_drawn_twice_is_one_label_of_both_weights(pool, choice):
    F, y, w = pool
    rows = np.array([3, 9, 3, 20, 7, 11, 30, 9, 41, 3, 2])
    once, place = np.unique(rows, return_inverse=True)
    together = w.copy()
    together[once] = np.bincount(place, w[rows])
    twice = fitted(pool, rows, choice)
    single = fitted((F, y, together), once, choice)
    np.testing.assert_allclose(twice.alpha, single.alpha)
    np.testing.assert_allclose(twice.coef, single.coef, rtol=1e-8)


@pytest.mark.parametrize("choice", CHOICES)
def test_labels_choose_no_penalty_where_nothing_speaks_for_one(pool, choice):
    F, _, w = pool
    exact = F @ np.array([[1.0], [0.5], [-30.0], [0.0]]) + 4e3
    fit = fitted((F, exact, w), np.arange(9), choice)
    assert fit.alpha.tolist() == [0.0]
    np.testing.assert_allclose(F @ fit.coef + fit.intercept, exact, rtol=1e-10)
    interpolating = fitted(pool, np.arange(D + 1), choice)
    assert interpolating.alpha.tolist() == [0.0, 0.0]


def test_a_row_that_alone_has_a_feature_does_not_ask_for_no_penalty(rng):
    """Its own label fixes its coefficient: its residual is 0 and says nothing."""
    F = np.zeros((40, 12))
    F[np.arange(12), np.arange(12)] = 1.0
    y = rng.normal(size=(40, 1))
    space = feature_space(F)
    rows = np.arange(20)
    fit = ridge_fit(space, F[rows], phi_at(space, rows), y[rows], np.ones(20), "loo")
    assert fit.alpha[0] > 0.1


@pytest.mark.parametrize("alpha", ["loo", "evidence", 0.02])
def test_one_hot_columns_are_penalised_alike_whatever_their_order(rng, alpha):
    town = rng.integers(0, 20, size=400)
    F = (town[:, None] == np.arange(20)).astype(float)  # the last of them depends on the others
    y = np.sin(town)[:, None] + 0.3 * rng.normal(size=(400, 1))
    rows, w = rng.choice(400, 25, replace=False), rng.uniform(1, 2, 25)
    found = []
    for order in (np.arange(20), np.arange(20)[::-1], rng.permutation(20)):
        space = feature_space(F[:, order])
        fit = ridge_fit(space, F[rows][:, order], phi_at(space, rows), y[rows], w, alpha)
        found.append(F[:, order] @ fit.coef + fit.intercept)
        assert fit.alpha[0] > 0
    np.testing.assert_allclose(found[1], found[0], atol=1e-9)
    np.testing.assert_allclose(found[2], found[0], atol=1e-9)
