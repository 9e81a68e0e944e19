"""Designs and fits: expectations by enumeration of all subsets, laws of feature spaces."""

from itertools import combinations, product
from math import comb, factorial

import numpy as np
import pytest

from subspace_learn.functional.sampling.dpp_least_squares import (
    SCHEMES,
    christoffel_function,
    design_rows,
    feature_space,
    phi_at,
    weighted_fit,
)

N, M = 9, 3
EXACT = 1e-10  # asked for; sums over 84 subsets of well-conditioned 3 x 3 problems


@pytest.fixture
def table(rng):
    return rng.normal(size=(N, M)), rng.normal(size=(N, 2))


def fitted(space, y, design):
    rows = design.indices
    return weighted_fit(space, phi_at(space, rows), y[rows], design.weights)


def full_fit(F, y, mu=None):
    root = np.sqrt(np.ones(len(F)) if mu is None else mu)[:, None]
    return np.linalg.lstsq(F * root, y * root, rcond=None)[0]


@pytest.mark.parametrize("uniform", [True, False])
def test_dpp_fit_is_unbiased_and_costs_a_factor_m_plus_one(table, rng, uniform):
    F, y = table
    mu = np.full(N, 1 / N) if uniform else rng.uniform(0.5, 2, N)
    mu = mu / mu.sum()
    space = feature_space(F, mu, intercept=False)
    best = full_fit(F, y, mu)
    loss = np.sum(mu[:, None] * (y - F @ best) ** 2, axis=0)
    mean, mean_loss = 0.0, 0.0
    for S in combinations(range(N), M):
        S = np.array(S)
        p = np.linalg.det(space.law.basis[S]) ** 2
        fit = weighted_fit(space, phi_at(space, S), y[S], np.ones(M))
        mean = mean + p * fit.coef
        mean_loss = mean_loss + p * np.sum(mu[:, None] * (y - F @ fit.coef) ** 2, axis=0)
    np.testing.assert_allclose(mean, best, atol=EXACT)
    np.testing.assert_allclose(mean_loss, (M + 1) * loss, rtol=EXACT)


@pytest.mark.parametrize("k", [3, 4, 6])
def test_mean_inverse_gram_of_volume_sampling(table, k):
    F, y = table
    Q = np.linalg.qr(F)[0]
    mean, mean_fit = 0.0, 0.0
    for S in combinations(range(N), k):
        S = list(S)
        p = np.linalg.det(Q[S].T @ Q[S]) / comb(N - M, k - M)
        mean = mean + p * np.linalg.inv(F[S].T @ F[S])
        mean_fit = mean_fit + p * full_fit(F[S], y[S])
    factor = (N - M + 1) / (k - M + 1)
    wanted = factor * np.linalg.inv(F.T @ F)
    np.testing.assert_allclose(mean, wanted, rtol=EXACT, atol=EXACT * np.abs(wanted).max())
    np.testing.assert_allclose(mean_fit, full_fit(F, y), atol=EXACT)


@pytest.mark.parametrize("optimal", [True, False])
def test_volume_with_replacement_is_unbiased_for_any_reference(rng, optimal):
    F, y = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    mu = rng.uniform(0.5, 2, 5)
    mu /= mu.sum()
    space = feature_space(F, mu, intercept=False)
    Q = space.law.basis
    nu = (Q**2).sum(axis=1) / 2 if optimal else rng.dirichlet(np.full(5, 3.0))
    w, n = mu / nu, 4
    total, mean, gram, inverse = 0.0, 0.0, 0.0, 0.0
    for S in product(range(5), repeat=n):
        S = np.array(S)
        phi = Q[S] / np.sqrt(mu[S])[:, None]
        G = phi.T @ (phi * w[S][:, None])
        p = np.linalg.det(G) * np.prod(nu[S]) * factorial(n - 2) / factorial(n)
        if p < 1e-14:  # one row four times: no fit, and no weight either
            continue
        total += p
        mean = mean + p * weighted_fit(space, phi_at(space, S), y[S], w[S]).coef
        gram = gram + p * G / n
        inverse = inverse + p * np.linalg.inv(G)
    assert total == pytest.approx(1.0, abs=EXACT)
    np.testing.assert_allclose(mean, full_fit(F, y, mu), atol=EXACT)
    # E (sum w phi phi^T)^-1 <= I / (n - m + 1)
    assert np.linalg.eigvalsh(inverse).max() <= 1 / (n - 2 + 1) + EXACT
    # all marginals are the optimal measure only if the reference is
    assert np.allclose(gram, np.eye(2), atol=EXACT) == optimal


