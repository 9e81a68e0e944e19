"""Chebyshev-filtered subspace iteration against LAPACK, repeated eigenvalues included."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import eval_chebyt
from sklearn.exceptions import ConvergenceWarning

from subspace_learn.functional.graph.filtered_subspace import (
    chebyshev_filtered,
    filtered_eigenpairs,
)


def torus(n):
    """Normalised adjacency of an n x n torus: most eigenvalues are 4 or 8 times there."""
    shift = sp.csr_array(np.roll(np.eye(n), 1, axis=1))
    ring = (shift + shift.T) / 2
    return sp.csr_array((sp.kron(ring, sp.eye_array(n)) + sp.kron(sp.eye_array(n), ring)) / 2)


def test_filter_is_the_chebyshev_polynomial_on_each_eigenvalue():
    values = np.linspace(-1, 1, 21)
    filtered = chebyshev_filtered(sp.diags_array(values).tocsr(), np.eye(21), 0.4, 7)
    wanted = eval_chebyt(7, (2 * values + 0.6) / 1.4)
    # recurrence of 7 steps on numbers up to 400
    np.testing.assert_allclose(np.diag(filtered), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_pairs", [1, 9, 14, 33])
def test_every_copy_of_a_repeated_eigenvalue_is_found(n_pairs):
    S = torus(24)
    cosines = np.cos(2 * np.pi * np.arange(24) / 24)
    exact = np.sort(((cosines[:, None] + cosines) / 2).ravel())[::-1][:n_pairs]
    values, vectors = filtered_eigenpairs(S, n_pairs)
    # a Ritz value is as accurate as the square of its residual over the gap: rounding is left
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-11)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(n_pairs), rtol=0, atol=1e-11)


def test_residuals_are_as_small_as_asked():
    S = torus(20)
    values, vectors = filtered_eigenpairs(S, 12, rtol=1e-9)
    residuals = np.linalg.norm(S @ vectors - vectors * values, axis=0)
    assert residuals.max() <= 1e-9 * (1 - values[-1]) + 1e-15


def test_subspace_does_not_depend_on_the_seed():
    S = torus(20)
    first, second = (filtered_eigenpairs(S, 9, seed=seed)[1] for seed in (0, 1))
    # residual 1e-8 of the last eigenvalue over the gap behind it, which is of the same size
    np.testing.assert_allclose(first @ first.T, second @ second.T, rtol=0, atol=1e-6)


def test_too_few_rounds_give_a_warning_with_the_accuracy():
    with pytest.warns(ConvergenceWarning, match=r"accurate to .* after 2 rounds"):
        filtered_eigenpairs(torus(24), 14, max_rounds=2)


def test_fewer_vectors_than_components_are_found_exactly():
    """Forty rank-one pieces: more eigenvalues of 1 than vectors in the block, all others 0."""
    sizes = np.arange(40) + 3
    pieces = [np.full((k, k), 1 / k) for k in sizes]
    S = sp.csr_array(sp.block_diag(pieces))
    values, vectors = filtered_eigenpairs(S, 10, rtol=1e-2, atol=1e-10, growth=12, n_guards=3)
    np.testing.assert_allclose(values, 1, atol=1e-10)
    assert np.linalg.norm(S @ vectors - vectors) < 1e-8
