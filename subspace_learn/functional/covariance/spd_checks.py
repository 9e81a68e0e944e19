"""What stands between a matrix that is not positive definite and its logarithm: one clear error."""

from __future__ import annotations

from ..._array import Array, array_namespace

__all__ = [
    "NotPositiveDefinite",
    "eigenpairs",
    "eigenvalues",
    "not_positive_definite",
    "wide",
    "with_null_space",
]


# Products such as R A R of semidefinite matrices have negative eigenvalues of some n eps.
_NEGATIVE = 100.0


class NotPositiveDefinite(ValueError):
    """A matrix of a stack is not positive (semi)definite."""

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
    return A if A.dtype == xp.float64 else xp.astype(A, xp.float64)


def _rounding(A: Array) -> float:
    """Eigenvalues of ``A`` below this multiple of the largest one may be nothing but rounding.

    Covariances of rank-deficient EEG have smallest eigenvalues of either sign up to 1e-16 times the
    largest in float64 and 6e-9 in float32 (21 and 84 channels, measured); this is ten times more.
    """
    return A.shape[-1] ** 0.5 * float(array_namespace(A).finfo(A.dtype).eps)


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
    A = C if A is None else A
    values, vectors = array_namespace(C).linalg.eigh(_finite(C, A))
    return _checked(values, A, definite), vectors


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
    A = C if A is None else A
    return _checked(array_namespace(C).linalg.eigvalsh(_finite(C, A)), A, definite)


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
    floor = max(_rounding(A), _NEGATIVE * own)
    return xp.where(values > floor * values[..., -1:], values, xp.zeros_like(values))


def _finite(C: Array, A: Array) -> Array:
    """Return ``C`` in float64; LAPACK answers NaN with an error that names nothing."""
    xp = array_namespace(C)
    if not bool(xp.all(xp.isfinite(C))):
        raise not_positive_definite(A)
    return wide(C)


def _checked(values: Array, A: Array, definite: str) -> Array:
    xp = array_namespace(values)
    if definite == "any":
        return values
    floor = _rounding(A) * values[..., -1]
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


def _complaint(A: Array, semidefinite: bool) -> str:
    xp = array_namespace(A)
    stack = xp.reshape(A, (-1, *A.shape[-2:]))
    finite = xp.all(xp.reshape(xp.isfinite(stack), (stack.shape[0], -1)), axis=-1)
    if not bool(xp.all(finite)):
        index = int(xp.argmax(xp.astype(~finite, xp.int64)))
        return f"{_which(A, index)} holds NaN or infinity. Leave it out, or mend it."
    values = xp.linalg.eigvalsh(wide(stack))
    floor = _rounding(A) * values[:, -1]
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
        f"below {max(_rounding(A) * highest, 0.0):.2g} may be rounding. Likely causes in EEG: "
        "channels re-referenced to their average, more channels (times delays) than time samples, "
        "ICA components removed, or channels interpolated. Use a covariance with shrinkage, such "
        'as estimator="oas" or "lwf", or fewer channels.'
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
