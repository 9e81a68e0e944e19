"""Points of a continuous domain to evaluate, drawn from a product basis itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .dpp import RowLaw, chain_of_proposals
from .dpp_least_squares import Design, FeatureSpace, well_conditioned_design
from .product_bases import basis_values, christoffel_points

__all__ = ["CONTINUOUS_SCHEMES", "BasisLaw", "design_points"]

CONTINUOUS_SCHEMES = ("repeated_dpp", "dpp", "volume", "christoffel", "uniform")


class BasisLaw(NamedTuple):
    """A product basis in standard coordinates."""

    kind: str
    """Which functions, see `product_bases`."""
    indices: np.ndarray
    """Degrees of the products, the constant included, (m, n_inputs)."""

    def values(self, t: np.ndarray) -> np.ndarray:
        """Orthonormal features of points.

        Parameters
        ----------
        t : ndarray of shape (n, n_inputs)
            Standard coordinates.

        Returns
        -------
        phi : ndarray of shape (n, m)
            Their features.
        """
        return basis_values(t, self.kind, self.indices)


def design_points(
    basis: BasisLaw,
    n_points: int,
    rng: np.random.Generator,
    *,
    scheme: str = "repeated_dpp",
    condition: float | None = None,
    max_redraws: int = 1000,
    n_candidates: int = 1,
) -> Design:
    """Draw points to evaluate; the counterpart of `design_rows` without a table.

    Parameters
    ----------
    basis : BasisLaw
        The m orthonormal functions.
    n_points : int
        Number of points, at least m.
    rng : Generator
        Random numbers.
    scheme : str, default="repeated_dpp"
        One of ``CONTINUOUS_SCHEMES``; "uniform" draws from the measure of the basis.
    condition : float, default=None
        Draw again until the smallest eigenvalue of G is at least 1 - condition.
    max_redraws : int, default=1000
        Most designs thrown away.
    n_candidates : int, default=1
        As in `design_rows`.

    Returns
    -------
    design : Design
        Its ``indices`` are the points, (n_points, n_inputs), in standard coordinates.
    """
    m = len(basis.indices)

    def attempt() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        t, looked_at = _drawn(basis, n_points, rng, scheme)
        phi = basis.values(t)
        if scheme == "uniform":
            return t, np.ones(n_points), phi, looked_at
        return t, m / np.einsum("ij,ij->i", phi, phi), phi, looked_at

    return well_conditioned_design(condition, max_redraws, attempt, n_candidates)


def _drawn(
    basis: BasisLaw, n_points: int, rng: np.random.Generator, scheme: str
) -> tuple[np.ndarray, int]:
    """Points by a scheme, and the number of proposals."""
    m = len(basis.indices)
    if scheme == "uniform":  # the law of the constant function is the measure itself
        constant = np.zeros((1, basis.indices.shape[1]), dtype=np.int64)
        return christoffel_points(basis.kind, constant, n_points, rng), 0
    if scheme == "christoffel":
        return christoffel_points(basis.kind, basis.indices, n_points, rng), 0
    if scheme == "volume":
        first, looked_at = _dpp_points(basis, rng)
        rest = christoffel_points(basis.kind, basis.indices, n_points - m, rng)
        return rng.permutation(np.vstack([first, rest])), looked_at
    parts, proposals = [], 0
    for _ in range(-(-n_points // m)):
        points, looked_at = _dpp_points(basis, rng)
        parts.append(points)
        proposals += looked_at
    parts[-1] = rng.permutation(parts[-1])[: n_points - m * (len(parts) - 1)]
    return np.vstack(parts), proposals


def _dpp_points(basis: BasisLaw, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """One projection DPP by rejection: proposals are new points instead of rows of a table."""
    m, n_inputs = basis.indices.shape
    points = np.empty((0, n_inputs))
    phi = np.empty((0, m))

    def propose(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nonlocal points, phi
        new = christoffel_points(basis.kind, basis.indices, size, rng)
        points, phi = np.vstack([points, new]), np.vstack([phi, basis.values(new)])
        numbers = np.arange(len(points) - size, len(points))
        return phi, np.einsum("ij,ij->i", phi, phi), numbers

    chosen, used = chain_of_proposals(m, propose, rng)
    return points[chosen], used


def orthonormal_space(n_raw: int, *, intercept: bool) -> FeatureSpace:
    """Space of raw features that are orthonormal already, for fits without a table."""
    none, zeros = np.empty(0), np.zeros(n_raw)
    law = RowLaw(np.empty((0, n_raw + intercept)), none, none, None)
    return FeatureSpace(
        law, none, zeros, zeros, np.eye(n_raw), np.arange(n_raw), np.ones(n_raw), intercept
    )
