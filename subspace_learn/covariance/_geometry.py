"""Geometries on covariance points, with one vocabulary: points, mean, tangent vectors, distances.

`geometry_of` picks one by the name of its metric. A point is a matrix (d, d), or for "siegel" an
array (p, C, C) (see `functional.covariance.siegel`); stacks come first: ``points[rows]`` selects
trials. A filter bank has one such point for each band. ``relative`` says that lengths are pure
numbers: other metrics measure in the units of the signals (or their squares), which no classifier
with a constant of its own may see.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, array_namespace, to_numpy
from ..functional.covariance.augmented_covariance import LaggedTrials, block_toeplitz, lagged_trials
from ..functional.covariance.filter_bank import band_trials
from ..functional.covariance.siegel import (
    autocovariances,
    siegel_distances,
    siegel_mean,
    siegel_tangent_vectors,
    verblunsky_coefficients,
)
from ..functional.covariance.spd import check_above_rounding
from ..functional.covariance.spd_distance import pairwise_distance
from ..functional.covariance.spd_mean import SPDMean, mean_spd
from ..functional.covariance.spd_tangent import tangent_vectors

__all__ = [
    "CovarianceGeometry",
    "FilterBankGeometry",
    "SPDGeometry",
    "SiegelGeometry",
    "average",
    "geometry_of",
    "trials_in",
    "unit_scale",
]

OWN_METRICS = ("riemann", "logeuclid", "wasserstein")
# Those of ours with logarithms. A matrix in them must be positive definite by more than rounding.
_RELATIVE = ("riemann", "logeuclid")


class SPDGeometry:
    """Full matrices under one metric: one of ours, or one of pyRiemann, computed by it.

    Parameters
    ----------
    metric : str
        The metric.
    estimator : {"oas", "lwf", "scm"}
        Shrinkage of the covariances.
    structure : {"full", "toeplitz"}
        Of the covariances.
    tol : float
        Of the mean.
    max_iter : int
        Most iterations of the mean.
    n_jobs : int or None
        Threads.
    """

    point_ndim = 2

    def __init__(
        self,
        metric: str,
        estimator: str,
        structure: str,
        tol: float,
        max_iter: int,
        n_jobs: int | None,
    ) -> None:
        self.metric, self.estimator, self.structure = metric, estimator, structure
        self.tol, self.max_iter, self.n_jobs = tol, max_iter, n_jobs
        self.is_ours, self.relative = metric in OWN_METRICS, metric in _RELATIVE

    def points(self, trials: Any, order: int, lag: int) -> Array:
        """Augmented covariances of `LaggedTrials`, (n, d, d)."""
        if self.structure == "toeplitz":
            points = block_toeplitz(trials.toeplitz(order, lag, self.estimator))
        else:
            points = trials.covariances(order, lag, self.estimator)
        if self.relative:
            _refuse_rounding(points, trials, self.estimator)
        return points

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Weighted Frechet mean; ``init`` is a point near it, which pyRiemann does not ask for."""
        if not self.is_ours:
            from pyriemann.geometry.mean import gmean

            return SPDMean(gmean(points, metric=self.metric, sample_weight=weight), 1, True)
        return mean_spd(
            points,
            self.metric,
            sample_weight=weight,
            init=init,
            tol=self.tol,
            max_iter=self.max_iter,
            n_jobs=self.n_jobs,
        )

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Coordinates in the tangent space of ``reference``, (n, d (d + 1) / 2)."""
        if not self.is_ours:
            from pyriemann.geometry.tangentspace import tangent_space

            return tangent_space(points, reference, metric=self.metric)
        return tangent_vectors(points, reference, self.metric, n_jobs=self.n_jobs)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances, (n, n_means)."""
        if not self.is_ours:
            from pyriemann.geometry.distance import distance

            xp = array_namespace(points, means)
            columns = [
                xp.reshape(distance(points, means[c, :, :], metric=self.metric), (-1,))
                for c in range(means.shape[0])
            ]
            return xp.stack(columns, axis=1) ** 2
        return pairwise_distance(points, means, self.metric, n_jobs=self.n_jobs) ** 2

    def condition_number(self, points: Array, weight: Array | None) -> float:
        """Condition number of the weighted mean of the matrices; infinite if it is singular."""
        return _condition_number(average(points, weight))

    def multiplied(self, points: Array, scale: Array) -> Array:
        """Points of the signals whose channels are multiplied by ``scale``, (..., d, d)."""
        xp = array_namespace(points)
        scale = xp.tile(scale, (points.shape[-1] // scale.shape[0],))
        return points * scale[:, None] * scale


class SiegelGeometry:
    """Block-Toeplitz covariances as SPD matrix and contractions, with the same vocabulary.

    Parameters
    ----------
    estimator : {"oas", "lwf", "scm"}
        Shrinkage of the covariances.
    tol : float
        Of the means.
    max_iter : int
        Most iterations of a mean.
    """

    relative = True
    point_ndim = 3

    def __init__(self, estimator: str, tol: float, max_iter: int) -> None:
        self.estimator, self.tol, self.max_iter = estimator, tol, max_iter

    def points(self, trials: Any, order: int, lag: int) -> Array:
        """SPD matrix and contractions of `LaggedTrials`, (n, p, C, C)."""
        blocks = trials.toeplitz(order, lag, self.estimator)
        _refuse_rounding(blocks[:, 0, :, :], trials, self.estimator)
        return verblunsky_coefficients(blocks)

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Weighted Frechet mean of the product metric."""
        return siegel_mean(points, weight, init=init, tol=self.tol, max_iter=self.max_iter)

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Coordinates whose length is the distance to ``reference``."""
        return siegel_tangent_vectors(points, reference)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances of the product metric."""
        return siegel_distances(points, means)

    def condition_number(self, points: Array, weight: Array | None) -> float:
        """Condition number of the weighted mean of the matrices; infinite if it is singular."""
        return _condition_number(average(block_toeplitz(autocovariances(points)), weight))

    def multiplied(self, points: Array, scale: Array) -> Array:
        """Points of the signals whose channels are multiplied by ``scale``, (..., p, C, C)."""
        xp = array_namespace(points)
        stack = points if points.ndim == 4 else points[None, ...]
        moved = verblunsky_coefficients(autocovariances(stack) * scale[:, None] * scale)
        return xp.reshape(moved, points.shape)


class FilterBankGeometry:
    """The product of one manifold for each band, with the vocabulary of a geometry.

    A point is a stack of points, one for each band. Tangent vectors stand side by side and squared
    distances add up: the affine-invariant, log-Euclidean or Bures-Wasserstein geometry of the
    block-diagonal matrix of the bands, at the cost of its blocks.

    Parameters
    ----------
    geometry : SPDGeometry or SiegelGeometry
        Of each band.
    """

    def __init__(self, geometry: SPDGeometry | SiegelGeometry) -> None:
        self.geometry, self.relative = geometry, geometry.relative
        self._axis = -1 - geometry.point_ndim

    def points(self, trials: Any, order: int, lag: int) -> Array:
        """Points of `BandTrials`, (n, n_bands, ...)."""
        return self._stacked([self.geometry.points(band, order, lag) for band in trials.bands])

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Weighted Frechet mean in each band."""
        starts = [None] * points.shape[1] if init is None else self._parts(init)
        means = [
            self.geometry.mean(part, weight, start)
            for part, start in zip(self._parts(points), starts, strict=True)
        ]
        return SPDMean(
            self._stacked([found.mean for found in means]),
            max(found.n_iter for found in means),
            all(found.converged for found in means),
        )

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Coordinates of all bands side by side."""
        pairs = zip(self._parts(points), self._parts(reference), strict=True)
        vectors = [self.geometry.tangent_vectors(*pair) for pair in pairs]
        return array_namespace(points).concat(vectors, axis=1)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances, summed over the bands."""
        pairs = zip(self._parts(points), self._parts(means), strict=True)
        return sum(self.geometry.squared_distances(*pair) for pair in pairs)

    def condition_number(self, points: Array, weight: Array | None) -> float:
        """Largest condition number of the weighted mean of a band."""
        return max(self.geometry.condition_number(part, weight) for part in self._parts(points))

    def multiplied(self, points: Array, scale: Array) -> Array:
        """Points of signals whose channels are multiplied by ``scale``, (n_bands, n_channels)."""
        return self._stacked(
            [
                self.geometry.multiplied(part, scale[b, :])
                for b, part in enumerate(self._parts(points))
            ]
        )

    def _parts(self, points: Array) -> list[Array]:
        """One stack (or one point) for each band."""
        first = array_namespace(points).moveaxis(points, self._axis, 0)
        return [first[b, ...] for b in range(first.shape[0])]

    def _stacked(self, parts: list[Array]) -> Array:
        return array_namespace(*parts).stack(parts, axis=self._axis)


CovarianceGeometry = SPDGeometry | SiegelGeometry | FilterBankGeometry


def geometry_of(
    metric: str,
    structure: str,
    estimator: str,
    *,
    tangent: bool,
    tol: float = 1e-8,
    max_iter: int = 50,
    n_jobs: int | None = None,
) -> SPDGeometry | SiegelGeometry:
    """Geometry by the name of its metric.

    Parameters
    ----------
    metric : str
        "riemann", "logeuclid", "wasserstein", "siegel", or a metric of pyRiemann.
    structure : {"full", "toeplitz"}
        Of the covariances.
    estimator : {"oas", "lwf", "scm"}
        Shrinkage of the covariances.
    tangent : bool
        Whether tangent vectors are wanted, or means and distances only.
    tol : float, default=1e-8
        Stops an iterated mean.
    max_iter : int, default=50
        Most iterations of a mean.
    n_jobs : int, default=None
        Threads.

    Returns
    -------
    geometry : SPDGeometry or SiegelGeometry
        The geometry.

    Raises
    ------
    ValueError
        If the metric is unknown, has no tangent vectors and they are wanted, or does not suit the
        structure.
    """
    if metric == "siegel":
        if structure != "toeplitz":
            raise ValueError(
                "metric='siegel' is defined on block-Toeplitz covariances. Set "
                f"structure='toeplitz' (it is {structure!r}), or another metric."
            )
        return SiegelGeometry(estimator, tol, max_iter)
    if metric not in OWN_METRICS:
        from pyriemann.geometry.distance import distance_functions
        from pyriemann.geometry.mean import mean_functions
        from pyriemann.geometry.tangentspace import log_map_functions

        known = set(log_map_functions) if tangent else set(mean_functions) & set(distance_functions)
        if metric not in known:
            use = "tangent-space classifiers" if tangent else "classifier='mdm'"
            names = ", ".join(sorted(known | {*OWN_METRICS, "siegel"}))
            raise ValueError(f"metric={metric!r} is not known for {use}. Choose one of: {names}.")
    return SPDGeometry(metric, estimator, structure, tol, max_iter, n_jobs)


def trials_in(bands: Any, X: Array, sfreq: float | None, floor: float) -> Any:
    """`LaggedTrials` of whole epochs, or `BandTrials` in checked bands."""
    if bands is None or sfreq is None:
        return lagged_trials(X, floor)
    return band_trials(X, bands, sfreq, floor)


def unit_scale(trials: Any, weight: np.ndarray | None, kinds: np.ndarray) -> np.ndarray:
    """Root mean square of the channels of each kind, (n_channels,) or (n_bands, n_channels)."""
    power = np.average(to_numpy(trials.power()), axis=0, weights=weight)
    scale = np.empty(power.shape)
    for row, result in zip(np.atleast_2d(power), np.atleast_2d(scale), strict=True):
        for kind in np.unique(kinds):
            mean = row[kinds == kind].mean()
            result[kinds == kind] = mean**0.5 if mean > 0 else 1.0
    return scale


def average(points: Array, weight: Array | None) -> Array:
    """Weighted arithmetic mean: a point of the same kind, since all kinds form convex sets."""
    xp = array_namespace(points)
    if weight is None:
        return xp.mean(points, axis=0)
    weight = xp.astype(weight, points.dtype)
    return xp.tensordot(weight / xp.sum(weight), points, axes=1)


def _refuse_rounding(matrices: Array, trials: LaggedTrials, estimator: str) -> None:
    """Covariances are in float64: only the signals know that they were float32."""
    if estimator == "scm" and trials.eps > np.finfo(np.float64).eps:
        check_above_rounding(matrices, trials.eps)


def _condition_number(matrix: Array) -> float:
    values = array_namespace(matrix).linalg.eigvalsh(matrix)
    smallest, largest = float(values[0]), float(values[-1])
    return largest / smallest if smallest > 0 else float("inf")
