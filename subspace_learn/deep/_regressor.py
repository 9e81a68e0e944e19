"""Regression by a torch module."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length

from .._array import is_array, to_numpy
from .._base import fit_method
from ._base import Rows
from ._documentation import with_training_parameters
from ._module_parameters import ModuleEstimator

__all__ = ["DeepRegressor"]


@with_training_parameters("""\
module : type or callable, default=None
    Class of a torch module, or a function that returns a new one, mapping (n_samples,
    n_features) to (n_samples, n_targets), one column also for one target. Never a module itself,
    which a first fit would change for the next. If it has parameters ``n_features`` and
    ``n_outputs``, they are set from the data. None is a :class:`Perceptron`.
""")
class DeepRegressor(RegressorMixin, ModuleEstimator):
    r"""Predict numbers with any torch module.

    The weighted mean of :math:`|f(x) - y|^2 / m`, m being the number of targets, is minimised over
    the parameters of the module f in mini-batches.

    See Also
    --------
    DeepClassifier, DeepTransformer : The same for labels, and for codes.
    sklearn.compose.TransformedTargetRegressor : Scales the targets, which training needs.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.deep import DeepRegressor
    >>> X = np.random.default_rng(0).uniform(-2, 2, size=(400, 1))
    >>> y = np.sin(2 * X[:, 0])
    >>> DeepRegressor(lr=0.01, random_state=0).fit(X, y).score(X, y) > 0.97
    True
    """

    _kind = "regressor"
    _target_shape: tuple[int, ...]

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DeepRegressor:
        """Train a new module; with ``warm_start`` the one that is there.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows. Scale them, for example by :class:`sklearn.preprocessing.StandardScaler`.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Numbers to predict. Scale them too, or training takes long.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows. Batches hold rows, whatever their weights.

        Returns
        -------
        self : DeepRegressor
            Fitted.
        """
        return self._train_on(X, y, sample_weight, method="fit")

    @fit_method
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> DeepRegressor:
        """Train for one epoch on these rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Numbers to predict.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows.

        Returns
        -------
        self : DeepRegressor
            Fitted.
        """
        return self._train_on(X, y, sample_weight, method="partial_fit")

    def predict(self, X: Any) -> np.ndarray:
        """Numbers for new rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Of the shape that y had in `fit`; float64.
        """
        found = self._outputs(X, "predict").astype(np.float64)
        return found.reshape(-1, *self._target_shape)

    def _train_on(self, X: Any, y: Any, sample_weight: Any, *, method: str) -> DeepRegressor:
        begun = self._is_begun(method)
        X, weights = self._rows(X, sample_weight, reset=not begun, method=method)
        y = self._targets(y, X.shape[0])
        if begun and y.shape[1:] != self._target_shape:
            raise ValueError(
                f"y has shape {y.shape}, but {method} goes on from a fit whose y had "
                f"shape (n_samples,{' ' if self._target_shape else ''}"
                f"{', '.join(map(str, self._target_shape))}). Fit anew for other targets."
            )
        self._target_shape = y.shape[1:]
        y = y.reshape(len(y), -1)
        self._train(Rows(X, y, weights, y.shape[1]), method=method, begun=begun)
        return self

    def _targets(self, y: Any, n_samples: int) -> np.ndarray:
        name = type(self).__name__
        if y is None:
            raise ValueError(
                f"{name} requires y to be passed, but the target y is None. Give a number (or a "
                "row of numbers) for each row of X."
            )
        y = to_numpy(y) if is_array(y) else y
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(np.empty(n_samples), y)
        return y

    def _loss(self) -> Any:
        import torch

        return torch.nn.MSELoss(reduction="none")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
