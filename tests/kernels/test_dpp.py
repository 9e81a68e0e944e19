"""The rejection kernel against its plain twin."""

import numpy as np
import pytest

from subspace_learn.kernels.dpp import accept_proposals


def plain_acceptances(rows, proposals, uniforms, wanted):
    """The same choice by projections: numpy's QR of the rows chosen so far."""
    chosen, used = [], 0
    for j, u in zip(proposals, uniforms, strict=True):
        if len(chosen) == wanted:
            break
        used += 1
        if j in chosen:
            continue
        basis = np.linalg.qr(rows[chosen].T)[0] if chosen else np.zeros((rows.shape[1], 0))
        size = rows[j] @ rows[j]
        left = size - np.sum((basis.T @ rows[j]) ** 2)
        if u * size < left:
            chosen.append(int(j))
    return chosen, used


@pytest.mark.parametrize("n_proposals", [5, 60, 400])
def test_kernel_equals_its_plain_twin(rng, n_proposals):
    rows = np.linalg.qr(rng.normal(size=(50, 6)))[0]
    norms = (rows**2).sum(axis=1)
    proposals = rng.integers(50, size=n_proposals)
    uniforms = rng.random(n_proposals)
    basis, chosen = np.zeros((6, 6)), np.empty(6, dtype=np.int64)
    n_chosen, used = accept_proposals(rows, norms, proposals, uniforms, basis, chosen, 0)
    wanted, wanted_used = plain_acceptances(rows, proposals, uniforms, 6)
    assert chosen[:n_chosen].tolist() == wanted
    assert used == wanted_used
    # rounding of two orthogonalisations in dimension 6
    np.testing.assert_allclose(basis[:n_chosen] @ basis[:n_chosen].T, np.eye(n_chosen), atol=1e-14)


def test_kernel_goes_on_where_a_batch_of_proposals_ended(rng):
    rows = np.linalg.qr(rng.normal(size=(30, 4)))[0]
    norms = (rows**2).sum(axis=1)
    proposals, uniforms = rng.integers(30, size=100), rng.random(100)

    def run(batches):
        basis, chosen, n = np.zeros((4, 4)), np.empty(4, dtype=np.int64), 0
        for part in np.array_split(np.arange(100), batches):
            n, _ = accept_proposals(rows, norms, proposals[part], uniforms[part], basis, chosen, n)
        return chosen[:n].tolist()

    assert run(1) == run(7) == run(100)


def test_directions_stay_orthonormal_for_nearly_dependent_rows():
    # rows that differ by 1e-7: once orthogonalised the basis would be off by about 1e-9
    rows = np.linalg.qr(np.vander(1 + 1e-3 * np.arange(40) / 40, 3))[0]
    norms = (rows**2).sum(axis=1)
    basis, chosen = np.zeros((3, 3)), np.empty(3, dtype=np.int64)
    n, _ = accept_proposals(rows, norms, np.arange(40), np.zeros(40), basis, chosen, 0)
    assert n == 3
    np.testing.assert_allclose(basis @ basis.T, np.eye(3), atol=1e-14)
