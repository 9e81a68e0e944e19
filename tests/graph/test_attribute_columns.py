"""How columns of attributes are read: categories, measurements, weights; and that it is told."""

from datetime import date, timedelta
from decimal import Decimal

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from subspace_learn import SpectralAMGClustering

N = 180
RNG = np.random.default_rng(1)
TRUTH = np.arange(N) // 60
SHOWN = np.where(RNG.random(N) < 0.85, TRUTH, RNG.integers(0, 3, N))
UPPER = np.triu(RNG.random((N, N)) < np.where(TRUTH[:, None] == TRUTH, 0.08, 0.03), 1)
A = sp.csr_array((UPPER + UPPER.T).astype(float))
FRAME = pd.DataFrame(
    {
        "dept": np.array(["a", "b", "c"])[SHOWN],
        "salary": RNG.normal(50_000, 9_000, N).round(),
        "age": RNG.integers(20, 65, N),
    }
)


def fitted(X, adjacency=A, **settings):
    return SpectralAMGClustering(3, random_state=0, **settings).fit(X, adjacency=adjacency)


def score(X):
    return adjusted_rand_score(TRUTH, fitted(X).labels_)


def test_measurements_that_say_nothing_do_not_drown_the_category():
    alone = score(FRAME[["dept"]])
    assert alone > 0.75
    assert score(FRAME) > alone - 0.1
    clearer = np.triu(RNG.random((N, N)) < np.where(TRUTH[:, None] == TRUTH, 0.12, 0.03), 1)
    graph = sp.csr_array((clearer + clearer.T).astype(float))
    edges = SpectralAMGClustering(3, affinity="precomputed", random_state=0).fit(graph)
    noise = fitted(FRAME[["salary", "age"]], graph)
    given = adjusted_rand_score(TRUTH, noise.labels_)
    assert given > adjusted_rand_score(TRUTH, edges.labels_) - 0.1


def test_a_measurement_that_differs_between_clusters_is_used():
    height = pd.DataFrame({"height": 170 + 12 * TRUTH + RNG.normal(0, 4, N)})
    edges = SpectralAMGClustering(3, affinity="precomputed", random_state=0).fit(A)
    assert score(height) > adjusted_rand_score(TRUTH, edges.labels_) + 0.1


@pytest.mark.parametrize("factor", [1e-6, 1e4])
def test_the_unit_of_a_measurement_does_not_matter(factor):
    other = FRAME.assign(salary=factor * FRAME["salary"])
    np.testing.assert_array_equal(fitted(other).labels_, fitted(FRAME).labels_)


def test_categories_are_categories_whatever_their_codes():
    wanted = fitted(FRAME[["dept"]]).labels_
    for codes in (SHOWN, 1000 * SHOWN + 7, SHOWN.astype(float) / 3):
        given = fitted(pd.DataFrame({"dept": pd.Categorical(codes)}))
        np.testing.assert_array_equal(given.labels_, wanted)
        assert given.attribute_kinds_ == {"dept": "category"}


def test_each_reading_is_an_attribute_and_is_told(capsys):
    table = FRAME.assign(constant=0.1, smoker=FRAME["age"] > 40)
    table["word"] = pd.arrays.SparseArray((SHOWN == 1).astype(float))
    model = fitted(table, verbose=1)
    assert model.attribute_kinds_ == {
        "dept": "category",
        "salary": "measurement",
        "age": "measurement",
        "constant": "constant",
        "smoker": "category",
        "word": "weight",
    }
    told = capsys.readouterr().out
    assert "attribute 'dept' was read as a category of 3 values" in told
    assert "attribute 'salary' was read as a measurement, between 6 knots" in told
    assert "attribute 'constant' was read as a constant, and left out" in told
    assert fitted(np.eye(3)[SHOWN]).attribute_kinds_ is None


def test_polars_columns_are_read_alike():
    table = pl.DataFrame({name: FRAME[name].tolist() for name in FRAME})
    model = fitted(table)
    assert model.attribute_kinds_ == fitted(FRAME).attribute_kinds_
    np.testing.assert_array_equal(model.labels_, fitted(FRAME).labels_)


@pytest.mark.parametrize("constant", [0.1, 5.0])
def test_a_value_that_all_nodes_have_alike_changes_nothing(constant):
    X = np.eye(3)[SHOWN]
    wanted = fitted(X)
    for other in (
        fitted(np.column_stack([X, np.full(N, constant)])),
        fitted(sp.csr_array(np.column_stack([np.full(N, constant), X]))),
    ):
        np.testing.assert_array_equal(other.labels_, wanted.labels_)
        assert other.block_model_.bound == pytest.approx(wanted.block_model_.bound, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e-30, 1e20])
def test_neither_scale_of_weights_nor_of_attributes_matters(scale):
    X = np.eye(3)[SHOWN] * RNG.integers(1, 4, (N, 1))
    wanted = fitted(X).labels_
    for X_, A_ in ((scale * X, A), (X, scale * A), (X, (scale * A).astype(np.float32))):
        np.testing.assert_array_equal(fitted(X_, A_).labels_, wanted)


