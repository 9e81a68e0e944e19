r"""Stacks of symmetric positive definite matrices: eigenvalues, functions, vectors of entries.

All functions take stacks (..., n, n) and keep library, device and float width. float32 matrices
are decomposed in float64 and the result rounded: an eigenvalue is exact to ``eps ||A||``, so in
float32 those below 1e-7 of the largest would be lost, and EEG covariances have many.

Nothing here repairs a matrix that is not positive definite: it is named in a ValueError.

Long stacks are cut in pieces that fit the cache and shared out among threads (`in_pieces`). LAPACK
leaves the interpreter free, so plain Python threads over pieces run side by side. Measured on
84 x 84: a compiled loop (numba, ``prange``) calls the same LAPACK and is not faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

from ..._array import Array, array_namespace, device_of, namespace_and_floats

__all__ = [
    "ONE_BLAS_THREAD",
    "NotPositiveDefinite",
    "check_above_rounding",
    "eigenpairs",
    "eigenvalues",
    "expm",
    "in_pieces",
    "invsqrtm",
    "logm",
    "naming_the_matrix",
    "not_positive_definite",
    "pieces",
    "powm",
    "sqrtm",
    "symmetric_from_upper",
    "threads",
    "upper_vector",
    "wide",
    "with_null_space",
]

# Products such as R A R of semidefinite matrices have negative eigenvalues of some n eps.
_NEGATIVE = 100.0


_CAUSES = (
    "Likely causes in EEG: channels re-referenced to their average, more channels (times delays) "
    "than time samples, ICA components removed, or channels interpolated. Use a covariance with "
    'shrinkage, such as estimator="oas" or "lwf", or fewer channels.'
)


class NotPositiveDefinite(ValueError):
    """A matrix of a stack is not positive (semi)definite."""

    __module__ = "subspace_learn.covariance"  # where users import it from, and read it in errors
    semidefinite = False


def wide(A: Array) -> Array:
    """Return ``A`` in float64 (itself if it is).

    Parameters
    ----------
    A : array
        Real floating.

    Returns
    -------
    A : array
        Of float64.
    """
    xp = array_namespace(A)
    return xp.astype(A, xp.float64, copy=False)


def _rounding(A: Array, xp: Any) -> float:
    """Eigenvalues of ``A`` below this multiple of the largest one may be nothing but rounding.

    Covariances of rank-deficient EEG have smallest eigenvalues of either sign up to 1e-16 times the
    largest in float64 and 6e-9 in float32 (21 and 84 channels, measured); this is ten times more.
    """
    return A.shape[-1] ** 0.5 * float(xp.finfo(A.dtype).eps)


def eigenpairs(C: Array, A: Array | None = None, definite: str = "definite") -> tuple[Array, Array]:
    """Ascending eigenvalues and eigenvectors, in float64, of matrices that are what they should be.

    Parameters
    ----------
    C : array of shape (..., n, n)
        Symmetric.
    A : array of shape (..., n, n), optional
        The matrices that the user knows, of which ``C`` are congruences ``W A W^T``: for the error
        message and the unit of rounding. None means ``C``.
    definite : {"definite", "semidefinite", "any"}, default="definite"
        What the eigenvalues must be. Negative rounding of semidefinite ones becomes 0.

    Returns
    -------
    values : array of shape (..., n)
        Ascending.
    vectors : array of shape (..., n, n)
        Orthonormal columns.

    Raises
    ------
    ValueError
        If an eigenvalue is not positive, or so small that it may be rounding, or if there is NaN.
    """
    return _eigenpairs(C, C if A is None else A, definite, array_namespace(C))


def eigenvalues(C: Array, A: Array | None = None, definite: str = "definite") -> Array:
    """Ascending eigenvalues alone: :func:`eigenpairs` at less than half the cost.

    Parameters
    ----------
    C : array of shape (..., n, n)
        Symmetric.
    A : array of shape (..., n, n), optional
        The matrices that the user knows; None means ``C``.
    definite : {"definite", "semidefinite", "any"}, default="definite"
        What the eigenvalues must be.

    Returns
    -------
    values : array of shape (..., n)
        Ascending, in float64.
    """
    A, xp = C if A is None else A, array_namespace(C)
    return _checked(xp.linalg.eigvalsh(_finite(C, A, xp)), A, definite, xp)


def with_null_space(values: Array, A: Array) -> Array:
    """Set eigenvalues that may be rounding, of products of semidefinite matrices, to exactly 0.

    Parameters
    ----------
    values : array of shape (..., n)
        Ascending eigenvalues.
    A : array of shape (..., n, n)
        The matrices the products began with: they give the unit of rounding.

    Returns
    -------
    values : array of shape (..., n)
        Nonnegative.
    """
    xp = array_namespace(values)
    own = values.shape[-1] ** 0.5 * float(xp.finfo(values.dtype).eps)
    floor = max(_rounding(A, xp), _NEGATIVE * own)
    return xp.where(values > floor * values[..., -1:], values, xp.zeros_like(values))


def _eigenpairs(C: Array, A: Array, definite: str, xp: Any) -> tuple[Array, Array]:
    values, vectors = xp.linalg.eigh(_finite(C, A, xp))
    return _checked(values, A, definite, xp), vectors


def _finite(C: Array, A: Array, xp: Any) -> Array:
    """Return ``C`` in float64; LAPACK answers NaN with an error that names nothing."""
    if not bool(xp.all(xp.isfinite(C))):
        raise not_positive_definite(A)
    return xp.astype(C, xp.float64, copy=False)


def _checked(values: Array, A: Array, definite: str, xp: Any) -> Array:
    if definite == "any":
        return values
    floor = _rounding(A, xp) * values[..., -1]
    if definite == "semidefinite":
        if not bool(xp.all(values[..., 0] >= -_NEGATIVE * floor)):
            raise not_positive_definite(A, semidefinite=True)
        return xp.where(values < 0, xp.zeros_like(values), values)
    if not bool(xp.all(values[..., 0] > floor)):  # for a zero matrix 0 > 0
        raise not_positive_definite(A)
    return values


def not_positive_definite(A: Array, *, semidefinite: bool = False) -> NotPositiveDefinite:
    """Make the error that names the first matrix which is not positive definite, and why it is so.

    Parameters
    ----------
    A : array of shape (..., n, n)
        The matrices.
    semidefinite : bool, default=False
        Whether only negative eigenvalues are wrong.

    Returns
    -------
    error : NotPositiveDefinite
        To be raised.
    """
    error = NotPositiveDefinite(_complaint(A, semidefinite))
    error.semidefinite = semidefinite
    return error


def check_above_rounding(A: Array, eps: float) -> None:
    """Raise if covariances of rounded signals may be positive definite by their rounding alone.

    A covariance of signals with errors of a share `eps` has eigenvalues of about ``eps^2`` times
    the largest where it should have none: an average reference in float32 leaves 1e-15, which is
    above the rounding of float64 matrices. Up to ten times ``n^{1/2} eps^2`` is refused.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive semidefinite.
    eps : float
        Relative rounding of the signals.

    Raises
    ------
    NotPositiveDefinite
        If so; the first such matrix is named.
    """
    xp = array_namespace(A)
    values = xp.linalg.eigvalsh(wide(A))
    floor = 10 * A.shape[-1] ** 0.5 * eps**2 * values[:, -1]
    bad = values[:, 0] <= floor
    if bool(xp.any(bad)):
        index = int(xp.argmax(xp.astype(bad, xp.int64)))
        raise NotPositiveDefinite(
            f"{_which(A, index)} is not positive definite: its smallest eigenvalue is "
            f"{float(values[index, 0]):.3g}, the largest {float(values[index, -1]):.3g}, and in "
            f"signals of relative rounding {eps:.1g} anything below {float(floor[index]):.2g} may "
            f"be rounding. {_CAUSES}"
        )


def _complaint(A: Array, semidefinite: bool) -> str:
    xp = array_namespace(A)
    stack = xp.reshape(A, (-1, *A.shape[-2:]))
    finite = xp.all(xp.reshape(xp.isfinite(stack), (stack.shape[0], -1)), axis=-1)
    if not bool(xp.all(finite)):
        index = int(xp.argmax(xp.astype(~finite, xp.int64)))
        return f"{_which(A, index)} holds NaN or infinity. Leave it out, or mend it."
    values = xp.linalg.eigvalsh(wide(stack))
    floor = _rounding(A, xp) * values[:, -1]
    bad = values[:, 0] < -_NEGATIVE * floor if semidefinite else values[:, 0] <= floor
    dtype = str(A.dtype).split(".")[-1]
    if not bool(xp.any(bad)):
        return (
            "The matrices are positive definite, but so ill-conditioned that their eigenvalues "
            f"relative to each other are lost in the rounding of {dtype}. Use a covariance with "
            'shrinkage, such as estimator="oas" or "lwf".'
        )
    index = int(xp.argmax(xp.astype(bad, xp.int64)))
    lowest, highest = float(values[index, 0]), float(values[index, -1])
    if lowest == highest == 0.0:
        return f"{_which(A, index)} is not positive definite, but zero: a flat epoch? Leave it out."
    return (
        f"{_which(A, index)} is not positive {'semi' if semidefinite else ''}definite: its "
        f"smallest eigenvalue is {lowest:.3g}, the largest {highest:.3g}, and in {dtype} anything "
        f"below {max(_rounding(A, xp) * highest, 0.0):.2g} may be rounding. {_CAUSES}"
    )


def _which(A: Array, index: int) -> str:
    """Words for matrix ``index`` of the flattened stack ``A``."""
    n = A.shape[-1]
    if A.ndim == 2:
        return f"The {n} x {n} matrix"
    place: list[int] = []
    for size in reversed(A.shape[:-2]):
        index, rest = divmod(index, size)
        place.insert(0, rest)
    name = str(place[0]) if len(place) == 1 else str(tuple(place))
    shape = " x ".join(str(size) for size in A.shape[:-2])
    return f"Matrix {name} (of {shape}, each {n} x {n})"


def _spectral(
    A: Array, function: Callable[[Any, Array], Array], definite: str = "definite"
) -> Array:
    """Return ``U f(lambda) U^T`` for ``A = U diag(lambda) U^T``, in the dtype of ``A``."""
    xp, A = namespace_and_floats(A)
    values, vectors = _eigenpairs(A, A, definite, xp)
    result = (vectors * function(xp, values)[..., None, :]) @ xp.matrix_transpose(vectors)
    return xp.astype(result, A.dtype, copy=False)


def sqrtm(A: Array) -> Array:
    """Square root of positive semidefinite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive semidefinite.

    Returns
    -------
    root : array of shape (..., n, n)
        The symmetric positive semidefinite R with ``R R = A``.

    Raises
    ------
    ValueError
        If an eigenvalue is negative by more than rounding.

    Examples
    --------
    >>> import numpy as np
    >>> sqrtm(np.diag([4.0, 0.0]))
    array([[2., 0.],
           [0., 0.]])
    """
    return _spectral(A, lambda xp, values: xp.sqrt(values), "semidefinite")


def invsqrtm(A: Array) -> Array:
    """Inverse of the square root of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite.

    Returns
    -------
    root : array of shape (..., n, n)
        The symmetric positive definite R with ``R A R = I``.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.
    """
    return _spectral(A, lambda xp, values: 1 / xp.sqrt(values))


def powm(A: Array, alpha: float) -> Array:
    """Real power of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite; semidefinite is enough for ``alpha`` > 0.
    alpha : float
        Exponent.

    Returns
    -------
    power : array of shape (..., n, n)
        Matrices with the eigenvalues to the power ``alpha``.

    Raises
    ------
    ValueError
        If an eigenvalue does not allow it.
    """
    definite = "semidefinite" if alpha > 0 else "definite"
    return _spectral(A, lambda _, values: values**alpha, definite)


def logm(A: Array) -> Array:
    """Principal logarithm of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite.

    Returns
    -------
    logarithm : array of shape (..., n, n)
        Symmetric.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> logm(np.diag([1.0, np.e]))
    array([[0., 0.],
           [0., 1.]])
    """
    return _spectral(A, lambda xp, values: xp.log(values))


def expm(S: Array) -> Array:
    """Exponential of symmetric matrices.

    Parameters
    ----------
    S : array of shape (..., n, n)
        Symmetric; only the lower triangle is read.

    Returns
    -------
    exponential : array of shape (..., n, n)
        Symmetric positive definite.
    """
    return _spectral(S, lambda xp, values: xp.exp(values), "any")


def upper_vector(S: Array) -> Array:
    r"""Entries of symmetric matrices as vectors of the same norm.

    Row by row of the upper triangle, off-diagonal entries times :math:`\sqrt 2`.

    Parameters
    ----------
    S : array of shape (..., n, n)
        Symmetric; only the upper triangle is read.

    Returns
    -------
    v : array of shape (..., n (n + 1) / 2)
        The order and factors of pyRiemann's ``upper``.

    See Also
    --------
    symmetric_from_upper : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> upper_vector(np.asarray([[1.0, 2.0], [2.0, 3.0]]))
    array([1.        , 2.82842712, 3.        ])
    """
    xp, S = namespace_and_floats(S)
    n = S.shape[-1]
    index, factor = _upper_places(n)
    flat = xp.reshape(S, (*S.shape[:-2], n * n))
    chosen = xp.take(flat, xp.asarray(index, device=device_of(S)), axis=-1)
    return chosen * xp.asarray(factor, dtype=S.dtype, device=device_of(S))


@cache
def _upper_places(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the upper triangle in the flat matrix, and the factor of each."""
    rows, columns = np.triu_indices(n)
    return rows * n + columns, np.where(rows == columns, 1.0, 2**0.5)


