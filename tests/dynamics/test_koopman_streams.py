"""Streams and merges of KoopmanEDMD are one fit on all pairs."""

import warnings

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import DelayDictionary, RBFDictionary


@pytest.mark.parametrize("solver", ["qr", "gram"])
def test_a_stream_of_batches_and_a_merge_are_one_fit(solver, noisy):
    X, Y = noisy
    lift = FrozenEstimator(RBFDictionary(10, random_state=0).fit(X))
    whole = KoopmanEDMD(lift).fit(X, Y)
    stream = KoopmanEDMD(lift, solver=solver)
    for rows in (slice(0, 5), slice(5, 100), slice(100, 300)):
        stream.partial_fit(X[rows], Y[rows])
    halves = KoopmanEDMD(lift, solver=solver).fit(X[:150], Y[:150])
    halves.merge(KoopmanEDMD(lift, solver=solver).fit(X[150:], Y[150:]))
    tol = 1e-10 if solver == "qr" else 1e-5  # squared condition of near-dependent functions
    for model in (stream, halves):
        assert model.n_pairs_seen_ == 300
        np.testing.assert_allclose(model.eigenvalues_, whole.eigenvalues_, atol=tol)
        np.testing.assert_allclose(model.residuals_, whole.residuals_, atol=tol)
        np.testing.assert_allclose(model.predict(X), whole.predict(X), atol=tol)


def test_merge_refuses_what_does_not_match(noisy):
    X, Y = noisy
    model = KoopmanEDMD(RBFDictionary(5, random_state=0)).fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="FrozenEstimator"):
        model.merge(KoopmanEDMD(RBFDictionary(5, random_state=0)).fit(X[100:], Y[100:]))
    with pytest.raises(TypeError, match="KoopmanEDMD"):
        model.merge("fit")
    plain = KoopmanEDMD().fit(X, Y)
    with pytest.raises(ValueError, match="inputs"):
        plain.merge(KoopmanEDMD().fit(X, Y, u=X[:, 0]))


FITTED = [
    "koopman_matrix_",
    "input_matrix_",
    "eigenvalues_",
    "continuous_eigenvalues_",
    "residuals_",
    "singular_values_",
    "eigenvectors_",
    "modes_",
    "n_components_",
    "n_pairs_seen_",
]
CUTS = {"single rows": [1] * 60, "sevens": [7] * 9, "all but one": [59, 1]}


@pytest.fixture
def unequal(rng):
    """Pairs in unequal units, with inputs and unequal weights."""
    X = rng.normal(size=(60, 3))
    Y = 0.3 * X @ rng.normal(size=(3, 3)) + 0.01 * rng.normal(size=(60, 3))
    units = [1.0, 300.0, 1e-4]
    return X * units, Y * units, rng.normal(size=(60, 2)), rng.uniform(0.5, 9.0, size=60)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("solver", ["qr", "gram"])
@pytest.mark.parametrize("dictionary", [None, PolynomialFeatures(2)], ids=["states", "powers"])
@pytest.mark.parametrize("driven", [False, True], ids=["alone", "driven"])
def test_every_number_of_a_stream_is_that_of_one_fit_however_it_is_cut(
    driven, dictionary, solver, cut, unequal
):
    if solver == "gram" and dictionary is not None:
        pytest.skip("squares of products of unlike units leave half of the digits")
    X, Y, u, w = unequal
    u = u if driven else None
    whole = KoopmanEDMD(dictionary, solver=solver).fit(X, Y, u=u, sample_weight=w)
    stream, start = KoopmanEDMD(dictionary, solver=solver), 0
    for size in CUTS[cut]:
        rows = slice(start, start + size)
        start += size
        if len(X[rows]):
            inputs = None if u is None else u[rows]
            stream.partial_fit(X[rows], Y[rows], u=inputs, sample_weight=w[rows])
    for name in FITTED:
        given, wanted = np.asarray(getattr(stream, name)), np.asarray(getattr(whole, name))
        # rounding, of each number relative to the largest of its row: rows are of unlike units
        size = np.abs(wanted).max(axis=-1, keepdims=True, initial=1e-300) if wanted.ndim else 1.0
        assert given.shape == wanted.shape, name
        assert (np.abs(given - wanted) <= 1e-7 * size).all(), name


