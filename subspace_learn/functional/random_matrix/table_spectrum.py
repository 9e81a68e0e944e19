r"""From a table to the spectrum of its covariance, in float64 whatever the width of the table.

The matrices stay in the library and on the device of the data; their spectrum, a short vector, goes
to the host once.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, device_of, double, move_like, to_numpy
from ...linalg.eig import leading_eigenpairs, with_fixed_signs, without_rounding
from ...linalg.lowrank import CentredTable, centred_table, dual_basis, row_gram
from ...linalg.moments import Moments, deviations, merged_moments, table_moments
from .gaussian_model import divided, squared_lengths
from .noise_laws import TableSize

__all__ = [
    "ColumnSums",
    "RowWeights",
    "Spectrum",
    "column_scales",
    "column_sums",
    "covariance_spectrum",
    "leading_directions",
    "merged_column_sums",
    "permuted_edges",
    "table_spectrum",
]

_EPS = float(np.finfo(np.float64).eps)
_RESIDUE = 8.0  # entries of a constant column differ by that many units of rounding at most
_PER_OCTAVE = 8  # classes of weights that are told apart: 9 % wide


class RowWeights(NamedTuple):
    """Which weights rows had: all that the laws of noise ask of them, and additive."""

    classes: np.ndarray
    """Logarithm of the weight in eighths of an octave, (k,), int, ascending."""
    counts: np.ndarray
    """Rows in each class, (k,)."""
    sums: np.ndarray
    """Sum of their weights, (k,)."""

    def table_size(self, n_features: int, *, center: bool) -> TableSize:
        """Size of the table whose rows had these weights.

        Its moments are those of repeated rows, ``sum w (x - m)(x - m)^T / (sum w - 1)``; but a row
        of weight 2 is one observation, and the noise in it is drawn once.

        Parameters
        ----------
        n_features : int
            Columns that are not constant.
        center : bool
            Whether the mean was subtracted.

        Returns
        -------
        size : TableSize
            With one degree of freedom at least.
        """
        rows, weight = float(np.sum(self.counts)), float(np.sum(self.sums))
        share, relative = self.counts / rows, self.sums / self.counts * (rows / weight)
        equal_rows = rows / float(share @ relative**2)
        lost = 1.0 if center else 0.0
        return TableSize(
            max(equal_rows - lost, 1.0),
            n_features,
            tuple(zip(share.tolist(), relative.tolist(), strict=True)),
            weight * (1 - lost / max(equal_rows, 1 + lost)) / max(weight - lost, 1e-300),
        )


class ColumnSums(NamedTuple):
    """What a stream keeps: second moments, which columns ever changed, and the weights of rows."""

    moments: Moments
    first: Array
    """Entries of one row, (n_features,)."""
    varies: Array
    """Which columns hold anything else, (n_features,), bool."""
    cancelled: Array
    """What was subtracted from the squares of each column to centre them, (n_features,): sparse
    columns are centred after their products, and keep the rounding of what they were before."""
    row_weights: RowWeights


class Spectrum(NamedTuple):
    """Eigenvalues of a covariance, and what is needed to find their directions."""

    eigenvalues: np.ndarray
    """Those that are not zero for want of rows, descending, nonnegative, on the host."""
    size: TableSize
    mean: Array
    """Centre, in units of the divided features, (n_features,), float64."""
    scale: Array | None
    """What features were divided by; None for 1."""
    vectors: Array
    """Eigenvectors as columns: of the covariance, or of the Gram matrix if ``dual``."""
    table: CentredTable | None
    """Divided and weighted rows; None for a stream."""
    dual: bool = False
    """Whether the vectors are those of the Gram matrix of the rows."""
    lost: np.ndarray = np.empty(0, dtype=int)
    """Columns that vary, by less than the rounding of the largest eigenvalue."""


def column_sums(X: Array, weights: Array | None, *, center: bool) -> ColumnSums:
    """Second moments of the columns of ``X``, and which of them vary.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Nonnegative.
    center : bool
        Whether moments are taken about the mean.

    Returns
    -------
    sums : ColumnSums
        To be merged with those of other rows.
    """
    first, varies = _varying_columns(X, weights)
    X, first = _in_float64(X), double(first)
    moments = table_moments(X, weights, center=center)
    centred_late = center and sp.issparse(X)
    cancelled = (moments.weight if centred_late else 0.0) * moments.mean**2
    return ColumnSums(moments, first, varies, cancelled, _row_weights(weights, X.shape[0]))


def _row_weights(weights: Array | None, n_rows: int) -> RowWeights:
    """Count weights by their size."""
    if weights is None:
        return RowWeights(np.zeros(1, int), np.array([float(n_rows)]), np.array([float(n_rows)]))
    host = to_numpy(weights)
    host = host[host > 0]
    keys = np.rint(_PER_OCTAVE * np.log2(host)).astype(int)
    classes, place = np.unique(keys, return_inverse=True)
    return RowWeights(classes, np.bincount(place).astype(float), np.bincount(place, weights=host))


def _in_float64(X: Array) -> Array:
    return X.astype(np.float64) if sp.issparse(X) else double(X)


def _weights_of_observations(X: Array, weights: Array | None) -> RowWeights:
    """Weights of different rows, with those of their copies, where entries are continuous.

    In a table of a few levels rows coincide by chance and are independent all the same. Copies that
    cost less than a tenth of the rows change nothing.
    """
    given = _row_weights(weights, X.shape[0])
    few = _groups_of_equal_rows(X[:, : min(X.shape[1], 8)])  # equal rows are equal there
    if 10 * few.max() >= 9 * few.size:
        return given
    groups = _groups_of_equal_rows(X)
    host = np.ones(groups.size) if weights is None else to_numpy(weights)
    together = (total := np.bincount(groups, weights=host))[total > 0]
    if np.sum(together**2) < float(np.sum(host**2)) / 0.9:
        return given
    sample = X[:: max(1, X.shape[0] // 256), :]
    sample = sample.toarray() if sp.issparse(X) else to_numpy(sample)
    n_different = np.unique(groups[:: max(1, X.shape[0] // 256)]).size
    continuous = any(
        2 * np.unique(column).size >= n_different and np.any(column != np.rint(column))
        for column in sample.T
    )
    return _row_weights(together, together.size) if continuous else given


def _groups_of_equal_rows(X: Array) -> np.ndarray:
    """For each row the number of the group of equal ones that it belongs to, from 0."""
    # two rows have one product with a random vector only if they are one row
    probe, xp = np.random.default_rng(0).standard_normal(X.shape[1]), array_namespace(X)
    place = {} if sp.issparse(X) else {"device": device_of(X)}
    products = to_numpy(X @ xp.asarray(probe, **place))
    order = np.argsort(products, kind="stable")
    rounding = 64 * _EPS * np.max(np.abs(products))
    groups = np.empty(order.size, dtype=int)
    groups[order] = np.cumsum(np.diff(products[order], prepend=products[order[0]]) > rounding)
    return groups


def _varying_columns(X: Array, weights: Array | None) -> tuple[Array, Array]:
    """One row that counts, and which columns differ from it, by more than rounding, in another."""
    if weights is not None and not bool(array_namespace(weights).all(weights > 0)):
        X = X[weights > 0, :] if sp.issparse(X) else X[weights > 0]
    if X.shape[0] == 0:
        raise ValueError("No row of X is left that counts: each is constant, or has no weight.")
    if sp.issparse(X):
        low, high = (ends.toarray().reshape(-1) for ends in (X.min(axis=0), X.max(axis=0)))
        return low, high - low > _RESIDUE * np.finfo(X.dtype).eps * abs(low)
    xp, first = array_namespace(X), X[0, :]
    tolerance = _RESIDUE * float(xp.finfo(X.dtype).eps) * xp.abs(first)
    for rows in (X[: min(X.shape[0], 16), :], X):  # a few rows settle it nearly always
        varies = xp.max(xp.abs(rows - first), axis=0) > tolerance
        if bool(xp.all(varies)):
            break
    return first, varies


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
    xp = array_namespace(first)
    keys = np.concatenate([a.row_weights.classes, b.row_weights.classes])
    classes, place = np.unique(keys, return_inverse=True)
    rows, total = (
        np.bincount(place, weights=np.concatenate([getattr(s.row_weights, name) for s in (a, b)]))
        for name in ("counts", "sums")
    )
    return ColumnSums(
        merged_moments(a.moments, b.moments, center=center),
        a.first,
        a.varies | varies | (xp.abs(a.first - first) > _RESIDUE * _EPS * xp.abs(first)),
        a.cancelled + move_like(b.cancelled, a.cancelled),
        RowWeights(classes, rows, total),
    )


def column_scales(sums: ColumnSums, *, center: bool) -> Array:
    """Standard deviation of each column; 1 for columns that are constant up to rounding.

    Parameters
    ----------
    sums : ColumnSums
        Of a table.
    center : bool
        As they were taken.

    Returns
    -------
    scale : array of shape (n_features,)
        Positive.
    """
    xp = array_namespace(sums.first)
    squares = xp.linalg.diagonal(sums.moments.scatter)
    variances = xp.abs(squares) / (sums.moments.weight - center)
    scale = deviations(variances, sums.moments.mean, _EPS)
    return xp.where(sums.varies & (scale > 0), scale, xp.ones_like(scale))


def table_spectrum(
    X: Array, weights: Array | None, *, standardize: str | bool, center: bool, gram: bool
) -> tuple[Spectrum, ColumnSums | None]:
    """Divide features, equalise rows, centre, and decompose.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Nonnegative.
    standardize : {False, "features", "samples", "both"}
        What is brought to one scale.
    center : bool
        Whether the mean is subtracted.
    gram : bool
        Whether the n x n Gram matrix of the rows is decomposed: for wide tables.

    Returns
    -------
    spectrum : Spectrum
        With the table.
    sums : ColumnSums or None
        To which other rows can be added; None if the covariance was not formed, or rows were
        equalised, which needs all of them.
    """
    by_feature, by_row = standardize in ("features", "both"), standardize in ("samples", "both")
    varies = _varying_columns(X, weights)[1]
    X = _in_float64(X)
    observations = _weights_of_observations(X, weights)
    if not gram and not by_row:
        sums = column_sums(X, weights, center=center)
        sums = sums._replace(varies=varies, row_weights=observations)
        spectrum = covariance_spectrum(sums, divide=by_feature, center=center)
        root = None if weights is None else weights**0.5
        rows = X if spectrum.scale is None else divided(X, spectrum.scale)
        table = CentredTable(rows, root, spectrum.mean, *sums.moments[:2])
        return spectrum._replace(table=table), sums
    scale = _scales_of_rows(X, weights, center=center) if by_feature else None
    table = centred_table(X if scale is None else divided(X, scale), weights, center=center)
    if by_row:  # rows are alike when their lengths are: only the weights given count as weights
        equal = centred_table(table.X, _equalising_weights(table), center=center)
        table = equal._replace(weight=table.weight)
    if gram:
        return _gram_spectrum(table, observations, scale, varies, center=center), None
    row_weights = None if table.root is None else table.root**2
    sums = column_sums(table.X, row_weights, center=center)
    sums = sums._replace(
        moments=sums.moments._replace(weight=table.weight),
        varies=varies,
        row_weights=observations,
    )
    spectrum = covariance_spectrum(sums, divide=False, center=center)
    return spectrum._replace(scale=scale, table=table), None


def _scales_of_rows(X: Array, weights: Array | None, *, center: bool) -> Array:
    """Standard deviations of the columns of a table that is too wide for its covariance."""
    X = X.tocsc() if sp.issparse(X) else X
    ends = [*range(0, X.shape[1], 64), X.shape[1]]
    parts = (X[:, start:stop] for start, stop in pairwise(ends))
    sums = (column_sums(part, weights, center=center) for part in parts)
    scales = [column_scales(part, center=center) for part in sums]
    return array_namespace(scales[0]).concat(scales)


def _equalising_weights(table: CentredTable) -> Array:
    r"""Weights that give every row one length: :math:`w_i \bar d / d_i` with :math:`d = |x - m|^2`.

    A weighted covariance with them is the covariance of rows projected onto a sphere whose radius
    is their root mean square length (the spatial sign covariance, in the units of the data). Rows
    at the mean have no direction, and get 0.
    """
    xp = array_namespace(table.mean)
    lengths = squared_lengths(table.X, table.mean)
    weights = xp.ones_like(lengths) if table.root is None else table.root**2
    mean = xp.sum(weights * lengths) / table.weight
    away = lengths > 4 * _EPS**2 * (mean + table.mean @ table.mean)
    safe = xp.where(away, lengths, xp.ones_like(lengths))
    return xp.where(away, weights * mean / safe, xp.zeros_like(lengths))


def covariance_spectrum(sums: ColumnSums, *, divide: bool, center: bool) -> Spectrum:
    """Spectrum of the p x p covariance.

    Parameters
    ----------
    sums : ColumnSums
        Of the table.
    divide : bool
        Whether features are divided by their standard deviation.
    center : bool
        As the sums were taken.

    Returns
    -------
    spectrum : Spectrum
        With all eigenvectors, without a table.
    """
    freedom = sums.moments.weight - center
    covariance, cancelled = sums.moments.scatter / freedom, sums.cancelled / freedom
    scale, mean = None, sums.moments.mean
    if divide:
        scale = column_scales(sums, center=center)
        covariance = covariance / (scale[:, None] * scale[None, :])
        cancelled, mean = cancelled / scale**2, mean / scale
    xp = array_namespace(covariance)
    values, vectors = leading_eigenpairs(covariance)
    size = sums.row_weights.table_size(int(xp.sum(xp.astype(sums.varies, xp.int64))), center=center)
    spectrum = Spectrum(np.empty(0), size, mean, scale, vectors, None)
    n_rows = int(np.sum(sums.row_weights.counts)) - center
    off = float(xp.sum(cancelled))
    spectrum = _with_values(spectrum, values, (n_rows, covariance.shape[0]), off)
    rounding = 4 * covariance.shape[0] ** 0.5 * _EPS * (float(values[0]) + off)
    lost = sums.varies & (xp.linalg.diagonal(covariance) <= rounding)
    return spectrum._replace(lost=np.flatnonzero(to_numpy(lost)))


def _gram_spectrum(
    table: CentredTable, rows: RowWeights, scale: Array | None, varies: Array, *, center: bool
) -> Spectrum:
    """Spectrum through the n x n Gram matrix; directions are found on demand, 2 n p flops each."""
    freedom = table.weight - center
    values, vectors = leading_eigenpairs(row_gram(table) / freedom)
    xp = array_namespace(varies)
    n_features = int(xp.sum(xp.astype(varies, xp.int64)))
    size = rows.table_size(n_features, center=center)
    # sparse rows are centred after their products, which leaves the rounding of what they were
    lost = table.weight * float(table.mean @ table.mean) / freedom if sp.issparse(table.X) else 0.0
    spectrum = Spectrum(np.empty(0), size, table.mean, scale, vectors, table, dual=True)
    n_rows = int(np.sum(rows.counts)) - center
    return _with_values(spectrum, values, (n_rows, table.X.shape[1]), lost)


def _with_values(
    spectrum: Spectrum, values: Array, shape: tuple[int, int], lost: float
) -> Spectrum:
    """Put in the eigenvalues that rows and columns leave room for, without rounding."""
    kept = max(1, min(shape[0], spectrum.size.n_features))
    order = max(shape) if spectrum.dual else shape[1]
    host = to_numpy(without_rounding(values, order, _EPS, beside=lost))
    return spectrum._replace(eigenvalues=np.clip(host[:kept], 0.0, None))


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
    if spectrum.dual and spectrum.table is not None:
        xp = array_namespace(vectors)
        values = spectrum.eigenvalues[: vectors.shape[1]]
        values = np.concatenate([values, np.zeros(vectors.shape[1] - values.shape[0])])
        values = xp.asarray(values, dtype=vectors.dtype, device=device_of(vectors))
        vectors = dual_basis(spectrum.table, values, vectors)
    return with_fixed_signs(vectors.T) if n_directions else vectors.T


def permuted_edges(
    spectrum: Spectrum,
    n_permutations: int,
    rng: np.random.Generator,
    report: Callable[[str], None] = lambda message: None,
) -> np.ndarray:
    """Largest eigenvalues of tables whose columns are permuted, each by itself.

    What the columns have in common is destroyed; their scales and tails are kept (parallel
    analysis).

    Parameters
    ----------
    spectrum : Spectrum
        Of a dense table, which it holds.
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
    if spectrum.table is None:
        raise ValueError("The spectrum holds no table, whose columns could be permuted.")
    rows = spectrum.table.rows()
    xp = array_namespace(rows)
    order = np.tile(np.arange(rows.shape[0])[:, None], (1, rows.shape[1]))
    edges = []
    for done in range(1, n_permutations + 1):
        index = xp.asarray(rng.permuted(order, axis=0), device=device_of(rows))
        mixed = xp.take_along_axis(rows, index, axis=0)
        gram = mixed.T @ mixed if mixed.shape[1] <= mixed.shape[0] else mixed @ mixed.T
        edges.append(float(xp.linalg.eigvalsh(gram)[-1]) / spectrum.size.n_samples)
        if done % 10 == 0 or done == n_permutations:
            report(f"permuted tables: {done} of {n_permutations}, largest edge {max(edges):.4g}")
    return np.array(edges)
