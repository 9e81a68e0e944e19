r"""Block-Toeplitz covariances as one SPD matrix and p - 1 contractions, with the Siegel metric.

A positive definite block-Toeplitz matrix with first block row :math:`R_0, .., R_{p-1}` (blocks of
size C) corresponds one to one to :math:`(P_0, \Omega_1, .., \Omega_{p-1})`: :math:`P_0 = R_0` and
matrices of singular values below 1, the reflection (Verblunsky) coefficients. The product metric

.. math:: ds^2 = p \, |P^{-1/2} dP P^{-1/2}|^2 + \sum_{l=1}^{p-1} (p - l) \,
          \operatorname{tr}[(I - W W^T)^{-1} dW (I - W^T W)^{-1} dW^T], \quad W = \Omega_l

belongs to the log-determinant of the whole matrix: ``log det S = p log det P_0 + sum_l (p - l)
log det(I - W W^T)``. Work per trial is of order p C^3 instead of (p C)^3.

A point is an array (p, C, C) here: slot 0 holds P_0, slot l holds Omega_l. Stacks come first.
Source: Carrara and Papadopoulo 2024 (arXiv:2406.16909), with the weights of the metric above in
distances and tangent vectors alike; Jeuris and Vandebril 2016, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

from sklearn.exceptions import ConvergenceWarning

from ..._array import Array, array_namespace, device_of
from ..._warnings import warn
from .spd import invsqrtm, sqrtm
from .spd_distance import distance
from .spd_mean import SPDMean, mean_spd, unit_weights
from .spd_tangent import tangent_vectors

__all__ = [
    "autocovariances",
    "contraction_exp",
    "contraction_log",
    "contraction_mean",
    "moved_from_origin",
    "moved_to_origin",
    "siegel_distances",
    "siegel_mean",
    "siegel_tangent_vectors",
    "verblunsky_coefficients",
]


class _Levinson:
    """Block Levinson (Whittle) recursion: predictors and their error covariances, order by order.

    ``forward`` is ``r_l T_l^-1`` and ``backward`` is ``rt_l T_l^-1`` in the notation of the sheet,
    (n, C, l C); ``ahead`` and ``behind`` are the error covariances L and K.
    """

    def __init__(self, R0: Array) -> None:
        self.forward = self.backward = R0[:, :, :0]
        self.ahead = self.behind = R0
        self.past: list[Array] = []

    def predicted(self) -> Array:
        """What the earlier blocks say of the next one: Q."""
        xp = array_namespace(self.ahead)
        if not self.past:
            return xp.zeros_like(self.ahead)
        reverse = xp.concat(self.past[::-1], axis=1)  # rt_l^T = [R_l; ..; R_1]
        return self.forward @ reverse

    def step(self, block: Array, innovation: Array) -> None:
        """Take the next block in; ``innovation`` is block minus `predicted`."""
        xp = array_namespace(block)
        transposed = xp.matrix_transpose
        a = transposed(xp.linalg.solve(self.behind, transposed(innovation)))
        b = transposed(xp.linalg.solve(self.ahead, innovation))
        forward = xp.concat([self.forward - a @ self.backward, a], axis=2)
        self.backward = xp.concat([b, self.backward - b @ self.forward], axis=2)
        self.forward = forward
        self.ahead = _symmetric(self.ahead - a @ transposed(innovation))
        self.behind = _symmetric(self.behind - b @ innovation)
        self.past.append(block)


def verblunsky_coefficients(blocks: Array) -> Array:
    """Points of positive definite block-Toeplitz matrices.

    Parameters
    ----------
    blocks : array of shape (n_matrices, p, C, C)
        First block rows: block m is the covariance of x(t) and x(t + m lag).

    Returns
    -------
    points : array of shape (n_matrices, p, C, C)
        P_0 in slot 0, contractions after it.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.
    """
    xp = array_namespace(blocks)
    state = _Levinson(blocks[:, 0, :, :])
    points = [blocks[:, 0, :, :]]
    for m in range(1, blocks.shape[1]):
        block = blocks[:, m, :, :]
        innovation = block - state.predicted()
        points.append(invsqrtm(state.ahead) @ innovation @ invsqrtm(state.behind))
        state.step(block, innovation)
    return xp.stack(points, axis=1)


def autocovariances(points: Array) -> Array:
    """First block rows of the matrices with these points: inverse of `verblunsky_coefficients`.

    Parameters
    ----------
    points : array of shape (n_matrices, p, C, C)
        SPD matrix and contractions.

    Returns
    -------
    blocks : array of shape (n_matrices, p, C, C)
        First block rows.
    """
    xp = array_namespace(points)
    state = _Levinson(points[:, 0, :, :])
    blocks = [points[:, 0, :, :]]
    for m in range(1, points.shape[1]):
        innovation = sqrtm(state.ahead) @ points[:, m, :, :] @ sqrtm(state.behind)
        blocks.append(state.predicted() + innovation)
        state.step(blocks[-1], innovation)
    return xp.stack(blocks, axis=1)


def moved_to_origin(X: Array, W: Array) -> Array:
    """Isometry of the Siegel disk that takes W to 0.

    Parameters
    ----------
    X : array of shape (..., C, C)
        Contractions to be moved.
    W : array of shape (..., C, C)
        Contraction that goes to 0.

    Returns
    -------
    moved : array of shape (..., C, C)
        ``(I - W W^T)^(-1/2) (X - W) (I - W^T X)^-1 (I - W^T W)^(1/2)``.
    """
    xp = array_namespace(X, W)
    eye = xp.eye(W.shape[-1], dtype=W.dtype, device=device_of(W))
    Wt = xp.matrix_transpose(W)
    left, right = invsqrtm(eye - W @ Wt), sqrtm(eye - Wt @ W)
    # (X - W) (I - W^T X)^-1, solved from the right
    inner = xp.linalg.solve(xp.matrix_transpose(eye - Wt @ X), xp.matrix_transpose(X - W))
    return left @ xp.matrix_transpose(inner) @ right


def moved_from_origin(Z: Array, W: Array) -> Array:
    """Inverse of `moved_to_origin`: takes 0 to W.

    Parameters
    ----------
    Z : array of shape (..., C, C)
        Contractions around 0.
    W : array of shape (..., C, C)
        Contraction that 0 goes to.

    Returns
    -------
    moved : array of shape (..., C, C)
        Contractions around W.
    """
    return moved_to_origin(Z, -W)


def contraction_log(Z: Array) -> Array:
    """Logarithm at 0 of the Siegel disk: singular values s become artanh s.

    Parameters
    ----------
    Z : array of shape (..., C, C)
        Contractions.

    Returns
    -------
    V : array of shape (..., C, C)
        Tangent vectors at 0.
    """
    xp = array_namespace(Z)
    return _on_singular_values(Z, xp.atanh)


def contraction_exp(V: Array) -> Array:
    """Exponential at 0 of the Siegel disk: singular values s become tanh s.

    Parameters
    ----------
    V : array of shape (..., C, C)
        Tangent vectors at 0.

    Returns
    -------
    Z : array of shape (..., C, C)
        Contractions.
    """
    xp = array_namespace(V)
    return _on_singular_values(V, xp.tanh)


def contraction_mean(
    X: Array,
    sample_weight: Array,
    *,
    init: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 50,
) -> tuple[Array, int, bool]:
    """Frechet mean of contractions under the Siegel metric, by Riemannian gradient steps.

    The disk has nonpositive curvature: the mean exists, once. A step that does not shorten the
    gradient is halved.

    Parameters
    ----------
    X : array of shape (n, C, C)
        Contractions.
    sample_weight : array of shape (n,)
        Nonnegative weights of sum 1.
    init : array of shape (C, C), default=None
        Start; None is the arithmetic mean.
    tol : float, default=1e-8
        Stops when the norm of the gradient is below it.
    max_iter : int, default=50
        Most steps.

    Returns
    -------
    mean : array of shape (C, C)
        The mean.
    n_iter : int
        Steps taken.
    converged : bool
        Whether the gradient fell below ``tol``.
    """
    xp = array_namespace(X)
    weight = sample_weight[:, None, None]
    mean = xp.sum(weight * X, axis=0) if init is None else init
    step, last = 1.0, float("inf")
    for n_iter in range(1, max_iter + 1):
        gradient = xp.sum(weight * contraction_log(moved_to_origin(X, mean)), axis=0)
        norm = float(xp.linalg.matrix_norm(gradient))
        if norm <= tol:
            return mean, n_iter, True
        if norm >= last:
            step = step / 2
        last = norm
        mean = moved_from_origin(contraction_exp(step * gradient), mean)
    return mean, max_iter, False


def siegel_mean(
    points: Array,
    sample_weight: Array | None = None,
    *,
    init: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 50,
) -> SPDMean:
    """Frechet mean of block-Toeplitz points: a mean for each factor of the product.

    Parameters
    ----------
    points : array of shape (n, p, C, C)
        SPD matrix and contractions.
    sample_weight : array of shape (n,), default=None
        Nonnegative weights.
    init : array of shape (p, C, C), default=None
        Start; None is the arithmetic mean of each factor.
    tol : float, default=1e-8
        Stops when the norm of a factor's gradient is below it.
    max_iter : int, default=50
        Most steps for a factor.

    Returns
    -------
    result : SPDMean
        Mean, iterations of the factor that took most, and whether all factors converged.

    Warns
    -----
    ConvergenceWarning
        If a factor did not reach `tol` in `max_iter` steps.
    """
    xp = array_namespace(points)
    weight = unit_weights(points[:, 0, :, :], sample_weight)
    first = mean_spd(
        points[:, 0, :, :],
        sample_weight=weight,
        init=None if init is None else init[0, :, :],
        tol=tol,
        max_iter=max_iter,
    )
    means, n_iter, converged = [first.mean], first.n_iter, first.converged
    for m in range(1, points.shape[1]):
        start = None if init is None else init[m, :, :]
        mean, steps, done = contraction_mean(
            points[:, m, :, :], weight, init=start, tol=tol, max_iter=max_iter
        )
        means.append(mean)
        n_iter, converged = max(n_iter, steps), converged and done
    if not converged:
        warn(
            f"The Siegel mean did not reach tol={tol} in {max_iter} steps. Increase max_iter or "
            "tol.",
            ConvergenceWarning,
        )
    return SPDMean(xp.stack(means), n_iter, converged)


def siegel_distances(points: Array, means: Array) -> Array:
    """Squared distances of points to a few others under the product metric.

    Parameters
    ----------
    points : array of shape (n, p, C, C)
        Points.
    means : array of shape (n_means, p, C, C)
        Other points.

    Returns
    -------
    distances : array of shape (n, n_means)
        Squared.
    """
    xp = array_namespace(points, means)
    p = points.shape[1]
    columns = []
    for c in range(means.shape[0]):
        mean = means[c, :, :, :]
        total = p * distance(points[:, 0, :, :], mean[0, :, :]) ** 2
        for m in range(1, p):
            moved = moved_to_origin(points[:, m, :, :], mean[m, :, :])
            angles = xp.atanh(xp.linalg.svdvals(moved))
            total = total + (p - m) * xp.sum(angles**2, axis=-1)
        columns.append(total)
    return xp.stack(columns, axis=1)


def siegel_tangent_vectors(points: Array, reference: Array) -> Array:
    """Coordinates of points in the tangent space of a reference, of the metric's length.

    Parameters
    ----------
    points : array of shape (n, p, C, C)
        Points.
    reference : array of shape (p, C, C)
        Where the tangent space touches.

    Returns
    -------
    vectors : array of shape (n, C (C + 1) / 2 + (p - 1) C^2)
        The length of each is the distance of its point to the reference.
    """
    xp = array_namespace(points, reference)
    n, p, C, _ = points.shape
    parts = [p**0.5 * tangent_vectors(points[:, 0, :, :], reference[0, :, :])]
    for m in range(1, p):
        vectors = contraction_log(moved_to_origin(points[:, m, :, :], reference[m, :, :]))
        parts.append((p - m) ** 0.5 * xp.reshape(vectors, (n, C * C)))
    return xp.concat(parts, axis=1)


def _on_singular_values(Z: Array, function: Callable[[Array], Array]) -> Array:
    """Apply an odd function to the singular values, through the eigenvalues of Z Z^T."""
    xp = array_namespace(Z)
    squares, U = xp.linalg.eigh(_symmetric(Z @ xp.matrix_transpose(Z)))
    s = xp.sqrt(xp.clip(squares, 0.0, None))
    small = s < 1e-6  # function(s) / s = 1 + O(s^2) there: below rounding
    ratio = xp.where(small, xp.ones_like(s), function(s) / xp.where(small, xp.ones_like(s), s))
    return (U * ratio[..., None, :]) @ (xp.matrix_transpose(U) @ Z)


def _symmetric(A: Array) -> Array:
    return (A + array_namespace(A).matrix_transpose(A)) / 2
