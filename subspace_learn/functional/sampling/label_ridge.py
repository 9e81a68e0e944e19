r"""Ridge for few labels: the fit on rows that were bought, and how strong its penalty should be.

.. math:: \min_{b, c} \sum_i w_i (y_i - b - z_i^T c)^2 + \alpha |c|^2, \qquad \sum_i w_i = 1,

z being the features less their mean, each divided by its standard deviation, both of the whole
pool: alpha has no unit, and b costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .dpp import RowLaw, row_law
from .dpp_least_squares import FeatureSpace, weighted_fit

__all__ = ["CHOICES", "RidgeFit", "leading_law", "ridge_fit"]

CHOICES = ("loo", "evidence")
# Below the first nothing is shrunk but what rounding leaves; above the last everything is.
_PENALTIES = np.geomspace(1e-12, 1e4, 65)
# Labels predicted to ten digits by the others have no noise: below, rounding would choose.
_NO_NOISE = 1e-20


class RidgeFit(NamedTuple):
    """A penalised fit."""

    coef: np.ndarray
    """Coefficients of the raw features, (n_raw, n_targets)."""
    intercept: np.ndarray
    """(n_targets,)."""
    alpha: np.ndarray
    """Penalty of each target, (n_targets,)."""


class _Axes(NamedTuple):
    """Rows times the roots of their weights, in their principal axes."""

    left: np.ndarray
    """Left singular vectors, (n, k)."""
    values: np.ndarray
    """Singular values, (k,)."""
    targets: np.ndarray
    """Targets less their mean times the roots of the weights, (n, n_targets)."""
    own: np.ndarray
    """Leverage of each row in the intercept, (n,)."""


def ridge_fit(
    space: FeatureSpace,
    F: np.ndarray,
    phi: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    alpha: float | str,
) -> RidgeFit:
    """Fit with a penalty that is given, or chosen from the labels for each target.

    Parameters
    ----------
    space : FeatureSpace
        Means and standard deviations of the features in the pool. All features that vary are
        penalised and used, those that depend on others too.
    F : ndarray of shape (n, n_raw)
        Raw features of the rows with labels. A row that comes twice with the same labels counts as
        one label with both weights.
    phi : ndarray of shape (n, m)
        Their orthonormal features, for a fit without a penalty.
    y : ndarray of shape (n, n_targets)
        Labels.
    weights : ndarray of shape (n,)
        Positive, up to a factor.
    alpha : float, "loo" or "evidence"
        The penalty; or "loo" for the one with the least weighted squared error of each label by
        the fit to the others, "evidence" for the one under which the labels are most probable.

    Returns
    -------
    fit : RidgeFit
        Where alpha is 0, least squares on the features of ``space``. The labels choose 0 if they
        are m, so that nothing tells noise from signal, or if they show no noise.

    References
    ----------
    A. E. Hoerl, R. W. Kennard, "Ridge regression", Technometrics 12 (1970).
    D. M. Allen, "The relationship between variable selection and data augmentation and a method
    for prediction", Technometrics 16 (1974) (leaving one out, from the hat matrix).
    D. A. Harville, "Maximum likelihood approaches to variance component estimation and to related
    problems", JASA 72 (1977) (the evidence, with the intercept left out).
    """
    first, weights = _different_labels(F, y, weights)
    F, phi, y = F[first], phi[first], y[first]
    used = np.flatnonzero(space.scales > 0)
    Z = (F - space.origin - space.offset)[:, used] / space.scales[used]
    weights = weights / weights.sum()
    root = np.sqrt(weights)[:, None]
    middle, level = np.zeros(len(used)), np.zeros(y.shape[1])
    if space.intercept:
        middle, level = weights @ Z, weights @ y
    left, values, right = np.linalg.svd((Z - middle) * root, full_matrices=False)
    own = weights if space.intercept else np.zeros(len(F))
    axes = _Axes(left, values, (y - level) * root, own)

    if isinstance(alpha, str):
        alphas = _chosen(axes, _leave_one_out if alpha == "loo" else _minus_evidence)
        if len(F) == phi.shape[1]:  # nothing tells noise from what the features explain
            alphas[:] = 0.0
        elif len(F) > phi.shape[1]:
            noise = _leave_one_out(axes, _PENALTIES[0])
            alphas[noise <= _NO_NOISE * np.sum(axes.targets**2, axis=0)] = 0.0
    else:
        alphas = np.full(y.shape[1], float(alpha))
    square = values[:, None] ** 2 + np.where(alphas > 0, alphas, 1.0)
    c = right.T @ (values[:, None] / square * (left.T @ axes.targets))
    coef = np.zeros((F.shape[1], y.shape[1]))
    coef[used] = c / space.scales[used, None]
    intercept = level - middle @ c - (space.origin + space.offset) @ coef
    plain = np.flatnonzero(alphas == 0)
    if len(plain):
        free = weighted_fit(space, phi, y[:, plain], weights)
        coef[:, plain], intercept[plain] = free.coef, free.intercept
    return RidgeFit(coef, intercept, alphas)


def leading_law(space: FeatureSpace, F: np.ndarray, n_directions: int) -> RowLaw:
    """Law of few directions, for fewer labels than features: the leading principal components.

    Parameters
    ----------
    space : FeatureSpace
        Of all features.
    F : ndarray of shape (n, n_raw)
        The raw features it was made from.
    n_directions : int
        At most m; the constant counts as one, and comes first, if there is an intercept.

    Returns
    -------
    law : RowLaw
        Of the standardised features' leading principal components. ``space._replace(law=law)``
        draws designs of them.
    """
    root = np.sqrt(space.measure)[:, None]
    used = space.scales > 0
    rows = (F - space.origin - space.offset)[:, used] / space.scales[used] * root
    first = root if space.intercept else root[:, :0]
    left = np.linalg.svd(rows, full_matrices=False)[0][:, : n_directions - first.shape[1]]
    return row_law(np.hstack([first, left]), space.law.order)


def _different_labels(
    F: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each label once, and the sum of its weights: a copy says nothing about the noise."""
    _, first, place = np.unique(np.hstack([F, y]), axis=0, return_index=True, return_inverse=True)
    return first, np.bincount(place.ravel(), weights)


