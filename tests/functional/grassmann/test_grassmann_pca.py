"""Principal subspaces: every route against the definition, and the laws of projection."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import subspace_angles

import subspace_learn.functional.grassmann.grassmann_pca as pca
from subspace_learn.functional.grassmann.grassmann_pca import (
    PCASettings,
    batch_moments,
    fitted_subspace,
    merged_batches,
    principal_subspace,
    resolved_solver,
)
from subspace_learn.linalg.moments import Moments
from subspace_learn.linalg.projection import projection_scores, squared_residuals

SOLVERS = ["covariance", "svd", "randomized"]


def settings(n_components, **others):
    defaults = {"tol": 1e-11, "max_iter": 300, "n_oversamples": 5}
    return PCASettings(n_components, **(defaults | others))


def found_subspace(X, w=None, *, solver, n_components, **others):
    return fitted_subspace(X, w, settings(n_components, solver=solver, seed=0, **others))[0]


def moments_of(X, asked):
    return fitted_subspace(X, None, asked)[1]


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


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(80, 12), (15, 40)])
def test_solvers_agree_on_every_array_library(xp, rng, solver, shape):
    X = rng.normal(size=shape) * np.linspace(4, 1, shape[1])
    reference = found_subspace(X, solver=solver, n_components=3)
    found = found_subspace(xp.asarray(X), solver=solver, n_components=3)
    assert xp.owns(found.components)
    np.testing.assert_allclose(xp.numpy(found.components), reference.components, atol=1e-8)


@pytest.mark.parametrize("solver", ["covariance", "randomized"])
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
    state = moments_of(X, settings(None, center=False))
    shares = (0.6, 24 / 36, 0.7, 0.99)
    counts = [len(principal_subspace(state, settings(s)).eigenvalues) for s in shares]
    assert counts == [1, 1, 2, 3]
    assert (
        len(principal_subspace(state, settings(None)).eigenvalues) == 3
    )  # the null direction is left out


def test_constant_rows_have_one_direction_of_no_variance():
    state = moments_of(np.ones((5, 3)), settings(None))
    found = principal_subspace(state, settings(None))
    assert found.total == 0.0
    np.testing.assert_array_equal(found.eigenvalues, [0.0])


def test_streaming_wide_tables_is_exact_for_data_of_low_rank(rng, monkeypatch):
    monkeypatch.setattr(pca, "EXACT_FEATURES", 10)
    X = rng.normal(size=(700, 4)) @ rng.normal(size=(4, 30)) + 2.0
    asked = settings(4, n_oversamples=3)
    w = rng.integers(0, 3, size=700).astype(float)
    state = batch_moments(X[:600], w[:600], asked)  # more rows than are taken at a time
    state = merged_batches(state, batch_moments(X[600:], w[600:], asked), asked)
    assert not isinstance(state, Moments)
    found = principal_subspace(state, asked)
    reference = found_subspace(X, w, solver="svd", n_components=4)
    assert subspace_angles(found.components.T, reference.components.T).max() < 1e-10
    np.testing.assert_allclose(found.eigenvalues, reference.eigenvalues, rtol=1e-10)


def test_exact_and_low_rank_summaries_merge_to_low_rank(rng):
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 9))
    asked = settings(3, n_oversamples=2)
    low = moments_of(X[:20], settings(3, solver="svd"))
    both = merged_batches(low, batch_moments(X[20:], None, asked), asked)
    reference = found_subspace(X, solver="svd", n_components=3)
    np.testing.assert_allclose(
        principal_subspace(both, asked).eigenvalues, reference.eigenvalues, rtol=1e-10
    )


def test_low_rank_streams_need_a_number_of_directions(monkeypatch):
    monkeypatch.setattr(pca, "EXACT_FEATURES", 2)
    with pytest.raises(ValueError, match="Give an integer"):
        batch_moments(np.eye(3), None, settings(0.9))


@pytest.mark.parametrize("decay", [0.0, 1.0])
@pytest.mark.parametrize(
    ("shape", "n_components"),
    [((67343, 12), 3), ((500, 2000), 10), ((2000, 1200), 10), ((2000, 1200), None), ((3, 2), 1)],
)
def test_auto_takes_the_randomized_solver_where_spectra_decay_only(rng, shape, n_components, decay):
    X = rng.standard_normal(shape, dtype=np.float32) * (1.0 + np.arange(shape[1])) ** -decay
    expected = "randomized" if shape == (2000, 1200) and decay and n_components else "covariance"
    asked = PCASettings(n_components, solver="auto")
    assert resolved_solver(X, asked)[0] == expected
    if max(shape) <= 2000:
        assert resolved_solver(sp.csr_matrix(X), asked)[0] == expected


def test_solvers_that_cannot_serve_say_so():
    with pytest.raises(ValueError, match="needs dense X"):
        resolved_solver(sp.csr_matrix(np.eye(5)), settings(2, solver="svd"))
    with pytest.raises(ValueError, match="Give an integer"):
        resolved_solver(np.eye(5), settings(0.5, solver="randomized"))
    with pytest.raises(ValueError, match="at most min"):
        principal_subspace(moments_of(np.eye(3), settings(3)), settings(4))


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
