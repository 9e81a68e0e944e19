"""Rejection step of the chain rule of a projection determinantal point process."""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["accept_proposals"]


@jit
def accept_proposals(rows, norms, proposals, uniforms, basis, chosen, n_chosen):
    """Go through ``proposals`` until ``chosen`` is full; return (number chosen, proposals used).

    ``basis[:n_chosen]`` are orthonormal directions of the rows chosen so far, ``chosen`` their
    numbers; both are written in place. Row j of squared length ``norms[j]`` is accepted with
    probability 1 - |B q_j|^2 / |q_j|^2. Shapes: (n, m), (n,), (k,), (k,), (m, m), (m,).
    Serial: a draw is m^3 log m flops, less than starting a thread costs.
    """
    n_directions = rows.shape[1]
    n_places = chosen.size
    inner = np.empty(n_directions)
    remainder = np.empty(n_directions)
    for used in range(proposals.size):
        if n_chosen == n_places:
            return n_chosen, used
        j = proposals[used]
        is_chosen = False
        for t in range(n_chosen):
            is_chosen = is_chosen or chosen[t] == j
        if is_chosen:
            continue
        seen = 0.0
        for t in range(n_chosen):
            product = 0.0
            for a in range(n_directions):
                product += basis[t, a] * rows[j, a]
            inner[t] = product
            seen += product * product
        if uniforms[used] * norms[j] >= norms[j] - seen:
            continue
        for a in range(n_directions):
            remainder[a] = rows[j, a]
        for repeat in range(2):  # once loses orthogonality when little of the row is left
            for t in range(n_chosen):
                if repeat == 1:
                    product = 0.0
                    for a in range(n_directions):
                        product += basis[t, a] * remainder[a]
                    inner[t] = product
            for t in range(n_chosen):
                for a in range(n_directions):
                    remainder[a] -= inner[t] * basis[t, a]
        length = 0.0
        for a in range(n_directions):
            length += remainder[a] * remainder[a]
        length = np.sqrt(length)
        for a in range(n_directions):
            basis[n_chosen, a] = remainder[a] / length
        chosen[n_chosen] = j
        n_chosen += 1
    return n_chosen, proposals.size
