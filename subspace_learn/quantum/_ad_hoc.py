"""Two classes that a quantum feature map separates by construction."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.stats import unitary_group

from .._base import random_generator
from ..functional.quantum.feature_map import entangled_pairs, feature_map_states, pauli_signs

__all__ = ["make_ad_hoc_quantum"]

_BATCH = 1000


def make_ad_hoc_quantum(
    n_samples: int = 80, n_features: int = 2, *, gap: float = 0.3, random_state: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw angles whose labels come from a random observable of their own quantum states.

    With the states :math:`\psi(x)` of the "zz" map (two layers, all pairs), a random unitary V and
    the parity P of all qubits, the label is the sign of

    .. math:: m(x) = \langle \psi(x) | V^\dagger P V | \psi(x) \rangle,

    and rows with :math:`|m|` below the gap are left out. The classes are separable in the space of
    the quantum kernel because they were made there: no data set tells less about its use.

    Parameters
    ----------
    n_samples : int, default=80
        Number of rows, half of each class (the second has one more if it is odd).
    n_features : int, default=2
        Angles, uniform in [0, 2 pi); one qubit each, at most 10.
    gap : float, default=0.3
        Smallest :math:`|m|`, in [0, 1).
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness; an int gives the same data each time.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Angles.
    y : ndarray of shape (n_samples,)
        Classes, -1 and 1, in random order.

    Raises
    ------
    ValueError
        If a size is out of range, or hardly any angles are that far from the border.

    References
    ----------
    V. Havlicek et al., "Supervised learning with quantum-enhanced feature spaces", Nature 567,
    2019, section "data".

    Examples
    --------
    >>> X, y = make_ad_hoc_quantum(40, random_state=0)
    >>> X.shape, int((y == 1).sum())
    ((40, 2), 20)
    """
    for name, value, most in (("n_samples", n_samples, np.inf), ("n_features", n_features, 10)):
        if not isinstance(value, Integral) or not 1 <= value <= most:
            raise ValueError(f"{name} must be an int in 1 to {most}, but is {value!r}.")
    if not isinstance(gap, Real) or not 0 <= gap < 1:
        raise ValueError(f"gap must be in [0, 1), but is {gap!r}.")
    rng = random_generator(random_state)
    V = unitary_group.rvs(2**n_features, random_state=rng)
    parity = pauli_signs(n_features).prod(axis=1)
    wanted = {-1: n_samples // 2, 1: n_samples - n_samples // 2}
    kept: dict[int, list[np.ndarray]] = {-1: [], 1: []}
    for _ in range(200 + n_samples // 2):
        X = rng.uniform(0, 2 * np.pi, size=(_BATCH, n_features))
        states = feature_map_states(X, pairs=entangled_pairs(n_features, "full")) @ V.T
        m = (states.real**2 + states.imag**2) @ parity
        for sign, rows in kept.items():
            rows.extend(X[sign * m >= gap][: wanted[sign] - len(rows)])
        if all(len(rows) == wanted[sign] for sign, rows in kept.items()):
            break
    else:
        raise ValueError(
            f"gap={gap!r} with {n_features} qubits: hardly any angles are that far from the border "
            "of this observable. Lower gap, or take another random_state."
        )
    X = np.array(kept[-1] + kept[1])
    y = np.repeat([-1, 1], [wanted[-1], wanted[1]])
    order = rng.permutation(n_samples)
    return X[order], y[order]