@pytest.mark.parametrize("scheme", SCHEMES)
def test_targets_in_the_span_are_recovered_exactly(rng, scheme):
    F = rng.normal(size=(300, 4))
    y = F @ rng.normal(size=(4, 2)) + 3.0
    space = feature_space(F)
    n = 5 if scheme == "dpp" else 12
    design = design_rows(space, n, rng, scheme=scheme)
    assert design.indices.shape == design.weights.shape == (n,)
    fit = fitted(space, y, design)
    # rounding times the condition number of 12 random rows, some hundred
    np.testing.assert_allclose(F @ fit.coef + fit.intercept, y, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_designs_know_nothing_of_the_basis(rng, scheme):
    F = rng.normal(size=(200, 4))
    other = F @ rng.normal(size=(4, 4)) + rng.normal(size=4)
    y, n = rng.normal(size=(200, 1)), 5 if scheme == "dpp" else 11

    def predicted(table):
        # the order in which rows are laid out depends on the columns: fix it, the law does not
        space = feature_space(table)
        space = space._replace(law=space.law._replace(order=None))
        law = space.law._replace(cumulative=np.cumsum(space.law.norms))
        space = space._replace(law=law)
        design = design_rows(space, n, np.random.default_rng(3), scheme=scheme)
        fit = fitted(space, y, design)
        return table @ fit.coef + fit.intercept

    np.testing.assert_allclose(predicted(other), predicted(F), atol=1e-8)


@pytest.mark.parametrize("scheme", ["christoffel", "repeated_dpp", "dpp", "volume"])
def test_mean_gram_matrix_is_the_identity(rng, scheme):
    F = rng.standard_t(3, size=(400, 3))
    space = feature_space(F, rng.uniform(size=400))
    n, repeats, total = 4 if scheme == "dpp" else 10, 1500, 0.0
    for _ in range(repeats):
        design = design_rows(space, n, rng, scheme=scheme)
        phi = space.features(F[design.indices])
        total = total + phi.T @ (phi * design.weights[:, None]) / n
    # an entry of w phi phi^T is at most m = 4 in size: standard error below 4 / sqrt(n repeats)
    error = 4 / np.sqrt(n * repeats)
    np.testing.assert_allclose(total / repeats, np.eye(4), atol=4 * error)


def test_features_are_orthonormal_in_the_measure_whatever_their_scale(rng):
    F = rng.normal(size=(500, 5)) * np.logspace(-6, 6, 5) + np.logspace(-6, 6, 5)
    mu = rng.uniform(size=500)
    space = feature_space(F, mu)
    phi = space.features(F)
    np.testing.assert_allclose(phi.T @ (phi * (mu / mu.sum())[:, None]), np.eye(6), atol=1e-12)
    np.testing.assert_allclose(phi * np.sqrt(mu / mu.sum())[:, None], space.law.basis, atol=1e-12)


def test_vandermonde_features_are_orthonormalised_beyond_what_their_gram_matrix_holds():
    x = np.linspace(-1, 1, 2000)
    F = np.vander(x, 30)  # condition number 2e10 with unit columns, its square beyond 1 / eps
    space = feature_space(F, intercept=False)
    assert len(space.kept) == 30
    Q = space.law.basis
    # phi is a combination of raw features: rounding of these times the condition number
    np.testing.assert_allclose(Q.T @ Q, np.eye(30), atol=2e-16 * 2e10)


def test_dependent_and_constant_features_are_left_out_the_later_ones_first(rng):
    F = rng.normal(size=(50, 3))
    F = np.column_stack([F, F[:, 0] + F[:, 1], np.full(50, 7.0), np.zeros(50)])
    space = feature_space(F)
    assert space.kept.tolist() == [0, 1, 2]
    assert space.law.basis.shape[1] == 4
    with pytest.raises(ValueError, match="Every feature is zero"):
        feature_space(np.zeros((5, 2)), intercept=False)


def test_christoffel_function_is_the_least_norm_of_functions_with_value_one(rng):
    F = rng.normal(size=(30, 3))
    mu = rng.uniform(size=30)
    values = christoffel_function(F, mu)
    gram = F.T @ (F * (mu / mu.sum())[:, None])
    wanted = 1 / np.einsum("ij,ij->i", F, np.linalg.solve(gram, F.T).T)
    np.testing.assert_allclose(values, wanted, rtol=1e-10)
    assert (mu / mu.sum() / values).sum() == pytest.approx(3.0, abs=1e-10)
    assert np.isinf(christoffel_function(np.vstack([F, np.zeros(3)]))[-1])


def test_condition_redraws_and_says_how_often(rng):
    space = feature_space(rng.normal(size=(400, 5)))
    design = design_rows(space, 24, rng, scheme="uniform", condition=0.4, max_redraws=5000)
    assert design.condition_met
    assert design.n_redraws > 0
    phi = space.features(np.zeros((0, 5)))  # no row at all is fine
    assert phi.shape == (0, 6)
    never = design_rows(space, 6, rng, scheme="uniform", condition=0.01, max_redraws=5)
    assert not never.condition_met
    assert never.n_redraws == 5
