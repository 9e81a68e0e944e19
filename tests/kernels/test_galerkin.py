"""Products with a prolongator of one entry per row against general sparse products."""

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.kernels.galerkin import galerkin_product, prolong_add, restrict_residual

N, N_COARSE = 40, 11


def make_system(rng, dtype, index):
    A = sp.random(N, N, density=0.15, format="csr", random_state=3)
    A = sp.csr_array(A + A.T + sp.eye_array(N), dtype=dtype)
    aggregate = rng.integers(0, N_COARSE, N)
    weight = rng.uniform(0.5, 1, N)
    weight[[3, 17]] = 0  # rows left out
    pointers = np.arange(N + 1, dtype=index)
    parts = (weight.astype(dtype), aggregate.astype(index), pointers)
    P = sp.csr_array(parts, shape=(N, N_COARSE))
    for matrix in (A, P):
        matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    return A, P


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(params=[np.int32, np.int64])
def system(request, rng, dtype):
    return make_system(rng, dtype, request.param)


def test_galerkin_equals_two_sparse_products(system):
    A, P = system
    columns = P.tocsc()
    indptr = np.empty(N_COARSE + 1, dtype=A.indptr.dtype)
    indices, data = np.empty_like(A.indices), np.empty_like(A.data)
    filled = galerkin_product(
        *(A.indptr, A.indices, A.data, P.indices, P.data, columns.indices, columns.indptr),
        *(np.empty(N_COARSE, dtype=np.int64), indptr, indices, data),
    )
    found = sp.csr_array((data[:filled], indices[:filled], indptr), shape=(N_COARSE,) * 2)
    assert filled == len(set(zip(*found.tocoo().coords, strict=True)))  # no entry twice
    # sums of at most 40 x 40 products, each of size 1 or less
    atol = 40 * np.finfo(A.dtype).eps
    np.testing.assert_allclose(found.toarray(), (P.T @ A @ P).toarray(), rtol=0, atol=atol)


@pytest.mark.parametrize("k", [1, 3])
def test_restricted_residual_and_prolongation_equal_their_formulas(system, rng, k):
    A, P = system
    X, B, E = (rng.normal(size=shape).astype(A.dtype) for shape in ((N, k), (N, k), (N_COARSE, k)))
    coarse = np.ones_like(E)
    restrict_residual(A.indptr, A.indices, A.data, X, B, P.indices, P.data, coarse)
    atol = 100 * np.finfo(A.dtype).eps  # sums of some 50 numbers up to 3
    np.testing.assert_allclose(coarse, 1 + P.T @ (B - A @ X), rtol=0, atol=atol)
    wanted = X + P @ E
    prolong_add(P.indices, P.data, E, X)
    np.testing.assert_allclose(X, wanted, rtol=0, atol=atol)
