"""Koopman matrices against closed forms: linear maps, invariances, and the limits of solvers."""

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn.functional.dynamics.edmd import (
    explained_variance,
    koopman_eigenpairs,
    koopman_fit,
    mode_errors,
    modes,
)
from subspace_learn.functional.dynamics.pair_factors import merged_factors, pair_factors
from subspace_learn.functional.dynamics.resdmd import eigenpair_residuals, pseudospectrum

MAP = np.array([[0.9, 0.1], [0.0, 0.8]])


def linear_pairs(rng, degree, n=2000):
    X = rng.uniform(-1, 1, size=(n, 2))
    lift = PolynomialFeatures(degree).fit(X)
    powers = [
        0.9**i * 0.8**j for i in range(degree + 1) for j in range(degree + 1 - i)
    ]  # all products up to the total degree
    return lift.transform(X), lift.transform(X @ MAP.T), np.sort(powers)


def eigenpairs(fit, normal=False):
    values, vectors = koopman_eigenpairs(fit.operator, normal=normal)
    return values, vectors, eigenpair_residuals(fit.projected, fit.unexplained, values, vectors)


@pytest.mark.parametrize(
    ("degree", "tol"), [(3, 1e-12), (5, 1e-10), (8, 5e-9), (10, 1e-5)], ids=str
)
def test_eigenvalues_of_a_linear_map_are_the_products_of_powers(rng, degree, tol):
    left, right, exact = linear_pairs(rng, degree)
    values, _, residuals = eigenpairs(koopman_fit(pair_factors(left, right)))
    assert np.abs(np.sort(values.real) - exact).max() < tol
    assert np.abs(values.imag).max() < tol
    assert residuals.max() < 1e-12  # the dictionary is invariant


def test_gram_sums_have_the_floor_that_is_documented(rng):
    left, right, _ = linear_pairs(rng, 5)
    _, _, residuals = eigenpairs(koopman_fit(pair_factors(left, right, solver="gram")))
    assert 1e-12 < residuals.max() < 2e-7  # sqrt(eps) = 1.5e-8 times the norm of K


def test_matrix_solves_the_weighted_least_squares_problem(xp, rng):
    left, right = rng.normal(size=(400, 7)), rng.normal(size=(400, 7))
    weights = rng.uniform(0.5, 2.0, size=400)
    root = np.sqrt(weights)[:, None]
    wanted = np.linalg.lstsq(root * left, root * right, rcond=None)[0]
    for solver in ("qr", "gram"):
        tables = (xp.asarray(left), xp.asarray(right), None, xp.asarray(weights))
        given = koopman_fit(pair_factors(*tables, solver=solver, residuals=False)).matrix
        np.testing.assert_allclose(given, wanted, atol=1e-12)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e9])  # one pass, Cholesky-QR2, Householder's QR
@pytest.mark.parametrize("dtype", [float, complex])
def test_compressed_pairs_keep_all_inner_products(condition, dtype, xp, rng):
    left, right, state = (rng.normal(size=(3000, k)).astype(dtype) for k in (6, 6, 2))
    if dtype is complex:
        left, right = left + 1j * rng.normal(size=left.shape), right * 1j
    left[:, 1] = left[:, 0] + left[:, 1] / condition
    weights = rng.uniform(0.5, 9.0, size=3000)
    given = [xp.asarray(t) for t in (left, right, state, weights)]
    left, right, state = (np.sqrt(weights)[:, None] * t for t in (left, right, state))
    for solver in ("qr", "gram") if condition == 1 else ("qr",):
        f = pair_factors(*given, solver=solver)
        assert f.weight == pytest.approx(weights.sum(), rel=1e-13)
        successors = np.vstack([f.right, f.unexplained])
        for a, b in ((f.left, left), (successors, right)):
            np.testing.assert_allclose(a.conj().T @ a, b.conj().T @ b, atol=1e-9)
        for a, b in ((f.right, right), (f.state, state)):
            np.testing.assert_allclose(f.left.conj().T @ a, left.conj().T @ b, atol=1e-9)


