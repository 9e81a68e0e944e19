"""Leading eigenpairs of symmetric matrices, and the signs users see."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from .._array import Array, array_namespace, faster

__all__ = [
    "leading_eigenpairs",
    "rounding_floor",
    "stacked_eigenvalues",
    "with_fixed_signs",
    "without_rounding",
]

# Below 32 matrices the lanes of a processor stay empty; above 80 rows LAPACK's blocks win.
_FEWEST_LANES, _MOST_ROWS, _LANES = 32, 80, 72


def leading_eigenpairs(S: Array, n_pairs: int | None = None) -> tuple[Array, Array]:
    """Largest eigenvalues of a symmetric matrix, in descending order, with their eigenvectors.

    Parameters
    ----------
    S : array of shape (n, n)
        Symmetric; only numerical symmetry is assumed.
    n_pairs : int, optional
        How many pairs; None, or more than n, means all n.

    Returns
    -------
    eigenvalues : array of shape (n_pairs,)
        Descending.
    eigenvectors : array of shape (n, n_pairs)
        Orthonormal columns, signs as LAPACK leaves them.

    Notes
    -----
    Costs about 9 n^3 flops for all pairs; with NumPy and few pairs about 4/3 n^3.

    Examples
    --------
    >>> import numpy as np
    >>> values, vectors = leading_eigenpairs(np.diag([1.0, 3.0, 2.0]), 2)
    >>> values
    array([3., 2.])
    """
    n = S.shape[0]
    n_pairs = n if n_pairs is None else min(n_pairs, n)
    # Above a quarter of the spectrum divide-and-conquer on all of it wins; below 450 rows a switch
    # between the BLAS thread pools of NumPy and SciPy costs more than the other pairs do.
    few = 4 * n_pairs <= n >= 450
    special = faster("leading_eigenpairs", S) if few else None
    if special is not None:
        return special(S, n_pairs)
    xp = array_namespace(S)
    values, vectors = xp.linalg.eigh(S)
    return xp.flip(values)[:n_pairs], xp.flip(vectors, axis=1)[:, :n_pairs]


def scipy_leading_eigenpairs(S: np.ndarray, n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """NumPy body of :func:`leading_eigenpairs`: LAPACK's evr on a range of eigenvalues."""
    n = S.shape[0]
    values, vectors = scipy.linalg.eigh(
        S, subset_by_index=(n - n_pairs, n - 1), driver="evr", check_finite=False
    )
    return values[::-1], vectors[:, ::-1]


def stacked_eigenvalues(S: Array) -> Array:
    """Eigenvalues of many symmetric matrices of one order.

    Parameters
    ----------
    S : array of shape (n_matrices, n, n)
        Symmetric, finite, float64.

    Returns
    -------
    eigenvalues : array of shape (n_matrices, n)
        Ascending in each row; errors of order ``eps`` times the norm of the matrix.

    Notes
    -----
    ``4/3 n^3`` flops a matrix. With NumPy, 32 matrices or more and up to 80 rows, a kernel takes a
    matrix in each lane of the processor: two to four times faster than LAPACK on one after the
    other, whose cost at these sizes is not arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> stacked_eigenvalues(np.array([[[2.0, 1.0], [1.0, 2.0]], [[0.0, 3.0], [3.0, 0.0]]]))
    array([[ 1.,  3.],
           [-3.,  3.]])
    """
    small = S.shape[0] >= _FEWEST_LANES and 1 < S.shape[1] <= _MOST_ROWS
    special = faster("stacked_eigenvalues", S) if small else None
    return array_namespace(S).linalg.eigvalsh(S) if special is None else special(S)


def lanewise_eigenvalues(S: np.ndarray) -> np.ndarray:
    """NumPy body of :func:`stacked_eigenvalues`: a kernel, and LAPACK for what it leaves."""
    from ..kernels.stacked_eigenvalues import lane_eigenvalues

    norms = np.sqrt(np.einsum("kij,kij->k", S, S))
    norms = np.where(norms > 0, norms, 1.0)
    values = np.empty(S.shape[:2])
    for start in range(0, S.shape[0], _LANES):
        part = slice(start, start + _LANES)
        lanes = np.ascontiguousarray(np.moveaxis(S[part], 0, -1)) / norms[part]
        found = np.empty(lanes.shape[1:])
        if lane_eigenvalues(lanes, found):
            values[part] = np.sort(found.T * norms[part, None], axis=1)
        else:  # QL without splitting may stall where LAPACK's does not
            values[part] = np.linalg.eigvalsh(S[part])
    return values


def with_fixed_signs(components: Array, *, rtol: float = 1e-6) -> Array:
    """Return ``components`` with a large entry of each row made positive: ties go to the first.

    Parameters
    ----------
    components : array of shape (n_components, n_features)
        Rows whose signs are arbitrary, such as eigenvectors.
    rtol : float, default=1e-6
        The first entry of each row whose modulus is within this share of the largest decides. The
        largest alone would be chosen by rounding where two are equal, as for the two columns of a
        one-hot pair.

    Returns
    -------
    components : array of shape (n_components, n_features)
        The same rows up to sign.
    """
    xp = array_namespace(components)
    sizes = xp.abs(components)
    large = sizes >= (1 - rtol) * xp.max(sizes, axis=1, keepdims=True)
    first = xp.argmax(xp.astype(large, xp.int64), axis=1)
    chosen = xp.take_along_axis(components, first[:, None], axis=1)
    return components * xp.where(chosen < 0, -xp.ones_like(chosen), xp.ones_like(chosen))


def rounding_floor(values: Array, vectors: Array, squares: Array, eps: float) -> Array:
    """What rounding alone may add to each eigenvalue of a scatter matrix.

    ``4 sqrt(n) (eps sum_i v_ij^2 s_i + 2^-52 values_1)`` for eigenvector j: entry (i, l) of a
    matrix of products is off by about ``eps sqrt(s_i s_l)``, and the norm of n x n independent
    errors grows with the square root of n. A column on a large scale does not hide the others, as
    it would in a share of the largest eigenvalue. The second term is the eigensolver's.

    Parameters
    ----------
    values : array of shape (n_pairs,)
        Eigenvalues, descending.
    vectors : array of shape (n, n_pairs)
        Eigenvectors.
    squares : array of shape (n,)
        Diagonal of the matrix.
    eps : float
        Unit of rounding in which its entries were formed.

    Returns
    -------
    floor : array of shape (n_pairs,)
        Nonnegative. Smaller eigenvalues may be rounding only.
    """
    xp = array_namespace(values)
    own = xp.matrix_transpose(vectors * vectors) @ squares
    factor = 4.0 * vectors.shape[0] ** 0.5
    return factor * (float(eps) * own + 2.0**-52 * xp.max(xp.abs(values)))


def without_rounding(values: Array, size: int, eps: float, *, beside: float = 0.0) -> Array:
    """Set to 0 what may be rounding only: values up to ``4 sqrt(size) eps`` times the first.

    Parameters
    ----------
    values : array of shape (n_pairs,)
        Eigenvalues of a positive semidefinite matrix (or singular values), descending.
    size : int
        Order of the matrix. Errors of its entries are independent enough for the norm of their sum
        to grow with the square root of it.
    eps : float
        Unit of rounding of the entries.
    beside : float, default=0.0
        Norm of what was subtracted from the matrix before, and left its rounding there.

    Returns
    -------
    values : array of shape (n_pairs,)
        Nonnegative.
    """
    xp = array_namespace(values)
    floor = 4 * size**0.5 * eps * (values[0] + beside)
    return xp.where(values > floor, values, xp.zeros_like(values))
