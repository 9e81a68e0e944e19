"""Methods of fitted estimators on what Dask holds: lazy, row for row what they give in memory."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn import (
    GrassmannPCA,
    KoopmanEDMD,
    NearestSubspaceClassifier,
    RandomMatrixFilter,
    SubspaceDetector,
)
from subspace_learn.covariance import AugmentedCovariances
from subspace_learn.dynamics import DelayDictionary
from subspace_learn.random_matrix import AnalyticShrinkage

from .conftest import CUTS, in_chunks

METHODS = [
    (GrassmannPCA(n_components=3), "transform", "score_samples", "reconstruction_error"),
    (RandomMatrixFilter(n_components=2), "transform", "filter", "score_samples"),
    (AnalyticShrinkage(), "score_samples"),
    (SubspaceDetector(), "score_samples", "decision_function", "predict"),
    (NearestSubspaceClassifier(2), "transform", "decision_function", "predict"),
    (KoopmanEDMD(), "transform", "predict", "eigenfunctions"),
]
CALLS = [(estimator, method) for estimator, *methods in METHODS for method in methods]


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def data(request, table, labels):
    return table[0].astype(request.param), labels


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("estimator", "method"), CALLS, ids=lambda part: str(part))
def test_a_lazy_array_is_what_the_method_gives_in_memory(estimator, method, data, cut):
    import dask.array as da

    X, y = data
    model = estimator.fit(X, y if isinstance(estimator, NearestSubspaceClassifier) else None)
    wanted = getattr(model, method)(X)
    found = getattr(model, method)(in_chunks(X, CUTS[cut]))
    assert isinstance(found, da.Array)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert found.chunks[0] == CUTS[cut]
    computed = found.compute()
    assert type(computed) is np.ndarray
    assert computed.dtype == wanted.dtype
    if wanted.dtype.kind in "fc":
        eps = np.finfo(X.dtype).eps  # products of one row, in blocks of other sizes
        np.testing.assert_allclose(computed, wanted, atol=100 * eps * np.abs(wanted).max())
    else:
        assert np.array_equal(computed, wanted)


def test_transform_goes_back_by_a_lazy_inverse(table):
    X = in_chunks(table[0], CUTS["equal"])
    model = GrassmannPCA(n_components=8).fit(X)
    back = model.inverse_transform(model.transform(X))
    np.testing.assert_allclose(back.compute(), table[0], rtol=1e-10)


def test_fit_transform_is_fit_and_transform(table):
    X, _ = table
    found = GrassmannPCA(n_components=2).fit_transform(in_chunks(X, CUTS["equal"])).compute()
    np.testing.assert_allclose(found, GrassmannPCA(n_components=2).fit_transform(X), atol=1e-10)


@pytest.mark.parametrize("cut", [(140,) * 5, (3, 1, 2, 694)])
def test_delays_reach_back_over_chunks(rng, cut):
    x = 20.0 * np.cumsum(rng.normal(size=(700, 2)), axis=0) + 5.0
    model = KoopmanEDMD(DelayDictionary(2, lag=2)).fit(x)
    found = model.transform(in_chunks(x, cut))
    wanted = model.transform(x)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.compute(), wanted, atol=1e-12 * np.abs(wanted).max())
    assert model.predict(in_chunks(x, cut)).compute().shape == model.predict(x).shape


def test_inputs_beside_states_are_cut_as_they_are(rng):
    x, u = 9.0 * rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    model = KoopmanEDMD().fit(x, u=u)
    found = model.predict(in_chunks(x, (20, 40)), u=in_chunks(u, (20, 40)))
    np.testing.assert_allclose(found.compute(), model.predict(x, u=u))
    simulated = model.simulate(in_chunks(x, (20, 40)), 4, u=np.zeros((4, 2)))
    assert simulated.shape == (60, 4, 3)
    np.testing.assert_allclose(simulated.compute(), model.simulate(x, 4, u=np.zeros((4, 2))))


def test_epochs_become_matrices(rng):
    import dask.array as da

    X = 40.0 * rng.normal(size=(20, 3, 100)).astype(np.float32)
    model = AugmentedCovariances(order=2).fit(X)
    found = model.transform(in_chunks(X, (6, 14)))
    assert isinstance(found, da.Array)
    assert (found.shape, found.dtype) == ((20, 6, 6), np.float32)
    assert np.array_equal(found.compute(), model.transform(X))


def test_chunks_of_unknown_size_pass_through(table):
    X = in_chunks(table[0], CUTS["unequal"])
    some = X[X[:, 0] > np.median(table[0][:, 0])]
    kept = table[0][table[0][:, 0] > np.median(table[0][:, 0])]
    model = GrassmannPCA(n_components=2).fit(some)
    np.testing.assert_allclose(
        model.components_, GrassmannPCA(n_components=2).fit(kept).components_, atol=1e-12
    )
    found = model.transform(some)
    assert np.isnan(found.shape[0])
    np.testing.assert_allclose(found.compute(), model.transform(kept), atol=1e-10)


def test_an_empty_chunk_says_nothing(table):
    X = in_chunks(table[0], (350, 350))
    some = X[X[:, 0] * 0 + np.arange(700) >= 350]  # no row of the first chunk
    model = GrassmannPCA(n_components=2).fit(some)
    assert model.n_samples_seen_ == 350
    assert model.transform(some).compute().shape == (350, 2)
    with pytest.raises(ValueError, match="No row of X counts"):
        GrassmannPCA(n_components=2).fit(X[X[:, 0] > 1e9])


def test_a_later_fit_does_not_change_what_was_lazy_before(table):
    X, _ = table
    model = GrassmannPCA(n_components=2).fit(X[:350])
    lazy, wanted = model.transform(in_chunks(X, CUTS["equal"])), model.transform(X)
    model.fit(X[350:])
    np.testing.assert_allclose(lazy.compute(), wanted)


def test_score_is_the_mean_over_all_rows(table, labels):
    X, weights = table
    cut = CUTS["unequal"]
    model = GrassmannPCA(n_components=3).fit(X)
    assert model.score(in_chunks(X, cut)) == pytest.approx(model.score(X), rel=1e-12)
    model = NearestSubspaceClassifier(2).fit(X, labels)
    found = model.score(in_chunks(X, cut), in_chunks(labels, cut), in_chunks(weights, cut))
    assert found == pytest.approx(model.score(X, labels, weights), rel=1e-12)


def test_blocks_of_a_list_give_such_a_list(table):
    from dask import compute, delayed

    X, _ = table
    model = GrassmannPCA(n_components=2).fit([delayed(X[:300]), delayed(X[300:])])
    parts = compute(*model.transform([delayed(X[:300]), delayed(X[300:])]))
    np.testing.assert_allclose(np.concatenate(parts), model.transform(X), atol=1e-10)


def test_one_delayed_block_is_a_list_of_one(table):
    from dask import delayed

    X, _ = table
    model = GrassmannPCA(n_components=2).fit(delayed(X))
    np.testing.assert_allclose(
        model.components_, GrassmannPCA(n_components=2).fit(X).components_, atol=1e-12
    )
    (part,) = model.transform(delayed(X))
    np.testing.assert_allclose(part.compute(), model.transform(X))


def test_sparse_blocks_are_never_made_dense(rng):
    import scipy.sparse as sp
    from dask import compute, delayed

    X = sp.random(400, 30, density=0.1, format="csr", random_state=0)
    blocks = [delayed(X[:100]), delayed(X[100:])]
    for model in (GrassmannPCA(n_components=3), RandomMatrixFilter(n_components=3)):
        model.fit(blocks)
        found = np.concatenate(compute(*model.transform(blocks)))
        np.testing.assert_allclose(
            abs(found), abs(type(model)(n_components=3).fit(X).transform(X)), atol=1e-10
        )


def test_arguments_may_stand_in_any_order(table):
    X, weights = table
    cut = CUTS["equal"]
    found = GrassmannPCA(n_components=2).fit(
        sample_weight=in_chunks(weights, cut), X=in_chunks(X, cut)
    )
    wanted = GrassmannPCA(n_components=2).fit(X, sample_weight=weights)
    np.testing.assert_allclose(found.components_, wanted.components_, atol=1e-12)


class LikeXarray:
    """An array that says it could be held by Dask, as xarray's do, and is in memory."""

    def __init__(self, values):
        self.values, self.chunks = values, None
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype

    def __dask_graph__(self):
        return None

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


