r"""Spectra of tables and the directions behind them: the linear algebra of RandomMatrixFilter.

The matrices stay in the library and on the device of the data; their spectrum, a short vector,
goes to the host once, where :mod:`~subspace_learn.functional.random_matrix.noise_model` decides
what is signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, device_of, move_like, to_numpy
from ...linalg.eig import leading_eigenpairs, with_fixed_signs, without_rounding
from ...linalg.lowrank import CentredTable, centred_table, dual_basis, row_gram
from ...linalg.moments import Moments, counted, merged_moments, row_blocks, table_moments
from .gaussian_model import divided, squared_lengths
from .noise_model import SampleSize

__all__ = [
    "ColumnSums",
    "Prepared",
    "Spectrum",
    "column_sums",
    "covariance_spectrum",
    "equalising_weights",
    "feature_scales",
    "gram_spectrum",
    "leading_directions",
    "merged_column_sums",
    "permuted_edges",
    "prepared",
    "sums_scale",
]


class ColumnSums(NamedTuple):
    """What a stream keeps: second moments, and which columns ever changed."""

    moments: Moments
    first: Array
    """Entries of one row, (n_features,)."""
    varies: Array
    """Which columns hold anything else, (n_features,), bool."""
    cancelled: Array
    """What was subtracted from the squares of each column to centre them, (n_features,): sparse
    columns are centred after their products, and keep the rounding of what they were before."""


class Spectrum(NamedTuple):
    """Eigenvalues of a covariance, and what is needed to find their directions."""

    eigenvalues: np.ndarray
    """The min(n_samples, n_features) first, descending, nonnegative, on the host."""
    size: SampleSize
    """Degrees of freedom, and columns that are not constant."""
    vectors: Array
    """Eigenvectors as columns: of the covariance, or of the Gram matrix if there is a table."""
    table: CentredTable | None = None
    """The table whose Gram matrix was decomposed."""


class Prepared(NamedTuple):
    """A table made ready for its spectrum: features divided, rows weighted, centred."""

    table: CentredTable
    n_samples: float
    """Degrees of freedom of its covariance."""
    scale: Array | None
    """What features were divided by; None for 1."""
    sums: ColumnSums | None
    """Sums over the table as it came, where its covariance is to be formed from them."""


def column_sums(X: Array, weights: Array | None, *, center: bool) -> ColumnSums:
    """Second moments of the columns of ``X``, and which of them vary.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    center : bool
        Whether moments are taken about the mean.

    Returns
    -------
    sums : ColumnSums
        To be merged with those of other rows.
    """
    moments = table_moments(X, weights, center=center)
    centred_late = center and sp.issparse(X)
    cancelled = (moments.weight if centred_late else 0.0) * moments.mean**2
    return ColumnSums(moments, *_varying_columns(X, weights), cancelled)


def _varying_columns(X: Array, weights: Array | None) -> tuple[Array, Array]:
    """One row that counts, and which columns differ from it in another row that counts."""
    if weights is not None and not bool(array_namespace(weights).all(weights > 0)):
        X = X[weights > 0, :] if sp.issparse(X) else X[weights > 0]
    if X.shape[0] == 0:
        raise ValueError("No row of X is left that counts: each is constant, or has no weight.")
    if sp.issparse(X):
        low, high = X.min(axis=0).toarray(), X.max(axis=0).toarray()
        return low.reshape(-1), (high > low).reshape(-1)
    return X[0, :], array_namespace(X).any(X != X[:1, :], axis=0)


def prepared(
    X: Array, weights: Array | None, *, standardize: str | bool, center: bool, gram: bool
) -> Prepared:
    """Divide features, equalise rows, and centre, as asked.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    standardize : {False, "features", "samples", "both"}
        What is brought to one scale.
    center : bool
        Whether the mean is subtracted.
    gram : bool
        Whether the spectrum is to be found through the Gram matrix: no sums are taken then.

    Returns
    -------
    prepared : Prepared
        ``sums`` can be merged with those of other rows unless rows were equalised.
    """
    by_feature, by_row = standardize in ("features", "both"), standardize in ("samples", "both")
    raw = centred_table(X, weights, center=center) if gram or by_row else None
    n_samples = counted(weights, X.shape[0])[1] - (1.0 if center else 0.0)
    if raw is None:
        return _prepared_sums(X, weights, n_samples, by_feature=by_feature, center=center)
    scale = feature_scales(raw, n_samples) if by_feature else None
    mean = raw.mean if scale is None else raw.mean / scale
    table = raw._replace(X=divided(X, scale), mean=mean)
    if by_row:
        table = centred_table(table.X, equalising_weights(table), center=center)
    sums = None
    if not gram:
        weights = None if table.root is None else table.root**2
        sums = column_sums(table.X, weights, center=center)
    return Prepared(table, n_samples, scale, sums)


def _prepared_sums(
    X: Array, weights: Array | None, n_samples: float, *, by_feature: bool, center: bool
) -> Prepared:
    """Take the sums of the table as it is; they tell the scales and the mean."""
    sums = column_sums(X, weights, center=center)
    scale = sums_scale(sums, n_samples) if by_feature else None
    mean = sums.moments.mean if scale is None else sums.moments.mean / scale
    root = None if weights is None else array_namespace(weights).sqrt(weights)
    table = CentredTable(divided(X, scale), root, mean, sums.moments.n_samples, sums.moments.weight)
    return Prepared(table, n_samples, scale, sums)


def merged_column_sums(a: ColumnSums, b: ColumnSums, *, center: bool) -> ColumnSums:
    """Sums over two sets of rows together.

    Parameters
    ----------
    a, b : ColumnSums
        Of disjoint sets of rows.
    center : bool
        As both were taken.

    Returns
    -------
    sums : ColumnSums
        In the library and on the device of ``a``.
    """
    first, varies = move_like(b.first, a.first), move_like(b.varies, a.varies)
    return ColumnSums(
        merged_moments(a.moments, b.moments, center=center),
        a.first,
        a.varies | varies | (a.first != first),
        a.cancelled + move_like(b.cancelled, a.cancelled),
    )


def sums_scale(sums: ColumnSums, n_samples: float) -> Array:
    """Standard deviation of each column, from sums; 1 for constant columns.

    Parameters
    ----------
    sums : ColumnSums
        Of a table.
    n_samples : float
        Degrees of freedom.

    Returns
    -------
    scale : array of shape (n_features,)
        Positive.
    """
    squares = array_namespace(sums.first).linalg.diagonal(sums.moments.scatter)
    xp = array_namespace(squares)
    varies = sums.varies & (squares > 0)
    return xp.where(varies, xp.sqrt(xp.abs(squares) / n_samples), xp.ones_like(squares))


def feature_scales(table: CentredTable, n_samples: float) -> Array:
    """Standard deviation of each column; 1 for constant columns.

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.
    n_samples : float
        Degrees of freedom.

    Returns
    -------
    scale : array of shape (n_features,)
        Positive.
    """
    varies, xp = _varying_columns(table.X, table.root)[1], array_namespace(table.mean)
    if sp.issparse(table.X):
        squares = table.X.multiply(table.X).astype(np.float64)
        weights = np.ones(table.X.shape[0]) if table.root is None else table.root**2
        sums = np.asarray(squares.T @ weights).reshape(-1) - table.weight * table.mean**2
    else:
        sums = 0.0 * table.mean
        for rows in row_blocks(table.X):
            gap = xp.astype(table.X[rows, :], xp.float64, copy=False) - table.mean
            gap = gap if table.root is None else gap * table.root[rows, None]
            sums = sums + xp.sum(gap * gap, axis=0)
    varies = varies & (sums > 0)
    return xp.where(varies, xp.sqrt(xp.abs(sums) / n_samples), xp.ones_like(sums))


def equalising_weights(table: CentredTable) -> Array:
    r"""Weights that give every row one length: :math:`w_i \bar d / d_i` with :math:`d = |x - m|^2`.

    A weighted covariance with them is the covariance of rows projected onto a sphere whose radius
    is their root mean square length (the spatial sign covariance, in the units of the data).

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.

    Returns
    -------
    weights : array of shape (n_samples,)
        Nonnegative; 0 for rows at the mean.
    """
    xp = array_namespace(table.mean)
    lengths = squared_lengths(table.X, table.mean)
    weights = xp.ones_like(lengths) if table.root is None else table.root**2
    mean = xp.sum(weights * lengths) / table.weight
    away = lengths > 4 * xp.finfo(table.X.dtype).eps ** 2 * (mean + table.mean @ table.mean)
    safe = xp.where(away, lengths, xp.ones_like(lengths))
    return xp.where(away, weights * mean / safe, xp.zeros_like(lengths))


def covariance_spectrum(
    sums: ColumnSums, n_samples: float, scale: Array | None, *, eps: float
) -> Spectrum:
    """Spectrum of the p x p covariance.

    Parameters
    ----------
    sums : ColumnSums
        Of the table.
    n_samples : float
        Degrees of freedom.
    scale : array of shape (n_features,), or None
        Divide features by it.
    eps : float
        Unit of rounding of the data.

    Returns
    -------
    spectrum : Spectrum
        With all eigenvectors.
    """
    covariance, cancelled = sums.moments.scatter / n_samples, sums.cancelled / n_samples
    if scale is not None:
        covariance = covariance / (scale[:, None] * scale[None, :])
        cancelled = cancelled / scale**2
    values, vectors = leading_eigenpairs(covariance)
    size = SampleSize(n_samples, _count(sums.varies))
    lost = float(array_namespace(cancelled).sum(cancelled))
    return _spectrum(values, vectors, size, covariance.shape[0], eps, lost)


def gram_spectrum(table: CentredTable, n_samples: float) -> Spectrum:
    """Spectrum of the covariance through the n x n Gram matrix of the rows: for wide tables.

    Parameters
    ----------
    table : CentredTable
        Features already divided by their scale.
    n_samples : float
        Degrees of freedom.

    Returns
    -------
    spectrum : Spectrum
        Directions are found on demand, at ``2 n p`` flops each.
    """
    values, vectors = leading_eigenpairs(row_gram(table) / n_samples)
    eps = float(array_namespace(values).finfo(values.dtype).eps)
    size = SampleSize(n_samples, _count(_varying_columns(table.X, table.root)[1]))
    # sparse rows are centred after their products, which leaves the rounding of what they were
    weight = table.weight if sp.issparse(table.X) else 0.0
    lost = weight * float(table.mean @ table.mean) / n_samples
    return _spectrum(values, vectors, size, max(table.X.shape), eps, lost)._replace(table=table)


def _count(mask: Array) -> int:
    xp = array_namespace(mask)
    return int(xp.sum(xp.astype(mask, xp.int64)))


def _spectrum(
    values: Array, vectors: Array, size: SampleSize, order: int, eps: float, lost: float = 0.0
) -> Spectrum:
    kept = max(1, min(int(size.n_samples), size.n_features))
    values = to_numpy(without_rounding(values, order, eps, beside=lost))[:kept]
    # rows that stand for several (weights) may be fewer than the degrees of freedom
    values = np.concatenate([values, np.zeros(kept - values.shape[0])])
    return Spectrum(np.clip(values, 0.0, None), size, vectors)


def leading_directions(spectrum: Spectrum, n_directions: int) -> Array:
    """Eigenvectors of the covariance that belong to the first eigenvalues.

    Parameters
    ----------
    spectrum : Spectrum
        Of a table.
    n_directions : int
        How many.

    Returns
    -------
    components : array of shape (n_directions, n_features)
        Orthonormal rows, the entry of largest modulus in each positive; fewer where there are fewer
        rows.
    """
    vectors = spectrum.vectors[:, :n_directions]
    if spectrum.table is not None:
        values = spectrum.eigenvalues[: vectors.shape[1]] * spectrum.size.n_samples
        xp = array_namespace(vectors)
        values = xp.asarray(values, dtype=vectors.dtype, device=device_of(vectors))
        vectors = dual_basis(spectrum.table, values, vectors)
    return with_fixed_signs(vectors.T) if n_directions else vectors.T


def permuted_edges(
    table: CentredTable,
    n_samples: float,
    n_permutations: int,
    rng: np.random.Generator,
    report: Callable[[str], None] = lambda message: None,
) -> np.ndarray:
    """Largest eigenvalues of tables whose columns are permuted, each by itself.

    What the columns have in common is destroyed; their scales and tails are kept (parallel
    analysis).

    Parameters
    ----------
    table : CentredTable
        Dense, features already divided by their scale.
    n_samples : float
        Degrees of freedom.
    n_permutations : int
        How many tables.
    rng : numpy.random.Generator
        Draws the permutations.
    report : callable, default does nothing
        Gets a line of text now and then.

    Returns
    -------
    edges : ndarray of shape (n_permutations,)
        One largest eigenvalue each. Each costs a product and an eigenproblem of the short side.

    References
    ----------
    A. Buja, N. Eyuboglu, "Remarks on parallel analysis", Multivariate Behavioral Research 27
    (1992), section 2 (permutations).
    """
    rows = table.rows()
    xp = array_namespace(rows)
    order = np.tile(np.arange(rows.shape[0])[:, None], (1, rows.shape[1]))
    edges = []
    for done in range(1, n_permutations + 1):
        index = xp.asarray(rng.permuted(order, axis=0), device=device_of(rows))
        mixed = xp.take_along_axis(rows, index, axis=0)
        gram = mixed.T @ mixed if mixed.shape[1] <= mixed.shape[0] else mixed @ mixed.T
        edges.append(float(xp.linalg.eigvalsh(gram)[-1]) / n_samples)
        if done % 10 == 0 or done == n_permutations:
            report(f"permuted tables: {done} of {n_permutations}, largest edge {max(edges):.4g}")
    return np.array(edges)
