"""RobustDirections: of the directions of a projection, those that a disturbance moves little."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, double, is_array, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    input_container,
    random_generator,
    routed_fit_params,
    router_of_wrapped,
    warn,
)
from .._checks.columns import refuse_other_order
from .._checks.table import check_labels, check_sample_weight, check_samples, check_scores
from ..functional.random_matrix.rbns import (
    Selection,
    conformal_support,
    robust_selection,
    same_class_rows,
)
from ..linalg.moments import row_blocks
from ._random_matrix_filter import RandomMatrixFilter

__all__ = ["RobustDirections"]

_NOISE = 0.1  # relative size of the disturbance when none is named


def _goes_back(model: RobustDirections) -> bool:
    """Whether the projection has a way back."""
    return hasattr(model._unfitted(), "inverse_transform")


class RobustDirections(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, SubspaceEstimator
):
    r"""Keep those directions of a linear projection that a disturbance of the input moves little.

    A direction with coordinates z is scored by how far the disturbance moves them, to
    :math:`z'`, relative to what they say (RbNS),

    .. math:: \mathrm{RbNS} = \frac{\operatorname{mean} |z - z'|}{\operatorname{std}(z)},

    and those whose score stands out are dropped. With ``y``, what a direction says is its spread
    between classes.

    Parameters
    ----------
    estimator : transformer, default=None
        A linear projection: RandomMatrixFilter, GrassmannPCA, scikit-learn's PCA or TruncatedSVD;
        cloned before the fit. None means ``RandomMatrixFilter()``.
    selector : {"rbns", "rotated_rbns"} or callable, default="rbns"
        "rbns": the directions of the estimator one by one. "rotated_rbns": directions turned within
        their space so that the disturbance moves each by itself; the better choice where it comes
        from a few directions. A callable takes the coordinates (n_samples, n_directions) as NumPy
        array and ``y``, and returns one score for each direction, small for those to keep, or a
        boolean mask.
    quantile : float, default=0.8
        A direction is dropped if its score is among the ``1 - quantile`` largest (conformal
        p-value, see :func:`~subspace_learn.random_matrix.conformal_support`): that share is dropped
        whether it is fragile or not, so choose it by cross-validation.
    perturbation : {None, "resample"}, float or callable, default=None
        How to disturb rows when `fit` is given no ``X_perturbed``. A number: Gaussian noise of this
        size relative to the root mean square deviation of a feature; None means 0.1. "resample":
        another row of the same class. A callable takes X and a ``numpy.random.Generator``.
    random_state : int, RandomState, Generator or None, default=None
        Draws disturbances.

    Attributes
    ----------
    estimator_ : transformer
        The fitted projection.
    scores_ : array of shape (n_directions,)
        Scores, small is robust; infinite for a direction that says nothing and moves. Absent if a
        selector gave a mask.
    support_ : array of bool of shape (n_directions,)
        Which directions are kept; with "rotated_rbns" which of the turned ones, from robust to
        fragile, to which ``scores_`` belong too.
    rotation_ : array of shape (n_components, n_directions)
        Orthonormal rows that make the coordinates kept of those of the projection.
    n_components_ : int
        Number of directions kept.
    components_ : array of shape (n_components, n_features)
        ``rotation_ @ estimator_.components_``, where the estimator has such.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If the disturbed rows do not match those of X, labels are missing or not classes, or a
        callable returned something else than one value for each direction.
    TypeError
        If the estimator has no ``transform``.

    Warns
    -----
    UserWarning
        If no direction is kept.

    See Also
    --------
    RandomMatrixFilter : Which directions are signal.

    Notes
    -----
    Costs the fit of the estimator and two of its transforms.

    *Kept* means robust to the disturbances given, no more. The original (EigenShield) calls the
    kept directions causal; the formula of the score is our reconstruction from its abstract.
    Isotropic noise moves all directions alike, so with it the score ranks by variance: give pairs
    where you can. All rows, not a split, calibrate the threshold: with a split a direction on it is
    kept or dropped by chance.

    Where it fails: an attacker who knows the directions kept moves within them; kept directions of
    "rbns" are still tilted towards those dropped, which is no shield.

    References
    ----------
    A. Darabi et al., "EigenShield: causal subspace filtering via random matrix theory for
    adversarially robust vision-language models", arXiv:2502.14976 (2025).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from subspace_learn.random_matrix import RobustDirections
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4)) * [4, 3, 2, 1]
    >>> moved = X + rng.normal(size=(200, 4)) * [0.1, 3, 0.1, 0.1]   # the second column is fragile
    >>> model = RobustDirections(PCA(4), quantile=0.7).fit(X, X_perturbed=moved)
    >>> model.support_
    array([ True, False,  True,  True])
    >>> model.transform(X).shape
    (200, 3)
    """

    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "selector": [StrOptions({"rbns", "rotated_rbns"}), callable],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "perturbation": [
            StrOptions({"resample"}),
            Interval(Real, 0, None, closed="neither"),
            callable,
            None,
        ],
        "random_state": RANDOM_STATE,
    }
    _not_finite = {"scores_": "a direction that says nothing and moves is infinitely fragile"}

    def __init__(
        self,
        estimator=None,
        *,
        selector="rbns",
        quantile=0.8,
        perturbation=None,
        random_state=None,
    ) -> None:
        self.estimator = estimator
        self.selector = selector
        self.quantile = quantile
        self.perturbation = perturbation
        self.random_state = random_state

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any = None,
        X_perturbed: Any = None,
        sample_weight: Any = None,
        **fit_params: Any,
    ) -> RobustDirections:
        """Fit the projection, and choose among its directions.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; sparse and of other libraries as the estimator takes them.
        y : array of shape (n_samples,), default=None
            Classes, for the score and for the estimator.
        X_perturbed : array of shape (n_samples, n_features), default=None
            The same rows disturbed (by noise, an attack, another recording).
        sample_weight : array of shape (n_samples,), default=None
            How much each row counts, for the score and for the estimator.
        **fit_params : dict
            Further metadata for the estimator's ``fit`` (with metadata routing: as requested).

        Returns
        -------
        self : RobustDirections
            Fitted.
        """
        estimator = self._unfitted()
        refuse_other_order(X, X_perturbed, input_name="X_perturbed")
        X = self._checked(X, reset=True)
        weights = check_sample_weight(sample_weight, X)
        params = routed_fit_params(self, "estimator", estimator, sample_weight, fit_params)
        with config_context(transform_output="default"):
            self.estimator_ = estimator.fit(X, y, **params)
        coordinates = self._coordinates(X)
        Z = to_numpy(coordinates).astype(np.float64)
        self.__dict__.pop("scores_", None)
        host = None if weights is None else to_numpy(weights)
        chosen = self._selected(X, y, X_perturbed, Z, host)
        xp, place = array_namespace(coordinates), {"device": device_of(coordinates)}
        self.support_ = xp.asarray(chosen.support, **place)
        self.rotation_ = xp.asarray(chosen.rotation, dtype=coordinates.dtype, **place)
        if chosen.scores is not None:
            self.scores_ = xp.asarray(chosen.scores, dtype=coordinates.dtype, **place)
        if not chosen.support.any():
            warn(
                f"No direction is kept of the {Z.shape[1]} that the estimator found: transform has "
                "no columns. Raise quantile, or look at the estimator."
            )
        return self

    def transform(self, X: Any) -> Array:
        """Coordinates of the rows of X along the directions kept.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library and on the device of the fit.

        Returns
        -------
        X_new : array of shape (n_samples, n_components)
            ``estimator_.transform(X) @ rotation_.T``.
        """
        coordinates = self._coordinates(self._checked(X, method="transform"))
        return coordinates @ self._rotation_like(coordinates).T

    @available_if(_goes_back)
    def inverse_transform(self, X: Any) -> Array:
        """Points of the input space with the given coordinates.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Coordinates, as `transform` returns them.

        Returns
        -------
        X_original : array of shape (n_samples, n_features)
            ``estimator_.inverse_transform(X @ rotation_)``.
        """
        check_is_fitted(self)
        n, like = self.n_components_, self.rotation_
        X = check_scores(self, X, n_features=n, like=like, method="inverse_transform")
        return self.estimator_.inverse_transform(X @ self._rotation_like(X))

    @available_if(_goes_back)
    def filter(self, X: Any) -> Any:
        """Project rows onto the directions kept, in the input space.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        filtered : array of shape (n_samples, n_features)
            Dense. A DataFrame with the columns of X where `set_output` asks for one.
        """
        coordinates = self._coordinates(self._checked(X, method="filter"))
        rotation = self._rotation_like(coordinates)
        rows = self.estimator_.inverse_transform(coordinates @ rotation.T @ rotation)
        return input_container(self, rows, X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata that `fit` takes for itself and passes to the estimator.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        return router_of_wrapped(self, "estimator", self._unfitted())

    @property
    def n_components_(self) -> int:
        check_is_fitted(self)
        return int(self.rotation_.shape[0])

    @property
    def components_(self) -> Array:
        check_is_fitted(self)
        components = self.estimator_.components_
        return self._rotation_like(components) @ components

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "rotation_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(RandomMatrixFilter() if self.estimator is None else self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.array_api_support = inner.array_api_support
        if inner.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _unfitted(self) -> Any:
        """A fresh copy of the projection."""
        if self.estimator is None:
            return RandomMatrixFilter()
        if not hasattr(self.estimator, "transform"):
            raise TypeError(
                f"estimator={self.estimator!r} has no transform; needed is a linear projection, "
                "such as RandomMatrixFilter, GrassmannPCA or PCA."
            )
        return clone(self.estimator)

    def _checked(self, X: Any, *, reset: bool = False, method: str = "fit") -> Any:
        if not reset:
            check_is_fitted(self)
        return check_samples(
            self,
            X,
            reset=reset,
            like=None if reset else self.rotation_,
            method=method,
            accept_sparse=("csr", "csc") if get_tags(self).input_tags.sparse else False,
        )

    def _coordinates(self, X: Any) -> Array:
        """Coordinates of checked rows along all directions, as an array."""
        with config_context(transform_output="default"):
            coordinates = self.estimator_.transform(X)
        return coordinates if is_array(coordinates) else np.asarray(coordinates)

    def _rotation_like(self, values: Array) -> Array:
        return array_namespace(values).astype(self.rotation_, values.dtype, copy=False)

    def _selected(
        self, X: Any, y: Any, X_perturbed: Any, Z: np.ndarray, weights: np.ndarray | None
    ) -> Selection:
        """Which directions are kept."""
        if not callable(self.selector):
            labels = None if y is None else check_labels(self, y, X.shape[0])
            disturbed = self._disturbed(X, labels, X_perturbed, Z)
            turn = self.selector == "rotated_rbns"
            return robust_selection(
                Z, disturbed, self.quantile, turn=turn, labels=labels, weights=weights
            )
        if X_perturbed is not None:
            raise ValueError(
                "X_perturbed was given, but a selector that is a function does not use it. Use "
                "selector='rbns' or 'rotated_rbns', or leave it out."
            )
        scores = np.asarray(self.selector(Z, y))
        if scores.shape != (Z.shape[1],) or np.isnan(scores).any():
            raise ValueError(
                f"selector returned shape {scores.shape} with {int(np.isnan(scores).sum())} NaN, "
                f"but there are {Z.shape[1]} directions: give one score (or True and False) for "
                "each."
            )
        mask = scores.dtype == bool
        support = scores if mask else conformal_support(scores, self.quantile)
        return Selection(support, None if mask else scores, np.eye(Z.shape[1])[support])

    def _disturbed(
        self, X: Any, labels: np.ndarray | None, X_perturbed: Any, Z: np.ndarray
    ) -> np.ndarray:
        """Coordinates of the rows after a disturbance."""
        rng, how = random_generator(self.random_state), self.perturbation
        if X_perturbed is None and callable(how):
            X_perturbed = how(X, rng)
        if X_perturbed is not None:
            moved = self._coordinates(self._checked_pairs(X, X_perturbed))
            return to_numpy(moved).astype(np.float64)
        if how == "resample":
            if labels is None:
                raise ValueError("perturbation='resample' draws rows of the same class: give y.")
            return Z[same_class_rows(labels, rng)]
        size = _NOISE if how is None else float(how)
        parts = [self._coordinates(part) for part in _with_noise(X, size, rng)]
        return np.concatenate([to_numpy(part) for part in parts]).astype(np.float64)

    def _checked_pairs(self, X: Any, X_perturbed: Any) -> Any:
        """Disturbed rows, one for each row of ``X``."""
        if is_array(X) and not (is_array(X_perturbed) or hasattr(X_perturbed, "shape")):
            X_perturbed = np.asarray(X_perturbed)
        accepted = ("csr", "csc") if get_tags(self).input_tags.sparse else False
        how: dict[str, Any] = {"like": None if issparse(X) else X, "accept_sparse": accepted}
        try:
            checked = check_samples(self, X_perturbed, reset=False, **how)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X_perturbed: {error}") from error
        if checked.shape != X.shape:
            raise ValueError(
                f"X_perturbed has shape {tuple(checked.shape)}, but X has {tuple(X.shape)}: give "
                "each row of X once, disturbed, in the same order."
            )
        return checked


def _with_noise(X: Any, size: float, rng: np.random.Generator) -> Iterator[Array]:
    """Blocks of rows with Gaussian noise of a size relative to the deviation of a feature."""
    if issparse(X):
        square, mean = float(X.power(2).sum()) / X.shape[0], np.asarray(X.mean(axis=0))
        variance = max(square - float(np.sum(mean**2)), 0.0)
    else:
        variance = float(array_namespace(X).sum(array_namespace(X).var(double(X), axis=0)))
    size = size * (variance / X.shape[1]) ** 0.5
    X = X.tocsr() if issparse(X) else X
    for rows in row_blocks(X):
        block = X[rows, :].toarray() if issparse(X) else X[rows, :]
        noise = rng.standard_normal(tuple(block.shape))
        xp = array_namespace(block)
        yield block + size * xp.asarray(noise, dtype=block.dtype, device=device_of(block))
