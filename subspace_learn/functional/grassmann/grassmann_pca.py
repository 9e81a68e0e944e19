r"""Principal subspaces as points of a Grassmann manifold: the mathematics of GrassmannPCA.

For centred rows with scatter matrix S the principal subspace of dimension k is
``argmax over U in Gr(k, d) of tr(U^T S U)``, spanned by the k leading eigenvectors of S (Ky Fan).
It is read from the second moments of a table, exact (`Moments`) or of low rank (`LowRankMoments`);
those of several tables merge into one.
"""

from __future__ import annotations

from functools import reduce
from math import inf
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, move_like
from ...linalg.eig import leading_eigenpairs, rounding_floor, with_fixed_signs
from ...linalg.krylov import likely_steps, orthonormal_against
from ...linalg.lowrank import (
    LowRankMoments,
    centred_table,
    compressed,
    dual_low_rank,
    krylov_low_rank,
    merged_low_rank,
    svd_low_rank,
)
from ...linalg.moments import Moments, merged_moments, table_moments

__all__ = [
    "EXACT_FEATURES",
    "PCASettings",
    "PrincipalSubspace",
    "SecondMoments",
    "batch_moments",
    "fitted_subspace",
    "is_resolved",
    "merged_batches",
    "principal_subspace",
    "resolved_solver",
]

SecondMoments = Moments | LowRankMoments

# Up to this many features a stream keeps the d x d scatter matrix (32 MiB at the limit).
EXACT_FEATURES = 2048
# An eigenvalue below this multiple of what rounding may add is found again, more precisely.
_DOUBTFUL = 100.0
# Multiply-adds up to which products of float32 rows are formed in float64 at once.
_SMALL = 2e8
# Most rows (or columns) of a square matrix that "auto" forms when the randomized solver fails.
_LARGEST_SQUARE = 20_000


class PCASettings(NamedTuple):
    """What is asked of a fit: how many directions, about which centre, found how."""

    n_components: float | None
    """A number (int), a share of the variance (float), or all above rounding (None)."""
    center: bool = True
    """Whether the mean is subtracted."""
    solver: str = "covariance"
    """"auto", "covariance", "svd" or "randomized"; streams do not read it."""
    tol: float = 1e-8
    """Stopping rule of "randomized"."""
    max_iter: int = 200
    """Most steps of "randomized"."""
    n_oversamples: int = 10
    """Extra directions that "randomized" keeps at a restart, and that low-rank moments keep."""
    seed: int | None = None
    """Start of "randomized"."""

    def whole_count(self) -> int:
        """Return the number of directions, where a share or None cannot be served.

        Returns
        -------
        n_components : int
            The number.

        Raises
        ------
        ValueError
            If ``n_components`` is not an integer.
        """
        if not isinstance(self.n_components, int):
            raise ValueError(
                f"n_components={self.n_components!r} needs the whole spectrum, but this solver, or "
                f"a low-rank summary (more than {EXACT_FEATURES} features in a stream, or a fit "
                "that kept no covariance), finds a given number of directions. Give an integer, or "
                "use solver='covariance' or 'svd'."
            )
        return self.n_components

    def rank(self) -> int:
        """Return the number of directions that low-rank moments keep.

        Returns
        -------
        rank : int
            ``n_components + n_oversamples``.
        """
        return self.whole_count() + self.n_oversamples


class PrincipalSubspace(NamedTuple):
    """A fitted affine subspace, in float64, with all that its attributes are read from."""

    components: Array
    """Orthonormal rows, (n_components, n_features), signs fixed."""
    eigenvalues: Array
    """Leading eigenvalues of the scatter matrix, (n_components,), descending, nonnegative."""
    mean: Array
    """Point of the subspace, (n_features,): the weighted mean, or zeros."""
    total: float
    """Trace of the scatter matrix."""
    left_out: float
    """Sum of the eigenvalues of the directions left out; 0 where rounding only is left."""
    n_left_out: float
    """Number of the directions left out: min(weight, n_features) - n_components."""
    weight: float
    """Sum of the weights: the number of rows, each counted by its weight."""
    degrees_of_freedom: float
    """``weight - 1``, or ``weight`` if not centred: divides scatter into variance."""
    rounding: Array
    """What rounding alone may add to each eigenvalue, (n_components,)."""
    solver: str = "covariance"
    """The solver that ran."""
    n_iter: int = 1
    """Steps of an iterative solver."""
    converged: bool = True
    """Whether an iterative solver reached its tolerance."""

    @property
    def noise_variance(self) -> float:
        """Mean variance of the directions left out; 0 if there are none."""
        if self.n_left_out <= 0:
            return 0.0
        return self.left_out / self.n_left_out / self.degrees_of_freedom


