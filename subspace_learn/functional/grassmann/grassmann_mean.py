"""Means of subspaces: the chordal mean in one decomposition, the Karcher mean by iteration.

Both depend on the subspaces alone, not on the bases that describe them. A plain average of basis
matrices does not have this property: it changes with any ``U_i Q_i``, and may even vanish.
"""

from __future__ import annotations

from typing import Any

from sklearn.exceptions import ConvergenceWarning

from ..._array import Array, array_namespace, device_of
from ..._warnings import warn
from ...linalg.grassmann import exponential, logarithm

__all__ = ["chordal_mean", "karcher_mean"]


def chordal_mean(bases: Array, weights: Array | None = None) -> Array:
    r"""Subspace with the smallest weighted sum of squared chordal distances to the given ones.

    Its basis are the k leading eigenvectors of the mean projector ``sum_i w_i U_i U_i^T``.

    Parameters
    ----------
    bases : array of shape (..., n_subspaces, d, k)
        Orthonormal columns.
    weights : array of shape (n_subspaces,), optional
        Nonnegative, not all zero; None means equal. Only their ratios matter.

    Returns
    -------
    U : array of shape (..., d, k)
        Orthonormal columns. Unique as a subspace where the eigenvalues k and k + 1 of the mean
        projector differ; otherwise (two orthogonal lines, say) one minimiser is returned.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a weight is negative, or all of them are zero.

    See Also
    --------
    karcher_mean : The mean for the geodesic distance.

    Notes
    -----
    ``sum_i w_i sin^2 = k - tr(U^T P U)`` with the mean projector P, hence the eigenvectors ([1]_;
    also called the extrinsic or projection mean). With m = n_subspaces * k < d they are
    left singular vectors of the (d, m) stack of the ``sqrt(w_i) U_i``: about 14 d m^2 flops and no
    (d, d) matrix; otherwise 2 d^2 m + 9 d^3 flops.

    References
    ----------
    .. [1] A. Srivastava, E. Klassen, Monte Carlo extrinsic estimators of manifold-valued
       parameters, IEEE Transactions on Signal Processing 50 (2002) 299-308.

    Examples
    --------
    The bisector of two axes, and the axis that outweighs the other:

    >>> import numpy as np
    >>> axes = np.asarray([[[1.0], [0.0]], [[1.0], [1.0]]]) / np.asarray([[[1.0]], [[2**0.5]]])
    >>> angle = lambda U: np.degrees(np.arctan(U[1] / U[0])).round(3)
    >>> angle(chordal_mean(axes))
    array([22.5])
    >>> angle(chordal_mean(axes, [1.0, 0.0]))
    array([0.])
    """
    xp, weights = _checked(bases, weights)
    n_subspaces, n_features, n_components = bases.shape[-3:]
    stack = xp.moveaxis(bases * xp.sqrt(weights), -3, -2)
    stack = xp.reshape(stack, (*bases.shape[:-3], n_features, n_subspaces * n_components))
    if stack.shape[-1] < n_features:
        return xp.linalg.svd(stack, full_matrices=False)[0][..., :n_components]
    vectors = xp.linalg.eigh(stack @ xp.matrix_transpose(stack))[1]
    return xp.flip(vectors, axis=-1)[..., :n_components]


