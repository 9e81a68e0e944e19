"""Class subspaces and the distance of rows to them: CLAFIC, and its residual form.

Class c owns a subspace with orthonormal basis ``U_c``; a stack of C of them is an array of shape
(C, d, k). Products with a whole stack are one matrix product: its transposed bases, one below the
other, form a (C k, d) matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..._array import Array, array_namespace
from ...linalg.moments import row_blocks
from .grassmann_pca import PCASettings, fitted_subspace

__all__ = [
    "class_means",
    "class_subspaces",
    "coordinates",
    "gaps",
    "projection_norms",
    "row_directions",
    "squared_class_residuals",
    "weighted_mean",
]


def gaps(X: Array, means: Array) -> Array:
    """Rows minus a mean; a row that differs from it by rounding only gives zeros.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    means : array of shape (n_features,) or (n_samples, n_features)
        One mean for all rows, or one for each.

    Returns
    -------
    gaps : array of shape (n_samples, n_features)
        ``X - means``, with rows set to 0 whose largest entry is below 8 eps times that of the mean.
    """
    xp = array_namespace(X)
    gap = X - means
    rounding = 8 * float(xp.finfo(X.dtype).eps) * xp.max(xp.abs(means), axis=-1, keepdims=True)
    return xp.where(xp.max(xp.abs(gap), axis=1, keepdims=True) > rounding, gap, xp.zeros_like(gap))


def row_directions(X: Array) -> tuple[Array, Array]:
    """Rows divided by their lengths, ``x / |x|``, and which rows have a direction at all.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Finite floats; neither overflow nor underflow of squares matters.

    Returns
    -------
    directions : array of shape (n_samples, n_features)
        Rows of length 1; a zero row stays zero.
    has_direction : bool array of shape (n_samples,)
        False for zero rows.
    """
    xp = array_namespace(X)
    largest = xp.max(xp.abs(X), axis=1, keepdims=True)
    has_direction = largest > 0
    scaled = X / xp.where(has_direction, largest, xp.ones_like(largest))
    length = xp.linalg.vector_norm(scaled, axis=1, keepdims=True)
    return scaled / xp.where(has_direction, length, xp.ones_like(length)), has_direction[:, 0]


def weighted_mean(X: Array, weights: Array | None = None) -> Array:
    """Weighted mean of the rows, summed in float64, given in the precision of X.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    weights : array of shape (n_samples,), optional
        Frequencies, not all zero.

    Returns
    -------
    mean : array of shape (n_features,)
        ``sum_i w_i x_i / sum_i w_i``.
    """
    xp = array_namespace(X)
    if weights is None:
        return xp.astype(xp.mean(xp.astype(X, xp.float64), axis=0), X.dtype)
    share = xp.astype(weights, xp.float64) / xp.sum(xp.astype(weights, xp.float64))
    return xp.astype(share @ xp.astype(X, xp.float64), X.dtype)


def class_subspaces(
    X: Array, rows: Sequence[Array], subspace_dim: int, weights: Array | None = None
) -> tuple[Array, list[int]]:
    r"""Leading eigenvectors of each class's second moments: the subspaces of CLAFIC.

    ``U_c`` maximises :math:`\sum_{i \in c} w_i |U_c^T x_i|^2`: principal components of the rows of
    the class, without centring.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows, as they shall be weighed against each other (:func:`row_directions`, for example).
    rows : sequence of int arrays
        Row numbers of each class; none may be empty.
    subspace_dim : int
        Dimension k, at most n_features and the number of rows of each class.
    weights : array of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    U : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns by descending energy, signs fixed, in the precision of X. Columns beyond
        the rank are zero: a class whose rows span less has a smaller subspace.
    ranks : list of int
        How many columns are not zero, in each class.

    Notes
    -----
    Costs ``n d^2`` flops and an eigenproblem of size ``min(n_c, d)`` for each class.

    References
    ----------
    S. Watanabe, N. Pakvasa, "Subspace method in pattern recognition", Proc. 1st Int. Joint Conf. on
    Pattern Recognition (1973); E. Oja, "Subspace methods of pattern recognition" (1983), ch. 4.
    """
    xp = array_namespace(X)
    settings = PCASettings(subspace_dim, center=False, solver="covariance", n_oversamples=0)
    bases, ranks = [], []
    for members in rows:
        w = None if weights is None else xp.take(weights, members)
        found, _ = fitted_subspace(xp.take(X, members, axis=0), w, settings)
        spanned = found.eigenvalues > found.rounding
        basis = found.components.T
        bases.append(xp.astype(xp.where(spanned, basis, xp.zeros_like(basis)), X.dtype))
        ranks.append(int(xp.sum(xp.astype(spanned, xp.int64))))
    return xp.stack(bases), ranks


def class_means(X: Array, rows: Sequence[Array], weights: Array | None = None) -> Array:
    """Weighted mean of the rows of each class.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    rows : sequence of int arrays
        Row numbers of each class; none may be empty.
    weights : array of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    means : array of shape (n_classes, n_features)
        Summed in float64, given in the precision of X.
    """
    xp = array_namespace(X)
    means = []
    for members in rows:
        w = None if weights is None else xp.take(weights, members)
        means.append(weighted_mean(xp.take(X, members, axis=0), w))
    return xp.stack(means)


def coordinates(X: Array, U: Array) -> Array:
    """Coordinates ``U_c^T x_i`` of each row in each class subspace.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    U : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns (or any matrices of that shape).

    Returns
    -------
    Z : array of shape (n_classes, subspace_dim, n_samples)
        One product of ``2 n d C k`` flops. The samples stand last, so that sums over coordinates
        and classes run along contiguous memory.
    """
    xp = array_namespace(X, U)
    n_classes, n_features, subspace_dim = U.shape
    stacked = xp.reshape(xp.matrix_transpose(U), (n_classes * subspace_dim, n_features))
    return xp.reshape(stacked @ X.T, (n_classes, subspace_dim, X.shape[0]))


def projection_norms(X: Array, U: Array) -> Array:
    """Length ``|U_c^T x_i|`` of the projection of each row on each class subspace.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    U : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns.

    Returns
    -------
    norms : array of shape (n_samples, n_classes)
        In [0, \\|x_i\\|]: for rows of length 1 the cosine of the angle to the subspace.
    """
    xp = array_namespace(X, U)
    parts = []
    for block in row_blocks(X):
        Z = coordinates(X[block, :], U)
        parts.append(xp.sqrt(xp.sum(Z * Z, axis=1)).T)
    return xp.concat(parts)


def squared_class_residuals(X: Array, U: Array, means: Array) -> Array:
    """Squared distance of each row to each affine class subspace ``means_c + span(U_c)``.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    U : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns.
    means : array of shape (n_classes, n_features)
        A point of each subspace; zeros for subspaces through the origin.

    Returns
    -------
    residuals : array of shape (n_samples, n_classes)
        ``|(I - U_c U_c^T)(x_i - means_c)|^2``. The projection is subtracted, so that small
        residuals keep their relative accuracy: ``4 n d C k`` flops.
    """
    xp = array_namespace(X, U)
    parts = []
    for block in row_blocks(X):
        columns = []
        for c in range(U.shape[0]):
            gap = X[block, :] - means[c, :]
            gap = gap - (gap @ U[c, ...]) @ U[c, ...].T
            columns.append(xp.sum(gap * gap, axis=1))
        parts.append(xp.stack(columns, axis=1))
    return xp.concat(parts)
