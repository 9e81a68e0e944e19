"""Products of one-dimensional orthonormal functions, and points drawn from their squares."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

__all__ = ["KINDS", "basis_values", "christoffel_points", "multi_indices"]

KINDS = ("legendre", "chebyshev", "hermite", "fourier")


def multi_indices(
    n_inputs: int, degree: int, index_set: str, *, include_bias: bool = True
) -> np.ndarray:
    """Degrees of each product in each input.

    Parameters
    ----------
    n_inputs : int
        Number of inputs.
    degree : int
        Largest degree k.
    index_set : {"total_degree", "hyperbolic_cross", "tensor"}
        Sum of degrees at most k; product of (degree + 1) at most k + 1; each at most k.
    include_bias : bool, default=True
        Whether the product of degree 0 is among them.

    Returns
    -------
    indices : ndarray of shape (n_products, n_inputs)
        Integers, by total degree, then in lexicographic order.
    """

    def room(used: int) -> int:
        if index_set == "total_degree":
            return degree - used
        return degree if index_set == "tensor" else (degree + 1) // used - 1

    def extend(prefix: tuple[int, ...], used: int) -> list[tuple[int, ...]]:
        if len(prefix) == n_inputs:
            return [prefix]
        found = []
        for j in range(room(used) + 1):
            after = used * (j + 1) if index_set == "hyperbolic_cross" else used + j
            found += extend((*prefix, j), after)
        return found

    start = 1 if index_set == "hyperbolic_cross" else 0
    if index_set == "tensor":
        all_indices = list(product(range(degree + 1), repeat=n_inputs))
    else:
        all_indices = extend((), start)
    all_indices.sort(key=lambda index: (sum(index), tuple(-j for j in index)))
    return np.array(all_indices[0 if include_bias else 1 :], dtype=np.int64).reshape(-1, n_inputs)


def basis_values(t: np.ndarray, kind: str, indices: np.ndarray) -> np.ndarray:
    """Values of the products at points in standard coordinates.

    Parameters
    ----------
    t : ndarray of shape (n, n_inputs)
        In [-1, 1] ("legendre", "chebyshev", "fourier") or in units of a standard deviation
        ("hermite").
    kind : {"legendre", "chebyshev", "hermite", "fourier"}
        Orthonormal for the uniform, arcsine, normal, uniform law.
    indices : ndarray of shape (n_products, n_inputs)
        From `multi_indices`.

    Returns
    -------
    values : ndarray of shape (n, n_products)
        Outside [-1, 1] polynomials go on as polynomials, "fourier" periodically.
    """
    degree = int(indices.max(initial=0))
    values = np.ones((t.shape[0], indices.shape[0]))
    for i in range(t.shape[1]):
        values *= _one_input(t[:, i], kind, degree)[:, indices[:, i]]
    return values


def _one_input(t: np.ndarray, kind: str, degree: int) -> np.ndarray:
    """Orthonormal functions 0..degree of one input, (n, degree + 1), by their recurrences."""
    values = np.ones((len(t), degree + 1))
    if kind == "fourier":
        for j in range(1, degree + 1):
            wave = np.pi * ((j + 1) // 2) * t
            values[:, j] = np.sqrt(2.0) * (np.sin(wave) if j % 2 else np.cos(wave))
        return values
    if degree >= 1:
        values[:, 1] = t
    for j in range(1, degree):
        if kind == "legendre":
            a, b = (2 * j + 1) / (j + 1), j / (j + 1)
        elif kind == "chebyshev":
            a, b = 2.0, 1.0
        else:  # normalised at once: factorials would overflow
            a, b = 1.0 / np.sqrt(j + 1.0), np.sqrt(j / (j + 1.0))
        values[:, j + 1] = a * t * values[:, j] - b * values[:, j - 1]
    if kind == "legendre":
        values *= np.sqrt(2.0 * np.arange(degree + 1) + 1.0)
    elif kind == "chebyshev":
        values[:, 1:] *= np.sqrt(2.0)
    return values


def christoffel_points(
    kind: str, indices: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    r"""Draw points from the optimal law :math:`\frac1m \sum_j \varphi_j^2 d\mu` of a product basis.

    Parameters
    ----------
    kind : {"legendre", "chebyshev", "hermite", "fourier"}
        The basis.
    indices : ndarray of shape (n_products, n_inputs)
        From `multi_indices`.
    size : int
        Number of points.
    rng : Generator
        Random numbers.

    Returns
    -------
    t : ndarray of shape (size, n_inputs)
        In standard coordinates.

    Notes
    -----
    Exact, coordinate by coordinate: a product is chosen, then each coordinate from the square of
    its factor by rejection. Legendre is proposed from the arcsine law, which exceeds
    half of every :math:`\varphi_j^2 d\mu` (Bernstein's inequality); Chebyshev and Fourier from
    their own measure, since their squares are at most 2; Hermite from the uniform law on an
    interval that leaves out less than 1e-15, by Cramer's inequality.
    """
    degrees = indices[rng.integers(len(indices), size=size)]
    points = np.empty(degrees.shape)
    for degree in np.unique(degrees):
        places = np.nonzero(degrees == degree)
        points[places] = _draw_square(kind, int(degree), len(places[0]), rng)
    return points


def _draw_square(kind: str, degree: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Points with density phi_degree^2 with respect to mu, by rejection."""
    proposal = _proposals(kind, degree)
    found: list[np.ndarray] = []
    missing = size
    while missing > 0:
        t, bound = proposal.draw(rng, int(proposal.rate * missing * 1.2) + 8)
        square = _one_input(t, kind, degree)[:, degree] ** 2
        accepted = t[rng.random(len(t)) * bound < square][:missing]
        found.append(accepted)
        missing -= len(accepted)
    return np.concatenate(found)


class _Proposal(NamedTuple):
    """Draws points t and gives a bound of phi^2(t) there, the ratio of proposal to mu included."""

    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    rate: float
    """Proposals needed for one point."""


def _proposals(kind: str, degree: int) -> _Proposal:
    if kind == "hermite":
        # h^2 N(t) <= 1.0865^2 / sqrt(2 pi); beyond the turning point 2 sqrt(degree + 1/2) it falls
        # faster than a normal density
        reach = 2.0 * np.sqrt(degree + 0.5) + 8.0
        top = 1.0865**2 / np.sqrt(2 * np.pi)

        def hermite(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
            t = rng.uniform(-reach, reach, size)
            return t, top * np.sqrt(2 * np.pi) * np.exp(t * t / 2)

        return _Proposal(hermite, 2 * reach * top)

    def bounded(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        if kind == "fourier":
            return rng.uniform(-1, 1, size), np.full(size, 2.0)
        t = np.cos(np.pi * rng.random(size))
        if kind == "chebyshev":
            return t, np.full(size, 2.0)
        # density of the arcsine law over that of the uniform law, times 2
        return t, 4.0 / (np.pi * np.sqrt(np.maximum(1.0 - t * t, np.finfo(float).tiny)))

    return _Proposal(bounded, 2.0)
