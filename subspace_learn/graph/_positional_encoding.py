"""SpectralPositionalEncoding: stable node features from the low end of the spectrum."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags

from .._base import Interval, StrOptions, SubspaceEstimator, as_container, fit_method, progress
from .._checks.graph import check_graphs
from ..functional.graph.positional_encoding import STATISTICS, positional_encoding, spectral_filters

__all__ = ["SpectralPositionalEncoding"]


class SpectralPositionalEncoding(TransformerMixin, SubspaceEstimator, auto_wrap_output_keys=None):
    r"""Describe where each node of a graph stands, the same for every choice of eigenvectors.

    Of the eigenpairs :math:`\lambda_k, v_k` of the normalised Laplacian
    :math:`L = I - N, N = D^{-1/2} A D^{-1/2}`, the d smallest make matrices

    .. math:: A_l = \sum_{k=1}^{d} \phi_l(u_k)\, s(u_k)\, v_k v_k^T, \qquad
              u_k = 2 \lambda_k / \lambda_{d+1},

    one for each filter :math:`\phi_l`; the taper s falls to 0 at the first eigenvalue left out.
    Node i gets, of each, :math:`A_l[i, i]`, :math:`\sum_j A_l[i, j] / \sqrt n` and
    :math:`\sum_j N_{ij} A_l[i, j]^2`. Signs of eigenvectors and rotations among repeated ones
    cancel; permuted nodes permute the rows; a small change of L makes a small change of the rows.

    Parameters
    ----------
    n_components : int or None, default=32
        Eigenpairs d of each connected component, at least 1. None, or as many as there are nodes,
        means all: then nothing is cut, no taper is applied, and u = lambda.
    filters : {"lipschitz", "heat", "walk", "spline"} or list of callables, default="lipschitz"
        "heat": :math:`e^{-t u}`, t = 1, 2, 4, 8. "walk": :math:`(1 - u)^q`, q = 2, 3, 4. "spline":
        cubic bumps around 0, .5, 1, 1.5, 2. "lipschitz": all twelve. A callable maps an array of
        values in [0, 2] to one of the same shape; keep its slope small.
    taper : bool, default=True
        False keeps the weights of the filters up to the cut: then two eigenvalues that change
        places there change the rows at once, however small the change of the graph.
    verbose : int, default=0
        Above 0, `transform` prints one line for each graph.

    Raises
    ------
    ValueError
        If a graph is empty, directed or asymmetric, or holds negative weights, NaN or infinity; if
        so many eigenvectors of so large a graph are asked for that dense matrices above 4 GiB
        would be needed (the message says how many).

    See Also
    --------
    sklearn.manifold.SpectralEmbedding : Plain eigenvectors, for one graph.

    Notes
    -----
    `fit` checks its input and learns nothing: `transform` works without it, and graphs of any size
    may follow. Components of one graph are encoded each by itself, so that the rows of a disjoint
    union are those of its parts. A single node has u = 0. Self-loops count once in the degree.

    Cost: up to 600 nodes, or where d + 1 exceeds a quarter of them, one dense eigenproblem, O(n^3).
    Beyond, Chebyshev-filtered subspace iteration in O(n d) memory; the number of products with N
    grows like :math:`1 / \sqrt{\lambda_{d+1}}`. The statistics cost O((n + edges) d) per filter.

    Stability: let K be the Lipschitz constant of :math:`\phi_l s` (8 and less here, plus pi / 2 for
    the taper) and c the smaller cut of two graphs. While components keep their nodes and d is less
    than their size, :math:`|dA_l|_F \le (2 / c) K (1 + \sqrt d) |dL|_F`; with all eigenpairs,
    :math:`|dA_l|_F \le K |dL|_F`. The columns follow with factors 1, 1, and 2 plus :math:`|dL|_F`.
    This differs from the paper: its phi and rho are trained, ours are fixed; its hard cut at d is
    not stable when the gap there closes, the taper is.

    Where it fails: an edge that joins two components, however light, changes which eigenpairs are
    kept (not with ``n_components=None``), and the first edge of an isolated vertex changes L
    by 1. A small :math:`\lambda_{d+1}` makes the bound large. Many columns are of order 1 / n: a
    model trained on small graphs need not hold for larger ones. Nodes that a symmetry of the graph
    exchanges get equal rows, always: no invariant encoding can tell them apart. Rows say where a
    node stands, not which side it is on: two communities of equal shape look alike, so for
    finding communities use clustering.

    References
    ----------
    Y. Huang, W. Lu, J. Robinson, Y. Yang, M. Zhang, S. Jegelka, P. Li, "On the Stability of
    Expressive Positional Encodings for Graphs", ICLR 2024, arXiv:2310.02579.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn import SpectralPositionalEncoding
    >>> ring = np.roll(np.eye(6), 1, axis=1) + np.roll(np.eye(6), -1, axis=1)
    >>> triangles = np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))
    >>> encoding = SpectralPositionalEncoding(6, filters="walk")
    >>> ring_rows, triangle_rows = encoding.fit_transform([ring, triangles])
    >>> encoding.get_feature_names_out()[3]
    'walk3_diagonal'
    >>> ring_rows[0, 3].round(6) + 0.0, triangle_rows[0, 3].round(6)  # closed walks of length 3
    (np.float64(0.0), np.float64(0.25))
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "filters": [StrOptions({"lipschitz", "heat", "walk", "spline"}), list],
        "taper": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(self, n_components=32, *, filters="lipschitz", taper=True, verbose=0) -> None:
        self.n_components = n_components
        self.filters = filters
        self.taper = taper
        self.verbose = verbose

    @fit_method
    def fit(self, X: Any, y: Any = None) -> SpectralPositionalEncoding:
        """Check the parameters and the graphs; nothing is learnt.

        Parameters
        ----------
        X : graph or list of graphs
            Of any form that `transform` takes.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : SpectralPositionalEncoding
            Itself.
        """
        self._filters()
        check_graphs(self, X, method="fit")
        return self

    def transform(self, X: Any) -> Any:
        """Encode the nodes of one graph, or of each graph of a list.

        Parameters
        ----------
        X : graph or list of graphs
            A graph is a sparse or dense symmetric adjacency, an undirected networkx or igraph graph
            (rows in the order of its nodes), a DataFrame of an adjacency (in the order of its
            index) or of edges (columns source, target, weight; in the order of the names),
            ``(edge_index, n_nodes)``, or ``edge_index``: integers of shape (2, n_edges) that list
            both directions of each edge. An array of shape (n_graphs, n, n) is a list of graphs.

        Returns
        -------
        encoding : array of shape (n_nodes, 3 * n_filters), or list of such arrays
            Float32 for float32 weights, else float64. A list for a list, in its order. A pandas
            DataFrame (``set_output``) has the names of the nodes as its index.
        """
        self._validate_params()
        filters = self._filters()
        graphs, single = check_graphs(self, X, method="transform")
        tables = []
        for number, (graph, names) in enumerate(graphs, 1):
            progress(self, f"graph {number} of {len(graphs)}: {graph.shape[0]} nodes")
            rows = positional_encoding(graph, self.n_components, filters, taper=self.taper)
            table = as_container(self, rows.astype(graph.dtype, copy=False), None)
            if names is not None and hasattr(table, "iloc"):
                table.index = names
            tables.append(table)
        return tables[0] if single else tables

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, then encode the same graphs.

        Parameters
        ----------
        X : graph or list of graphs
            See `transform`.
        y : Ignored
            Not used, present for API consistency.
        **fit_params : dict
            None is known; others raise a TypeError.

        Returns
        -------
        encoding : array of shape (n_nodes, 3 * n_filters), or list of such arrays
            See `transform`.
        """
        # scikit-learn's own would put a whole list into one container
        return self.fit(X, y, **fit_params).transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: filter and statistic.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
            Such as "heat1_diagonal".
        """
        names = [f"{name}_{statistic}" for name in self._filters() for statistic in STATISTICS]
        return np.asarray(names, dtype=object)

    def _filters(self) -> dict[str, Any]:
        """The filters by name, checked where they are the user's."""
        if isinstance(self.filters, list):
            grid = np.linspace(0, 2, 5)
            for i, function in enumerate(self.filters):
                values = np.asarray(function(grid)) if callable(function) else None
                if values is None or values.shape != grid.shape or not np.isfinite(values).all():
                    raise ValueError(
                        f"filters[{i}] = {function!r} must be a function that takes an array of "
                        "values in [0, 2] and returns finite numbers in the same shape."
                    )
            if not self.filters:
                raise ValueError("filters is an empty list: give at least one function.")
        return spectral_filters(self.filters)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.two_d_array = False  # a graph is no table of independent rows
        tags.input_tags.pairwise = True
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        return tags


# set_output is offered, but transform itself applies it, to each table of a list. scikit-learn
# empties this set while it makes the class.
SpectralPositionalEncoding._sklearn_auto_wrap_output_keys = {"transform"}
