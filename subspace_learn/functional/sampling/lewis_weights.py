"""Lewis weights: the leverage scores of the p-norm."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace
from .given_rows import given_rows
from .leverage import row_energies, whitener

__all__ = ["LewisWeights", "lewis_weights"]


class LewisWeights(NamedTuple):
    """Result of the fixed point iteration."""

    weights: Array
    """(n_samples,), float64."""
    residual: float
    """Largest relative change that one more pass would make."""
    n_iter: int
    """Passes, each the cost of leverage scores."""
    converged: bool
    """Whether ``residual`` is at most ``tol``."""


def lewis_weights(
    A: Any,
    *,
    p: float = 2.0,
    tol: float = 1e-9,
    max_iter: int = 200,
    method: str = "auto",
    rng: np.random.Generator | None = None,
) -> Array:
    r"""Lewis weights of the rows: the scores whose samples keep all p-norms :math:`|Ax|_p`.

    :math:`w_i = \tau_i(W^{1/2 - 1/p} A)`, leverage scores of the rows rescaled by the weights
    themselves. They sum to the rank of A and are the leverage scores for p = 2.

    Parameters
    ----------
    A : array or sparse matrix of shape (n_samples, n_features)
        Rows; NumPy, CuPy, torch, or SciPy sparse. Any rank.
    p : float, default=2.0
        At least 1.
    tol : float, default=1e-9
        Stops when no weight would change by more than this share of itself. 1e-2 is enough for
        sampling.
    max_iter : int, default=200
        Most passes.
    method : {"auto", "gram", "exact", "sketch"}, default="auto"
        How the leverage scores of a pass are computed, see `leverage_scores`.
    rng : Generator, default=None
        Random numbers of "sketch".

    Returns
    -------
    weights : array of shape (n_samples,)
        Of the library of A, float64; 0 for zero rows.

    Raises
    ------
    ValueError
        If p is below 1, or ``max_iter`` passes did not reach ``tol``.

    Notes
    -----
    With P the matrix of squared inner products of the rescaled rows, a stochastic matrix whose
    eigenvalues lie in [0, 1], the step

    .. math:: \log w \leftarrow (1 - \theta) \log w
              + \theta \tfrac p2 \log a_i^T (A^T W^{1-2/p} A)^{-1} a_i

    has derivative :math:`(1-\theta) I - \theta (p/2 - 1) P`. The two known iterations are
    theta = 1 (Cohen and Peng; rate abs(p/2 - 1), for p < 4 only) and theta = 2 / p
    (:math:`w \leftarrow \tau`; rate abs(1 - 2/p)). Here theta = 4 / (p + 2), the best for
    eigenvalues anywhere in [0, 1]: rate abs(p - 2) / (p + 2), which is 1/3 at p = 1 and at p = 4.
    Weights are rescaled to their known sum.

    References
    ----------
    M. B. Cohen, R. Peng, "Lp row sampling by Lewis weights", STOC 2015 (section 3, p < 4).
    D. P. Woodruff, T. Yasuda, "Sharper bounds for lp sensitivity sampling", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import lewis_weights
    >>> A = np.array([[1.0], [2.0], [3.0]])      # one column: |a_i|^p / sum |a_j|^p
    >>> lewis_weights(A, p=1.0).round(3)
    array([0.167, 0.333, 0.5  ])
    """
    A = given_rows(A)
    found = lewis_fixed_point(A, p=p, tol=tol, max_iter=max_iter, method=method, rng=rng)
    if not found.converged:
        raise ValueError(
            f"After {found.n_iter} passes Lewis weights for p={p} still change by "
            f"{found.residual:.1e}, which is above tol={tol:.1e}. Increase max_iter or tol."
        )
    return found.weights


def lewis_fixed_point(
    A: Any,
    *,
    p: float,
    tol: float,
    max_iter: int,
    method: str = "auto",
    rng: np.random.Generator | None = None,
) -> LewisWeights:
    """Iterate as `lewis_weights` does and report how it went."""
    if not p >= 1:
        raise ValueError(f"p={p} must be at least 1: below it no norm is meant.")
    first = whitener(A, method=method, rng=rng)
    xp = array_namespace(first)
    rank = first.shape[1]
    w = row_energies(A, first)
    # zero rows up to rounding keep weight zero: a negative power of it would be infinite
    present = w > 0
    one = xp.ones_like(w)
    if p == 2 or not bool(xp.any(present)):
        return LewisWeights(xp.clip(w, 0.0, 1.0), 0.0, 1, True)
    # rows with orthonormal columns: no ill-conditioning but that of the weights is left
    rows = A if sp.issparse(A) else xp.astype(A, xp.float64, copy=False) @ first
    inner = method if method == "sketch" else "auto"
    theta = 4.0 / (p + 2.0)
    w = _scaled(xp, w ** (p / 2.0), rank) if p < 2 else w
    residual, n_iter = np.inf, 1
    while n_iter < max_iter:
        n_iter += 1
        safe = xp.where(present, w, one)
        scale = xp.where(present, safe ** (1.0 - 2.0 / p), 0.0 * one)
        q = row_energies(rows, whitener(rows, scale, method=inner, rng=rng))
        present = present & (q > 0)
        q = xp.where(present, q, one)
        ratio = xp.where(present, safe ** (-2.0 / p) * q, one)  # leverage over weight
        residual = float(xp.max(xp.abs(ratio - 1.0)))
        if residual <= tol:
            break
        step = xp.exp(theta * (p / 2.0) * xp.log(ratio))
        w = _scaled(xp, xp.where(present, safe * step, 0.0 * one), rank)
    return LewisWeights(w, residual, n_iter, residual <= tol)


def _scaled(xp: Any, w: Array, total: int) -> Array:
    return w * (total / xp.sum(w))
