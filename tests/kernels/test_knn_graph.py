"""The graph of neighbour lists against plain sets, and against SciPy's sum of directed graphs."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.neighbors import kneighbors_graph

from subspace_learn.functional.graph.affinity_graph import (
    neighbor_affinity,
    rbf_affinity,
    symmetric_neighbors,
)


def plain_twin(indices):
    n = len(indices)
    weights = np.zeros((n, n))
    for i, row in enumerate(indices):
        for j in row:
            if i != j:
                weights[i, j] += 0.5
                weights[j, i] += 0.5
    return weights


@pytest.mark.parametrize("k", [1, 3, 7])
def test_kernel_equals_its_plain_twin(k):
    rng = np.random.default_rng(k)
    indices = np.stack([rng.permutation(12)[:k] for _ in range(12)])
    graph = symmetric_neighbors(indices)
    np.testing.assert_array_equal(graph.toarray(), plain_twin(indices))
    assert graph.has_sorted_indices


def test_graph_is_the_mean_of_the_directed_graphs():
    X = np.random.default_rng(0).normal(size=(60, 3))
    directed = kneighbors_graph(X, 5)
    wanted = (directed + directed.T) / 2
    assert abs(neighbor_affinity(X, 5) - wanted).max() == 0


def test_sparse_points_have_the_graph_of_dense_ones():
    X = np.random.default_rng(1).normal(size=(40, 4))
    gap = abs(neighbor_affinity(X, 4) - neighbor_affinity(sp.csr_array(X), 4))
    assert gap.max() == 0


def test_few_points_are_all_neighbours():
    X = np.arange(3.0)[:, None]
    np.testing.assert_array_equal(neighbor_affinity(X, 10).toarray(), np.ones((3, 3)) - np.eye(3))
    assert neighbor_affinity(X[:1], 10).nnz == 0


def test_huge_dense_kernel_is_refused_with_its_size():
    points = np.zeros((30_000, 1))
    with pytest.raises(ValueError, match=r"30000 x 30000: 6.7 GiB.*nearest_neighbors"):
        rbf_affinity(points, points, 1.0)
