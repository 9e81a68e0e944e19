"""A fit on chunks is the fit on the table: for each estimator, however the table is cut."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from subspace_learn import (
    GrassmannPCA,
    KoopmanEDMD,
    NearestSubspaceClassifier,
    RandomMatrixFilter,
    SensitivitySampler,
    SubspaceDetector,
)
from subspace_learn.covariance import AugmentedCovariances
from subspace_learn.dynamics import DelayDictionary, RBFDictionary
from subspace_learn.random_matrix import AnalyticShrinkage

from .conftest import CUTS, in_chunks

# Sums of 700 products of numbers of one size, in another order: 700 eps is 1.6e-13. Eigenvectors
# and quantiles amplify that by the condition of what they are read from, 1e2 here at most.
CLOSE = 1e-11


def assert_same_fit(found, wanted, *, without=()):
    """Every public attribute agrees, arrays to CLOSE of their largest entry, and is NumPy's."""
    names = [n for n in dir(wanted) if n.endswith("_") and not n.startswith("_")]
    assert names, "nothing was fitted"
    for name in names:
        if name in without:
            continue
        ours, theirs = getattr(found, name), getattr(wanted, name)
        if hasattr(theirs, "get_params"):
            assert type(ours) is type(theirs)
        elif isinstance(theirs, float | np.ndarray) and np.asarray(theirs).dtype.kind in "fc":
            assert type(ours) is type(theirs), name
            if name in ("eigenvectors_", "modes_"):  # complex, of any phase
                ours, theirs = np.abs(ours), np.abs(theirs)
            scale = np.max(np.abs(theirs), initial=0.0) or 1.0
            if name == "score_mean_":  # 0 but for rounding
                scale = np.max(wanted.score_variance_) ** 0.5
            np.testing.assert_allclose(ours / scale, theirs / scale, atol=CLOSE, err_msg=name)
        else:
            assert np.array_equal(ours, theirs), name


