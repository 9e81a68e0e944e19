"""What every classifier shares whose classes are subspaces: labels, scores, predictions."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, is_array, is_numpy, move_like, to_numpy
from .._base import SubspaceEstimator, warn
from .._checks.table import check_labels, check_sample_weight, check_samples
from ..functional.grassmann.nearest_subspace import (
    ColumnStatistics,
    gaps,
    projection_norms,
    row_directions,
    spreads,
    typical_length,
)

__all__ = ["ClassSubspaceModel", "Table"]

# Dimension of a class's subspace unless another is asked for.
_DIMENSION = 4


class Table(NamedTuple):
    """Checked training rows, those of weight zero left out."""

    X: Array
    """Rows, (n_samples, n_features)."""
    labels: np.ndarray
    """Class label of each row, on the host."""
    weights: Array | None
    """Frequencies in the precision of X, all positive; None means 1 each."""


class ClassSubspaceModel(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClassifierMixin, SubspaceEstimator
):
    """Labels in, labels out; a subclass says in `_scores` how rows are scored by class.

    A subclass has the parameters ``n_components`` and ``constant`` and sets ``subspaces_``,
    ``classes_``, and, if its rows are divided by their lengths, ``mean_`` and ``constant_``.
    """

    @abstractmethod
    def _scores(self, X: Any, method: str) -> Array:
        """Scores (n_samples, n_classes), the largest being that of the predicted class."""

    def decision_function(self, X: Any) -> Array:
        """Score of each class; with two classes that of the second minus that of the first.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : array of shape (n_samples, n_classes), or (n_samples,) with two classes
            The largest, or the sign, decides; float64, whatever the precision of X.
        """
        scores = self._scores(X, "decision_function")
        return scores if scores.shape[1] > 2 else scores[:, 1] - scores[:, 0]

    def predict(self, X: Any) -> Array:
        """Class of each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : array of shape (n_samples,)
            From ``classes_``, in its array library.
        """
        scores = self._scores(X, "predict")
        codes = array_namespace(scores).argmax(scores, axis=1)
        if is_numpy(self.classes_):
            return self.classes_[to_numpy(codes)]
        return array_namespace(self.classes_).take(self.classes_, codes)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose class is predicted.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,)
            Their classes.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

        Returns
        -------
        accuracy : float
            In [0, 1]; counted on the host, whatever library the arrays are from.
        """
        truth, found, weights = (
            to_numpy(a) if is_array(a) else a for a in (y, self.predict(X), sample_weight)
        )
        return float(accuracy_score(truth, found, sample_weight=weights))

    @property
    def _n_features_out(self) -> int:
        return int(self.subspaces_.shape[0])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _warn_of_idle(self, reasons: Mapping[str, str]) -> None:
        """Tell of parameters that were set and do nothing; each with the setting that is why."""
        defaults = inspect.signature(type(self).__init__).parameters
        for name, reason in reasons.items():
            value = getattr(self, name)
            if value != defaults[name].default:
                warn(f"{type(self).__name__}: {name}={value!r} does nothing with {reason}.")

    def _table(self, X: Any, y: Any, sample_weight: Any, *, reset: bool, method: str) -> Table:
        """Check training data, and leave out rows of weight zero."""
        like = None if reset else self.subspaces_
        fewest = 2 if method == "fit" else 1
        how: dict[str, Any] = {"method": method, "min_samples": fewest, "computed_in": np.float64}
        X = check_samples(self, X, reset=reset, like=like, **how)
        labels = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X, may_be_empty=not reset)
        if weights is None:
            return Table(X, labels, None)
        xp = array_namespace(X)
        kept = np.flatnonzero(to_numpy(weights) > 0)
        if len(kept) < len(labels):
            rows = move_like(kept, X)
            X, labels, weights = xp.take(X, rows, axis=0), labels[kept], xp.take(weights, rows)
        return Table(X, labels, xp.astype(weights, X.dtype))

    def _classes_of(self, labels: np.ndarray, X: Array) -> tuple[Array, np.ndarray]:
        """``classes_``, in the library of X where it can be, and the number of each label's."""
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, but y holds one class "
                f"only (among rows of positive weight): {classes.tolist()[0]!r}."
            )
        if is_numpy(X) or classes.dtype.kind not in "iufb":  # words are on the host
            return classes, codes
        return move_like(classes, X), codes

    def _known_classes(self, X: Array, classes: Any) -> Array:
        """``classes_`` of a stream: the argument of the first call, which later ones may repeat."""
        fitted = getattr(self, "classes_", None)
        if classes is None:
            if fitted is None:
                raise ValueError("classes must be given in the first call of partial_fit.")
            return fitted
        announced, _ = self._classes_of(check_labels(self, classes), X)
        if fitted is not None and not np.array_equal(to_numpy(fitted), to_numpy(announced)):
            raise ValueError(
                f"classes={to_numpy(announced)} are not those of the first call of partial_fit or "
                f"of fit: {to_numpy(fitted)}. Leave them out, or make a new estimator."
            )
        return announced

    @staticmethod
    def _known_codes(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Number of each label's class; a label of no class raises."""
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(
                f"y holds classes that were not announced: {unknown[:5]}. The classes are "
                f"{classes}; give all of them in the first call of partial_fit."
            )
        return np.searchsorted(classes, labels)

    def _dimension(self, n_features: int) -> int:
        """``n_components``, below the number of features with the constant; None chooses."""
        appended = int(self.constant_ != 0)
        if self.n_components is None:
            return max(1, min(_DIMENSION, (n_features + appended) // 2))
        if self.n_components >= n_features + appended:
            plus = " (one more with the constant)" if appended else ""
            raise ValueError(
                f"n_components={self.n_components} must be below n_features={n_features}{plus}: a "
                "subspace that is the whole space holds every row, of any class. Choose a smaller "
                "n_components."
            )
        return int(self.n_components)

    def _dimension_and_rows(
        self, codes: np.ndarray, classes: Array, table: Table
    ) -> tuple[int, list[Array]]:
        """Dimension of the subspaces, and the row numbers of each class, which has as many."""
        members = [np.flatnonzero(codes == c) for c in range(classes.shape[0])]
        # a row of weight 2 counts as two, a row of weight 1/2 as one
        weights = None if table.weights is None else to_numpy(table.weights)
        counts = [len(m) if weights is None else max(len(m), weights[m].sum()) for m in members]
        dimension = self._dimension_of(counts, classes, table.X.shape[1])
        return dimension, [move_like(m, table.X) for m in members]

    def _dimension_of(self, counts: list[float], classes: Array, n_features: int) -> int:
        """Dimension of the subspaces of classes that have so many rows."""
        dimension = self._dimension(n_features)
        if self.n_components is None:
            dimension = min(dimension, int(min(counts)))
        few = [c for c, count in enumerate(counts) if count < dimension]
        if few:
            words = to_numpy(classes).tolist()
            names = ", ".join(f"{words[c]!r} ({counts[c]:.3g})" for c in few[:5])
            raise ValueError(
                f"A subspace of n_components={dimension} needs as many rows, but these classes "
                f"have fewer (in brackets): {names}. Choose a smaller n_components, or give more "
                "rows."
            )
        return dimension

    def _keep_origin(
        self, statistics: ColumnStatistics, X: Array, standardize: bool = False
    ) -> Array:
        """Set ``mean_`` and ``constant_``, by which rows are compared; return their units."""
        xp = array_namespace(X)
        mean = statistics.mean if self.center else xp.zeros_like(statistics.mean)
        scale = xp.ones_like(mean)
        if standardize:
            scale = spreads(statistics, float(xp.finfo(X.dtype).eps))
        length = typical_length(statistics, mean, scale)
        self.constant_ = length if self.constant == "auto" else float(self.constant)
        self.mean_, self._is_centred = xp.astype(mean, X.dtype), self.center
        return xp.astype(scale, X.dtype)

    def _directions(self, X: Array, method: str) -> Array:
        """Rows as they are compared: from ``mean_``, with the constant, of length 1.

        In float64: where rows have most in common, cosines near 1 tell classes apart, and those of
        float32 are all the same from an angle of 3e-4 down.
        """
        xp = array_namespace(X)
        X = xp.astype(X, xp.float64)
        if self._is_centred:
            X = gaps(X, self._in(X, self.mean_))
        if hasattr(self, "scale_"):
            X = X / self._in(X, self.scale_)
        if self.constant_:
            column = xp.full((X.shape[0], 1), self.constant_, dtype=X.dtype, device=device_of(X))
            X = xp.concat([X, column], axis=1)
        directions, has_direction = row_directions(X)
        if not bool(xp.all(has_direction)):
            first = int(xp.argmin(xp.astype(has_direction, xp.int8)))
            reason = "is the mean of the training rows" if self._is_centred else "is zero"
            raise ValueError(
                f"{type(self).__name__}.{method} compares directions, and row {first} of X has "
                f"none: it {reason}. Leave such rows out, or set constant='auto', with which every "
                "row has a direction."
            )
        return directions

    def _cosines(self, X: Array, method: str) -> Array:
        """Cosine of the angle between each row and each class's subspace, in float64."""
        X = self._directions(X, method)
        xp = array_namespace(X)
        U = self._in(X, self.subspaces_)
        # float32 columns are orthonormal to 1e-7; one step of Newton's makes that 1e-14
        eye = xp.eye(U.shape[2], dtype=U.dtype, device=device_of(U))
        U = U @ (1.5 * eye - 0.5 * (xp.matrix_transpose(U) @ U))
        return projection_norms(X, U)

    def _checked(self, X: Array, method: str) -> Array:
        check_is_fitted(self)
        how: dict[str, Any] = {"like": self.subspaces_, "computed_in": np.float64}
        return check_samples(self, X, reset=False, method=method, **how)

    @staticmethod
    def _in(X: Array, values: Array) -> Array:
        """An array in the precision of X."""
        return array_namespace(X).astype(values, X.dtype)
