"""Leverage scores in every array library: closed forms, invariances, rank deficiency."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits

from subspace_learn.functional.sampling.leverage import leverage_scores, whitener
from subspace_learn.functional.sampling.lewis_weights import lewis_weights
from subspace_learn.functional.sampling.row_sampling import embedding_error


def oracle(A):
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    U = U[:, s > s[0] * max(A.shape) * np.finfo(float).eps]
    return (U**2).sum(axis=1)


@pytest.mark.parametrize("method", ["auto", "gram", "exact"])
def test_scores_are_row_energies_of_an_orthonormal_basis(rng, xp, method):
    A = rng.standard_t(3, size=(3000, 7))
    scores = leverage_scores(xp.asarray(A), method=method)
    assert xp.owns(scores)
    np.testing.assert_allclose(xp.numpy(scores), oracle(A), atol=1e-13)


@pytest.mark.parametrize("condition", [1e3, 1e5, 1e8, 1e12])
def test_badly_conditioned_columns_cost_no_accuracy(rng, xp, condition):
    U = np.linalg.qr(rng.normal(size=(800, 5)))[0]
    V = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    A = U * np.geomspace(1, 1 / condition, 5) @ V.T
    scores = xp.numpy(leverage_scores(xp.asarray(A)))
    # the column space itself is known to eps times the condition number only
    np.testing.assert_allclose(scores, oracle(A), atol=max(1e-11, 20 * condition * 2e-16))


@pytest.mark.parametrize("dense", [True, False])
def test_digits_have_rank_61(xp, dense):
    X = load_digits().data
    if not dense and xp.name != "numpy":
        pytest.skip("sparse rows are SciPy's")
    scores = leverage_scores(xp.asarray(X) if dense else sp.csr_matrix(X))
    assert float(np.sum(xp.numpy(scores))) == pytest.approx(61, abs=1e-9)
    np.testing.assert_allclose(xp.numpy(scores), oracle(X), atol=1e-10)


def test_limits(rng):
    assert leverage_scores(np.eye(4)).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(leverage_scores(np.ones((8, 1))), 1 / 8, atol=1e-15)
    A = np.vstack([rng.normal(size=(6, 2)) @ np.eye(2, 3), [[0, 0, 5.0]], np.zeros((1, 3))])
    scores = leverage_scores(A)
    assert scores[6] == pytest.approx(1.0, abs=1e-12)
    assert scores[7] == 0.0
    assert leverage_scores(np.zeros((3, 2))).tolist() == [0, 0, 0]
    np.testing.assert_allclose(leverage_scores(rng.normal(size=(3, 9))), 1.0, atol=1e-12)


def test_whitener_makes_weighted_columns_orthonormal(rng, xp):
    A, w = rng.normal(size=(400, 6)), rng.uniform(size=400)
    B = A @ xp.numpy(whitener(xp.asarray(A), xp.asarray(w)))
    np.testing.assert_allclose(B.T @ (B * w[:, None]), np.eye(6), atol=1e-12)


@pytest.mark.parametrize("dense", [True, False])
def test_sketched_scores_are_near_enough_for_sampling(rng, dense):
    A = rng.standard_t(3, size=(20000, 6))
    scores = leverage_scores(A if dense else sp.csr_matrix(A), method="sketch", rng=rng)
    # 4 d^2 buckets embed d dimensions with an error of about 1 / 2 at worst
    ratio = scores / oracle(A)
    assert ratio.min() > 0.5
    assert ratio.max() < 2.0


def test_rows_of_many_columns_are_shortened_by_the_sketch(rng):
    A = rng.normal(size=(1000, 80))
    ratio = leverage_scores(A, method="sketch", rng=rng) / oracle(A)
    # chi-squared with 64 degrees of freedom over 64: standard deviation .18
    assert np.abs(np.median(ratio) - 1) < 0.1
    assert ratio.min() > 0.3


def test_errors(rng, xp):
    A = rng.normal(size=(20, 3))
    with pytest.raises(ValueError, match="not known"):
        leverage_scores(xp.asarray(A), method="fast")
    with pytest.raises(ValueError, match="condition number"):
        leverage_scores(xp.asarray(A[:, [0, 0]]), method="gram")
    if xp.name != "numpy":
        with pytest.raises(ValueError, match="sketch"):
            leverage_scores(xp.asarray(A), method="sketch")


def peak_memory(call):
    """Bytes that NumPy and Python held at once, beyond those held before."""
    call()  # kernels are loaded
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_scores_of_sparse_rows_are_computed_block_by_block():
    A = sp.random(60_000, 60, density=0.01, format="csr", random_state=0)
    # dense rows would take 28 MiB; what is kept is the scores, a block, and copies of 0.5 MiB
    assert peak_memory(lambda: leverage_scores(A)) < 8 * 2**20
    assert peak_memory(lambda: leverage_scores(A[:, [0, *range(60)]])) < 12 * 2**20  # lacks rank
    assert peak_memory(lambda: lewis_weights(A, p=1.0, tol=1e-2)) < 12 * 2**20
    rows, weights = np.arange(0, 60_000, 30), np.full(2000, 30.0)
    for p in (1.0, 2.0):
        # the search for bad directions looks at 300 of them: 137 MiB if all rows were held
        assert peak_memory(lambda p=p: embedding_error(A, rows, weights, p=p)) < 60 * 2**20


def test_rank_does_not_depend_on_the_number_of_rows(rng):
    """A stamp beside the constant: 5e-11 from it, which many rows do not make rounding."""
    stamps = np.c_[1.7e9 + 0.2 * rng.uniform(size=600_000), np.ones(600_000)]
    # the stamps themselves are rounded, 4e-6 of their spread
    assert leverage_scores(stamps).sum() == pytest.approx(2.0, abs=1e-4)
    A = rng.normal(size=(300_000, 3))
    copies = np.c_[A, A @ [300.0, 1e-6, 1.0], A[:, 0] * 1e4]
    assert leverage_scores(copies).sum() == pytest.approx(3.0, abs=1e-9)
