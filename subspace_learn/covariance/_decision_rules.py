"""The two ways to decide between classes: a classifier on tangent vectors, or the nearest mean.

A rule is fitted to covariance points (see `_geometry`) and holds what it learns. It is not an
estimator: AugmentedCovarianceClassifier is, and shows what its rule holds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.svm import SVC
from sklearn.utils.validation import has_fit_parameter

from .._array import Array, array_namespace, move_like, to_numpy
from .._base import random_seed
from .._checks.magnitude import check_magnitude
from ..functional.covariance.spd import ONE_BLAS_THREAD
from ._geometry import CovarianceGeometry, average

__all__ = [
    "DecisionRule",
    "NearestMeanRule",
    "Split",
    "TangentSpaceRule",
    "decision_rule",
    "tangent_classifier",
]

Split = tuple[np.ndarray, np.ndarray]
# The bound and tolerance of LIBSVM itself. scikit-learn lifts the bound: some problems have no end.
_SVM_STEPS, _SVM_TOL = 10_000_000, 1e-3


class TangentSpaceRule:
    """A scikit-learn classifier on the tangent vectors at a reference point.

    ``rotation_free`` says that the classifier gives the same answers in any orthonormal
    coordinates (linear, with an L2 penalty), so that a search may hand it fewer of them.

    Under a metric whose lengths have units, the coordinates are divided by their root mean square
    in training: C=1, a kernel or a penalty then means the same in volts and in microvolts, and
    about what it means under the affine-invariant metric.
    """

    means = None

    def __init__(
        self,
        geometry: CovarianceGeometry,
        prototype: BaseEstimator,
        reference: str,
        rotation_free: bool,
    ) -> None:
        self.geometry, self.prototype = geometry, prototype
        self.reference_rule, self.rotation_free = reference, rotation_free
        # accuracies of a search do not need the digits of the final fit, which may cost LIBSVM a
        # million steps where classes cannot be told apart
        loose = rotation_free and isinstance(prototype, SVC)
        self.screening = clone(prototype).set_params(tol=1e-4) if loose else prototype

    def fit(self, points: Array, y: np.ndarray, weight: np.ndarray | None) -> TangentSpaceRule:
        """Find the reference and train the classifier."""
        self.classifier = self._trained(
            self._training_vectors(points, weight), y, weight, self.prototype
        )
        return self

    def features(self, points: Array) -> np.ndarray:
        """Tangent vectors at the reference, on the host, where scikit-learn works."""
        vectors = to_numpy(self.geometry.tangent_vectors(points, self.reference))
        return vectors if self.unit == 1.0 else vectors / self.unit

    def predict(self, points: Array) -> np.ndarray:
        """Labels."""
        return self.classifier.predict(self.features(points))

    def decision_function(self, points: Array) -> np.ndarray:
        """Scores of the classifier."""
        return self.classifier.decision_function(self.features(points))

    def predict_proba(self, points: Array) -> np.ndarray:
        """Probabilities of the classifier."""
        return self.classifier.predict_proba(self.features(points))

    def cross_scores(
        self,
        trials: Any,
        cell: tuple[int, int],
        y: np.ndarray,
        weight: np.ndarray | None,
        splits: Sequence[Split],
    ) -> list[float]:
        """Accuracy on each fold. The reference is that of all points: it sees no label."""
        features = self._training_vectors(self.geometry.points(trials, *cell), weight)
        if self.rotation_free and features.shape[1] > features.shape[0]:
            features = isometric_coordinates(features)
        scores = []
        for train, test in splits:
            classifier = self._trained(
                features[train], y[train], taken(weight, train), self.screening
            )
            predicted = classifier.predict(features[test])
            scores.append(accuracy_score(y[test], predicted, sample_weight=taken(weight, test)))
        return scores

    def _training_vectors(self, points: Array, weight: np.ndarray | None) -> np.ndarray:
        """Find reference and unit; return the tangent vectors there."""
        self.n_iter, self.unit = 1, 1.0
        beside = None if weight is None else move_like(weight, points)
        if self.reference_rule == "arithmetic":
            self.reference = average(points, beside)
        else:
            self.reference, self.n_iter, _ = self.geometry.mean(points, beside)
        vectors = self.features(points)
        if not self.geometry.relative:
            square = float(np.average(np.mean(vectors**2, axis=1), weights=weight))
            self.unit = square**0.5 if square > 0 else 1.0
            vectors = vectors / self.unit
        # LIBSVM holds its kernel in float32, and loops for ever where that overflows
        check_magnitude(
            vectors,
            name=type(self.prototype).__name__,
            input_name="the tangent vectors",
            smallest=False,
            like=np.float32 if isinstance(self.prototype, SVC) else None,
        )
        return vectors

    def _trained(
        self, features: np.ndarray, y: np.ndarray, weight: np.ndarray | None, prototype: Any
    ) -> BaseEstimator:
        classifier = clone(prototype)
        if weight is None:
            return _fitted(classifier, features, y)
        if not has_fit_parameter(classifier, "sample_weight"):
            raise TypeError(
                f"sample_weight was given, but {type(classifier).__name__}.fit does not take it. "
                "Leave it out, or use classifier='svm', 'lr' or 'mdm'."
            )
        return _fitted(classifier, features, y, sample_weight=weight)


class NearestMeanRule:
    """Minimum distance to mean: one Frechet mean for each class."""

    reference = classifier = None

    def __init__(self, geometry: CovarianceGeometry) -> None:
        self.geometry = geometry

    def fit(
        self,
        points: Array,
        y: np.ndarray,
        weight: np.ndarray | None,
        start: dict[Any, Array] | None = None,
    ) -> NearestMeanRule:
        """Find the class means; ``start`` may hold points near them, by class."""
        xp = array_namespace(points)
        self.classes = np.unique(y)
        means, self.n_iter = [], 1
        for label in self.classes.tolist():
            rows = np.flatnonzero(y == label)
            weights = None if weight is None else move_like(weight[rows], points)
            part = xp.take(points, move_like(rows, points), axis=0)
            init = None if start is None else start[label]
            result = self.geometry.mean(part, weights, init)
            means.append(result.mean)
            self.n_iter = max(self.n_iter, result.n_iter)
        self.means = xp.stack(means)
        return self

    def squared_distances(self, points: Array) -> np.ndarray:
        """Squared distances to the class means, (n, n_classes), on the host."""
        return to_numpy(self.geometry.squared_distances(points, self.means))

    def features(self, points: Array) -> np.ndarray:
        """Distances to the class means."""
        return np.sqrt(self.squared_distances(points))

    def predict(self, points: Array) -> np.ndarray:
        """Class of the nearest mean."""
        return self.classes[np.argmin(self.squared_distances(points), axis=1)]

    def decision_function(self, points: Array) -> np.ndarray:
        """Minus the squared distances; of two classes the difference."""
        scores = -self.squared_distances(points)
        return scores[:, 1] - scores[:, 0] if len(self.classes) == 2 else scores

    def predict_proba(self, points: Array) -> np.ndarray:
        """Softmax of minus the squared distances."""
        return softmax(-self.squared_distances(points), axis=1)

    def cross_scores(
        self,
        trials: Any,
        cell: tuple[int, int],
        y: np.ndarray,
        weight: np.ndarray | None,
        splits: Sequence[Split],
    ) -> list[float]:
        """Accuracy on each fold. The means of all points are where those of a fold start."""
        points = self.geometry.points(trials, *cell)
        xp = array_namespace(points)
        self.fit(points, y, weight)
        start = dict(zip(self.classes.tolist(), list(self.means), strict=True))
        scores = []
        for train, test in splits:
            parts = [xp.take(points, move_like(rows, points), axis=0) for rows in (train, test)]
            fold = NearestMeanRule(self.geometry)
            fold.fit(parts[0], y[train], taken(weight, train), start)
            predicted = fold.predict(parts[1])
            scores.append(accuracy_score(y[test], predicted, sample_weight=taken(weight, test)))
        return scores


DecisionRule = TangentSpaceRule | NearestMeanRule


def _fitted(classifier: Any, features: np.ndarray, y: np.ndarray, **weights: Any) -> Any:
    """Fit; our SVM to the tolerance of LIBSVM, where float32 keeps it from its own."""
    if isinstance(classifier, LogisticRegression):
        # L-BFGS is SciPy's, the loss NumPy's: each step would wait for the idle threads of the
        # other's BLAS, which takes ten times as long as the step
        with ONE_BLAS_THREAD:
            return classifier.fit(features, y, **weights)
    if not (isinstance(classifier, SVC) and classifier.max_iter == _SVM_STEPS):
        return classifier.fit(features, y, **weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(features, y, **weights)
    if classifier.fit_status_:
        classifier.set_params(tol=_SVM_TOL).fit(features, y, **weights)
    return classifier


def tangent_classifier(choice: Any, random_state: Any = None) -> BaseEstimator:
    """The classifier of tangent vectors behind a choice, unfitted."""
    if choice == "svm":
        # LIBSVM's own tolerance moves the scores by 1e-4 when the order of the epochs changes; its
        # kernel is in float32, so that below 1e-7 it may take 1e7 steps without an end. It draws
        # nothing; a seed keeps scikit-learn from advancing NumPy's global state all the same
        return SVC(kernel="linear", tol=1e-7, max_iter=_SVM_STEPS, random_state=0)
    if choice == "lr":
        return LogisticRegression(max_iter=1000)
    prototype = clone(choice)
    if random_state is not None and prototype.get_params().get("random_state", 0) is None:
        prototype.set_params(random_state=random_seed(random_state) % 2**31)
    return prototype


def decision_rule(
    choice: Any, geometry: CovarianceGeometry, reference: str, random_state: Any
) -> DecisionRule:
    """Nearest means for "mdm", else the chosen classifier on tangent vectors."""
    if choice == "mdm":
        return NearestMeanRule(geometry)
    prototype = tangent_classifier(choice, random_state)
    return TangentSpaceRule(geometry, prototype, reference, choice in ("svm", "lr"))


def isometric_coordinates(features: np.ndarray) -> np.ndarray:
    """At most n coordinates of n rows, with the same inner products."""
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > values[-1] * len(values) * np.finfo(values.dtype).eps
    return vectors[:, kept] * np.sqrt(values[kept])


def taken(weight: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """Weights of some rows; None stays None."""
    return None if weight is None else weight[rows]
