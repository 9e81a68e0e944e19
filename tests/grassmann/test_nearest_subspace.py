"""NearestSubspaceClassifier: both metrics, centring, weights, libraries."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid

from subspace_learn import NearestSubspaceClassifier
from subspace_learn.functional.grassmann.nearest_subspace import row_directions

N, D, C, K = 90, 6, 3, 2


@pytest.fixture
def table(rng):
    X = rng.normal(size=(N, D))
    X += np.repeat(rng.normal(size=(C, D)), N // C, axis=0)
    return X, np.repeat(np.arange(C), N // C)


def residuals(X, members, k, mean):
    """Distance of rows to the k leading directions of a class, by the SVD."""
    V = np.linalg.svd(members - mean)[2][:k]
    gap = X - mean
    return np.linalg.norm(gap - gap @ V.T @ V, axis=1)


@pytest.mark.parametrize("center", [False, True])
def test_residuals_are_those_of_the_definition(table, center):
    X, y = table
    clf = NearestSubspaceClassifier(K, metric="residual", center=center).fit(X, y)
    for c in range(C):
        mean = X[y == c].mean(axis=0) if center else np.zeros(D)
        wanted = residuals(X, X[y == c], K, mean)
        np.testing.assert_allclose(clf.transform(X)[:, c], wanted, atol=1e-12)
        np.testing.assert_allclose(clf.means_[c], mean, atol=1e-14)
    np.testing.assert_array_equal(clf.predict(X), np.argmin(clf.transform(X), axis=1))
    np.testing.assert_allclose(clf.decision_function(X), -clf.transform(X))


def test_both_metrics_predict_the_same_for_the_same_subspaces(table):
    X, y = table
    X, _ = row_directions(X)
    both = [
        NearestSubspaceClassifier(K, **settings).fit(X, y)
        for settings in ({"constant": 0}, {"metric": "residual"})
    ]
    np.testing.assert_allclose(both[0].subspaces_, both[1].subspaces_, atol=1e-12)
    np.testing.assert_array_equal(both[0].predict(X), both[1].predict(X))
    squares = [clf.transform(X) ** 2 for clf in both]
    np.testing.assert_allclose(squares[0] + squares[1], 1.0, rtol=1e-12)


def test_centred_projection_moves_the_origin(table, rng):
    X, y = table
    offset = 50 * rng.normal(size=D)
    here = NearestSubspaceClassifier(K, center=True).fit(X, y)
    there = NearestSubspaceClassifier(K, center=True).fit(X + offset, y)
    np.testing.assert_allclose(there.transform(X + offset), here.transform(X), atol=1e-11)


def test_affine_residuals_do_not_know_the_origin(table, rng):
    X, y = table
    offset = 50 * rng.normal(size=D)
    models = [
        NearestSubspaceClassifier(K, metric="residual", center=True).fit(X + shift, y)
        for shift in (0.0, offset)
    ]
    np.testing.assert_allclose(models[1].transform(X + offset), models[0].transform(X), atol=1e-10)


def test_class_of_one_point_is_a_point(rng):
    """Repeated rows span nothing about their mean: the nearest centroid remains."""
    centres = rng.normal(size=(C, D))
    X, y = np.repeat(centres, 4, axis=0), np.repeat(np.arange(C), 4)
    clf = NearestSubspaceClassifier(K, metric="residual", center=True).fit(X, y)
    assert not clf.subspaces_.any()
    new = rng.normal(size=(20, D))
    np.testing.assert_array_equal(
        clf.predict(new), NearestCentroid().fit(X + 1e-3 * rng.normal(size=X.shape), y).predict(new)
    )


@pytest.mark.parametrize("metric", ["projection", "residual"])
def test_weights_are_repetitions(table, metric):
    X, y = table
    counts = np.arange(N) % 3
    settings = {"metric": metric, "center": True}
    weighted = NearestSubspaceClassifier(K, **settings).fit(X, y, sample_weight=counts)
    repeated = NearestSubspaceClassifier(K, **settings).fit(
        np.repeat(X, counts, axis=0), np.repeat(y, counts)
    )
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-12)


def test_zero_rows_have_a_residual(table):
    X, y = table
    X[0] = 0.0
    clf = NearestSubspaceClassifier(K, metric="residual").fit(X, y)
    np.testing.assert_array_equal(clf.transform(X)[0], 0.0)


def test_digits_are_told_apart_as_in_the_sheet():
    """.988 +- .004 over five halves (measured); two standard deviations are left."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
    assert NearestSubspaceClassifier(8).fit(X, y).score(X_test, y_test) > 0.98


