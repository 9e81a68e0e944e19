r"""Heavy tails of weight matrices, measured in windows of one shape (FARMS).

The exponent of a layer's eigenvalue tail is read as a sign of training. Hill's estimate of it
depends on the aspect ratio of the layer even when the entries are pure noise, so layers of
different shape cannot be compared. Eigenvalues pooled over windows of one aspect ratio can.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._array import Array, array_namespace, to_numpy
from ...linalg.eig import stacked_eigenvalues

__all__ = ["TailFit", "hill_exponent", "pooled_eigenvalues", "window_stack"]

_STACK_BYTES = 1 << 21  # windows decomposed at a time: what a cache holds
_FEWEST = 5  # eigenvalues in a tail


class TailFit(NamedTuple):
    """A power law fitted to the largest of some numbers."""

    alpha: float
    """Exponent of the density: ``f(x) ~ x ** -alpha``."""
    xmin: float
    """Where the tail begins."""
    n_tail: int
    """How many numbers it holds."""
    goodness: float
    """Kolmogorov distance of the tail to the law: small is good."""


def window_stack(W: Array, window: tuple[int, int], n_windows: tuple[int, int]) -> Array:
    """Submatrices of one shape, evenly placed from corner to corner.

    Parameters
    ----------
    W : array of shape (n_rows, n_columns)
        A matrix.
    window : tuple of int
        Rows and columns of a window.
    n_windows : tuple of int
        How many along each axis; they overlap where they must.

    Returns
    -------
    windows : array of shape (n_windows[0] n_windows[1], window[0], window[1])
        Copies.

    Raises
    ------
    ValueError
        If a window is larger than the matrix, or there are fewer places than windows.
    """
    starts = []
    for axis, name in enumerate(("rows", "columns")):
        room = W.shape[axis] - window[axis]
        if room < 0:
            raise ValueError(
                f"A window of {window[0]} x {window[1]} does not fit into a matrix of shape "
                f"{tuple(W.shape)}: too few {name}. Choose a smaller window; its ratio is never "
                "changed here, since exponents of different ratios cannot be compared."
            )
        if n_windows[axis] > room + 1:
            raise ValueError(
                f"{n_windows[axis]} windows of {window[axis]} {name} were asked for, but a matrix "
                f"of shape {tuple(W.shape)} has {room + 1} place(s) for them. Choose fewer windows "
                "or a smaller window."
            )
        count = n_windows[axis]
        starts.append([room * i // max(count - 1, 1) for i in range(count)])
    height, width = window
    xp = array_namespace(W)
    return xp.stack(
        [W[top : top + height, left : left + width] for top in starts[0] for left in starts[1]]
    )


def pooled_eigenvalues(W: Array, window: tuple[int, int], n_windows: tuple[int, int]) -> np.ndarray:
    """Squared singular values of all windows, pooled.

    Parameters
    ----------
    W : array of shape (n_rows, n_columns), or (n_matrices, n_rows, n_columns)
        A matrix, or several whose windows are pooled.
    window, n_windows : tuple of int
        See :func:`window_stack`.

    Returns
    -------
    eigenvalues : ndarray of shape (n_windows[0] * n_windows[1] * min(window),)
        Ascending, float64, on the host; 0 where a window of low rank leaves rounding only.

    Notes
    -----
    Eigenvalues of the windows' Gram matrices in float64, in batches: a tail asks for the large
    ones, which a Gram matrix has to full accuracy. A window of n x n costs ``n^3`` flops for its
    Gram matrix and ``4/3 n^3`` for the eigenvalues.
    """
    xp = array_namespace(W)
    matrices = [W] if W.ndim == 2 else [W[i, :, :] for i in range(W.shape[0])]
    eps = float(xp.finfo(W.dtype).eps)  # singular values of that size may be rounding of W
    per_batch = max(1, _STACK_BYTES // (8 * window[0] * window[1]))
    found = []
    for matrix in matrices:
        stack = window_stack(matrix, window, n_windows)
        for start in range(0, stack.shape[0], per_batch):
            stop = min(start + per_batch, stack.shape[0])
            part = xp.astype(stack[start:stop, :, :], xp.float64, copy=False)
            other = xp.matrix_transpose(part)
            gram = part @ other if window[0] <= window[1] else other @ part
            values = to_numpy(stacked_eigenvalues(gram))
            rounding = 4 * max(window) * max(eps**2, float(np.finfo(np.float64).eps))
            values = np.where(values > rounding * values[:, -1:], values, 0.0)
            found.append(np.ravel(values))
    return np.sort(np.clip(np.concatenate(found), 0.0, None))


def hill_exponent(eigenvalues: np.ndarray, xmin: str = "median") -> TailFit:
    r"""Exponent of a power-law tail by Hill's estimate.

    .. math:: \alpha = 1 + \frac{t}{\sum_{j=1}^{t} \ln (\lambda_{(j)} / x_{\min})}

    over the t numbers from :math:`x_{\min}` on.

    Parameters
    ----------
    eigenvalues : ndarray of shape (m,)
        Nonnegative, in any order.
    xmin : {"median", "ks"}, default="median"
        "median": the upper half is the tail. "ks": the beginning, among those that leave at least
        five numbers, for which the Kolmogorov distance to the power law is smallest.

    Returns
    -------
    fit : TailFit
        With ``goodness = max |1 - (x / xmin)^(1 - alpha) - rank / t|``.

    Raises
    ------
    ValueError
        If fewer than five numbers are positive, or the tail is constant; if ``xmin`` is unknown.

    References
    ----------
    B. M. Hill, "A simple general approach to inference about the tail of a distribution", Annals of
    Statistics 3 (1975).
    A. Clauset, C. R. Shalizi, M. E. J. Newman, "Power-law distributions in empirical data", SIAM
    Review 51 (2009), section 3.3 ("ks").

    Examples
    --------
    >>> import numpy as np
    >>> pareto = (1 - np.random.default_rng(0).uniform(size=20_000)) ** (-1 / 1.5)
    >>> round(hill_exponent(pareto).alpha, 1)
    2.5
    """
    values = np.sort(eigenvalues[eigenvalues > 0])
    if values.size < _FEWEST:
        raise ValueError(
            f"{values.size} positive eigenvalue(s) are too few for a tail; needed are {_FEWEST}. "
            "Choose a larger window or more windows."
        )
    if xmin == "median":
        return _tail_fit(values, values.size // 2)
    if xmin != "ks":
        raise ValueError(f"xmin={xmin!r} is not known. Use 'median' or 'ks'.")
    fits = [
        _tail_fit(values, start)
        for start in range(values.size - _FEWEST + 1)
        if values[start] < values[-1]
    ]
    if not fits:
        return _tail_fit(values, 0)
    return min(fits, key=lambda fit: fit.goodness)


def _tail_fit(values: np.ndarray, start: int) -> TailFit:
    """Fit to the numbers from ``start`` on, of some in ascending order."""
    tail, xmin = values[start:], float(values[start])
    logs = np.log(tail / xmin)
    total = float(np.sum(logs))
    if total <= 0:
        raise ValueError(
            f"The {tail.size} largest eigenvalues are all {xmin:.4g}: a constant has no tail."
        )
    alpha = 1 + tail.size / total
    law = -np.expm1((1 - alpha) * logs)
    ranks = np.arange(tail.size) / tail.size
    return TailFit(alpha, xmin, tail.size, float(np.max(np.abs(law - ranks))))
