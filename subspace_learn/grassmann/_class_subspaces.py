"""What every classifier shares whose classes are subspaces: labels, scores, predictions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, is_array, is_numpy, move_like, to_numpy
from .._base import SubspaceEstimator
from .._checks.table import check_labels, check_sample_weight, check_samples
from ..functional.grassmann.nearest_subspace import gaps, row_directions, weighted_mean

__all__ = ["ClassSubspaceModel", "Table"]


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

    A subclass has the parameters ``subspace_dim`` and ``constant`` and sets ``subspaces_``,
    ``classes_``, and ``mean_`` if its rows are divided by their lengths.
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
            The largest, or the sign, decides.
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

    def _table(self, X: Any, y: Any, sample_weight: Any, *, reset: bool, method: str) -> Table:
        """Check training data, and leave out rows of weight zero."""
        like = None if reset else self.subspaces_
        fewest = 2 if method == "fit" else 1
        X = check_samples(self, X, reset=reset, like=like, method=method, min_samples=fewest)
        labels = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X)
        if reset:
            self._check_dimension(X.shape[1])
        if weights is None:
            return Table(X, labels, None)
        xp = array_namespace(X)
        kept = np.flatnonzero(to_numpy(weights) > 0)
        if len(kept) < len(labels):
            rows = move_like(kept, X)
            X, labels, weights = xp.take(X, rows, axis=0), labels[kept], xp.take(weights, rows)
        return Table(X, labels, xp.astype(weights, X.dtype))

    def _check_dimension(self, n_features: int) -> None:
        appended = self._n_appended()
        if self.subspace_dim >= n_features + appended:
            plus = " (one more with the constant)" if appended else ""
            raise ValueError(
                f"subspace_dim={self.subspace_dim} must be below n_features={n_features}{plus}: a "
                "subspace that is the whole space holds every row, of any class. Choose a smaller "
                "subspace_dim."
            )

    def _n_appended(self) -> int:
        """Number of constant features that are appended to a row."""
        return int(self.constant != 0)

    def _classes_of(self, labels: np.ndarray, X: Array) -> tuple[Array, np.ndarray]:
        """``classes_``, in the library of X where it can be, and the number of each label's."""
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, but y holds one class "
                f"only (among rows of positive weight): {classes.tolist()[0]!r}."
            )
        return self._in_library(classes, X), codes

    @staticmethod
    def _in_library(classes: np.ndarray, X: Array) -> Array:
        """Numbers beside rows of another library than NumPy move there; words cannot."""
        if is_numpy(X) or classes.dtype.kind not in "iufb":
            return classes
        return move_like(to_numpy(classes), X)

    def _known_classes(self, X: Array, classes: Any) -> Array:
        """``classes_`` of a stream: the argument of the first call, which later ones may repeat."""
        fitted = getattr(self, "classes_", None)
        if classes is None:
            if fitted is None:
                raise ValueError("classes must be given in the first call of partial_fit.")
            return fitted
        given, _ = self._classes_of(check_labels(self, classes), X)
        if fitted is not None and not np.array_equal(to_numpy(fitted), to_numpy(given)):
            raise ValueError(
                f"classes={to_numpy(given)} are not those of the first call of partial_fit or of "
                f"fit: {to_numpy(fitted)}. Leave them out, or make a new estimator."
            )
        return given

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

    def _class_rows(self, codes: np.ndarray, classes: Array) -> list[np.ndarray]:
        """Row numbers of each class, none with fewer rows than its subspace needs."""
        rows = [np.flatnonzero(codes == c) for c in range(classes.shape[0])]
        few = [c for c, members in enumerate(rows) if len(members) < self.subspace_dim]
        if few:
            words = to_numpy(classes).tolist()
            names = ", ".join(f"{words[c]!r} ({len(rows[c])})" for c in few[:5])
            raise ValueError(
                f"A subspace of subspace_dim={self.subspace_dim} needs as many rows, but these "
                f"classes have fewer (in brackets): {names}. Choose a smaller subspace_dim, or "
                "give more rows."
            )
        return rows

    def _mean(self, X: Array, weights: Array | None, center: bool) -> Array:
        """Mean that is subtracted from every row before its direction is taken, or zeros."""
        if center:
            return weighted_mean(X, weights)
        return array_namespace(X).zeros(X.shape[1], dtype=X.dtype, device=device_of(X))

    def _directions(self, X: Array, method: str) -> Array:
        """Rows minus ``mean_``, divided by their lengths; a row without a direction raises."""
        xp = array_namespace(X)
        X = gaps(X, self._in(X, self.mean_))
        if self.constant:
            column = xp.full((X.shape[0], 1), self.constant, dtype=X.dtype, device=device_of(X))
            X = xp.concat([X, column], axis=1)
        directions, has_direction = row_directions(X)
        if not bool(xp.all(has_direction)):
            first = int(xp.argmin(xp.astype(has_direction, xp.int8)))
            reason = "is the mean of the training rows" if self.center else "is zero"
            raise ValueError(
                f"{type(self).__name__}.{method} compares directions, and row {first} of X has "
                f"none: it {reason}. Leave such rows out, or set constant=1.0, with which every "
                "row has a direction."
            )
        return directions

    def _checked(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        return check_samples(self, X, reset=False, like=self.subspaces_, method=method)

    @staticmethod
    def _in(X: Array, fitted: Array) -> Array:
        """A fitted array in the precision of X."""
        return array_namespace(X).astype(fitted, X.dtype)