def test_an_array_of_xarray_in_memory_is_an_array(table):
    X, _ = table
    found = GrassmannPCA(n_components=2).fit(LikeXarray(X)).transform(LikeXarray(X))
    assert np.array_equal(found, GrassmannPCA(n_components=2).fit_transform(X))


def test_other_collections_are_refused_by_name():
    import dask.bag

    with pytest.raises(TypeError, match=r"not Bag\. .*xarray"):
        GrassmannPCA(n_components=2).fit(dask.bag.from_sequence([1, 2, 3]))


# --- data frames ----------------------------------------------------------------------------------


@pytest.fixture
def frames(table):
    pytest.importorskip("pyarrow", reason="frames of Dask need pyarrow")
    import dask.dataframe as dd
    import pandas as pd

    index = pd.date_range("2020-01-01", periods=700, freq="h")
    frame = pd.DataFrame(table[0], columns=[f"c{i}" for i in range(8)], index=index)
    return frame, dd.from_pandas(frame, npartitions=4)


def test_columns_of_a_frame_keep_their_names(frames):
    frame, lazy = frames
    model = SubspaceDetector(GrassmannPCA(2)).fit(lazy)
    assert list(model.feature_names_in_) == list(frame.columns)
    wanted = SubspaceDetector(GrassmannPCA(2)).fit(frame)
    assert model.offset_ == pytest.approx(wanted.offset_, rel=1e-10)
    assert np.array_equal(model.predict(lazy).compute(), wanted.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(lazy[list(frame.columns[::-1])])


def test_a_lazy_frame_with_its_index_comes_by_map_partitions(frames):
    frame, lazy = frames
    model = GrassmannPCA(n_components=2).set_output(transform="pandas").fit(lazy)
    with pytest.raises(TypeError, match=r"map_partitions\(model.transform\)"):
        model.transform(lazy)
    found = lazy.map_partitions(model.transform).compute()
    wanted = model.transform(frame)
    assert found.index.equals(frame.index)
    assert list(found.columns) == list(wanted.columns) == ["grassmannpca0", "grassmannpca1"]
    np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_a_series_beside_a_frame(frames, labels):
    import dask.dataframe as dd
    import pandas as pd

    frame, lazy = frames
    y = pd.Series(labels, index=frame.index, name="class")
    found = NearestSubspaceClassifier(2).fit(lazy, dd.from_pandas(y, npartitions=4))
    wanted = NearestSubspaceClassifier(2).fit(frame, y)
    np.testing.assert_allclose(found.subspaces_, wanted.subspaces_, atol=1e-11)


def test_steps_of_an_index_are_read_in_each_partition(frames):
    frame, _ = frames
    import dask.dataframe as dd

    uneven = frame.drop(frame.index[100:130])
    with pytest.warns(UserWarning, match="not the usual one"):
        found = KoopmanEDMD().fit(dd.from_pandas(uneven, npartitions=2))
    assert found.n_pairs_seen_ == 669
