"""Low vectors of a graph from what bootstrap multigrid leaves last: its smooth vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from .bootstrap_amg import bootstrap_amg, ground_laplacian
from .graph_laplacian import WalkOperator
from .spectral_clustering import HierarchySummary, LowVectors, oriented

__all__ = ["bootstrap_vectors"]

_DEPENDENT = 1e-8  # singular values below this share of the largest add no direction


def bootstrap_vectors(
    operator: WalkOperator,
    n_components: int,
    *,
    adjacency: sp.csr_array,
    components: np.ndarray,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
    fine: bool = False,
    **options: Any,
) -> LowVectors:
    r"""Rayleigh-Ritz in the span of the smooth vectors of bootstrap AMG.

    Parameters
    ----------
    operator : WalkOperator
        Walk matrix S of the graph, without eliminated vertices.
    n_components : int
        At most so many are returned; there are no more than hierarchies and components.
    adjacency : csr_array of shape (n, n)
        Its edges; :math:`L = D - A`, grounded on each component, is what the hierarchies solve.
    components : ndarray of int, shape (n,)
        Component of each vertex, from 0.
    rng : numpy.random.Generator
        Of random starts.
    progress : callable, default=None
        Gets lines of text.
    fine : bool, default=False
        Not used: the target rate says how accurate they are.
    **options : dict
        Of :func:`~subspace_learn.functional.graph.bootstrap_amg.bootstrap_amg`.

    Returns
    -------
    low : LowVectors
        Ritz values say how smooth each vector is: what converged hierarchies left is noise, with
        values far from 1, and gets little weight in
        :func:`~subspace_learn.functional.graph.spectral_clustering.diffusion_rows`.

    Notes
    -----
    The papers keep all left singular vectors of the smooth vectors, with equal weights.

    References
    ----------
    P. D'Ambra, L. Cutillo, P. S. Vassilevski, "Bootstrap AMG for spectral clustering",
    Computational and Mathematical Methods 1, 2019, e1020.
    """
    laplacian = sp.csr_array(sp.csgraph.laplacian(adjacency))
    found = bootstrap_amg(
        ground_laplacian(laplacian, components), rng=rng, progress=progress, **options
    )
    indicators = np.zeros((len(components), int(components.max()) + 1))
    indicators[np.arange(len(components)), components] = 1
    W = np.hstack([indicators, found.smooth_vectors]) * operator.root_degree[:, None]
    basis, sizes, _ = scipy.linalg.svd(W / np.linalg.norm(W, axis=0), full_matrices=False)
    basis = basis[:, sizes > _DEPENDENT * sizes[0]]
    values, mix = scipy.linalg.eigh(basis.T @ (operator @ basis))
    kept = slice(None, -1 - n_components, -1)
    first = found.hierarchies[0]
    return LowVectors(
        np.clip(values[kept], -1, 1),
        oriented(basis @ mix[:, kept]),
        "bootstrap",
        found.convergence_rates,
        HierarchySummary(first.sizes, first.nonzeros),
        np.nan,
    )
