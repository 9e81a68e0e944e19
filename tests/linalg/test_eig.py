"""Leading eigenpairs and signs."""

import numpy as np
import pytest

from subspace_learn.linalg.eig import (
    leading_eigenpairs,
    rounding_floor,
    stacked_eigenvalues,
    with_fixed_signs,
    without_rounding,
)


@pytest.mark.parametrize("n_pairs", [1, 3, 12, 15, None])
def test_pairs_are_those_of_a_known_spectrum(xp, rng, n_pairs):
    values = np.linspace(1, 12, 12)
    Q, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    S = (Q * values) @ Q.T
    found, vectors = leading_eigenpairs(xp.asarray((S + S.T) / 2), n_pairs)
    found, vectors = xp.numpy(found), xp.numpy(vectors)
    count = min(n_pairs or 12, 12)
    np.testing.assert_allclose(found, values[::-1][:count], atol=1e-13)
    np.testing.assert_allclose(S @ vectors, vectors * found, atol=1e-13)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-13)


def test_few_pairs_equal_the_first_of_all(rng):
    A = rng.normal(size=(700, 700))  # from this size on with a body of its own on NumPy
    S = A @ A.T
    few, _ = leading_eigenpairs(S, 3)
    every, _ = leading_eigenpairs(S)
    np.testing.assert_allclose(few, every[:3], rtol=1e-12)


def test_signs_make_the_largest_entry_positive_and_do_nothing_else(xp):
    rows = np.array([[1.0, -3.0, 2.0], [0.5, 0.1, -0.2], [0.0, 0.0, 0.0]])
    fixed = xp.numpy(with_fixed_signs(xp.asarray(rows)))
    np.testing.assert_array_equal(fixed, [[-1.0, 3.0, -2.0], [0.5, 0.1, -0.2], [0.0, 0.0, 0.0]])


def test_equal_entries_leave_the_sign_to_the_first_of_them(xp):
    tied = np.array([[-0.5, 0.5, 0.1], [0.5, -0.5, 0.1]])
    for noise in (1e-16, -1e-16, 1e-8, -1e-8):
        rows = tied + np.array([0.0, noise, 0.0])
        for signs in (rows, -rows):
            fixed = xp.numpy(with_fixed_signs(xp.asarray(signs)))
            assert (fixed[:, 0] > 0).all()
    # one part in a thousand is no tie
    assert xp.numpy(with_fixed_signs(xp.asarray(np.array([[-0.5, 0.5005]]))))[0, 1] > 0


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_rounding_floor_separates_noise_of_products_from_small_columns(xp, rng, scale):
    # float32 products of 40 columns, one on a large scale, and ten copies of others
    X = rng.normal(size=(500, 40))
    X[:, 30:] = X[:, 5:15]
    X[:, 0] *= scale
    X = X.astype(np.float32)
    S = (X.T @ X).astype(float)
    S = (S + S.T) / 2
    values, vectors = np.linalg.eigh(S)
    values, vectors = values[::-1].copy(), vectors[:, ::-1].copy()
    floor = xp.numpy(
        rounding_floor(*map(xp.asarray, (values, vectors, np.diag(S).copy())), 2.0**-23)
    )
    assert (np.abs(values[30:]) < floor[30:]).all()
    assert (values[:30] > 100 * floor[:30]).all()


def test_only_values_at_rounding_level_become_zero(xp):
    values = xp.asarray(np.array([2.0, 1e-3, 1e-15, -1e-16]))
    cleaned = xp.numpy(without_rounding(values, 4, 2.0**-52))
    np.testing.assert_array_equal(cleaned, [2.0, 1e-3, 0.0, 0.0])


@pytest.mark.parametrize("shape", [(3, 5), (40, 1), (40, 6), (200, 3), (33, 81)])
def test_stacked_eigenvalues_are_those_of_each_matrix(xp, rng, shape):
    count, n = shape
    S = rng.standard_normal((count, n, n)) * 10.0 ** rng.integers(-100, 100, (count, 1, 1))
    S = S + S.swapaxes(1, 2)
    S[1] = 0.0
    found = xp.numpy(stacked_eigenvalues(xp.asarray(S)))
    wanted = np.linalg.eigvalsh(S)
    norms = np.linalg.norm(S, axis=(1, 2))[:, None]
    # both are right to n eps of the norm, with a factor to spare
    assert np.all(np.abs(found - wanted) <= 8 * n * np.finfo(float).eps * norms)


def test_stacked_eigenvalues_leave_the_input_alone_and_fall_back(rng, monkeypatch):
    from subspace_learn.kernels import stacked_eigenvalues as kernels

    S = rng.standard_normal((40, 4, 4))
    S = S + S.swapaxes(1, 2)
    S.setflags(write=False)
    wanted = np.linalg.eigvalsh(S)
    np.testing.assert_allclose(stacked_eigenvalues(S), wanted, atol=1e-13)
    monkeypatch.setattr(kernels, "lane_eigenvalues", lambda lanes, found: False)
    np.testing.assert_array_equal(stacked_eigenvalues(S), wanted)
