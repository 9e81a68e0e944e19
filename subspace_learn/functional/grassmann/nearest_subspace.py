"""Class subspaces and the distance of rows to them: CLAFIC, and its residual form.

Class c owns a subspace with orthonormal basis ``U_c``; a stack of C of them is an array of shape
(C, d, k). Products with a whole stack are one matrix product: its transposed bases, one below the
other, form a (C k, d) matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..._array import Array, array_namespace
from ...linalg.moments import row_blocks

__all__ = [
    "ColumnStatistics",
    "class_means",
    "class_subspaces",
    "column_statistics",
    "energy_subspaces",
    "gaps",
    "merged_statistics",
    "projection_norms",
    "row_directions",
    "row_energy",
    "spreads",
    "squared_class_residuals",
    "typical_length",
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


class ColumnStatistics(NamedTuple):
    """Mean and spread of columns, which batches of rows keep exactly."""

    weight: float
    """Sum of the weights of the rows."""
    mean: Array
    """Weighted mean, (n_features,), float64."""
    squares: Array
    """Sum of w (x - mean)^2, (n_features,), float64."""


def column_statistics(X: Array, weights: Array | None = None) -> ColumnStatistics:
    """Mean and spread of the columns of a table, in float64.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    weights : array of shape (n_samples,), optional
        Frequencies, not all zero; None means 1 each.

    Returns
    -------
    statistics : ColumnStatistics
        A row of weight 2 counts as two.
    """
    xp = array_namespace(X)
    X = xp.astype(X, xp.float64)
    weights = xp.ones_like(X[:, 0]) if weights is None else xp.astype(weights, xp.float64)
    total = xp.sum(weights)
    # from the first row on, so that a column of one value has exactly that mean
    gap = X - X[:1, :]
    mean = (weights / total) @ gap
    return ColumnStatistics(float(total), X[0, :] + mean, weights @ (gap - mean) ** 2)


def merged_statistics(a: ColumnStatistics, b: ColumnStatistics) -> ColumnStatistics:
    """Statistics of the rows of both.

    Parameters
    ----------
    a, b : ColumnStatistics
        Of different rows of the same columns.

    Returns
    -------
    statistics : ColumnStatistics
        Exact but for rounding.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
    The American Statistician 37 (1983), eq. 2.1.
    """
    weight = a.weight + b.weight
    gap = b.mean - a.mean
    share = b.weight / weight
    squares = a.squares + b.squares + gap * gap * (a.weight * share)
    return ColumnStatistics(weight, a.mean + gap * share, squares)


def spreads(statistics: ColumnStatistics, eps: float) -> Array:
    """Standard deviation of each column; 1 where it is rounding of the mean only.

    Parameters
    ----------
    statistics : ColumnStatistics
        Of the rows.
    eps : float
        Unit of rounding of the rows.

    Returns
    -------
    spreads : array of shape (n_features,)
        Positive, float64.
    """
    xp = array_namespace(statistics.mean)
    spread = xp.sqrt(statistics.squares / statistics.weight)
    varies = spread > 10 * eps * xp.abs(statistics.mean)
    return xp.where(varies, spread, xp.ones_like(spread))


def typical_length(statistics: ColumnStatistics, origin: Array, scale: Array) -> float:
    """Root mean square length of the rows ``(x - origin) / scale``; 1 if all of them are zero.

    Parameters
    ----------
    statistics : ColumnStatistics
        Of the rows.
    origin : array of shape (n_features,)
        What is subtracted from them.
    scale : array of shape (n_features,)
        What they are divided by.

    Returns
    -------
    length : float
        Positive.
    """
    xp = array_namespace(statistics.mean)
    gap = statistics.mean - xp.astype(origin, xp.float64)
    squares = statistics.squares / statistics.weight + gap * gap
    return float(xp.sum(squares / xp.astype(scale, xp.float64) ** 2)) ** 0.5 or 1.0


def class_subspaces(
    X: Array,
    rows: Sequence[Array],
    n_components: int,
    weights: Array | None = None,
    *,
    eps: float | None = None,
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
    n_components : int
        Dimension k, at most n_features.
    weights : array of shape (n_samples,), optional
        Frequencies.
    eps : float, optional
        Unit of rounding that the rows carry; None means that of their precision.

    Returns
    -------
    U : array of shape (n_classes, n_features, n_components)
        Orthonormal columns by descending energy, in the precision of X, their signs arbitrary.
        Columns beyond the rank are zero: a class whose rows span less has a smaller subspace.
    ranks : list of int
        How many columns are not zero, in each class.

    Notes
    -----
    Works in float64, in which directions with a share of 1e-10 of a class's energy are still
    right: 2 % structure about a common mean holds 4e-4 of it. Costs ``2 n d^2`` flops and an
    eigenproblem of size ``d``, or a singular value decomposition of fewer than d rows, for each
    class.

    References
    ----------
    S. Watanabe, N. Pakvasa, "Subspace method in pattern recognition", Proc. 1st Int. Joint Conf. on
    Pattern Recognition (1973); E. Oja, "Subspace methods of pattern recognition" (1983), ch. 4.
    """
    xp = array_namespace(X)
    eps = float(xp.finfo(X.dtype).eps) if eps is None else eps
    bases, ranks = [], []
    for members in rows:
        Y = xp.astype(xp.take(X, members, axis=0), xp.float64)
        if weights is not None:
            Y = Y * xp.sqrt(xp.astype(xp.take(weights, members), xp.float64))[:, None]
        if Y.shape[0] < Y.shape[1]:
            _, lengths, basis = xp.linalg.svd(Y, full_matrices=False)
            energies, basis = lengths**2, xp.matrix_transpose(basis)
        else:
            energies, basis = xp.linalg.eigh(xp.matrix_transpose(Y) @ Y)
            energies, basis = xp.flip(energies), xp.flip(basis, axis=1)
        basis, rank = _spanned(energies, basis, Y.shape, n_components, eps)
        bases.append(xp.astype(basis, X.dtype))
        ranks.append(rank)
    return xp.stack(bases), ranks


