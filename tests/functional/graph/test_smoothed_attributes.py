"""Smoothed attributes against dense formulas, their laws and limits."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from subspace_learn.functional.graph.smoothed_attributes import (
    attribute_directions,
    smoothed_rows,
)


def graph(n=40, seed=0, weight=1.0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < 0.1, 1) * rng.uniform(0.5, 2, (n, n))
    return sp.csr_array(weight * (upper + upper.T))


def words(n, m, seed=0, density=0.05):
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.poisson(3, (n, m)) * (rng.random((n, m)) < density) * 1.0)


def cosines(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    return unit @ unit.T


@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (1400, 700), (700, 1400)])
def test_directions_have_the_cosines_of_the_truncated_table(shape):
    X = words(*shape, density=max(0.05, 6 / shape[1]))
    d = min(15, min(shape))
    table = TfidfTransformer().fit_transform(sp.csr_matrix(X)).toarray()
    U, values, _ = np.linalg.svd(table, full_matrices=False)
    rows = attribute_directions(X, d)
    assert rows.shape == (shape[0], d)
    np.testing.assert_allclose(cosines(rows), cosines((U * values)[:, :d]), atol=1e-5)


@pytest.mark.parametrize("shape", [(30, 20), (1400, 700)])
def test_order_of_nodes_and_values_does_not_matter(shape, rng):
    X = words(*shape, density=max(0.05, 6 / shape[1]))
    nodes, values = rng.permutation(shape[0]), rng.permutation(shape[1])
    given = attribute_directions(sp.csr_array(X[nodes][:, values]), 10)
    np.testing.assert_allclose(given, attribute_directions(X, 10)[nodes], atol=1e-4)


def test_a_rare_value_counts_more_than_a_common_one():
    X = sp.csr_array([[1.0, 1, 0], [1, 0, 1], [1, 0, 1], [1, 0, 1]])
    similar = cosines(attribute_directions(X))
    assert similar[1, 2] == pytest.approx(1)
    assert similar[0, 1] < 0.5  # .5 if both words of each counted alike


def test_nodes_without_values_stay_zero():
    X = words(20, 10, density=0.3).tolil()
    X[3] = 0
    rows = attribute_directions(sp.csr_array(X))
    assert not rows[3].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(rows, 3, axis=0), axis=1), 1)


def test_smoothing_is_a_power_of_the_walk_with_loops(rng):
    A, rows = graph(weight=7.0), rng.standard_normal((40, 3))
    loops = A.toarray() + A.data.mean() * np.eye(40)
    root = np.diag(loops.sum(axis=1) ** -0.5)
    wanted = np.linalg.matrix_power(root @ loops @ root, 3) @ rows
    np.testing.assert_allclose(smoothed_rows(A, rows, 3), wanted, atol=1e-12)
    np.testing.assert_array_equal(smoothed_rows(A, rows, 0), rows)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_unit_of_the_weights_does_not_matter(unit, rng):
    rows = rng.standard_normal((40, 3))
    wanted = smoothed_rows(graph(), rows, 2)
    np.testing.assert_allclose(smoothed_rows(graph(weight=unit), rows, 2), wanted, atol=1e-12)


def test_nodes_without_edges_keep_their_rows(rng):
    A, rows = graph().tolil(), rng.standard_normal((40, 2))
    A[5], A[:, 5] = 0, 0
    np.testing.assert_allclose(smoothed_rows(sp.csr_array(A), rows, 4)[5], rows[5])
    np.testing.assert_array_equal(smoothed_rows(sp.csr_array((40, 40)), rows, 4), rows)
