"""GBWNormalizer on streams, single trials, unequal scales and float32."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone

from subspace_learn.covariance import GBWNormalizer, distance
from tests.covariance.test_gbw_normalizer import N, random_spd


@pytest.fixture
def sessions(rng):
    """Three sessions of twelve matrices, each seen through a mixing of its own."""
    mixing = np.eye(N) + 0.3 * rng.standard_normal((3, N, N))
    W = mixing[np.repeat([0, 1, 2], 12)]
    return W @ random_spd(rng, 36) @ W.mT, np.repeat(["a", "b", "c"], 12)


# --- streams ------------------------------------------------------------------------------------


def cut(n, *ends):
    """Slices between the given ends."""
    return [slice(a, b) for a, b in zip([0, *ends], [*ends, n], strict=True)]


@pytest.mark.parametrize("theta", [1.0, 0.5])
@pytest.mark.parametrize("parts", [cut(36, 5, 20), cut(36, *range(1, 36))], ids=["few", "single"])
def test_any_cut_into_batches_gives_the_statistics_of_one_fit(sessions, rng, theta, parts):
    X, names = sessions
    X = 40.0 * X
    weight, order = rng.uniform(0.2, 3.0, 36), rng.permutation(36)
    X, names = X[order], names[order]
    stream = GBWNormalizer(theta)
    for part in parts:
        stream.partial_fit(X[part], sample_weight=weight[part], groups=names[part])
    once = GBWNormalizer(theta).fit(X, sample_weight=weight, groups=names)
    places = [stream.groups_.tolist().index(name) for name in once.groups_]
    np.testing.assert_allclose(stream.metric_parameter_, once.metric_parameter_, rtol=1e-9)
    np.testing.assert_allclose(stream.mean_, once.mean_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(stream.means_[places], once.means_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(stream.dispersions_[places], once.dispersions_, rtol=1e-6)
    np.testing.assert_allclose(
        stream.transform(X, groups=names), once.transform(X, groups=names), rtol=1e-6, atol=1e-6
    )


def test_batches_with_and_without_weights_and_groups_go_together(sessions):
    X, names = sessions
    stream = GBWNormalizer().partial_fit(X[:12]).partial_fit(X[12:24], groups=names[12:24])
    stream.partial_fit(X[24:], sample_weight=np.full(12, 2.0), groups=names[24:])
    weight = np.repeat([1.0, 1.0, 2.0], 12)
    once = GBWNormalizer().fit(X, sample_weight=weight)
    np.testing.assert_allclose(stream.mean_, once.mean_, rtol=1e-6, atol=1e-7)
    assert stream.groups_.tolist() == ["b", "c"]


def test_pooled_dispersion_weighs_sessions_by_all_that_came_of_them(sessions):
    """Sessions of unequal size and spread, over two batches: not the plain mean, nor the last."""
    X, names = sessions
    X = np.where((names == "b")[:, None, None], X @ X, X)  # another dispersion
    keep = np.r_[0:6, 12:24, 24:33]
    X, names = X[keep], names[keep]
    for momentum in (None, 0.2):
        model = GBWNormalizer(momentum=momentum)
        model.partial_fit(X[::2], groups=names[::2]).partial_fit(X[1::2], groups=names[1::2])
        counts = np.array([np.sum(names == name) for name in model.groups_])
        pooled = np.sum(counts * model.dispersions_) / counts.sum()
        assert abs(pooled / model.dispersions_.mean() - 1) > 0.1, "weights must matter here"
        Z = model.set_params(dispersion="pooled").transform(X, groups=names)
        fitted = GBWNormalizer(metric_parameter=model.metric_parameter_, dispersion=float(pooled))
        fitted.set_params(momentum=momentum)
        fitted.partial_fit(X[::2], groups=names[::2]).partial_fit(X[1::2], groups=names[1::2])
        np.testing.assert_allclose(Z, fitted.transform(X, groups=names), rtol=1e-7)


def test_a_batch_moves_the_mean_as_far_as_its_matrices_one_by_one(sessions):
    """With a momentum, two equal matrices in one batch or in two give the same."""
    X, _ = sessions
    together = GBWNormalizer(metric_parameter=None, momentum=0.3).partial_fit(X[:6])
    apart = clone(together).partial_fit(X[:6])
    together.partial_fit(X[[7, 7, 7]])
    for _ in range(3):
        apart.partial_fit(X[[7]])
    np.testing.assert_allclose(together.mean_, apart.mean_, rtol=1e-6, atol=1e-7)


def test_going_on_after_fit_is_said_to_be_approximate(sessions):
    X, names = sessions
    with pytest.warns(UserWarning, match="close to one fit on everything, but not the same"):
        model = GBWNormalizer().fit(X[:30], groups=names[:30]).partial_fit(X[30:])
    once = GBWNormalizer().fit(X)
    gap = distance(GBWNormalizer().fit(X[:30]).mean_, once.mean_, "wasserstein")
    assert distance(model.mean_, once.mean_, "wasserstein") < 0.2 * gap


def test_defaults_are_these():
    assert GBWNormalizer().get_params() == {
        "theta": 1.0,
        "metric_parameter": "mean",
        "dispersion": "pooled",
        "bias": None,
        "unknown": "fit",
        "n_steps": None,
        "tol": 1e-8,
        "max_iter": 50,
        "momentum": None,
        "n_jobs": None,
    }


# --- single trials, scales, precision -----------------------------------------------------------


def test_single_trials_of_an_unknown_session_are_not_all_the_same(sessions):
    X, names = sessions
    model = GBWNormalizer(0.5).fit(X[:24], groups=names[:24])
    one_by_one = []
    for matrix in X[24:]:
        with pytest.warns(UserWarning, match="'c' was not fitted and has 1 matrices"):
            one_by_one.append(model.transform(matrix[None], groups=["c"])[0])
    wanted = clone(model).set_params(unknown="global").fit(X[:24], groups=names[:24])
    np.testing.assert_allclose(one_by_one, wanted.transform(X[24:], groups=names[24:]), rtol=1e-7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.transform(X[24:29], groups=names[24:29])  # five are enough


def test_a_session_fitted_to_few_matrices_is_named(sessions):
    X, names = sessions
    model = GBWNormalizer().fit(X[:14], groups=names[:14])
    with pytest.warns(UserWarning, match="'b' was fitted to 2 matrices"):
        model.transform(X[:14], groups=names[:14])


@pytest.mark.parametrize("unit", [1e-26, 1e18])
def test_float32_matrices_of_any_unit_are_taken(sessions, unit):
    """Teslas and counts: the work is in float64."""
    X, names = sessions
    wanted = GBWNormalizer(0.5).fit_transform(X, groups=names)
    given = GBWNormalizer(0.5).fit_transform((unit * X).astype(np.float32), groups=names)
    assert given.dtype == np.float32
    np.testing.assert_allclose(given.astype(float) / unit, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("unit", [1e-26, 1e12])
def test_spread_is_adjusted_in_any_unit(sessions, unit):
    """Without a metric parameter lengths have units, and small ones are no rounding."""
    X, names = sessions
    X = np.concatenate([X[:12], X[12:24] @ X[12:24]]) + 3 * np.eye(N)
    model = GBWNormalizer(0.5, metric_parameter=None, bias="mean")
    wanted = model.fit_transform(X, groups=names[:24])
    given = clone(model).fit_transform(unit * X, groups=names[:24])
    np.testing.assert_allclose(given / unit, wanted, rtol=1e-6, atol=1e-6)


def test_rows_of_unequal_scale_are_named(sessions):
    X, names = sessions
    scale = np.ones(N)
    scale[1] = 1e-8
    with pytest.warns(UserWarning, match=r"1 directions count as null only because .* row 1"):
        GBWNormalizer().fit(X * scale[:, None] * scale, groups=names)
    scale[1] = 1e-3
    with pytest.warns(UserWarning, match=r"factor of .*row 1"):
        GBWNormalizer(0.5).fit(X * scale[:, None] * scale, groups=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wanted = GBWNormalizer().fit_transform(X, groups=names)
        given = GBWNormalizer().fit_transform(X * scale[:, None] * scale, groups=names)
    np.testing.assert_allclose(given / scale[:, None] / scale, wanted, rtol=1e-5, atol=1e-6)
