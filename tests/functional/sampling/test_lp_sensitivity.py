"""Sensitivities: certified bounds against linear programmes, closed forms and the sandwich laws."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from subspace_learn.functional.sampling.leverage import leverage_scores
from subspace_learn.functional.sampling.lewis_weights import lewis_weights
from subspace_learn.functional.sampling.lp_sensitivity import (
    _by_linear_programme,
    lp_sensitivities,
    sensitivity_bounds,
    sensitivity_scores,
)

EXPONENTS = [1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0]


def by_primal_programme(A, i):
    """1 / min |Ax|_1 with a_i x = 1, as a linear programme in x and the residuals' parts."""
    n, d = A.shape
    cost = np.r_[np.zeros(d), np.ones(2 * n)]
    equal = np.block([[A, -np.eye(n), np.eye(n)], [A[i], np.zeros(2 * n)]])
    bounds = [(None, None)] * d + [(0, None)] * (2 * n)
    return 1 / linprog(cost, A_eq=equal, b_eq=np.r_[np.zeros(n), 1.0], bounds=bounds).fun


def test_bounds_for_absolute_deviations_hold_the_value_of_a_linear_programme(rng):
    A = rng.standard_t(3, size=(40, 3))
    found = sensitivity_scores(A, p=1.0, method="exact", tol=1e-3)
    for i in range(0, 40, 5):
        value = by_primal_programme(A, i)
        assert found.scores[i] * (1 - 1e-9) <= value <= found.upper[i] * (1 + 1e-9)
        assert found.scores[i] == pytest.approx(value, rel=1e-3)
        assert _by_linear_programme(A, A[i]) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("p", [1.5, 3.0, 4.0])
def test_bounds_hold_what_a_general_optimiser_finds(rng, p):
    A = rng.standard_t(3, size=(50, 3))
    found = sensitivity_scores(A, p=p, method="exact", tol=1e-7)
    for i in (0, 17, 31):
        # x = x0 + N z runs through all x with a_i x = 1
        x0 = A[i] / (A[i] @ A[i])
        null = np.linalg.svd(A[i : i + 1])[2][1:].T

        def norm(z, x0=x0, null=null):
            return np.sum(np.abs(A @ (x0 + null @ z)) ** p)

        options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000}
        best = 1 / minimize(norm, np.zeros(2), method="Nelder-Mead", options=options).fun
        assert found.scores[i] == pytest.approx(best, rel=1e-6)
        assert best <= found.upper[i] * (1 + 1e-9)


@pytest.mark.parametrize("p", EXPONENTS)
def test_sandwich_laws(rng, p):
    A = rng.standard_t(3, size=(150, 4))
    n, d = A.shape
    s = sensitivity_scores(A, p=p, method="exact", tol=1e-2)
    tau, w = leverage_scores(A), lewis_weights(A, p=p)
    root, slack = tau ** (p / 2), 1 + 1e-9
    assert (s.scores <= s.upper * slack).all()
    assert s.converged
    if p <= 2:
        assert (n ** (p / 2 - 1) * root <= s.upper * slack).all()
        assert (s.scores <= np.minimum(root, w) * slack).all()
        assert s.scores.sum() <= d * slack
    else:
        assert (root <= s.upper * slack).all()
        assert (s.scores <= n ** (p / 2 - 1) * root * slack).all()
        assert (s.scores <= d ** (p / 2 - 1) * w * slack).all()
        assert s.scores.sum() <= d ** (p / 2) * slack


@pytest.mark.parametrize("p", EXPONENTS)
def test_closed_forms(rng, p):
    a = rng.normal(size=(20, 1))
    share = np.abs(a[:, 0]) ** p
    np.testing.assert_allclose(lp_sensitivities(a, p=p, tol=1e-6), share / share.sum(), rtol=1e-9)
    np.testing.assert_allclose(lp_sensitivities(np.eye(3), p=p), 1.0, rtol=1e-6)
    A = np.vstack([np.ones((5, 2)) * [1, 0], [[0, 2.0]], np.zeros((2, 2))])
    np.testing.assert_allclose(lp_sensitivities(A, p=p), [0.2] * 5 + [1, 0, 0], atol=1e-6)
    assert not lp_sensitivities(np.zeros((3, 2)), p=p).any()


def test_least_squares_sensitivities_are_leverage_scores(rng):
    A = rng.normal(size=(60, 5))
    np.testing.assert_allclose(lp_sensitivities(A, p=2.0), leverage_scores(A), atol=1e-14)
    # and so says the iteration itself, which is exact in one step
    Q = np.linalg.qr(A)[0]
    found = sensitivity_bounds(Q, Q, 2.0, tol=1e-10, max_iter=2)
    np.testing.assert_allclose(found.scores, leverage_scores(A), atol=1e-10)
    np.testing.assert_allclose(found.upper, leverage_scores(A), atol=1e-10)


@pytest.mark.parametrize("p", [1.5, 3.0])
def test_scores_follow_rows_not_bases_or_copies(rng, p):
    A = rng.standard_t(3, size=(60, 3))
    s = lp_sensitivities(A, p=p, tol=1e-8)
    changed = (A @ rng.normal(size=(3, 3))) * rng.choice([-1, 1], size=60)[:, None]
    np.testing.assert_allclose(lp_sensitivities(changed, p=p, tol=1e-8), s, rtol=1e-7)
    copies = lp_sensitivities(np.repeat(A, 3, axis=0), p=p, tol=1e-8)
    np.testing.assert_allclose(copies, np.repeat(s / 3, 3), rtol=1e-7)
    lacking = np.column_stack([A, A[:, 0]])
    np.testing.assert_allclose(lp_sensitivities(lacking, p=p, tol=1e-8), s, rtol=1e-7)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0, 4.0])
def test_approximate_scores_are_near_the_exact_ones(rng, p):
    A = rng.standard_t(3, size=(1500, 3))
    exact = lp_sensitivities(A, p=p, method="exact", tol=0.05)
    near = lp_sensitivities(A, p=p, method="approximate", tol=0.05, rng=rng)
    # a Lewis sample of some 130 rows keeps norms within about a third
    assert np.abs(np.log(near / exact)).max() < 0.7
    assert near.max() <= 1


def test_errors(rng):
    A = rng.normal(size=(30, 3))
    with pytest.raises(ValueError, match="at least 1"):
        lp_sensitivities(A, p=0.9)
    with pytest.raises(ValueError, match="not known"):
        lp_sensitivities(A, method="fast")
    with pytest.raises(ValueError, match=r"multiply-adds .* 'approximate'|approximate"):
        lp_sensitivities(
            np.ones((200_000, 2)) + rng.normal(size=(200_000, 2)), p=3.0, method="exact"
        )
    with pytest.raises(ValueError, match="apart"):
        lp_sensitivities(A, p=1.5, max_iter=1, tol=1e-9)
