"""Product bases: orthonormality by quadrature, index sets by counting, draws from squares."""

from math import comb

import numpy as np
import pytest
from scipy.stats import kstest

from subspace_learn.functional.sampling.continuous_design import (
    CONTINUOUS_SCHEMES,
    BasisLaw,
    design_points,
)
from subspace_learn.functional.sampling.product_bases import (
    KINDS,
    basis_values,
    christoffel_points,
    multi_indices,
)


def quadrature(kind, n=60):
    """Nodes and weights of the probability law of a kind, exact for degree 2n - 1."""
    if kind == "hermite":
        t, w = np.polynomial.hermite_e.hermegauss(n)
    elif kind == "chebyshev":
        t, w = np.polynomial.chebyshev.chebgauss(n)
    elif kind == "fourier":
        t, w = np.linspace(-1, 1, n, endpoint=False), np.ones(n)
    else:
        t, w = np.polynomial.legendre.leggauss(n)
    return t, w / w.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_functions_are_orthonormal_by_quadrature(kind):
    t, w = quadrature(kind)
    phi = basis_values(t[:, None], kind, np.arange(25)[:, None])
    np.testing.assert_allclose(phi.T @ (phi * w[:, None]), np.eye(25), atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_orthonormal_in_two_inputs(kind):
    t, w = quadrature(kind, 20)
    grid = np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
    phi = basis_values(grid, kind, multi_indices(2, 5, "total_degree"))
    weights = np.outer(w, w).reshape(-1)
    np.testing.assert_allclose(phi.T @ (phi * weights[:, None]), np.eye(21), atol=1e-12)


def test_index_sets_have_the_sizes_they_should():
    for d, k in [(1, 5), (2, 4), (3, 3)]:
        assert len(multi_indices(d, k, "total_degree")) == comb(d + k, k)
        assert len(multi_indices(d, k, "tensor")) == (k + 1) ** d
        cross = multi_indices(d, k, "hyperbolic_cross")
        assert (np.prod(cross + 1, axis=1) <= k + 1).all()
        assert len(cross) == sum(np.prod(np.add(i, 1)) <= k + 1 for i in np.ndindex(*[k + 1] * d))
        for kind in ("total_degree", "tensor", "hyperbolic_cross"):
            indices = multi_indices(d, k, kind)
            assert (indices[0] == 0).all()
            assert len(np.unique(indices, axis=0)) == len(indices)
            np.testing.assert_array_equal(
                multi_indices(d, k, kind, include_bias=False), indices[1:]
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degree", [0, 1, 7])
def test_points_come_from_the_square_of_a_function(kind, degree, rng):
    points = christoffel_points(kind, np.array([[degree]]), 4000, rng)[:, 0]
    # distribution function by a fine sum, against which Kolmogorov's distance is below
    # 1.95 / sqrt(n) with probability .999
    if kind == "chebyshev":
        t = np.cos(np.pi * (np.arange(200_000, 0, -1) - 0.5) / 200_000)
        density = np.ones_like(t)
    else:
        t = np.linspace(-12 if kind == "hermite" else -1, 12 if kind == "hermite" else 1, 200_001)
        density = np.exp(-t * t / 2) if kind == "hermite" else np.ones_like(t)
    mass = np.cumsum(density * basis_values(t[:, None], kind, np.array([[degree]]))[:, 0] ** 2)
    found = kstest(points, lambda x: np.interp(x, t, mass / mass[-1]))
    assert found.statistic < 1.95 / np.sqrt(4000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", CONTINUOUS_SCHEMES)
def test_mean_gram_matrix_of_a_continuous_design_is_the_identity(kind, scheme, rng):
    basis = BasisLaw(kind, multi_indices(2, 2, "hyperbolic_cross"))
    m = len(basis.indices)
    n, repeats, total = m if scheme == "dpp" else 9, 300, []
    for _ in range(repeats):
        design = design_points(basis, n, rng, scheme=scheme)
        phi = basis.values(design.indices)
        total.append(phi.T @ (phi * design.weights[:, None]) / n)
    mean, spread = np.mean(total, axis=0), np.std(total, axis=0) / np.sqrt(repeats)
    # 25 entries for each of 20 cases: 5 standard errors and a floor for entries that never vary
    assert (np.abs(mean - np.eye(m)) < 5 * spread + 1e-9).all()


def test_periodic_points_of_a_dpp_keep_their_distance(rng):
    """For the Fourier basis k is constant: all the gain over uniform points is in the repulsion."""
    basis = BasisLaw("fourier", np.arange(9)[:, None])
    gaps = []
    for _ in range(200):
        t = np.sort(design_points(basis, 9, rng, scheme="dpp").indices[:, 0])
        gaps.append(np.diff(np.r_[t, t[0] + 2]).min())
    # nine uniform points on a circle of length 2: mean smallest gap 2 / 81
    assert np.mean(gaps) > 3 * 2 / 81


def test_functions_of_low_degree_are_those_of_the_textbooks():
    """Orthonormality alone does not notice a wave that is missing."""
    t = np.linspace(-0.9, 1.7, 11)
    root = np.sqrt
    wanted = {
        "fourier": [
            1 + 0 * t,
            root(2) * np.sin(np.pi * t),
            root(2) * np.cos(np.pi * t),
            root(2) * np.sin(2 * np.pi * t),
            root(2) * np.cos(2 * np.pi * t),
        ],
        "legendre": [
            1 + 0 * t,
            root(3) * t,
            root(5) * (3 * t**2 - 1) / 2,
            root(7) * (5 * t**3 - 3 * t) / 2,
            root(9) * (35 * t**4 - 30 * t**2 + 3) / 8,
        ],
        "chebyshev": [
            1 + 0 * t,
            root(2) * t,
            root(2) * (2 * t**2 - 1),
            root(2) * (4 * t**3 - 3 * t),
            root(2) * (8 * t**4 - 8 * t**2 + 1),
        ],
        "hermite": [
            1 + 0 * t,
            t,
            (t**2 - 1) / root(2),
            (t**3 - 3 * t) / root(6),
            (t**4 - 6 * t**2 + 3) / root(24),
        ],
    }
    for kind in KINDS:
        values = basis_values(t[:, None], kind, np.arange(5)[:, None])
        np.testing.assert_allclose(values, np.transpose(wanted[kind]), atol=1e-12)
