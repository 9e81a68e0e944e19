"""Units of the whole, and what graphs, matrices, systems and other processes bring with them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed

from subspace_learn._capabilities import kind_of_input

from .readings import METHODS, Fitted, data, differences, is_ours, largest

EXEMPT: dict[tuple[str, str], str] = {
    ("EoRACompensator", "check_units_decide_nothing_in_silence"): "the network that it wraps does",
    ("LocationPool", "check_units_decide_nothing_in_silence"): "log-probabilities have no unit",
}
# Parameters that are numbers in the units of X when they are given.
IN_UNITS_OF_X = ("constant", "gamma")


def scaled(X, factor):
    """The same data in another unit."""
    if isinstance(X, list):
        pytest.skip("shapes in a box of their own: bounds are a parameter")
    return X * factor


def same_partition(a, b):
    """Whether two labelings agree up to the names of the groups."""
    pairs = {(int(x), int(y)) for x, y in zip(a, b, strict=True)}
    return len(pairs) == len(set(a)) == len(set(b))


@pytest.mark.parametrize("factor", [1e-6, 3.7, 1e6])
def check_units_decide_nothing_in_silence(estimator, factor):
    """Labels are those of the data in any unit, or a warning says why not."""
    X, y = data(estimator)
    if any(isinstance(getattr(estimator, n, None), float) for n in IN_UNITS_OF_X):
        pytest.skip("a parameter was given in the units of X")
    here, there = Fitted(estimator, X, y), Fitted(estimator, scaled(X, factor), y)
    labels = {n: v for n, v in here.numbers.items() if n in ("predict", "labels_", "indices_")}
    if not labels or here.answers.get("predict", np.empty(0)).dtype.kind == "f":
        pytest.skip("decides nothing")
    if there.said != here.said or any(is_ours(w) for w in here.warnings):
        pytest.skip(f"said so: {there.said}")
    for name, wanted in labels.items():
        given = there.numbers[name]
        if name == "indices_":
            np.testing.assert_array_equal(given, wanted, err_msg=name)
        else:
            assert same_partition(given.astype(int), wanted.astype(int)), name


GRAPH_KINDS = ("graph", "system")


def check_float32_weights_give_the_numbers_of_float64(estimator):
    if kind_of_input(estimator) not in (*GRAPH_KINDS, "matrices"):
        pytest.skip("no graph, no matrices")
    X, y = data(estimator)
    X32 = X.astype(np.float32)
    wanted = Fitted(estimator, X32.astype(np.float64), y).numbers
    given = Fitted(estimator, X32, y).numbers

    def allowed(name):
        return 1e3 * np.finfo(np.float32).eps * max(1.0, largest(wanted[name]))

    wrong = differences(given, wanted, allowed)
    assert not wrong, wrong


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def check_one_channel_in_another_unit_gets_an_answer(estimator, factor):
    """Covariances with one channel in another unit: an answer, or words; never NaN."""
    if kind_of_input(estimator) != "matrices":
        pytest.skip("no matrices")
    X, y = data(estimator)
    scale = np.ones(X.shape[1])
    scale[1] = factor
    fitted = Fitted(estimator, X * scale[:, None] * scale, y)
    for name, value in fitted.numbers.items():
        assert np.isfinite(value).all(), name


def check_vertex_without_edges_gets_an_answer(estimator):
    if kind_of_input(estimator) != "graph":
        pytest.skip("no graph")
    X, y = data(estimator)
    X = sp.block_diag([X, sp.csr_array((1, 1))], format="csr")
    for name, value in Fitted(estimator, X, y).numbers.items():
        assert np.isfinite(value).all(), name


def check_vertices_in_another_order_give_the_same(estimator):
    if kind_of_input(estimator) != "graph":
        pytest.skip("no graph")
    X, y = data(estimator)
    order = np.random.default_rng(0).permutation(X.shape[0])
    wanted = Fitted(estimator, X, y).answers
    given = Fitted(estimator, sp.csr_array(X)[order][:, order], y).answers
    for name, value in wanted.items():
        if len(np.shape(value)) and len(value) == X.shape[0]:
            tolerance = 1e-6 * largest(value)
            np.testing.assert_allclose(given[name], value[order], rtol=0, atol=tolerance)


def in_worker(estimator, X):
    """What a fitted estimator says of X, in the process that runs this."""
    found = {}
    for name in METHODS:
        if name not in ("score", "inverse_transform") and callable(getattr(estimator, name, None)):
            try:
                found[name] = getattr(estimator, name)(X)
            except ValueError as error:
                found[name] = str(error)
    return found


def check_travels_to_a_worker(estimator):
    X, y = data(estimator)
    fitted = Fitted(estimator, X, y).estimator
    here = in_worker(fitted, X)
    # one pool serves all calls: joblib keeps its workers
    there = Parallel(n_jobs=2)(delayed(in_worker)(fitted, X) for _ in range(1))[0]
    assert here.keys() == there.keys()
    for name, value in here.items():
        np.testing.assert_equal(there[name], value, err_msg=name)


def check_one_item_alone_gets_its_answer(estimator):
    """A single row, epoch, matrix or sequence is answered as it is in a batch."""
    X, y = data(estimator)
    if kind_of_input(estimator) in GRAPH_KINDS or is_sampler(estimator):
        pytest.skip("items are not answered one by one")
    fitted = Fitted(estimator, X, y)
    for name, value in fitted.answers.items():
        if name in ("score", "inverse_transform", "predict") or len(value) != len(X):
            continue
        alone = getattr(fitted.estimator, name)(X[2:3])
        # what is zero in exact arithmetic is as large as the square of a rounding of X
        rounding = 0.0 if isinstance(X, list) else 1e-24 * largest(X) ** 2
        tolerance = 1e-6 * largest(value) + rounding
        np.testing.assert_allclose(np.asarray(alone)[0], value[2], rtol=0, atol=tolerance)


def is_sampler(estimator):
    return hasattr(estimator, "fit_resample")


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]