def test_trajectories_in_batches_are_one_fit_on_a_list_of_them(unequal):
    X = np.cumsum(unequal[0], axis=0)
    stream = KoopmanEDMD().partial_fit(X[:25]).partial_fit(X[25:])
    whole = KoopmanEDMD().fit([X[:25], X[25:]])
    np.testing.assert_allclose(stream.eigenvalues_, whole.eigenvalues_, rtol=1e-12)
    assert stream.n_pairs_seen_ == whole.n_pairs_seen_ == 58
    joined = KoopmanEDMD().partial_fit(X[:25]).partial_fit(X[24:])  # the last row once more
    np.testing.assert_allclose(joined.eigenvalues_, KoopmanEDMD().fit(X).eigenvalues_, rtol=1e-12)


@pytest.mark.parametrize("method", ["edmd", "measure_preserving"])
def test_a_batch_of_zeros_ends_no_stream(method, unequal):
    X, Y, *_ = unequal
    zeros = np.zeros((4, 3))
    stream = KoopmanEDMD(method=method).partial_fit(zeros, zeros)
    assert stream.n_components_ == len(stream.eigenvalues_) == 0
    np.testing.assert_array_equal(stream.predict(X[:2]), zeros[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these data preserve no measure
        stream.partial_fit(X, Y).partial_fit(zeros, zeros)
        whole = KoopmanEDMD(method=method)
        whole.fit(np.vstack([zeros, X, zeros]), np.vstack([zeros, Y, zeros]))
    np.testing.assert_allclose(stream.eigenvalues_, whole.eigenvalues_, atol=1e-12)
    assert stream.n_pairs_seen_ == whole.n_pairs_seen_


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"time_step": 1.0}, {"time_step": 2.0}),
        ({"dictionary": PolynomialFeatures(2)}, {"dictionary__degree": 3}),
        ({"dictionary": DelayDictionary(1)}, {"dictionary": None}),
        ({"dictionary": None}, {"method": "kernel"}),
    ],
    ids=["time step", "degree", "dictionary", "method"],
)
def test_a_stream_refuses_settings_that_make_batches_incomparable(before, after, unequal):
    X = np.cumsum(unequal[0], axis=0)
    model = KoopmanEDMD(**before).partial_fit(X)
    values = model.eigenvalues_
    with pytest.raises(ValueError, match=f"partial_fit was begun with {next(iter(after))}="):
        model.set_params(**after).partial_fit(X)
    np.testing.assert_array_equal(model.eigenvalues_, values)


def test_merge_refuses_another_time_step_and_dictionaries_told_apart_at_their_own_scale(unequal):
    X = np.cumsum(unequal[0], axis=0)
    with pytest.raises(ValueError, match=r"time_step=1\.0 and time_step=2\.0"):
        KoopmanEDMD().fit(X).merge(KoopmanEDMD(time_step=2.0).fit(X))
    small = 1e-6 * X / np.abs(X).max(axis=0)  # at unit scale all these functions are zero
    a, b = (
        KoopmanEDMD(RBFDictionary(4, include_state=False, random_state=0)).fit(part)
        for part in (small[:30], small[30:])
    )
    with pytest.raises(ValueError, match="FrozenEstimator"):
        a.merge(b)


def test_merged_halves_have_every_number_of_the_whole(unequal):
    X, Y, u, w = unequal
    halves = [
        KoopmanEDMD().fit(X[rows], Y[rows], u=u[rows], sample_weight=w[rows])
        for rows in (slice(0, 25), slice(25, 60))
    ]
    merged, whole = halves[0].merge(halves[1]), KoopmanEDMD().fit(X, Y, u=u, sample_weight=w)
    for name in ("eigenvalues_", "residuals_", "singular_values_"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-9)
    np.testing.assert_allclose(np.abs(merged.modes_), np.abs(whole.modes_), rtol=1e-8)
    assert merged.n_pairs_seen_ == 60
