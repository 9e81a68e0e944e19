r"""HiPPO: the past of a series kept as coefficients of polynomials or waves.

A measure on the past and its orthonormal basis :math:`g_0, g_1, \dots` turn a signal f into
coefficients :math:`c_n(t)`, and these obey a linear differential equation driven by f: an online
memory of fixed size. "legs" spreads its measure evenly over all of the past [0, t], "legt" and
"fout" over the last ``window`` time units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
from numpy.polynomial.legendre import leggauss, legvander

__all__ = [
    "MEASURES",
    "basis_integrals",
    "hippo_fout",
    "hippo_legs",
    "hippo_legt",
    "hippo_operator",
    "hippo_trajectory",
    "legendre_basis",
    "normal_part",
]

MEASURES = ("legs", "legt", "fout")


def hippo_legs(n: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Matrices of scaled Legendre memory: coefficients of f on the whole past [0, t].

    :math:`c_n(t) = \frac1t \int_0^t f(x) \sqrt{2n+1} P_n(2x/t - 1) dx` obeys
    :math:`t\, c'(t) = A c(t) + B f(t)`, exactly.

    Parameters
    ----------
    n : int
        Number of coefficients, at least 1.

    Returns
    -------
    A : ndarray of shape (n, n)
        Lower triangular, eigenvalues -1, ..., -n.
    B : ndarray of shape (n,)
        :math:`\sqrt{2n+1}`.

    References
    ----------
    A. Gu, T. Dao, S. Ermon, A. Rudra, C. Re, "HiPPO: Recurrent Memory with Optimal Polynomial
    Projections", NeurIPS 2020, Theorem 2.

    Examples
    --------
    >>> A, B = hippo_legs(3)
    >>> A.round(3)
    array([[-1.   ,  0.   ,  0.   ],
           [-1.732, -2.   ,  0.   ],
           [-2.236, -3.873, -3.   ]])
    """
    B = _roots(n)
    return 0.0 - np.tril(np.outer(B, B), -1) - np.diag(np.arange(1.0, n + 1)), B