@cache
def _full_places(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Place in the upper vector of each entry of the flat matrix, and the factor of each."""
    place = np.zeros((n, n), dtype=np.int64)
    place[np.triu_indices(n)] = np.arange(n * (n + 1) // 2)
    place = np.maximum(place, place.T)
    return place.ravel(), np.where(np.eye(n, dtype=bool), 1.0, 0.5**0.5).ravel()


def symmetric_from_upper(v: Array) -> Array:
    """Symmetric matrices from the vectors of :func:`upper_vector`.

    Parameters
    ----------
    v : array of shape (..., n (n + 1) / 2)
        Row-major upper triangles, off-diagonal entries times sqrt(2).

    Returns
    -------
    S : array of shape (..., n, n)
        Symmetric.

    Raises
    ------
    ValueError
        If the length is not n (n + 1) / 2 for any n.
    """
    xp, v = namespace_and_floats(v)
    n = int(((8 * v.shape[-1] + 1) ** 0.5 - 1) / 2 + 0.5)
    if n * (n + 1) // 2 != v.shape[-1]:
        raise ValueError(
            f"The vectors have {v.shape[-1]} entries, which is n (n + 1) / 2 for no n; a symmetric "
            f"matrix with {n} rows has {n * (n + 1) // 2} entries."
        )
    index, factor = _full_places(n)
    flat = xp.take(v, xp.asarray(index, device=device_of(v)), axis=-1)
    flat = flat * xp.asarray(factor, dtype=v.dtype, device=device_of(v))
    return xp.reshape(flat, (*v.shape[:-1], n, n))


# Entries of one piece: eight 84 x 84 matrices, whose six work arrays stay in a 2 MiB cache.
_PIECE_ENTRIES = 1 << 16

Map = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]


@cache
def _blas() -> ThreadpoolController:
    """Libraries loaded by now; NumPy's is, and the search for them costs milliseconds."""
    return ThreadpoolController()


class _OneBlasThread:
    """Hold BLAS to one thread while anyone is inside; the last to leave puts its setting back.

    The setting belongs to the process: callers in several threads that each restored what they had
    found would leave it at one.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limits = _blas().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limits.restore_original_limits()


ONE_BLAS_THREAD = _OneBlasThread()
"""Context in which BLAS has one thread; it may be entered from several threads at a time."""


def pieces(A: Array) -> list[slice]:
    """Cut the first axis of a stack: in cache-sized pieces for NumPy, in one for other libraries.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Stack of matrices.

    Returns
    -------
    slices : list of slice
        They do not depend on the number of threads, so sums over them do not either.
    """
    n_matrices, n = A.shape[0], A.shape[-1]
    is_numpy = isinstance(A, np.ndarray)
    step = max(1, _PIECE_ENTRIES // (n * n)) if is_numpy else max(1, n_matrices)
    return [slice(i, min(i + step, n_matrices)) for i in range(0, n_matrices, step)]


@contextmanager
def threads(A: Array, n_jobs: int | None) -> Iterator[Map]:
    """Give a ``map`` that runs on `n_jobs` threads, for NumPy stacks of more than one piece.

    While several threads run, BLAS is held to one thread in each of their calls (two pools that
    wait for each other were 2 to 3 times slower than either alone); its setting is put back after.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        The stack to work on.
    n_jobs : int or None
        As in scikit-learn: None is 1 unless in a joblib context, -1 all cores.

    Yields
    ------
    run : callable
        ``run(function, items)`` returns the list of results, in order.
    """
    n_threads = min(effective_n_jobs(n_jobs), len(pieces(A))) if isinstance(A, np.ndarray) else 1
    if n_threads <= 1:
        yield lambda function, items: [function(item) for item in items]
        return
    with ONE_BLAS_THREAD, ThreadPoolExecutor(n_threads) as pool:
        yield lambda function, items: list(pool.map(function, items))


def in_pieces(
    function: Callable[[Array], Array],
    A: Array,
    tail: tuple[int, ...],
    n_jobs: int | None = None,
    *,
    dtype: Any = None,
) -> Array:
    """Apply ``function`` to pieces of a stack and put the results together.

    Parameters
    ----------
    function : callable
        Takes (m, n, n), returns m results of shape ``tail``.
    A : array of shape (n_matrices, n, n)
        The stack.
    tail : tuple of int
        Shape of the result for one matrix.
    n_jobs : int, optional
        Threads, for NumPy.
    dtype : dtype, optional
        Of the results; None means that of ``A``.

    Returns
    -------
    results : array
        Of shape ``(n_matrices, *tail)``, in the order of ``A``.
    """
    slices = pieces(A)
    if len(slices) == 1:
        return function(A)
    xp = array_namespace(A)
    out = xp.empty((A.shape[0], *tail), dtype=dtype or A.dtype, device=device_of(A))

    def fill(piece: slice) -> None:
        out[piece, ...] = function(A[piece, ...])

    with naming_the_matrix(A), threads(A, n_jobs) as run:
        run(fill, slices)
    return out


@contextmanager
def naming_the_matrix(A: Array) -> Iterator[None]:
    """Let an error found in a piece of ``A`` give the index in ``A``.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        The whole stack.

    Yields
    ------
    None
        Nothing.
    """
    try:
        yield
    except NotPositiveDefinite as error:
        raise not_positive_definite(A, semidefinite=error.semidefinite) from None
