"""The sparse Gram kernel against its plain twin."""

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.kernels.gram import csr_gram


def plain_gram(rows, weights):
    """The same sum, one dense outer product per row."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for weight, row in zip(weights, rows.toarray().astype(np.float64), strict=True):
        total += weight * np.outer(row, row)
    return np.triu(total)


def kernel_gram(rows, weights):
    gram = np.zeros((rows.shape[1], rows.shape[1]))
    csr_gram(rows.data, rows.indices, rows.indptr, weights, gram)
    return gram


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_kernel_equals_its_plain_twin(rng, dtype, index):
    rows = sp.random(40, 7, density=0.3, format="csr", random_state=3, dtype=dtype)
    rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    weights = rng.uniform(0, 2, size=40)
    # sums of at most 40 float64 products in another order
    assert kernel_gram(rows, weights) == pytest.approx(plain_gram(rows, weights), abs=1e-13)


def test_kernel_adds_to_what_is_there():
    rows = sp.csr_matrix(np.eye(3))
    gram = np.full((3, 3), 5.0)
    csr_gram(rows.data, rows.indices, rows.indptr, np.ones(3), gram)
    assert (gram == 5.0 + np.eye(3)).all()


def test_empty_rows_add_nothing():
    assert not kernel_gram(sp.csr_matrix((4, 3)), np.ones(4)).any()