def test_a_column_that_outweighs_all_others_is_told():
    X = np.column_stack([np.eye(3)[SHOWN], 1e4 * RNG.random(N)])
    with pytest.warns(UserWarning, match=r"value 3 weighs [45]\.\d+e\+03 times"):
        fitted(X)


def test_words_in_a_frame_of_numbers_are_told():
    words = pd.DataFrame(sp.random_array((N, 9), density=0.2, rng=0).toarray().round())
    with pytest.warns(UserWarning, match="9 of 9 numeric columns are counts"):
        fitted(words)


def test_sparse_frames_give_no_warning_of_names(recwarn):
    table = pd.DataFrame.sparse.from_spmatrix(
        sp.csr_matrix(np.eye(3)[SHOWN]), columns=["x", "y", "z"]
    )
    model = fitted(table)
    assert not recwarn.list
    np.testing.assert_array_equal(model.labels_, fitted(np.eye(3)[SHOWN]).labels_)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda X: X.assign(dept=pd.array([pd.NA, *X["dept"][1:]])),
            "'dept' is missing .* 1 nodes",
        ),
        (lambda X: X.assign(age=pd.array([pd.NA, *X["age"][1:]], "Int64")), "'age' is missing"),
        (lambda X: X.assign(born=pd.Timestamp("2000-01-01")), "'born' holds dates"),
        (lambda X: X.assign(age=[np.inf, *X["age"][1:]]), "'age' holds infinity"),
        (lambda X: np.ma.masked_equal(np.eye(3)[SHOWN], 0), "masked entries"),
        (lambda X: X.assign(dept="a")[["dept"]], "no node has any attribute"),
        (lambda X: np.ones((N, 2)), "all nodes have the same attributes"),
    ],
)
def test_attributes_that_say_nothing_or_are_not_there_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        fitted(change(FRAME))


def test_new_nodes_are_read_as_in_fit():
    model = fitted(FRAME)
    edges = A.toarray()
    wanted = model.predict(FRAME, adjacency=edges)
    for i in (3, 100, 170):
        assert model.predict(FRAME.iloc[[i]], adjacency=edges[[i]])[0] == wanted[i]
    with pytest.raises(ValueError, match="'dept' was read as a category in fit"):
        model.predict(FRAME.assign(dept=1.0), adjacency=edges)
    with pytest.raises(ValueError, match="Give a DataFrame with the same columns"):
        model.predict(np.ones((2, 3)), adjacency=edges[:2])


def test_numbers_in_an_object_column_are_measurements_too():
    objects = FRAME.assign(salary=FRAME["salary"].astype(object))
    decimals = FRAME.assign(salary=[Decimal(int(value)) for value in FRAME["salary"]])
    wanted = fitted(FRAME)
    for frame in (objects, decimals):
        found = fitted(frame)
        assert found.attribute_kinds_ == wanted.attribute_kinds_
        np.testing.assert_array_equal(found.labels_, wanted.labels_)


@pytest.mark.parametrize(
    "values",
    [
        [date(2020, 1, 1) + timedelta(days=k) for k in range(N)],
        pd.period_range("2020-01-01", periods=N, freq="D"),
    ],
    ids=["objects", "periods"],
)
def test_dates_are_refused_however_they_are_held(values):
    with pytest.raises(ValueError, match="'hired' holds dates"):
        fitted(FRAME.assign(hired=values))


def test_a_complex_column_is_refused_by_its_name():
    with pytest.raises(ValueError, match="'phase' is complex"):
        fitted(FRAME.assign(phase=np.exp(1j * np.arange(N))))


def test_a_category_of_integers_is_known_as_floats_later():
    model = fitted(pd.DataFrame({"dept": pd.Categorical(SHOWN)}))
    nowhere = sp.csr_array((N, N))
    ints, floats = (
        model.predict(pd.DataFrame({"dept": pd.Categorical(SHOWN.astype(t))}), adjacency=nowhere)
        for t in (int, float)
    )
    np.testing.assert_array_equal(floats, ints)
    assert len(np.unique(ints)) == 3


def test_a_category_none_of_whose_values_was_fitted_is_told():
    model = fitted(FRAME[["dept"]])
    with pytest.warns(UserWarning, match="no value of attribute 'dept' occurred in fit"):
        model.predict(pd.DataFrame({"dept": ["A", "B"]}), adjacency=A[:2])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, pl.DataFrame])
def test_vertices_numbered_in_another_order_beside_rows_without_names_are_told(container):
    shuffled = nx.Graph()
    shuffled.add_nodes_from(RNG.permutation(N).tolist())
    shuffled.add_edges_from(zip(*A.nonzero(), strict=True))
    codes = container(0.1 + np.eye(3)[SHOWN])
    with pytest.warns(UserWarning, match="numbered 0 to 179 in another order"):
        fitted(codes, shuffled)
