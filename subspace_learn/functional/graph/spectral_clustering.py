"""Spectral clustering: low vectors by the solver that suits the graph, rows, labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from ..._warnings import warn
from .block_model import edge_information
from .filtered_subspace import filtered_eigenpairs
from .graph_components import Piece, component_indicators
from .graph_laplacian import WalkOperator
from .nested_subspace import coarsening_growth, nested_eigenpairs

__all__ = [
    "HierarchySummary",
    "LowVectors",
    "canonical_labels",
    "cluster_rows",
    "diffusion_rows",
    "labels_by_piece",
    "low_vectors",
    "oriented",
    "resolved_strategy",
]

_DENSE_NODES = 600
_FILLS_IN = 2.5  # growth of the mean degree by one aggregation: beyond it, a filter is faster
# Residual over 1 - (last value). After a clear gap the first is far inside what K-means needs;
# where the values of communities lie close together, far from 1, it is not: hence the second.
_RTOL_ROUGH, _RTOL_FINE = 0.1, 0.01
_ATOL = 1e-10  # of residuals, where there are more components than vectors
_GROWTH = 12.0
_ONE = 1e-9  # distance of eigenvalues from 1
_DIGITS = 6  # rows that agree so far are one
_ROUNDS = 200
_DENSE_BYTES = 4 * 2**30


class HierarchySummary(NamedTuple):
    """Sizes of the graphs that a solver worked on, finest first."""

    sizes: tuple[int, ...]
    """Vertices of each level."""
    nonzeros: tuple[int, ...]
    """Stored entries of each level."""

    @property
    def n_levels(self) -> int:
        """How many graphs there are."""
        return len(self.sizes)

    @property
    def operator_complexity(self) -> float:
        """Stored entries of all levels over those of the first."""
        return sum(self.nonzeros) / max(self.nonzeros[0], 1)


class LowVectors(NamedTuple):
    """Low end of the spectrum of a normalised Laplacian, and how it was found."""

    values: np.ndarray
    """Eigenvalues of the walk matrix, descending from 1, (d,)."""
    vectors: np.ndarray
    """Orthonormal columns, :func:`oriented`, (n, d)."""
    strategy: str
    """"dense", "filter", "block" or "bootstrap"."""
    convergence_rates: np.ndarray
    """Largest residual (filter) or relative change of a value (block) by round; of bootstrap, the
    rate of the composite after each hierarchy; empty for "dense"."""
    hierarchy: HierarchySummary
    """Graphs worked on; one for "dense" and "filter"."""
    growth: float
    """Growth of the mean degree by one aggregation; NaN if not measured."""


def resolved_strategy(strategy: str, operator: WalkOperator) -> tuple[str, float]:
    """Choose between the multigrid block and the polynomial filter.

    Parameters
    ----------
    strategy : {"auto", "block", "filter", "bootstrap"}
        What the user asked for.
    operator : WalkOperator
        The graph.

    Returns
    -------
    strategy : str
        "dense" up to 600 vertices, unless "bootstrap" was asked for. "auto" is "filter" where
        coarse graphs fill in, else "block".
    growth : float
        What "auto" measured,
        :func:`~subspace_learn.functional.graph.nested_subspace.coarsening_growth`; else NaN.
    """
    if strategy != "bootstrap" and operator.shape[0] <= _DENSE_NODES:
        return "dense", np.nan
    if strategy != "auto":
        return strategy, np.nan
    growth = coarsening_growth(operator.edges)
    return ("filter" if growth > _FILLS_IN else "block"), growth


def low_vectors(
    operator: WalkOperator,
    n_components: int,
    components: np.ndarray,
    *,
    strategy: str = "auto",
    fine: bool = False,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
) -> LowVectors:
    """Leading eigenpairs of the walk matrix, with one exact vector for each component.

    Parameters
    ----------
    operator : WalkOperator
        Every vertex has edges, or is alone.
    n_components : int
        How many, at most n.
    components : ndarray of int, shape (n,)
        Connected component of each vertex, from 0; fewer than ``n_components``.
    strategy : {"auto", "block", "filter"}, default="auto"
        See :func:`resolved_strategy`.
    fine : bool, default=False
        Whether pairs must be told apart that lie close together: "filter" then goes on until
        residuals are a hundredth of 1 - (last value), not a tenth.
    rng : numpy.random.Generator
        Of random starts.
    progress : callable, default=None
        Gets lines of text.

    Returns
    -------
    found : LowVectors
        The last pair is rough, the others have residuals within a tenth of 1 - (last value)
        ("filter"), or values that still fall by less than 5 % a step ("block").

    Raises
    ------
    ValueError
        If so large a share of all vectors is wanted that dense matrices above 4 GiB are needed.
    """
    n = operator.shape[0]
    strategy, growth = resolved_strategy(strategy, operator)
    alone = HierarchySummary((n,), (operator.edges.nnz,))
    rates: list[float] = []
    if strategy == "dense" or 3 * n_components > n:
        values, vectors = _dense_pairs(operator, min(n_components, n))
        vectors = _told_apart(values, vectors, operator, components)
        return LowVectors(values, oriented(vectors), "dense", np.zeros(0), alone, growth)
    if progress is not None:
        progress(f"{n_components} vectors of {n} vertices by strategy {strategy!r}")
    if strategy == "filter":
        matrix = operator.edges if operator.factor is None else operator
        values, vectors = filtered_eigenpairs(
            matrix,
            n_components,
            rtol=_RTOL_FINE if fine else _RTOL_ROUGH,
            atol=_ATOL,
            damping=_all_but_the_last,
            max_rounds=_ROUNDS,
            seed=int(rng.integers(2**31)),
            growth=_GROWTH,
            n_guards=max(3, n_components // 4),
            residuals_seen=rates,
        )
        values = np.clip(values, -1, 1)
        vectors = _told_apart(values, vectors, operator, components)
        return LowVectors(values, oriented(vectors), strategy, np.array(rates), alone, growth)
    found = nested_eigenpairs(
        sp.csr_array(sp.eye_array(n) - operator.edges),
        component_indicators(operator.root_degree, components),
        n_components,
        factor=operator.factor,
        rng=rng,
        progress=progress,
    )
    graphs = [level.laplacian for level in found.levels]
    summary = HierarchySummary(tuple(g.shape[0] for g in graphs), tuple(g.nnz for g in graphs))
    values = np.clip(1 - found.values, -1, 1)
    changes = np.array(found.changes)
    vectors = _told_apart(values, found.vectors, operator, components)
    return LowVectors(values, oriented(vectors), "block", changes, summary, growth)


def _told_apart(
    values: np.ndarray, vectors: np.ndarray, operator: WalkOperator, components: np.ndarray
) -> np.ndarray:
    """Vectors of eigenvalue 1 as indicators of the components, the heaviest first.

    A solver gives some basis of them, which depends on the order of the rows.
    """
    c = int(components.max()) + 1
    if c == 1 or int(np.sum(values > 1 - _ONE)) != c:
        return vectors
    indicators = component_indicators(operator.root_degree, components)
    if np.max(np.abs(operator @ indicators - indicators)) > _ONE:  # degrees were shifted
        return vectors
    weight = np.bincount(components, weights=operator.root_degree**2)
    order = np.argsort(-weight, kind="stable")
    return np.hstack([indicators[:, order], vectors[:, c:]])


def _dense_pairs(operator: WalkOperator, k: int) -> tuple[np.ndarray, np.ndarray]:
    n = operator.shape[0]
    if 16 * n**2 > _DENSE_BYTES:
        raise ValueError(
            f"{k} vectors of a graph of {n} vertices are more than a third of them, and need dense "
            f"matrices of {16 * n**2 / 2**30:.1f} GiB. Ask for fewer clusters, or set n_components."
        )
    # the driver for a range of eigenvalues gives up on graphs with many equal ones
    values, vectors = scipy.linalg.eigh(operator.toarray(), driver="evd", check_finite=False)
    kept = slice(None, -1 - k, -1)
    return np.clip(values[kept], -1, 1), vectors[:, kept]


def _all_but_the_last(values: np.ndarray) -> np.ndarray:
    """Weights of residuals: the last pair, in the bulk behind a gap, says where that begins."""
    weights = np.ones(len(values))
    weights[1:][-1:] = 0
    return weights


def oriented(vectors: np.ndarray) -> np.ndarray:
    """Columns with a sign that does not depend on the order of rows: the sum of cubes is positive.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Eigenvectors.

    Returns
    -------
    oriented : ndarray of shape (n, d)
        A new array.
    """
    skew = np.einsum("ij,ij,ij->j", vectors, vectors, vectors)
    return vectors * np.where(skew < 0, -1.0, 1.0)


def diffusion_rows(image: np.ndarray, *, row_normalize: bool = True) -> np.ndarray:
    r"""Rows to cluster: the image S V of the vectors, on the unit sphere.

    :math:`S V = V \Lambda`: each vector is weighted by its eigenvalue, as after one step of the
    walk, which quiets vectors that are mostly noise. The same formula gives the row of a new
    vertex from its edges.

    Parameters
    ----------
    image : ndarray of shape (n, d)
        S V.
    row_normalize : bool, default=True
        Whether rows are scaled to length 1; rows of zeros stay.

    Returns
    -------
    rows : ndarray of shape (n, d)
        New array.

    References
    ----------
    R. R. Coifman, S. Lafon, "Diffusion maps", Appl. Comput. Harmon. Anal. 21, 2006, section 2.
    A. Y. Ng, M. I. Jordan, Y. Weiss, "On spectral clustering: analysis and an algorithm", NIPS
    2001 (unit rows).
    """
    if not row_normalize:
        return image.copy()
    lengths = np.linalg.norm(image, axis=1, keepdims=True)
    largest = lengths.max(initial=0.0)
    return image / np.where(lengths > 1e-12 * largest, lengths, np.inf)


def cluster_rows(
    rows: np.ndarray, n_clusters: int, *, method: str = "kmeans", n_init: int = 10, seed: int = 0
) -> np.ndarray:
    """Labels of the rows of an embedding.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Embedding.
    n_clusters : int
        At most n.
    method : {"kmeans", "cluster_qr"}, default="kmeans"
        "cluster_qr" needs no random start: it picks K rows by a pivoted QR factorisation, and gives
        each row to the nearest of them in angle, after a rotation.
    n_init : int, default=10
        Starts of K-means.
    seed : int, default=0
        Of K-means.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        In [0, n_clusters).

    Warns
    -----
    ConvergenceWarning
        If so many rows are equal that there are fewer clusters.

    References
    ----------
    A. Damle, V. Minden, L. Ying, "Simple, direct and efficient multi-way spectral clustering",
    Information and Inference 8, 2019, algorithm 1.
    """
    if method == "cluster_qr":
        _, _, pivots = scipy.linalg.qr(rows.T, pivoting=True, mode="economic")
        U, _, Vt = scipy.linalg.svd(rows[pivots[:n_clusters]].T, full_matrices=False)
        return np.argmax(np.abs(rows @ (U @ Vt)), axis=1)
    from sklearn.cluster import KMeans

    # in an order of the rows' own, lest the starts depend on how vertices are numbered
    order = np.argsort(rows @ np.sqrt(np.arange(2.0, rows.shape[1] + 2)), kind="stable")
    labels = np.empty(len(rows), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said below, in words
        model = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(rows[order])
    labels[order] = model.labels_
    found = len(np.unique(labels))
    if found < n_clusters:
        warn(
            f"{found} clusters were found, not {n_clusters}: the {rows.shape[1]} vectors give the "
            f"vertices only {found} different rows. Raise n_components, or ask for fewer clusters.",
            ConvergenceWarning,
        )
    return labels


def labels_by_piece(
    rows: np.ndarray,
    n_init: int = 10,
    *,
    pieces: list[Piece],
    n_clusters: int,
    method: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Cluster the rows, so that no cluster reaches over two components.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Embedding.
    n_init : int, default=10
        Starts of K-means.
    pieces : list of Piece
        Components, at most ``n_clusters``.
    n_clusters : int
        K, at most n.
    method : {"kmeans", "cluster_qr"}
        See :func:`cluster_rows`.
    rng : numpy.random.Generator
        Gives each K-means its seed.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        In [0, n_clusters).

    Notes
    -----
    Each component begins as one cluster. Then, one after the other, that component gets a further
    cluster whose division says most about the edges of the whole graph: its share of their weight
    times the growth of its
    :func:`~subspace_learn.functional.graph.block_model.edge_information`.
    """
    if len(pieces) == 1:
        seed = int(rng.integers(2**31))
        return cluster_rows(rows, n_clusters, method=method, n_init=n_init, seed=seed)
    total = sum(float(piece.adjacency.data.sum()) for piece in pieces)
    shares = [float(piece.adjacency.data.sum()) / total if total else 1.0 for piece in pieces]
    found = [np.zeros(len(piece.vertices), dtype=np.int64) for piece in pieces]
    next_labels, gains = list(found), np.full(len(pieces), -np.inf)

    def look_ahead(j: int) -> None:
        count = int(found[j].max()) + 2
        own = rows[pieces[j].vertices]
        gains[j] = -np.inf
        if count <= len(np.unique(np.round(own, _DIGITS), axis=0)):  # else nothing to tell apart
            seed = int(rng.integers(2**31))
            with warnings.catch_warnings():
                # rows that differ by rounding alone: the division then gains nothing
                warnings.simplefilter("ignore", ConvergenceWarning)
                next_labels[j] = cluster_rows(own, count, method=method, n_init=n_init, seed=seed)
            before, after = (
                edge_information(pieces[j].adjacency, labels)
                for labels in (found[j], next_labels[j])
            )
            gains[j] = shares[j] * (after - before)

    if n_clusters > len(pieces):
        for j in range(len(pieces)):
            look_ahead(j)
    for _ in range(n_clusters - len(pieces)):
        best = int(np.argmax(gains))
        found[best] = next_labels[best]
        look_ahead(best)
    labels, first = np.empty(len(rows), dtype=np.int64), 0
    for piece, own in zip(pieces, found, strict=True):
        labels[piece.vertices] = first + own
        first += int(own.max()) + 1
    return labels


def canonical_labels(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Number the clusters by falling weight, then by size: the order of rows does not matter.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        From 0.
    weights : ndarray of shape (n,)
        Nonnegative, such as degrees.

    Returns
    -------
    labels : ndarray of int32, shape (n,)
        The same partition; without gaps.

    Examples
    --------
    >>> import numpy as np
    >>> canonical_labels(np.array([2, 0, 0]), np.ones(3))
    array([1, 0, 0], dtype=int32)
    """
    names, labels = np.unique(labels, return_inverse=True)
    weight, size = np.bincount(labels, weights=weights), np.bincount(labels)
    share = np.round(weight / (weight.max() or 1.0), 9)  # sums of another order are equal
    order = np.lexsort((np.arange(len(names)), -size, -share))
    rank = np.empty(len(names), dtype=np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return rank[labels]
