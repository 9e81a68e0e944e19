"""SubspaceDetector: novelty detection by the distance to a subspace of normal behaviour."""

from __future__ import annotations

import warnings
from math import ceil
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import MetaEstimatorMixin, OutlierMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, move_like
from .._base import (
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    routed_fit_params,
    router_of_wrapped,
    warn,
)
from .._checks.magnitude import finite_result
from .._checks.table import check_sample_weight, check_samples
from .._chunk_tasks import adopt_columns
from .._distributed import Chunks
from ..functional.grassmann.subspace_detector import (
    combined_index,
    held_out_weights,
    predictive_quantile,
)
from ._detector_chunks import model_of_chunks
from ._grassmann_pca import GrassmannPCA
from ._subspace_distances import (
    DistancesOfRows,
    NormalModel,
    RowSize,
    distances,
    fitted_model,
    metadata_of,
    rounding,
    rows_at,
    size_of_rows,
    unit_roundoff,
    warn_of_no_fold,
)

__all__ = ["SubspaceDetector"]

# Folds that set the threshold: about _ROWS divided by the number of rows, between these bounds.
_FOLDS, _MOST_FOLDS, _ROWS = 5, 30, 3000


class SubspaceDetector(MetaEstimatorMixin, OutlierMixin, SubspaceEstimator):
    r"""Tell rows that leave the subspace of normal rows; works around any subspace transformer.

    Fitted on normal rows only. A row x is scored by its squared distance to the subspace,
    :math:`|x - \hat x|^2` with :math:`\hat x` its reconstruction, or by the combined index that
    adds its Mahalanobis length within the subspace. The threshold comes from scores of rows that
    were not fitted: each fold of the rows is scored by a subspace of the other folds.

    Parameters
    ----------
    subspace : transformer, default=None
        Any scikit-learn transformer with ``transform`` and ``inverse_transform``. It is cloned and
        fitted here, so an earlier fit of it does not count; a ``FrozenEstimator`` stays as it was
        fitted, and then needs other rows here than it was fitted on. None means
        ``GrassmannPCA(n_components=0.9)``.
    quantile : float, default=0.95
        Share of rows like those of the fit to lie within the threshold, in (0, 1): 1 minus the
        false alarm rate.
    statistic : {"combined", "residual"}, default="combined"
        "residual": :math:`r = |x - \hat x|^2`. "combined": :math:`r / r_q + T^2 / T^2_q`, where
        :math:`T^2` is the squared Mahalanobis length of the coordinates, divided by their number,
        and the index q marks quantiles; it also sees rows that are far out within the subspace. It
        is the default since its median AUC over nine data sets is higher (.953 against .947, with
        standardised features .965 against .922); where outliers lie in another subspace
        "residual" is better.
    threshold_rows : {"held_out", "training"}, default="held_out"
        Rows whose scores set the threshold. "held_out": rows that were not fitted; the subspace is
        fitted 5 more times, up to 30 times for fewer than 600 rows. "training": the rows of
        the fit, without more fits. They lie closer to the subspace than new rows do: of 60 new rows
        with 200 features of noise, all exceed such a threshold.

    Attributes
    ----------
    subspace_ : transformer
        The subspace, fitted on all rows.
    offset_ : float
        Threshold on `score_samples`: ``decision_function = score_samples - offset_``.
    residual_limit_ : float
        Quantile of the squared residual ("combined" only).
    hotelling_limit_ : float
        Quantile of the Hotelling statistic, divided by the number of coordinates ("combined" only).
    score_mean_ : array of shape (n_components,)
        Mean of the training coordinates ("combined" only).
    score_variance_ : array of shape (n_components,)
        Variance of the training coordinates ("combined" only).
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If X holds no rows, NaN or infinity.
    TypeError
        If ``subspace`` lacks ``transform`` or ``inverse_transform``, or cannot take the
        ``sample_weight`` given.

    See Also
    --------
    GrassmannPCA : The default subspace.
    sklearn.ensemble.IsolationForest : Detection without a linear model.

    Notes
    -----
    Costs 6 fits of the subspace and one scoring of all rows for 600 rows and more, up to 31 fits of
    small tables; with ``threshold_rows="training"`` one fit and one scoring. Folds depend on the
    rows alone, not on their order or on chance. The promise holds for rows that are independent:
    copies or neighbours in time of a row, in another fold, make the threshold too low. A fold is
    fitted on fewer rows than all, so that the threshold is rather too high than too low. Of n rows
    below ``quantile / (1 - quantile)`` the largest score is the threshold, which ``1 / (n + 1)`` of
    normal rows exceed; a warning says so where that is more than twice what was asked for.

    Rows held by Dask are fitted in four passes, and the result is that of the table to rounding
    ("exact") where the subspace is: a `GrassmannPCA` or `RandomMatrixFilter`, whose parts merge, or
    a frozen one. Folds are those of all rows; places in line and distances, some 40 bytes a row,
    are gathered.

    Where it fails: compare it with the length :math:`|x|^2` of the scaled rows, which needs no
    subspace at all and is often as good; a dimension close to the number of features leaves no
    residual; training rows that hold attacks teach the subspace to accept them; the false alarm
    rate holds for rows distributed like the training rows, not after a drift; with ``n_components``
    a share of variance and far more features than rows, the dimension grows with the rows, and so
    does the statistic.

    References
    ----------
    J. E. Jackson, G. S. Mudholkar, "Control procedures for residuals associated with principal
    component analysis", Technometrics 21 (1979), eq. 2.3 (the residual).
    H. H. Yue, S. J. Qin, "Reconstruction-based fault identification using a combined index", Ind.
    Eng. Chem. Res. 40 (2001), eq. 20 ("combined").

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn import GrassmannPCA, SubspaceDetector
    >>> rng = np.random.default_rng(0)
    >>> plane = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5))
    >>> normal = plane + 0.01 * rng.normal(size=(200, 5))
    >>> detector = SubspaceDetector(GrassmannPCA(n_components=2)).fit(normal)
    >>> detector.predict(np.vstack([normal[:2], [[1.0, -1.0, 1.0, -1.0, 1.0]]]))
    array([ 1,  1, -1])
    """

    _parameter_constraints: dict = {
        "subspace": "no_validation",
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "statistic": [StrOptions({"residual", "combined"})],
        "threshold_rows": [StrOptions({"held_out", "training"})],
    }

    def __init__(
        self, subspace=None, *, quantile=0.95, statistic="combined", threshold_rows="held_out"
    ) -> None:
        self.subspace = subspace
        self.quantile = quantile
        self.statistic = statistic
        self.threshold_rows = threshold_rows

    @fit_method
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> SubspaceDetector:
        """Learn the subspace and the threshold from normal rows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows of normal behaviour; they may be held by Dask.
        y : None
            Ignored: labels are not used, so leave attacks out of X.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies, for the subspace and for the quantile.
        **fit_params : dict
            Further metadata for the subspace's ``fit`` (with metadata routing: as requested).

        Returns
        -------
        self : SubspaceDetector
            Fitted.
        """
        subspace = self._fresh_subspace()
        X = self._checked(X, reset=True)
        weights = check_sample_weight(sample_weight, X)
        params = routed_fit_params(self, "subspace", subspace, sample_weight, fit_params)
        model = fitted_model(subspace, X, weights, params, self.statistic)
        rows = self._calibrated(model, X, weights, params)
        return self._keep(model, rows, size_of_rows(X), X[:1, :])

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Fit by four passes over chunks: see `model_of_chunks`."""
        found = model_of_chunks(self, chunks)
        adopt_columns(self, found.estimator)
        row = array_namespace(found.rows.residuals).zeros((1, self.n_features_in_))
        self._keep(found.model, found.rows, found.size, row)

    def _keep(
        self, model: NormalModel, rows: DistancesOfRows, size: RowSize, row: Any
    ) -> SubspaceDetector:
        """Store a model and its thresholds."""
        self.subspace_ = model.subspace
        for name in ("residual_limit_", "hotelling_limit_", "score_mean_", "score_variance_"):
            self.__dict__.pop(name, None)  # of a fit before, with the other statistic
        if self.statistic == "combined":
            self.score_mean_, self.score_variance_ = model.mean, model.variance
        self._set_thresholds(size, rows)
        n_directions = self.subspace_.transform(row).shape[1]
        if self.statistic == "residual" and n_directions >= self.n_features_in_:
            warn(
                f"The subspace has {n_directions} dimensions for {self.n_features_in_} features: "
                "no residual is left and the scores are rounding noise. Use a smaller "
                "n_components, or statistic='combined'."
            )
        return self

    def score_samples(self, X: Any) -> Array:
        """Negative abnormality of each row: larger is more normal.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : array of shape (n_samples,)
            At most 0.
        """
        return self._scores(X, "score_samples")

    def decision_function(self, X: Any) -> Array:
        """`score_samples` shifted so that the threshold lies at 0.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : array of shape (n_samples,)
            Negative for outliers.
        """
        return self._scores(X, "decision_function") - self.offset_

    def predict(self, X: Any) -> Array:
        """Label rows +1 (normal) or -1 (outlier).

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : int array of shape (n_samples,)
            +1 or -1.
        """
        decision = self._scores(X, "predict") - self.offset_
        xp = array_namespace(decision)
        ones = xp.ones_like(decision, dtype=xp.int64)
        return xp.where(decision >= 0, ones, -ones)

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata that `fit` takes for itself and passes to the subspace.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        return router_of_wrapped(self, "subspace", self._fresh_subspace())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(GrassmannPCA() if self.subspace is None else self.subspace)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.array_api_support = inner.array_api_support
        return tags

    def _fresh_subspace(self) -> Any:
        """An unfitted copy of the subspace transformer."""
        if self.subspace is None:
            return GrassmannPCA(n_components=0.9)
        needed = ("fit", "transform", "inverse_transform")
        missing = [method for method in needed if not hasattr(self.subspace, method)]
        if missing:
            raise TypeError(
                f"subspace={self.subspace!r} has no {' and no '.join(missing)}; a detector needs a "
                "transformer that reconstructs rows, such as GrassmannPCA, PCA or NMF."
            )
        return clone(self.subspace)

    def _checked(self, X: Any, *, reset: bool = False, method: str = "fit") -> Any:
        if not reset:
            check_is_fitted(self)
        return check_samples(
            self,
            X,
            reset=reset,
            like=None if reset else self._like,
            method=method,
            accept_sparse=("csr", "csc") if get_tags(self).input_tags.sparse else False,
        )

    def _scores(self, X: Any, method: str) -> Array:
        X = self._checked(X, method=method)
        # as fitted, whatever the parameter says now
        is_combined = hasattr(self, "score_mean_")
        moments = (self.score_mean_, self.score_variance_) if is_combined else ()
        with np.errstate(all="ignore"):  # said below, in words
            residuals, hotelling = distances(NormalModel(self.subspace_, *moments), X)
            scores = -self._abnormality(residuals, hotelling)
        return finite_result(scores, name=type(self).__name__, method=method)

    def _abnormality(self, residuals: Array, hotelling: Array | None) -> Array:
        """The score that grows with abnormality."""
        if hotelling is None:
            return residuals
        return combined_index(residuals, hotelling, self.residual_limit_, self.hotelling_limit_)

    def _calibrated(
        self, model: NormalModel, X: Any, weights: Array | None, params: dict
    ) -> DistancesOfRows:
        """Distances of the rows that set the thresholds: held out, or those of the fit."""
        n_rows = float(X.shape[0] if weights is None else array_namespace(weights).sum(weights))
        n_folds = self._n_folds(n_rows)
        if self.threshold_rows == "held_out":
            try:
                return self._held_out(X, n_folds, weights, params)
            except ValueError as error:
                warn_of_no_fold(error, n_rows, n_folds, self.quantile)
        return DistancesOfRows(*distances(model, X), weights)

    def _n_folds(self, n_rows: float) -> int:
        """Folds that set the threshold; a warning if its quantile cannot be read off the rows."""
        needed = ceil(self.quantile / (1 - self.quantile) - 1e-9)
        if self.threshold_rows == "held_out" and 2 * (n_rows + 1) < needed + 1:
            warn(
                f"quantile={self.quantile} cannot be read off {n_rows:.3g} rows: the threshold "
                f"is the largest score, and about {100 / (n_rows + 1):.0f} % of normal rows "
                f"exceed it. Give {needed} rows or more, or choose a smaller quantile."
            )
        return int(min(max(_FOLDS, _ROWS // n_rows), _MOST_FOLDS, n_rows))

    def _held_out(
        self, X: Any, n_folds: int, weights: Array | None, params: dict
    ) -> DistancesOfRows:
        """Distances of each row to a subspace that was fitted without it."""
        if n_folds < 2:
            raise ValueError("one row is left when none is.")
        parts = []
        for held, kept in held_out_weights(X, n_folds, weights):
            fitted, scored = np.flatnonzero(kept), np.flatnonzero(held)
            own = {name: metadata_of(value, fitted, X.shape[0]) for name, value in params.items()}
            w = None if weights is None else move_like(kept[fitted], weights)
            if w is not None and own.get("sample_weight") is not None:
                own["sample_weight"] = w
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the fit to all rows has said it
                model = fitted_model(
                    self._fresh_subspace(), rows_at(X, fitted), w, own, self.statistic
                )
            residuals, hotelling = distances(model, rows_at(X, scored))
            parts.append((residuals, hotelling, move_like(held[scored], residuals)))
        xp = array_namespace(parts[0][0])
        residuals, hotelling, shares = zip(*parts, strict=True)
        joined = None if self.statistic == "residual" else xp.concat(hotelling)
        return DistancesOfRows(xp.concat(residuals), joined, xp.concat(shares))

    def _set_thresholds(self, size: RowSize, rows: DistancesOfRows) -> None:
        """Quantiles of the distances, and of the score that is made of them."""
        xp = array_namespace(rows.residuals)
        self._like = xp.zeros_like(rows.residuals[:1])
        eps, stored = (
            unit_roundoff(self.subspace_, rows.residuals),
            xp.finfo(rows.residuals.dtype).eps,
        )
        if rows.hotelling is not None:
            # A residual limit at rounding level would turn rounding into alarms.
            energy = float(xp.sum(self.score_variance_) + xp.mean(rows.residuals))
            # Well above that level, or its slack, below, would hide what is far out within.
            floor = max(eps * energy, 64 * rounding(size, 0.0, eps)) or 1.0
            limit = predictive_quantile(rows.residuals, self.quantile, rows.weights)
            self.residual_limit_ = max(limit, floor)
            limit = predictive_quantile(rows.hotelling, self.quantile, rows.weights)
            self.hotelling_limit_ = limit if limit > 0 else 1.0  # no spread: nothing to measure
        level = predictive_quantile(self._abnormality(*rows[:2]), self.quantile, rows.weights)
        if rows.hotelling is None:
            slack = rounding(size, level, eps) + stored * level
        else:
            limit = self.residual_limit_
            slack = rounding(size, limit, eps) / limit + stored * level
        self.offset_ = -(level + slack)