def test_ill_conditioned_columns_take_householders_way_and_keep_their_digits(rng):
    # condition 1e9: Gram matrices (1e18) are singular in double precision
    base = rng.normal(size=(500, 4))
    left = base @ np.array([[1, 1, 0, 0], [0, 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    K = np.diag([0.9, 0.8, 0.7, 0.6])
    given = koopman_fit(pair_factors(left, left @ K)).matrix
    # forward error of least squares: eps * condition, with room for the norm of the data
    np.testing.assert_allclose(given, K, atol=1e-5)


@pytest.mark.parametrize("method", [False, True])
def test_another_basis_of_the_same_functions_changes_nothing(rng, method):
    left, right = rng.normal(size=(300, 5)), rng.normal(size=(300, 5))
    T = rng.normal(size=(5, 5)) + 3 * np.eye(5)
    fits = [
        koopman_fit(pair_factors(a, b), measure_preserving=method)
        for a, b in ((left, right), (left @ T, right @ T))
    ]
    values = [np.sort_complex(eigenpairs(fit, method)[0]) for fit in fits]
    np.testing.assert_allclose(values[0], values[1], atol=1e-10)
    residuals = [np.sort(eigenpairs(fit, method)[2]) for fit in fits]
    np.testing.assert_allclose(residuals[0], residuals[1], atol=1e-10)
    z = np.array([0.3, 1.0 + 0.5j, -0.2j])
    tau = [pseudospectrum(fit.projected, fit.unexplained, z) for fit in fits]
    np.testing.assert_allclose(tau[0], tau[1], atol=1e-10)


def test_merged_halves_are_the_whole(rng):
    left, right = rng.normal(size=(600, 5)), rng.normal(size=(600, 5))
    state = rng.normal(size=(600, 2))
    whole = koopman_fit(pair_factors(left, right, state))
    for solver in ("qr", "gram"):
        halves = [
            pair_factors(left[rows], right[rows], state[rows], solver=solver)
            for rows in (slice(0, 250), slice(250, None))
        ]
        merged = koopman_fit(merged_factors(*halves, solver=solver))
        np.testing.assert_allclose(merged.matrix, whole.matrix, atol=1e-11)
        np.testing.assert_allclose(merged.readout, whole.readout, atol=1e-11)
        given, wanted = (np.sort(eigenpairs(fit)[2]) for fit in (merged, whole))
        np.testing.assert_allclose(given, wanted, atol=1e-7 if solver == "gram" else 1e-11)


def test_dependent_columns_are_dropped_and_counted(rng):
    left = rng.normal(size=(200, 3))
    left = np.hstack([left, left[:, :1] + left[:, 1:2], np.zeros((200, 1))])
    fit = koopman_fit(pair_factors(left, 0.5 * left))
    assert fit.basis.shape[1] == 3
    np.testing.assert_allclose(left @ fit.matrix, 0.5 * left, atol=1e-12)


def test_inputs_are_told_apart_from_dynamics(rng):
    K, B = np.array([[0.9, 0.2], [-0.2, 0.9]]), np.array([[0.5, -1.0]])
    X, u = rng.normal(size=(300, 2)), rng.normal(size=(300, 1))
    Y = X @ K + u @ B
    fit = koopman_fit(pair_factors(np.hstack([u, X]), Y, X))
    np.testing.assert_allclose(fit.matrix, K, atol=1e-12)
    np.testing.assert_allclose(fit.input_matrix, B, atol=1e-12)
    assert eigenpairs(fit)[2].max() < 1e-12


def test_ridge_shrinks_each_direction_by_its_own_singular_value(rng):
    # two columns of length 300 at a known angle: singular values sqrt(1 +- cos)
    Q = np.linalg.qr(rng.normal(size=(100, 2)))[0]
    cosine, alpha = 0.8, 0.25
    left = 300 * Q @ np.array([[1.0, cosine], [0.0, np.sqrt(1 - cosine**2)]])
    fit = koopman_fit(pair_factors(left, 0.5 * left), alpha=alpha)
    squares = np.array([1 + cosine, 1 - cosine])
    np.testing.assert_allclose(fit.singular_values**2, squares, rtol=1e-12)
    wanted = 0.5 * squares / (squares + alpha)
    np.testing.assert_allclose(eigenpairs(fit)[0].real, wanted, rtol=1e-12)
    unit = left / 300
    direct = np.linalg.solve(unit.T @ unit + alpha * np.eye(2), unit.T @ (0.5 * unit))
    np.testing.assert_allclose(fit.matrix, direct, rtol=1e-12)


def test_what_inputs_leave_of_a_column_is_measured_against_what_it_was(rng):
    u = np.eye(2)[rng.integers(0, 2, size=200)]
    x = 300 * rng.normal(size=(200, 1))
    left = np.hstack([np.ones((200, 1)), x])  # the inputs add up to the first column
    right = np.hstack([np.ones((200, 1)), 0.8 * x + u @ [[2.0], [-3.0]]])
    fit = koopman_fit(pair_factors(np.hstack([u, left]), right))
    assert fit.basis.shape[1] == 1
    np.testing.assert_allclose(eigenpairs(fit)[0], [0.8], rtol=1e-12)
    np.testing.assert_allclose(left @ fit.matrix + u @ fit.input_matrix, right, atol=1e-10)
    # a column that the inputs explain but for a thousandth still counts
    nearly = left + 1e-3 * rng.normal(size=(200, 2))
    assert koopman_fit(pair_factors(np.hstack([u, nearly]), right)).basis.shape[1] == 2


def test_modes_of_a_defective_matrix_stay_small_and_say_what_they_lose():
    vectors = np.array([[1.0, 1.0], [0.0, 1e-16]], dtype=complex)
    states = np.array([[3.0], [4.0]])
    found = modes(vectors, states)
    assert np.abs(found).max() < 10
    np.testing.assert_allclose(vectors @ found, [[3.0], [0.0]], atol=1e-12)


@pytest.mark.parametrize("gap", [1e-4, 1e-11, 1e-13])
def test_eigenvectors_that_nearly_coincide_are_still_solved_with(gap):
    vectors = np.array([[1.0, 1.0], [0.0, gap]], dtype=complex)
    states = np.array([[3.0], [400.0]])
    lost, rounding = mode_errors(vectors, modes(vectors, states), states)
    assert lost < 1e-2  # a cut would lose the second row, .99 of the states
    assert rounding == pytest.approx(2.0**-52 * 2 / gap, rel=0.1)


def test_a_spread_of_rounding_is_no_variance():
    truth = np.full((1001, 2), 0.1)
    assert explained_variance(truth, truth) == 1.0
    assert explained_variance(truth, truth + 1e-3) == 0.0
    rows = np.array([[1.0], [2.0], [6.0]])
    assert explained_variance(300 * rows, 300 * rows - 300) == pytest.approx(1 - 3 / 14)


@pytest.mark.parametrize("dtype", [float, complex])
def test_unitary_eigenvectors_are_orthonormal_pairs_of_the_matrix(rng, dtype):
    A = rng.normal(size=(9, 9)).astype(dtype)
    if dtype is complex:
        A = A + 1j * rng.normal(size=(9, 9))
    U = np.linalg.qr(A)[0]
    values, vectors = koopman_eigenpairs(U, normal=True)
    np.testing.assert_allclose(U @ vectors, vectors * values, atol=1e-13)
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(9), atol=1e-13)
    np.testing.assert_allclose(np.abs(values), 1.0, atol=1e-13)
