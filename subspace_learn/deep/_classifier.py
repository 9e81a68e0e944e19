"""Classification by a torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from .._base import StrOptions, fit_method
from .._checks.table import check_labels
from ..functional.grassmann.grassmann_classifier import log_probabilities, probabilities
from ._base import BaseDeepEstimator, Rows
from ._documentation import with_training_parameters
from ._module_parameters import ModuleEstimator

__all__ = ["BaseDeepClassifier", "DeepClassifier"]


class BaseDeepClassifier(ClassifierMixin, BaseDeepEstimator):
    """Labels in, logits of a module, labels and probabilities out."""

    _kind = "classifier"

    _parameter_constraints: dict = {
        **BaseDeepEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BaseDeepClassifier:
        """Train a new module; with ``warm_start`` the one that is there.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows. Scale them, for example by :class:`sklearn.preprocessing.StandardScaler`.
        y : array of shape (n_samples,)
            Class of each row; numbers or words.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows. Batches hold rows, whatever their weights.

        Returns
        -------
        self : estimator
            Fitted.
        """
        begun = self._is_begun("fit")
        X, weights = self._rows(X, sample_weight, reset=not begun, method="fit")
        labels = check_labels(self, y, X.shape[0])
        if not begun:
            self.classes_ = np.unique(labels if weights is None else labels[weights > 0])
            if len(self.classes_) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs rows of at least two classes, but y holds one "
                    f"class only (among rows of positive weight): {self.classes_.tolist()[0]!r}."
                )
        return self._train_on(X, labels, weights, method="fit", begun=begun)

    @fit_method
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BaseDeepClassifier:
        """Train for one epoch on these rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,)
            Class of each row.
        classes : array of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows.

        Returns
        -------
        self : estimator
            Fitted.
        """
        begun = self._is_begun("partial_fit")
        X, weights = self._rows(X, sample_weight, reset=not begun, method="partial_fit")
        labels = check_labels(self, y, X.shape[0])
        if not begun:
            if classes is None:
                raise ValueError("classes must be given in the first call of partial_fit.")
            self.classes_ = np.unique(check_labels(self, classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={np.unique(classes)} are not those of the first call of partial_fit or "
                f"of fit: {self.classes_}. Leave them out, or make a new estimator."
            )
        return self._train_on(X, labels, weights, method="partial_fit", begun=begun)

    def _train_on(
        self, X: Any, labels: np.ndarray, weights: np.ndarray | None, *, method: str, begun: bool
    ) -> BaseDeepClassifier:
        if weights is not None:
            labels = np.where(weights > 0, labels, self.classes_[0])  # these rows are left out
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y holds classes that {type(self).__name__} was not told of: {unknown[:5]}. It "
                f"knows {self.classes_}; give all classes in the first call of partial_fit, or fit "
                "anew without warm_start."
            )
        codes = np.searchsorted(self.classes_, labels).astype(np.int64)
        if self.class_weight is not None:
            own = self._weights_of_classes(codes, weights, method)
            weights = own[codes] if weights is None else weights * own[codes]
            if not weights.any():
                raise ValueError(
                    "No row is left of positive weight: class_weight gives 0 to every class that "
                    "y holds. Give one of them a weight."
                )
        rows = Rows(X, codes, weights, len(self.classes_))
        self._train(rows, method=method, begun=begun)
        return self

    def _weights_of_classes(
        self, codes: np.ndarray, weights: np.ndarray | None, method: str
    ) -> np.ndarray:
        """A factor for the rows of each class, in the order of ``classes_``."""
        if isinstance(self.class_weight, Mapping):
            known = self.classes_.tolist()
            unknown = [label for label in self.class_weight if label not in known]
            found = [float(self.class_weight.get(label, 1.0)) for label in known]
            if unknown or not all(0 <= each < np.inf for each in found):
                raise ValueError(
                    f"class_weight={self.class_weight!r} must give finite weights of 0 or more to "
                    f"classes of y, which are {known}."
                )
            return np.array(found)
        if method == "partial_fit":
            raise ValueError(
                "class_weight='balanced' needs the share of each class, which the rows of a "
                "stream do not tell. Give the weights: class_weight={label: weight, ...}."
            )
        sums = np.bincount(codes, weights, minlength=len(self.classes_))
        return sums.sum() / (len(sums) * np.where(sums > 0, sums, 1.0))

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits; with two classes that of the second minus that of the first.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes), or (n_samples,) with two classes
            The largest, or the sign, decides. In float64.
        """
        scores = self._logits(X, "decision_function")
        return scores if scores.shape[1] > 2 else scores[:, 1] - scores[:, 0]

    def predict(self, X: Any) -> np.ndarray:
        """Class of each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            From ``classes_``.
        """
        codes = self._logits(X, "predict").argmax(axis=1)
        return self.classes_[codes]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of the logits, computed in float64.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to 1. Not calibrated.
        """
        return probabilities(self._logits(X, "predict_proba"))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of `predict_proba`, finite where that rounds to 0.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            At most 0.
        """
        return log_probabilities(self._logits(X, "predict_log_proba"))

    def _logits(self, X: Any, method: str) -> np.ndarray:
        return self._outputs(X, method).astype(np.float64)

    def _loss(self) -> Any:
        import torch

        return torch.nn.CrossEntropyLoss(reduction="none")


@with_training_parameters("""\
module : type or callable, default=None
    Class of a torch module, or a function that returns a new one, mapping (n_samples,
    n_features) to logits (n_samples, n_classes). Never a module itself, which a first fit would
    change for the next. If it has parameters ``n_features`` and ``n_outputs``, they are set from
    the data. None is a :class:`Perceptron`.
""")
class DeepClassifier(ModuleEstimator, BaseDeepClassifier):
    r"""Classify rows with any torch module that returns logits.

    The weighted mean cross-entropy :math:`-\log \operatorname{softmax}(f(x))_y` is minimised over
    the parameters of the module f in mini-batches.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted: the order of the logits.

    See Also
    --------
    DeepRegressor, DeepTransformer : The same for numbers, and for codes.
    sklearn.neural_network.MLPClassifier : Without torch, for perceptrons only.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from subspace_learn.deep import DeepClassifier
    >>> class Net(torch.nn.Module):
    ...     def __init__(self, n_features, n_outputs, hidden=8):
    ...         super().__init__()
    ...         self.first = torch.nn.Linear(n_features, hidden)
    ...         self.last = torch.nn.Linear(hidden, n_outputs)
    ...
    ...     def forward(self, X):
    ...         return self.last(torch.tanh(self.first(X)))
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = make_pipeline(
    ...     StandardScaler(), DeepClassifier(Net, module__hidden=16, lr=0.02, random_state=0)
    ... )
    >>> clf.fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: dict = {
        **ModuleEstimator._parameter_constraints,
        **BaseDeepClassifier._parameter_constraints,
    }

    def __init__(
        self,
        module=None,
        *,
        class_weight=None,
        max_epochs=50,
        lr=1e-3,
        batch_size=64,
        optimizer="adam",
        weight_decay=0.0,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype=None,
        random_state=None,
        verbose=0,
        net_params=None,
        **module__x,
    ):
        super().__init__(
            module,
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            callbacks=callbacks,
            device=device,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
            net_params=net_params,
            **module__x,
        )
        self.class_weight = class_weight
