"""SpectralAMGClustering: clusters of points, of graphs, and of graphs with attributes."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClusterMixin
from sklearn.utils import Tags

from .._base import (
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    progress,
    random_generator,
)
from .._checks.table import check_samples
from ..functional.graph.affinity_graph import neighbor_affinity, rbf_affinity
from ..functional.graph.attribute_partition import partition_attributed
from ..functional.graph.bootstrap_vectors import bootstrap_vectors
from ..functional.graph.graph_laplacian import modularity
from ..functional.graph.graph_partition import PartitionOptions, partition_graph
from ..functional.graph.new_vertices import cluster_centers
from ._cluster_input import check_adjacency, check_attributes
from ._new_vertices import NewVerticesMixin

__all__ = ["SpectralAMGClustering"]


class SpectralAMGClustering(NewVerticesMixin, ClusterMixin, SubspaceEstimator):
    r"""Spectral clustering that picks its solver, its vectors, and the weight of attributes.

    Low eigenvectors V of the normalised Laplacian I - S, :math:`S = D^{-1/2} A D^{-1/2}`, make the
    rows of :math:`S V`, each scaled to length 1, and K-means groups the rows. Three uses:

    - a table: ``fit(X)``, a graph of neighbours (or a Gaussian kernel) is built;
    - a graph: ``affinity="precomputed"``, ``fit(adjacency)``;
    - a graph with attributes: ``fit(attributes, adjacency=adjacency)``.

    Parameters
    ----------
    n_clusters : int or "eigengap", default=8
        "eigengap" takes the number, from 2 to 29, after which the Laplacian eigenvalues rise most
        relative to themselves; ``eigengap_.reason`` says so in words.
    affinity : {"nearest_neighbors", "rbf", "precomputed"}, default="nearest_neighbors"
        Not used if ``adjacency`` is given to `fit`.
    n_neighbors : int, default=10
        Other points that each point is joined to; all of them where there are fewer.
    gamma : float, default=None
        Of the "rbf" kernel, per squared unit of X; None is 1 / n_features.
    n_vectors : int or "auto", default="auto"
        Vectors kept. "auto": K if a clear gap follows them and no cluster is tiny; else the number
        between K and 4 K, of the walk or of one with the mean degree added to each degree, whose
        partition says most about the edges; its vertices are then moved by the degree-corrected
        block model if that says still more. With attributes, K or 2 K by the bound of the model.
    strategy : {"auto", "bootstrap", "block", "filter"}, default="auto"
        "filter": Chebyshev filtered subspace iteration. "block": LOBPCG from coarse graphs to fine
        ones, preconditioned by a multigrid cycle. "auto" aggregates the graph once: where the mean
        degree stays below 2.5 times what it was (meshes, neighbours), "block", else "filter".
        Graphs up to 600 nodes are solved by LAPACK. "bootstrap" is the papers' way, by smooth
        vectors of bootstrap AMG; it takes a plain graph, and gives at most
        ``max_hierarchies + 1`` vectors and one for each component.
    composition : {"symmetrized", "multiplicative", "additive"}, default="symmetrized"
        Of the hierarchies of "bootstrap".
    coarsening : {"matching"}, default="matching"
        Of the hierarchies of "bootstrap".
    target_rate : float, default=1e-3
        "bootstrap" stops adding hierarchies at this convergence rate.
    max_hierarchies : int, default=10
        Most hierarchies of "bootstrap".
    n_sweeps : int, default=5
        Composite cycles behind each smooth vector of "bootstrap".
    row_normalize : bool, default=True
        Whether rows are scaled to length 1; False is the papers' form.
    attribute_weight : float in (0, 1] or "auto", default="auto"
        Share of steps of a random walk that go through attributes. "auto" fits a degree-corrected
        block model with attributes from five shares, and from the start of the largest bound
        propagates beliefs: it learns from the data what an edge, and what an attribute, says.
    attribute_block : {"self", "all"}, default="self"
        "all" appends to each row the mean coordinates of the values that the node has.
    assign_labels : {"kmeans", "cluster_qr"}, default="kmeans"
        "cluster_qr" needs no start, and takes K vectors.
    n_init : int, default=10
        Starts of K-means.
    random_state : int, RandomState, Generator or None, default=None
        An int gives the same result each time.
    n_jobs : int, default=None
        Threads of the neighbour search.
    verbose : int, default=0
        Whether progress is printed.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n,)
        Clusters, the heaviest (sum of degrees) first.
    embedding_ : ndarray of shape (n, n_features_out)
        Rows that were clustered. Zeros for vertices of small components.
    smooth_vectors_ : ndarray of shape (n, n_kept)
        Vectors V, orthonormal.
    strategy_ : str
        What solved it: "dense", "filter", "block" or "bootstrap".
    coarsening_growth_ : float
        What "auto" decided by: growth of the mean degree by one aggregation. NaN if not asked.
    convergence_rates_ : ndarray
        By round: largest residual over the spectral gap ("filter"), largest relative change of a
        value ("block"), or rate of the composite ("bootstrap"). Empty for "dense".
    hierarchy_ : HierarchySummary
        ``sizes``, ``nonzeros``, ``n_levels``, ``operator_complexity``.
    affinity_matrix_ : csr_array of shape (n, n)
        The graph.
    n_components_found_ : int
        Connected components; with attributes, of the graph with its value vertices.
    modularity_ : float
        Of the labels, on the graph without attributes.
    n_clusters_ : int
        Number of clusters.
    n_vectors_ : int
        Number of vectors kept.
    vector_trials_ : list of (shift, n_vectors, information)
        What the cluster of one end of an edge says of the other end, in nats. With attributes:
        (share, n_vectors, bound). Empty if no trials were needed.
    degree_shift_ : float
        What was added to the degrees: 0, or their mean.
    eigengap_ : EigengapProposal or None
        With ``n_clusters="eigengap"``: number, gap, eigenvalues and reason.
    attribute_weight_ : float or None
        Share kept, with attributes.
    block_model_ : BlockModel or None
        Fitted model, with ``attribute_weight="auto"``, or where it moved vertices.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Names of columns, if X has them.

    Raises
    ------
    ValueError
        If the graph is asymmetric or empty, has no edges, or holds negative weights or NaN; if
        there are more clusters than nodes; if attributes are missing, negative, or of another
        number of nodes than the graph; if a dense kernel would take more than 4 GiB.

    See Also
    --------
    BootstrapAMG : The solver of strategy "bootstrap".
    sklearn.cluster.SpectralClustering : One solver for all graphs.

    Notes
    -----
    Labels are never read. Self-loops add to degrees; edges given twice add up. A component with
    less than a tenth of the weight of a mean cluster takes no part in the embedding: it joins the
    most populous cluster, the best guess without evidence. Isolated vertices are such components.

    `transform` gives a new vertex the row that its edges to the fitted ones imply (Nystroem), so on
    the fitted graph itself it returns ``embedding_``; for a table, the edges go to the
    ``n_neighbors`` nearest fitted points, weight 1. `predict` takes the nearest mean row, or the
    most probable cluster of the block model.

    Cost: "block" and "filter" O(nnz b + n b^2) a step for b vectors, about K or 4 K. Where the
    cut between clusters is no sparser than cuts inside them, no strategy finds them.

    References
    ----------
    P. D'Ambra, P. S. Vassilevski, L. Cutillo, "Extending bootstrap AMG for clustering of attributed
    graphs", Applied Mathematics and Computation 447, 2023, 127904, arXiv:2109.09367 (smooth
    vectors, value vertices). A. Y. Ng, M. I. Jordan, Y. Weiss, NIPS 2001 (unit rows). The other
    pieces are cited where they stand, in ``subspace_learn.functional``.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn import SpectralAMGClustering
    >>> clique = np.repeat([0, 1, 2], [4, 5, 6])
    >>> edges = (clique[:, None] == clique) - np.eye(15)
    >>> edges[3, 4] = edges[4, 3] = edges[8, 9] = edges[9, 8] = 1
    >>> model = SpectralAMGClustering("eigengap", affinity="precomputed", random_state=0)
    >>> model.fit_predict(edges)
    array([2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=int32)
    """

    _parameter_constraints: dict = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), StrOptions({"eigengap"})],
        "affinity": [StrOptions({"nearest_neighbors", "rbf", "precomputed"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "n_vectors": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "strategy": [StrOptions({"auto", "bootstrap", "block", "filter"})],
        "composition": [StrOptions({"symmetrized", "multiplicative", "additive"})],
        "coarsening": [StrOptions({"matching"})],
        "target_rate": [Interval(Real, 0, 1, closed="neither")],
        "max_hierarchies": [Interval(Integral, 1, None, closed="left")],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "row_normalize": ["boolean"],
        "attribute_weight": [Interval(Real, 0, 1, closed="right"), StrOptions({"auto"})],
        "attribute_block": [StrOptions({"self", "all"})],
        "assign_labels": [StrOptions({"kmeans", "cluster_qr"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state", np.random.Generator],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_clusters=8,
        *,
        affinity="nearest_neighbors",
        n_neighbors=10,
        gamma=None,
        n_vectors="auto",
        strategy="auto",
        composition="symmetrized",
        coarsening="matching",
        target_rate=1e-3,
        max_hierarchies=10,
        n_sweeps=5,
        row_normalize=True,
        attribute_weight="auto",
        attribute_block="self",
        assign_labels="kmeans",
        n_init=10,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        self.n_clusters = n_clusters
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.gamma = gamma
        self.n_vectors = n_vectors
        self.strategy = strategy
        self.composition = composition
        self.coarsening = coarsening
        self.target_rate = target_rate
        self.max_hierarchies = max_hierarchies
        self.n_sweeps = n_sweeps
        self.row_normalize = row_normalize
        self.attribute_weight = attribute_weight
        self.attribute_block = attribute_block
        self.assign_labels = assign_labels
        self.n_init = n_init
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    _not_finite = {"coarsening_growth_": "NaN: the solver did not have to be chosen"}

    @fit_method
    def fit(self, X: Any, y: Any = None, *, adjacency: Any = None) -> SpectralAMGClustering:
        """Cluster points, vertices, or nodes with attributes.

        Parameters
        ----------
        X : table, graph, or attributes
            A table of shape (n, n_features), dense or sparse; with ``affinity="precomputed"`` a
            graph (sparse or dense symmetric adjacency, networkx graph, edge_index). With
            ``adjacency``: attributes of the nodes, present values as nonnegative numbers (dense or
            sparse), or a DataFrame, whose columns of words or categories become values.
        y : Ignored
            Not used, present for API consistency.
        adjacency : graph of n nodes, default=None
            Makes ``X`` attributes.

        Returns
        -------
        self : SpectralAMGClustering
            Itself.
        """
        if adjacency is not None:
            return self._fit_attributed(X, adjacency)
        graph, dtype = self._affinity(X)
        self._check_clusters(graph.shape[0])
        rng, say = random_generator(self.random_state), partial(progress, self)
        solver = None
        if self.strategy == "bootstrap":
            solver = partial(
                bootstrap_vectors,
                rng=rng,
                progress=say,
                target_rate=self.target_rate,
                max_hierarchies=self.max_hierarchies,
                n_sweeps=self.n_sweeps,
                composition=self.composition,
                coarsening=self.coarsening,
            )
        found = partition_graph(graph, self._options(), rng=rng, solver=solver, progress=say)
        self._store(found, graph, dtype)
        self.n_vectors_, self.degree_shift_, trials = found.choice
        self.vector_trials_ = _as_rows(trials)
        self.attribute_weight_, self.block_model_ = None, found.model
        self._graph, self._columns, self._values = None, None, None
        self._center_clusters()
        return self

    def _fit_attributed(self, X: Any, adjacency: Any) -> SpectralAMGClustering:
        """Fit attributes X on a graph."""
        if self.affinity == "precomputed":
            raise ValueError(
                "affinity='precomputed' says that X is the adjacency, but adjacency was given too. "
                "Leave one of them out; with attributes as X, affinity is not used."
            )
        if self.strategy == "bootstrap":
            raise ValueError(
                "strategy='bootstrap' takes a graph without attributes. Use 'auto', or give the "
                "augmented graph with affinity='precomputed'."
            )
        attributes, columns = check_attributes(self, X)
        graph = check_adjacency(self, adjacency, name="the adjacency")
        if graph.shape[0] != attributes.shape[0]:
            raise ValueError(
                f"X has attributes of {attributes.shape[0]} nodes, but adjacency has shape "
                f"{graph.shape}. Give one row of attributes for each node, in the same order."
            )
        self._check_clusters(graph.shape[0])
        dtype = graph.dtype
        graph = graph.astype(np.float64)
        found = partition_attributed(
            graph,
            attributes,
            self._options(),
            weight=self.attribute_weight,
            block=self.attribute_block,
            rng=random_generator(self.random_state),
            progress=partial(progress, self),
        )
        self._store(found, graph, dtype)
        self.n_vectors_, self.vector_trials_ = found.vectors.shape[1], _as_rows(found.bounds)
        self.degree_shift_ = 0.0
        self.attribute_weight_, self.block_model_ = found.weight, found.model
        self._graph, self._columns, self._fit_X = found.graph, columns, None
        self._values = None
        if self.attribute_block == "all":
            own = found.rows[:, : self.n_vectors_]
            scale = np.sqrt(found.graph.value_weight)[:, None]
            self._values = (found.graph.factor.T @ own) / scale
        self._center_clusters()
        return self

    def _affinity(self, X: Any) -> tuple[sp.csr_array, Any]:
        """The graph of X in float64, and the float type that results are given in."""
        if self.affinity == "precomputed":
            graph = check_adjacency(self, X)
            self.n_features_in_, self._fit_X = graph.shape[0], None
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            return graph.astype(np.float64), graph.dtype
        X = check_samples(self, X, reset=True, accept_sparse="csr", min_samples=2)
        self._fit_X = X.copy()
        if self.affinity == "nearest_neighbors":
            return neighbor_affinity(X, self.n_neighbors, n_jobs=self.n_jobs), X.dtype
        kernel = rbf_affinity(X, X, self._gamma())
        np.fill_diagonal(kernel, 0)  # a point is no neighbour of its own
        return sp.csr_array(np.maximum(kernel, kernel.T)), X.dtype

    def _gamma(self) -> float:
        return 1 / self.n_features_in_ if self.gamma is None else float(self.gamma)

    def _check_clusters(self, n: int) -> None:
        if self.n_clusters != "eigengap" and self.n_clusters > n:
            raise ValueError(
                f"n_clusters={self.n_clusters} is more than n_samples={n}. Ask for at most {n}."
            )
        if self.n_clusters == "eigengap" and n < 3:
            raise ValueError(f"n_clusters='eigengap' needs at least 3 nodes, but there are {n}.")

    def _options(self) -> PartitionOptions:
        return PartitionOptions(
            self.n_clusters,
            self.n_vectors,
            self.strategy,
            self.row_normalize,
            self.assign_labels,
            self.n_init,
        )

    def _store(self, found: Any, graph: sp.csr_array, dtype: Any) -> None:
        """Attributes that both kinds of partition have."""
        self.labels_ = found.labels
        self.embedding_ = found.rows.astype(dtype, copy=False)
        self.smooth_vectors_ = found.vectors.astype(dtype, copy=False)
        self.strategy_ = found.low.strategy
        self.coarsening_growth_ = found.low.growth
        self.convergence_rates_ = found.low.convergence_rates
        self.hierarchy_ = found.low.hierarchy
        self.affinity_matrix_ = graph
        self.n_components_found_ = found.n_components
        self.modularity_ = modularity(graph, found.labels)
        self.eigengap_ = found.proposal
        self.n_clusters_ = int(found.labels.max()) + 1
        self._projector = found.projector
        self._rows = found.rows

    def _center_clusters(self) -> None:
        """What predict compares with."""
        self._centers = cluster_centers(self._rows, self.labels_, self.n_clusters_)
        self._largest = int(np.bincount(self.labels_).argmax())
        del self._rows

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.pairwise = self.affinity == "precomputed"
        tags.input_tags.sparse = True
        return tags


def _as_rows(trials: dict[tuple[float, int], float]) -> list[tuple[float, int, float]]:
    """Trials as plain rows, which every format of models can hold."""
    return [(float(a), int(d), float(value)) for (a, d), value in trials.items()]
