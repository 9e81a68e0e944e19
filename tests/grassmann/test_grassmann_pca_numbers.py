"""GrassmannPCA in other units and widths, with weights and ties; and its likelihood."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import subspace_angles
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from subspace_learn import GrassmannPCA


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer().data


def angle(a, b):
    """Largest principal angle between the subspaces of two fits."""
    return subspace_angles(np.asarray(a.components_).T, np.asarray(b.components_).T).max()


def exact_pairs(X, k):
    """Variances and directions by a singular value decomposition in float64."""
    Z = X.toarray() if sp.issparse(X) else X
    Z = Z.astype(float) - Z.astype(float).mean(axis=0)
    _, s, Vt = np.linalg.svd(Z, full_matrices=False)
    return s[:k] ** 2 / (len(Z) - 1), Vt[:k]


def with_one_large_column(rng, ratio):
    X = rng.standard_normal((800, 600)) * np.linspace(2, 1, 600)
    X[:, :8] *= [30, 25, 20, 15, 12, 10, 8, 6]
    X[:, 17] *= ratio
    return X


@pytest.mark.parametrize("solver", ["auto", "randomized", "covariance"])
@pytest.mark.parametrize(
    ("dtype", "ratio", "rtol"),
    # float32: products are right to 1e-7, an angle to that over the relative gap of .3
    [(np.float64, 300, 1e-8), (np.float64, 1e4, 1e-8), (np.float32, 300, 1e-5)],
)
def test_one_column_in_large_units_does_not_end_the_search(rng, solver, dtype, ratio, rtol):
    X = with_one_large_column(rng, ratio).astype(dtype)
    variances, directions = exact_pairs(X, 5)
    ours = GrassmannPCA(5, solver=solver, random_state=0).fit(X)
    np.testing.assert_allclose(ours.explained_variance_, variances, rtol=rtol)
    found = np.asarray(ours.components_, dtype=float)
    assert subspace_angles(found.T, directions.T).max() < 10 * rtol


@pytest.mark.parametrize("solver", ["auto", "randomized"])
def test_one_column_of_counts_does_not_end_the_search_of_sparse_tables(rng, solver):
    S = sp.random(1500, 900, density=0.02, random_state=0, format="csr")
    S = sp.hstack([S, sp.csr_matrix(rng.poisson(1000.0, (1500, 1)).astype(float))]).tocsr()
    variances, directions = exact_pairs(S, 3)
    ours = GrassmannPCA(3, solver=solver, random_state=0).fit(S)
    np.testing.assert_allclose(ours.explained_variance_, variances, rtol=1e-8)
    assert subspace_angles(ours.components_.T, directions.T).max() < 1e-6


@pytest.mark.parametrize("offset", [1e3, 1e4])
def test_float32_far_from_the_origin_converges_without_a_warning(rng, offset):
    X = rng.standard_normal((2000, 300)) / np.arange(1, 301)
    X = (X + offset).astype(np.float32)
    variances, directions = exact_pairs(X, 5)
    ours = GrassmannPCA(5, solver="randomized", random_state=0).fit(X)  # warnings are errors here
    assert ours.n_iter_ < 30
    np.testing.assert_allclose(ours.explained_variance_, variances, rtol=1e-5)
    assert subspace_angles(ours.components_.T.astype(float), directions.T).max() < 1e-5


@pytest.mark.parametrize("solver", ["auto", "covariance", "svd", "randomized"])
@pytest.mark.parametrize("center", [True, False])
def test_float32_keeps_small_eigenvalues_that_float64_has(rng, solver, center):
    scales = np.r_[1e3, 30.0, 1.0, 0.05, 0.01, np.full(25, 1e-4)]
    X = (rng.standard_normal((900, 30)) * scales) @ np.linalg.qr(rng.normal(size=(30, 30)))[0]
    X = X.astype(np.float32)
    settings = {"solver": solver, "center": center, "random_state": 0}
    wide = GrassmannPCA(5, **settings | {"solver": "svd"}).fit(X.astype(float))
    ours = GrassmannPCA(5, **settings).fit(X)
    # the data are float32: 6e-8 of 1e3 is 6e-5, beside the smallest deviation of .01
    np.testing.assert_allclose(ours.explained_variance_, wide.explained_variance_, rtol=1e-3)
    assert angle(ours, wide) < 0.02


def test_auto_goes_over_to_singular_values_where_a_gram_matrix_hides_what_is_asked(rng):
    X = rng.normal(size=(300, 12)) * np.r_[1e9, 1e3, np.ones(10)]
    X = X @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    ours = GrassmannPCA(4).fit(X)
    assert ours.solver_ == "svd"
    # 1e9 * eps = 2e-7 beside deviations of 1
    np.testing.assert_allclose(ours.explained_variance_, exact_pairs(X, 4)[0], rtol=1e-5)
    assert 0.5 < ours.noise_variance_ < 1.5


def test_a_column_times_a_thousand_leaves_the_noise_of_the_others(rng):
    X = rng.normal(size=(500, 40))
    X[:, 3] *= 1e3
    for dtype in (np.float32, np.float64):
        ours = GrassmannPCA(1).fit(X.astype(dtype))
        theirs = PCA(1, svd_solver="full").fit(X)
        assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["covariance", "svd"])
def test_none_keeps_the_rank_of_a_table_in_any_width(rng, solver, dtype):
    X = (rng.normal(size=(200, 10)) @ rng.normal(size=(10, 50)) + 3.0).astype(dtype)
    assert GrassmannPCA(solver=solver).fit(X).n_components_ == 10
    constant = GrassmannPCA(solver=solver).fit(np.full((20, 5), 0.1, dtype=dtype))
    np.testing.assert_array_equal(constant.explained_variance_ratio_, [0.0])


def test_float32_batches_that_cannot_say_what_is_asked_are_a_warning(rng):
    scales = np.r_[1e4, np.ones(9)]
    X = (rng.normal(size=(400, 10)) * scales) @ np.linalg.qr(rng.normal(size=(10, 10)))[0]
    ours = GrassmannPCA(3).partial_fit(X.astype(np.float32))
    with pytest.warns(UserWarning, match=r"Direction 3 has \d\.\de-08 of the variance.*float64"):
        ours.components_  # noqa: B018
    wide = GrassmannPCA(3).partial_fit(X)
    np.testing.assert_allclose(wide.explained_variance_, exact_pairs(X, 3)[0], rtol=1e-6)


def test_ties_leave_the_sign_to_the_first_entry_in_every_batch(rng):
    fits = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        X = draw.normal(size=(120, 5)) * 0.3
        X[:, 0] = draw.integers(0, 2, size=120)
        X[:, 1] = 1 - X[:, 0]  # a one-hot pair: two entries of equal size in its direction
        halves = GrassmannPCA(1).partial_fit(X[:50]).merge(GrassmannPCA(1).partial_fit(X[50:]))
        fits += [GrassmannPCA(1).fit(X), halves, GrassmannPCA(1).fit(X.astype(np.float32))]
    assert all(fit.components_[0, 0] > 0.5 for fit in fits)
    stream, signs = GrassmannPCA(1).partial_fit(X[:20]), set()
    for row in X[20:]:
        signs.add(float(np.sign(stream.partial_fit(row[None, :]).components_[0, 0])))
    assert signs == {1.0}


@pytest.mark.parametrize("solver", ["auto", "covariance", "svd"])
def test_weights_are_repetition_for_every_attribute_also_with_few_rows(rng, solver):
    X = rng.normal(size=(8, 12)) * np.linspace(1, 3, 12)
    w = np.array([3, 1, 2, 2, 1, 3, 1, 2])
    for k in (2, 10, 12):  # up to the sum of the weights, not the number of rows
        a = GrassmannPCA(k, solver=solver).fit(X, sample_weight=w)
        b = GrassmannPCA(k, solver=solver).fit(np.repeat(X, w, axis=0))
        for name in ("n_components_", "n_samples_seen_"):
            assert getattr(a, name) == getattr(b, name)
        for name in ("explained_variance_", "singular_values_", "explained_variance_ratio_"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-6)
        assert a.noise_variance_ == pytest.approx(b.noise_variance_, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(a.components_ @ a.components_.T, np.eye(k), atol=1e-12)
    assert GrassmannPCA(2, solver=solver).fit(X, sample_weight=w).n_samples_seen_ == 15
    with pytest.raises(ValueError, match="at most 5"):
        GrassmannPCA(6, solver=solver).fit(X[:3], sample_weight=[1, 2, 2])


def test_fitted_attributes_do_not_read_parameters(cancer):
    for ours in (GrassmannPCA(4).fit(cancer), GrassmannPCA(4).partial_fit(cancer)):
        expected = GrassmannPCA(4).fit(cancer)
        ours.set_params(center=False, n_components=2, solver="svd", keep_statistics=True)
        for name in ("explained_variance_", "components_", "mean_", "noise_variance_"):
            np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), atol=1e-10)
        assert ours.solver_ == "covariance"
        assert ours.score(cancer) == pytest.approx(expected.score(cancer), rel=1e-12)
        with pytest.raises(ValueError, match="center=False, but the rows so far"):
            ours.partial_fit(cancer)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_any_cut_of_a_stream_gives_every_attribute_of_one_fit(rng, center, weighted):
    X = rng.normal(size=(60, 7)) * [5, 1, 1, 1, 1, 1e-3, 0] + [0, 1e4, 0, 0, 0, 0, 0.1]
    w = rng.integers(0, 3, size=60).astype(float) if weighted else np.ones(60)
    w[:2] = 1.0
    whole = GrassmannPCA(3, center=center).fit(X, sample_weight=w)
    for cuts in (range(1, 60), [1, 59], [20, 21, 40], []):
        stream = GrassmannPCA(3, center=center)
        for part, part_weights in zip(np.split(X, cuts), np.split(w, cuts), strict=True):
            if part_weights.any():
                stream.partial_fit(part, sample_weight=part_weights)
        for name in ("mean_", "components_", "explained_variance_", "noise_variance_"):
            np.testing.assert_allclose(
                getattr(stream, name), getattr(whole, name), rtol=1e-6, atol=1e-9
            )
        assert stream.n_samples_seen_ == whole.n_samples_seen_ == w.sum()
        if center:
            assert stream._moments.scatter[6, 6] == 0.0


# -- likelihood -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(80, 12), (20, 40)])
@pytest.mark.parametrize("k", [1, 3, 11])
def test_score_is_the_log_likelihood_of_scikit_learns_pca(rng, shape, k):
    X = rng.normal(size=shape) * np.linspace(5, 0.3, shape[1]) + 4.0
    ours, theirs = GrassmannPCA(k).fit(X), PCA(k, svd_solver="full").fit(X)
    new = rng.normal(size=(30, shape[1])) * 3.0
    np.testing.assert_allclose(ours.score_samples(new), theirs.score_samples(new), rtol=1e-8)
    assert ours.score(new) == pytest.approx(theirs.score(new), rel=1e-10)
    full = GrassmannPCA(12).fit(X[:, :12])
    np.testing.assert_allclose(
        full.score_samples(new[:, :12]),
        PCA(12, svd_solver="full").fit(X[:, :12]).score_samples(new[:, :12]),
        rtol=1e-8,
    )


def test_grid_search_finds_the_rank_of_a_factor_model(rng):
    loadings = rng.normal(size=(3, 20)) * 2.0
    X = rng.normal(size=(400, 3)) @ loadings + rng.normal(size=(400, 20))
    search = GridSearchCV(GrassmannPCA(), {"n_components": [1, 2, 3, 4, 6, 10, 19]}, cv=4).fit(X)
    assert search.best_params_["n_components"] == 3


def test_a_model_without_noise_has_no_likelihood_but_an_error(rng):
    X = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 6))
    ours = GrassmannPCA(3).fit(X)
    with pytest.raises(ValueError, match=r"no density.*reconstruction_error"):
        ours.score(X)
    np.testing.assert_allclose(ours.reconstruction_error(X), 0.0, atol=1e-20)


def test_reconstruction_error_is_the_squared_distance(rng):
    X = rng.normal(size=(60, 8)) * 3.0 + 7.0
    ours = GrassmannPCA(2).fit(X)
    gap = X - ours.inverse_transform(ours.transform(X))
    np.testing.assert_allclose(ours.reconstruction_error(X), (gap**2).sum(axis=1), rtol=1e-10)
