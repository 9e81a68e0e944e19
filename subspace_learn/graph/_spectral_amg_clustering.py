"""SpectralAMGClustering: clusters of points, of graphs, and of graphs with attributes."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClusterMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    progress,
    random_generator,
    warn,
)
from .._checks.graph import NamedGraph, check_graph
from .._checks.named_graph import refuse_graph
from ..functional.graph.attribute_graph import AttributedGraph
from ..functional.graph.attribute_partition import partition_attributed
from ..functional.graph.bootstrap_vectors import bootstrap_vectors
from ..functional.graph.graph_laplacian import modularity
from ..functional.graph.graph_partition import PartitionOptions, partition_graph
from ..functional.graph.new_vertices import cluster_centers
from ._attribute_columns import AttributeColumns, check_attributes
from ._bootstrap_amg import BootstrapAMG
from ._cluster_input import graph_in_order_of, graph_of_points
from ._new_vertices import NewVerticesMixin

__all__ = ["SpectralAMGClustering"]


class SpectralAMGClustering(NewVerticesMixin, ClusterMixin, SubspaceEstimator):
    r"""Spectral clustering that picks its solver, its vectors, and the weight of attributes.

    Low eigenvectors V of the normalised Laplacian I - S, :math:`S = D^{-1/2} A D^{-1/2}`, make the
    rows of :math:`S V`, each scaled to length 1, and K-means groups the rows. Three uses:

    - a table: ``fit(X)``, a graph of neighbours (or a Gaussian kernel) is built;
    - a graph: ``affinity="precomputed"``, ``fit(graph)``;
    - a graph with attributes: ``fit(attributes, adjacency=adjacency)``.

    Parameters
    ----------
    n_clusters : int or "eigengap", default=8
        "eigengap" finds the number: separate pieces of the graph, or where the Laplacian
        eigenvalues rise most relative to themselves; 1 if no gap is larger than chance has.
        ``eigengap_.reason`` says so in words. It finds few and clear clusters; for communities of
        a network whose number nobody knows, the Leiden algorithm is the better tool.
    affinity : {"nearest_neighbors", "rbf", "precomputed"}, default="nearest_neighbors"
        Not used if ``adjacency`` is given to `fit`.
    n_neighbors : int, default=10
        Other points that each point is joined to; all of them where there are fewer.
    gamma : float, default=None
        Of the "rbf" kernel, per squared unit of X; None is 1 / n_features.
    n_components : int or "auto", default="auto"
        Vectors kept. "auto": K if a clear gap follows them and no cluster is tiny; else the number
        between K and 4 K, of the walk or of one with the mean degree added to each degree, whose
        partition says most about the edges; its vertices are then moved by the degree-corrected
        block model if that says still more. With attributes, K or 2 K by the bound of the model.
    strategy : {"auto", "block", "filter", "bootstrap"} or BootstrapAMG, default="auto"
        "filter": Chebyshev filtered subspace iteration. "block": LOBPCG from coarse graphs to fine
        ones, preconditioned by a multigrid cycle. "auto" aggregates the graph once: where the mean
        degree stays below 2.5 times what it was (meshes, neighbours), "block", else "filter".
        Graphs up to 600 nodes are solved by LAPACK. "bootstrap" is the papers' way, by smooth
        vectors of bootstrap AMG: ``BootstrapAMG(target_rate=1e-3, n_sweeps=5, cycle="V")``. Give
        one with other parameters in its place; its own ``random_state``, if it has one, is used. It
        takes a plain graph, and gives at most one vector more than hierarchies, and one for each
        component.
    row_normalize : bool, default=True
        Whether rows are scaled to length 1; False is the papers' form.
    attribute_weight : float in (0, 1] or "auto", default="auto"
        Share of steps of a random walk that go through attributes. "auto" fits a degree-corrected
        block model with attributes from four shares, and from attributes smoothed over the graph by
        0 to 8 steps; from the start of the largest bound it propagates beliefs: it learns from the
        data what an edge, and what an attribute, says.
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
    vertex_names_ : list or None
        Names of the vertices, in the order of ``labels_``: nodes of a networkx or igraph graph,
        index of a DataFrame. None where there were none but 0, 1, 2, ...
    labels_by_name_ : Series
        ``labels_``, as a pandas Series whose index are the names.
    embedding_ : ndarray of shape (n, n_features_out)
        Rows that were clustered. Zeros for vertices of components that took no part.
    smooth_vectors_ : ndarray of shape (n, n_kept)
        Vectors V, orthonormal.
    strategy_ : str
        What solved it: "dense", "filter", "block" or "bootstrap"; "components" where the clusters
        are separate pieces of the graph, and nothing was to be solved.
    coarsening_growth_ : float or None
        What "auto" decided by: growth of the mean degree by one aggregation. None if the solver did
        not have to be chosen.
    convergence_rates_ : ndarray
        By round: largest residual over the spectral gap ("filter"), largest relative change of a
        value ("block"), or rate of the composite ("bootstrap"). Else empty.
    hierarchy_ : HierarchySummary
        ``sizes``, ``nonzeros``, ``n_levels``, ``operator_complexity``.
    affinity_matrix_ : csr_array of shape (n, n)
        The graph.
    n_connected_components_ : int
        Pieces of the graph; with attributes, of the graph with its value vertices.
    n_left_out_ : int
        Vertices of pieces that took no part in the embedding, and joined a cluster as a whole (see
        Notes); with attributes, nodes that have neither edges nor attributes.
    modularity_ : float
        Of the labels, on the graph without attributes.
    n_clusters_ : int
        Number of clusters.
    n_components_ : int
        Number of vectors kept.
    vector_trials_ : list of (shift, n_components, information)
        What the cluster of one end of an edge says of the other end, in nats. With attributes:
        (share, n_components, bound). Empty if no trials were needed.
    smoothing_ : int or None
        With attributes: steps by which they were smoothed over the graph before they started the
        model, 0 where edges say little of them or the opposite. None if a walk was the better
        start, or ``attribute_weight`` is a number.
    smoothing_trials_ : list of (n_steps, bound)
        Bounds of the model from smoothed attributes.
    degree_shift_ : float
        What was added to the degrees: 0, or their mean.
    eigengap_ : EigengapProposal or None
        With ``n_clusters="eigengap"``: number, gap, eigenvalues and reason.
    attribute_weight_ : float or None
        Share kept, with attributes: that of ``embedding_``, even where smoothed attributes started
        the model that gave the labels.
    attribute_kinds_ : dict or None
        With attributes in a DataFrame: what each column was read as, "category", "measurement",
        "weight" or "constant" (and left out). None for arrays and sparse matrices, whose numbers
        are weights.
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
        there are more clusters than nodes; if attributes are missing, negative weights, of another
        number of nodes than the graph, or of nodes with other names; if X is a graph while affinity
        is not "precomputed"; if a dense kernel would take more than 4 GiB.

    Warns
    -----
    UserWarning
        If a table is square and symmetric, as a graph is; if a parameter does nothing in this
        setting; if one column of weights outweighs the others by far, or numeric columns look like
        counts of words; if points have no weight to any other in the "rbf" kernel.

    See Also
    --------
    BootstrapAMG : The solver of strategy "bootstrap".
    sklearn.cluster.SpectralClustering : One solver for all graphs.

    Notes
    -----
    Labels are never read. Self-loops add to degrees; edges given twice add up.

    Separate pieces: a component can be a cluster if it has at least five vertices, or a cycle. Are
    there at most K of these, then no cluster reaches over two of them; a sparse graph loses
    isolated vertices, pairs and other small trees at its rim, so that these join the most populous
    cluster, the best guess without evidence. Are there more than K, then those with at least a
    tenth of the vertices of a mean cluster count, at most the K heaviest; other large ones join the
    lightest cluster, small ones the most populous. ``n_left_out_`` counts their vertices.

    Names: with attributes in a DataFrame, the graph is brought into the order of its rows, if it
    has names; other names than those of the rows are refused. ``labels_`` stay an array, since
    scikit-learn's tools want one.

    Attributes: words, categories and booleans of a DataFrame become one value for each that occurs,
    whatever their codes. A numeric column is a measurement: it becomes a mixture of the two
    quantiles around it, among at most 10, so that its unit does not matter. Numbers of an array, of
    a sparse matrix or of a sparse column are weights of values, as counts of words; a weight of
    mean size counts as one. Values of a node that repeat each other, as words of one topic do,
    count less in the model: ``block_model_.value_weight`` is 1 over their design effect.

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
    vectors, value vertices). A. Y. Ng, M. I. Jordan, Y. Weiss, NIPS 2001 (unit rows). The
    other pieces are cited in the user guide.

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
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "strategy": [StrOptions({"auto", "bootstrap", "block", "filter"}), BootstrapAMG],
        "row_normalize": ["boolean"],
        "attribute_weight": [Interval(Real, 0, 1, closed="right"), StrOptions({"auto"})],
        "attribute_block": [StrOptions({"self", "all"})],
        "assign_labels": [StrOptions({"kmeans", "cluster_qr"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "random_state": RANDOM_STATE,
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
        n_components="auto",
        strategy="auto",
        row_normalize=True,
        attribute_weight="auto",
        attribute_block="self",
        assign_labels="kmeans",
        n_init=10,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ) -> None:
        self.n_clusters = n_clusters
        self.affinity = affinity
        self.n_neighbors = n_neighbors
        self.gamma = gamma
        self.n_components = n_components
        self.strategy = strategy
        self.row_normalize = row_normalize
        self.attribute_weight = attribute_weight
        self.attribute_block = attribute_block
        self.assign_labels = assign_labels
        self.n_init = n_init
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_method
    def fit(self, X: Any, y: Any = None, *, adjacency: Any = None) -> SpectralAMGClustering:
        """Cluster points, vertices, or nodes with attributes.

        Parameters
        ----------
        X : table, graph, or attributes
            A table of shape (n, n_features), dense or sparse. With ``affinity="precomputed"`` a
            graph: a sparse or dense symmetric adjacency, a DataFrame of one, a DataFrame of edges
            (columns source, target, weight), a networkx or igraph graph, or edge_index. With
            ``adjacency``: attributes of the nodes; see Notes for how they are read.
        y : Ignored
            Not used, present for API consistency.
        adjacency : graph of n nodes, default=None
            Makes ``X`` attributes. Of any form that a graph may have.

        Returns
        -------
        self : SpectralAMGClustering
            Itself.
        """
        self._warn_of_idle_parameters(attributed=adjacency is not None)
        if adjacency is not None:
            return self._fit_attributed(X, adjacency)
        where, self._fit_X = f"{type(self).__name__}.fit()", None
        if self.affinity == "precomputed":
            graph = self._enough(check_graph(X, where=where))
            dtype = graph.adjacency.dtype
            graph = graph._replace(adjacency=graph.adjacency.astype(np.float64))
            self.n_features_in_ = graph.adjacency.shape[0]
            self.__dict__.pop("feature_names_in_", None)
        else:
            graph, self._fit_X = graph_of_points(self, X)
            dtype = self._fit_X.dtype
            self._enough(graph, edges=False)
        rng, say = random_generator(self.random_state), partial(progress, self)
        options = self._options()
        solver = self._bootstrap_solver(rng) if options.strategy == "bootstrap" else None
        found = partition_graph(graph.adjacency, options, rng=rng, solver=solver, progress=say)
        self._store(found, graph, dtype)
        self.n_connected_components_ = found.pieces.n_components
        self.n_left_out_ = len(found.labels) - found.pieces.adjacency.shape[0]
        self.n_components_, self.degree_shift_, trials = found.choice
        self.vector_trials_ = _as_rows(trials)
        self.attribute_weight_: float | None = None
        self.smoothing_: int | None = None
        self.block_model_, self.smoothing_trials_ = found.model, list[tuple[int, float]]()
        self._graph: AttributedGraph | None = None
        self._columns: AttributeColumns | None = None
        self._values: np.ndarray | None = None
        return self

    def _fit_attributed(self, X: Any, adjacency: Any) -> SpectralAMGClustering:
        """Fit attributes X on a graph."""
        if self.affinity == "precomputed":
            raise ValueError(
                "affinity='precomputed' says that X is the adjacency, but adjacency was given too. "
                "Leave one of them out; with attributes as X, affinity is not used."
            )
        options, where = self._options(), f"{type(self).__name__}.fit()"
        if options.strategy == "bootstrap":
            raise ValueError(
                "strategy='bootstrap' takes a graph without attributes. Use 'auto', or give the "
                "augmented graph with affinity='precomputed'."
            )
        refuse_graph(
            X, where=where, cure="Its rows should be attributes of the nodes of adjacency."
        )
        attributes, columns = check_attributes(self, X)
        for line in columns.said():
            progress(self, line)
        graph = self._enough(check_graph(adjacency, where=where, name="the adjacency"))
        graph = graph_in_order_of(X if hasattr(X, "iloc") else attributes, graph, where=where)
        dtype = graph.adjacency.dtype
        graph = graph._replace(adjacency=graph.adjacency.astype(np.float64))
        found = partition_attributed(
            graph.adjacency,
            attributes,
            options,
            weight=self.attribute_weight,
            block=self.attribute_block,
            rng=random_generator(self.random_state),
            progress=partial(progress, self),
        )
        self._store(found, graph, dtype)
        self.n_connected_components_ = found.n_components
        known = np.diff(graph.adjacency.indptr) + np.diff(attributes.indptr)
        self.n_left_out_ = int(np.sum(known == 0))
        self.n_components_, self.degree_shift_ = found.vectors.shape[1], 0.0
        self.vector_trials_ = _as_rows(found.bounds)
        self.smoothing_, self.smoothing_trials_ = found.smoothing, found.smoothing_trials
        self.attribute_weight_, self.block_model_ = found.weight, found.model
        self._graph, self._columns, self._fit_X = found.graph, columns, None
        self._values = None
        if self.attribute_block == "all":
            own = found.rows[:, : self.n_components_]
            scale = np.sqrt(found.graph.value_weight)[:, None]
            self._values = (found.graph.factor.T @ own) / scale
        return self

    def _warn_of_idle_parameters(self, *, attributed: bool) -> None:
        """Name the parameters that were set and do nothing in this setting."""
        affinity = "adjacency" if attributed else self.affinity
        uses = {
            "gamma": (self.gamma is not None, affinity == "rbf", "affinity='rbf'"),
            "n_neighbors": (
                self.n_neighbors != 10,
                affinity == "nearest_neighbors",
                "affinity='nearest_neighbors'",
            ),
            "attribute_weight": (self.attribute_weight != "auto", attributed, "adjacency"),
            "attribute_block": (self.attribute_block != "self", attributed, "adjacency"),
            "n_init": (self.n_init != 10, self.assign_labels == "kmeans", "assign_labels='kmeans'"),
        }
        for name, (is_set, is_used, where) in uses.items():
            if is_set and not is_used:
                warn(
                    f"{name}={getattr(self, name)!r} does nothing here: it is used with {where} "
                    "only. Leave it out."
                )

    def _enough(self, graph: NamedGraph, *, edges: bool = True) -> NamedGraph:
        """Refuse a graph without edges, or with fewer vertices than clusters."""
        n = graph.adjacency.shape[0]
        if edges and graph.adjacency.nnz == 0:
            raise ValueError(
                f"{type(self).__name__}.fit(): the graph of {n} nodes has no edges, so there is "
                "nothing to cluster by. Give edges, attributes or points."
            )
        if self.n_clusters != "eigengap" and self.n_clusters > n:
            raise ValueError(
                f"n_clusters={self.n_clusters} is more than n_samples={n}. Ask for at most {n}."
            )
        if self.n_clusters == "eigengap" and n < 3:
            raise ValueError(f"n_clusters='eigengap' needs at least 3 nodes, but there are {n}.")
        return graph

    def _options(self) -> PartitionOptions:
        return PartitionOptions(
            self.n_clusters,
            self.n_components,
            "bootstrap" if isinstance(self.strategy, BootstrapAMG) else self.strategy,
            self.row_normalize,
            self.assign_labels,
            self.n_init,
        )

    def _bootstrap_solver(self, rng: np.random.Generator) -> Any:
        """Smooth vectors of a BootstrapAMG, for `partition_graph`."""
        amg = self.strategy
        if amg == "bootstrap":
            amg = BootstrapAMG(target_rate=1e-3, n_sweeps=5, cycle="V")
        amg._validate_params()
        settings = amg.get_params()
        own, _ = settings.pop("random_state"), settings.pop("verbose")
        rng = rng if own is None else random_generator(own)
        return partial(bootstrap_vectors, rng=rng, progress=partial(progress, self), **settings)

    def _store(self, found: Any, graph: NamedGraph, dtype: Any) -> None:
        """Attributes that both kinds of partition have."""
        self.labels_ = found.labels
        self._names = graph.names
        names = ("affinity", "n_neighbors", "gamma", "row_normalize")
        self._as_fitted = {name: getattr(self, name) for name in names}
        self.embedding_ = found.rows.astype(dtype, copy=False)
        self.smooth_vectors_ = found.vectors.astype(dtype, copy=False)
        self.strategy_ = found.low.strategy
        growth = found.low.growth
        self.coarsening_growth_ = None if np.isnan(growth) else growth
        self.convergence_rates_ = found.low.convergence_rates
        self.hierarchy_ = found.low.hierarchy
        self.affinity_matrix_ = graph.adjacency
        self.modularity_ = modularity(graph.adjacency, found.labels)
        self.eigengap_ = found.proposal
        self.n_clusters_ = int(found.labels.max()) + 1
        self._projector = found.projector
        # what predict compares with
        self._centers = cluster_centers(found.rows, self.labels_, self.n_clusters_)
        self._largest = int(np.bincount(self.labels_).argmax())

    @property
    def vertex_names_(self) -> list[Any] | None:
        """Names of the vertices, None where there were none but 0, 1, 2, ..."""
        check_is_fitted(self)
        names = self._names
        return None if names is None or names == list(range(len(names))) else names

    @property
    def attribute_kinds_(self) -> dict[Any, str] | None:
        """What each column of the attributes was read as, if they were a DataFrame."""
        check_is_fitted(self)
        return None if self._columns is None else self._columns.kinds

    @property
    def labels_by_name_(self) -> Any:
        """Labels as a pandas Series whose index are the names of the vertices."""
        check_is_fitted(self)
        import pandas as pd

        return pd.Series(self.labels_, index=self.vertex_names_, name="label")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.pairwise = self.affinity == "precomputed"
        tags.input_tags.sparse = True
        return tags


def _as_rows(trials: dict[tuple[float, int], float]) -> list[tuple[float, int, float]]:
    """Trials as plain rows, which every format of models can hold."""
    return [(float(a), int(d), float(value)) for (a, d), value in trials.items()]
