"""Leading eigenpairs of a large sparse matrix by Chebyshev-filtered subspace iteration."""

from __future__ import annotations

from collections.abc import Callable
from math import acosh, ceil
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from ..._warnings import warn

__all__ = ["chebyshev_filtered", "filtered_eigenpairs"]

# The filter multiplies the direction of eigenvalue 1 by cosh(22) = 1.8e9: fewer rounds, fewer QR
# factorisations than with 1e4, and still far from the 1e16 at which rounding would wash out the
# directions near the edge (measured: vectors orthonormal to 2e-13).
_GROWTH = 22.0
_MAX_DEGREE = 500
_ROUNDING = 1e-14  # residuals of exact pairs, for a spectrum in [-1, 1]
_ALL_ONE, _AWAY = 1e-8, 1e-3
_FLOOR = 1e-4  # least weight of a residual: an eigenvalue is far more accurate than its vector


def chebyshev_filtered(S: Any, block: np.ndarray, edge: float, degree: int) -> np.ndarray:
    """Multiply ``block`` by a Chebyshev polynomial of ``S`` that is small on [-1, ``edge``].

    .. math:: T_q\\left(\\frac{2 S - (e - 1) I}{1 + e}\\right) B

    stays within [-1, 1] on the eigenvalues up to the edge e, and grows quickly above it.

    Parameters
    ----------
    S : csr_array of shape (n, n), or operator with ``@``
        Symmetric, eigenvalues in [-1, 1].
    block : array of shape (n, b)
        Directions B.
    edge : float
        In (-1, 1).
    degree : int
        Degree q, at least 1: as many products with ``S``.

    Returns
    -------
    filtered : array of shape (n, b)
        A new array.
    """
    scale, shift = 2 / (1 + edge), (edge - 1) / (1 + edge)
    if sp.issparse(S):  # one product is then the whole step
        times = sp.csr_array(2 * scale * S - 2 * shift * sp.eye_array(S.shape[0])).__matmul__
    else:

        def times(block: np.ndarray) -> np.ndarray:
            image = S @ block
            image *= 2 * scale
            image -= 2 * shift * block
            return image

    before, now = block, 0.5 * times(block)
    for _ in range(degree - 1):
        following = times(now)
        following -= before
        before, now = now, following
    return now


def filtered_eigenpairs(
    S: Any,
    n_pairs: int,
    *,
    rtol: float = 1e-8,
    atol: float = _ROUNDING,
    damping: Callable[[np.ndarray], np.ndarray] | None = None,
    max_rounds: int = 60,
    seed: int = 0,
    growth: float = _GROWTH,
    n_guards: int | None = None,
    residuals_seen: list[float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, with their vectors, of a sparse matrix with spectrum in [-1, 1].

    Parameters
    ----------
    S : csr_array of shape (n, n), or operator with ``@`` and ``shape``
        Symmetric, largest eigenvalue 1, such as a normalised adjacency.
    n_pairs : int
        How many pairs; at most n / 3.
    rtol : float, default=1e-8
        Stops when the residual ``|S v - theta v|`` of every pair, times its damping, is below
        ``rtol * (1 - theta_last)``, or ``atol``.
    atol : float, default=1e-14
        Where more values are 1 than are wanted, 1e-14 may be out of reach.
    damping : callable, optional
        Takes the Ritz values and returns a weight in [0, 1] for each: how much the pair matters to
        the caller. None means 1. A weight below 1e-4 counts as 1e-4: even a pair that does not
        matter is found roughly, and its eigenvalue, whose error is of second order, well.
    max_rounds : int, default=60
        Filter steps before it gives up with a warning.
    seed : int, default=0
        Of the random start. Converged pairs do not depend on it.
    growth : float, default=22
        One filter multiplies the direction of eigenvalue 1 by cosh(growth). Less suits rough pairs.
    n_guards : int, default=None
        Further vectors in the block, behind those wanted; None is a quarter, at least 8.
    residuals_seen : list, default=None
        Gets the largest residual, relative to the gap and damped, of each round.

    Returns
    -------
    values : array of shape (n_pairs,)
        Descending.
    vectors : array of shape (n, n_pairs)
        Orthonormal columns.

    Warns
    -----
    ConvergenceWarning
        If ``max_rounds`` were not enough; says how far it came.

    Notes
    -----
    A block of vectors finds every copy of a repeated eigenvalue, which a Lanczos process with
    single vectors can miss. By Cauchy's interlacing a Ritz value never exceeds the eigenvalue of
    its rank, so the filter's edge, the smallest Ritz value of the block, never cuts off a wanted
    pair.
    Each round costs q products of S with the block and one QR factorisation; q grows like
    ``1 / sqrt(1 - edge)`` up to 500, so long thin graphs (paths, large grids) are the slow ones.

    References
    ----------
    Y. Zhou, Y. Saad, M. L. Tiago, J. R. Chelikowsky, "Self-consistent-field calculations using
    Chebyshev-filtered subspace iteration", J. Comput. Phys. 219, 2006, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> S = sp.diags_array(np.linspace(-1, 1, 101)).tocsr()
    >>> filtered_eigenpairs(S, 3)[0].round(6)
    array([1.  , 0.98, 0.96])
    """
    n = S.shape[0]
    n_block = min(n, n_pairs + (max(8, n_pairs // 4) if n_guards is None else n_guards))
    block = np.random.default_rng(seed).standard_normal((n, n_block))
    worst = np.inf
    for _ in range(max_rounds):
        values, vectors, residuals = _ritz_pairs(S, block)
        gap = max(1 - values[n_pairs - 1], atol / rtol)
        weights = np.ones(n_pairs) if damping is None else damping(values[:n_pairs])
        worst = float(np.max(np.maximum(weights, _FLOOR) * residuals[:n_pairs]) / gap)
        if residuals_seen is not None:
            residuals_seen.append(worst)
        if worst <= rtol:
            return values[:n_pairs], vectors[:, :n_pairs]
        # a block full of 1s (fewer vectors than components) does not say where the rest begins
        edge = values[-1] if values[-1] < 1 - _ALL_ONE else 1 - _AWAY
        degree = ceil(growth / acosh((3 - edge) / (1 + edge)))
        block = chebyshev_filtered(S, vectors, edge, min(degree, _MAX_DEGREE))
    warn(
        f"{n_pairs} eigenpairs of a graph of {n} nodes are accurate to {worst:.1e} of the last "
        f"eigenvalue after {max_rounds} rounds, not to {rtol:.0e}: its smallest eigenvalues lie "
        "very close together. Ask for fewer eigenvectors, or go on if that is enough.",
        ConvergenceWarning,
    )
    return values[:n_pairs], vectors[:, :n_pairs]


def _ritz_pairs(S: sp.csr_array, block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ritz values (descending), vectors and residual norms of ``S`` in the span of ``block``."""
    basis, _ = scipy.linalg.qr(block, mode="economic", check_finite=False)
    image = S @ basis
    values, mix = scipy.linalg.eigh(basis.T @ image, check_finite=False)
    values, mix = values[::-1], mix[:, ::-1]
    vectors = basis @ mix
    return values, vectors, np.linalg.norm(image @ mix - vectors * values, axis=0)
