"""From a weighted graph to a partition: components, vectors, rows, labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .block_model import BlockModel, edge_information, fit_block_model, renumbered_clusters
from .graph_laplacian import WalkOperator, component_labels, walk_operator
from .spectral_clustering import (
    LowVectors,
    canonical_labels,
    cluster_rows,
    diffusion_rows,
    low_vectors,
    oriented,
)
from .vector_selection import (
    CLEAR_GAP,
    EigengapProposal,
    VectorChoice,
    best_trial,
    eigengap_clusters,
    relative_gap,
    vector_ladder,
)

__all__ = [
    "MOST_PROPOSED",
    "GraphPartition",
    "PartitionOptions",
    "partition_graph",
    "place_components",
]

_LEAST_SHARE = 0.1  # of the mean weight of a cluster: smaller components are no clusters
MOST_PROPOSED = 30
"""Eigenvalues that the eigengap is looked for among."""
_MANY_ROWS = 20_000  # trials are then fewer and rougher, and start K-means once each
_UNLIKE = 0.5  # deviation of the degrees over their mean: below it, adding to them changes little

Solver = Callable[[WalkOperator, sp.csr_array, np.ndarray, int], LowVectors]


class PartitionOptions(NamedTuple):
    """Parameters of :class:`~subspace_learn.graph.SpectralAMGClustering` that the steps read."""

    n_clusters: int | str = 8
    n_vectors: int | str = "auto"
    strategy: str = "auto"
    row_normalize: bool = True
    assign_labels: str = "kmeans"
    n_init: int = 10


class GraphPartition(NamedTuple):
    """A partition of the vertices, and what led to it."""

    labels: np.ndarray
    """Cluster of each vertex, heaviest cluster first, (n,)."""
    rows: np.ndarray
    """Embedding, (n, d); zeros for vertices of small components."""
    vectors: np.ndarray
    """Vectors kept, (n, d), orthonormal, before weights and normalisation."""
    low: LowVectors
    """All vectors found, on the vertices that took part."""
    choice: VectorChoice
    """Number of vectors, and shift of the degrees."""
    model: BlockModel | None
    """The block model that vertices were moved by, clusters numbered as in the labels, with no
    memberships in small components; None after a clear gap, or if it explains the edges no better.
    """
    n_components: int
    """Connected components of the graph."""
    proposal: EigengapProposal | None
    """If the number of clusters was left to the eigengap."""
    projector: np.ndarray
    """``D^{-1/2} V``, (n, d), degrees shifted: edges of a new vertex times it give its row before
    normalisation."""


class _Kept(NamedTuple):
    """Vectors, whether the block model may move vertices, and labels of the trial that chose."""

    low: LowVectors
    operator: WalkOperator
    choice: VectorChoice
    may_move: bool
    labels: np.ndarray | None = None


def partition_graph(
    adjacency: sp.csr_array,
    options: PartitionOptions,
    *,
    rng: np.random.Generator,
    solver: Solver | None = None,
    progress: Callable[[str], None] | None = None,
) -> GraphPartition:
    """Spectral clustering of a weighted graph of any number of components.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative, float64, with at least one edge.
    options : PartitionOptions
        Parameters.
    rng : numpy.random.Generator
        Of random starts.
    solver : callable, default=None
        Takes operator, adjacency, components and the number of vectors, and returns
        :class:`LowVectors`; None is :func:`low_vectors` with the strategy of the options.
    progress : callable, default=None
        Gets lines of text.

    Returns
    -------
    partition : GraphPartition
        With as many clusters as asked for.

    Notes
    -----
    Components that hold less than a tenth of the weight of a mean cluster take no part: their exact
    eigenvectors (one each, eigenvalue 1) would push the structure of the others out. Nothing is
    known of them, so they join the most populous cluster. If more than K components are large, the
    K heaviest are clusters, and each of the others joins the cluster lightest by then.

    K vectors are kept if a clear gap follows them. Else several numbers are tried, of the walk and,
    where degrees are unlike, of the walk with the mean degree added to each (beyond 20,000 vertices
    of that one alone), and the partition with the largest
    :func:`~subspace_learn.functional.graph.block_model.edge_information` is kept. After trials, and
    where degrees are unlike, the degree-corrected block model moves vertices if that increases it.
    """
    n_components, components = component_labels(adjacency)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    wanted = options.n_clusters
    large, taking_part = _large_components(
        components, degree, 8 if wanted == "eigengap" else int(wanted)
    )
    inner, parts = _inner_graph(adjacency, components, taking_part)
    operator = walk_operator(inner)

    solve = partial(_solved, inner, parts, options, rng, solver, progress)
    n_inner = inner.shape[0]
    proposal, low = None, None
    if wanted == "eigengap":
        low = solve(operator, min(MOST_PROPOSED, n_inner), fine=True)
        proposal = eigengap_clusters(1 - low.values)
        wanted = proposal.n_clusters
        if progress is not None:
            progress(proposal.reason)
    K = min(int(wanted), n_inner)
    kept = _chosen_vectors(solve, low, operator, inner, K, options, rng)
    V = kept.low.vectors[:, : kept.choice.n_vectors]
    rows = diffusion_rows(kept.operator @ V, row_normalize=options.row_normalize)
    if progress is not None:
        progress(f"labels from {kept.choice.n_vectors} vectors")
    inside, model = _final_labels(kept, rows, inner, K, options, rng)
    labels = np.full(len(degree), -1)
    labels[taking_part] = inside
    labels = place_components(labels, components, degree, large, int(wanted))
    final = canonical_labels(labels, degree)
    if model is not None:
        model = renumbered_clusters(model, labels, final)
        model = model._replace(memberships=_spread(model.memberships, taking_part))
    return GraphPartition(
        final,
        _spread(rows, taking_part),
        _spread(V, taking_part),
        kept.low,
        kept.choice,
        model,
        n_components,
        proposal,
        _spread(V / kept.operator.root_degree[:, None], taking_part),
    )


def _solved(
    inner: sp.csr_array,
    parts: np.ndarray,
    options: PartitionOptions,
    rng: np.random.Generator,
    solver: Solver | None,
    progress: Callable[[str], None] | None,
    operator: WalkOperator,
    k: int,
    *,
    fine: bool = False,
    strategy: str | None = None,
) -> LowVectors:
    """Vectors of a walk by the solver, or by a strategy that need not be that of the options."""
    if solver is not None:
        found = solver(operator, inner, parts, k)
    else:
        strategy = options.strategy if strategy is None else strategy
        found = low_vectors(
            operator, parts, k, strategy=strategy, fine=fine, rng=rng, progress=progress
        )
    return found._replace(vectors=oriented(found.vectors))


def _large_components(
    components: np.ndarray, degree: np.ndarray, K: int
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of vertices: in components that can hold a cluster; in the K heaviest of these."""
    weight = np.bincount(components, weights=degree)
    large = weight >= _LEAST_SHARE * weight.sum() / K
    if not large.any():  # nothing but crumbs: they are shared out evenly
        large = weight > 0
    heaviest = np.argsort(-weight, kind="stable")[:K]
    taking_part = np.zeros_like(large)
    taking_part[heaviest] = large[heaviest]
    return large[components], taking_part[components]


