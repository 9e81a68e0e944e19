"""Lewis weights: their own equation, closed forms, invariances, in every array library."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits

from subspace_learn.functional.sampling.leverage import leverage_scores
from subspace_learn.functional.sampling.lewis_weights import lewis_fixed_point, lewis_weights

EXPONENTS = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0]


def fixed_point_residual(A, w, p):
    """max |w - tau(W^(1/2 - 1/p) A)| with scores by SVD, not by what is tested."""
    present = w > 0
    B = A[present] * (w[present] ** (0.5 - 1 / p))[:, None]
    U, s, _ = np.linalg.svd(B, full_matrices=False)
    U = U[:, s > s[0] * max(B.shape) * np.finfo(float).eps]
    return np.abs(w[present] - (U**2).sum(axis=1)).max()


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("table", ["t3", "cauchy", "own direction", "digits"])
def test_weights_are_the_leverage_scores_of_the_rescaled_rows(rng, p, table):
    A = {
        "t3": lambda: rng.standard_t(3, size=(600, 6)),
        "cauchy": lambda: rng.standard_cauchy(size=(600, 5)),
        "own direction": lambda: np.vstack(
            [rng.normal(size=(300, 5)) * [1, 1, 1, 0, 0], 1e-3 * np.eye(5)]
        ),
        "digits": lambda: load_digits().data,
    }[table]()
    w = lewis_weights(A, p=p, max_iter=500)
    assert fixed_point_residual(A, w, p) <= 1e-8
    assert w.sum() == pytest.approx(np.linalg.matrix_rank(A), abs=1e-8)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0, 6.0])
def test_every_library_gives_the_same(rng, xp, p):
    A = rng.standard_t(3, size=(300, 4))
    w = lewis_weights(xp.asarray(A), p=p)
    assert xp.owns(w)
    np.testing.assert_allclose(xp.numpy(w), lewis_weights(A, p=p), rtol=1e-8)


def test_weights_for_least_squares_are_leverage_scores(rng):
    A = rng.normal(size=(100, 4))
    np.testing.assert_allclose(lewis_weights(A, p=2), leverage_scores(A), atol=1e-14)


@pytest.mark.parametrize("p", EXPONENTS)
def test_one_column_gives_shares_of_the_norm(rng, p):
    a = rng.normal(size=(50, 1))
    share = np.abs(a[:, 0]) ** p
    np.testing.assert_allclose(lewis_weights(a, p=p), share / share.sum(), rtol=1e-8)


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_weights_follow_rows_not_bases_signs_or_copies(rng, p):
    A = rng.standard_t(3, size=(80, 3))
    w = lewis_weights(A, p=p)
    changed = (A @ rng.normal(size=(3, 3))) * rng.choice([-1, 1], size=80)[:, None]
    np.testing.assert_allclose(lewis_weights(changed, p=p), w, rtol=1e-7)
    copies = lewis_weights(np.repeat(A, 4, axis=0), p=p)
    np.testing.assert_allclose(copies, np.repeat(w / 4, 4), rtol=1e-7)


@pytest.mark.parametrize("p", [1.0, 2.0, 4.0])
def test_limits(p):
    assert lewis_weights(np.eye(3), p=p) == pytest.approx(np.ones(3), abs=1e-9)
    A = np.vstack([np.ones((5, 2)) * [1, 0], [[0, 2.0]], np.zeros((2, 2))])
    w = lewis_weights(A, p=p)
    assert w == pytest.approx([0.2] * 5 + [1, 0, 0], abs=1e-9)
    assert not lewis_weights(np.zeros((4, 2)), p=p).any()


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_sparse_rows_give_what_dense_rows_give(rng, p):
    A = sp.random(400, 6, density=0.4, format="csr", random_state=3)
    np.testing.assert_allclose(lewis_weights(A, p=p), lewis_weights(A.toarray(), p=p), rtol=1e-8)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0, 4.0])
def test_error_shrinks_at_the_rate_of_the_derivative(rng, p):
    A = rng.standard_t(3, size=(500, 6))
    residuals = [lewis_fixed_point(A, p=p, tol=0.0, max_iter=n).residual for n in (6, 7, 8, 9, 10)]
    rates = np.array(residuals[1:]) / residuals[:-1]
    assert (rates <= abs(p - 2) / (p + 2) + 0.03).all()


def test_sketched_weights_are_near_enough_for_sampling(rng):
    A = rng.standard_t(3, size=(5000, 4))
    ratio = lewis_fixed_point(A, p=1.0, tol=1e-2, max_iter=8, method="sketch", rng=rng).weights
    ratio = ratio / lewis_weights(A, p=1.0)
    assert ratio.min() > 0.4
    assert ratio.max() < 2.5


def test_errors(rng):
    A = rng.normal(size=(20, 3))
    with pytest.raises(ValueError, match="at least 1"):
        lewis_weights(A, p=0.5)
    with pytest.raises(ValueError, match="Increase max_iter"):
        lewis_weights(A, p=1.0, max_iter=3)
