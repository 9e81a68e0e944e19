"""Neighbour searches of delay embeddings: brute force, since trials are short and embeddings grow.

A tree answers a query among 500 points of 5 to 30 dimensions no faster than a scan, and would be
built anew for each trial and dimension.
"""

from __future__ import annotations

import numpy as np

from . import jit


@jit
def nearest_neighbours(Y, theiler, index, square):
    """Nearest row of Y (n, m) to each row, at least ``theiler + 1`` rows away, (in place).

    Squared Euclidean distances go to ``square`` (n,), positions to ``index`` (n,); a row without a
    neighbour that far, or of which all are at distance 0, gets index -1.
    """
    n, m = Y.shape
    for i in range(n):
        best, found = np.inf, -1
        for j in range(n):
            if abs(i - j) <= theiler:
                continue
            total = 0.0
            for k in range(m):
                gap = Y[i, k] - Y[j, k]
                total += gap * gap
            if 0.0 < total < best:
                best, found = total, j
        index[i] = found
        square[i] = best


@jit
def neighbour_growth(x, lag, distances, growth, counts):
    """Cao's sums: how far the nearest neighbours of each dimension move apart in the next one.

    For a series ``x`` (T,) and d = 1 .. D = len(growth): the sum over t of the ratio of
    maximum-norm distances in d + 1 and in d dimensions between t and its nearest neighbour in d
    dimensions goes to ``growth[d - 1]``, the number of terms to ``counts[d - 1]``. ``distances``
    (T, T) is work space.
    """
    n_times = x.shape[0]
    distances[:, :] = 0.0
    for d in range(1, growth.shape[0] + 1):
        n = n_times - d * lag  # both the d-th and the (d + 1)-th coordinate exist
        shift = (d - 1) * lag
        total, count = 0.0, 0
        for i in range(n):
            best, found = np.inf, -1
            for j in range(n):
                gap = max(distances[i, j], abs(x[i + shift] - x[j + shift]))
                distances[i, j] = gap
                if 0.0 < gap < best:
                    best, found = gap, j
            if found >= 0:
                ahead = abs(x[i + shift + lag] - x[found + shift + lag])
                total += max(best, ahead) / best
                count += 1
        growth[d - 1] = total
        counts[d - 1] = count