def _inner_graph(
    adjacency: sp.csr_array, components: np.ndarray, taking_part: np.ndarray
) -> tuple[sp.csr_array, np.ndarray]:
    """The graph of the vertices that take part, and their components numbered anew."""
    if taking_part.all():
        return adjacency, components
    inner = sp.csr_array(adjacency[taking_part][:, taking_part])
    return inner, np.unique(components[taking_part], return_inverse=True)[1]


def _chosen_vectors(
    solve: Callable[..., LowVectors],
    low: LowVectors | None,
    operator: WalkOperator,
    inner: sp.csr_array,
    K: int,
    options: PartitionOptions,
    rng: np.random.Generator,
) -> _Kept:
    """Vectors to keep: K after a clear gap, else those that say most of the edges."""
    n = inner.shape[0]
    if options.n_vectors != "auto" or options.assign_labels == "cluster_qr":
        # a pivoted QR of K vectors is what cluster_qr is
        k = min(K if options.n_vectors == "auto" else int(options.n_vectors), n)
        if low is None or low.vectors.shape[1] < k:
            low = solve(operator, k, fine=True)
        return _Kept(low, operator, VectorChoice(min(k, low.vectors.shape[1]), 0.0, {}), False)
    degree = np.asarray(inner.sum(axis=1)).ravel()
    shift = float(degree.mean())
    unlike = bool(degree.std() > _UNLIKE * shift)
    if low is None:
        low = solve(operator, min(K + 1, n))
    if len(low.values) <= K or _clear_and_even(low, operator, inner, K, options, rng):
        # where degrees are alike, as among neighbours of points, the vectors know better
        return _Kept(low, operator, VectorChoice(min(K, len(low.values)), 0.0, {}), unlike)
    most, many = 4 * K if 4 * K < n else len(low.values), n > _MANY_ROWS
    walks = {}
    if unlike and options.strategy in ("auto", "filter"):
        # no value of this walk is near 1, which is where a filter is slow
        calm = walk_operator(inner, shift=shift)
        found = solve(calm, 2 * K if many else most, fine=not many, strategy="filter")
        walks[shift] = found._replace(growth=low.growth), calm
    if not (walks and many):
        if len(low.values) < most:
            low = solve(operator, most, fine=not many)
        walks = {0.0: (low, operator), **walks}
    return _tried(walks, inner, K, options, rng)


