"""Koopman matrices and their eigenpairs from compressed snapshot pairs.

Rows are observables at one time: ``psi(y) ~ psi(x) K + u B``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ..._array import Array, array_namespace, double, is_complex
from .pair_factors import PairFactors

__all__ = [
    "KoopmanFit",
    "complex_product",
    "explained_variance",
    "koopman_eigenpairs",
    "koopman_fit",
    "mode_errors",
    "modes",
    "real_columns",
]


# Of the condition of eigenvectors that are solved with.
_SMALLEST_RECIPROCAL = 1e-10


class KoopmanFit(NamedTuple):
    """A Koopman matrix, and the same in an orthonormal dictionary ``psi(x) basis``."""

    matrix: np.ndarray
    """K with ``psi(y) ~ psi(x) K``, (n_observables, n_observables)."""
    input_matrix: np.ndarray
    """B with ``psi(y) ~ psi(x) K + u B``, (n_inputs, n_observables)."""
    readout: np.ndarray
    """Least squares map from observables to states, (n_observables, n_features)."""
    basis: np.ndarray
    """Columns that make the dictionary orthonormal on the data, (n_observables, n_components)."""
    inverse_basis: np.ndarray
    """Observables in the orthonormal dictionary, (n_components, n_observables)."""
    operator: np.ndarray
    """K in the orthonormal dictionary, regularised or projected, (n_components, n_components)."""
    projected: np.ndarray
    """What the data say, ``Q^* psi(y) basis``, (n_components, n_components)."""
    unexplained: np.ndarray
    """The part of ``psi(y) basis`` that Q does not span, at most n_components rows."""
    singular_values: np.ndarray
    """Of the lifted data, descending; columns have length 1 before inputs are taken out."""


def koopman_fit(
    factors: PairFactors,
    *,
    rcond: float = 1e-12,
    alpha: float = 0.0,
    n_components: int | None = None,
    measure_preserving: bool = False,
) -> KoopmanFit:
    r"""Koopman matrix from compressed pairs, with its orthonormal dictionary.

    Parameters
    ----------
    factors : PairFactors
        From `pair_factors`.
    rcond : float, default=1e-12
        Singular values below this share of the largest are dropped, columns scaled to length 1.
        With inputs, both are those before the inputs are taken out: what then is left of a column
        that they explain is rounding, and must not be scaled up.
    alpha : float, default=0.0
        Ridge relative to the mean squared length of the scaled columns.
    n_components : int, optional
        Most singular directions to keep.
    measure_preserving : bool, default=False
        Whether the operator is replaced by the nearest unitary one (the polar factor).

    Returns
    -------
    fit : KoopmanFit
        Of n_components directions, at most n_observables.

    Notes
    -----
    Inputs are projected out of both sides first (Frisch and Waugh), so eigenpairs are those of K
    alone. ``K = W F Q^* psi(y)`` with ``psi(x) W = Q`` and ridge factors
    :math:`F = s^2 / (s^2 + \alpha)`.

    References
    ----------
    M. O. Williams, I. G. Kevrekidis, C. W. Rowley, "A data-driven approximation of the Koopman
    operator: extending dynamic mode decomposition", J. Nonlinear Sci. 25 (2015), section 2.2.
    M. J. Colbrook, "The mpEDMD algorithm for data-driven computations of measure-preserving
    dynamical systems", SIAM J. Numer. Anal. 61 (2023), algorithm 4.1.
    """
    n_inputs = factors.n_inputs
    inputs, observables = factors.left[:, :n_inputs], factors.left[:, n_inputs:]
    input_basis, to_inputs, _ = _orthonormal(inputs, rcond, None)
    X = observables - input_basis @ (input_basis.conj().T @ observables)
    Y = factors.right - input_basis @ (input_basis.conj().T @ factors.right)
    before = observables if n_inputs else None
    Q, W, values = _orthonormal(X, rcond, n_components, triangular=alpha == 0, before=before)
    explained = Q.conj().T @ Y
    projected = explained @ W
    unexplained = factors.unexplained
    if Q.shape[0] > Q.shape[1]:
        unexplained = np.vstack([Y - Q @ explained, unexplained])
    unexplained = unexplained @ W
    if unexplained.shape[0] > unexplained.shape[1]:
        unexplained = np.asarray(np.linalg.qr(unexplained, mode="r"))
    inverse_basis = Q.conj().T @ X
    kept = values[: W.shape[1]]
    shrink = (kept**2 / (kept**2 + alpha))[:, None] if alpha > 0 else 1.0
    operator, matrix = shrink * projected, W @ (shrink * explained)
    if measure_preserving and W.shape[1]:
        left_vectors, _, right_vectors = np.linalg.svd(projected)
        operator = left_vectors @ right_vectors
        matrix = W @ operator @ inverse_basis
    input_matrix = np.zeros((0, matrix.shape[1]), dtype=matrix.dtype)
    if n_inputs:
        input_matrix = to_inputs @ (input_basis.conj().T @ (factors.right - observables @ matrix))
        Qx, Wx, _ = _orthonormal(observables, rcond, n_components, triangular=True)
        readout = Wx @ (Qx.conj().T @ factors.state)
    else:
        readout = W @ (Q.conj().T @ factors.state)
    return KoopmanFit(
        matrix,
        input_matrix,
        readout,
        W,
        inverse_basis,
        operator,
        projected,
        unexplained,
        values,
    )


def _orthonormal(
    X: np.ndarray,
    rcond: float,
    n_components: int | None,
    *,
    triangular: bool = False,
    before: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q and W with ``X W = Q`` orthonormal, and the singular values of X in units of ``before``.

    ``before`` is X itself, or what something was taken out of to leave X.
    """
    if X.shape[1] == 0:
        return X[:, :0], np.zeros((0, 0)), np.zeros(0)
    lengths = np.linalg.norm(X if before is None else before, axis=0)
    scale = np.where(lengths > 0, lengths, 1.0)
    unit = X / scale
    # compressed pairs are triangular already, unless inputs were taken out
    square = X.shape[0] == X.shape[1] and not np.tril(unit, -1).any()
    Q, R = (np.eye(len(unit)), unit) if square else np.linalg.qr(unit)
    # one basis whatever the rows of compressed pairs, whose signs are an accident
    signs = np.where(np.diagonal(R).real < 0, -1.0, 1.0)
    Q, R = Q * signs, R * signs[:, None]
    values = np.linalg.svd(R, compute_uv=False)
    largest = values[0] if before is None else np.linalg.norm(before / scale, 2)
    found = int(np.sum(values > rcond * largest)) if largest > 0 else 0
    kept = found if n_components is None else min(found, n_components)
    if triangular and kept == X.shape[1]:
        # Householder's basis keeps the order of the observables, and with it the block triangular
        # form of K in polynomials, which its eigenvalues owe their last digits to.
        return Q, scipy.linalg.solve_triangular(R, np.eye(len(R))) / scale[:, None], values
    left_vectors, values, right_vectors = np.linalg.svd(R, full_matrices=False)
    W = right_vectors[:kept, :].conj().T / values[:kept] / scale[:, None]
    return Q @ left_vectors[:, :kept], W, values


