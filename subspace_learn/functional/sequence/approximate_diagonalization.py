r"""Perturb, then diagonalise: a nearby matrix whose eigenvectors are of use.

A non-normal A, such as a HiPPO matrix, may have eigenvectors of a condition beyond the digits of a
float. A random matrix of small norm added to it gives a neighbour with well-conditioned ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Diagonalization", "perturb_then_diagonalize"]

# Beyond this condition of the eigenvectors more than half of the digits of A are lost. The scaled
# Legendre matrix has 7.8e7 at n = 12 and 4.5e8 at n = 13.
_MAX_CONDITION = 1e8
# About one draw in ten has no real eigenvalue at the sizes in use.
_DRAWS_PER_TRY, _LEAST_DRAWS = 20, 200


class Diagonalization(NamedTuple):
    r""":math:`A + E = V \operatorname{diag}(\lambda) V^{-1}`, and how far to trust it."""

    eigenvalues: np.ndarray
    """Complex, (n,), real parts below 0, ascending imaginary parts."""
    eigenvectors: np.ndarray
    """Complex columns of unit length, (n, n)."""
    perturbation: np.ndarray
    """E, real, (n, n)."""
    condition: float
    """Of the eigenvectors, in the 2-norm."""
    backward_error: float
    """2-norm of A less the product, as computed: that of E and rounding."""


def perturb_then_diagonalize(
    A: np.ndarray,
    eps: float = 0.1,
    *,
    n_tries: int = 10,
    rng: np.random.Generator | None = None,
    pairs_only: bool = False,
) -> Diagonalization:
    r"""Diagonalise a matrix near A that has well-conditioned eigenvectors and is stable.

    A real Gaussian E with :math:`\|E\|_2 = \epsilon` moves a non-normal A to a neighbour whose
    eigenvectors have a condition of order poly(n) / eps, where those of A itself may be useless.

    Parameters
    ----------
    A : ndarray of shape (n, n)
        Real, all eigenvalues with real parts below 0.
    eps : float, default=0.1
        2-norm of E, absolute. 0 diagonalises A itself.
    n_tries : int, default=10
        Stable draws of E, of which the one with the smallest condition is kept.
    rng : Generator, default=None
        Source of E; None is seeded with 0.
    pairs_only : bool, default=False
        Pass over draws with real eigenvalues, so that n / 2 complex modes are the whole model.

    Returns
    -------
    found : Diagonalization
        With ``condition`` and ``backward_error``.

    Raises
    ------
    ValueError
        If A is not square, real and finite; if A, or every A + E drawn, has an eigenvalue with
        real part 0 or above; if ``eps=0`` and the eigenvectors of A have a condition beyond 1e8
        (of the scaled Legendre matrix: n above 12); if ``pairs_only`` and every draw has real
        eigenvalues, as is certain for odd n and likely for small eps.

    Notes
    -----
    The paper optimises :math:`\operatorname{cond}(V) + \gamma \|E\|` by gradient descent; the best
    of some draws needs no tuning. Eps is absolute: relative to :math:`\|A\|` it would move the
    eigenvalues of a HiPPO matrix into the right half-plane. With inputs and outputs normalised,
    the transfer function moves by at most (2 ln n + 4) eps to first order. O(n_tries n^3).

    References
    ----------
    A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney, N. B. Erichson, "Robustifying State-space Models
    for Long Sequences via Approximate Diagonalization", ICLR 2024, section 3.

    Examples
    --------
    >>> from subspace_learn.functional.sequence.hippo import hippo_legs
    >>> A, B = hippo_legs(32)
    >>> found = perturb_then_diagonalize(A, 0.1)
    >>> bool(found.eigenvalues.real.max() < 0), bool(found.condition < 1e4)
    (True, True)
    >>> round(found.backward_error, 6)
    0.1
    """
    A = _checked_matrix(A)
    if not eps >= 0:
        raise ValueError(f"eps={eps} must not be below 0: it is the norm of the perturbation.")
    _check_stable(A)
    if eps == 0:
        return _direct(A, pairs_only)
    rng = np.random.default_rng(0) if rng is None else rng
    found: list[tuple[float, np.ndarray]] = []
    nearest = np.inf
    for _ in range(max(_DRAWS_PER_TRY * n_tries, _LEAST_DRAWS if pairs_only else 0)):
        E = rng.normal(size=A.shape)
        E *= eps / np.linalg.norm(E, 2)
        values, vectors = np.linalg.eig(A + E)
        nearest = min(nearest, float(values.real.max()))
        if values.real.max() < 0 and not (pairs_only and (values.imag == 0).any()):
            found.append((float(np.linalg.cond(vectors)), E))
        if len(found) == n_tries:
            break
    if not found and nearest < 0:
        raise ValueError(
            f"Every perturbation of norm {eps:g} drawn left a real eigenvalue, which has no "
            "partner. Take an even size and a larger eps, or pairs_only=False."
        )
    if not found:
        raise ValueError(
            f"No perturbation of norm {eps:g} drawn gave a stable matrix: at best the largest "
            f"real part was {nearest:.3g}. Take a smaller eps; it is absolute, not relative to the "
            f"norm of A ({np.linalg.norm(A, 2):.3g})."
        )
    return _diagonalized(A, min(found, key=lambda pair: pair[0])[1])


def _direct(A: np.ndarray, pairs_only: bool) -> Diagonalization:
    found = _diagonalized(A, np.zeros_like(A))
    if not found.condition <= _MAX_CONDITION:
        raise ValueError(
            f"The eigenvectors of this {len(A)} x {len(A)} matrix have condition "
            f"{found.condition:.1e}, beyond {_MAX_CONDITION:.0e}: diagonalised directly, more than "
            "half of its digits are lost (a HiPPO-LegS matrix: from n = 13 on). Set eps above 0, "
            "for example 0.1, to diagonalise a neighbour."
        )
    if pairs_only and (found.eigenvalues.imag == 0).any():
        raise ValueError(
            "A has a real eigenvalue, which has no partner. Set eps above 0, or pairs_only=False."
        )
    return found


def _diagonalized(A: np.ndarray, E: np.ndarray) -> Diagonalization:
    """Eigenpairs of A + E, ordered, with the error that the product of the factors shows."""
    values, vectors = np.linalg.eig(A + E)
    values, vectors = values.astype(np.complex128), vectors.astype(np.complex128)
    order = np.lexsort((values.real, values.imag))
    values, vectors = values[order], vectors[:, order]
    condition = float(np.linalg.cond(vectors))
    if not np.isfinite(condition):
        return Diagonalization(values, vectors, E, np.inf, np.inf)
    product = np.linalg.solve(vectors.T, (vectors * values).T).T
    error = float(np.linalg.norm(A - product, 2))
    return Diagonalization(values, vectors, E, condition, error)


def _checked_matrix(A: np.ndarray) -> np.ndarray:
    A = np.asarray(A)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or len(A) == 0:
        raise ValueError(f"A must be a square matrix, but has shape {A.shape}.")
    if np.iscomplexobj(A) or not np.isfinite(A).all():
        raise ValueError("A must be real and finite.")
    return A.astype(np.float64)


def _check_stable(A: np.ndarray) -> None:
    largest = np.linalg.eigvals(A).real.max()
    if largest >= 0:
        raise ValueError(
            f"A is not stable: an eigenvalue has real part {largest:.3g}. Shift it, for example "
            f"by {largest + 0.5:.3g} times the identity, if that is acceptable."
        )
