"""Our common checks for estimators of graphs: what the table checks ask, on graphs of every form.

scikit-learn has no checks for input that is no table. Those of its checks that look at the
estimator alone are called here by name.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils import estimator_checks, get_tags

N_NODES = 30
ROUNDING = 1e-10  # eigenvectors of 30 nodes, in another order of sums, and gaps above 1e-3


def make_graph(dtype=np.float64, n_nodes=N_NODES, seed=20260101):
    """Seeded connected weighted graph: a ring and random chords."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n_nodes, n_nodes)) < 0.1, 1) * rng.uniform(
        0.5, 2, (n_nodes, n_nodes)
    )
    ring = np.roll(np.eye(n_nodes), 1, axis=1)
    return sp.csr_array((upper + upper.T + ring + ring.T).astype(dtype))


def check_scikit_learn_checks_of_the_estimator_alone(estimator):
    name = type(estimator).__name__
    for check in (
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_mixin_order,
    ):
        check(name, clone(estimator))


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X = make_graph()
    before = X.copy()
    for part in (X.data, X.indices, X.indptr):
        part.setflags(write=False)
    estimator.fit(X).transform(X)
    assert (X != before).nnz == 0
    assert X.nnz == before.nnz
    dense = before.toarray()
    dense.setflags(write=False)
    estimator.fit(dense).transform(dense)
    np.testing.assert_array_equal(dense, before.toarray())


def check_float_width_stays(estimator):
    for dtype in get_tags(estimator).transformer_tags.preserves_dtype:
        X = make_graph(dtype)
        assert clone(estimator).fit(X).transform(X).dtype == dtype
        assert clone(estimator).fit(X).transform(X.toarray()).dtype == dtype


def check_second_fit_gives_the_same(estimator):
    X = make_graph()
    once = estimator.fit(X).transform(X)
    np.testing.assert_array_equal(estimator.fit(X).transform(X), once)


def check_permuted_nodes_permute_the_output(estimator):
    X = make_graph()
    wanted = clone(estimator).fit(X).transform(X)
    order = np.random.default_rng(0).permutation(N_NODES)
    given = estimator.fit(X[order][:, order]).transform(X[order][:, order])
    np.testing.assert_allclose(given, wanted[order], rtol=0, atol=ROUNDING)


def check_forms_of_a_graph_give_the_same(estimator):
    X = make_graph()
    X.data[:] = 1
    networkx = pytest.importorskip("networkx")
    coo = X.tocoo()
    edges = np.stack(coo.coords)
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    wanted = estimator.fit(X).transform(X)
    for form in (
        X.toarray(),
        X.toarray().astype(int),
        X.toarray().tolist(),
        sp.csc_matrix(X),
        coo,
        wide,
        edges,
        (edges, N_NODES),
        networkx.from_numpy_array(X.toarray()),
    ):
        np.testing.assert_allclose(
            clone(estimator).fit(form).transform(form), wanted, rtol=0, atol=ROUNDING
        )


def check_a_list_gives_what_its_graphs_give(estimator):
    graphs = [make_graph(n_nodes=n, seed=n) for n in (1, 2, 9, 30)]
    listed = estimator.fit(graphs).transform(graphs)
    assert isinstance(listed, list)
    for graph, given in zip(graphs, listed, strict=True):
        np.testing.assert_array_equal(given, estimator.transform(graph))
        assert given.shape[0] == graph.shape[0]
    stack = np.stack([make_graph(seed=seed).toarray() for seed in range(2)])
    np.testing.assert_array_equal(estimator.transform(stack)[1], estimator.transform(stack[1]))


def check_pickle_keeps_the_fit(estimator):
    X = make_graph()
    estimator.fit(X)
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.transform(X), estimator.transform(X))


def check_bad_graphs_are_refused_and_the_earlier_fit_stays(estimator):
    X = make_graph().toarray()
    estimator.fit(X)
    before, state = estimator.transform(X), sorted(vars(estimator))
    one_way, negative, missing = X.copy(), X.copy(), X.copy()
    one_way[0, 1] += 1
    negative[2, 3] = negative[3, 2] = -1
    missing[2, 3] = missing[3, 2] = np.nan
    for match, bad in {
        "not symmetric: 1 pairs": one_way,
        "2 negative weights": negative,
        "NaN or infinity": missing,
        "square": X[:, 1:],
        "no nodes": X[:0, :0],
        "empty list": [],
        "1D array": X[0],
        "[Cc]omplex": X.astype(complex),
        "not numeric": np.full((3, 3), "a"),
        "graph 1 contains NaN": [X, missing],
    }.items():
        for given in (bad, sp.csr_array(bad) if _can_be_sparse(bad) else bad):
            with pytest.raises(ValueError, match=match):
                estimator.fit(given)
            with pytest.raises(ValueError, match=match):
                estimator.transform(given)
        assert sorted(vars(estimator)) == state
        np.testing.assert_array_equal(estimator.transform(X), before)


def _can_be_sparse(X):
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fc"


def check_set_output_gives_data_frames(estimator):
    graphs = [make_graph(), make_graph(n_nodes=5)]
    wanted = estimator.fit(graphs).transform(graphs)
    for library in ("pandas", "polars"):
        pytest.importorskip(library)
        framed = clone(estimator).set_output(transform=library)
        frames = [*framed.fit_transform(graphs), framed.transform(graphs[0])]
        for frame, array in zip(frames, [*wanted, wanted[0]], strict=True):
            assert type(frame).__module__.partition(".")[0] == library
            assert list(frame.columns) == list(estimator.get_feature_names_out())
            np.testing.assert_array_equal(frame.to_numpy(), array)


CHECKS = [
    check_scikit_learn_checks_of_the_estimator_alone,
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_permuted_nodes_permute_the_output,
    check_forms_of_a_graph_give_the_same,
    check_a_list_gives_what_its_graphs_give,
    check_pickle_keeps_the_fit,
    check_bad_graphs_are_refused_and_the_earlier_fit_stays,
    check_set_output_gives_data_frames,
]
LIBRARY_CHECKS = []
