"""A variational circuit behind a feature map: layers of rotations, parity, exact gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from .feature_map import pauli_signs

__all__ = ["Circuit", "circuit", "logistic_loss", "parity", "parity_gradient"]


class Circuit(NamedTuple):
    """What a circuit of rotations and controlled signs is made of."""

    n_qubits: int
    """Number of qubits."""
    depth: int
    """Entangling layers; one more layer of rotations stands before them."""
    signs: np.ndarray
    """Z on each qubit in each basis state, of shape (2**n_qubits, n_qubits)."""
    entangler: np.ndarray
    """Product of the controlled-Z gates of a layer, a sign for each basis state."""

    @property
    def n_angles(self) -> int:
        """Angles of all rotations: two for each qubit and layer."""
        return 2 * self.n_qubits * (self.depth + 1)


def circuit(n_qubits: int, depth: int, pairs: Sequence[tuple[int, int]]) -> Circuit:
    """Make a circuit of ``depth`` entangling layers over pairs of qubits.

    Parameters
    ----------
    n_qubits : int
        Number of qubits.
    depth : int
        Entangling layers.
    pairs : sequence of pairs of int
        Qubits joined by a controlled Z in each layer.

    Returns
    -------
    circuit : Circuit
        Its tables.
    """
    signs = pauli_signs(n_qubits)
    entangler = np.ones(2**n_qubits)
    for i, j in pairs:
        entangler = np.where((signs[:, i] < 0) & (signs[:, j] < 0), -entangler, entangler)
    return Circuit(n_qubits, depth, signs, entangler)


def parity(states: np.ndarray, angles: np.ndarray, given: Circuit) -> np.ndarray:
    r"""Expected parity :math:`\langle \psi | W^\dagger Z^{\otimes n} W | \psi \rangle`.

    W starts with a rotation about y and one about z of each qubit; a layer is the controlled-Z
    gates of the pairs and again such rotations.

    Parameters
    ----------
    states : ndarray of shape (n_samples, 2**n_qubits)
        Of a feature map.
    angles : ndarray of shape (n_angles,)
        Of the layers in turn: those about y, then those about z.
    given : Circuit
        The circuit.

    Returns
    -------
    f : ndarray of shape (n_samples,)
        In [-1, 1].
    """
    turned = _forward(states, angles, given)
    return (turned.real**2 + turned.imag**2) @ given.signs.prod(axis=1)


def parity_gradient(
    states: np.ndarray, angles: np.ndarray, given: Circuit, weights: np.ndarray
) -> np.ndarray:
    r"""Gradient of :math:`\sum_i g_i f_i` in the angles, in one pass back through the circuit.

    For a rotation :math:`\exp(-i \theta \sigma / 2)` the derivative of f is
    :math:`\mathrm{Im} \langle \lambda | \sigma | \phi \rangle` with the state behind the gate and
    the observable taken back to there: the adjoint method.

    Parameters
    ----------
    states : ndarray of shape (n_samples, 2**n_qubits)
        Of a feature map.
    angles : ndarray of shape (n_angles,)
        As in `parity`.
    given : Circuit
        The circuit.
    weights : ndarray of shape (n_samples,)
        The g.

    Returns
    -------
    gradient : ndarray of shape (n_angles,)
        Equal to that of the parameter-shift rule.
    """
    about_y, about_z = _by_layer(angles, given)
    phi = _forward(states, angles, given)
    back = weights[:, None] * given.signs.prod(axis=1) * phi
    gradient = np.empty((given.depth + 1, 2, given.n_qubits))
    for layer in range(given.depth, -1, -1):
        overlap = (back.conj() * phi).imag.sum(axis=0)
        gradient[layer, 1] = overlap @ given.signs
        undo = np.exp(0.5j * (given.signs @ about_z[layer]))
        phi, back = undo * phi, undo * back
        # rotations about y of different qubits commute: each is the last one
        gradient[layer, 0] = _overlaps_of_y(back, phi, given.n_qubits)
        phi, back = (_rotated(part, -about_y[layer]) for part in (phi, back))
        if layer:
            phi, back = given.entangler * phi, given.entangler * back
    return gradient.reshape(-1)


def logistic_loss(
    f: np.ndarray, target: np.ndarray, share: np.ndarray, gain: float, bias: float
) -> tuple[float, np.ndarray]:
    r"""Cross-entropy of the log-odds :math:`g (f + b)`, and its derivative in the log-odds.

    Parameters
    ----------
    f : ndarray of shape (n_samples,)
        Expected parities.
    target : ndarray of shape (n_samples,)
        Classes, 0 or 1.
    share : ndarray of shape (n_samples,)
        Weights of the rows, which add up to 1.
    gain : float
        Of the parity.
    bias : float
        Added to the parity.

    Returns
    -------
    loss : float
        Mean cross-entropy.
    slope : ndarray of shape (n_samples,)
        Derivative in the log-odds of each row.
    """
    logits = gain * (f + bias)
    loss = share @ (np.logaddexp(0.0, logits) - target * logits)
    return float(loss), share * (expit(logits) - target)


def _by_layer(angles: np.ndarray, given: Circuit) -> tuple[np.ndarray, np.ndarray]:
    """Angles about y and about z, each of shape (depth + 1, n_qubits)."""
    parts = angles.reshape(given.depth + 1, 2, given.n_qubits)
    return parts[:, 0], parts[:, 1]


def _forward(states: np.ndarray, angles: np.ndarray, given: Circuit) -> np.ndarray:
    """States behind the circuit."""
    about_y, about_z = _by_layer(angles, given)
    for layer in range(given.depth + 1):
        if layer:
            states = given.entangler * states
        turn = np.exp(-0.5j * (given.signs @ about_z[layer]))
        states = turn * _rotated(states, about_y[layer])
    return states


def _rotated(states: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """A rotation about y of each qubit: one product for the lower half of them, one for the upper.

    Two products with matrices of size 2^(n / 2) are faster than n passes over the states.
    """
    half = len(angles) // 2
    low, high = (_kron_of_rotations(part) for part in (angles[:half], angles[half:]))
    parts = states.reshape(len(states), len(high), len(low))
    return (high @ (parts @ low.T)).reshape(states.shape)


def _kron_of_rotations(angles: np.ndarray) -> np.ndarray:
    """Tensor product of rotations about y, the first qubit changing fastest."""
    product = np.ones((1, 1))
    for angle in angles:
        c, s = np.cos(angle / 2), np.sin(angle / 2)
        product = np.kron([[c, -s], [s, c]], product)
    return product


def _overlaps_of_y(back: np.ndarray, phi: np.ndarray, n_qubits: int) -> np.ndarray:
    """Imaginary parts of <back | Y | phi>, summed over rows, for Y on each qubit.

    From the sums over all but one half of the qubits, one product for each half.
    """
    half = n_qubits // 2
    n, low = len(phi), 2**half
    back, phi = (part.reshape(n, -1, low) for part in (back.conj(), phi))
    lower = back.reshape(-1, low).T @ phi.reshape(-1, low)
    upper = np.tensordot(back, phi, axes=([0, 2], [0, 2]))
    found = []
    for sums, qubits in ((lower, range(half)), (upper, range(n_qubits - half))):
        for qubit in qubits:
            at = np.arange(len(sums))
            up = at[(at >> qubit) & 1 == 0]  # basis states with 0 on this qubit
            down = up + (1 << qubit)
            # Y takes |0> to i |1> and |1> to -i |0>
            found.append((1j * (sums[down, up] - sums[up, down])).sum().imag)
    return np.array(found)
