"""Which rows to label for least squares, with which weights, and the fit on them.

Features phi (n, m) are orthonormal in L2(mu), mu a probability measure on the rows; Q is
sqrt(mu) phi.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from .dpp import RowLaw, dpp_draw, independent_rows, own_order, row_law, volume_draw

__all__ = [
    "SCHEMES",
    "Design",
    "FeatureSpace",
    "LinearFit",
    "christoffel_function",
    "design_rows",
    "feature_space",
    "fit_from_indices",
]

SCHEMES = (
    "repeated_dpp",
    "dpp",
    "volume",
    "volume_without_replacement",
    "christoffel",
    "uniform",
)
# Ratio of extreme eigenvalues of the Gram matrix of unit columns above which its rank is certain.
_SAFE_GRAM = 1e-10


class FeatureSpace(NamedTuple):
    """Features made orthonormal in L2(mu)."""

    law: RowLaw
    """Q = sqrt(mu) phi and what draws from it share."""
    measure: np.ndarray
    """mu, (n,), summing to 1."""
    offset: np.ndarray
    """Mean that is taken off the raw features; zeros without an intercept."""
    transform: np.ndarray
    """(n_raw, m) map from centred raw features to phi; the constant apart."""
    kept: np.ndarray
    """Raw features that are kept; the others depend on them."""
    intercept: bool
    """Whether phi begins with the constant 1."""

    def without_rows(self) -> FeatureSpace:
        """Return the maps alone, without the table they were made from.

        Returns
        -------
        space : FeatureSpace
            With an empty law and measure.
        """
        none = np.empty(0)
        law = RowLaw(np.empty((0, self.law.basis.shape[1])), none, none, None)
        return self._replace(law=law, measure=none)

    def features(self, F: np.ndarray) -> np.ndarray:
        """Orthonormal features of any rows.

        Parameters
        ----------
        F : ndarray of shape (n, n_raw)
            Raw features.

        Returns
        -------
        phi : ndarray of shape (n, m)
            The constant 1 first, if there is an intercept.
        """
        phi = (F - self.offset) @ self.transform
        return np.hstack([np.ones((len(F), 1)), phi]) if self.intercept else phi


class Design(NamedTuple):
    """Rows to label."""

    indices: np.ndarray
    """Row numbers, repeats included; on a continuous domain the points."""
    weights: np.ndarray
    """dmu/dnu at each of them."""
    gram_condition: float
    """Condition number of the weighted Gram matrix G of the features at these rows."""
    n_proposals: int
    """Rows that rejection sampling looked at."""
    n_redraws: int
    """Designs thrown away because G was too far from the identity."""
    met: bool
    """Whether the condition asked for holds."""


class LinearFit(NamedTuple):
    """A weighted least-squares fit."""

    orthonormal: np.ndarray
    """Coefficients of the orthonormal features, (m, n_targets)."""
    coef: np.ndarray
    """Coefficients of the raw features, (n_raw, n_targets); 0 for those left out."""
    intercept: np.ndarray
    """(n_targets,)."""
    rank: int
    """Rank of the weighted features at the rows used."""


def feature_space(
    F: np.ndarray,
    measure: np.ndarray | None = None,
    *,
    intercept: bool = True,
    rcond: float | None = None,
) -> FeatureSpace:
    """Orthonormalise raw features in L2(mu), leaving out those that depend on others.

    Parameters
    ----------
    F : ndarray of shape (n, n_raw)
        Raw features.
    measure : ndarray of shape (n,), default=None
        Nonnegative weights of the rows; None means 1 each.
    intercept : bool, default=True
        Whether the constant joins them.
    rcond : float, default=None
        Features whose distance to the span of others is below ``rcond`` times their length are left
        out; None means eps times the larger side of F.

    Returns
    -------
    space : FeatureSpace
        With rows put in an order that depends on their features alone.

    Raises
    ------
    ValueError
        If no feature is left.
    """
    F = np.asarray(F, dtype=np.float64)
    n, n_raw = F.shape
    mu = np.full(n, 1.0 / n) if measure is None else np.asarray(measure, float) / np.sum(measure)
    root = np.sqrt(mu)[:, None]
    rcond = np.finfo(np.float64).eps * max(n, n_raw) if rcond is None else rcond
    offset = mu @ F if intercept else np.zeros(n_raw)
    rows = (F - offset) * root
    lengths = np.linalg.norm(rows, axis=0)
    # what is left of a constant feature is rounding of its mean
    whole = np.linalg.norm(F * root, axis=0)
    present = np.flatnonzero(lengths > 10 * rcond * whole)
    rows = rows[:, present] / lengths[present]
    kept, T = _orthonormalising(rows, rcond)
    transform = np.zeros((n_raw, len(kept)))
    kept = present[kept]
    transform[kept] = T / lengths[kept][:, None]
    Q = (F - offset) @ transform * root
    if intercept:
        Q = np.hstack([root, Q])
    if Q.shape[1] == 0:
        raise ValueError("Every feature is zero: there is nothing to fit. Give other features.")
    law = row_law(Q, own_order(F - offset, lengths))
    return FeatureSpace(law, mu, offset, transform, kept, intercept)


def _orthonormalising(rows: np.ndarray, rcond: float) -> tuple[np.ndarray, np.ndarray]:
    """Columns kept of unit ``rows``, and T with ``rows[:, kept] @ T`` orthonormal."""
    n_columns = rows.shape[1]
    kept = np.arange(n_columns)
    if n_columns == 0:
        return kept, np.zeros((0, 0))
    gram = rows.T @ rows
    values = np.linalg.eigvalsh(gram)
    if values[0] > _SAFE_GRAM * values[-1]:
        T = _inverse_root(gram)
    else:
        # of features that depend on one another the earlier are kept, whatever rounding says
        preference = np.geomspace(1.0, 0.5, n_columns)
        factor, pivots = scipy.linalg.qr(rows * preference, mode="r", pivoting=True)
        diagonal = np.abs(np.diag(factor))
        rank = int(np.sum(diagonal > rcond * diagonal[0]))
        order = np.argsort(pivots[:rank])
        kept = pivots[:rank][order]
        upper = scipy.linalg.qr(factor[:rank, :rank][:, order], mode="r")[0]
        T = scipy.linalg.solve_triangular(upper, np.diag(preference[kept]))
    for _ in range(2):  # the second pass takes out what rounding did to the first
        Q = rows[:, kept] @ T
        T = T @ _inverse_root(Q.T @ Q)
    return kept, T


def _inverse_root(gram: np.ndarray) -> np.ndarray:
    """Upper triangular T with ``T^T gram T = I``."""
    # numpy's solver: scipy brings threads of its own, which wait for those of the products before
    return np.linalg.solve(np.linalg.cholesky(gram), np.eye(len(gram))).T


def christoffel_function(
    F: np.ndarray, measure: np.ndarray | None = None, *, intercept: bool = False
) -> np.ndarray:
    r"""Christoffel function of the span of the features: small where a row is hard to predict.

    :math:`\lambda_i = \min \{ |v|^2_{L_2(\mu)} : v \in V, v(x_i) = 1 \} = 1 / k_i` with
    :math:`k_i = |\varphi(x_i)|^2` for features orthonormal in :math:`L_2(\mu)`.

    Parameters
    ----------
    F : ndarray of shape (n, n_raw)
        Features, of any rank.
    measure : ndarray of shape (n,), default=None
        Weights of the rows; None means 1 each. They are scaled to sum to 1.
    intercept : bool, default=False
        Whether the constant joins the features.

    Returns
    -------
    values : ndarray of shape (n,)
        Positive; infinite where all features are zero. The sum of ``measure / values`` is the rank.

    See Also
    --------
    leverage_scores : The same as ``1 / (n values)`` for equal weights.

    References
    ----------
    A. Cohen, G. Migliorati, "Optimal weighted least-squares methods", SMAI J. Comput. Math. 3
    (2017), eq. 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import christoffel_function
    >>> x = np.linspace(-1, 1, 1001)
    >>> values = christoffel_function(np.vander(x, 4))     # cubic polynomials
    >>> bool(values[500] > 5 * values[0])                  # the ends are hard to predict
    True
    """
    space = feature_space(F, measure, intercept=intercept)
    phi = space.features(np.asarray(F, dtype=np.float64))
    energies = np.einsum("ij,ij->i", phi, phi)
    with np.errstate(divide="ignore"):
        return 1.0 / energies


def design_rows(
    space: FeatureSpace,
    n_points: int,
    rng: np.random.Generator,
    *,
    scheme: str = "repeated_dpp",
    reference: np.ndarray | None = None,
    condition: float | None = None,
    max_redraws: int = 1000,
    method: str = "auto",
) -> Design:
    """Draw rows to label.

    Parameters
    ----------
    space : FeatureSpace
        Orthonormal features.
    n_points : int
        Number of draws, at least m.
    rng : Generator
        Random numbers.
    scheme : str, default="repeated_dpp"
        One of ``SCHEMES``.
    reference : ndarray of shape (n,), default=None
        Reference measure of "volume".
    condition : float, default=None
        Draw again until the smallest eigenvalue of G is at least 1 - condition.
    max_redraws : int, default=1000
        Most designs thrown away.
    method : {"auto", "rejection", "dense"}, default="auto"
        Sampler of the projection DPP.

    Returns
    -------
    design : Design
        The first that meets the condition, or the best seen.
    """

    def attempt() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        drawn, looked_at = _draw(space, n_points, rng, scheme, reference, method)
        return drawn, _weights(space, drawn, scheme, reference), phi_at(space, drawn), looked_at

    return first_that_meets(condition, max_redraws, attempt)


def first_that_meets(
    condition: float | None,
    max_redraws: int,
    attempt: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray, int]],
) -> Design:
    """Draw until the smallest eigenvalue of G is at least 1 - condition; else the best draw.

    ``attempt()`` gives what is drawn (row numbers or points), weights, features, proposals.
    """
    best_value, best, proposals, n_draws = -np.inf, None, 0, 0
    while n_draws <= (max_redraws if condition is not None else 0):
        n_draws += 1
        drawn, weights, phi, looked_at = attempt()
        proposals += looked_at
        smallest, largest = gram_spectrum(phi, weights)
        met = condition is None or smallest >= 1.0 - condition
        if best is None or smallest > best_value:
            number = largest / smallest if smallest > 0 else np.inf
            best_value, best = smallest, Design(drawn, weights, number, 0, 0, met)
        if met:
            break
    if best is None:
        raise ValueError(f"max_redraws={max_redraws} must be at least 0.")
    return best._replace(n_proposals=proposals, n_redraws=n_draws - 1)


def _draw(
    space: FeatureSpace,
    n_points: int,
    rng: np.random.Generator,
    scheme: str,
    reference: np.ndarray | None,
    method: str,
) -> tuple[np.ndarray, int]:
    """Rows by a scheme, and the number of proposals."""
    law, m = space.law, space.law.basis.shape[1]
    if scheme in ("volume", "volume_without_replacement"):
        drawn = volume_draw(
            law,
            n_points,
            rng,
            replacement=scheme == "volume",
            reference=reference,
            method=method,
            absent=space.measure == 0,
        )
        return drawn.indices, drawn.n_proposals
    if scheme in ("christoffel", "uniform"):
        cumulative = law.cumulative
        order = np.arange(len(space.measure)) if law.order is None else law.order
        if scheme == "uniform":
            cumulative = np.cumsum(space.measure[order])
        return order[independent_rows(cumulative, n_points, rng)], 0
    parts, proposals = [], 0
    for _ in range(-(-n_points // m)):
        drawn = dpp_draw(law, rng, method=method)
        parts.append(drawn.indices)
        proposals += drawn.n_proposals
    # n_points need not be a multiple of m: a random part of the last draw keeps the marginals
    parts[-1] = rng.permutation(parts[-1])[: n_points - m * (len(parts) - 1)]
    return np.concatenate(parts), proposals


def _weights(
    space: FeatureSpace, indices: np.ndarray, scheme: str, reference: np.ndarray | None
) -> np.ndarray:
    """Weights dmu/dnu at the rows drawn."""
    mu = space.measure[indices]
    if scheme == "uniform":
        return np.ones(len(indices))
    if scheme == "volume_without_replacement":
        return mu * np.count_nonzero(space.measure)
    if scheme == "volume" and reference is not None:
        return mu / (reference[indices] / np.sum(reference))
    return space.law.basis.shape[1] * mu / space.law.norms[indices]


def phi_at(space: FeatureSpace, indices: np.ndarray) -> np.ndarray:
    """Orthonormal features of rows of the table."""
    return space.law.basis[indices] / np.sqrt(space.measure[indices])[:, None]


def gram_spectrum(phi: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Smallest and largest eigenvalue of ``G = mean of w phi phi^T``."""
    gram = phi.T @ (phi * weights[:, None]) / len(phi)
    values = np.linalg.eigvalsh(gram)
    return float(values[0]), float(values[-1])


