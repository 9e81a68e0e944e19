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
from .given_rows import given_rows

__all__ = [
    "SCHEMES",
    "Design",
    "FeatureSpace",
    "LinearFit",
    "christoffel_function",
    "design_rows",
    "feature_space",
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
# Deviations below this many roundings of a number count as rounding.
_ROUNDINGS = 8.0


class FeatureSpace(NamedTuple):
    """Features made orthonormal in L2(mu)."""

    law: RowLaw
    """Q = sqrt(mu) phi and what draws from it share."""
    measure: np.ndarray
    """mu, (n,), summing to 1."""
    origin: np.ndarray
    """The mean of the raw features to rounding; zeros without an intercept."""
    offset: np.ndarray
    """What is left of their mean once ``origin`` is taken off."""
    transform: np.ndarray
    """(n_raw, m) map from centred raw features to phi; the constant apart."""
    kept: np.ndarray
    """Raw features that are kept; the others depend on them."""
    scales: np.ndarray
    """Root mean squares of the centred raw features, (n_raw,); 0 for those not to be used."""
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
        phi = (F - self.origin - self.offset) @ self.transform
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
    condition_met: bool
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
        out. None means what rounding of the features, in the float width of F, leaves of features
        that depend on others; those stay in ``scales``, for fits with a penalty.

    Returns
    -------
    space : FeatureSpace
        With rows put in an order that depends on their features alone.

    Raises
    ------
    ValueError
        If no feature is left.
    """
    eps = np.finfo(np.asarray(F).dtype if np.asarray(F).dtype.kind == "f" else np.float64).eps
    F = np.asarray(F, dtype=np.float64)
    n, n_raw = F.shape
    mu = np.full(n, 1.0 / n) if measure is None else np.asarray(measure, float) / np.sum(measure)
    root = np.sqrt(mu)[:, None]
    origin = mu @ F if intercept else np.zeros(n_raw)
    centred = F - origin
    # the mean of large numbers that differ little is rounded; that of what is left is not
    offset = mu @ centred if intercept else np.zeros(n_raw)
    centred = centred - offset
    rows = centred * root
    lengths, whole = np.linalg.norm(rows, axis=0), np.linalg.norm(F * root, axis=0)
    # what is left of a constant feature is rounding of its value
    present = np.flatnonzero(lengths > (_ROUNDINGS * eps * whole if intercept else 0.0))
    if not (len(present) or intercept):
        raise ValueError("Every feature is zero: there is nothing to fit. Give other features.")
    rows = rows[:, present] / lengths[present]
    rounding = eps * np.maximum(1.0, whole[present] / lengths[present])
    kept, Q, T = _orthonormal(rows, rounding, rcond, root if intercept else None)
    transform = np.zeros((n_raw, len(kept)))
    kept = present[kept]
    transform[kept] = T / lengths[kept][:, None]
    # features left out have no say in the order of the rows
    say = np.where(np.isin(np.arange(n_raw), kept), lengths, np.inf)
    law = row_law(Q, own_order(centred, say))
    varying = present if rcond is None else kept
    scales = np.where(np.isin(np.arange(n_raw), varying), lengths, 0.0)
    return FeatureSpace(law, mu, origin, offset, transform, kept, scales, intercept)


def _orthonormal(
    rows: np.ndarray, rounding: np.ndarray, rcond: float | None, constant: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns kept of unit ``rows``, orthonormal Q of the constant and these, and their map T.

    ``rows[:, kept] @ T`` is Q without its first column, which is the constant.
    """
    n_columns = rows.shape[1]
    kept = np.arange(n_columns)
    first = np.zeros((len(rows), 0)) if constant is None else constant
    if n_columns == 0:
        return kept, first, np.zeros((0, 0))
    gram = rows.T @ rows
    values = np.linalg.eigvalsh(gram)
    nearest = _ROUNDINGS * n_columns**0.5 * rounding.max() if rcond is None else rcond
    if values[0] > max(_SAFE_GRAM * values[-1], nearest**2):
        T = _inverse_root(gram)
        for _ in range(2):  # the second pass takes out what rounding did to the first
            Q = rows @ T
            T = T @ _inverse_root(Q.T @ Q)
        return kept, np.hstack([first, rows @ T]), T
    kept = _independent(rows, rounding, rcond)
    Q, upper = np.linalg.qr(np.hstack([first, rows[:, kept]]))
    skipped = first.shape[1]
    T = scipy.linalg.solve_triangular(upper[skipped:, skipped:], np.eye(len(kept)))
    Q[:, :skipped] = first  # whatever sign it got
    return kept, Q, T


def _independent(rows: np.ndarray, rounding: np.ndarray, rcond: float | None) -> np.ndarray:
    """Columns farther from the span of those taken before than ``rcond`` or rounding, ascending."""
    n_columns = rows.shape[1]
    # of features that depend on one another the earlier are kept, whatever rounding says
    preference = np.geomspace(1.0, 0.5, n_columns)
    R, pivots = scipy.linalg.qr(np.linalg.qr(rows, mode="r") * preference, mode="r", pivoting=True)
    R = R / preference[pivots]
    taken: list[int] = []
    for place in range(min(R.shape)):
        nearest = rcond
        if nearest is None:  # the rounding of the column, and of those it would be made of
            shares = scipy.linalg.solve_triangular(R[np.ix_(taken, taken)], R[taken, place])
            carried = np.append(shares * rounding[pivots[taken]], rounding[pivots[place]])
            nearest = _ROUNDINGS * n_columns**0.5 * np.linalg.norm(carried)
        if abs(R[place, place]) > nearest:
            taken.append(place)
    return np.sort(pivots[taken])


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
    F = given_rows(F, name="F")
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
    n_candidates: int = 1,
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
    n_candidates : int, default=1
        Without a condition: how many designs are drawn, of which the one is taken whose fit varies
        least, on average over the pool, if all labels have the same noise.
    method : {"auto", "rejection", "dense"}, default="auto"
        Sampler of the projection DPP.

    Returns
    -------
    design : Design
        The first that meets the condition, or the best seen.

    References
    ----------
    C. Haberstich, A. Nouy, G. Perrin, "Boosted optimal weighted least-squares", Math. Comp. 91
    (2022) (conditioning on G, and the best of several draws, by another measure).
    """

    def attempt() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        drawn, looked_at = _draw(space, n_points, rng, scheme, reference, method)
        return drawn, _weights(space, drawn, scheme, reference), phi_at(space, drawn), looked_at

    return well_conditioned_design(condition, max_redraws, attempt, n_candidates)


def well_conditioned_design(
    condition: float | None,
    max_redraws: int,
    attempt: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray, int]],
    n_candidates: int = 1,
) -> Design:
    """Draw until the smallest eigenvalue of G is at least 1 - condition; else the best draw.

    Without a condition, the one of ``n_candidates`` draws whose fit varies least. ``attempt()``
    gives what is drawn (row numbers or points), weights, features, proposals.
    """
    best_value, best, proposals, n_draws = -np.inf, None, 0, 0
    while n_draws < (n_candidates if condition is None else max_redraws + 1):
        n_draws += 1
        drawn, weights, phi, looked_at = attempt()
        proposals += looked_at
        values = np.linalg.eigvalsh(phi.T @ (phi * weights[:, None]) / len(phi))
        smallest, largest = float(values[0]), float(values[-1])
        rounding = len(values) * np.finfo(np.float64).eps * largest
        number = largest / smallest if smallest > rounding else np.inf
        value = smallest
        if condition is None and n_candidates > 1:
            value = -_mean_variance(phi, weights) if number < np.inf else -np.inf
        met = condition is not None and smallest >= 1.0 - condition
        if best is None or value > best_value:
            best_value = value
            best = Design(drawn, weights, number, 0, 0, met or condition is None)
        if met:
            break
    if best is None:
        raise ValueError(
            f"max_redraws={max_redraws} must be at least 0, n_candidates={n_candidates} at least 1."
        )
    return best._replace(n_proposals=proposals, n_redraws=n_draws - 1)


def _mean_variance(phi: np.ndarray, weights: np.ndarray) -> float:
    """Variance of predictions, mean over the pool, where all labels have noise of variance 1."""
    influence = np.linalg.lstsq(phi * np.sqrt(weights)[:, None], np.diag(np.sqrt(weights)))[0]
    return float(np.sum(influence**2))


def _draw(
    space: FeatureSpace,
    n_points: int,
    rng: np.random.Generator,
    scheme: str,
    reference: np.ndarray | None,
    method: str,
) -> tuple[np.ndarray, int]:
    """Rows by a scheme, and the number of proposals."""
    law = space.law
    m = law.basis.shape[1]
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
    intercept = (
        c[0] - (space.origin + space.offset) @ coef if space.intercept else np.zeros(y.shape[1])
    )
    return LinearFit(c, coef, intercept, int(rank))
