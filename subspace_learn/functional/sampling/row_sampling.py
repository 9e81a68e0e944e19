"""Weighted samples of rows from scores, how well they keep norms, and samples of streams."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .dpp import independent_rows
from .leverage import (
    leverage_scores,
    row_energies,
    weighted_gram,
    whitened_blocks,
    whitener,
)
from .lewis_weights import lewis_weights
from .lp_sensitivity import lp_sensitivities

__all__ = ["METHODS_OF", "SCORES", "RowSample", "embedding_error", "row_scores", "sample_rows"]

SCORES = ("lewis", "leverage", "root_leverage", "sensitivity", "combined", "uniform")
# What `method` may be for each score.
METHODS_OF = {
    "lewis": ("auto", "exact", "sketch"),
    "leverage": ("auto", "exact", "sketch"),
    "root_leverage": ("auto", "exact", "sketch"),
    "sensitivity": ("auto", "exact", "approximate"),
    "combined": ("auto", "exact", "approximate"),
    "uniform": ("auto", "exact", "sketch", "approximate"),
}
_REFINEMENTS, _REFINED = 4, 6  # steps of the search for bad directions, and how many are refined


class RowSample(NamedTuple):
    """Rows drawn with their weights."""

    indices: np.ndarray
    """Row numbers."""
    weights: np.ndarray
    """Weights of ``|a_i x|^p``: 1 over the expected number of draws."""
    probabilities: np.ndarray
    """Of every row: of each draw ("replacement"), or of being kept ("bernoulli")."""


def row_scores(
    A: Any,
    score: str,
    *,
    p: float,
    method: str,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Importance of each row of A by one of ``SCORES``; they need not sum to 1.

    Parameters
    ----------
    A : ndarray or sparse matrix of shape (n, d)
        Rows.
    score : str
        One of ``SCORES``.
    p : float
        Exponent of the norm.
    method : str
        One of ``METHODS_OF[score]``.
    tol, max_iter : float, int
        When Lewis weights and sensitivities stop.
    rng : Generator
        For sketches and approximations.
    weights : ndarray of shape (n,), default=None
        Nonnegative. A row of weight w has the score of w equal rows together. None means 1 each.

    Returns
    -------
    scores : ndarray of shape (n,)
        Nonnegative.
    """
    if method not in METHODS_OF[score]:
        raise ValueError(
            f"method={method!r} does not go with row_score={score!r}. Use one of "
            f"{METHODS_OF[score]}."
        )
    if score == "uniform":
        return np.ones(A.shape[0]) if weights is None else weights
    if score == "lewis" and p != 2:
        rows = _scaled(A, weights, 1.0 / p)
        return lewis_weights(rows, p=p, tol=tol, max_iter=max_iter, method=method, rng=rng)
    if score != "sensitivity":
        tau_method = "auto" if score == "combined" else method
        tau = leverage_scores(_scaled(A, weights, 0.5), method=tau_method, rng=rng)
        if score in ("leverage", "lewis"):
            return tau
    if score == "root_leverage":
        if weights is None:
            return tau ** (p / 2.0)
        # each of w copies has tau / w
        return np.where(weights > 0, weights, 1.0) ** (1.0 - p / 2.0) * tau ** (p / 2.0)
    rows = _scaled(A, weights, 1.0 / p)
    s = lp_sensitivities(rows, p=p, method=method, tol=tol, max_iter=max_iter, rng=rng)
    if score == "sensitivity" or not s.any():
        return s
    return s / s.sum() + tau / tau.sum()


def _scaled(A: Any, weights: np.ndarray | None, power: float) -> Any:
    """Rows times a power of their weights."""
    if weights is None or (weights == 1).all():
        return A
    factors = (weights**power)[:, None]
    return A.multiply(factors).tocsr() if sp.issparse(A) else A * factors


def sample_rows(
    scores: np.ndarray,
    size: int,
    rng: np.random.Generator,
    *,
    law: str = "replacement",
    merge: bool = True,
    order: np.ndarray | None = None,
) -> RowSample:
    """Draw rows in proportion to their scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Nonnegative.
    size : int
        Draws ("replacement"), or the expected number of rows ("bernoulli").
    rng : Generator
        Random numbers.
    law : {"replacement", "bernoulli"}, default="replacement"
        Independent draws, or each row by itself with probability min(1, c score).
    merge : bool, default=True
        Whether a row drawn k times appears once with k times the weight.
    order : ndarray of shape (n,), default=None
        Order in which rows take their share of the random numbers.

    Returns
    -------
    sample : RowSample
        ``sum_i w_i f_i`` over the sample has the expectation ``sum_i f_i`` over rows with positive
        score.

    Raises
    ------
    ValueError
        If no score is positive.
    """
    if not scores.any():
        raise ValueError(
            "Every score is 0 (all rows are zero), so that no row can be drawn. Use "
            "row_score='uniform', or leave such tables out."
        )
    order = np.arange(len(scores)) if order is None else order
    if law == "bernoulli":
        kept = _kept_probabilities(scores, size)
        lots = np.empty(len(scores))
        lots[order] = rng.random(len(scores))
        indices = np.flatnonzero(lots < kept)
        return RowSample(indices, 1.0 / kept[indices], kept)
    shares = scores / scores.sum()
    indices = order[independent_rows(np.cumsum(scores[order]), size, rng)]
    if not merge:
        return RowSample(indices, 1.0 / (size * shares[indices]), shares)
    indices, counts = np.unique(indices, return_counts=True)
    return RowSample(indices, counts / (size * shares[indices]), shares)


