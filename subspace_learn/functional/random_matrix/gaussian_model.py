"""A normal law that is told by a few directions: densities, covariance and precision of it."""

from __future__ import annotations

from math import log, pi
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, device_of
from ...linalg.moments import row_blocks
from ...linalg.projection import projection_scores

__all__ = [
    "GaussianModel",
    "coordinates_of",
    "covariance_matrix",
    "divided",
    "log_densities",
    "rows_of_coordinates",
    "squared_lengths",
]


class GaussianModel(NamedTuple):
    """A normal law whose covariance is a multiple of the identity but for some directions."""

    mean: Array
    """(n_features,), float64."""
    scale: Array | None
    """Features are divided by it first, (n_features,); None for 1."""
    components: Array
    """Orthonormal rows in the space of divided features, (n_directions, n_features)."""
    leading: Array
    """Variance along them, (n_directions,)."""
    rest: float
    """Variance along every other direction."""


def divided(X: Array, scale: Array | None) -> Array:
    """Divide columns by their scales, in a copy of the same float width.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    scale : array of shape (n_features,), or None
        Divisors; None returns ``X`` itself.

    Returns
    -------
    X : array or sparse matrix
        Divided.
    """
    if scale is None:
        return X
    if sp.issparse(X):
        return X.multiply(1 / scale[None, :]).asformat(X.format).astype(X.dtype)
    return X / array_namespace(X).astype(scale, X.dtype, copy=False)


def log_densities(X: Array, model: GaussianModel) -> Array:
    """Logarithm of the Gaussian density of each row, at ``2 p r`` flops a row.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    model : GaussianModel
        With positive variances.

    Returns
    -------
    log_density : array of shape (n_samples,)
        In float64 of the library of ``X``.
    """
    xp = array_namespace(model.mean)
    X, mean = divided(X, model.scale), model.mean
    log_det = 0.0
    if model.scale is not None:
        mean = mean / model.scale
        log_det = 2 * float(xp.sum(xp.log(model.scale)))
    n_rest = mean.shape[0] - model.components.shape[0]
    log_det += float(xp.sum(xp.log(model.leading))) + (n_rest * log(model.rest) if n_rest else 0.0)
    X, parts = X.tocsr() if sp.issparse(X) else X, []
    for rows in row_blocks(X):  # n x r coordinates may be far larger than sparse X
        scores = projection_scores(_double(X[rows, :]), mean, model.components)
        squares = scores * scores
        distance = xp.sum(squares / model.leading[None, :], axis=1)
        if n_rest:
            left = squared_lengths(X[rows, :], mean) - xp.sum(squares, axis=1)
            distance = distance + xp.clip(left, min=0.0) / model.rest
        parts.append(distance)
    return -0.5 * (xp.concat(parts) + log_det + mean.shape[0] * log(2 * pi))


def _double(X: Any) -> Any:
    if sp.issparse(X):
        return X.astype(np.float64)
    xp = array_namespace(X)
    return xp.astype(X, xp.float64, copy=False)


def squared_lengths(X: Array, mean: Array) -> Array:
    """Squared distances of the rows to a point.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        The point, float64.

    Returns
    -------
    lengths : array of shape (n_samples,)
        Nonnegative, float64; for sparse rows exact to ``eps |x|^2``.
    """
    if sp.issparse(X):
        energy = np.asarray(X.multiply(X).sum(axis=1), dtype=float).reshape(-1)
        return np.clip(energy - 2 * (X @ mean) + mean @ mean, 0.0, None)
    xp = array_namespace(X)
    gaps = (_double(X[rows, :]) - mean for rows in row_blocks(X))
    return xp.concat([xp.sum(gap * gap, axis=1) for gap in gaps])


def covariance_matrix(model: GaussianModel, *, inverse: bool = False) -> Array:
    """Covariance of a model, or its inverse, in the units of the data.

    Parameters
    ----------
    model : GaussianModel
        Of p features.
    inverse : bool, default=False
        Whether the inverse is wanted (positive variances only).

    Returns
    -------
    matrix : array of shape (p, p)
        Symmetric; ``8 p^2`` bytes.
    """
    xp = array_namespace(model.components)
    leading, rest, scale = model.leading, model.rest, model.scale
    if inverse:
        leading, scale = 1 / leading, None if scale is None else 1 / scale
        rest = 1 / rest if rest > 0 else 0.0
    n = model.components.shape[1]
    eye = xp.eye(n, dtype=model.components.dtype, device=device_of(model.components))
    tilted = (leading - rest)[:, None] * model.components
    matrix = rest * eye + model.components.T @ tilted
    matrix = (matrix + matrix.T) / 2
    return matrix if scale is None else matrix * (scale[:, None] * scale[None, :])


def coordinates_of(X: Array, mean: Array, scale: Array | None, components: Array) -> Array:
    """Coordinates of rows along directions in the space of divided features.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        Their centre.
    scale : array of shape (n_features,), or None
        What features are divided by; None for 1.
    components : array of shape (n_components, n_features)
        The directions, orthonormal rows.

    Returns
    -------
    scores : array of shape (n_samples, n_components)
        In the float width of X; infinite or NaN where its range is left.
    """
    xp = array_namespace(components)
    analysis = components if scale is None else components / scale
    mean, analysis = (xp.astype(part, X.dtype, copy=False) for part in (mean, analysis))
    with np.errstate(over="ignore", invalid="ignore"):
        return projection_scores(X, mean, analysis)


def rows_of_coordinates(
    scores: Array, mean: Array, scale: Array | None, components: Array
) -> Array:
    """Points of the input space with given coordinates.

    Parameters
    ----------
    scores : array of shape (n_samples, n_components)
        Coordinates.
    mean, scale, components : array
        As in :func:`coordinates_of`.

    Returns
    -------
    rows : array of shape (n_samples, n_features)
        In the float width of the scores; infinite or NaN where its range is left.
    """
    xp = array_namespace(components)
    synthesis = components if scale is None else components * scale
    mean, synthesis = (xp.astype(part, scores.dtype, copy=False) for part in (mean, synthesis))
    with np.errstate(over="ignore", invalid="ignore"):
        return scores @ synthesis + mean
