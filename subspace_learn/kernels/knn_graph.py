"""Symmetric graph from lists of nearest neighbours, in two passes over the lists."""

from __future__ import annotations

from . import jit

__all__ = ["count_links", "fill_links"]


@jit
def _listed(indices, i, j):
    """Whether j stands among the neighbours of i."""
    for k in range(indices.shape[1]):
        if indices[i, k] == j:
            return True
    return False


@jit
def count_links(indices, indptr):
    """Row pointers of the symmetric graph of neighbour lists ``indices`` (n, k), (in place).

    Each row of ``indices`` holds different vertices. ``indptr`` (n + 1,) comes in as zeros. Vertex
    i itself in its own list is passed over.
    """
    n, m = indices.shape
    for i in range(n):
        for k in range(m):
            j = indices[i, k]
            if j == i:
                continue
            indptr[i + 1] += 1
            if not _listed(indices, j, i):
                indptr[j + 1] += 1
    for i in range(n):
        indptr[i + 1] += indptr[i]


@jit
def fill_links(indices, indptr, place, columns, weights):
    """Columns and weights of that graph: 1 where two vertices list each other, else 1/2.

    ``place`` (n,) is a copy of ``indptr[:-1]`` and is used up; ``columns`` and ``weights``
    (indptr[n],) are written. Columns of a row come in no order.
    """
    n, m = indices.shape
    for i in range(n):
        for k in range(m):
            j = indices[i, k]
            if j == i:
                continue
            mutual = _listed(indices, j, i)
            columns[place[i]] = j
            weights[place[i]] = 1.0 if mutual else 0.5
            place[i] += 1
            if not mutual:
                columns[place[j]] = i
                weights[place[j]] = 0.5
                place[j] += 1
