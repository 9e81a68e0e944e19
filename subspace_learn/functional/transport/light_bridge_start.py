"""Where the fit of a light Schroedinger bridge starts: clusters, slopes, balanced weights."""

from __future__ import annotations

from math import ceil, log2

import numpy as np

__all__ = [
    "balanced_log_weights",
    "distinct_rows",
    "gaussian_slope_factor",
    "start_clusters",
    "variance_within",
]

_RANK = 1e-10  # directions with a smaller share of the variance of the target are not there
_SPREAD = 1e-3  # of the target, put beside that of its clusters
_BALANCED_ROWS, _BALANCED_STEPS = 2000, 20


def distinct_rows(X: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows without repetitions, in lexicographic order, with the sums of their weights.

    What follows depends neither on the order of rows nor on whether a row is repeated or weighted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite.
    weights : ndarray of shape (n_samples,)
        Nonnegative; rows of weight 0 are left out.

    Returns
    -------
    rows : ndarray of shape (n_distinct, n_features)
        In float64.
    shares : ndarray of shape (n_distinct,)
        Sums to 1.
    """
    X, weights = X[weights > 0].astype(np.float64), weights[weights > 0]
    order = np.lexsort(X.T[::-1])
    X, weights = X[order], weights[order]
    starts = np.flatnonzero(np.r_[True, np.any(X[1:] != X[:-1], axis=1)])
    sums = np.add.reduceat(weights, starts)
    return X[starts], sums / sums.sum()


def gaussian_slope_factor(
    source: np.ndarray, target: np.ndarray, eps: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Factor of the slope of the bridge between two Gaussians, and its left inverse.

    The slope ``S = B B^T`` solves ``S S0 S + eps S = S1``: the mean of y given x is
    ``m1 + S (x - m0)``, its covariance ``eps S``. With ``S1 = P P^T`` and
    ``P^T S0 P = U diag(m) U^T`` it is ``B = P U diag(2 / (eps + sqrt(eps^2 + 4 m)))^(1/2)``: no
    inverse, so the source may be flat.

    Parameters
    ----------
    source, target : ndarray of shape (d,) or (d, d)
        Variances of independent columns, or covariance matrices. Directions without variance of the
        target get no slope.
    eps : float, default=1.0
        Variance of the Brownian motion.

    Returns
    -------
    factor : ndarray of shape (d,) or (d, r)
        B, with 0 for columns, or without directions, that the target does not have.
    inverse : ndarray of shape (d,) or (r, d)
        ``B^+``.
    """
    scale = np.sqrt(target if target.ndim == 1 else np.diag(target))
    inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    if target.ndim == 1:
        z = 2.0 / (eps + np.sqrt(eps**2 + 4.0 * source * target))
        return scale * np.sqrt(z), inverse_scale / np.sqrt(z)
    values, V = np.linalg.eigh(target * inverse_scale * inverse_scale[:, None])
    kept = values > _RANK * max(values[-1], 0.0)
    values, V = values[kept], V[:, kept]
    P = scale[:, None] * V * np.sqrt(values)
    m, U = np.linalg.eigh(P.T @ source @ P)
    z = 2.0 / (eps + np.sqrt(eps**2 + 4.0 * np.maximum(m, 0.0)))
    inverse = (U / np.sqrt(z)).T @ (V / np.sqrt(values)).T * inverse_scale
    return P @ U * np.sqrt(z), inverse


def start_clusters(
    y: np.ndarray, q: np.ndarray, n_components: int, init: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the means start, the nearest of them for each row, and the shares of the rows.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_features)
        Rows of the target, distinct ones.
    q : ndarray of shape (n_samples,)
        Weights that sum to 1.
    n_components : int
        At most n_samples.
    init : {"kmeans", "random"}
        Centres of K-means, or random rows.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    centers : ndarray of shape (n_components, n_features)
        The means.
    labels : ndarray of shape (n_samples,)
        Index of the nearest centre.
    shares : ndarray of shape (n_components,)
        Of the rows; positive.
    """
    from sklearn.cluster import KMeans

    scale = np.abs(y).max(initial=0.0) or 1.0  # K-means squares what may be large or small
    model = KMeans(n_components, n_init=1, random_state=int(rng.integers(2**31)))
    if init == "random":
        chosen = np.sort(rng.choice(len(y), n_components, replace=False, p=q))
        model.set_params(init=y[chosen] / scale, max_iter=1)
    model.fit(y / scale, sample_weight=q * len(q))
    labels = model.labels_
    shares = np.bincount(labels, weights=q, minlength=n_components)
    centers = model.cluster_centers_ * scale if init == "kmeans" else y[chosen]
    return centers, labels, np.maximum(shares, 0.1 / n_components / len(q))


def variance_within(gaps: np.ndarray, q: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Variance about the centres of clusters, with a little of the whole beside it.

    Parameters
    ----------
    gaps : ndarray of shape (n_samples, n_features)
        Rows about their centres.
    q : ndarray of shape (n_samples,)
        Weights that sum to 1.
    spread : ndarray of shape (n_features,) or (n_features, n_features)
        Variances, or covariance, of all rows.

    Returns
    -------
    within : ndarray of the shape of ``spread``
        Zero only where ``spread`` is.
    """
    within = q @ gaps**2 if spread.ndim == 1 else gaps.T @ (q[:, None] * gaps)
    return np.where(spread != 0, within + _SPREAD * spread, 0.0)


def balanced_log_weights(
    x: np.ndarray, p: np.ndarray, means: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Log-weights by which each component takes its share of the source; slopes are 1.

    Without them the outermost components take all rows where ``eps`` is small, and those that are
    left with none never come back. Sinkhorn's iteration between rows and components, with a noise
    that is halved from the spread of the exponents down to 1. On some 2000 rows.

    Parameters
    ----------
    x : ndarray of shape (n_samples, r)
        Rows of the source, in the coordinates of the fit.
    p : ndarray of shape (n_samples,)
        Weights that sum to 1.
    means : ndarray of shape (n_components, r)
        Of the components.
    shares : ndarray of shape (n_components,)
        Positive.

    Returns
    -------
    log_weights : ndarray of shape (n_components,)
        The largest is 0.
    """
    some = slice(None, None, len(x) // _BALANCED_ROWS + 1)
    p = p[some] / p[some].sum()
    terms = x[some] @ means.T
    spread = float(np.max(p @ (terms - p @ terms) ** 2)) ** 0.5
    log_weights = np.zeros(len(means))
    for halvings in range(max(0, ceil(log2(max(spread, 1.0)))), -1, -1):
        for _ in range(_BALANCED_STEPS):
            powers = terms * 2.0**-halvings + log_weights
            powers = np.exp(powers - powers.max(axis=1, keepdims=True))
            taken = p @ (powers / powers.sum(axis=1, keepdims=True))
            log_weights = log_weights + np.log(shares) - np.log(np.maximum(taken, 1e-12))
        log_weights = log_weights * (2.0 if halvings else 1.0)
    return log_weights - log_weights.max()
