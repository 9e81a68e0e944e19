r"""Normalisation of positive definite matrices under the generalised Bures-Wasserstein metric.

The metric with power :math:`\theta` and parameter M is the Bures-Wasserstein (BW) metric of
:math:`\tilde X = M^{-\theta/2} X^\theta M^{-\theta/2}`, divided by :math:`\theta^2`: every
operation deforms, works under BW, and deforms back. (The authors' parameter is :math:`M^\theta`
here, so that M is a point among the data whatever the power.) Normalisation moves the mean G of a
domain to the identity and scales the deviations:

.. math:: \tilde X \mapsto \mathrm{Exp}_I \bigl(s\, \Gamma_{G \to I} \mathrm{Log}_G \tilde X\bigr)

with parallel transport :math:`\Gamma`, known in closed form since I commutes with G ([1]_).

For 1 x 1 matrices this is ``(1 + s (sqrt x - sqrt g))^2``: square roots are standardised. The root
can become negative, where no geodesic from I leads; :func:`normalised` stops short of that and
counts it.

References
----------
.. [1] R. Wang, S. Jin, Z. Chen, X. Luo, X.-J. Wu, Learning to normalize on the SPD manifold under
   Bures-Wasserstein geometry, CVPR 2025, arXiv:2504.00660, section 4.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

from ..._array import Array, array_namespace, device_of
from .spd import NotPositiveDefinite, eigenpairs, in_pieces, sqrtm, wide, with_null_space
from .spd_distance import pairwise_distance
from .spd_mean import root_pair, unit_weights, wasserstein_barycentre

__all__ = [
    "Domain",
    "GBWGeometry",
    "domain_statistics",
    "forgotten_directions",
    "metric_parameter_of",
    "moved_domain",
    "normalised",
    "restored",
    "scale_of_deviations",
]

# A step I + L that would leave the cone is shortened until its smallest eigenvalue is _MARGIN.
_MARGIN = 0.1
_BOUNDARY = -1 + 1e-7  # of the eigenvalues of L; a root of rounding


class GBWGeometry:
    """The metric: power, and the point that becomes the identity.

    Parameters
    ----------
    theta : float, default=1.0
        Power, not 0.
    metric_parameter : array of shape (n, n), optional
        Positive semidefinite M; None means the identity. Its null directions must be null in all
        matrices: they are left out of the metric, and come out with the smallest eigenvalue of M
        that is not 0.
    """

    def __init__(self, theta: float = 1.0, metric_parameter: Array | None = None) -> None:
        self.theta = theta
        self.metric_parameter = metric_parameter

    @cached_property
    def _factors(self) -> tuple[Array, Array]:
        """``M^{-theta/2}``, 0 on the null space, and ``M^{theta/2}``, positive definite."""
        M = wide(self.metric_parameter)
        xp = array_namespace(M)
        values, vectors = _spectrum(M)
        null = values == 0
        filled = xp.where(null, xp.min(xp.where(null, values[-1], values)), values)
        rows = xp.matrix_transpose(vectors)
        inverse = xp.where(null, values, filled ** (-self.theta / 2))
        return (vectors * inverse) @ rows, (vectors * filled ** (self.theta / 2)) @ rows

    def deform(self, A: Array) -> Array:
        """Map ``A -> M^{-theta/2} A^theta M^{-theta/2}``.

        Parameters
        ----------
        A : array of shape (..., n, n)
            Symmetric positive semidefinite (definite for ``theta`` < 0).

        Returns
        -------
        B : array of shape (..., n, n)
            In float64.
        """
        B = _power(A, self.theta)
        if self.metric_parameter is None:
            return B
        W = self._factors[0]
        return W @ B @ W

    def undeform(self, B: Array) -> Array:
        """Map ``B -> (M^{theta/2} B M^{theta/2})^{1/theta}``: the inverse of `deform`.

        Parameters
        ----------
        B : array of shape (..., n, n)
            Symmetric positive semidefinite (definite for ``theta`` < 0).

        Returns
        -------
        A : array of shape (..., n, n)
            In float64.
        """
        if self.metric_parameter is not None:
            root = self._factors[1]
            B = root @ B @ root
        return _power(B, 1 / self.theta)


def _power(A: Array, exponent: float) -> Array:
    """Power in float64, with eigenvalues that may be rounding as 0: a small power would raise them.

    Rounding is that of the dtype of ``A``.
    """
    if exponent == 0 or not math.isfinite(exponent):
        raise ValueError("theta must be a finite number other than 0.")
    if exponent == 1:
        return wide(A)
    xp = array_namespace(A)
    values, vectors = eigenpairs(A, definite="semidefinite" if exponent > 0 else "definite")
    values = with_null_space(values, A) if exponent > 0 else values
    return (vectors * (values**exponent)[..., None, :]) @ xp.matrix_transpose(vectors)


class Domain(NamedTuple):
    """What normalisation needs to know of a session, a subject, or any set of matrices."""

    mean: Array
    """(n, n), float64."""
    dispersion: float
    """Mean squared distance to the mean."""


def metric_parameter_of(A: Array, weights: Array | None = None, theta: float = 1.0) -> Array:
    """Power mean ``(mean A^theta)^{1/theta}``: as metric parameter it frees the metric of units.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive semidefinite.
    weights : array of shape (n_matrices,), optional
        Nonnegative; None means equal.
    theta : float, default=1.0
        Power, not 0.

    Returns
    -------
    M : array of shape (n, n)
        Positive semidefinite, float64; exactly 0 in directions that are null in all matrices.
    """
    xp = array_namespace(A)
    mean = xp.tensordot(unit_weights(A, weights), _power(A, theta), axes=([0], [0]))
    values, vectors = eigenpairs(mean, A, "semidefinite")
    values = with_null_space(values, A)
    null = values == 0
    if bool(xp.all(null)):
        raise NotPositiveDefinite("All matrices are zero: they have no mean that is positive.")
    values = xp.where(null, values, xp.where(null, values[-1], values) ** (1 / theta))
    return (vectors * values) @ xp.matrix_transpose(vectors)


def forgotten_directions(M: Array) -> int:
    """How many directions count as null only since the rows of M differ in scale.

    Parameters
    ----------
    M : array of shape (n, n)
        Positive semidefinite.

    Returns
    -------
    n : int
        Rank of the correlation matrix of M (rows that are 0 left out) minus the rank of M; 0 where
        the null directions are in the data.
    """
    xp = array_namespace(M)
    roots = xp.sqrt(xp.linalg.diagonal(wide(M)))
    inverse = xp.where(roots > 0, 1 / xp.where(roots > 0, roots, xp.ones_like(roots)), roots)
    correlation = inverse[:, None] * wide(M) * inverse
    # ten times what counts as null in M
    floor = 1e3 * M.shape[-1] ** 0.5 * float(xp.finfo(xp.float64).eps)
    values = xp.linalg.eigvalsh(correlation)
    rank = int(xp.sum(xp.astype(values > floor * values[-1], xp.int64)))
    return max(0, rank - int(xp.sum(xp.astype(_spectrum(M)[0] > 0, xp.int64))))


def domain_statistics(
    A: Array,
    weights: Array | None,
    geometry: GBWGeometry,
    *,
    init: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 50,
    n_jobs: int | None = None,
) -> tuple[Domain, int, float]:
    """Mean of the matrices of a domain, and their mean squared distance to it.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive semidefinite (definite for ``theta`` < 0).
    weights : array of shape (n_matrices,), optional
        Nonnegative; None means equal.
    geometry : GBWGeometry
        The metric.
    init : array of shape (n, n), optional
        Start of the iteration; None means the arithmetic mean (of the deformed matrices).
    tol : float, default=1e-8
        Relative residual at which the iteration for the mean stops; 0 for exactly `max_iter` steps.
    max_iter : int, default=50
        Largest number of steps.
    n_jobs : int, optional
        Threads, for NumPy.

    Returns
    -------
    domain : Domain
        Mean (in the coordinates of ``A``) and dispersion.
    n_iter : int
        Steps taken.
    residual : float
        Relative residual before the last step.
    """
    xp = array_namespace(A)
    weights = unit_weights(A, weights)
    X = in_pieces(geometry.deform, A, A.shape[1:], n_jobs, dtype=xp.float64)
    mean, n_iter, residual = wasserstein_barycentre(
        X,
        weights,
        init=None if init is None else geometry.deform(init),
        tol=tol,
        max_iter=max_iter,
        n_jobs=n_jobs,
    )
    d = pairwise_distance(X, mean[None, ...], "wasserstein", n_jobs=n_jobs)[:, 0]
    dispersion = float(xp.sum(weights * d**2)) / geometry.theta**2
    return Domain(geometry.undeform(mean), dispersion), n_iter, residual


def moved_domain(old: Domain, new: Domain, momentum: float, geometry: GBWGeometry) -> Domain:
    """Running statistics: the mean goes ``momentum`` of its geodesic to the new mean.

    Parameters
    ----------
    old, new : Domain
        Statistics so far, and those of a batch.
    momentum : float
        In [0, 1]; 1 forgets the old.
    geometry : GBWGeometry
        The metric.

    Returns
    -------
    domain : Domain
        Moved mean; dispersion averaged with the same weights.
    """
    P, Q, t = geometry.deform(old.mean), geometry.deform(new.mean), momentum
    root, inverse_root = root_pair(P)
    half = root @ sqrtm(root @ Q @ root) @ inverse_root
    cross = half + array_namespace(half).matrix_transpose(half)
    moved = (1 - t) ** 2 * P + t**2 * Q + t * (1 - t) * cross
    mean = new.mean if t == 1 else geometry.undeform(moved)
    return Domain(mean, (1 - t) * old.dispersion + t * new.dispersion)


def scale_of_deviations(domain: Domain, dispersion: float, geometry: GBWGeometry) -> float:
    """Factor that gives a domain another dispersion.

    Parameters
    ----------
    domain : Domain
        Its statistics.
    dispersion : float
        What it is to have.
    geometry : GBWGeometry
        The metric.

    Returns
    -------
    scale : float
        Root of the ratio; 1 where the dispersion of the domain is rounding (one matrix, or equal
        ones), which is measured by the squared length of its mean, so in any unit.
    """
    xp = array_namespace(domain.mean)
    square = float(xp.linalg.trace(geometry.deform(domain.mean))) / geometry.theta**2
    if domain.dispersion <= 4 * float(xp.finfo(xp.float64).eps) * square:
        return 1.0
    return (dispersion / domain.dispersion) ** 0.5


def normalised(
    A: Array,
    domain: Domain,
    geometry: GBWGeometry,
    *,
    scale: float = 1.0,
    bias: Array | None = None,
    n_jobs: int | None = None,
) -> tuple[Array, int]:
    """Matrices of a domain with its mean moved to a common centre and their deviations scaled.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive semidefinite (definite for ``theta`` < 0).
    domain : Domain
        Statistics of the domain they come from.
    geometry : GBWGeometry
        The metric.
    scale : float, default=1.0
        Factor s of the deviations, positive.
    bias : array of shape (n, n), optional
        Positive definite new centre; None means the metric parameter M (the
        identity without one).
    n_jobs : int, optional
        Threads, for NumPy.

    Returns
    -------
    B : array of shape (n_matrices, n, n)
        Positive definite, in the dtype of ``A``. Directions that are null in the whole domain are
        those of the centre.
    n_stopped : int
        How many matrices were stopped before the boundary of the cone: they keep their direction
        from the centre, not their distance.
    """
    xp = array_namespace(A)
    centre = _spectrum(geometry.deform(domain.mean))
    target = None if bias is None else _spectrum(geometry.deform(bias))
    stopped: list[int] = []

    def pieces(X: Array) -> Array:
        V = scale * _to_identity(geometry.deform(X), *centre)
        B, n_stopped = _from_identity(V, target)
        stopped.append(n_stopped)  # from any thread
        return xp.astype(geometry.undeform(B), A.dtype, copy=False)

    return in_pieces(pieces, A, A.shape[1:], n_jobs), sum(stopped)


def restored(
    B: Array,
    domain: Domain,
    geometry: GBWGeometry,
    *,
    scale: float = 1.0,
    bias: Array | None = None,
    n_jobs: int | None = None,
) -> Array:
    """Matrices before :func:`normalised`, exact for those that were not stopped.

    Parameters
    ----------
    B : array of shape (n_matrices, n, n)
        Positive definite.
    domain : Domain
        Statistics of the domain they go back to.
    geometry : GBWGeometry
        The metric.
    scale : float, default=1.0
        Factor s that was used.
    bias : array of shape (n, n), optional
        Centre that was used.
    n_jobs : int, optional
        Threads, for NumPy.

    Returns
    -------
    A : array of shape (n_matrices, n, n)
        In the dtype of ``B``.
    """
    xp = array_namespace(B)
    centre = _spectrum(geometry.deform(domain.mean))
    target = None if bias is None else _spectrum(geometry.deform(bias))
    values, vectors = centre
    rows = xp.matrix_transpose(vectors)
    sums = values[:, None] + values[None, :]
    factor = 1 / xp.sqrt(2 * xp.where(sums > 0, sums, xp.ones_like(sums)))

    def pieces(X: Array) -> Array:
        X = geometry.deform(X)
        if target is None:
            V = 2 * (sqrtm(X) - _eye(X))
        else:
            V = _to_identity(X, *target)
        L = factor * (rows @ V @ vectors) / scale
        step = _eye(X) + vectors @ L @ rows
        result = step @ ((vectors * values) @ rows) @ step
        return xp.astype(geometry.undeform(result), B.dtype, copy=False)

    return in_pieces(pieces, B, B.shape[1:], n_jobs)


def _spectrum(G: Array) -> tuple[Array, Array]:
    """Eigenvalues, rounding set to 0, and eigenvectors."""
    values, vectors = eigenpairs(G, definite="semidefinite")
    return with_null_space(values, G), vectors


def _to_identity(X: Array, values: Array, vectors: Array) -> Array:
    """Logarithm of X at ``G = U diag(values) U^T``, transported to the identity.

    In the basis U the map from G to X is ``I + L`` with ``L = G^{-1/2} (G^{1/2} X G^{1/2})^{1/2}
    G^{-1/2} - I``; the tangent vector is ``(s_i + s_j) L_ij``, transport multiplies it by
    ``(2 / (s_i + s_j))^{1/2}``. Null directions of G, where X is null too, do not move.
    """
    xp = array_namespace(X)
    rows, roots = xp.matrix_transpose(vectors), xp.sqrt(values)
    null = values == 0
    inverse = xp.where(null, xp.zeros_like(roots), 1 / xp.where(null, xp.ones_like(roots), roots))
    L = sqrtm(roots[:, None] * (rows @ X @ vectors) * roots) * inverse[:, None] * inverse
    L = L - _eye(L) * xp.astype(~null, L.dtype)
    return vectors @ (xp.sqrt(2 * (values[:, None] + values[None, :])) * L) @ rows


def _from_identity(V: Array, target: tuple[Array, Array] | None) -> tuple[Array, int]:
    """Exponential of V, a tangent vector at the identity, after its transport to the target.

    ``(I + t L) P (I + t L)``, with t < 1 where a full step would leave the cone; and how often.
    """
    xp = array_namespace(V)
    eye = _eye(V)
    if target is None:
        L, P = V / 2, eye
    else:
        values, vectors = target
        rows = xp.matrix_transpose(vectors)
        L = (rows @ V @ vectors) / xp.sqrt(2 * (values[:, None] + values[None, :]))
        L, P = vectors @ L @ rows, (vectors * values) @ rows
    lowest = xp.linalg.eigvalsh(L)[:, 0]
    outside = lowest < _BOUNDARY
    t = (_MARGIN - 1) / xp.where(outside, lowest, (_MARGIN - 1) * xp.ones_like(lowest))
    step = eye + t[:, None, None] * L
    return step @ P @ step, int(xp.sum(xp.astype(outside, xp.int64)))


def _eye(X: Array) -> Array:
    xp = array_namespace(X)
    return xp.eye(X.shape[-1], dtype=X.dtype, device=device_of(X))
