"""Quantum feature maps as exact state vectors, and the kernels they make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._array import Array, array_namespace, conj, device_of
from ...linalg.hadamard import walsh_hadamard

__all__ = [
    "MAPS",
    "bytes_of_states",
    "cone_projection",
    "entangled_pairs",
    "feature_map_states",
    "fidelity_kernel",
    "pauli_signs",
    "sampled_kernel",
    "target_alignment",
]

MAPS = ("zz", "z")
_BLOCK = 1 << 22  # entries of a product of states held at a time


def entangled_pairs(n_qubits: int, entanglement: str | Sequence) -> list[tuple[int, int]]:
    """Pairs of qubits that a layer entangles.

    Parameters
    ----------
    n_qubits : int
        Number of qubits.
    entanglement : {"full", "linear", "circular"} or sequence of pairs of int
        All pairs; neighbours; neighbours in a ring; or the pairs given.

    Returns
    -------
    pairs : list of tuple of int
        Each once, the smaller qubit first.

    Raises
    ------
    ValueError
        If a pair names a qubit that is not there, the same twice, or stands twice.
    """
    if isinstance(entanglement, str):
        pairs = [(i, j) for i in range(n_qubits) for j in range(i + 1, n_qubits)]
        if entanglement == "full":
            return pairs
        near = [(i, i + 1) for i in range(n_qubits - 1)]
        # a ring of two qubits has one edge
        return near + ([(0, n_qubits - 1)] if entanglement == "circular" and n_qubits > 2 else [])
    given = [tuple(sorted(int(q) for q in pair)) for pair in entanglement]
    wrong = [p for p in given if len(set(p)) != 2 or p[0] < 0 or p[-1] >= n_qubits]
    if wrong or len(set(given)) < len(given):
        raise ValueError(
            f"entanglement must be pairs of different qubits in 0 to {n_qubits - 1}, each once, "
            f"but {f'{wrong[0]} is none' if wrong else 'a pair stands twice'}."
        )
    return [(pair[0], pair[1]) for pair in given]


def pauli_signs(n_qubits: int) -> np.ndarray:
    """Eigenvalues of Z on each qubit in each basis state.

    Parameters
    ----------
    n_qubits : int
        Number of qubits.

    Returns
    -------
    signs : ndarray of shape (2**n_qubits, n_qubits)
        1 and -1. Qubit q is bit q of the number of the state: the first qubit changes fastest (as
        in Qiskit).
    """
    states = np.arange(2**n_qubits)[:, None]
    return 1.0 - 2.0 * ((states >> np.arange(n_qubits)) & 1)


def bytes_of_states(n_samples: int, n_qubits: int, itemsize: int = 16) -> int:
    """Memory of so many states.

    Parameters
    ----------
    n_samples : int
        Number of states.
    n_qubits : int
        Qubits of each.
    itemsize : int, default=16
        Bytes of a complex number.

    Returns
    -------
    n_bytes : int
        Bytes.
    """
    return itemsize * n_samples * 2**n_qubits


def feature_map_states(
    X: Array, *, feature_map: str = "zz", reps: int = 2, pairs: Sequence[tuple[int, int]] = ()
) -> Array:
    r"""States that a feature map makes of the rows of X, simulated exactly.

    .. math:: |\psi(x)\rangle = \bigl(D(x) H^{\otimes n}\bigr)^r |0\rangle, \quad
              D(x) = \exp i \Bigl[ \sum_i x_i Z_i + \sum_{(i,j)} (\pi - x_i)(\pi - x_j) Z_i Z_j
              \Bigr]

    Parameters
    ----------
    X : array of shape (n_samples, n_qubits)
        Angles.
    feature_map : {"zz", "z"}, default="zz"
        "z" leaves out the sum over pairs.
    reps : int, default=2
        Layers r.
    pairs : sequence of pairs of int, default=()
        Qubits (i, j) of the second sum.

    Returns
    -------
    states : array of shape (n_samples, 2**n_qubits)
        Complex, of the precision of X; rows have length 1.

    Notes
    -----
    The Hadamard layer is a fast Walsh transform: N r n 2^n additions for N rows.

    References
    ----------
    V. Havlicek et al., "Supervised learning with quantum-enhanced feature spaces", Nature 567,
    2019, equations 1 and 2. Qiskit's gates make the complex conjugate, up to a phase.
    """
    xp = array_namespace(X)
    n = X.shape[1]
    signs = pauli_signs(n)
    terms, columns = X, [signs]
    if feature_map == "zz" and len(pairs):
        first, second = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
        gap = np.pi - X
        at = [xp.asarray(index, device=device_of(X)) for index in (first, second)]
        products = xp.take(gap, at[0], axis=1) * xp.take(gap, at[1], axis=1)
        terms = xp.concat([X, products], axis=1)
        columns.append(signs[:, first] * signs[:, second])
    table = xp.asarray(np.concatenate(columns, axis=1).T, dtype=X.dtype, device=device_of(X))
    phases = terms @ table
    width = xp.complex128 if X.dtype == xp.float64 else xp.complex64
    phases = xp.exp(xp.astype(phases, width) * 1j)
    states = phases / 2 ** (n / 2)  # the first Hadamard layer makes all amplitudes equal
    for _ in range(reps - 1):
        states = phases * (walsh_hadamard(states) / 2 ** (n / 2))
    return states


def fidelity_kernel(A: Array, B: Array) -> Array:
    r"""Overlaps :math:`|\langle a | b \rangle|^2` of states.

    Parameters
    ----------
    A : array of shape (n, 2**n_qubits)
        States.
    B : array of shape (m, 2**n_qubits)
        States.

    Returns
    -------
    K : array of shape (n, m)
        In [0, 1].
    """
    xp = array_namespace(A, B)
    columns = xp.matrix_transpose(conj(B))
    step = max(1, _BLOCK // B.shape[0])
    parts = []
    for start in range(0, A.shape[0], step):
        overlap = A[start : min(start + step, A.shape[0]), :] @ columns
        parts.append(xp.real(overlap) ** 2 + xp.imag(overlap) ** 2)
    return xp.clip(xp.concat(parts), None, 1.0)


def sampled_kernel(
    K: np.ndarray, shots: int, rng: np.random.Generator, *, symmetric: bool
) -> np.ndarray:
    """Kernel as so many measurements of each entry would give it: shares of a binomial draw.

    Parameters
    ----------
    K : ndarray of shape (n, m)
        Exact overlaps.
    shots : int
        Measurements of each entry.
    rng : numpy.random.Generator
        Source of chance.
    symmetric : bool
        Whether K belongs to one set of states: pairs are measured once, the diagonal never.

    Returns
    -------
    K : ndarray of shape (n, m)
        Multiples of ``1 / shots``.
    """
    # a float32 overlap may be above 1 by a rounding when widened
    draws = rng.binomial(shots, np.clip(K.astype(np.float64), 0.0, 1.0)) / shots
    if symmetric:
        draws = np.triu(draws, 1)
        draws = draws + draws.T + np.eye(len(K))
    return draws.astype(K.dtype)


def cone_projection(K: np.ndarray) -> np.ndarray:
    """Nearest positive semidefinite matrix, in the Frobenius norm.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Symmetric.

    Returns
    -------
    K : ndarray of shape (n, n)
        With its negative eigenvalues set to 0.
    """
    values, vectors = np.linalg.eigh(K.astype(np.float64))
    projected = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    return ((projected + projected.T) / 2).astype(K.dtype)


def target_alignment(K: Array, target: Array) -> float:
    r"""Alignment :math:`\langle K, T \rangle / (\|K\| \|T\|)` of two matrices.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel.
    target : array of shape (n, n)
        Kernel that one would wish for.

    Returns
    -------
    alignment : float
        In [-1, 1].
    """
    xp = array_namespace(K, target)
    norm = float(xp.linalg.vector_norm(K)) * float(xp.linalg.vector_norm(target))
    return float(xp.sum(K * target)) / norm
