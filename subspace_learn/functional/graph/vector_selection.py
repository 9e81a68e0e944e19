"""How many clusters, and how many vectors, the spectrum and the graph speak for. No labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp

from .block_model import edge_information
from .graph_laplacian import WalkOperator, walk_operator
from .spectral_clustering import LowVectors, diffusion_rows

__all__ = [
    "MANY_ROWS",
    "EigengapProposal",
    "VectorChoice",
    "WalkVectors",
    "best_trial",
    "eigengap_clusters",
    "random_graph_edge",
    "relative_gap",
    "transitivity",
    "vector_ladder",
    "vectors_for_clusters",
]

MANY_ROWS = 20_000
"""Beyond so many vertices trials are fewer and rougher, and start K-means once each."""
_CLEAR_GAP = 1 / 3
_LEAST_SHARE = 0.1  # of the mean weight of a cluster: a smaller one is a whisker that was cut off
_EVEN_DEGREES = 0.5  # deviation over mean: below it, adding to the degrees changes little
_NOTHING = 1e-9  # Laplacian eigenvalues below it belong to components
# What random graphs and clouds of points do not reach; measured, see eigengap_clusters.
_CHANCE_GAP, _CLOUD_GAP, _BELOW_EDGE, _PIECE_GAP = 0.02, 0.65, 0.95, 0.8
_WEDGES = 2e7  # products that counting triangles may cost


class EigengapProposal(NamedTuple):
    """Number of clusters that the spectrum proposes, and why."""

    n_clusters: int
    """Pieces of the graph, or where the gap is; 1 if there is no structure."""
    gap: float
    """Largest relative gap that was found."""
    eigenvalues: np.ndarray
    """Of the normalised Laplacian, ascending, as far as they were looked at."""
    n_components: int = 1
    """Separate pieces that can be clusters."""
    place: int = 0
    """Number of eigenvalues before the largest gap; 0 if none was looked for."""
    needed: float = 0.0
    """Gap from which on there is structure."""
    highest: float = 1.0
    """Eigenvalue below which the gap must begin."""

    @property
    def reason(self) -> str:
        """One sentence."""
        k, mu, c = self.place, self.eigenvalues, self.n_components
        pieces = f"the graph falls apart into {c} pieces"
        if self.n_clusters == c > 1:
            return f"{c} clusters: {pieces}."
        if k == 0:
            return "1 cluster: no eigenvalue of the Laplacian but the first lies below 1."
        gap = (
            f"Laplacian eigenvalue {k + 1} ({mu[k]:.3g}) lies furthest above the one before it "
            f"({mu[k - 1]:.3g}), by {self.gap:.0%} of itself, among the first {len(mu)}"
        )
        if self.n_clusters == 1:
            return (
                f"1 cluster: no structure. {gap}. Of a random graph of this degree, or a cloud of "
                f"points, gaps up to {self.needed:.0%} and values above {self.highest:.3g} are to "
                "be expected."
            )
        return f"{self.n_clusters} clusters: {gap if c == 1 else f'{pieces}, and {gap}'}."


class VectorChoice(NamedTuple):
    """Vectors kept, and what the partition that each number of them led to says of the edges."""

    n_components: int
    """The number kept."""
    shift: float
    """What was added to the degrees: 0, or their mean."""
    information: dict[tuple[float, int], float]
    """By shift and number of vectors; empty if a clear eigengap made trials needless."""


def relative_gap(laplacian_values: np.ndarray, k: int) -> float:
    r"""Gap after the k-th Laplacian eigenvalue, :math:`1 - \mu_k / \mu_{k+1}`.

    Parameters
    ----------
    laplacian_values : ndarray
        Ascending, more than k.
    k : int
        At least 1.

    Returns
    -------
    gap : float
        In [0, 1]: 1 if the first k are 0 (components); 0 if the next one is 0 too. Scale-free, so
        that gaps of graphs with a geometry, all of whose low eigenvalues are tiny, count as well.

    Examples
    --------
    >>> relative_gap([0.0, 0.1, 0.4], 2)
    0.75
    """
    mu = np.clip(np.asarray(laplacian_values, dtype=float), 0, None)
    return float(1 - mu[k - 1] / mu[k]) if mu[k] > _NOTHING else 0.0


def random_graph_edge(adjacency: sp.csr_array) -> float:
    r"""Where the Laplacian spectrum of a random graph of the same degree begins.

    .. math:: 1 - 2 \sqrt{d - 1} / d

    with the mean d over the vertices of the effective number of neighbours,
    :math:`(\sum_j a_{ij})^2 / \sum_j a_{ij}^2`: the degree, where all weights are equal.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.

    Returns
    -------
    edge : float
        In [0, 1). Only eigenvalues below it speak of more than chance.

    References
    ----------
    J. Friedman, "A proof of Alon's second eigenvalue conjecture", Memoirs of the AMS 195, 2008.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> random_graph_edge(sp.csr_array([[0, 2.0, 2], [2, 0, 2], [2, 2, 0]]))  # d = 2
    0.0
    """
    squares = np.asarray(adjacency.power(2).sum(axis=1)).ravel()
    joined = squares > 0
    if not joined.any():
        return 0.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel()[joined]
    d = max(float(np.mean(degree**2 / squares[joined])), 2.0)
    return float(1 - 2 * np.sqrt(d - 1) / d)


def transitivity(adjacency: sp.csr_array) -> float:
    """Share of the pairs of neighbours of a vertex that are joined themselves.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric. Weights do not count.

    Returns
    -------
    share : float
        In [0, 1]: 0 on trees and grids, the density of random graphs, .2 to .7 among neighbours of
        points. Counted on the vertices of smallest degree, as far as that is cheap.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> transitivity(sp.csr_array(np.ones((4, 4))))
    1.0
    """
    ones = (np.ones(adjacency.nnz), adjacency.indices, adjacency.indptr)
    pattern = sp.csr_array(ones, shape=adjacency.shape)
    pattern = sp.csr_array(pattern - sp.diags_array(pattern.diagonal()))
    pattern.eliminate_zeros()
    degree = np.diff(pattern.indptr)
    work = np.sort(degree.astype(np.float64) * max(degree.mean(), 1.0))
    affordable = int(np.searchsorted(np.cumsum(work), _WEDGES))
    rows = degree <= np.sort(degree)[min(affordable, len(degree) - 1)]
    wedges = float(np.sum(degree[rows] * (degree[rows] - 1.0)))
    chosen = sp.csr_array(pattern[rows])
    return float((chosen @ pattern).multiply(chosen).sum() / wedges) if wedges else 0.0


def eigengap_clusters(
    laplacian_values: np.ndarray,
    *,
    n_components: int = 1,
    edge: float = 1.0,
    closed: float = 0.0,
) -> EigengapProposal:
    r"""Propose the number of clusters: the pieces of the graph, or where the relative gap is large.

    Parameters
    ----------
    laplacian_values : ndarray
        Ascending, more than ``n_components``, at least 3.
    n_components : int, default=1
        Separate pieces that can be clusters.
    edge : float, default=1
        Where chance begins, :func:`random_graph_edge`.
    closed : float, default=0
        Share of closed triangles, :func:`transitivity`.

    Returns
    -------
    proposal : EigengapProposal
        With a reason in words.

    Notes
    -----
    Separate pieces are clusters. A further number k is proposed only after a relative gap above .8:
    pieces that hang together by a few edges. In a connected graph the largest gap after two or more
    values must exceed :math:`0.02 + 0.65 \max(1 - \mu_{k+1} / e, \min(2 t, 1))`, with the edge e
    and the share t of closed triangles, and :math:`\mu_k` must be below .95 e; else there is no
    structure, and the answer is 1. Measured: random graphs of 30 to 500 vertices have
    :math:`\mu_2 \ge e`. Neighbours of 50 to 400 points in one cloud, uniform or Gaussian, in 2 to
    10 dimensions, 5 to 20 neighbours each, never exceed that gap (329 graphs; up to .62). Points
    along a line have gaps of .75: two halves. Values of 1 and more are of vectors that change sign
    along edges, not of clusters.

    References
    ----------
    U. von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17, 2007, section
    8.3 (there the gap is absolute).

    Examples
    --------
    >>> import numpy as np
    >>> eigengap_clusters(np.array([0, 0.02, 0.03, 0.3, 0.35])).n_clusters
    3
    >>> eigengap_clusters(np.array([0, 1.1, 1.1, 1.1])).n_clusters  # a complete graph
    1
    """
    values, c = np.asarray(laplacian_values), n_components
    counts = [k for k in range(max(2, c + 1), len(values)) if values[k - 1] < 1 - _NOTHING]
    gaps = [relative_gap(values, k) for k in counts]
    if not gaps:
        return EigengapProposal(c, 0.0, values, c)
    best = int(np.argmax(gaps))
    k, gap = counts[best], gaps[best]
    if c > 1:
        needed, highest = _PIECE_GAP, 1.0
    else:
        below = 1 - min(values[k] / max(edge, _NOTHING), 1.0)
        needed = _CHANCE_GAP + _CLOUD_GAP * max(below, min(2 * closed, 1.0))
        highest = _BELOW_EDGE * edge
    found = gap > needed and values[k - 1] < highest
    return EigengapProposal(k if found else c, gap, values, c, k, needed, highest)


def vector_ladder(n_clusters: int, most: int) -> list[int]:
    """Numbers of vectors worth trying: K, a few more, up to four times as many.

    Parameters
    ----------
    n_clusters : int
        K.
    most : int
        Largest number there is.

    Returns
    -------
    ladder : list of int
        Ascending.

    Examples
    --------
    >>> vector_ladder(2, 100), vector_ladder(7, 24)
    ([2, 3, 4, 5, 6, 7, 8], [7, 8, 9, 10, 14, 17, 21, 24])
    """
    K = n_clusters
    steps = {K, K + 1, K + 2, *(half * K // 2 for half in range(3, 9))}
    return sorted(d for d in steps if d <= most) or [min(K, most)]


def best_trial(
    trials: Iterable[tuple[float, int]], quality: Callable[[tuple[float, int]], float]
) -> VectorChoice:
    """Try shifts of the degrees and numbers of vectors, and keep what is best.

    Parameters
    ----------
    trials : iterable of (float, int)
        Shift and number of vectors, the simplest first.
    quality : callable
        Takes a trial, returns a number to be large.

    Returns
    -------
    choice : VectorChoice
        The first among equals.
    """
    found = {trial: quality(trial) for trial in trials}
    shift, n_components = max(found, key=found.__getitem__)
    return VectorChoice(n_components, shift, found)


class WalkVectors(NamedTuple):
    """Vectors that were kept, and whether the block model may move vertices afterwards."""

    low: LowVectors
    operator: WalkOperator
    choice: VectorChoice
    may_move: bool
    labels: np.ndarray | None = None
    """Of the trial that was best."""


def _small_clusters(
    adjacency: sp.csr_array, degree: np.ndarray, labels: np.ndarray, K: int, *, communities: bool
) -> np.ndarray:
    """Clusters below a tenth of the mean weight; if ``communities``, only those without a cycle."""
    weight = np.bincount(labels, weights=degree, minlength=K)
    small = weight < _LEAST_SHARE * weight.mean()
    if communities and small.any():
        rows = np.repeat(np.arange(len(labels)), np.diff(adjacency.indptr))
        columns = adjacency.indices
        inside = (labels[rows] == labels[columns]) & (rows != columns)
        ends = np.bincount(labels[rows[inside]], minlength=K)
        small &= ends < 2 * np.bincount(labels, minlength=K)
    return small


class LabelRows(Protocol):
    """Clusters the rows of an embedding, with so many starts of K-means."""

    def __call__(self, rows: np.ndarray, n_init: int) -> np.ndarray:
        """Labels from 0."""
        ...


def vectors_for_clusters(
    solve: Callable[..., LowVectors],
    labels_of: LabelRows,
    operator: WalkOperator,
    adjacency: sp.csr_array,
    n_clusters: int,
    *,
    low: LowVectors | None = None,
    row_normalize: bool = True,
    shifts: bool = True,
    n_pieces: int = 1,
    n_init: int = 10,
) -> WalkVectors:
    """Vectors to keep: K after a clear gap, else those whose partition says most of the edges.

    Parameters
    ----------
    solve : callable
        Takes an operator, a number of vectors, and ``fine`` and ``strategy``; returns LowVectors.
    labels_of : callable
        Takes rows, and ``n_init``; returns labels from 0.
    operator : WalkOperator
        Walk on the graph.
    adjacency : csr_array of shape (n, n)
        The graph.
    n_clusters : int
        K, at most n.
    low : LowVectors, default=None
        Vectors that are there already.
    row_normalize : bool, default=True
        Whether rows are scaled to length 1.
    shifts : bool, default=True
        Whether walks with larger degrees may be tried.
    n_pieces : int, default=1
        Components of the graph.
    n_init : int, default=10
        Starts of K-means in each trial.

    Returns
    -------
    kept : WalkVectors
        A gap is clear above a third. Then no cluster may hold less than a tenth of the weight of a
        mean one, a whisker that was cut off; above .8 it may, if it has a cycle: it is then a small
        community that hangs on the rest by few edges. With ``may_move`` after trials, and where
        degrees are uneven: where they are even, as among neighbours of points, the vectors know
        better than the block model.
    """
    n, K = adjacency.shape[0], n_clusters
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    shift = float(degree.mean())
    uneven = bool(degree.std() > _EVEN_DEGREES * shift)
    if low is None:
        low = solve(operator, min(K + 1, n))
    rows_of = partial(diffusion_rows, row_normalize=row_normalize)
    enough = len(low.values) <= K
    gap = 0.0 if enough else relative_gap(1 - low.values, K)
    if gap >= _CLEAR_GAP:
        # a clear gap counts if the K vectors cut off no whiskers
        labels = labels_of(rows_of(operator @ low.vectors[:, :K]), 1)
        small = _small_clusters(adjacency, degree, labels, K, communities=gap > _PIECE_GAP)
        enough = n_pieces > 1 or not small.any()
    if enough:
        return WalkVectors(low, operator, VectorChoice(min(K, len(low.values)), 0.0, {}), uneven)
    most, many = 4 * K if 4 * K < n else len(low.values), n > MANY_ROWS
    walks = {}
    if uneven and shifts:
        # no value of this walk is near 1, which is where a filter is slow
        calm = walk_operator(adjacency, shift=shift)
        found = solve(calm, 2 * K if many else most, fine=not many, strategy="filter")
        walks[shift] = found._replace(growth=low.growth), calm
    if not (walks and many):
        if len(low.values) < most:
            low = solve(operator, most, fine=not many)
        walks = {0.0: (low, operator), **walks}
    images = {shift: walk @ found.vectors for shift, (found, walk) in walks.items()}
    labels_of_trial: dict[tuple[float, int], np.ndarray] = {}

    def information(trial: tuple[float, int]) -> float:
        rows = rows_of(images[trial[0]][:, : trial[1]])
        labels_of_trial[trial] = labels_of(rows, 1 if many else n_init)
        return edge_information(adjacency, labels_of_trial[trial])

    # a walk leaves vectors of negative eigenvalues at each step: they cut across communities
    choice = best_trial(
        (
            (shift, d)
            for shift, (found, _) in walks.items()
            for d in vector_ladder(K, max(K, int(np.sum(found.values > 0))))
        ),
        information,
    )
    best = labels_of_trial[choice.shift, choice.n_components]
    return WalkVectors(*walks[choice.shift], choice, True, best)
