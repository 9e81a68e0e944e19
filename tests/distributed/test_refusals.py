"""What cannot be done with what Dask holds is refused in words, and computes nothing."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.base import clone

from subspace_learn import (
    DPPLeastSquares,
    GrassmannPCA,
    KoopmanEDMD,
    RandomMatrixFilter,
    SensitivitySampler,
    SpectralAMGClustering,
)
from subspace_learn._capabilities import kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks.data import example

from .conftest import CUTS, in_chunks

TAKES = {
    *("GrassmannPCA", "SubspaceDetector", "NearestSubspaceClassifier", "RandomMatrixFilter"),
    *("AnalyticShrinkage", "KoopmanEDMD", "SensitivitySampler", "AugmentedCovariances"),
}
OTHERS = sorted(set(estimators()) - TAKES)


class ComputedError(Exception):
    """Raised by a chunk that nothing may ask for."""


def never(shape, dtype=float):
    """A Dask array that fails when any of it is computed."""
    import dask.array as da

    def fail(block):
        raise ComputedError

    zeros = da.zeros(shape, chunks=shape, dtype=dtype)
    return zeros.map_blocks(fail, dtype=dtype, meta=np.zeros(0))


def shape_of(kind):
    """A shape with the number of axes that X has."""
    if kind in {"images", "mesh"}:
        return (2, 3, 8, 8)
    X, _ = example(kind)
    return X.shape if hasattr(X, "shape") else np.shape(X)


def instance(name):
    if "Deep" in name or "Net" in name or name == "SSMClassifier" or name == "EigenCAM":
        pytest.importorskip("torch", reason="its class needs torch")
    return estimators()[name]()


def test_every_estimator_takes_it_or_is_asked_here():
    hooks = {
        name
        for name, cls in estimators().items()
        if hasattr(cls, "_fit_chunks") or hasattr(cls, "_after_chunks")
    }
    assert hooks == TAKES


@pytest.mark.parametrize("name", OTHERS)
def test_fit_of_all_others_names_the_way_out(name):
    model = instance(name)
    shape = shape_of(kind_of_input(model))
    lazy, y = never(shape), never(shape[:1], int)
    before = dict(vars(model))
    way_out = "SensitivitySampler" if len(shape) == 2 else r"X\.compute\(\)"
    with pytest.raises(TypeError, match=way_out):
        model.fit(lazy, y)
    with pytest.raises(TypeError, match="Dask"):
        model.fit(lazy)
    assert vars(model) == before


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_method_turns_it_into_an_array_in_silence(name):
    model = instance(name)
    lazy = never((4, 3))
    tried = 0
    for method in dir(type(model)):
        if method.startswith(("_", "set_", "get_", "from_")) or method == "fit":
            continue
        if not callable(inspect.getattr_static(type(model), method, None)):
            continue
        try:
            first = list(inspect.signature(getattr(model, method)).parameters)[:1]
        except AttributeError:
            continue  # not with these parameters
        if not first or not first[0].startswith("X"):
            continue
        tried += 1
        beside = (never((4,)),) if method == "score" else ()
        with pytest.raises(TypeError, match="Dask"):
            getattr(model, method)(lazy, *beside)
    assert tried or name in {"BootstrapAMG", "HeavyTailSpectrum"}


def test_the_two_that_need_all_rows_name_the_sampler():
    for model in (SpectralAMGClustering(), DPPLeastSquares()):
        with pytest.raises(TypeError, match=r"SensitivitySampler\(\)\.fit_resample\(X") as caught:
            model.fit(never((10, 3)), never((10,)))
        assert type(model).__name__ in str(caught.value)


@pytest.mark.parametrize("name", sorted(TAKES))
def test_a_batch_of_a_stream_is_in_memory(name):
    model = estimators()[name]()
    if not hasattr(model, "partial_fit"):
        pytest.skip("has no partial_fit")
    with pytest.raises(TypeError, match=r"Give all of it to fit"):
        model.partial_fit(never((10, 3)))


@pytest.mark.parametrize("other", ["sample_weight", "y"])
def test_what_stands_beside_has_the_same_chunks(table, labels, other):
    from subspace_learn import NearestSubspaceClassifier

    X, weights = table
    beside = {"sample_weight": weights, "y": labels}
    lazy = {name: in_chunks(value, CUTS["equal"]) for name, value in beside.items()}
    model = NearestSubspaceClassifier(2)
    given = lazy | {other: beside[other]}
    with pytest.raises(TypeError, match=rf"{other} is in memory.*from_array\({other}"):
        model.fit(in_chunks(X, CUTS["equal"]), **given)
    given = lazy | {other: in_chunks(beside[other], (350, 350))}
    with pytest.raises(ValueError, match=rf"{other} has 2 chunk.*{other}\.rechunk"):
        model.fit(in_chunks(X, CUTS["equal"]), **given)


def test_a_lazy_target_beside_rows_in_memory_is_refused(table, labels):
    from subspace_learn import NearestSubspaceClassifier

    with pytest.raises(TypeError, match="X is in memory, but y is held by Dask"):
        NearestSubspaceClassifier(2).fit(table[0], in_chunks(labels, (700,)))


def test_options_that_need_all_rows_are_named(table):
    X = in_chunks(table[0], CUTS["equal"])
    with pytest.raises(ValueError, match="solver='svd' needs all rows"):
        GrassmannPCA(n_components=2, solver="svd").fit(X)
    with pytest.raises(ValueError, match="edge='permutation' needs the rows"):
        RandomMatrixFilter(edge="permutation").fit(X)
    with pytest.raises(TypeError, match="list of blocks"):
        KoopmanEDMD().fit(X, groups=in_chunks(np.zeros(700), CUTS["equal"]))
    with pytest.raises(TypeError, match=r"KoopmanEDMD\.score\(\) takes arrays in memory"):
        KoopmanEDMD().fit(table[0]).score(X)


def test_more_directions_than_rows_are_refused_as_in_memory(table):
    X, _ = table
    for data in (X[:3], in_chunks(X[:3], (2, 1))):
        with pytest.raises(ValueError, match="n_components=5 must be at most 3"):
            GrassmannPCA(n_components=5).fit(data)
        with pytest.raises(ValueError, match="n_components=5 must be at most 2"):
            RandomMatrixFilter(n_components=5).fit(data)


@pytest.mark.parametrize("name", sorted(TAKES - {"AugmentedCovariances", "AnalyticShrinkage"}))
def test_nan_in_one_chunk_names_the_chunk_and_loses_nothing(name, table, labels):
    X, _ = table
    cut = CUTS["equal"]
    model = clone(estimators()[name]())
    if name in ("GrassmannPCA", "RandomMatrixFilter"):
        model.set_params(n_components=2)
    y = {"y": labels} if name == "NearestSubspaceClassifier" else {}
    model.fit(X, **y)
    before = dict(vars(model))
    bad = X.copy()
    bad[300, 5] = np.nan
    lazy = {key: in_chunks(value, cut) for key, value in y.items()}
    with pytest.raises(ValueError, match=r"chunk 2 \(rows 280 to 419\) of X: .*NaN"):
        model.fit(in_chunks(bad, cut), **lazy)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())
    for method in ("transform", "predict", "score_samples"):
        if hasattr(model, method) and name != "SensitivitySampler":
            with pytest.raises(ValueError, match=r"chunk 2 \(rows 280 to 419\) of X: .*NaN"):
                getattr(model, method)(in_chunks(bad, cut)).compute()


def test_chunks_of_other_columns_are_refused(table):
    from dask import delayed

    X, _ = table
    for model in (GrassmannPCA(n_components=2), SensitivitySampler(20)):
        with pytest.raises(ValueError, match="8 and 5 features"):
            model.fit([delayed(X[:100]), delayed(X[100:, :5])])


def test_chunks_cut_across_rows_are_put_together_with_a_warning(table):
    import dask.array as da

    X, _ = table
    cut = da.from_array(X, chunks=(140, 3))
    with pytest.warns(UserWarning, match="cut into 3 chunks along an axis other than its rows"):
        model = GrassmannPCA(n_components=2).fit(cut)
    assert np.allclose(model.components_, GrassmannPCA(n_components=2).fit(X).components_)
    with pytest.warns(UserWarning, match="rechunk"):
        scores = model.transform(cut)
    assert scores.shape == (700, 2)


def test_warnings_of_chunks_come_to_the_user_once_and_at_his_line(rng, scheduler):
    from dask import delayed

    x = 3.0 * rng.normal(size=(50, 2))
    with pytest.warns(UserWarning, match="shorter than 2 times was skipped") as caught:
        KoopmanEDMD().fit([delayed(x), delayed(x[:1]), delayed(x[1:2])])
    assert [w.filename for w in caught] == [__file__]


def test_a_method_before_fit_says_so(table):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        GrassmannPCA().transform(in_chunks(table[0], CUTS["equal"]))
