"""Cycles of sparse products: closed forms, positive definite, in each array library the same."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import eval_chebyt

from subspace_learn.functional.graph.aggregation import build_hierarchy, v_cycle
from subspace_learn.functional.graph.polynomial_cycle import SMOOTHERS, apply_cycle, cycle_like


def lattice(rng, n=14):
    graph = nx.grid_2d_graph(n, n)
    for _, _, data in graph.edges(data=True):
        data["weight"] = rng.lognormal()
    L = sp.csr_array(nx.laplacian_matrix(graph), dtype=float)
    return sp.csr_array(L + 0.01 * sp.eye_array(n * n))


def expander(rng):
    L = sp.csr_array(nx.laplacian_matrix(nx.gnp_random_graph(150, 0.06, seed=1)), dtype=float)
    return sp.csr_array(L + 0.01 * sp.eye_array(150))


def dense_cycle(A, smoother, cycle="W", max_coarse=8):
    ones = np.ones(A.shape[0])
    hierarchy = build_hierarchy(A, ones, max_coarse=max_coarse, cycle=cycle, smoother=smoother)
    return hierarchy, v_cycle(hierarchy, np.eye(A.shape[0]))


@pytest.mark.parametrize("make", [lattice, expander])
@pytest.mark.parametrize("smoother", SMOOTHERS)
@pytest.mark.parametrize("cycle", ["V", "W"])
def test_cycle_is_symmetric_positive_definite_and_reduces_every_error(rng, make, smoother, cycle):
    A = make(rng)
    hierarchy, B = dense_cycle(A, smoother, cycle)
    assert len(hierarchy.sizes) >= 3
    np.testing.assert_allclose(B, B.T, rtol=0, atol=1e-12 * abs(B).max())
    values = np.linalg.eigvals(B @ A.toarray()).real  # of I - error operator
    assert values.min() > 0
    assert values.max() < 1 + 1e-10


@pytest.mark.parametrize("make", [lattice, expander])
@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_radius_is_bounded_on_every_level(rng, make, smoother):
    hierarchy, _ = dense_cycle(make(rng), smoother)
    for level in hierarchy.polynomial.levels:
        scaled = level.inverse_diagonal * level.A.toarray()
        radius = np.abs(np.linalg.eigvals(scaled)).max()
        assert radius <= level.radius * (1 + 1e-12)
        assert level.radius < 2 * radius  # a bound of no use would smooth nothing


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_smoothing_is_the_polynomial_in_closed_form(rng, smoother):
    """With a coarse correction of zero, two smoothings are left: the error is p(D^-1 A)^2."""
    A = lattice(rng, 8)
    hierarchy = build_hierarchy(A, np.ones(64), max_coarse=20, smoother=smoother)
    level = hierarchy.polynomial.levels[0]
    nothing = sp.csr_array(level.P.shape)
    alone = hierarchy.polynomial._replace(
        levels=(level._replace(P=nothing, R=sp.csr_array(nothing.T)),),
        coarse=np.eye(level.P.shape[1]),
        visits=(1, 1),
    )
    error = np.eye(64) - apply_cycle(alone, A.toarray())
    values, vectors = np.linalg.eig(level.inverse_diagonal * A.toarray())
    if smoother == "jacobi":
        p = (1 - 4 * values / (3 * level.radius)) ** 2
    else:
        low, high = level.radius / 4, level.radius
        shifted = (high + low - 2 * values) / (high - low)
        p = eval_chebyt(2, shifted) / eval_chebyt(2, (high + low) / (high - low))
    np.testing.assert_allclose(error @ vectors, vectors * p**2, atol=1e-10)


@pytest.mark.parametrize("make", [lattice, expander])
def test_chebyshev_is_no_slower_than_gauss_seidel(rng, make):
    """Rates as largest eigenvalues of the error; both do two sweeps' worth of work a level."""
    A = make(rng)
    rates = {}
    for smoother in ("gauss_seidel", *SMOOTHERS):
        _, B = dense_cycle(A, smoother)
        rates[smoother] = 1 - np.linalg.eigvals(B @ A.toarray()).real.min()
    assert rates["chebyshev"] < rates["gauss_seidel"] + 0.05
    assert rates["jacobi"] < 1


def test_each_library_gives_the_same(rng, xp):
    A = lattice(rng)
    hierarchy, _ = dense_cycle(A, "chebyshev")
    B = rng.standard_normal((A.shape[0], 3))
    if xp.name == "array_api_strict":  # has no sparse matrices
        with pytest.raises(TypeError, match="No sparse matrices"):
            cycle_like(hierarchy.polynomial, xp.asarray(B))
        return
    moved = cycle_like(hierarchy.polynomial, xp.asarray(B))
    given, start = apply_cycle(moved, xp.asarray(B)), apply_cycle(moved, xp.asarray(0 * B + 1))
    assert xp.owns(given)
    np.testing.assert_allclose(xp.numpy(given), v_cycle(hierarchy, B), rtol=1e-10, atol=1e-12)
    again = apply_cycle(moved, xp.asarray(B), X=start)
    wanted = v_cycle(hierarchy, B, X=xp.numpy(start))
    np.testing.assert_allclose(xp.numpy(again), wanted, rtol=1e-10, atol=1e-12)


def test_one_vector_and_several_are_alike_and_float32_stays(rng):
    A = lattice(rng)
    hierarchy, B = dense_cycle(A, "jacobi")
    b = rng.standard_normal(A.shape[0])
    np.testing.assert_allclose(v_cycle(hierarchy, b), B @ b, atol=1e-10)
    x = rng.standard_normal(A.shape[0])
    restarted = x + B @ (b - A @ x)
    np.testing.assert_allclose(v_cycle(hierarchy, b, X=x), restarted, atol=1e-10)
    narrow = build_hierarchy(A.astype(np.float32), np.ones(len(b)), smoother="chebyshev")
    assert v_cycle(narrow, b.astype(np.float32)).dtype == np.float32


def test_small_and_diagonal_matrices_are_solved_exactly(rng):
    small = lattice(rng, 5)
    solved = v_cycle(build_hierarchy(small, np.ones(25), smoother="chebyshev"), np.eye(25))
    np.testing.assert_allclose(solved, np.linalg.inv(small.toarray()), rtol=1e-9, atol=1e-9)
    diagonal = sp.csr_array(sp.diags_array(np.arange(1.0, 301)))
    solved = v_cycle(build_hierarchy(diagonal, np.ones(300), smoother="chebyshev"), np.ones(300))
    np.testing.assert_allclose(solved, 1 / np.arange(1, 301))


def test_unknown_smoothers_are_refused(rng):
    with pytest.raises(ValueError, match="smoother='sor'"):
        dense_cycle(lattice(rng), "sor")
