"""Conjugate gradients for several columns: few eigenvalues, SciPy's iterates, done columns."""

import numpy as np
import pytest
from scipy.sparse.linalg import cg

from subspace_learn.functional.graph.conjugate_gradients import conjugate_gradients


@pytest.fixture
def A(rng):
    F = rng.normal(size=(30, 30))
    return F @ F.T + 5 * np.eye(30)


def solve(A, B, M=None, **settings):
    M = np.eye(len(A)) if M is None else M
    return conjugate_gradients(lambda X: A @ X, B, lambda R: M @ R, **settings)


def test_three_eigenvalues_take_three_iterations(rng):
    Q = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    A = Q @ np.diag(np.repeat([1.0, 2, 5], 10)) @ Q.T
    found = solve(A, rng.normal(size=(30, 4)), tol=1e-10)
    assert len(found.residuals) == 4
    assert found.converged.all()


def test_the_inverse_as_preconditioner_takes_one(A, rng):
    B = rng.normal(size=(30, 2))
    found = solve(A, B, np.linalg.inv(A), tol=1e-10)
    assert len(found.residuals) == 2
    np.testing.assert_allclose(found.X, np.linalg.solve(A, B), rtol=0, atol=1e-10)


def test_each_column_is_what_scipy_finds(A, rng):
    B, M = rng.normal(size=(30, 3)), np.diag(1 / np.diag(A))
    found = solve(A, B, M, max_iter=7, tol=1e-14)
    for j in range(3):
        wanted, _ = cg(A, B[:, j], M=M, maxiter=7, rtol=1e-14)
        np.testing.assert_allclose(found.X[:, j], wanted, rtol=0, atol=1e-12)


def test_residuals_are_what_they_say_and_done_columns_stay(A, rng):
    B = rng.normal(size=(30, 3))
    B[:, 1] = A @ np.linalg.eigh(A)[1][:, 0]  # one eigenvector: done after one iteration
    found = solve(A, B, tol=1e-6)
    true = np.linalg.norm(B - A @ found.X, axis=0) / np.linalg.norm(B, axis=0)
    np.testing.assert_allclose(found.residuals[-1], true, rtol=1e-4, atol=1e-12)
    assert (found.residuals[1:, 1] == found.residuals[1, 1]).all()
    assert (found.residuals[-1] <= 1e-6).all()


def test_a_start_is_used_and_not_changed(A, rng):
    B = rng.normal(size=(30, 1))
    X = np.linalg.solve(A, B)
    before = X.copy()
    found = solve(A, B, X=X, tol=1e-10)
    assert len(found.residuals) == 1
    np.testing.assert_array_equal(X, before)


def test_zero_has_solution_zero_and_no_column_is_no_work(A):
    found = solve(A, np.zeros((30, 2)), X=np.ones((30, 2)))
    assert (found.X == 0).all()
    assert found.converged.all()
    assert solve(A, np.zeros((30, 0))).X.shape == (30, 0)


def test_iterations_that_run_out_are_told(A, rng):
    found = solve(A, rng.normal(size=(30, 1)), max_iter=2, tol=1e-12)
    assert len(found.residuals) == 3
    assert not found.converged.any()


def test_indefinite_operators_are_refused(A):
    B = np.ones((30, 1))
    with pytest.raises(ValueError, match="The matrix is not positive definite"):
        solve(-A, B)
    with pytest.raises(ValueError, match="The preconditioner is not positive definite"):
        solve(A, B, -np.eye(30))
