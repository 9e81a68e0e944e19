"""What the matrix and the right-hand sides of a linear system may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .._array import is_array, to_numpy
from .columns import refuse_masked
from .graph import NamedGraph, host_matrix
from .magnitude import check_magnitude
from .named_graph import aligned_frame, places_of

__all__ = ["check_right_hand_side", "check_symmetric_matrix"]

_DENSE_BYTES = 4 * 2**30
_BYTES_PER_ENTRY = 12 * 4  # value and column, of a hierarchy three times the matrix, and the matrix


def check_symmetric_matrix(A: Any, *, where: str) -> NamedGraph:
    """Check a matrix that should be symmetric positive (semi)definite.

    Parameters
    ----------
    A : sparse matrix or array, dense array, DataFrame, or nested list, of shape (n, n)
        Real. Entries given twice add up, as in SciPy. Dense arrays of any library. Columns of a
        DataFrame are brought into the order of its index.
    where : str
        Caller, for error messages.

    Returns
    -------
    matrix : NamedGraph
        A csr_array in float32 or float64, symmetric, sorted, without stored zeros, which shares no
        memory with ``A``; and the index of a DataFrame.

    Raises
    ------
    ValueError
        If it is empty, not square, not symmetric, complex, not numeric, holds NaN or infinity, has
        a negative entry on the diagonal, is masked, or is dense with so many entries that a
        hierarchy would not fit in 4 GiB.
    """
    A, names = _as_sparse(A, where)
    if A.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {where} was given a matrix of {A.dtype}.")
    if A.dtype.kind not in "biuf":
        raise ValueError(f"{where}: the entries of the matrix are not numeric but of {A.dtype}.")
    if 0 in A.shape:
        raise ValueError(f"{where} was given an empty matrix of shape {A.shape}.")
    if A.shape[0] != A.shape[1]:
        raise ValueError(
            f"{where} needs a square matrix, but it has shape {A.shape}. For a table of points "
            "build a graph first, for example with sklearn.neighbors.kneighbors_graph, and give "
            "its Laplacian."
        )
    if not np.isfinite(A.data).all():
        raise ValueError(f"{where}: the matrix contains NaN or infinity.")
    narrow = A.dtype.kind == "f" and A.dtype.itemsize <= 4
    check_magnitude(A, name=where, input_name="the matrix", like=np.float64)
    A = sp.csr_array(A, dtype=np.float32 if narrow else np.float64, copy=True)
    A.sum_duplicates()
    A.eliminate_zeros()
    if max(A.nnz, A.shape[0]) < np.iinfo(np.int32).max:  # graph routines of SciPy want 32 bits
        A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    return NamedGraph(_checked_entries(A, where), names)


def _as_sparse(A: Any, where: str) -> tuple[sp.coo_array, list[Any] | None]:
    if sp.issparse(A):
        return A.tocoo(), None
    given, names = type(A).__name__, None
    if hasattr(A, "columns") and not is_array(A):
        A, names = aligned_frame(A, where=where, name="the matrix")
        if sp.issparse(A):
            return A.tocoo(), names
    A = host_matrix(A, where=where, name="the matrix")
    if A.ndim != 2:
        raise ValueError(
            f"{where} was given a {A.ndim}D array of type {given}. Give a sparse or dense "
            "symmetric matrix of shape (n, n)."
        )
    n_entries = np.count_nonzero(A)
    needed = n_entries * _BYTES_PER_ENTRY
    if needed > _DENSE_BYTES:
        raise ValueError(
            f"{where} was given a dense matrix with {n_entries:,} entries that are not "
            f"zero: a hierarchy would take {needed / 2**30:.1f} GiB, above the limit of "
            f"{_DENSE_BYTES / 2**30:.0f} GiB. A dense Cholesky factor is cheaper for such a "
            "matrix; or give it as sparse, which lifts the limit."
        )
    return sp.coo_array(A), names


def _checked_entries(A: sp.csr_array, where: str) -> sp.csr_array:
    """Symmetric to the last digit, where it is so up to rounding; diagonal of 0 or more."""
    diagonal = A.diagonal()
    if (diagonal < 0).any():
        row = int(np.argmax(diagonal < 0))
        raise ValueError(
            f"{where}: entry {row} of the diagonal is {diagonal[row]:.3g}, so the matrix is not "
            "positive definite. Of a graph give the Laplacian D - A, not the adjacency A."
        )
    difference = abs(A - A.T)
    gap, largest = difference.max() if A.nnz else 0.0, abs(A.data).max(initial=0)
    if gap > 1e2 * np.finfo(A.dtype).eps * largest:
        raise ValueError(
            f"{where}: the matrix is not symmetric: {int((difference.data > 0).sum()) // 2} pairs "
            f"of entries differ, by up to {gap:.3g}. Conjugate gradients need A = A.T; symmetrise "
            "it, for example with (A + A.T) / 2."
        )
    if gap > 0:
        A = sp.csr_array((A + A.T) / 2)
    coupled = np.diff(A.indptr) > 0
    if (coupled & (diagonal == 0)).any():
        row = int(np.argmax(coupled & (diagonal == 0)))
        raise ValueError(
            f"{where}: entry {row} of the diagonal is 0 while its row is not, so the matrix is "
            "not positive definite. Of a graph give the Laplacian D - A, not the adjacency A."
        )
    return A


def check_right_hand_side(
    b: Any, n: int, *, where: str, name: str = "b", names: list[Any] | None = None
) -> np.ndarray:
    """Check one or several right-hand sides of a system of n rows.

    Parameters
    ----------
    b : array-like of shape (n,) or (n, k)
        Real, dense.
    n : int
        Rows of the matrix.
    where : str
        Caller, for error messages.
    name : str, default="b"
        What it is called there.
    names : list, default=None
        What the rows of the matrix are called: a Series or DataFrame is brought into their order.

    Returns
    -------
    b : ndarray of shape (n,) or (n, k)
        Float32 if it was so, else float64. May share memory with what was given.

    Raises
    ------
    ValueError
        If it is sparse, masked, complex, not numeric, of another shape, holds NaN or infinity, or
        its index names other rows than the matrix has.
    """
    if sp.issparse(b):
        raise ValueError(f"{where}: {name} is sparse. Give {name}.toarray(): solutions are dense.")
    refuse_masked(b, name=where, input_name=name)
    if names is not None and hasattr(b, "iloc"):
        order = places_of(
            names,
            list(b.index),
            where=where,
            whose=f"the index of {name}",
            whose_names="that of the matrix",
        )
        b = b.iloc[order].to_numpy()
    b = to_numpy(b) if is_array(b) else np.asarray(b)
    if b.dtype.kind not in "biuf":
        raise ValueError(f"{where}: {name} holds {b.dtype}, but real numbers are needed.")
    if b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(
            f"{where}: {name} has shape {b.shape}, but the matrix has {n} rows: ({n},) or "
            f"({n}, k) is needed."
        )
    b = b if b.dtype == np.float32 else b.astype(np.float64, copy=False)
    if not np.isfinite(b).all():
        raise ValueError(f"{where}: {name} contains NaN or infinity.")
    check_magnitude(b, name=where, input_name=name, smallest=False, like=np.float64)
    return b