def resolved_solver(X: Array, settings: PCASettings) -> tuple[str, int]:
    """Turn ``solver="auto"`` into a solver by counting flops; check the others against the input.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        The table.
    settings : PCASettings
        As given by the user.

    Returns
    -------
    solver : str
        Anything but "auto".
    max_iter : int
        Most steps of "randomized". If "auto" chose it: as many as cost what "covariance" costs.

    Raises
    ------
    ValueError
        If the solver cannot serve this input.

    Notes
    -----
    The randomized solver takes few steps on spectra that decay and very many on flat ones. Which of
    the two X has is read from the Gram matrix of some 200 of its rows.
    """
    solver, k = settings.solver, settings.n_components
    if solver == "randomized":
        settings.whole_count()
    if solver == "svd" and sp.issparse(X):
        raise ValueError(
            "solver='svd' needs dense X, and sparse X is never made dense here. Use "
            "solver='covariance', 'randomized' or 'auto'."
        )
    short, long = min(X.shape), max(X.shape)
    if solver != "auto":
        return solver, settings.max_iter
    if not isinstance(k, int) or 8 * k > short:
        return "covariance", settings.max_iter
    # In units of a multiply-add of a large product, as measured: an eigensolver spends half of its
    # time at the speed of memory, products with 8 columns reach a quarter of the speed of square
    # ones, and a step orthogonalises against a basis of some 5 (k + n_oversamples) columns.
    stored = X.nnz / (short * long) if sp.issparse(X) else 1.0
    kept = settings.rank()
    exact = short**2 * long * stored**2 + 4 * short**3
    step = 8 * short * long * stored * max(8, k // 2) + 160 * X.shape[1] * kept**2
    affordable = min(int(exact / step), settings.max_iter)
    if short > _LARGEST_SQUARE:  # the exact solver would need too much memory
        return "randomized", settings.max_iter
    # twice what is likely: a run that fails costs as much as the exact solver once more
    if affordable < 10 or 2 * _krylov_steps(X, k, kept, settings.tol) > affordable:
        return "covariance", settings.max_iter
    return "randomized", affordable


def _krylov_steps(X: Array, k: int, block: int, tol: float) -> float:
    """Steps that block Krylov may need, by the spectrum of some rows of X."""
    count = min(max(200, 4 * block), X.shape[0])
    sample = X[:: X.shape[0] // count, :][:count, :]
    xp = array_namespace(sample)
    if sp.issparse(sample):
        gram = (sample @ sample.T).toarray().astype(np.float64)
    else:
        sample = xp.astype(sample, xp.float64, copy=False)
        gram = sample @ sample.T
    # centred afterwards: rounding does not matter to a guess
    gram = gram - xp.mean(gram, axis=0) - xp.mean(gram, axis=1)[:, None] + xp.mean(gram)
    values = xp.linalg.eigvalsh(gram)
    few = values.shape[0] <= block
    return inf if few else likely_steps(float(values[-k]), float(values[-block - 1]), tol)


def fitted_subspace(
    X: Array, weights: Array | None, settings: PCASettings, *, keep_moments: bool = False
) -> tuple[PrincipalSubspace, SecondMoments]:
    """Principal subspace of a table.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    settings : PCASettings
        What is wanted.
    keep_moments : bool, default=False
        Whether the moments will be added to others; they are then formed in float64.

    Returns
    -------
    subspace : PrincipalSubspace
        With the solver that ran.
    moments : Moments or LowRankMoments
        Exact for "covariance" on tables with n_features <= n_samples, of low rank otherwise.

    Raises
    ------
    ValueError
        If the solver cannot serve this input, or there are fewer than ``n_components`` directions.

    Notes
    -----
    An eigenvalue that is wanted and lies near what rounding may add is found again: from products
    in float64 if those of float32 rows were in float32, and with ``solver="auto"`` from singular
    values. "auto" also gives up on "randomized" where it does not converge in the time that it was
    chosen for.
    """
    solver, max_iter = resolved_solver(X, settings)
    auto, eps = settings.solver == "auto", float(array_namespace(X).finfo(X.dtype).eps)
    moments: SecondMoments | None = None
    if solver == "randomized":
        low, pairs = krylov_low_rank(
            centred_table(X, weights, center=settings.center),
            settings.whole_count(),
            n_oversamples=settings.n_oversamples,
            tol=settings.tol,
            max_iter=max_iter,
            rng=np.random.default_rng(settings.seed),
        )
        found = principal_subspace(low, settings, eps=eps)
        found = found._replace(n_iter=pairs.n_iter, converged=pairs.converged, solver=solver)
        has_other = auto and min(X.shape) <= _LARGEST_SQUARE
        if not has_other or (pairs.converged and is_resolved(found, low, settings)):
            return found, low
    if solver != "svd":
        moments = _exact_moments(X, weights, settings, wide=keep_moments)
        found = principal_subspace(moments, settings, eps=eps)
        coarse = isinstance(moments, Moments) and moments.eps > 2.0**-52
        if coarse and not is_resolved(found, moments, settings):
            moments = _exact_moments(X, weights, settings, wide=True)
            found = principal_subspace(moments, settings, eps=eps)
        if not auto or sp.issparse(X) or is_resolved(found, moments, settings):
            return found, moments
    low = svd_low_rank(centred_table(X, weights, center=settings.center))
    found = principal_subspace(low, settings, eps=eps)._replace(solver="svd")
    return found, low if moments is None else moments


def _exact_moments(
    X: Array, weights: Array | None, settings: PCASettings, *, wide: bool
) -> SecondMoments:
    """Moments for "covariance": through the smaller of the two Gram matrices."""
    counted = isinstance(settings.n_components, int)
    if X.shape[1] <= X.shape[0] or (counted and settings.whole_count() > X.shape[0]):
        # for small tables float64 costs nothing that would be noticed
        wide = wide or not counted or X.shape[0] * X.shape[1] ** 2 < _SMALL
        return table_moments(X, weights, center=settings.center, wide=wide)
    table = centred_table(X, weights, center=settings.center)
    return dual_low_rank(table, settings.rank() if counted else None)


def is_resolved(found: PrincipalSubspace, moments: SecondMoments, settings: PCASettings) -> bool:
    """Whether the eigenvalues asked for, and what they leave out, lie well above rounding.

    Parameters
    ----------
    found : PrincipalSubspace
        Read from the moments.
    moments : Moments or LowRankMoments
        Of the table.
    settings : PCASettings
        What was asked for.

    Returns
    -------
    resolved : bool
        True unless ``n_components`` is an integer: a share or None asks for what is there.
    """
    if not isinstance(settings.n_components, int):
        return True
    rank = min(moments.n_samples - settings.center, moments.mean.shape[0])
    last = min(settings.n_components, rank) - 1
    clear = float(found.eigenvalues[last]) > _DOUBTFUL * float(found.rounding[last])
    return clear and (found.left_out > 0 or settings.n_components >= rank)


def batch_moments(
    X: Array, weights: Array | None, settings: PCASettings, *, about: Array | None = None
) -> SecondMoments:
    """Second moments of one batch: exact up to ``EXACT_FEATURES`` columns, of low rank above.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    settings : PCASettings
        What is wanted.
    about : array of shape (n_features,), optional
        Mean of the batches before: spares a look for one.

    Returns
    -------
    moments : Moments or LowRankMoments
        To be merged with those of the batches before.

    Raises
    ------
    ValueError
        If the table is too wide for exact moments and ``n_components`` is not an integer.
    """
    if X.shape[1] <= EXACT_FEATURES:
        return table_moments(X, weights, center=settings.center, about=about)
    rank = settings.rank()
    step = max(512, rank)  # rows at a time: the cost of a batch stays linear in its rows
    parts = []
    for start in range(0, X.shape[0], step):
        rows = slice(start, min(start + step, X.shape[0]))
        w = None if weights is None else weights[rows]
        if w is None or bool(array_namespace(w).any(w > 0)):
            part = centred_table(X[rows, :], w, center=settings.center)
            parts.append((dual_low_rank if sp.issparse(X) else svd_low_rank)(part, rank))
    return reduce(lambda a, b: merged_low_rank(a, b, rank, center=settings.center), parts)


def merged_batches(a: SecondMoments, b: SecondMoments, settings: PCASettings) -> SecondMoments:
    """Moments of two sets of rows: exact if both are, else of rank n_components + n_oversamples.

    Parameters
    ----------
    a, b : Moments or LowRankMoments
        Of disjoint sets of rows.
    settings : PCASettings
        What is wanted.

    Returns
    -------
    moments : Moments or LowRankMoments
        Of the union.

    Raises
    ------
    ValueError
        If a low-rank update is needed and ``n_components`` is not an integer.
    """
    if isinstance(a, Moments) and isinstance(b, Moments):
        return merged_moments(a, b, center=settings.center)
    rank = settings.rank()
    low_a, low_b = (compressed(s, rank) if isinstance(s, Moments) else s for s in (a, b))
    return merged_low_rank(low_a, low_b, rank, center=settings.center)


def principal_subspace(
    moments: SecondMoments, settings: PCASettings, *, eps: float = 2.0**-52
) -> PrincipalSubspace:
    """Read the principal subspace from second moments.

    Parameters
    ----------
    moments : Moments or LowRankMoments
        Second moments of the data.
    settings : PCASettings
        What is wanted; the solver does not matter here.
    eps : float, default=2**-52
        Unit of rounding of the data from which the moments were formed.

    Returns
    -------
    subspace : PrincipalSubspace
        Components with fixed signs, eigenvalues, total.

    Raises
    ------
    ValueError
        If there are fewer than ``n_components`` directions.
    """
    wanted, d = settings.n_components, moments.mean.shape[0]
    # weights are frequencies: rows count as often as they say
    limit = min(int(moments.weight + 1e-6), d)
    if isinstance(wanted, int) and wanted > limit:
        raise ValueError(
            f"n_components={wanted} must be at most min(n_samples, n_features)={limit}. "
            "Give more rows, or a smaller n_components."
        )
    xp = array_namespace(moments.mean)
    if isinstance(moments, Moments):
        squares = xp.linalg.diagonal(moments.scatter)
        total = float(xp.sum(squares))
        values, vectors = leading_eigenpairs(
            moments.scatter, wanted if isinstance(wanted, int) else d
        )
        floor = rounding_floor(values, vectors, squares, moments.eps)
    else:
        values, vectors, total = moments.singular_values**2, moments.basis, moments.total
        squares = xp.sum((vectors * moments.singular_values) ** 2, axis=1)
        floor = moments.floor * values[0] * xp.ones_like(values)
    # the data themselves are rounded: each value to a few eps of itself
    squares = squares + moments.weight * moments.mean**2
    floor = floor + (4 * eps) ** 2 * (xp.matrix_transpose(vectors * vectors) @ squares)
    values = xp.clip(values, min=0.0)
    count = _count(values, floor, total, wanted, limit)
    if count > values.shape[0]:  # weights say that there are more rows: any directions will do
        values, vectors, floor = _completed(values, vectors, floor, count)
    spectrum_is_whole = values.shape[0] >= min(moments.n_samples, d)
    if spectrum_is_whole:
        left, dust = float(xp.sum(values[count:])), float(xp.sum(floor[count:]))
    else:
        left = total - float(xp.sum(values[:count]))
        dust = _rounding_left_out(vectors[:, :count], squares, moments, total)
    return PrincipalSubspace(
        with_fixed_signs(vectors[:, :count].T, rtol=max(1e-6, 1e3 * eps)),
        values[:count],
        moments.mean,
        total,
        left if left > dust else 0.0,
        min(moments.weight, d) - count,
        moments.weight,
        moments.weight - (1.0 if settings.center else 0.0),
        floor[:count],
    )


def _rounding_left_out(
    vectors: Array, squares: Array, moments: SecondMoments, total: float
) -> float:
    """What rounding may add to the trace without the leading eigenvalues."""
    xp = array_namespace(vectors)
    outside = xp.clip(1 - xp.sum(vectors * vectors, axis=1), min=0.0)
    eps = moments.eps if isinstance(moments, Moments) else 0.0
    return 4 * vectors.shape[0] ** 0.5 * (eps * float(outside @ squares) + 2.0**-52 * total)


def _count(values: Array, floor: Array, total: float, wanted: float | None, limit: int) -> int:
    """How many of the eigenvalues, which descend, are wanted."""
    xp = array_namespace(values)
    if isinstance(wanted, int):
        return wanted
    if wanted is None:
        above = int(xp.sum(xp.astype(values > floor, xp.int64)))
        return max(1, min(above, limit))
    # one rounding error below the share still counts as reaching it
    reached = xp.cumulative_sum(values) >= (wanted - 1e-12) * total
    first = values.shape[0] - int(xp.sum(xp.astype(reached, xp.int64))) + 1
    return min(first, values.shape[0], limit)


def _completed(
    values: Array, vectors: Array, floor: Array, count: int
) -> tuple[Array, Array, Array]:
    """Eigenpairs with directions of no variance added."""
    xp = array_namespace(values)
    missing = count - values.shape[0]
    others = move_like(np.eye(vectors.shape[0], missing), vectors)
    none = move_like(np.zeros(missing), values)
    vectors = xp.concat([vectors, orthonormal_against(others, vectors)], axis=1)
    return xp.concat([values, none]), vectors, xp.concat([floor, none])
