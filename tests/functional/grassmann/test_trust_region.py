"""The Riemannian trust-region solver: derivatives, limits, and no global state."""

import numpy as np
import pytest

from subspace_learn.functional.grassmann.trust_region import scaled_objective, trust_region_pairs


def test_pairs_are_those_of_a_known_spectrum(rng):
    values = np.array([5.0, 4.0, 3.0, 1.0, 0.5, 0.1])
    Q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    pairs = trust_region_pairs(
        lambda U: Q @ (values[:, None] * (Q.T @ U)),
        rng.normal(size=(6, 3)),
        scale=values.sum(),
        tol=1e-10,
        max_iter=100,
    )
    assert pairs.converged
    np.testing.assert_allclose(pairs.values, values[:3], rtol=1e-12)
    # sine of the angle <= tol * scale / gap = 1e-10 * 13.6 / 2
    assert np.abs(Q[:, 3:].T @ pairs.vectors).max() < 1e-9


def test_gradient_and_hessian_agree_with_differences_of_the_objective(rng):
    A = rng.normal(size=(6, 6))
    S = A @ A.T
    cost, gradient, hessian = scaled_objective(lambda Q: S @ Q, 7.0)
    U, H = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    # the objective is quadratic: central differences are exact up to rounding over the step
    slope = (cost(U + 1e-4 * H) - cost(U - 1e-4 * H)) / 2e-4
    assert slope == pytest.approx(np.sum(gradient(U) * H), rel=1e-9)
    change = (gradient(U + 1e-4 * H) - gradient(U - 1e-4 * H)) / 2e-4
    np.testing.assert_allclose(hessian(U, H), change, rtol=1e-8, atol=1e-10)


def test_the_riemannian_gradient_is_horizontal_and_vanishes_at_the_answer(rng):
    from pymanopt.manifolds import Grassmann

    S = np.diag([4.0, 3.0, 2.0, 1.0])
    _, gradient, _ = scaled_objective(lambda Q: S @ Q, 1.0)
    U = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    manifold = Grassmann(4, 2)
    horizontal = manifold.euclidean_to_riemannian_gradient(U, gradient(U))
    np.testing.assert_allclose(U.T @ horizontal, 0, atol=1e-14)
    answer = np.eye(4)[:, :2]
    assert not manifold.euclidean_to_riemannian_gradient(answer, gradient(answer)).any()


def test_the_whole_space_is_a_single_point():
    pairs = trust_region_pairs(
        lambda Q: np.diag([3.0, 2.0]) @ Q, np.eye(2), scale=5.0, tol=1e-9, max_iter=9
    )
    np.testing.assert_allclose(pairs.values, [3.0, 2.0])
    assert pairs.converged


def test_numpys_global_seed_is_left_alone(rng):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    trust_region_pairs(
        lambda Q: np.diag(np.arange(6.0)) @ Q,
        rng.normal(size=(6, 2)),
        scale=1.0,
        tol=1e-8,
        max_iter=50,
    )
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