def koopman_eigenpairs(operator: np.ndarray, *, normal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues by falling modulus and unit eigenvectors, conjugate pairs exact for real K.

    Parameters
    ----------
    operator : ndarray of shape (n_components, n_components)
        In an orthonormal dictionary.
    normal : bool
        Whether it is unitary: then a Schur form gives orthonormal eigenvectors.

    Returns
    -------
    eigenvalues : ndarray of shape (n_components,)
        Complex.
    eigenvectors : ndarray of shape (n_components, n_components)
        Columns of length 1, entry of largest modulus real and positive.
    """
    # LAPACK balances a matrix by the size of its entries; where those are rounding it loses digits.
    rounding = 8 * np.finfo(np.float64).eps * np.abs(operator).max(initial=0.0)
    exact = np.where(np.abs(operator) > rounding, operator, 0.0)
    values, vectors = _normal_eig(operator) if normal else np.linalg.eig(exact)
    values, vectors = values.astype(np.complex128), vectors.astype(np.complex128)
    # Rounded, lest the last bit of a unitary matrix, or of a complex one with pairs, decide.
    angles, moduli = np.round(np.abs(np.angle(values)), 12), np.round(np.abs(values), 12)
    keys = (-np.sign(values.imag), angles, -moduli)
    order = np.lexsort(keys)
    values, vectors = values[order], vectors[:, order]
    if vectors.shape[0] == 0:
        return values, vectors
    largest = np.argmax(np.round(np.abs(vectors), 12), axis=0)
    entry = vectors[largest, np.arange(len(values))]
    phase = np.conj(entry) / np.where(np.abs(entry) > 0, np.abs(entry), 1.0)
    return values, vectors * phase / np.linalg.norm(vectors, axis=0)


def explained_variance(truth: Array, predicted: Array) -> float:
    """Coefficient of determination R^2 of a table, columns weighted by their variance.

    Parameters
    ----------
    truth, predicted : array of shape (n_rows, n_features)
        Of any array library, in one float width.

    Returns
    -------
    score : float
        1 is perfect, 0 as good as the mean. Where the truth is constant: 1 if it is met to
        rounding, else 0.
    """
    xp = array_namespace(truth, predicted)
    error = float(xp.sum((predicted - truth) ** 2))
    # exact: the mean of equal numbers is off by rounding, and a spread of that means nothing
    if bool(xp.all(truth == truth[:1, :])):
        rounding = 64 * float(xp.finfo(truth.dtype).eps)
        return float(error <= rounding**2 * float(xp.sum(truth**2)))
    spread = float(xp.sum((truth - xp.mean(truth, axis=0)) ** 2))
    return 1.0 - error / spread


def complex_product(A: Array, V: Array) -> Array:
    """``A @ V`` in double precision, in real arithmetic where A alone is real: half the flops.

    Parameters
    ----------
    A : array of shape (n, m)
        Real or complex, of any array library and float width.
    V : array of shape (m, k)
        Double precision, of the same library.

    Returns
    -------
    product : array of shape (n, k)
        In double precision.
    """
    if type(A) is np.ndarray:  # no copy of A, and no look-up of a namespace
        A = A.astype(np.result_type(A.dtype, np.float64), copy=False)
        if A.dtype.kind == "c" or V.dtype.kind != "c":
            return A @ V
        return (A @ np.ascontiguousarray(V).view(np.float64)).view(V.dtype)
    A = double(A)
    if is_complex(A) or not is_complex(V):
        return A @ V
    xp, parts = array_namespace(A, V), A @ real_columns(V)
    return xp.astype(parts[:, ::2], V.dtype) + 1j * xp.astype(parts[:, 1::2], V.dtype)


def real_columns(V: Array) -> Array:
    """Real and imaginary part of each complex column, one beside the other.

    Parameters
    ----------
    V : array of shape (n, k)
        Complex, of any array library.

    Returns
    -------
    columns : array of shape (n, 2 * k)
        Real.
    """
    xp = array_namespace(V)
    parts = xp.stack([xp.real(V), xp.imag(V)], axis=2)
    return xp.reshape(parts, (V.shape[0], 2 * V.shape[1]))


def modes(vectors: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Coefficients of states in eigenvectors, ``vectors @ modes ~ states``.

    Parameters
    ----------
    vectors : ndarray of shape (n_components, n_eigenvalues)
        Eigenvectors in the orthonormal dictionary, all or some.
    states : ndarray of shape (n_components, n_features)
        States in the orthonormal dictionary.

    Returns
    -------
    modes : ndarray of shape (n_eigenvalues, n_features)
        Complex. Where eigenvectors (nearly) coincide, as those of a defective matrix do, the modes
        that give the states back best in double precision: a cut of small singular values loses a
        part of the states, no cut enlarges rounding errors.
    """
    turning = np.flatnonzero(np.any(vectors.imag != 0, axis=0))
    upper, lower = turning[::2], turning[1::2]
    if len(upper) != len(lower) or not (vectors[:, lower] == vectors[:, upper].conj()).all():
        return _best_solution(vectors, states.astype(np.complex128))
    # In real arithmetic the two of a pair stay conjugate; else what one of them has too much and
    # the other too little would come back where only the upper one is stored.
    parts = vectors.real.copy()
    parts[:, upper], parts[:, lower] = 2 * vectors[:, upper].real, -2 * vectors[:, upper].imag
    found = _best_solution(parts, states)
    result = found.astype(np.complex128)
    result[upper] = found[upper] + 1j * found[lower]
    result[lower] = result[upper].conj()
    return result


def _best_solution(A: np.ndarray, states: np.ndarray) -> np.ndarray:
    """X with ``A X = states``; for nearly dependent columns a compromise, see `modes`."""
    if A.shape[0] == A.shape[1] > 0:
        getrf, gecon = scipy.linalg.get_lapack_funcs(("getrf", "gecon"), (A,))
        factor, pivots = getrf(A)[:2]
        reciprocal, _ = gecon(factor, np.abs(A).sum(axis=0).max())
        if reciprocal > _SMALLEST_RECIPROCAL:
            return np.asarray(scipy.linalg.lu_solve((factor, pivots), states, check_finite=False))
    cuts = [np.linalg.lstsq(A, states, rcond=10.0**-k)[0] for k in range(10, 17)]
    errors = [max(mode_errors(A, found, states)) for found in cuts]
    # the smallest modes that are nearly as good as the best
    return np.asarray(next(x for x, e in zip(cuts, errors, strict=True) if e <= 10 * min(errors)))


def mode_errors(
    vectors: np.ndarray, modes: np.ndarray, states: np.ndarray, eps: float = 2.0**-52
) -> tuple[float, float]:
    """What modes lose of states, and what they make of rounding errors, as shares of a feature.

    Parameters
    ----------
    vectors : ndarray of shape (n_components, n_eigenvalues)
        Eigenvectors in the orthonormal dictionary.
    modes : ndarray of shape (n_eigenvalues, n_features)
        From `modes`.
    states : ndarray of shape (n_components, n_features)
        States in the orthonormal dictionary.
    eps : float, default=2**-52
        Relative rounding error of a coordinate.

    Returns
    -------
    lost : float
        ``|vectors modes - states| / |states|`` of the worst feature.
    rounding : float
        The largest error that rounding of the eigenfunctions leads to, likewise.
    """
    size = np.linalg.norm(states, axis=0)
    size = np.where(size > 0, size, np.inf)
    gap = np.linalg.norm(vectors @ modes - states, axis=0)
    sums = np.linalg.norm(np.abs(vectors) @ np.abs(modes), axis=0)
    return float((gap / size).max(initial=0.0)), eps * float((sums / size).max(initial=0.0))


def _normal_eig(operator: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenpairs of a unitary matrix from its Schur form; real ones by their 2 x 2 rotations."""
    if np.iscomplexobj(operator):
        triangle, vectors = scipy.linalg.schur(operator, output="complex")
        return np.diagonal(triangle).copy(), vectors
    triangle, vectors = scipy.linalg.schur(operator, output="real")
    values, columns = np.diagonal(triangle).astype(complex), vectors.astype(complex)
    for j in np.flatnonzero(np.abs(np.diagonal(triangle, -1)) > 1e-14):
        turn = np.sqrt(complex(triangle[j, j + 1] * triangle[j + 1, j]))
        sign = np.sign(triangle[j, j + 1])
        values[j : j + 2] += np.array([1j, -1j]) * abs(turn)
        plane = columns[:, j].copy(), columns[:, j + 1].copy()
        columns[:, j] = (plane[0] + 1j * sign * plane[1]) / 2**0.5
        columns[:, j + 1] = (plane[0] - 1j * sign * plane[1]) / 2**0.5
    return values, columns
