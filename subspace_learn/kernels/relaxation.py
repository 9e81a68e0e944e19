"""Gauss-Seidel sweeps over several vectors at once."""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["gauss_seidel"]


@jit
def gauss_seidel(indptr, indices, data, X, B, backward):
    """One sweep on A X = B in place, rows in ascending or (``backward``) descending order.

    X and B have shape (n, k), row-major: an entry of A is read once for all k vectors. The diagonal
    must be stored and not zero. Serial: each row needs those before it.
    """
    n, k = X.shape
    left = np.empty(k, dtype=X.dtype)
    for step in range(n):
        i = n - 1 - step if backward else step
        pivot = data[0] * 0
        if k == 1:  # a third of the time of the loop below
            single = B[i, 0]
            for e in range(indptr[i], indptr[i + 1]):
                j = indices[e]
                if j == i:
                    pivot += data[e]
                else:
                    single -= data[e] * X[j, 0]
            X[i, 0] = single / pivot
            continue
        for t in range(k):
            left[t] = B[i, t]
        for e in range(indptr[i], indptr[i + 1]):
            j, a = indices[e], data[e]
            if j == i:
                pivot += a
            else:
                for t in range(k):
                    left[t] -= a * X[j, t]
        for t in range(k):
            X[i, t] = left[t] / pivot