def karcher_mean(
    bases: Array,
    weights: Array | None = None,
    *,
    tol: float | None = None,
    max_iter: int = 100,
) -> Array:
    """Subspace with the smallest weighted sum of squared geodesic distances to the given ones.

    Gradient descent with unit step from the chordal mean:
    ``U <- exp_U(sum_i w_i log_U(U_i))`` until the mean of the logarithms vanishes.

    Parameters
    ----------
    bases : array of shape (..., n_subspaces, d, k)
        Orthonormal columns.
    weights : array of shape (n_subspaces,), optional
        Nonnegative, not all zero; None means equal. Only their ratios matter.
    tol : float, optional
        Stop when the Frobenius norm of the mean logarithm (radians) is at most this, for each mean
        of a batch. None means eps^(3/4) of the dtype: 1.8e-12 in float64, 6.4e-6 in float32.
    max_iter : int, default=100
        Largest number of steps, at least 1.

    Returns
    -------
    U : array of shape (..., d, k)
        Orthonormal columns: the mean, or the last iterate.

    Raises
    ------
    ValueError
        If the shapes do not fit, a weight is negative, all weights are zero, or max_iter < 1.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached in `max_iter` steps.

    See Also
    --------
    chordal_mean : Closed form, and close to this mean for concentrated subspaces.

    Notes
    -----
    The mean is unique where all subspaces lie within a geodesic distance of less than pi / 4 of
    one point ([1]_, theorem 2.1, with injectivity radius pi / 2 and sectional curvature in [0, 2]).
    Beyond, the result is a critical point, and close to a cut locus it may depend on rounding.
    The curvature is nonnegative, so half a squared distance has no second derivative above 1 and
    each unit step lowers the cost by at least half the squared norm of the gradient (compare
    [2]_). Convergence is linear, faster the more concentrated the subspaces are. One step costs
    about 14 n_subspaces d k^2 flops and needs the memory of a few copies of `bases`.

    References
    ----------
    .. [1] B. Afsari, Riemannian L^p center of mass: existence, uniqueness, and convexity,
       Proceedings of the American Mathematical Society 139 (2011) 655-673.
    .. [2] B. Afsari, R. Tron, R. Vidal, On the convergence of gradient descent for finding the
       Riemannian center of mass, SIAM Journal on Control and Optimization 51 (2013) 2230-2260.
    """
    xp, weights = _checked(bases, weights)
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, but is {max_iter}.")
    tol = float(xp.finfo(bases.dtype).eps) ** 0.75 if tol is None else tol
    U = chordal_mean(bases, weights[:, 0, 0])
    for _ in range(max_iter):
        H = xp.sum(weights * logarithm(U[..., None, :, :], bases), axis=-3)
        U = exponential(U, H)
        gradient = xp.max(xp.linalg.matrix_norm(H))
        # The one number a step sends to the host; the SVD in the logarithm waits there anyway.
        if bool(gradient <= tol):
            return U
    warn(
        f"The Karcher mean did not converge in max_iter={max_iter} steps: the mean logarithm has "
        f"norm {float(gradient):.1e}, above tol={tol:.1e}. Raise max_iter or tol; if the norm does "
        "not fall, the subspaces are too far apart for a unique mean: use chordal_mean.",
        ConvergenceWarning,
    )
    return U


def _checked(bases: Array, weights: Array | None) -> tuple[Any, Array]:
    """Return namespace of ``bases``, and weights of sum 1 and shape (n_subspaces, 1, 1)."""
    xp = array_namespace(bases)
    if bases.ndim < 3 or not 1 <= bases.shape[-1] <= bases.shape[-2] or bases.shape[-3] < 1:
        raise ValueError(
            "bases needs shape (..., n_subspaces, n_features, n_components) with n_subspaces >= 1 "
            f"and 1 <= n_components <= n_features, but has shape {tuple(bases.shape)}. Stack the "
            "bases along a new first axis."
        )
    n_subspaces = bases.shape[-3]
    if weights is None:
        weights = xp.ones(n_subspaces, dtype=bases.dtype, device=device_of(bases))
    else:
        weights = xp.asarray(weights, dtype=bases.dtype, device=device_of(bases))
        if tuple(weights.shape) != (n_subspaces,):
            raise ValueError(
                f"weights has shape {tuple(weights.shape)}, but there are {n_subspaces} subspaces: "
                f"give one weight for each, shape ({n_subspaces},)."
            )
        total = xp.sum(weights)
        if not bool(xp.all(weights >= 0) & (total > 0) & xp.isfinite(total)):
            raise ValueError("weights must be nonnegative and finite, with a positive sum.")
    return xp, (weights / xp.sum(weights))[:, None, None]
