"""Descent on several subspaces at once: a problem with a known answer, kinks, early ends."""

import numpy as np
import pytest

from subspace_learn.functional.grassmann.grassmann_training import subspaces_minimising
from subspace_learn.linalg.grassmann import projector, random_point

D, K, C = 6, 2, 3
SOLVERS = ["conjugate_gradient", "trust_region"]


@pytest.fixture
def matrices(rng):
    """Symmetric matrices with eigenvalues 1..6: their two leading directions are the answer."""
    Q = np.linalg.qr(rng.normal(size=(C, D, D)))[0]
    return (Q * np.arange(1.0, D + 1)) @ np.swapaxes(Q, 1, 2), Q[:, :, -K:]


def run(S, start, solver, *, monitor=lambda U, at: False, tol=1e-6, max_iter=200):
    return subspaces_minimising(
        lambda U: (-0.5 * float(np.sum(U * (S @ U))), -S @ U),
        lambda U, H: -S @ H,
        start,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        monitor=monitor,
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_leading_eigenvectors_are_found(matrices, rng, solver):
    S, answer = matrices
    U, converged = run(S, random_point(D, K, rng, shape=(C,)), solver)
    assert converged
    # the angle is the gradient norm over the gap of 1
    np.testing.assert_allclose(projector(U), projector(answer), atol=1e-5)
    np.testing.assert_allclose(np.swapaxes(U, 1, 2) @ U, np.eye(K) * np.ones((C, 1, 1)), atol=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
def test_objective_falls_from_each_shown_point_to_the_next(matrices, rng, solver):
    S, _ = matrices
    start, seen = random_point(D, K, rng, shape=(C,)), []

    def monitor(U, at):
        seen.append((U, at[0]))
        return False

    U, _ = run(S, start, solver, monitor=monitor)
    assert seen[0][0] is start
    assert seen[-1][0] is U
    assert (np.diff([value for _, value in seen]) <= 0).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_monitor_ends_the_descent_at_the_point_it_saw(matrices, rng, solver):
    S, _ = matrices
    seen = []

    def monitor(U, at):
        seen.append(U)
        return len(seen) == 3

    U, converged = run(S, random_point(D, K, rng, shape=(C,)), solver, monitor=monitor)
    assert len(seen) == 3
    assert U is seen[-1]
    assert converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_max_iter_is_kept(matrices, rng, solver):
    S, _ = matrices
    seen = []
    _, converged = run(
        S,
        random_point(D, K, rng, shape=(C,)),
        solver,
        tol=1e-12,
        max_iter=2,
        monitor=lambda U, at: seen.append(U) or False,
    )
    assert len(seen) <= 3
    assert not converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_start_at_the_answer_is_left_alone(solver):
    S = np.diag(np.arange(1.0, D + 1)) * np.ones((C, 1, 1))
    answer = np.eye(D)[:, -K:] * np.ones((C, 1, 1))  # the gradient is exactly zero
    U, converged = run(S, answer, solver)
    assert converged
    np.testing.assert_array_equal(projector(U), projector(answer))


@pytest.mark.parametrize("solver", SOLVERS)
def test_minimum_at_a_kink_ends_too(rng, solver):
    """Sum of |e_1^T u_c|: zero, and without a gradient, where the lines are orthogonal to e_1."""

    def values(U):
        return float(np.sum(np.abs(U[:, 0]))), np.sign(U) * (np.arange(D) == 0)[:, None]

    U, converged = subspaces_minimising(
        values,
        lambda U, H: np.zeros_like(H),
        random_point(D, 1, rng, shape=(C,)),
        solver=solver,
        tol=1e-3,
        max_iter=2000,
        monitor=lambda U, at: False,
    )
    assert converged
    assert values(U)[0] < 0.1


def test_numpys_global_seed_is_left_alone(matrices, rng):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for solver in SOLVERS:
        run(matrices[0], random_point(D, K, rng, shape=(C,)), solver, max_iter=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
