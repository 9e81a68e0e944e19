"""Perturb, then diagonalise: stable factors, honest errors, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from subspace_learn.functional.sequence.hippo import hippo_legs


@pytest.mark.parametrize("n", [4, 16, 33, 64])
def test_perturbed_factors_give_back_the_perturbed_matrix(n):
    A, _ = hippo_legs(n)
    found = perturb_then_diagonalize(A, 0.1, n_tries=3)
    assert found.eigenvalues.real.max() < 0
    assert np.linalg.norm(found.perturbation, 2) == pytest.approx(0.1, rel=1e-12)
    V = found.eigenvectors
    product = (V * found.eigenvalues) @ np.linalg.inv(V)
    rounding = found.condition * np.finfo(float).eps * np.linalg.norm(A, 2)
    np.testing.assert_allclose(product, A + found.perturbation, rtol=0, atol=rounding)
    assert abs(found.backward_error - 0.1) <= rounding
    assert found.condition == pytest.approx(np.linalg.cond(V), rel=1e-9)
    assert found.condition < 1e6


def test_direct_diagonalisation_of_legs_stops_at_twelve():
    for n in (1, 4, 12):
        found = perturb_then_diagonalize(hippo_legs(n)[0], 0)
        wanted = -np.arange(n, 0, -1.0)
        np.testing.assert_allclose(np.sort(found.eigenvalues.real), wanted, atol=1e-6)
    for n in (13, 16, 32, 64):
        with pytest.raises(ValueError, match=r"condition .* Set eps above 0"):
            perturb_then_diagonalize(hippo_legs(n)[0], 0)


def test_a_defective_matrix_is_refused_directly_and_diagonalised_nearby():
    jordan = np.array([[-1.0, 1.0], [0.0, -1.0]])
    with pytest.raises(ValueError, match="condition"):
        perturb_then_diagonalize(jordan, 0)
    assert perturb_then_diagonalize(jordan, 1e-2).condition < 1e3


@pytest.mark.parametrize("eps", [26.0, 260.0])  # 1e-2 and 1e-1 of the norm of A
def test_an_unstable_result_is_never_returned(eps):
    with pytest.raises(ValueError, match="smaller eps"):
        perturb_then_diagonalize(hippo_legs(64)[0], eps, n_tries=2)


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_an_unstable_matrix_is_refused(eps):
    with pytest.raises(ValueError, match="not stable"):
        perturb_then_diagonalize(np.diag([-1.0, 0.0]), eps)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.zeros((2, 3)), "square"),
        (np.zeros((0, 0)), "square"),
        (np.eye(2) * 1j, "real"),
        (np.full((2, 2), np.nan), "finite"),
    ],
)
def test_what_is_no_matrix_is_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        perturb_then_diagonalize(bad)


def test_odd_sizes_always_have_a_real_eigenvalue():
    with pytest.raises(ValueError, match="even size"):
        perturb_then_diagonalize(hippo_legs(5)[0], 0.1, n_tries=1, pairs_only=True)
    with pytest.raises(ValueError, match="no partner"):
        perturb_then_diagonalize(hippo_legs(4)[0], 0, pairs_only=True)


@pytest.mark.parametrize("eps", [-0.1, np.nan])
def test_a_norm_is_not_negative(eps):
    with pytest.raises(ValueError, match="below 0"):
        perturb_then_diagonalize(hippo_legs(4)[0], eps)
