"""Pictures of a clustering: the embedding, and the adjacency sorted by cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .._drawing import BLUE, COLOURS, Display, fitted_step

__all__ = ["EmbeddingDisplay", "SortedAdjacencyDisplay"]

_MOST_DOTS = 20_000
_CELLS = 400
_SHAPES = "osD^v"  # beyond seven clusters the shape tells those of one colour apart
_LARGE_FIGURE = (5.6, 5.0)


class EmbeddingDisplay(Display):
    """Rows of the embedding in the plane of their two main directions, coloured by cluster.

    Make it with `from_estimator`.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Embedding; rows of zeros are left out.
    labels : ndarray of int, shape (n,)
        From 0.

    Attributes
    ----------
    explained_ : float
        Share of the squared lengths that the plane shows.
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SpectralAMGClustering : The estimator.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.graph import EmbeddingDisplay, SpectralAMGClustering
    >>> X = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0, 0], [9, 9]], 30, axis=0)
    >>> model = SpectralAMGClustering(2, random_state=0).fit(X)
    >>> EmbeddingDisplay.from_estimator(model).ax_.get_xlabel()
    'first direction'
    """

    _size = _LARGE_FIGURE

    def __init__(self, rows: np.ndarray, labels: np.ndarray) -> None:
        self.rows = rows
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> EmbeddingDisplay:
        """Draw the embedding of a fitted estimator.

        Parameters
        ----------
        estimator : SpectralAMGClustering
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : EmbeddingDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        return cls(estimator.embedding_, estimator.labels_).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw; of more than 20,000 rows an even sample."""
        known = np.flatnonzero(np.any(self.rows != 0, axis=1))
        known = known[:: max(1, -(-len(known) // _MOST_DOTS))]
        rows, labels = np.asarray(self.rows, dtype=np.float64)[known], self.labels[known]
        centred = rows - rows.mean(axis=0)
        left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
        plane = np.zeros((len(rows), 2))
        shown = min(2, len(sizes))
        plane[:, :shown] = left[:, :shown] * sizes[:shown]
        self.explained_ = float(np.sum(sizes[:2] ** 2) / max(np.sum(sizes**2), 1e-300))
        for k in np.unique(labels):
            ax.scatter(
                *plane[labels == k].T,
                s=12,
                alpha=0.6,
                color=COLOURS[k % len(COLOURS)],
                marker=_SHAPES[k // len(COLOURS) % len(_SHAPES)],
                label=f"cluster {k} ({np.sum(self.labels == k)})",
            )
        ax.set(
            xlabel="first direction",
            ylabel="second direction",
            title=f"embedding, {self.explained_:.0%} of the spread",
        )
        if len(np.unique(labels)) <= 12:
            # beside the points, which leave no corner free
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.5, frameon=False)


class SortedAdjacencyDisplay(Display):
    """Edges of the graph with vertices sorted by cluster: blocks on the diagonal are communities.

    Make it with `from_estimator`.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        The graph.
    labels : ndarray of int, shape (n,)
        From 0.

    Attributes
    ----------
    share_inside_ : float
        Share of the weight of edges within clusters.
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SpectralAMGClustering : The estimator.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.graph import SortedAdjacencyDisplay, SpectralAMGClustering
    >>> pairs = np.kron(np.eye(2), np.ones((4, 4)) - np.eye(4))
    >>> model = SpectralAMGClustering(2, affinity="precomputed", random_state=0).fit(pairs)
    >>> SortedAdjacencyDisplay.from_estimator(model).share_inside_
    1.0
    """

    _size = _LARGE_FIGURE

    def __init__(self, adjacency: sp.csr_array, labels: np.ndarray) -> None:
        self.adjacency = adjacency
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> SortedAdjacencyDisplay:
        """Draw the graph of a fitted estimator.

        Parameters
        ----------
        estimator : SpectralAMGClustering
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SortedAdjacencyDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        return cls(estimator.affinity_matrix_, estimator.labels_).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw the weights, summed in at most 400 x 400 cells."""
        from matplotlib.colors import LinearSegmentedColormap

        n = len(self.labels)
        # within a cluster by falling degree, so that its core stands in a corner
        degree = np.asarray(self.adjacency.sum(axis=1)).ravel()
        order = np.lexsort((-degree, self.labels))
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        cells = min(n, _CELLS)
        edges = sp.coo_array(self.adjacency)
        i, j = (place[axis] * cells // n for axis in edges.coords)
        image = sp.coo_array((edges.data, (i, j)), shape=(cells, cells)).toarray()
        shown = np.log1p(image / max(image.max(), 1e-300) * 99) / np.log(100)
        blues = LinearSegmentedColormap.from_list("white to blue", ["white", BLUE, "black"])
        picture = ax.imshow(shown, cmap=blues, extent=(0, n, n, 0), vmin=0, vmax=1)
        bounds = np.cumsum(np.bincount(self.labels))[:-1]
        for bound in bounds:
            ax.axhline(bound, color="0.6", linewidth=0.6)
            ax.axvline(bound, color="0.6", linewidth=0.6)
        bar = ax.figure.colorbar(picture, ax=ax, shrink=0.8, ticks=[0, 0.5, 1])
        bar.set_label("edge weight in a cell, over the largest")
        bar.ax.set_yticklabels(["0", "0.09", "1"])
        inside = self.labels[edges.coords[0]] == self.labels[edges.coords[1]]
        self.share_inside_ = float(edges.data[inside].sum() / max(edges.data.sum(), 1e-300))
        ax.set(
            xlabel="vertex, sorted by cluster",
            ylabel="vertex, sorted by cluster",
            title=f"{self.share_inside_:.0%} of the weight inside clusters",
        )
