"""Half-approximate maximum-weight matching of a graph: the Suitor algorithm, and edge weights."""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["join_leftovers", "pair_affinity", "suitor_matching"]


@jit
def pair_affinity(indptr, indices, data, diagonal, w, scale, affinity):
    """How well one unknown stands for both ends of each stored entry, for the smooth vector w.

    ``affinity[e] = round(scale (1 - 2 a_ij w_i w_j / (a_ii w_i^2 + a_jj w_j^2)))`` goes to
    ``affinity`` (nnz,), at least 1 and at most ``2 scale``; 0 on the diagonal. Rounded, so that
    values that differ by rounding alone tie. ``diagonal`` and ``w`` have shape (n,).
    """
    for i in range(indptr.size - 1):
        energy = diagonal[i] * w[i] * w[i]
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            if j == i:
                affinity[e] = 0.0
                continue
            pair = 2.0 * data[e] * w[i] * w[j] / (energy + diagonal[j] * w[j] * w[j])
            affinity[e] = max(1.0, np.rint(scale * (1.0 - pair)))


@jit
def suitor_matching(indptr, indices, weights, colour, suitor, best):
    """Each vertex proposes to its heaviest neighbour that has no better suitor (in place).

    ``suitor`` (n,) gets the number of the matched neighbour or -1, ``best`` (n,) the weight of that
    edge. Entries of ``weights`` (nnz,) that are 0 or less are no edges. Among edges of equal weight
    at one vertex the neighbour of larger ``colour`` (n,) wins, then the one of larger number: a
    strict order, and the matching is the one that greedy choice by this order finds, of at least
    half the largest weight. A proposal costs one row, and each vertex proposes at most once to each
    neighbour. Serial: a proposal may unseat any other.
    """
    n = suitor.size
    for v in range(n):
        suitor[v] = -1
        best[v] = 0.0
    for start in range(n):
        u = start
        while u >= 0:
            found, heaviest = -1, 0.0
            for e in range(indptr[u], indptr[u + 1]):
                v, weight = indices[e], weights[e]
                if weight <= 0.0 or weight < heaviest or weight < best[v]:
                    continue
                if found >= 0 and weight == heaviest:
                    if (colour[v], v) < (colour[found], found):
                        continue
                rival = suitor[v]
                if rival >= 0 and weight == best[v]:
                    if (colour[u], u) <= (colour[rival], rival):
                        continue
                found, heaviest = v, weight
            unseated = -1
            if found >= 0:
                unseated = suitor[found]
                suitor[found] = u
                best[found] = heaviest
            u = unseated
    # weights that are not exactly symmetric could leave a proposal without an answer
    for v in range(n):
        mate = suitor[v]
        if mate >= 0 and suitor[mate] != v:
            suitor[v] = -1


@jit
def join_leftovers(indptr, indices, weights, colour, matched, aggregate):
    """Put each vertex outside the matching into the aggregate of its best matched neighbour.

    ``aggregate`` (n,) is changed in place for vertices with ``matched`` (n,) false that have such a
    neighbour; ties as in `suitor_matching`. Returns how many joined.
    """
    joined = 0
    for u in range(matched.size):
        if matched[u]:
            continue
        found, heaviest = -1, 0.0
        for e in range(indptr[u], indptr[u + 1]):
            v, weight = indices[e], weights[e]
            if weight <= 0.0 or weight < heaviest or not matched[v]:
                continue
            if found >= 0 and weight == heaviest:
                if (colour[v], v) < (colour[found], found):
                    continue
            found, heaviest = v, weight
        if found >= 0:
            aggregate[u] = aggregate[found]
            joined += 1
    return joined
