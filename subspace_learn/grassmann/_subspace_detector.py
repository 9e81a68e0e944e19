"""SubspaceDetector: novelty detection by the distance to a subspace of normal behaviour."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import MetaEstimatorMixin, OutlierMixin, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import (
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    routed_fit_params,
)
from .._checks.magnitude import finite_result
from .._checks.table import check_sample_weight, check_samples
from ..functional.grassmann.subspace_detector import (
    combined_index,
    hotelling_statistic,
    weighted_quantile,
)
from ..linalg.moments import row_blocks, table_moments
from ._grassmann_pca import GrassmannPCA

__all__ = ["SubspaceDetector"]


class SubspaceDetector(MetaEstimatorMixin, OutlierMixin, SubspaceEstimator):
    r"""Tell rows that leave the subspace of normal rows; works around any subspace transformer.

    Fitted on normal rows only. A row x is scored by its squared distance to the subspace,
    :math:`|x - \hat x|^2` with :math:`\hat x` its reconstruction, or by the combined index that
    adds its Mahalanobis length within the subspace. The threshold is a quantile of the training
    scores.

    Parameters
    ----------
    subspace : transformer, default=None
        Any scikit-learn transformer with ``transform`` and ``inverse_transform``; cloned before the
        fit. None means ``GrassmannPCA(n_components=0.9)``.
    quantile : float, default=0.95
        Share of the training rows to lie within the threshold, in (0, 1): 1 minus the false alarm
        rate on rows like those of the fit.
    statistic : {"combined", "residual"}, default="combined"
        "residual": :math:`r = |x - \hat x|^2`. "combined": :math:`r / r_q + T^2 / T^2_q`, where
        :math:`T^2` is the squared Mahalanobis length of the coordinates and the index q marks the
        training quantiles; it also sees rows that are far out within the subspace, and needs
        features on comparable scales.

    Attributes
    ----------
    subspace_ : transformer
        The fitted subspace.
    offset_ : float
        Threshold on `score_samples`: ``decision_function = score_samples - offset_``.
    residual_limit_ : float
        Training quantile of the squared residual ("combined" only).
    hotelling_limit_ : float
        Training quantile of the Hotelling statistic ("combined" only).
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
    Costs what the subspace costs, twice: once to fit it, once to score the training rows. Rows
    are reconstructed in blocks.

    Where it fails: compare it with the length :math:`|x|^2` of the scaled rows, which needs no
    subspace at all and is often as good; a dimension close to the number of features leaves no
    residual; training rows that hold attacks teach the subspace to accept them; the false alarm
    rate holds for rows distributed like the training rows, not after a drift.

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
    }

    def __init__(self, subspace=None, *, quantile=0.95, statistic="combined"):
        self.subspace = subspace
        self.quantile = quantile
        self.statistic = statistic

    @fit_method
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> SubspaceDetector:
        """Learn the subspace and the threshold from normal rows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows of normal behaviour.
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
        self.subspace_ = subspace.fit(X, **params)
        residuals = self._residuals(X)
        self._like = array_namespace(residuals).zeros_like(residuals[:1])
        if self.statistic == "combined":
            self._store_limits(X, residuals, weights)
        training = self._abnormality(X, residuals)
        level = weighted_quantile(training, self.quantile, weights)
        self.offset_ = -(level + self._slack(X, level))
        self._warn_if_full(X)
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
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                subspace=self._fresh_subspace(),
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

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
        with np.errstate(all="ignore"):  # said below, in words
            scores = -self._abnormality(X, self._residuals(X))
        return finite_result(scores, name=type(self).__name__, method=method)

    def _residuals(self, X: Any) -> Array:
        """Squared distance of each row to its reconstruction."""
        if hasattr(self.subspace_, "reconstruction_error"):
            return self.subspace_.reconstruction_error(X)
        parts = []
        for rows in row_blocks(X):
            block = X[rows, :]
            back = self.subspace_.inverse_transform(self.subspace_.transform(block))
            gap = (block.toarray() if issparse(block) else block) - back
            parts.append(array_namespace(gap).sum(gap * gap, axis=1))
        return array_namespace(parts[0]).concat(parts)

    def _hotelling(self, X: Any) -> Array:
        """Hotelling statistic of each row within the subspace."""
        centred = self.subspace_.transform(X) - self.score_mean_
        return hotelling_statistic(centred, self.score_variance_)

    def _store_limits(self, X: Any, residuals: Array, weights: Array | None) -> None:
        """Moments of the training coordinates, and the training quantiles of both statistics."""
        scores = self.subspace_.transform(X)
        xp = array_namespace(scores)
        moments = table_moments(scores, weights)
        variances = xp.linalg.diagonal(moments.scatter) / moments.weight
        self.score_mean_ = xp.astype(moments.mean, scores.dtype)
        self.score_variance_ = xp.astype(variances, scores.dtype)
        # A residual limit at rounding level would turn rounding into alarms.
        energy = float(xp.max(residuals + xp.sum(scores * scores, axis=1)))
        floor = float(xp.finfo(scores.dtype).eps) * (energy or 1.0)
        limit = weighted_quantile(residuals, self.quantile, weights)
        self.residual_limit_ = max(limit, floor)
        hotelling = weighted_quantile(self._hotelling(X), self.quantile, weights)
        self.hotelling_limit_ = hotelling if hotelling > 0 else 1.0  # no spread: nothing to measure

    def _abnormality(self, X: Any, residuals: Array) -> Array:
        """The score that grows with abnormality, given the residuals."""
        if self.statistic == "residual":
            return residuals
        return combined_index(
            residuals, self._hotelling(X), self.residual_limit_, self.hotelling_limit_
        )

    def _slack(self, X: Any, level: float) -> float:
        """Rounding error of a score at the threshold: a training row that sets it is within it.

        A residual is a difference of vectors of length |x|, so its square carries an error of
        about ``eps |x| r`` for dense rows and ``eps |x|^2`` for sparse ones.
        """
        xp = array_namespace(X)
        energy = float(X.power(2).sum() if issparse(X) else xp.sum(X * X)) / X.shape[0]
        eps = 64 * float(xp.finfo(X.dtype).eps)
        limit = level if self.statistic == "residual" else self.residual_limit_
        rounding = eps * energy if issparse(X) else eps * (limit * energy) ** 0.5 + eps**2 * energy
        return rounding if self.statistic == "residual" else rounding / limit + eps * level

    def _warn_if_full(self, X: Any) -> None:
        """Tell the user when the subspace is the whole space."""
        n_directions = self.subspace_.transform(X[:1, :]).shape[1]
        if self.statistic == "residual" and n_directions >= self.n_features_in_:
            warnings.warn(
                f"The subspace has {n_directions} dimensions for {self.n_features_in_} features: "
                "no residual is left and the scores are rounding noise. Use a smaller "
                "n_components, or statistic='combined'.",
                UserWarning,
                stacklevel=4,
            )
