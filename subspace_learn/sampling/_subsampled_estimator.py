"""SubsampledEstimator: fit on few weighted rows, predict and score on all."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LinearRegression
from sklearn.utils.validation import has_fit_parameter

from .._base import HasMethods, fit_method
from .._checks.table import check_labels, check_on_host, check_samples, rows_of
from .._wrapped_predictor import WrappedPredictor
from ._checks import check_targets
from ._sensitivity_sampler import SensitivitySampler

__all__ = ["SubsampledEstimator"]


class SubsampledEstimator(WrappedPredictor):
    """Any weighted estimator, trained on a weighted sample of the rows it is given.

    For Pipelines and grid searches, which have no place for a step that changes the number of rows:
    the sample is drawn inside `fit`, everything else sees all rows.

    Parameters
    ----------
    estimator : estimator, default=None
        Its ``fit`` takes ``sample_weight``. None means ``LinearRegression()``.
    sampler : SensitivitySampler, default=None
        Draws the rows. None means ``SensitivitySampler(append_constant=True, random_state=0)``.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on the sample.
    sampler_ : SensitivitySampler
        Fitted on all rows.
    indices_ : ndarray of shape (n_drawn,)
        Rows of the sample.
    weights_ : ndarray of shape (n_drawn,)
        Their weights.
    classes_ : ndarray of shape (n_classes,)
        Classes, if the estimator is a classifier.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    TypeError
        If the estimator does not take ``sample_weight``.
    ValueError
        If a class has no row in the sample.

    See Also
    --------
    SensitivitySampler : The sample alone.

    Notes
    -----
    For a regressor y is one of the columns that are scored; for a classifier it is not, and the
    sample knows nothing of the classes: ask for enough rows.

    References
    ----------
    D. P. Woodruff, T. Yasuda, "Sharper bounds for lp sensitivity sampling", ICML 2023
    (regression on the sample).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from subspace_learn.sampling import SensitivitySampler, SubsampledEstimator
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(5000, 4))
    >>> y = X @ np.arange(4.0) + rng.normal(size=5000)
    >>> model = SubsampledEstimator(Ridge(), SensitivitySampler(300, random_state=0)).fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"]), None],
        "sampler": [HasMethods(["fit"]), None],
    }

    def __init__(self, estimator=None, sampler=None) -> None:
        self.estimator = estimator
        self.sampler = sampler

    @fit_method
    def fit(self, X: Any, y: Any) -> SubsampledEstimator:
        """Draw the sample and fit the estimator on it.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Targets or class labels.

        Returns
        -------
        self : SubsampledEstimator
            Fitted.
        """
        estimator = self._unfitted()
        if not has_fit_parameter(estimator, "sample_weight"):
            raise TypeError(
                f"{type(estimator).__name__}.fit does not take sample_weight, without which a "
                "sample of rows is biased. Use an estimator that does."
            )
        check_on_host(self, X)
        checked = check_samples(self, X, reset=True, accept_sparse="csr")
        classifier = is_classifier(estimator)
        check = check_labels if classifier else check_targets
        targets = check(self, y, checked.shape[0])
        default = SensitivitySampler(append_constant=True, random_state=0)
        sampler = default if self.sampler is None else clone(self.sampler)
        self.sampler_ = sampler.fit(checked, None if classifier else targets)
        self.indices_, self.weights_ = self.sampler_.indices_, self.sampler_.weights_
        if classifier:
            missing = np.setdiff1d(targets, targets[self.indices_])
            if len(missing):
                raise ValueError(
                    f"{len(missing)} class(es) have no row in the sample of {len(self.indices_)} "
                    f"rows, such as {missing[0]!r}. Raise n_samples of the sampler."
                )
        rows = rows_of(X if hasattr(X, "columns") else checked, self.indices_)
        self.estimator_ = estimator.fit(rows, targets[self.indices_], sample_weight=self.weights_)
        return self

    def _default_estimator(self) -> LinearRegression:
        return LinearRegression()