def test_words_beside_rows_of_any_library(table, xp):
    X, y = table
    words = np.array(["x", "y", "z"])[y]
    clf = NearestSubspaceClassifier(K).fit(xp.asarray(X), words)
    assert xp.owns(clf.subspaces_)
    assert clf.score(xp.asarray(X), words) == NearestSubspaceClassifier(K).fit(X, y).score(X, y)


@pytest.mark.parametrize("settings", [{}, {"constant": 0}, {"metric": "residual"}], ids=repr)
def test_spectra_about_a_common_mean_are_told_apart_in_float32(rng, settings):
    """.2 % structure: float32 holds it 3e4 times over, its cosines and small eigenvalues do not."""
    n_features, n_rows = 60, 150
    mean = 5 + np.abs(rng.normal(size=n_features))
    scale = 0.002 * np.linalg.norm(mean) / np.sqrt(3)
    bases = np.linalg.qr(rng.normal(size=(4, n_features, 3)))[0]
    y = np.arange(4 * n_rows) % 4
    X = mean + scale * np.einsum("nfk,nk->nf", bases[y], rng.normal(size=(len(y), 3)))
    half = len(y) // 2
    clf = {
        dtype: NearestSubspaceClassifier(4, **settings).fit(X[:half].astype(dtype), y[:half])
        for dtype in ("f4", "f8")
    }
    wide = clf["f8"].score(X[half:], y[half:])
    assert wide > 0.95
    assert clf["f4"].score(X[half:].astype("f4"), y[half:]) >= wide - 0.01


@pytest.mark.parametrize("settings", [{}, {"metric": "residual", "center": True}], ids=repr)
def test_rows_that_stand_for_many_are_repeated_rows_for_every_attribute(table, settings):
    X, y = table
    X, y = X[[0, 1, 30, 31, 60, 61, 62]], y[[0, 1, 30, 31, 60, 61, 62]]
    w = np.array([3, 2, 4, 1, 2, 1, 5])
    weighted = NearestSubspaceClassifier(K, **settings).fit(X, y, sample_weight=w)
    repeated = NearestSubspaceClassifier(K, **settings).fit(np.repeat(X, w, 0), np.repeat(y, w))
    for name, value in vars(repeated).items():
        if name.endswith("_"):
            np.testing.assert_allclose(getattr(weighted, name), value, atol=1e-12)


def test_refit_with_the_other_metric_leaves_no_attribute_behind(table):
    clf = NearestSubspaceClassifier(K).fit(*table)
    clf.set_params(metric="residual").fit(*table)
    assert not hasattr(clf, "mean_")
    assert not hasattr(clf.set_params(metric="projection").fit(*table), "means_")


def test_structure_far_below_the_common_part_is_seen_in_float32(rng):
    """Cosines of float32 are 1 from an angle of 3e-4 down; rows hold four more digits than that."""
    mean = 3 + np.abs(rng.normal(size=40))
    directions = np.linalg.qr(rng.normal(size=(40, 3)))[0].T
    y = np.arange(300) % 3
    X = mean + 1e-3 * rng.normal(size=(300, 1)) * np.linalg.norm(mean) * directions[y]
    right = [
        NearestSubspaceClassifier(2).fit(X.astype(t), y).score(X.astype(t), y) for t in ("f4", "f8")
    ]
    assert right[1] > 0.95
    assert right[0] >= right[1] - 0.02


@pytest.mark.parametrize("settings", [{"constant": 0}, {"metric": "residual"}], ids=repr)
def test_rounding_of_float32_rows_spans_nothing(rng, settings):
    X = np.vstack([rng.normal(size=(40, 1)) @ rng.normal(size=(1, 3)) for _ in range(2)])
    y = np.repeat([0, 1], 40)
    clf = NearestSubspaceClassifier(2, **settings).fit(X.astype("f4"), y)
    np.testing.assert_array_equal(clf.subspaces_[:, :, 1], 0.0)