def _spanned(
    energies: Array, basis: Array, shape: tuple[int, int], n_components: int, eps: float
) -> tuple[Array, int]:
    """The leading columns of a basis, with zeros for those beyond the rank of the rows."""
    xp = array_namespace(basis)
    if basis.shape[1] < n_components:
        none = xp.zeros_like(xp.concat([basis] * n_components, axis=1))
        energies = xp.concat([energies, none[0, :]])
        basis = xp.concat([basis, none], axis=1)
    eps64 = float(xp.finfo(xp.float64).eps)
    # what rounding of the rows, or of their products, may leave beside an exact subspace
    rounding = max(max(shape) * eps**2, shape[1] * eps64) * energies[0]
    spanned = energies[:n_components] > rounding
    basis = basis[:, :n_components]
    basis = xp.where(spanned, basis, xp.zeros_like(basis))
    return basis, int(xp.sum(xp.astype(spanned, xp.int64)))


def energy_subspaces(
    energies: Sequence[Array], counts: Sequence[int], n_components: int, *, eps: float
) -> Array:
    """Class subspaces from the second moments of each class: `class_subspaces` without the rows.

    Parameters
    ----------
    energies : sequence of array of shape (n_features, n_features)
        ``sum_i w_i x_i x_i^T`` over the rows of each class, float64.
    counts : sequence of int
        Rows of each class.
    n_components : int
        Dimension k, at most n_features.
    eps : float
        Unit of rounding that the rows carry.

    Returns
    -------
    U : array of shape (n_classes, n_features, n_components)
        As `class_subspaces` gives them.
    """
    xp = array_namespace(*energies)
    bases = []
    for energy, count in zip(energies, counts, strict=True):
        values, vectors = xp.linalg.eigh(energy)
        shape = (count, energy.shape[0])
        values, vectors = xp.flip(values), xp.flip(vectors, axis=1)
        bases.append(_spanned(values, vectors, shape, n_components, eps)[0])
    return xp.stack(bases)


def row_energy(X: Array, weights: Array | None = None) -> Array:
    """Second moments of rows about 0: ``sum_i w_i x_i x_i^T``, in float64.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    weights : array of shape (n_samples,), optional
        Frequencies; None means 1 each.

    Returns
    -------
    energy : array of shape (n_features, n_features)
        Those of several sets of rows add up.
    """
    xp = array_namespace(X)
    X = xp.astype(X, xp.float64)
    weighted = X if weights is None else X * xp.astype(weights, xp.float64)[:, None]
    return X.T @ weighted


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


def projection_norms(X: Array, U: Array) -> Array:
    """Length ``|U_c^T x_i|`` of the projection of each row on each class subspace.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    U : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.

    Returns
    -------
    norms : array of shape (n_samples, n_classes)
        In [0, \\|x_i\\|]: for rows of length 1 the cosine of the angle to the subspace.
    """
    xp = array_namespace(X, U)
    n_classes, n_features, n_components = U.shape
    stacked = xp.reshape(xp.matrix_transpose(U), (n_classes * n_components, n_features))
    parts = []
    for block in row_blocks(X):
        Z = xp.reshape(stacked @ X[block, :].T, (n_classes, n_components, -1))
        parts.append(xp.sqrt(xp.sum(Z * Z, axis=1)).T)
    return xp.concat(parts)


def squared_class_residuals(X: Array, U: Array, means: Array) -> Array:
    """Squared distance of each row to each affine class subspace ``means_c + span(U_c)``.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    U : array of shape (n_classes, n_features, n_components)
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
