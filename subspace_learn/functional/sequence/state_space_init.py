r"""Initial parameters of state space layers: modes of a memory, read out at random.

Layers store one complex mode of each conjugate pair. Those that come from a HiPPO memory start as
its model with a random real readout, written in the basis of the eigenvectors.
"""

from __future__ import annotations

import numpy as np

from .approximate_diagonalization import perturb_then_diagonalize
from .hippo import hippo_legs, normal_part
from .state_space import diagonal_init

__all__ = ["INITIALIZATIONS", "memory_modes", "s4d_init", "s5_init"]

INITIALIZATIONS = ("inv", "legs", "lin", "ptd")


def memory_modes(
    n: int, init: str, *, eps: float = 0.1, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Half of the eigenvectors of the scaled Legendre memory, or of its normal part.

    Parameters
    ----------
    n : int
        State size, even.
    init : {"legs", "ptd"}
        "legs": of the normal part of the matrix A, as S4D. "ptd": of A + E with
        :math:`\|E\|_2 = \epsilon`, by
        :func:`~subspace_learn.functional.sequence.approximate_diagonalization.perturb_then_diagonalize`.
    eps : float, default=0.1
        Norm of E.
    rng : Generator, default=None
        Source of E; None is seeded with 0.

    Returns
    -------
    eigenvalues : complex ndarray of shape (n / 2,)
        Positive imaginary parts.
    to_modes : complex ndarray of shape (n / 2, n)
        Rows of the inverse of the eigenvectors.
    from_modes : complex ndarray of shape (n, n / 2)
        Eigenvectors of unit length: a real state is twice the real part of what they give.
    """
    if init == "legs":
        values, vectors = normal_part(n)
        return values[n // 2 :], vectors.conj().T[n // 2 :], vectors[:, n // 2 :]
    found = perturb_then_diagonalize(hippo_legs(n)[0], eps, rng=rng, pairs_only=True)
    half = found.eigenvalues.imag > 0
    to_modes = np.linalg.solve(found.eigenvectors, np.eye(n))
    return found.eigenvalues[half], to_modes[half], found.eigenvectors[:, half]


def s4d_init(
    n_systems: int, n: int, init: str, *, eps: float = 0.1, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    r"""Modes and readouts of systems of one input and one output, :math:`y = 2 \Re (C x)`.

    Parameters
    ----------
    n_systems : int
        Number of systems; all have the same modes.
    n : int
        State size, even.
    init : {"legs", "lin", "inv", "ptd"}
        "legs" and "ptd" start as the memory (see :func:`memory_modes`) with a standard normal
        readout; "lin" and "inv" have the eigenvalues of
        :func:`~subspace_learn.functional.sequence.state_space.diagonal_init`, and complex normal C.
    eps : float, default=0.1
        Norm of the perturbation of "ptd".
    rng : Generator
        Source of the readouts and of the perturbation.

    Returns
    -------
    eigenvalues : complex ndarray of shape (n / 2,)
        Real parts below 0.
    C : complex ndarray of shape (n_systems, n / 2)
        For input vectors of ones: C and the input vector enter by their product alone.

    Notes
    -----
    Eigenvectors of condition :math:`\kappa` make C as large as :math:`\kappa`, terms that cancel
    in the sum over modes: at n = 64 and eps = 0.1 about 1e5.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvalues, C = s4d_init(3, 16, "ptd", rng=np.random.default_rng(0))
    >>> eigenvalues.shape, C.shape
    ((8,), (3, 8))
    """
    if init in ("lin", "inv"):
        return diagonal_init(n, init)[0], _complex_normal(rng, (n_systems, n // 2))
    eigenvalues, to_modes, from_modes = memory_modes(_even(n), init, eps=eps, rng=rng)
    inputs = to_modes @ hippo_legs(n)[1]
    if init == "legs":  # the normal part has the response of the memory with half of the input
        inputs = inputs / 2
    return eigenvalues, rng.normal(size=(n_systems, n)) @ from_modes * inputs


def s5_init(
    n_inputs: int, n: int, init: str, *, eps: float = 0.1, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Modes, inputs and outputs of one system with many of both, :math:`y = 2 \Re (C x)`.

    Parameters
    ----------
    n_inputs : int
        Number of inputs and of outputs.
    n : int
        State size, even.
    init : {"legs", "lin", "inv", "ptd"}
        As for :func:`s4d_init`, but inputs and outputs of a memory are both normal.
    eps : float, default=0.1
        Norm of the perturbation of "ptd".
    rng : Generator
        Source of all that is drawn.

    Returns
    -------
    eigenvalues : complex ndarray of shape (n / 2,)
        Real parts below 0.
    B : complex ndarray of shape (n / 2, n_inputs)
        Rows of length 1; C has taken up their sizes.
    C : complex ndarray of shape (n_inputs, n / 2)
        Outputs.
    """
    if init in ("lin", "inv"):
        eigenvalues = diagonal_init(n, init)[0]
        B = _complex_normal(rng, (n // 2, n_inputs))
        C = _complex_normal(rng, (n_inputs, n // 2))
    else:
        eigenvalues, to_modes, from_modes = memory_modes(_even(n), init, eps=eps, rng=rng)
        B = to_modes @ rng.normal(size=(n, n_inputs))
        C = rng.normal(size=(n_inputs, n)) @ from_modes
    sizes = np.linalg.norm(B, axis=1)
    return eigenvalues, B / sizes[:, None], C * sizes / np.sqrt(n * n_inputs)


def _even(n: int) -> int:
    if n < 2 or n % 2:
        raise ValueError(f"n={n} must be even and at least 2: modes come in conjugate pairs.")
    return n


def _complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Independent entries with a mean square of 1."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)