def fit_from_indices(
    space: FeatureSpace,
    y: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    *,
    rcond: float | None = None,
) -> LinearFit:
    """Weighted least squares on chosen rows of the table.

    Parameters
    ----------
    space : FeatureSpace
        Orthonormal features of the table.
    y : ndarray of shape (n_points, n_targets)
        Targets of the chosen rows, in the order of ``indices``.
    indices : ndarray of shape (n_points,)
        Rows, repeats allowed.
    weights : ndarray of shape (n_points,)
        Positive.
    rcond : float, default=None
        Singular values below this share of the largest count as zero.

    Returns
    -------
    fit : LinearFit
        Minimiser of ``sum_i w_i |y_i - phi_i^T c|^2``, of least norm if it is not unique.
    """
    return weighted_fit(space, phi_at(space, indices), y, weights, rcond=rcond)


def weighted_fit(
    space: FeatureSpace,
    phi: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    *,
    rcond: float | None = None,
) -> LinearFit:
    """Weighted least squares on orthonormal features of any rows; uses the maps of ``space``."""
    root = np.sqrt(weights)[:, None]
    c, _, rank, _ = np.linalg.lstsq(phi * root, y * root, rcond=rcond)
    skipped = 1 if space.intercept else 0
    coef = space.transform @ c[skipped:]
    intercept = c[0] - space.offset @ coef if space.intercept else np.zeros(y.shape[1])
    return LinearFit(c, coef, intercept, int(rank))