MOMENTS = [
    GrassmannPCA(n_components=3),
    GrassmannPCA(n_components=0.9, center=False, keep_statistics=True),
    RandomMatrixFilter(n_components=2),
    RandomMatrixFilter(n_components=2, standardize="features", center=False, noise="mle"),
    SubspaceDetector(),
    SubspaceDetector(statistic="residual", threshold_rows="training"),
    SubspaceDetector(GrassmannPCA(2), quantile=0.9),
    SubspaceDetector(RandomMatrixFilter(n_components=2)),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", MOMENTS, ids=repr)
def test_moments_of_chunks_give_the_fit_of_the_table(estimator, weighted, cut, table):
    X, weights = table
    ours, theirs = ({}, {})
    if weighted:
        ours, theirs = {"sample_weight": in_chunks(weights, CUTS[cut])}, {"sample_weight": weights}
    found = clone(estimator).fit(in_chunks(X, CUTS[cut]), **ours)
    # copies of rows are looked for in tables alone: there are none here
    assert_same_fit(found, clone(estimator).fit(X, **theirs))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("center", [False, True])
def test_analytic_shrinkage_of_chunks(table, cut, center):
    X, _ = table
    found = AnalyticShrinkage(center=center).fit(in_chunks(X, CUTS[cut]))
    assert_same_fit(found, AnalyticShrinkage(center=center).fit(X))


def test_analytic_shrinkage_of_fewer_rows_than_columns(rng):
    X = 5.0 * rng.normal(size=(30, 40)) + 2.0
    found = AnalyticShrinkage().fit(in_chunks(X, (13, 17)))
    assert_same_fit(found, AnalyticShrinkage().fit(X))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("metric", ["projection", "residual"])
def test_class_subspaces_of_chunks(table, labels, metric, center, weighted, cut):
    X, weights = table
    constant = "auto" if metric == "projection" else 0.0
    given = {"sample_weight": in_chunks(weights, CUTS[cut])} if weighted else {}
    model = NearestSubspaceClassifier(2, metric=metric, center=center, constant=constant)
    found = clone(model).fit(in_chunks(X, CUTS[cut]), in_chunks(labels, CUTS[cut]), **given)
    wanted = model.fit(X, labels, weights if weighted else None)
    assert_same_fit(found, wanted)


def test_a_class_may_stand_in_one_chunk_alone(table, labels):
    X, _ = table
    order = np.argsort(labels, kind="stable")
    X, labels = X[order], labels[order]
    found = NearestSubspaceClassifier(2).fit(
        in_chunks(X, (100,) * 7), in_chunks(labels, (100,) * 7)
    )
    assert_same_fit(found, NearestSubspaceClassifier(2).fit(X, labels))


@pytest.fixture
def series(rng):
    A = 0.99 * np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = np.zeros((700, 4))
    x[0] = 1.0
    for t in range(699):
        x[t + 1] = x[t] @ A + 0.1 * rng.normal(size=4)
    return 30.0 * x, rng.uniform(0.5, 2.0, 700), rng.normal(size=(700, 2))


@pytest.mark.parametrize("cut", [(700,), (140,) * 5, (50, 1, 2, 1, 646)])
@pytest.mark.parametrize("dictionary", [None, DelayDictionary(3, lag=2)], ids=["states", "delays"])
def test_no_pair_is_lost_where_consecutive_chunks_meet(series, dictionary, cut):
    x, weights, u = series
    wanted = KoopmanEDMD(dictionary).fit(x, u=u, sample_weight=weights)
    found = KoopmanEDMD(dictionary).fit(
        in_chunks(x, cut), u=in_chunks(u, cut), sample_weight=in_chunks(weights, cut)
    )
    window = 1 if dictionary is None else 7
    assert found.n_pairs_seen_ == wanted.n_pairs_seen_ == 700 - window
    assert_same_fit(found, wanted)


@pytest.mark.parametrize("zero", [slice(0, 140), slice(280, 420)])
def test_a_chunk_in_which_nothing_counts_adds_nothing(series, table, labels, zero):
    x, weights, _ = series
    weights[zero] = 0.0
    X, _ = table
    cut = (140,) * 5
    w = in_chunks(weights, cut)
    wanted = KoopmanEDMD().fit(x, sample_weight=weights)
    found = KoopmanEDMD().fit(in_chunks(x, cut), sample_weight=w)
    np.testing.assert_allclose(found.koopman_matrix_, wanted.koopman_matrix_, atol=CLOSE)
    wanted = NearestSubspaceClassifier(2).fit(X, labels, weights)
    found = NearestSubspaceClassifier(2).fit(in_chunks(X, cut), in_chunks(labels, cut), w)
    assert_same_fit(found, wanted)
    sampler = SensitivitySampler(50, random_state=0).fit(in_chunks(X, cut), sample_weight=w)
    assert np.array_equal(sampler.rows_, X[sampler.indices_])
    assert (weights[sampler.indices_] > 0).all()


def test_blocks_of_a_list_are_trajectories_of_their_own(series):
    x, *_ = series
    blocks = [x[:300], x[300:]]
    found = KoopmanEDMD().fit([delayed(block) for block in blocks])
    assert found.n_pairs_seen_ == 698
    assert_same_fit(found, KoopmanEDMD().fit(blocks))


def test_a_stack_of_trajectories_is_cut_between_them(series):
    X = series[0].reshape(7, 100, 4)
    assert_same_fit(KoopmanEDMD().fit(in_chunks(X, (3, 4))), KoopmanEDMD().fit(X))


def test_pairs_may_be_cut_anywhere(series):
    x, *_ = series
    cut = (1, 298, 400)
    found = KoopmanEDMD().fit(in_chunks(x[:-1], cut), in_chunks(x[1:], cut))
    assert_same_fit(found, KoopmanEDMD().fit(x[:-1], x[1:]))


def test_a_dictionary_is_that_of_the_first_chunk(series):
    x, *_ = series
    dictionary = RBFDictionary(5, random_state=0)
    found = KoopmanEDMD(dictionary).fit(in_chunks(x, (140,) * 5))
    frozen = FrozenEstimator(clone(dictionary).fit(x[:139]))
    wanted = KoopmanEDMD(frozen).fit(x)
    assert_same_fit(found, wanted, without=("dictionary_",))


def test_a_trajectory_that_is_too_short_is_skipped_with_a_warning(series):
    x, *_ = series
    with pytest.warns(UserWarning, match="shorter than 2 times was skipped"):
        found = KoopmanEDMD().fit([delayed(x[:300]), delayed(x[300:301])])
    assert found.n_pairs_seen_ == 299


def test_a_frozen_subspace_is_not_fitted(table):
    X, _ = table
    frozen = FrozenEstimator(PCA(2).fit(X[:100]))
    wanted = SubspaceDetector(frozen).fit(X)
    found = SubspaceDetector(frozen).fit(in_chunks(X, CUTS["unequal"]))
    assert_same_fit(found, wanted)


def test_a_subspace_that_cannot_be_merged_is_refused(table):
    with pytest.raises(TypeError, match="FrozenEstimator"):
        SubspaceDetector(PCA(2)).fit(in_chunks(table[0], CUTS["equal"]))


def test_a_fold_too_small_for_the_subspace_is_said_as_in_memory(rng):
    X = 4.0 * rng.normal(size=(7, 8))
    for data in (X, in_chunks(X, (3, 4))):
        with pytest.warns(UserWarning, match="No row could be held out"):
            found = SubspaceDetector(GrassmannPCA(7), quantile=0.5).fit(data)
    with pytest.warns(UserWarning, match="No row could be held out"):
        assert_same_fit(found, SubspaceDetector(GrassmannPCA(7), quantile=0.5).fit(X))


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_a_sample_of_chunks_keeps_norms_as_a_stream_does(rng, p, scheduler):
    X = 3.0 * rng.standard_t(3, size=(6000, 4))
    y = X @ np.arange(4.0) + rng.normal(size=6000)
    cut = (1500, 1000, 2500, 1000)
    sampler = SensitivitySampler(600, p=p, random_state=7)
    rows, targets, weights = sampler.fit_resample(
        in_chunks(X, cut), in_chunks(y, cut), return_weights=True
    )
    assert sampler.n_samples_seen_ == 6000
    assert np.array_equal(rows, X[sampler.indices_])
    assert np.array_equal(targets, y[sampler.indices_])
    A, few = np.c_[X, y], np.c_[rows, targets]
    for x in rng.normal(size=(50, 5)):
        whole, part = np.sum(np.abs(A @ x) ** p), weights @ np.abs(few @ x) ** p
        # error_ bounds the reductions of a stream at p = 2, and is a search elsewhere
        assert abs(part / whole - 1) <= max(sampler.error_, 0.05) * (1.0 if p == 2 else 1.5)


def test_a_sample_depends_on_the_seed_alone(rng, client):
    import dask

    X = in_chunks(rng.standard_t(3, size=(3000, 4)), (700, 300, 2000))
    found = [SensitivitySampler(200, random_state=3).fit(X)]
    with dask.config.set(scheduler="threads"):
        found.append(SensitivitySampler(200, random_state=3).fit(X))
    with dask.config.set(scheduler="synchronous"):
        found.append(SensitivitySampler(200, random_state=3).fit(X))
        other = SensitivitySampler(200, random_state=4).fit(X)
    for one in found[1:]:
        assert np.array_equal(one.indices_, found[0].indices_)
        # scores are products of BLAS, which may run on other numbers of threads
        np.testing.assert_allclose(one.weights_, found[0].weights_, rtol=1e-10)
    assert not np.array_equal(other.indices_, found[0].indices_)


def test_a_generator_goes_on_from_fit_to_fit(rng):
    X = in_chunks(rng.standard_t(3, size=(3000, 4)), (1500, 1500))
    sampler = SensitivitySampler(200, random_state=np.random.default_rng(0))
    assert not np.array_equal(sampler.fit(X).indices_, sampler.fit(X).indices_)


def test_epochs_are_mapped(rng):
    X = 40.0 * rng.normal(size=(20, 3, 100)) + 2.0
    model = AugmentedCovariances(order=2).fit(in_chunks(X, (6, 14)))
    assert model.n_features_in_ == 3
    assert np.array_equal(
        model.transform(in_chunks(X, (6, 14))).compute(), AugmentedCovariances(2).fit_transform(X)
    )


def test_float32_stays_float32_with_the_digits_of_a_stream(table):
    X = table[0].astype(np.float32)
    found = GrassmannPCA(n_components=3).fit(in_chunks(X, CUTS["equal"]))
    stream = GrassmannPCA(n_components=3)
    for rows in np.split(X, 5):
        stream.partial_fit(rows)
    assert found.components_.dtype == np.float32
    np.testing.assert_allclose(found.components_, stream.components_, atol=1e-5)


def delayed(block):
    import dask

    return dask.delayed(block)
