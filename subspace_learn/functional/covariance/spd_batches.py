"""Stacks of matrices in pieces that fit the cache, shared out among threads.

LAPACK leaves the interpreter free, so plain Python threads over pieces of a stack run side by side.
Measured on stacks of 84 x 84: a compiled loop (numba, ``prange``) calls the same LAPACK and is not
faster, so there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

from ..._array import Array, array_namespace, device_of, is_numpy
from .spd_checks import NotPositiveDefinite, not_positive_definite

__all__ = ["ONE_BLAS_THREAD", "in_pieces", "naming_the_matrix", "pieces", "threads"]

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
    step = max(1, _PIECE_ENTRIES // (n * n)) if is_numpy(A) else max(1, n_matrices)
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
    n_threads = min(effective_n_jobs(n_jobs), len(pieces(A))) if is_numpy(A) else 1
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
