"""The Suitor matching against greedy choice, and against the best matching there is."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from subspace_learn.kernels.matching import join_leftovers, pair_affinity, suitor_matching


def random_weights(rng, n, density, *, levels=None):
    """Symmetric CSR; with ``levels`` the weights take few values, so that many tie."""
    upper = np.triu(rng.random((n, n)) < density, 1)
    weights = rng.integers(1, levels + 1, (n, n)) if levels else rng.uniform(0.1, 1, (n, n))
    upper = upper * weights
    return sp.csr_array(upper + upper.T, dtype=float)


def kernel_matching(W, colour=None):
    n = W.shape[0]
    colour = np.zeros(n, dtype=np.int64) if colour is None else colour
    suitor, best = np.empty(n, dtype=np.int64), np.empty(n)
    suitor_matching(W.indptr, W.indices, W.data, colour, suitor, best)
    return suitor


def greedy_matching(W, colour):
    """Edges from the best on: by weight, then colours, then numbers of the ends."""
    upper = sp.triu(W, 1).tocoo()

    def key(edge):
        i, j, weight = edge
        return weight, sorted([colour[i], colour[j]])[::-1], sorted([i, j])[::-1]

    mate = np.full(W.shape[0], -1)
    edges = zip(*upper.coords, upper.data, strict=True)
    for i, j, _ in sorted(edges, key=key, reverse=True):
        if mate[i] < 0 and mate[j] < 0:
            mate[i], mate[j] = j, i
    return mate


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_suitor_finds_the_greedy_matching_whatever_the_ties(rng, levels, index):
    for density in (0.05, 0.3, 1.0):
        W = random_weights(rng, 40, density, levels=levels)
        W.indices, W.indptr = W.indices.astype(index), W.indptr.astype(index)
        colour = rng.integers(0, 4, 40)
        np.testing.assert_array_equal(kernel_matching(W, colour), greedy_matching(W, colour))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 60), density=st.floats(0.02, 1), seed=st.integers(0, 2**32 - 1))
def test_weight_is_at_least_half_of_the_optimum(n, density, seed):
    W = random_weights(np.random.default_rng(seed), n, density)
    mate = kernel_matching(W)
    found = sum(W[i, j] for i, j in enumerate(mate) if j > i)
    optimum = sum(W[i, j] for i, j in nx.max_weight_matching(nx.from_scipy_sparse_array(W)))
    assert found >= optimum / 2 * (1 - 1e-12)  # sums of at most 30 numbers
    matched = np.flatnonzero(mate >= 0)
    np.testing.assert_array_equal(mate[mate[matched]], matched)


def test_permuted_vertices_are_matched_alike_when_weights_differ(rng):
    W = random_weights(rng, 50, 0.2)
    order = rng.permutation(50)
    mate = kernel_matching(sp.csr_array(W[order][:, order]))
    permuted = np.full(50, -1)
    permuted[order] = np.where(mate >= 0, order[mate], -1)
    np.testing.assert_array_equal(permuted, kernel_matching(W))


def test_a_star_is_one_pair_and_its_leaves_join_it():
    W = sp.csr_array(nx.to_scipy_sparse_array(nx.star_graph(9), dtype=float))
    mate = kernel_matching(W)
    matched = mate >= 0
    assert matched.sum() == 2
    aggregate = np.where(matched, np.minimum(np.arange(10), mate), np.arange(10))
    colour = np.zeros(10, dtype=np.int64)
    assert join_leftovers(W.indptr, W.indices, W.data, colour, matched, aggregate) == 8
    assert len(set(aggregate)) == 1


def test_weights_that_disagree_leave_no_half_pair():
    """Three vertices that each like the next best: weights that are not symmetric."""
    W = sp.csr_array([[0, 2, 1], [1, 0, 2], [2, 1, 0.0]])
    mate = kernel_matching(W)
    matched = np.flatnonzero(mate >= 0)
    np.testing.assert_array_equal(mate[mate[matched]], matched)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_affinity_equals_its_formula(rng, dtype):
    A = sp.csr_array(random_weights(rng, 30, 0.3) * -1 + 20 * sp.eye_array(30), dtype=dtype)
    w = rng.normal(size=30).astype(dtype)
    scale, affinity = 2.0**20, np.empty(A.nnz)
    pair_affinity(A.indptr, A.indices, A.data, A.diagonal(), w, scale, affinity)
    i, j = A.tocoo().coords
    energy = A.diagonal() * w**2
    wanted = 1 - 2 * A.data * w[i] * w[j] / (energy[i] + energy[j])
    wanted[i == j] = 0
    # half a unit of the grid and three roundings of numbers up to 2
    atol = 0.5 / scale + 6 * np.finfo(dtype).eps
    np.testing.assert_allclose(affinity / scale, wanted, rtol=0, atol=atol)
