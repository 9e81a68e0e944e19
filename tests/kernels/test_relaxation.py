"""Gauss-Seidel against triangular solves."""

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.kernels.relaxation import gauss_seidel


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_a_sweep_is_a_triangular_solve(rng, k, backward, dtype, index):
    A = sp.random(30, 30, density=0.2, format="csr", random_state=3)
    A = sp.csr_array(A + A.T + 8 * sp.eye_array(30), dtype=dtype)
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    X, B = rng.normal(size=(2, 30, k)).astype(dtype)
    dense = A.toarray().astype(float)
    known = np.triu(dense) if backward else np.tril(dense)
    wanted = np.linalg.solve(known, B - (dense - known) @ X)
    gauss_seidel(A.indptr, A.indices, A.data, X, B, backward)
    # rows of some 12 numbers, and a dominant diagonal that does not let errors grow
    np.testing.assert_allclose(X, wanted, rtol=0, atol=40 * np.finfo(dtype).eps)


def test_sweeps_of_pyamg_give_the_same(rng):
    relaxation = pytest.importorskip("pyamg.relaxation.relaxation")
    A = sp.csr_array(sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(20, 20)))
    x, b = rng.normal(size=(2, 20))
    X = x[:, None].copy()
    for backward, sweep in ((False, "forward"), (True, "backward")):
        gauss_seidel(A.indptr, A.indices, A.data, X, b[:, None], backward)
        relaxation.gauss_seidel(sp.csr_matrix(A), x, b, sweep=sweep)
    np.testing.assert_allclose(X[:, 0], x, rtol=1e-13)