def _kept_probabilities(scores: np.ndarray, size: int) -> np.ndarray:
    """``min(1, c score)`` with c such that they sum to ``size``, or all positive rows if fewer."""
    positive = np.flatnonzero(scores > 0)
    kept = np.zeros(len(scores))
    if size >= len(positive):
        kept[positive] = 1.0
        return kept
    descending = np.sort(scores[positive])[::-1]
    # with the k largest at 1, c = (size - k) / sum of the rest; right for the first k that keeps
    # the next below 1
    rest = np.cumsum(descending[::-1])[::-1]
    k = np.arange(len(descending))
    factor = (size - k) / rest
    right = np.flatnonzero((k < size) & (factor * descending <= 1.0 + 1e-12))[0]
    return np.minimum(1.0, factor[right] * scores)


def embedding_error(
    A: Any,
    indices: np.ndarray,
    weights: np.ndarray,
    *,
    p: float = 2.0,
    sample_weight: np.ndarray | None = None,
    n_directions: int = 200,
    rng: np.random.Generator | None = None,
) -> float:
    r"""How far a weighted sample of rows changes p-norms: ``max_x | |SAx|_p^p / |Ax|_p^p - 1 |``.

    Parameters
    ----------
    A : ndarray or sparse matrix of shape (n, d)
        All rows.
    indices : ndarray of shape (k,)
        Rows of the sample.
    weights : ndarray of shape (k,)
        Their weights, on the p-th power.
    p : float, default=2.0
        At least 1.
    sample_weight : ndarray of shape (n,), default=None
        Weights that all rows have, on the p-th power; None means 1 each. Those of the sample are
        multiplied by them.
    n_directions : int, default=200
        Directions that a search for p != 2 begins with.
    rng : Generator, default=None
        Draws them; None means ``default_rng(0)``.

    Returns
    -------
    error : float
        Exact for p = 2 (an eigenvalue problem), else the largest found by a search over x: a lower
        bound.
    """
    A = _scaled(A, sample_weight, 1.0 / p)
    T = whitener(A)
    sample = A[indices] @ T
    sample = np.asarray(sample.toarray() if sp.issparse(sample) else sample)
    if T.shape[1] == 0:
        return 0.0
    if p == 2:
        values = np.linalg.eigvalsh(weighted_gram(sample, weights))
        return float(np.max(np.abs(values - 1.0), initial=0.0))
    rng = np.random.default_rng(0) if rng is None else rng
    energies = row_energies(A, T)
    peaks = np.argsort(energies)[-n_directions // 2 :]
    peaks = np.sort(peaks[energies[peaks] > 0])
    x = np.vstack([rng.standard_normal((n_directions, T.shape[1])), A[peaks] @ T])
    error = _errors(A, T, sample, weights, x, p)
    for _ in range(_REFINEMENTS):
        worst = x[np.argsort(error)[-_REFINED:]]
        x = np.vstack([worst, *(_eigen_directions(A, T, sample, weights, v, p) for v in worst)])
        error = _errors(A, T, sample, weights, x, p)
    return float(error.max())


def _errors(
    A: Any, T: np.ndarray, sample: np.ndarray, weights: np.ndarray, x: np.ndarray, p: float
) -> np.ndarray:
    """Relative change of the p-norm along each direction, one block of rows at a time."""
    whole = np.zeros(len(x))
    for _, rows in whitened_blocks(A, T):
        whole += np.sum(np.abs(rows @ x.T) ** p, axis=0)
    part = weights @ np.abs(sample @ x.T) ** p
    return np.abs(part / whole - 1.0)


def _eigen_directions(
    A: Any, T: np.ndarray, sample: np.ndarray, weights: np.ndarray, v: np.ndarray, p: float
) -> np.ndarray:
    """Extreme directions of the two norms, each replaced by its quadratic form at v."""
    from scipy.linalg import eigh

    products = A @ (T @ v)
    largest = np.max(np.abs(products), initial=1e-300)

    def curvature(r: np.ndarray, top: float) -> np.ndarray:
        return np.maximum(np.abs(r), 1e-6 * top) ** (p - 2.0)

    whole = np.zeros((T.shape[1], T.shape[1]))
    for rows, Z in whitened_blocks(A, T):
        whole += Z.T @ (Z * curvature(products[rows], largest)[:, None])
    at_sample = sample @ v
    top = np.max(np.abs(at_sample), initial=1e-300)
    part = weighted_gram(sample, weights * curvature(at_sample, top))
    vectors = eigh(part, whole + 1e-12 * np.trace(whole) * np.eye(len(whole)))[1]
    return vectors[:, [0, -1]].T
