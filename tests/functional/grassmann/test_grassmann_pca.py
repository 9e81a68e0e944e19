"""Principal subspaces: every route against the definition, and the laws of projection."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import subspace_angles

import subspace_learn.functional.grassmann.grassmann_pca as pca
from subspace_learn.functional.grassmann.grassmann_pca import (
    Request,
    condensed,
    merged,
    principal_subspace,
    resolved_solver,
    streamed,
)
from subspace_learn.linalg.moments import Moments
from subspace_learn.linalg.projection import projection_scores, squared_residuals

SOLVERS = ["covariance", "svd", "randomized", "trust_region"]


def request(n_components, **settings):
    return Request(n_components, **({"tol": 1e-11, "max_iter": 300, "n_oversamples": 5} | settings))


def found_subspace(X, w=None, *, solver, n_components, **settings):
    asked = request(n_components, solver=solver, seed=0, **settings)
    return principal_subspace(condensed(X, w, asked)[0], asked)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(80, 12), (15, 40)])
@pytest.mark.parametrize("center", [True, False])
def test_every_solver_finds_the_leading_singular_directions(rng, solver, shape, center):
    X = rng.normal(size=shape) * np.linspace(4, 1, shape[1]) + 1.0
    w = rng.uniform(0.5, 2.0, size=shape[0])
    mean = (w @ X) / w.sum() if center else 0.0
    _, s, Vt = np.linalg.svd(np.sqrt(w)[:, None] * (X - mean), full_matrices=False)
    found = found_subspace(X, w, solver=solver, n_components=3, center=center)
    # relative gaps of these spectra exceed 1e-2: angle <= tol / gap
    assert subspace_angles(found.components.T, Vt[:3].T).max() < 1e-8
    np.testing.assert_allclose(found.eigenvalues, s[:3] ** 2, rtol=1e-9)
    assert found.total == pytest.approx((s**2).sum(), rel=1e-11)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS[:3])
@pytest.mark.parametrize("shape", [(80, 12), (15, 40)])
def test_solvers_agree_on_every_array_library(xp, rng, solver, shape):
    X = rng.normal(size=shape) * np.linspace(4, 1, shape[1])
    settings = {"solver": solver, "n_components": 3}
    reference = found_subspace(X, **settings)
    found = found_subspace(xp.asarray(X), **settings)
    assert xp.owns(found.components)
    np.testing.assert_allclose(xp.numpy(found.components), reference.components, atol=1e-8)


@pytest.mark.parametrize("solver", ["covariance", "randomized", "trust_region"])
@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_sparse_tables_are_centred_without_being_made_dense(rng, solver, shape, monkeypatch):
    X = sp.random(*shape, density=0.2, random_state=5, format="csr")
    dense = found_subspace(X.toarray(), solver="svd", n_components=2)

    def refuse(self, *args, **kwargs):
        # the n x n Gram matrix of a wide table is small and may be made dense
        assert self.shape[0] == self.shape[1] == min(shape), "the table was made dense"
        return original(self, *args, **kwargs)

    original = sp.csr_matrix.toarray
    monkeypatch.setattr(sp.csr_matrix, "toarray", refuse)
    found = found_subspace(X, solver=solver, n_components=2)
    assert subspace_angles(found.components.T, dense.components.T).max() < 1e-7


def test_a_share_takes_the_fewest_directions_that_reach_it():
    X = np.diag([2.0, 1.0, 1.0, 0.0]) * np.sqrt(6)  # uncentred scatter: 24, 6, 6, 0
    state, _ = condensed(X, None, request(None, center=False))
    shares = (0.6, 24 / 36, 0.7, 0.99)
    counts = [len(principal_subspace(state, request(s)).eigenvalues) for s in shares]
    assert counts == [1, 1, 2, 3]
    assert (
        len(principal_subspace(state, request(None)).eigenvalues) == 3
    )  # the null direction is left out


def test_constant_rows_have_one_direction_of_no_variance():
    state, _ = condensed(np.ones((5, 3)), None, request(None))
    found = principal_subspace(state, request(None))
    assert found.total == 0.0
    np.testing.assert_array_equal(found.eigenvalues, [0.0])


def test_streaming_wide_tables_is_exact_for_data_of_low_rank(rng, monkeypatch):
    monkeypatch.setattr(pca, "EXACT_FEATURES", 10)
    X = rng.normal(size=(700, 4)) @ rng.normal(size=(4, 30)) + 2.0
    asked = request(4, n_oversamples=3)
    w = rng.integers(0, 3, size=700).astype(float)
    state = streamed(X[:600], w[:600], asked)  # more rows than are taken at a time
    state = merged(state, streamed(X[600:], w[600:], asked), asked)
    assert not isinstance(state, Moments)
    found = principal_subspace(state, asked)
    reference = found_subspace(X, w, solver="svd", n_components=4)
    assert subspace_angles(found.components.T, reference.components.T).max() < 1e-10
    np.testing.assert_allclose(found.eigenvalues, reference.eigenvalues, rtol=1e-10)


def test_exact_and_low_rank_summaries_merge_to_low_rank(rng):
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 9))
    asked = request(3, n_oversamples=2)
    low, _ = condensed(X[:20], None, request(3, solver="svd"))
    both = merged(low, streamed(X[20:], None, asked), asked)
    reference = found_subspace(X, solver="svd", n_components=3)
    np.testing.assert_allclose(
        principal_subspace(both, asked).eigenvalues, reference.eigenvalues, rtol=1e-10
    )


def test_low_rank_streams_need_a_number_of_directions(monkeypatch):
    monkeypatch.setattr(pca, "EXACT_FEATURES", 2)
    with pytest.raises(ValueError, match="Give an integer"):
        streamed(np.eye(3), None, request(0.9))


@pytest.mark.parametrize(
    ("shape", "n_components", "solver"),
    [
        ((67343, 122), 10, "covariance"),
        ((10**6, 100), 10, "covariance"),
        ((500, 5000), 10, "covariance"),
        ((20000, 5000), 10, "randomized"),
        ((20000, 5000), None, "covariance"),
        ((20000, 5000), 0.9, "covariance"),
        ((3, 2), 1, "covariance"),
    ],
)
def test_auto_counts_flops(shape, n_components, solver):
    assert resolved_solver("auto", shape, n_components, sparse=False) == solver


def test_solvers_that_cannot_serve_say_so():
    with pytest.raises(ValueError, match="needs dense X"):
        resolved_solver("svd", (5, 5), 2, sparse=True)
    with pytest.raises(ValueError, match="Give an integer"):
        resolved_solver("randomized", (5, 5), 0.5, sparse=False)
    with pytest.raises(ValueError, match="at most min"):
        principal_subspace(condensed(np.eye(3), None, request(3))[0], request(4))


@pytest.fixture
def subspace(rng):
    return np.linalg.qr(rng.normal(size=(9, 3)))[0].T


def test_residual_and_scores_are_pythagorean(xp, rng, subspace):
    X, mean = rng.normal(size=(700, 9)), rng.normal(size=9)
    arrays = [xp.asarray(a) for a in (X, mean, subspace)]
    residuals = xp.numpy(squared_residuals(*arrays))
    scores = xp.numpy(projection_scores(*arrays))
    np.testing.assert_allclose(
        residuals + (scores**2).sum(axis=1), ((X - mean) ** 2).sum(axis=1), rtol=1e-12
    )
    np.testing.assert_allclose(scores, (X - mean) @ subspace.T, atol=1e-13)


def test_small_residuals_of_dense_rows_keep_their_relative_accuracy(rng, subspace):
    off = np.linalg.svd(subspace)[2][3]  # a unit vector orthogonal to the subspace
    rows = 1e3 * rng.normal(size=(5, 3)) @ subspace + 1e-6 * off
    found = squared_residuals(rows, np.zeros(9), subspace)
    # entries are rounded at 1e3 * 1e-16: 1e-13 beside a residual of 1e-6
    np.testing.assert_allclose(found, 1e-12, rtol=1e-5)


def test_sparse_residuals_equal_dense_ones(rng, subspace):
    X, mean = sp.random(40, 9, density=0.4, random_state=2, format="csr"), rng.normal(size=9)
    np.testing.assert_allclose(
        squared_residuals(X, mean, subspace),
        squared_residuals(X.toarray(), mean, subspace),
        atol=1e-12,
    )