def hippo_legt(n: int, window: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Matrices of translated Legendre memory: coefficients of f on the last ``window``.

    :math:`c'(t) = A c(t) + B f(t)`, where the value that leaves the window is read off the
    coefficients themselves: exact for polynomials of degree below n.

    Parameters
    ----------
    n : int
        Number of coefficients, at least 1.
    window : float, default=1.0
        Length of the window, above 0. 2 gives the entries of the published code.

    Returns
    -------
    A : ndarray of shape (n, n)
        :math:`-\sqrt{(2n+1)(2k+1)} / window`, times :math:`(-1)^{n-k}` above the diagonal.
    B : ndarray of shape (n,)
        :math:`\sqrt{2n+1} / window`.

    References
    ----------
    A. Gu, T. Dao, S. Ermon, A. Rudra, C. Re, "HiPPO: Recurrent Memory with Optimal Polynomial
    Projections", NeurIPS 2020, Theorem 1.
    """
    B = _roots(n)
    sign = (-1.0) ** np.arange(n)
    A = -np.outer(B, B)
    above = np.triu_indices(n, 1)
    A[above] *= np.outer(sign, sign)[above]
    return A / window, B / window


def hippo_fout(n: int, window: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    r"""Matrices of translated Fourier memory: 1, cosines and sines on the last ``window``.

    :math:`c'(t) = A c(t) + B f(t)`. With s from 0 (now) to 1 the basis is 1,
    :math:`\sqrt2 \cos 2\pi j s`, :math:`\sqrt2 \sin 2\pi j s`, j = 1, ...

    Parameters
    ----------
    n : int
        Number of coefficients, odd: the constant and pairs of waves.
    window : float, default=1.0
        Length of the window, above 0. 2 gives the frequencies :math:`\pi j` of the published code.

    Returns
    -------
    A : ndarray of shape (n, n)
        A skew matrix of the frequencies less :math:`2 g g^T`, over ``window``.
    B : ndarray of shape (n,)
        :math:`2 g` over ``window``, where g = (1, sqrt 2, 0, sqrt 2, 0, ...).

    Raises
    ------
    ValueError
        If n is even.

    Notes
    -----
    A Fourier series takes the mean of both ends where the periodic continuation jumps, so that
    the value which leaves is twice the series less the value that enters: hence the 2.

    References
    ----------
    A. Gu, I. Johnson, A. Timalsina, A. Rudra, C. Re, "How to Train Your HiPPO: State Space Models
    with Generalized Orthogonal Basis Projections", ICLR 2023.
    """
    if n % 2 == 0:
        raise ValueError(
            f"A Fourier memory of {n} coefficients would hold a cosine without its sine. Take an "
            f"odd number, such as {n + 1}."
        )
    g = np.zeros(n)
    g[0], g[1::2] = 1, np.sqrt(2)
    skew = np.zeros((n, n))
    cosines = np.arange(1, n, 2)
    frequencies = np.pi * (cosines + 1)
    skew[cosines, cosines + 1] = -frequencies
    skew[cosines + 1, cosines] = frequencies
    return (skew - 2 * np.outer(g, g)) / window, 2 * g / window


def normal_part(n: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Diagonalise the normal part of the scaled Legendre matrix, :math:`A + p p^T`.

    With :math:`p_n = \sqrt{n + 1/2}` it is :math:`-I/2` plus a skew matrix.

    Parameters
    ----------
    n : int
        Size.

    Returns
    -------
    eigenvalues : complex ndarray of shape (n,)
        Real parts exactly -1/2, imaginary parts ascending, symmetric about 0.
    eigenvectors : complex ndarray of shape (n, n)
        Unitary.

    Notes
    -----
    By ``eigh`` of the Hermitian :math:`-i (A + p p^T + I/2)`: ``eig`` would lose the real part.
    """
    A, B = hippo_legs(n)
    skew = A + 0.5 * np.outer(B, B)
    skew = (skew - skew.T) / 2
    frequencies, vectors = scipy.linalg.eigh(-1j * skew)
    frequencies = (frequencies - frequencies[::-1]) / 2  # conjugate pairs to the last digit
    return -0.5 + 1j * frequencies, vectors


def legendre_basis(x: np.ndarray, n: int) -> np.ndarray:
    r"""Orthonormal Legendre polynomials on [0, 1], :math:`\sqrt{2n+1} P_n(2x - 1)`.

    Parameters
    ----------
    x : ndarray
        Points.
    n : int
        Number of polynomials.

    Returns
    -------
    values : ndarray of shape (..., n)
        One axis more than ``x``.
    """
    return legvander(2 * np.asarray(x) - 1, n - 1) * _roots(n)


def basis_integrals(measure: str, n: int, edges: np.ndarray) -> np.ndarray:
    """Integrals of the basis between neighbouring points of the past.

    Parameters
    ----------
    measure : {"legs", "legt", "fout"}
        Which basis.
    n : int
        Number of functions.
    edges : ndarray of shape (n_cells + 1,)
        Ascending in [0, 1]: 0 is the oldest moment of the past, 1 is now.

    Returns
    -------
    integrals : ndarray of shape (n_cells, n)
        In closed form: no quadrature.

    Raises
    ------
    ValueError
        If the measure is not known.
    """
    _check_measure(measure)
    if measure == "fout":
        s = 1 - edges
        turns = 2 * np.pi * np.arange(1, n // 2 + 1)
        primitive = np.empty((len(edges), n))
        primitive[:, 0] = s
        primitive[:, 1::2] = np.sqrt(2) * np.sin(s[:, None] * turns) / turns
        primitive[:, 2::2] = -np.sqrt(2) * np.cos(s[:, None] * turns) / turns
        return -np.diff(primitive, axis=0)
    # the integral of (2n + 1) P_n is P_{n+1} - P_{n-1}, and that of P_0 is P_1
    P = legvander(2 * edges - 1, n)
    below = np.concatenate([np.zeros((len(edges), 1)), P[:, :-2]], axis=1)
    return np.diff((P[:, 1:] - below) / (2 * _roots(n)), axis=0)


def hippo_operator(
    measure: str, n: int, n_times: int, window: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""The memory after ``n_times`` samples as one matrix, and the way back.

    Sample k is held on [k, k + 1): the coefficients at time ``n_times`` are a linear map of the
    samples. This is the online recurrence, summed up: nothing is approximated by the step.

    Parameters
    ----------
    measure : {"legs", "legt", "fout"}
        Which memory.
    n : int
        Number of coefficients.
    n_times : int
        Number of samples L.
    window : float, default=None
        Of "legt" and "fout", in samples; None means ``n_times``.

    Returns
    -------
    forward : ndarray of shape (n_times, n)
        A series x of shape (n_times,) has coefficients ``x @ forward``.
    backward : ndarray of shape (n, n_out)
        ``c @ backward`` is the mean of the reconstruction over each sample's interval: all of
        them for "legs", else the last min(floor(window), L).

    Notes
    -----
    "legs" is the exact projection: ``forward`` holds integrals of the basis, and ``backward`` is
    its transpose times L. "legt" and "fout" drift from the projection on their window by what the
    coefficients cannot tell about the value that leaves it. O(L n^2).
    """
    if measure == "legs":
        forward = basis_integrals(measure, n, np.arange(n_times + 1) / n_times)
        return forward, n_times * forward.T
    width = float(n_times if window is None else window)
    step, enter = _held_step(measure, n, width)
    rows = enter[None]
    while len(rows) < n_times:  # row j: the sample of j steps ago
        rows = np.concatenate([rows, rows @ step.T])
        step = step @ step
    n_out = min(int(width), n_times)
    edges = 1 - np.arange(n_out, -1, -1) / width
    return rows[:n_times][::-1].copy(), width * basis_integrals(measure, n, edges).T


def hippo_trajectory(
    X: np.ndarray,
    measure: str,
    n: int,
    window: float | None = None,
    *,
    state: np.ndarray | None = None,
    n_before: int = 0,
) -> np.ndarray:
    r"""Coefficients after each sample: the memory as it is updated online.

    Parameters
    ----------
    X : ndarray of shape (n_series, n_times)
        Series, or the next samples of a stream.
    measure : {"legs", "legt", "fout"}
        Which memory.
    n : int
        Number of coefficients.
    window : float, default=None
        Of "legt" and "fout", in samples; None means ``n_times``, and cannot go on from a state.
    state : ndarray of shape (n_series, n), default=None
        Coefficients after the samples before X; None means that there were none.
    n_before : int, default=0
        Number of the samples before X: "legs" needs it.

    Returns
    -------
    coefficients : ndarray of shape (n_series, n_times, n)
        The last along time are those of :func:`hippo_operator`.

    Raises
    ------
    ValueError
        If the measure is not known, or a state is given without ``window`` ("legt", "fout") or
        without ``n_before`` ("legs").

    Notes
    -----
    One step of "legs" takes the polynomial from [0, k] to [0, k + 1]: Gauss quadrature at n nodes
    integrates it exactly, and no step can amplify (it restricts a function). The bilinear steps
    of the paper are cheaper in a compiled loop and approximate. O(n_times n (n + n_series)).

    Examples
    --------
    >>> x = np.sin(np.arange(20.0))[None]
    >>> first = hippo_trajectory(x[:, :12], "legs", 4)
    >>> rest = hippo_trajectory(x[:, 12:], "legs", 4, state=first[:, -1], n_before=12)
    >>> bool(np.allclose(rest, hippo_trajectory(x, "legs", 4)[:, 12:]))
    True
    """
    _check_measure(measure)
    X = np.asarray(X, dtype=np.float64)
    if state is not None and (n_before < 1 if measure == "legs" else window is None):
        needed = "n_before, the number of samples it has seen" if measure == "legs" else "window"
        raise ValueError(f"A {measure!r} memory cannot go on from a state without {needed}.")
    state = np.zeros((len(X), n)) if state is None else np.asarray(state, dtype=np.float64)
    steps = _legs_steps if measure == "legs" else _window_steps
    out = np.empty((*X.shape, n))
    width = float(X.shape[1] if window is None else window)
    for k, (step, enter) in enumerate(steps(measure, n, width, n_before, X.shape[1])):
        state = step(state) + X[:, k, None] * enter
        out[:, k] = state
    return out


def _window_steps(
    measure: str, n: int, window: float, n_before: int, n_times: int
) -> Iterator[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]]:
    """How the state goes on, and what a sample of size 1 adds: the same at each time."""
    step, enter = _held_step(measure, n, window)
    for _ in range(n_times):
        yield (lambda state: state @ step.T), enter


def _legs_steps(
    measure: str, n: int, window: float, n_before: int, n_times: int
) -> Iterator[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]]:
    """The same for the whole past: restricted from [0, k] to its share of [0, k + 1]."""
    nodes, weights = leggauss(n)
    nodes, weights = (nodes + 1) / 2, weights / 2
    to_values = legendre_basis(nodes, n).T * weights
    for k in range(n_before, n_before + n_times):
        kept = k / (k + 1)
        back = kept * legendre_basis(kept * nodes, n)
        enter = basis_integrals(measure, n, np.array([kept, 1.0]))[0]
        yield (lambda state, back=back: (state @ to_values) @ back), enter  # type: ignore[misc]


def _held_step(measure: str, n: int, window: float) -> tuple[np.ndarray, np.ndarray]:
    """One sample of a translated memory, the input held: by one matrix exponential."""
    _check_measure(measure)
    A, B = {"legt": hippo_legt, "fout": hippo_fout}[measure](n, window)
    both = np.zeros((n + 1, n + 1))
    both[:n, :n], both[:n, n] = A, B
    both = scipy.linalg.expm(both)
    return both[:n, :n], both[:n, n]


def _check_measure(measure: str) -> None:
    if measure not in MEASURES:
        raise ValueError(f"measure={measure!r} is not known here. Use one of {MEASURES}.")


def _roots(n: int) -> np.ndarray:
    """Square roots of 1, 3, 5, ..."""
    return np.sqrt(2 * np.arange(n) + 1.0)