def _tried(
    walks: dict[float, tuple[LowVectors, WalkOperator]],
    inner: sp.csr_array,
    K: int,
    options: PartitionOptions,
    rng: np.random.Generator,
) -> _Kept:
    """The best of several numbers of vectors of each walk."""
    n_init = options.n_init if inner.shape[0] <= _MANY_ROWS else 1
    images = {shift: operator @ low.vectors for shift, (low, operator) in walks.items()}
    labels: dict[tuple[float, int], np.ndarray] = {}

    def information(trial: tuple[float, int]) -> float:
        shift, d = trial
        rows = diffusion_rows(images[shift][:, :d], row_normalize=options.row_normalize)
        labels[trial] = _labels(rows, K, options, rng, n_init)
        return edge_information(inner, labels[trial])

    # a walk leaves vectors of negative eigenvalues at each step: they cut across communities
    choice = best_trial(
        (
            (shift, d)
            for shift, (low, _) in walks.items()
            for d in vector_ladder(K, max(K, int(np.sum(low.values > 0))))
        ),
        information,
    )
    return _Kept(*walks[choice.shift], choice, True, labels[choice.shift, choice.n_vectors])


def _final_labels(
    kept: _Kept,
    rows: np.ndarray,
    inner: sp.csr_array,
    K: int,
    options: PartitionOptions,
    rng: np.random.Generator,
) -> tuple[np.ndarray, BlockModel | None]:
    """Labels of the rows, moved by the block model where that says more of the edges."""
    labels = kept.labels
    if labels is None:
        labels = _labels(rows, K, options, rng, options.n_init)
    elif len(rows) > _MANY_ROWS:  # the trial started K-means once
        more = _labels(rows, K, options, rng, options.n_init)
        labels = max(labels, more, key=partial(edge_information, inner))
    if not kept.may_move or K == 1:
        return labels, None
    model = fit_block_model(inner, None, labels, K)
    moved = model.memberships.argmax(axis=1)
    all_there = len(np.unique(moved)) == len(np.unique(labels))
    if all_there and edge_information(inner, moved) >= edge_information(inner, labels):
        return moved, model
    return labels, None


def _clear_and_even(
    low: LowVectors,
    operator: WalkOperator,
    inner: sp.csr_array,
    K: int,
    options: PartitionOptions,
    rng: np.random.Generator,
) -> bool:
    """Whether a clear gap follows K vectors, and they cut off no whiskers: tiny clusters."""
    if relative_gap(1 - low.values, K) < CLEAR_GAP:
        return False
    rows = diffusion_rows(operator @ low.vectors[:, :K], row_normalize=options.row_normalize)
    labels = _labels(rows, K, options, rng, 1)
    degree = np.asarray(inner.sum(axis=1)).ravel()
    weight = np.bincount(labels, weights=degree, minlength=K)
    return bool(weight.min() >= _LEAST_SHARE * weight.mean())


def _labels(
    rows: np.ndarray, K: int, options: PartitionOptions, rng: np.random.Generator, n_init: int
) -> np.ndarray:
    seed = int(rng.integers(2**31))
    return cluster_rows(rows, K, method=options.assign_labels, n_init=n_init, seed=seed)


def place_components(
    labels: np.ndarray,
    components: np.ndarray,
    degree: np.ndarray,
    large: np.ndarray,
    n_clusters: int,
) -> np.ndarray:
    """Give components without labels to clusters, each as a whole.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        -1 where a vertex has none; whole components have or have not.
    components : ndarray of int, shape (n,)
        Of each vertex.
    degree : ndarray of shape (n,)
        Weights.
    large : ndarray of bool, shape (n,)
        Components that go, heaviest first, to the cluster lightest by then; the others go to the
        most populous cluster.
    n_clusters : int
        Clusters, empty ones included.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        All at least 0.
    """
    labels = labels.copy()
    placed = labels >= 0
    weight = np.bincount(labels[placed], weights=degree[placed], minlength=n_clusters)
    left = np.unique(components[~placed & large])
    totals = np.bincount(components, weights=degree)
    for component in left[np.argsort(-totals[left], kind="stable")]:
        lightest = int(np.argmin(weight))
        labels[components == component] = lightest
        weight[lightest] += totals[component]
    if (labels < 0).any():
        labels[labels < 0] = np.bincount(labels[labels >= 0], minlength=n_clusters).argmax()
    return labels


def _spread(rows: np.ndarray, taking_part: np.ndarray) -> np.ndarray:
    """Rows of all vertices; zeros for those that took no part."""
    if taking_part.all():
        return rows
    full = np.zeros((len(taking_part), rows.shape[1]))
    full[taking_part] = rows
    return full
