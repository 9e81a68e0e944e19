"""LocationPool: several maps of the same rows made into one."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, is_array, to_numpy
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method, warn
from .._checks.maps import check_maps, columns_of
from .._checks.named_graph import places_of
from .._checks.table import check_sample_weight
from ..functional.metrics.location_pool import (
    LARGEST_WEIGHT,
    PoolWeights,
    equal_weights,
    linear_pool,
    linear_pool_weights,
    log_pool,
    log_pool_weights,
)

__all__ = ["LocationPool"]

_SATURATED = 1e-4  # mean log-probability of the true cells that leaves nothing to learn from

_POOLS = {"log": (log_pool, log_pool_weights), "linear": (linear_pool, linear_pool_weights)}


class LocationPool(ClassifierMixin, SubspaceEstimator):
    r"""Pool several maps over the same cells, with weights found by likelihood.

    Each row has M maps, log-scores of the cells from M experts. The log-linear pool multiplies
    them, the linear pool mixes them:

    .. math:: \log q(c) = \sum_m w_m \log p_m(c) - \log Z, \qquad q(c) = \sum_m w_m\, p_m(c).

    The weights make the true cells of the rows given to `fit` most likely. In a log-linear pool
    they need not add up to 1: maps that say the same share a weight, and a map that is too sure of
    itself gets less than 1.

    Parameters
    ----------
    pool : {"log", "linear"}, default="log"
        "log" where maps are independent evidence; "linear" where one of them is right and it is
        not known which.
    weights : {"likelihood", "equal"}, default="likelihood"
        "equal" takes 1 for each map ("log") or 1 / M ("linear"), and fits nothing.
    floor : float, default=1e-6
        In (0, 1). No cell counts as less likely than ``floor / n_cells`` under any map, so that no
        map can rule out a cell alone.
    cells : array-like of shape (n_cells,), default=None
        Labels of the cells. None takes the columns of data frames, else 0, 1, ...
    tol : float, default=1e-6
        The fit of the weights stops when the gradient of the mean log-likelihood is smaller.
    max_iter : int, default=1000
        Largest number of its iterations.

    Attributes
    ----------
    weights_ : ndarray of shape (n_maps,)
        Weight of each map, none negative; they add up to 1 if ``pool="linear"``.
    log_likelihood_ : float
        Mean log-probability of the true cells under the pool, over the rows of `fit`. With
        ``weights="equal"`` it is that of equal weights.
    classes_ : ndarray of shape (n_cells,)
        Labels of the cells, in the order of the columns.
    n_features_in_ : int
        Number of maps.
    feature_names_in_ : ndarray of shape (n_maps,)
        Names of the maps, if a dict was given.
    n_iter_ : int
        Iterations of the fit; 0 with equal weights.

    Raises
    ------
    ValueError
        If the maps do not cover the same rows and cells, a row holds NaN or minus infinity alone,
        or none of the true cells is among the cells.

    Warns
    -----
    UserWarning
        If some true cells are none of the cells (how many: they take no part), or the pool is right
        in nearly every row: the likelihood of a log-linear pool then has no maximum.
    ConvergenceWarning
        If ``max_iter`` is reached.

    See Also
    --------
    location_maps : Maps of classifiers, with columns matched by label.
    RecallVsAreaScorer : Scores the pool in cross-validation.

    Notes
    -----
    The likelihood is concave in both pools: L-BFGS with bounds, or expectation-maximisation. An
    iteration costs one exponential and 2 M products for each row and cell, in blocks of float64;
    the maps stay as they are. Where it fails: weights are the same everywhere, so a map that is
    good in one region alone gets one weight for all; fit them on rows that the experts were not
    trained on, or an expert that remembers its rows gets all the weight.

    References
    ----------
    M. Bianco, D. Eigen, M. Gormish, "Enhancing Worldwide Image Geolocation by Ensembling
    Satellite-Based Ground-Level Attribute Predictors", 2024 (arXiv:2407.13862), for pooling maps.
    C. Genest, J. V. Zidek, "Combining probability distributions: a critique and an annotated
    bibliography", Statistical Science 1, 1986, for both pools. Weights by likelihood are ours.

    Examples
    --------
    >>> import numpy as np
    >>> sure = np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    >>> flat = np.log(np.full((4, 3), 1 / 3))
    >>> pool = LocationPool().fit({"sure": sure, "flat": flat}, [0, 1, 2, 1])
    >>> pool.weights_.round(2)
    array([0.86, 0.  ])
    >>> pool.predict({"flat": flat, "sure": sure})
    array([0, 1, 2, 0])
    """

    _kind_of_input = "maps"

    _parameter_constraints: dict[str, list[Any]] = {
        "pool": [StrOptions({"log", "linear"})],
        "weights": [StrOptions({"likelihood", "equal"})],
        "floor": [Interval(Real, 0, 1, closed="neither")],
        "cells": ["array-like", None],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        pool: str = "log",
        *,
        weights: str = "likelihood",
        floor: float = 1e-6,
        cells: Any = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
    ) -> None:
        self.pool = pool
        self.weights = weights
        self.floor = floor
        self.cells = cells
        self.tol = tol
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.array_api_support = True
        return tags

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LocationPool:
        """Find the weights of the maps.

        Parameters
        ----------
        X : array of shape (n_samples, n_maps, n_cells), or list or dict
            Log-scores: a stack, which cross-validation can cut, or a list or dict of arrays or data
            frames of shape (n_samples, n_cells), one for each map. Minus infinity is a probability
            of 0. Rows need not be normalised.
        y : array-like of shape (n_samples,)
            Label of the true cell of each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : LocationPool
            The fitted estimator.
        """
        where = f"{type(self).__name__}.fit()"
        maps, names, labels = check_maps(X, where=where)
        labels = self._labels(labels, maps[0].shape[1], where)
        if y is None:
            raise ValueError(f"{where} requires y to be passed: the true cell of each row.")
        columns = columns_of(y, labels, where=where)
        check_consistent_length(columns, np.empty(maps[0].shape[0]))
        weights = check_sample_weight(sample_weight, columns[:, None])
        share = np.ones(len(columns)) if weights is None else weights
        share = self._of_known_cells(share, columns)
        pooled, weights_by_likelihood = _POOLS[self.pool]
        true = np.maximum(columns, 0)
        if self.weights == "equal":
            equal = np.full(len(maps), 1.0 if self.pool == "log" else 1.0 / len(maps))
            result = equal_weights(pooled(maps, equal, self.floor), true, share, equal)
        else:
            how: dict[str, Any] = {"tol": self.tol, "max_iter": self.max_iter}
            result = weights_by_likelihood(maps, true, share, floor=self.floor, **how)
        self._warn(result)
        self.weights_, self.n_iter_ = result.weights, result.n_iter
        self.log_likelihood_ = result.log_likelihood
        self.classes_ = np.asarray(labels)
        self.n_features_in_ = len(maps)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _labels(self, of_frames: list[Any] | None, n_cells: int, where: str) -> list[Any]:
        """Labels of the cells: the parameter, which data frames must agree with, or theirs."""
        if self.cells is None:
            return of_frames if of_frames is not None else list(range(n_cells))
        cells = list(to_numpy(self.cells) if is_array(self.cells) else self.cells)
        if len(cells) != n_cells or len(set(cells)) != n_cells:
            raise ValueError(
                f"{where}: cells has {len(cells)} labels, {len(set(cells))} of them different, but "
                f"the maps have {n_cells} columns."
            )
        if of_frames is not None and of_frames != cells:
            raise ValueError(
                f"{where}: the columns of the data frames ({of_frames[:3]!r}, ...) are not the "
                f"labels in cells ({cells[:3]!r}, ...) in their order. Leave cells=None."
            )
        return cells

    def _of_known_cells(self, share: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Weights of the rows, 0 where the true cell is none of the cells."""
        lost = columns < 0
        if not share[~lost].any():
            raise ValueError(
                f"{type(self).__name__} needs a row with weight whose true cell is one of the "
                f"cells, but {int(lost.sum())} of {len(columns)} rows have another."
            )
        if lost.any():
            warn(
                f"{int(lost.sum())} of {len(columns)} true cells are none of the cells; these rows "
                "take no part in the fit."
            )
        return np.where(lost, 0.0, share)

    def _warn(self, result: PoolWeights) -> None:
        """Say what the weights cannot be trusted for."""
        sure = result.log_likelihood > -_SATURATED
        if self.pool == "log" and (sure or result.weights.max() >= 0.999 * LARGEST_WEIGHT):
            warn(
                "in (nearly) every row a pool of these maps puts the true cell first, and the "
                "likelihood grows with the weights without end: they were stopped at "
                f"{', '.join(f'{w:.3g}' for w in result.weights)}, which means nothing. Give rows "
                "that the experts were not trained on, or more of them."
            )
        elif not result.converged:
            warn(
                f"{type(self).__name__} stopped after {result.n_iter} iterations. Raise max_iter "
                f"({self.max_iter}) or tol ({self.tol:g}).",
                ConvergenceWarning,
            )

    def predict_log_proba(self, X: Any) -> Array:
        """Pool maps of new rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_maps, n_cells), or list or dict
            In the form given to `fit`; a dict may have its maps, and data frames their columns, in
            another order.

        Returns
        -------
        log_proba : array of shape (n_samples, n_cells)
            In float64 and of the library of ``X``; their exponentials sum to 1 in each row.
        """
        check_is_fitted(self)
        where = f"{type(self).__name__}.predict_log_proba()"
        maps, names, labels = check_maps(X, where=where)
        fitted = getattr(self, "feature_names_in_", None)
        if names is not None and fitted is not None:
            how = {"where": where, "whose": "the maps", "whose_names": "those of fit"}
            maps = [maps[i] for i in places_of(list(fitted), names, **how)]
        cells = self.classes_.tolist()
        if len(maps) != self.n_features_in_ or maps[0].shape[1] != len(cells):
            raise ValueError(
                f"{where}: X has {len(maps)} maps of {maps[0].shape[1]} cells, but fit had "
                f"{self.n_features_in_} maps of {len(cells)} cells."
            )
        if labels is not None and self.cells is None:
            how = {"where": where, "whose": "the columns", "whose_names": "those of fit"}
            order = places_of(cells, labels, **how)
            maps = [part[:, order] for part in maps]
        return _POOLS[self.pool][0](maps, self.weights_, self.floor)

    def predict_proba(self, X: Any) -> Array:
        """Pool maps of new rows, as probabilities.

        Parameters
        ----------
        X : array of shape (n_samples, n_maps, n_cells), or list or dict
            As in `predict_log_proba`.

        Returns
        -------
        proba : array of shape (n_samples, n_cells)
            Rows sum to 1.
        """
        log_proba = self.predict_log_proba(X)
        return array_namespace(log_proba).exp(log_proba)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most likely cell of each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_maps, n_cells), or list or dict
            As in `predict_log_proba`.

        Returns
        -------
        cells : ndarray of shape (n_samples,)
            Labels.
        """
        log_proba = self.predict_log_proba(X)
        best = array_namespace(log_proba).argmax(log_proba, axis=1)
        return self.classes_[to_numpy(best)]
