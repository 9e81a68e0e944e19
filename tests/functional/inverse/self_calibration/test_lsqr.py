"""LSQR and small singular values of operators, beside dense linear algebra and SciPy's LSQR."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg

from subspace_learn.functional.inverse.self_calibration.lsqr import lsqr, smallest_singular_value
from subspace_learn.functional.inverse.self_calibration.schur import (
    smallest_singular_vectors,
    with_square,
)


def random_matrix(rng, m, n, *, is_complex):
    A = rng.standard_normal((m, n))
    return A + 1j * rng.standard_normal((m, n)) if is_complex else A


def maps(A):
    return lambda x: A @ x, lambda y: A.conj().T @ y


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shape", [(40, 15), (15, 40)])
def test_solution_is_that_of_least_squares_with_least_norm(rng, is_complex, shape):
    A = random_matrix(rng, *shape, is_complex=is_complex)
    b = A[:, 0] + random_matrix(rng, shape[0], 1, is_complex=is_complex)[:, 0]
    found = lsqr(*maps(A), b, tol=1e-13)
    wanted = np.linalg.lstsq(A, b)[0]
    assert found.converged
    # cond(A)^2 is about 30 and 100 here
    np.testing.assert_allclose(found.x, wanted, rtol=0, atol=1e-10)
    assert found.residual_norm == pytest.approx(np.linalg.norm(b - A @ wanted), abs=1e-10)


def test_steps_are_those_of_scipy(rng):
    A = random_matrix(rng, 60, 30, is_complex=True)
    b = A @ rng.standard_normal(30)
    for steps in (1, 5, 12):
        wanted = scipy.sparse.linalg.lsqr(A, b, atol=0, btol=0, conlim=0, iter_lim=steps)[0]
        found = lsqr(*maps(A), b, tol=0.0, max_iter=steps)
        # the same recurrence: only roundings differ
        np.testing.assert_allclose(found.x, wanted, rtol=0, atol=1e-11)
        assert not found.converged
        assert found.n_iter == steps


def test_zero_right_sides_give_zero(rng):
    A = random_matrix(rng, 6, 3, is_complex=False)
    found = lsqr(*maps(A), np.zeros(6))
    assert found.converged
    np.testing.assert_array_equal(found.x, np.zeros(3))
    orthogonal = np.linalg.svd(A)[0][:, -1]
    np.testing.assert_allclose(lsqr(*maps(A), orthogonal).x, np.zeros(3), atol=1e-12)


def test_lsqr_stays_in_the_library(xp, rng):
    A = random_matrix(rng, 12, 5, is_complex=True)
    b = A @ np.arange(5.0)
    device = xp.asarray(A)
    Ah = xp.asarray(A.conj().T)
    found = lsqr(lambda x: device @ x, lambda y: Ah @ y, xp.asarray(b), tol=1e-13)
    assert xp.owns(found.x)
    np.testing.assert_allclose(xp.numpy(found.x), np.arange(5.0), atol=1e-10)


@pytest.mark.parametrize("is_complex", [False, True])
def test_smallest_value_is_that_of_the_svd(rng, is_complex):
    U = np.linalg.qr(random_matrix(rng, 50, 20, is_complex=is_complex))[0]
    V = np.linalg.qr(random_matrix(rng, 20, 20, is_complex=is_complex))[0]
    values = np.r_[np.linspace(1, 2, 19), 0.1]
    A = (U * values) @ V.conj().T
    start = random_matrix(rng, 20, 1, is_complex=is_complex)[:, 0]
    found = smallest_singular_value(*maps(A), start)
    assert 0.1 - 1e-8 <= found <= 0.101
    apart = smallest_singular_value(*maps(A), start, apart_from=V[:, -1])
    assert 1.0 - 1e-8 <= apart <= 1.01


def test_few_distinct_values_end_the_search_without_inventing_a_null_vector(rng):
    Q = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    A = (Q * np.r_[0.0, np.ones(15), 2 * np.ones(14)]) @ Q.T
    found = smallest_singular_value(*maps(A), rng.standard_normal(30), apart_from=Q[:, 0])
    assert found == pytest.approx(1.0, abs=1e-8)


def test_inverse_iteration_finds_the_small_end(xp, rng):
    A = random_matrix(rng, 30, 10, is_complex=True)
    inverse = np.linalg.inv(A.conj().T @ A)
    T, M = xp.asarray(A), xp.asarray(inverse)
    start = xp.asarray(random_matrix(rng, 10, 4, is_complex=True))
    values, vectors = smallest_singular_vectors(lambda Z: T @ Z, lambda Z: M @ Z, start)
    _, s, Vh = np.linalg.svd(A)
    np.testing.assert_allclose(xp.numpy(values)[:2], s[::-1][:2], rtol=1e-4)
    assert abs(np.vdot(Vh[-1].conj(), xp.numpy(vectors)[:, 0])) == pytest.approx(1.0, abs=1e-12)


def test_zero_rows_give_a_wide_matrix_all_its_right_vectors(rng):
    A = rng.standard_normal((3, 5))
    square = with_square(A)
    assert square.shape == (5, 5)
    values, Vh = np.linalg.svd(square, full_matrices=False)[1:]
    np.testing.assert_allclose(values[3:], 0, atol=1e-14)
    np.testing.assert_allclose(A @ Vh[3:].T, 0, atol=1e-13)
    assert with_square(A.T) is not None
    np.testing.assert_array_equal(with_square(A.T), A.T)