def _chosen(axes: _Axes, criterion: Callable[[_Axes, float], np.ndarray]) -> np.ndarray:
    """The penalty of each target with the least value of a criterion."""
    found = np.array([criterion(axes, alpha) for alpha in _PENALTIES])
    return _PENALTIES[np.argmin(found, axis=0)]


def _leave_one_out(axes: _Axes, alpha: float) -> np.ndarray:
    """Weighted mean squared error of each label by the fit to the others."""
    kept = axes.values**2 / (axes.values**2 + alpha)
    residual = axes.targets - (axes.left * kept) @ (axes.left.T @ axes.targets)
    # a fit that passes through a row whatever its label leaves rounding over rounding
    free = np.maximum(1.0 - axes.own - axes.left**2 @ kept, np.finfo(np.float64).eps)
    return np.sum((residual / free[:, None]) ** 2, axis=0)


def _minus_evidence(axes: _Axes, alpha: float) -> np.ndarray:
    """Twice the negative restricted log-likelihood, up to a constant."""
    n_free = len(axes.targets) - bool(axes.own.any())
    inner = axes.left.T @ axes.targets
    whole = np.sum(axes.targets**2, axis=0)
    outside = np.maximum(whole - np.sum(inner**2, axis=0), 0.0)
    grown = 1.0 + axes.values**2 / alpha
    left_over = outside + np.sum(inner**2 / grown[:, None], axis=0)
    smallest = np.finfo(np.float64).tiny
    return n_free * np.log(np.maximum(left_over, smallest)) + np.sum(np.log(grown))
