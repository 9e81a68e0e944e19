r"""Robustness-based nonconformity scores: which signal directions move when the input is disturbed.

The score and its name are from EigenShield (Darabi et al. 2025). The formula here is **our
reconstruction** from the abstract, since neither text nor code was at hand: for coordinates
:math:`z = v_j^T x` of rows and :math:`z'` of the same rows disturbed,

.. math:: \mathrm{RbNS}_j = \frac{\operatorname{mean} |z - z'|}{s_j},

with :math:`s_j` the standard deviation of z, or, with labels, the square root of its variance
between classes. A direction with a low score keeps its message under the disturbance.

The directions of a sample mix what is robust with what is fragile. :func:`rotated_directions` (our
addition) unmixes them before they are scored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "Selection",
    "conformal_support",
    "robust_selection",
    "robustness_scores",
    "rotated_directions",
    "same_class_rows",
]


class Selection(NamedTuple):
    """Which directions are kept."""

    support: np.ndarray
    """One boolean for each direction, or for each turned one, (n_directions,)."""
    scores: np.ndarray | None
    """Their scores; None if a mask was given."""
    rotation: np.ndarray
    """Orthonormal rows that make the kept directions, (n_components, n_directions)."""


def robust_selection(
    Z: np.ndarray,
    Z_perturbed: np.ndarray,
    quantile: float,
    *,
    turn: bool = False,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Selection:
    """Keep the directions that a disturbance moves little.

    Parameters
    ----------
    Z, Z_perturbed : ndarray of shape (n_samples, n_directions)
        Coordinates of rows, and of the same rows disturbed.
    quantile : float
        See :func:`conformal_support`.
    turn : bool, default=False
        Whether directions are turned first, see :func:`rotated_directions`.
    labels, weights : ndarray of shape (n_samples,), optional
        See :func:`robustness_scores`.

    Returns
    -------
    selection : Selection
        With scores.
    """
    turned = rotated_directions(Z, Z_perturbed, weights) if turn else np.eye(Z.shape[1])
    scores = robustness_scores(Z @ turned, Z_perturbed @ turned, labels, weights)
    support = conformal_support(scores, quantile)
    kept = turned[:, support]
    return Selection(support, scores, np.linalg.qr(kept)[0].T if turn else kept.T)


def robustness_scores(
    Z: np.ndarray,
    Z_perturbed: np.ndarray,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Nonconformity of each direction: how far it moves, relative to what it says.

    Parameters
    ----------
    Z, Z_perturbed : ndarray of shape (n_samples, n_directions)
        Coordinates of rows, and of the same rows disturbed.
    labels : ndarray of shape (n_samples,), optional
        Classes: the movement is then compared with the spread of their means.
    weights : ndarray of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    scores : ndarray of shape (n_directions,)
        Nonnegative; infinite for a direction that says nothing and moves.
    """
    weights = np.ones(Z.shape[0]) if weights is None else weights
    share = weights / np.sum(weights)
    moved = share @ np.abs(Z - Z_perturbed)
    mean = share @ Z
    if labels is None:
        message = share @ (Z - mean) ** 2
    else:
        message = np.zeros(Z.shape[1])
        for label in np.unique(labels):
            mass = share * (labels == label)
            if mass.sum() > 0:
                message += mass.sum() * (mass @ Z / mass.sum() - mean) ** 2
    spread = np.sqrt(message)
    still = (spread == 0) & (moved == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(still, 0.0, moved / spread)


def rotated_directions(
    Z: np.ndarray, Z_perturbed: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    r"""Directions that a disturbance moves one by one: the least moved first.

    Columns w of the eigenproblem :math:`M w = \mu C w`, with :math:`M = \operatorname{mean}
    (z' - z)(z' - z)^T` and C the covariance of z: movements along them are uncorrelated, and
    :math:`\mu` is the mean square movement relative to the variance. A disturbance of rank k leaves
    all but k of them where they are.

    Parameters
    ----------
    Z, Z_perturbed : ndarray of shape (n_samples, n_directions)
        Coordinates of rows, and of the same rows disturbed.
    weights : ndarray of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    directions : ndarray of shape (n_directions, n_directions)
        Columns, of unit variance, in ascending order of :math:`\mu`; not orthogonal.

    Examples
    --------
    >>> import numpy as np
    >>> Z = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    >>> moved = Z + np.array([0.3, 0.3])       # along the diagonal
    >>> W = rotated_directions(Z, moved)
    >>> np.abs((moved - Z) @ W)[0].round(2)    # one direction moves, the other does not
    array([0.  , 0.42])
    """
    weights = np.ones(Z.shape[0]) if weights is None else weights
    share = weights / np.sum(weights)
    centred = Z - share @ Z
    values, vectors = np.linalg.eigh(centred.T @ (share[:, None] * centred))
    # a direction that says nothing counts as one that says as little as rounding does
    floor = np.finfo(float).eps * Z.shape[1] * np.max(values, initial=0.0)
    white = vectors / np.sqrt(np.maximum(values, floor or 1.0))
    moves = (Z_perturbed - Z) @ white
    return white @ np.linalg.eigh(moves.T @ (share[:, None] * moves))[1]


def conformal_support(scores: np.ndarray, quantile: float) -> np.ndarray:
    """Directions that are kept: those whose score does not stand out among the others.

    The conformal p-value of direction j, left out and compared with the others, is the share of all
    scores that are at least as large as its own; it is dropped when that is at most
    ``1 - quantile``. A direction that is exchangeable with the others is dropped with at most that
    chance.

    Parameters
    ----------
    scores : ndarray of shape (n_directions,)
        Small is good.
    quantile : float
        In (0, 1).

    Returns
    -------
    support : ndarray of bool of shape (n_directions,)
        All True with fewer than ``1 / (1 - quantile)`` directions: no rank is then small enough.
    """
    if scores.size == 0:
        return np.zeros(0, dtype=bool)
    p_values = np.mean(scores[None, :] >= scores[:, None], axis=1)
    return p_values > 1 - quantile + 1e-9  # the margin: (1 - 0.8) * 5 is not 1 in floats


def same_class_rows(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each row another one of its class, drawn at random: a disturbance that keeps the class.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Classes.
    rng : numpy.random.Generator
        Draws the partners.

    Returns
    -------
    partners : ndarray of int of shape (n_samples,)
        A permutation within each class that moves every row, where the class has two.
    """
    partners = np.arange(labels.shape[0])
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        partners[rows] = np.roll(rows, 1)
    return partners
