"""NearestSubspaceClassifier: each class a principal subspace, each row to the nearest (CLAFIC)."""

from __future__ import annotations

from numbers import Integral, Real
from operator import add
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Tags

from .._array import Array, array_namespace, double, move_like
from .._base import Interval, StrOptions, fit_method
from .._checks.table import check_labels
from .._chunk_tasks import adopt_columns
from .._distributed import Chunks
from ..functional.grassmann.nearest_subspace import (
    class_means,
    class_subspaces,
    column_statistics,
    energy_subspaces,
    gaps,
    squared_class_residuals,
)
from ..linalg.eig import with_fixed_signs
from ._class_chunks import added_classes, class_energies, classes_of_chunk
from ._class_subspaces import ClassSubspaceModel, Table

__all__ = ["NearestSubspaceClassifier"]


class NearestSubspaceClassifier(ClassSubspaceModel):
    r"""Classify rows by the nearest of the classes' principal subspaces, without any training.

    Class c owns the span of the k leading eigenvectors :math:`U_c` of its second moments. A row
    belongs to the class that holds most of it,

    .. math:: \arg\max_c |U_c^T x| / |x| \quad\text{("projection", CLAFIC)}, \qquad
              \arg\min_c |(I - U_c U_c^T)(x - m_c)| \quad\text{("residual")}.

    Parameters
    ----------
    n_components : int, default=None
        Dimension k of each class's subspace: below n_features, and at most the number of rows of
        each class. None means 4, but at most half of n_features and the rows of the smallest class.
    metric : {"projection", "residual"}, default="projection"
        "projection": rows are divided by their lengths, in `fit` too, and compared by the cosine of
        their angle to each subspace; the lengths and signs of rows do not matter. "residual": rows
        stay as they are, and are compared by their distance to each subspace.
    center : bool, default=False
        With "projection" whether the mean of *all* rows is subtracted before the lengths are taken;
        the subspaces pass through the origin of the shifted space. With "residual" whether
        each class has a mean of its own, :math:`m_c`, through which its (affine) subspace passes;
        without it :math:`m_c = 0`, and a row has the same nearest subspace by both
        metrics when the subspaces are the same.
    constant : float or "auto", default="auto"
        Value of a constant feature appended to every row before its length is taken
        ("projection"). With it x and -x are told apart, and a zero row has a direction. "auto" is
        the root mean square length of the rows; 0 appends none, as CLAFIC has it.

    Attributes
    ----------
    subspaces_ : array of shape (n_classes, n_features, n_components)
        Orthonormal columns by descending energy, with one more row at the end if a constant is
        appended. Where the rows of a class span less than k directions the other columns are zero.
    n_components_ : int
        Dimension of each subspace.
    constant_ : float
        The constant feature; 0 where none is appended.
    classes_ : array of shape (n_classes,)
        Class labels, sorted; in the array library of X if they are numbers.
    mean_ : array of shape (n_features,)
        Subtracted from every row ("projection"): mean of the training rows, or zeros.
    means_ : array of shape (n_classes, n_features)
        Mean of each class, or zeros ("residual").
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If X holds NaN or infinity, or with "projection" a row without a direction; if y holds one
        class only; if a class has fewer than k rows, or k is not below n_features.

    See Also
    --------
    GrassmannClassifier : The same subspaces, trained to tell the classes apart.
    sklearn.neighbors.NearestCentroid : The case k = 0 of the affine residual form.

    Notes
    -----
    `fit` costs n d^2 flops and an eigenproblem for each class, prediction 2 n d C k. A baseline
    that is hard to beat for images and spectra, whose classes vary in few directions. It fails
    where classes differ by sign or offset only and no constant is appended ("projection" then
    cannot tell x from -x), and where all of them share their strongest directions, which then fill
    every subspace. A column in large units outweighs the others, as in principal components: scale
    columns of different units first.

    Rows held by Dask, with y in the same chunks, are fitted in two passes: classes and means, then
    the second moments of each class, n_classes d^2 numbers a chunk. The result is that of the
    table to rounding.

    References
    ----------
    S. Watanabe, N. Pakvasa, "Subspace method in pattern recognition", Proc. 1st Int. Joint Conf. on
    Pattern Recognition (1973).
    E. Oja, "Subspace methods of pattern recognition" (1983), ch. 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from subspace_learn import NearestSubspaceClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    >>> clf = NearestSubspaceClassifier(n_components=8).fit(X_train, y_train)
    >>> clf.score(X_test, y_test) > 0.97
    True
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "metric": [StrOptions({"projection", "residual"})],
        "center": ["boolean"],
        "constant": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, n_components=None, *, metric="projection", center=False, constant="auto"
    ) -> None:
        self.n_components = n_components
        self.metric = metric
        self.center = center
        self.constant = constant

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NearestSubspaceClassifier:
        """Find the principal subspace of each class.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,)
            Class of each row; numbers or words.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

        Returns
        -------
        self : NearestSubspaceClassifier
            Fitted.
        """
        table = self._table(X, y, sample_weight, reset=True, method="fit")
        classes, codes = self._classes_of(table.labels, table.X)
        self._begin()
        if self.metric == "projection":
            self._keep_origin(column_statistics(table.X, table.weights), table.X)
        else:
            codes_of = range(classes.shape[0])
            rows = [move_like(np.flatnonzero(codes == c), table.X) for c in codes_of]
            self._keep_means(class_means(double(table.X), rows, table.weights), table.X)
        self._keep_subspaces(self._comparable(table.X, codes), table, codes, classes)
        self.classes_ = classes
        return self

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Fit by two passes over chunks: columns and classes, then the moments of each class."""
        if "y" not in chunks.beside:
            check_labels(self, None)  # says so
        chunks = chunks.using("y", "sample_weight")
        seen = chunks.total(classes_of_chunk, added_classes, estimator=clone(self))
        adopt_columns(self, seen.estimator)
        xp = array_namespace(seen.rows.mean)
        like = xp.astype(seen.rows.mean[None, :], seen.dtype)
        self._begin()
        self.classes_, _ = self._classes_of(seen.labels, like)
        if self.metric == "projection":
            self._keep_origin(seen.rows, like)
        else:
            self._keep_means(xp.stack([one.mean for one in seen.of_class]), like)
        counts = [
            max(n, one.weight) if "sample_weight" in chunks.beside else n
            for n, one in zip(seen.counts, seen.of_class, strict=True)
        ]
        self.n_components_ = self._dimension_of(counts, self.classes_, like.shape[1])
        energies = chunks.total(class_energies, add, estimator=self)
        eps = float(xp.finfo(seen.dtype).eps)
        U = energy_subspaces(list(energies), seen.counts, self.n_components_, eps=eps)
        self.subspaces_ = _with_fixed_signs(U, like)

    def transform(self, X: Any) -> Array:
        """Nearness of each row to each class: what `predict` compares.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_new : array of shape (n_samples, n_classes)
            Cosines in [0, 1] with "projection", distances with "residual".
        """
        X = self._checked(X, "transform")
        nearness = self._nearness(X, "transform")
        return self._in(X, nearness if self._metric == "projection" else -nearness)

    def _begin(self) -> None:
        """Forget what a fit before left that this one does not set."""
        self._metric = self.metric
        for other in ("mean_", "means_"):  # of a fit before, with the other metric
            self.__dict__.pop(other, None)
        if self.metric == "residual" and self.constant:
            self._warn_of_idle({"constant": "metric='residual'"})

    def _keep_means(self, means: Array, like: Array) -> None:
        """Points of the subspaces: the class means, or the origin."""
        xp, self.constant_ = array_namespace(means), 0.0
        self.means_ = xp.astype(means if self.center else xp.zeros_like(means), like.dtype)

    def _comparable(self, X: Array, codes: np.ndarray) -> Array:
        """Rows whose energy the subspaces keep: directions, or gaps to the means, in float64."""
        if self._metric == "projection":
            return self._directions(X, "fit")
        X = double(X)
        own = array_namespace(X).take(self._in(X, self.means_), move_like(codes, X), axis=0)
        return gaps(X, own)

    def _keep_subspaces(self, X: Array, table: Table, codes: np.ndarray, classes: Array) -> None:
        self.n_components_, rows = self._dimension_and_rows(codes, classes, table)
        eps = float(array_namespace(X).finfo(table.X.dtype).eps)
        U, _ = class_subspaces(X, rows, self.n_components_, table.weights, eps=eps)
        self.subspaces_ = _with_fixed_signs(U, table.X)

    def _scores(self, X: Any, method: str) -> Array:
        return self._nearness(self._checked(X, method), method)

    def _nearness(self, X: Array, method: str) -> Array:
        """Cosines, or distances with a minus sign."""
        if self._metric == "projection":
            return self._cosines(X, method)
        X = array_namespace(X).astype(X, array_namespace(X).float64)  # small beside the rows
        means, U = self._in(X, self.means_), self._in(X, self.subspaces_)
        squares = squared_class_residuals(X, U, means)
        return -array_namespace(X).sqrt(squares)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags


def _with_fixed_signs(U: Array, like: Array) -> Array:
    """Bases of all classes, the signs of their columns fixed, in the width of ``like``."""
    xp = array_namespace(U)
    fixed = [with_fixed_signs(U[c, ...].T).T for c in range(U.shape[0])]
    return xp.astype(xp.stack(fixed), like.dtype)
