"""Entropy of attributes inside clusters against SciPy, closed forms and its laws."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import entropy

from subspace_learn.functional.graph.attribute_graph import (
    attribute_entropy,
    attributed_graph,
    measurement_knots,
    measurement_values,
)


def test_entropy_is_the_weighted_sum_of_scipys(rng):
    codes, labels = rng.integers(0, 4, (60, 3)), rng.integers(0, 5, 60)
    wanted = sum(
        np.mean(labels == c) * entropy(np.bincount(codes[labels == c, a]), base=2)
        for c in range(5)
        for a in range(3)
    )
    assert attribute_entropy(codes, labels) == pytest.approx(wanted, rel=1e-12)


def test_names_of_values_and_clusters_do_not_matter(rng):
    codes, labels = rng.integers(0, 4, (60, 2)), rng.integers(0, 3, 60)
    words = np.array(["a", "b", "c", "d"])[codes]
    # clusters come in another order, so that sums differ in their last digit
    wanted = pytest.approx(attribute_entropy(codes, labels), rel=1e-14)
    assert attribute_entropy(words, 10 - 3 * labels) == wanted


def test_limits():
    codes = np.arange(16)
    assert attribute_entropy(codes, np.zeros(16, dtype=int)) == pytest.approx(4)  # log2 16
    assert attribute_entropy(codes, codes) == 0
    assert attribute_entropy(np.column_stack([codes, codes]), codes % 2) == pytest.approx(2 * 3)


def test_a_finer_partition_is_never_more_mixed(rng):
    """Concavity: conditioning on more cannot raise the entropy."""
    codes, labels = rng.integers(0, 4, (80, 2)), rng.integers(0, 3, 80)
    finer = 2 * labels + rng.integers(0, 2, 80)
    assert attribute_entropy(codes, finer) <= attribute_entropy(codes, labels) + 1e-12


def test_a_node_without_edges_counts_as_of_mean_degree_of_the_others():
    A = sp.csr_array(np.array([[0, 2.0, 1, 0], [2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    X = sp.csr_array(np.array([[1.0, 1], [3, 1], [0, 0], [0, 2]]))
    graph = attributed_graph(A, X, 0.25)
    assert graph.typical_degree == 2  # (3 + 2 + 1) / 3
    edges = graph.factor.toarray() * np.sqrt(graph.value_weight)
    wanted = 0.25 * np.array([[1.5, 1.5], [1.5, 0.5], [0, 0], [0, 2]])
    np.testing.assert_allclose(edges, wanted, rtol=1e-12)
    np.testing.assert_allclose(graph.adjacency.toarray(), 0.75 * A.toarray())
    # a walk takes the share of its steps through attributes
    through = graph.factor @ (graph.factor.T @ np.ones(4))
    np.testing.assert_allclose(
        through / (through + graph.adjacency.sum(axis=1)), [0.25, 0.25, 0, 1]
    )


def test_measurements_are_mixtures_of_the_knots_around_them(rng):
    values = 1e4 * rng.normal(size=500)
    knots = measurement_knots(values)
    assert len(knots) == 8  # the cube root of 500
    mixture = measurement_values(values, knots)
    np.testing.assert_allclose(mixture.sum(axis=1), 1, rtol=1e-12)
    # linear between knots, so that the mean of the knots is the number itself
    np.testing.assert_allclose(mixture @ knots, values, rtol=1e-9)
    assert (np.diff(mixture.indptr) <= 2).all()
    ends = measurement_values(np.array([-1e9, 1e9]), knots).toarray()
    np.testing.assert_array_equal(ends, np.eye(8)[[0, 7]])


def test_each_number_that_occurs_is_a_knot_if_there_are_few():
    values = np.tile([3.0, 1, 2], 20)
    np.testing.assert_array_equal(measurement_knots(values), [1, 2, 3])
    np.testing.assert_array_equal(measurement_knots(np.full(9, 0.1)), [0.1])


def test_entropy_counts_what_is_missing_as_a_value_and_refuses_what_is_masked():
    labels = [0, 0, 1, 1]
    for codes in (["a", None, "b", "b"], [1, pd.NA, 2, 2], pd.Series(["a", pd.NA, "b", "b"])):
        assert attribute_entropy(np.asarray(codes, dtype=object), labels) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="masked"):
        attribute_entropy(np.ma.masked_array([1, 1, 2, 2], mask=[0, 0, 0, 1]), labels)
    for wrong in (np.zeros((2, 4)), np.zeros(8)):
        with pytest.raises(ValueError, match="one row of codes for each label"):
            attribute_entropy(wrong, labels)
