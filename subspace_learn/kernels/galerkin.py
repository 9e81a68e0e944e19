"""Products with a prolongator P of one entry per row.

Row i of P holds ``weight[i]`` in column ``aggregate[i]``, a weight of 0 leaves it out. A general
sparse product would search for what is known here: where each entry goes.
"""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["galerkin_product", "prolong_add", "restrict_residual"]


@jit
def galerkin_product(
    indptr, indices, data, aggregate, weight, members, starts, place, out_indptr, out_indices, out
):
    """Write P^T A P as CSR, columns of a row in order of first appearance; return its nonzeros.

    ``members[starts[c] : starts[c + 1]]`` are the rows of A in aggregate c; a row of weight 0 is
    left out. ``out_indices`` and ``out`` need room for as many entries as A has, at most so many
    are made. ``place`` (n_coarse,) is work space. Costs one visit of each entry of A.
    """
    for c in range(starts.size - 1):
        place[c] = -1
    filled = 0
    out_indptr[0] = 0
    for c in range(starts.size - 1):
        first = filled
        for m in range(starts[c], starts[c + 1]):
            i = members[m]
            if weight[i] == 0:
                continue
            for e in range(indptr[i], indptr[i + 1]):
                j = indices[e]
                if weight[j] == 0:
                    continue
                column = aggregate[j]
                value = weight[i] * data[e] * weight[j]
                if place[column] >= first:
                    out[place[column]] += value
                else:
                    place[column] = filled
                    out_indices[filled] = column
                    out[filled] = value
                    filled += 1
        out_indptr[c + 1] = filled
    return filled


@jit
def restrict_residual(indptr, indices, data, X, B, aggregate, weight, coarse):
    """Add P^T (B - A X) to ``coarse`` (n_coarse, k) in place; X and B have shape (n, k)."""
    k = X.shape[1]
    left = np.empty(k, dtype=X.dtype)
    for i in range(indptr.size - 1):
        if weight[i] == 0:
            continue
        if k == 1:
            single = B[i, 0]
            for e in range(indptr[i], indptr[i + 1]):
                single -= data[e] * X[indices[e], 0]
            coarse[aggregate[i], 0] += weight[i] * single
            continue
        for t in range(k):
            left[t] = B[i, t]
        for e in range(indptr[i], indptr[i + 1]):
            j, a = indices[e], data[e]
            for t in range(k):
                left[t] -= a * X[j, t]
        c = aggregate[i]
        for t in range(k):
            coarse[c, t] += weight[i] * left[t]


@jit
def prolong_add(aggregate, weight, coarse, X):
    """Add P ``coarse`` to X in place; shapes (n_coarse, k) and (n, k)."""
    for i in range(aggregate.size):
        if weight[i] != 0:
            for t in range(X.shape[1]):
                X[i, t] += weight[i] * coarse[aggregate[i], t]
