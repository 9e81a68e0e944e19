"""What a fitted SpectralAMGClustering says of vertices that were not there in fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._base import as_container
from .._checks.table import check_samples
from ..functional.graph.affinity_graph import neighbor_weights, rbf_affinity
from ..functional.graph.new_vertices import (
    attributed_new_rows,
    model_labels,
    nearest_center,
    new_rows,
)
from ._attribute_columns import check_attributes
from ._cluster_input import NEXT_TO_NOTHING, check_edges, rbf_gamma

__all__ = ["NewVerticesMixin"]


class NewVerticesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Rows and labels by edges to the fitted vertices: transform and predict."""

    def transform(self, X: Any, *, adjacency: Any = None) -> np.ndarray:
        """Rows of new vertices in the embedding.

        Parameters
        ----------
        X : table, edges, or attributes
            As in `fit`. With ``affinity="precomputed"``: weights of edges to the fitted vertices,
            of shape (n_new, n), dense or sparse; columns of a DataFrame are matched by name.
        adjacency : array or sparse matrix of shape (n_new, n), default=None
            With attributes: edges of the new nodes to the fitted ones.

        Returns
        -------
        rows : ndarray of shape (n_new, n_features_out)
            Zeros for vertices without edges (and attributes) to the fitted ones.
        """
        check_is_fitted(self)
        edges, attributes, dtype = self._edges(X, adjacency, "transform")
        return self._new_rows(edges, attributes).astype(dtype, copy=False)

    def fit_transform(self, X: Any, y: Any = None, *, adjacency: Any = None) -> np.ndarray:
        """Fit, then transform the same input.

        Parameters
        ----------
        X : table, graph, or attributes
            See `fit`.
        y : Ignored
            Not used, present for API consistency.
        adjacency : graph of n nodes, default=None
            Makes ``X`` attributes.

        Returns
        -------
        rows : ndarray of shape (n, n_features_out)
            For graphs ``embedding_`` itself; points of a table are treated as new ones.
        """
        self.fit(X, adjacency=adjacency)
        if self._fit_X is not None:
            return self.transform(X)
        table = as_container(self, self.embedding_, X)
        if self.vertex_names_ is not None and hasattr(table, "iloc"):
            table.index = self.vertex_names_
        return table

    def predict(self, X: Any, *, adjacency: Any = None) -> np.ndarray:
        """Clusters of new vertices.

        Parameters
        ----------
        X : table, edges, or attributes
            See `transform`.
        adjacency : array or sparse matrix of shape (n_new, n), default=None
            With attributes: edges of the new nodes to the fitted ones.

        Returns
        -------
        labels : ndarray of int32, shape (n_new,)
            That of the nearest mean row, or the most probable one under ``block_model_``; of the
            most populous cluster where nothing is known.
        """
        check_is_fitted(self)
        edges, attributes, _ = self._edges(X, adjacency, "predict")
        if self.block_model_ is not None:
            return model_labels(self.block_model_, edges, attributes)
        return nearest_center(self._new_rows(edges, attributes), self._centers, self._largest)

    @property
    def _n_features_out(self) -> int:
        return self.embedding_.shape[1]

    def _edges(self, X: Any, adjacency: Any, method: str) -> tuple[sp.csr_array, Any, Any]:
        """Edges of new vertices to the fitted ones, their attributes, and the float type."""
        n = self.affinity_matrix_.shape[0]
        if self._graph is not None:
            if adjacency is None:
                raise ValueError(
                    f"{method} needs the edges of the new nodes to the {n} fitted ones: give "
                    f"adjacency of shape (n_new, {n}); a row of zeros is a node without edges."
                )
            attributes, _ = check_attributes(self, X, columns=self._columns, method=method)
            rows = X if hasattr(X, "iloc") else attributes
            edges = check_edges(
                self, adjacency, n, method=method, names=self.vertex_names_, attributes=rows
            )
            return edges, attributes, self.embedding_.dtype
        if adjacency is not None:
            raise ValueError(
                f"adjacency was given to {method}, but fit had none: X alone says where new "
                "vertices are."
            )
        affinity = self._as_fitted["affinity"]  # parameters may have been set since
        if affinity == "precomputed":
            edges = check_edges(self, X, n, method=method, names=self.vertex_names_)
            return edges, None, self.embedding_.dtype
        X = check_samples(self, X, reset=False, accept_sparse="csr", method=method)
        if affinity == "rbf":
            gamma = rbf_gamma(self._as_fitted["gamma"], self.n_features_in_)
            kernel = rbf_affinity(X, self._fit_X, gamma)
            kernel[kernel < NEXT_TO_NOTHING * kernel.max(axis=1, keepdims=True)] = 0
            edges = sp.csr_array(kernel)
        else:
            n_neighbors = self._as_fitted["n_neighbors"]
            edges = neighbor_weights(X, self._fit_X, n_neighbors, n_jobs=self.n_jobs)
        return edges, None, X.dtype

    def _new_rows(self, edges: sp.csr_array, attributes: sp.csr_array | None) -> np.ndarray:
        if attributes is None:
            return new_rows(
                edges,
                self._projector,
                row_normalize=self._as_fitted["row_normalize"],
                shift=self.degree_shift_,
            )
        return attributed_new_rows(
            edges,
            attributes,
            self._graph,
            self.attribute_weight_,
            self._projector,
            self._values,
            row_normalize=self._as_fitted["row_normalize"],
        )
