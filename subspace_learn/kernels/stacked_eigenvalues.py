"""Eigenvalues of many small symmetric matrices at once, one lane of the processor for each.

The matrices stand in ``a[i, j, lane]``: every loop runs over lanes, which are neighbours in memory,
so that one instruction serves several matrices.
"""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["lane_eigenvalues"]

# Keeps divisors off 0: a test for 0 would keep a loop from running many lanes at once.
_TINY = 1e-300


@jit(error_model="numpy")
def _tridiagonal(a, d, e, v, p, s, tau):
    """Householder's reduction of the lower triangles of ``a`` (destroyed) to ``d`` and ``e``.

    Shapes: (n, n, L), four times (n, L), twice (L,).
    """
    n, L = a.shape[0], a.shape[2]
    for k in range(n - 2):
        for m in range(L):
            d[k, m] = a[k, k, m]
            s[m] = 0.0
        for i in range(k + 2, n):
            x = a[i, k]
            for m in range(L):
                s[m] += x[m] * x[m]
        x = a[k + 1, k]
        for m in range(L):
            length = np.sqrt(x[m] * x[m] + s[m])
            length = -length if x[m] > 0 else length
            done = s[m] == 0.0
            e[k, m] = x[m] if done else length
            tau[m] = 0.0 if done else (length - x[m]) / length
            s[m] = 0.0 if done else 1.0 / (x[m] - length)
            v[k + 1, m] = 1.0
        for i in range(k + 2, n):
            x, y = a[i, k], v[i]
            for m in range(L):
                y[m] = x[m] * s[m]
        _reflect(a, k + 1, v, p, s, tau)
    for m in range(L):
        d[n - 1, m] = a[n - 1, n - 1, m]
        if n > 1:
            d[n - 2, m] = a[n - 2, n - 2, m]
            e[n - 2, m] = a[n - 1, n - 2, m]


@jit(error_model="numpy")
def _reflect(a, start, v, p, s, tau):
    """Apply ``I - tau v v^T`` from both sides to the rows and columns from ``start`` on."""
    n, L = a.shape[0], a.shape[2]
    for i in range(start, n):
        y = p[i]
        for m in range(L):
            y[m] = 0.0
    for i in range(start, n):  # p = A v, from the lower triangle
        y, vi = p[i], v[i]
        for j in range(start, i):
            x, vj, pj = a[i, j], v[j], p[j]
            for m in range(L):
                y[m] += x[m] * vj[m]
                pj[m] += x[m] * vi[m]
        x = a[i, i]
        for m in range(L):
            y[m] += x[m] * vi[m]
    for m in range(L):
        s[m] = 0.0
    for i in range(start, n):
        x, y = v[i], p[i]
        for m in range(L):
            y[m] *= tau[m]
            s[m] += y[m] * x[m]
    for m in range(L):
        s[m] *= 0.5 * tau[m]
    for i in range(start, n):
        x, y = v[i], p[i]
        for m in range(L):
            y[m] -= s[m] * x[m]
    for i in range(start, n):  # A - v p^T - p v^T
        vi, y = v[i], p[i]
        for j in range(start, i + 1):
            x, vj, pj = a[i, j], v[j], p[j]
            for m in range(L):
                x[m] -= vi[m] * pj[m] + y[m] * vj[m]


@jit(error_model="numpy")
def _ql_without_roots(d, e, work):
    """Eigenvalues of tridiagonal matrices (in ``d``, unordered), all lanes in step.

    The variant of Pal, Walker and Kahan, as LAPACK's sterf has it, without splitting. ``e`` is
    destroyed. Shapes (n, L), (n, L), (8, L). Returns whether every lane converged.
    """
    n, L = d.shape
    for i in range(n):
        for m in range(L):
            e[i, m] = e[i, m] * e[i, m] if i < n - 1 else 0.0
    for k in range(n - 1):
        for sweep in range(80):
            if _n_unfinished(d, e, k, work[0]) == 0:
                break
            if sweep == 79:
                return False
            _sweep(d, e, k, work)
    return True


@jit(error_model="numpy")
def _n_unfinished(d, e, k, active):
    """Drop negligible entries ``e[k]``; ``active`` and the return value tell which are left."""
    left = 0
    for m in range(d.shape[1]):
        # matrices have norm 1: what is dropped is below their own rounding
        small = e[k, m] <= 2.0**-106 * (abs(d[k, m] * d[k + 1, m]) + 0.0625)
        e[k, m] = 0.0 if small else e[k, m]
        active[m] = 0.0 if small else 1.0
        left += 0 if small else 1
    return left


@jit(error_model="numpy")
def _sweep(d, e, k, work):
    """One QL sweep from the last row up to row k, in the lanes that are active.

    Each loop touches few arrays: with more of them LLVM gives up showing that they do not overlap,
    and the loop would run one lane at a time.
    """
    n, L = d.shape
    active, shift, square, s = work[0], work[1], work[2], work[3]
    c_old, c, g_old, g = work[4], work[5], work[6], work[7]
    for m in range(L):
        root = np.sqrt(e[k, m]) if active[m] > 0 else 1.0
        half = (d[k + 1, m] - d[k, m]) / (2 * root)
        length = np.sqrt(half * half + 1)
        shift[m] = d[k, m] - root / (half + (length if half >= 0 else -length))
    for m in range(L):
        c_old[m], s[m] = 1.0, 0.0
        g_old[m] = d[n - 1, m] - shift[m]
        square[m] = g_old[m] * g_old[m]
    for i in range(n - 2, k - 1, -1):
        alpha, below, b, b_below = d[i], d[i + 1], e[i], e[i + 1]
        if i < n - 2:
            for m in range(L):
                b_below[m] = s[m] * (square[m] + b[m]) if active[m] > 0 else b_below[m]
        for m in range(L):
            inverse = 1.0 / (square[m] + b[m] + _TINY)
            c[m] = (square[m] + _TINY) * inverse
            s[m] = b[m] * inverse
        for m in range(L):
            g[m] = c[m] * (alpha[m] - shift[m]) - s[m] * g_old[m]
        for m in range(L):
            below[m] = g_old[m] + (alpha[m] - g[m]) if active[m] > 0 else below[m]
        for m in range(L):
            ratio = g[m] * g[m] / (c[m] + _TINY)
            square[m] = ratio if (square[m] > 0) | (b[m] == 0) else c_old[m] * b[m]
        c_old, c, g_old, g = c, c_old, g, g_old
    for m in range(L):
        e[k, m] = s[m] * square[m] if active[m] > 0 else e[k, m]
    for m in range(L):
        d[k, m] = shift[m] + g_old[m] if active[m] > 0 else d[k, m]


@jit(error_model="numpy")
def lane_eigenvalues(a, d):
    """Eigenvalues of the symmetric matrices ``a[:, :, m]``, unordered, in ``d[:, m]``.

    ``a`` (n, n, L) holds lower triangles of Frobenius norm 1 and is destroyed; ``d`` (n, L) is
    filled. ``4/3 n^3`` flops a matrix, and some ``25 n^2`` for QL. Returns whether QL converged.
    """
    n, L = d.shape
    e, v, p = np.zeros((n, L)), np.empty((n, L)), np.empty((n, L))
    _tridiagonal(a, d, e, v, p, np.empty(L), np.empty(L))
    return _ql_without_roots(d, e, np.empty((8, L)))
