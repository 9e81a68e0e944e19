"""Geometries on covariance points, with one vocabulary: points, mean, tangent vectors, distances.

`geometry_of` picks one by the name of its metric. A point is a matrix (d, d), or for "siegel" an
array (p, C, C) (see `functional.siegel`); stacks come first: ``points[rows]`` selects trials.
"""

from __future__ import annotations

from typing import Protocol

from .._array import Array, array_namespace
from ..functional.covariance.augmented_covariance import LaggedTrials, block_toeplitz
from ..functional.covariance.siegel import (
    autocovariances,
    siegel_distances,
    siegel_mean,
    siegel_tangent_vectors,
    verblunsky_coefficients,
)
from ..functional.covariance.spd import pairwise_distance
from ..functional.covariance.spd_mean import SPDMean, mean_spd
from ..functional.covariance.spd_tangent import tangent_vectors

__all__ = [
    "CovarianceGeometry",
    "DelegatedGeometry",
    "SPDGeometry",
    "SiegelGeometry",
    "geometry_of",
]

OWN_METRICS = ("riemann", "logeuclid", "wasserstein")


class CovarianceGeometry(Protocol):
    """What a classifier asks of a geometry."""

    def points(
        self, trials: LaggedTrials, order: int, lag: int, estimator: str, structure: str
    ) -> Array:
        """Covariance points of trials, one along the first axis for each trial."""

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Weighted Frechet mean; ``init`` is a point near it."""

    def arithmetic_mean(self, points: Array, weight: Array | None) -> Array:
        """Weighted arithmetic mean, a point of the same kind."""

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Coordinates (n, D) in the tangent space of ``reference``."""

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances, (n, n_means)."""

    def condition_number(self, points: Array) -> float:
        """Condition number of the arithmetic mean of the matrices."""


class SPDGeometry:
    """Full matrices under one of our own metrics.

    Parameters
    ----------
    metric : {"riemann", "logeuclid", "wasserstein"}
        The metric.
    tol : float
        Of the mean.
    max_iter : int
        Most iterations of the mean.
    n_jobs : int or None
        Threads.
    """

    def __init__(self, metric: str, tol: float, max_iter: int, n_jobs: int | None) -> None:
        self.metric, self.tol, self.max_iter, self.n_jobs = metric, tol, max_iter, n_jobs

    def points(
        self, trials: LaggedTrials, order: int, lag: int, estimator: str, structure: str
    ) -> Array:
        """Augmented covariances, (n, d, d)."""
        if structure == "toeplitz":
            return block_toeplitz(trials.toeplitz(order, lag, estimator))
        return trials.covariances(order, lag, estimator)

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Frechet mean of the metric."""
        return mean_spd(
            points,
            self.metric,
            sample_weight=weight,
            init=init,
            tol=self.tol,
            max_iter=self.max_iter,
            n_jobs=self.n_jobs,
        )

    def arithmetic_mean(self, points: Array, weight: Array | None) -> Array:
        """Weighted average of the matrices."""
        return _average(points, weight)

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Upper triangles of the logarithms, (n, d (d + 1) / 2)."""
        return tangent_vectors(points, reference, self.metric, n_jobs=self.n_jobs)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances of the metric."""
        return pairwise_distance(points, means, self.metric, n_jobs=self.n_jobs) ** 2

    def condition_number(self, points: Array) -> float:
        """Condition number of the arithmetic mean of the matrices."""
        return _condition_number(points)


class SiegelGeometry:
    """Block-Toeplitz covariances as SPD matrix and contractions.

    Parameters
    ----------
    tol : float
        Of the means.
    max_iter : int
        Most iterations of a mean.
    """

    def __init__(self, tol: float, max_iter: int) -> None:
        self.tol, self.max_iter = tol, max_iter

    def points(
        self, trials: LaggedTrials, order: int, lag: int, estimator: str, structure: str
    ) -> Array:
        """SPD matrix and contractions of each trial, (n, p, C, C)."""
        return verblunsky_coefficients(trials.toeplitz(order, lag, estimator))

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Frechet mean of the product metric."""
        return siegel_mean(points, weight, init=init, tol=self.tol, max_iter=self.max_iter)

    def arithmetic_mean(self, points: Array, weight: Array | None) -> Array:
        """Weighted average of each factor: both kinds of factor form a convex set."""
        return _average(points, weight)

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Coordinates whose length is the distance to ``reference``."""
        return siegel_tangent_vectors(points, reference)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances of the product metric."""
        return siegel_distances(points, means)

    def condition_number(self, points: Array) -> float:
        """Condition number of the arithmetic mean of the block-Toeplitz matrices."""
        return _condition_number(block_toeplitz(autocovariances(points)))


class DelegatedGeometry(SPDGeometry):
    """Full matrices under a metric of pyRiemann, by its own functions."""

    def mean(self, points: Array, weight: Array | None, init: Array | None = None) -> SPDMean:
        """Mean of pyRiemann, which takes neither a start nor a tolerance for every metric."""
        from pyriemann.geometry.mean import gmean

        return SPDMean(gmean(points, metric=self.metric, sample_weight=weight), 1, True)

    def tangent_vectors(self, points: Array, reference: Array) -> Array:
        """Tangent vectors of pyRiemann."""
        from pyriemann.geometry.tangentspace import tangent_space

        return tangent_space(points, reference, metric=self.metric)

    def squared_distances(self, points: Array, means: Array) -> Array:
        """Squared distances of pyRiemann."""
        from pyriemann.geometry.distance import distance as delegated

        xp = array_namespace(points, means)
        columns = [
            xp.reshape(delegated(points, means[c, :, :], metric=self.metric), (-1,))
            for c in range(means.shape[0])
        ]
        return xp.stack(columns, axis=1) ** 2


def geometry_of(
    metric: str,
    structure: str,
    *,
    tangent: bool,
    tol: float = 1e-8,
    max_iter: int = 50,
    n_jobs: int | None = None,
) -> CovarianceGeometry:
    """Geometry by the name of its metric.

    Parameters
    ----------
    metric : str
        "riemann", "logeuclid", "wasserstein", "siegel", or a metric of pyRiemann.
    structure : {"full", "toeplitz"}
        Of the covariances.
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
    geometry : CovarianceGeometry
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
        return SiegelGeometry(tol, max_iter)
    if metric in OWN_METRICS:
        return SPDGeometry(metric, tol, max_iter, n_jobs)
    from pyriemann.geometry.distance import distance_functions
    from pyriemann.geometry.mean import mean_functions
    from pyriemann.geometry.tangentspace import log_map_functions

    known = set(log_map_functions) if tangent else set(mean_functions) & set(distance_functions)
    if metric not in known:
        use = "tangent-space classifiers" if tangent else "classifier='mdm'"
        names = ", ".join(sorted(known | {*OWN_METRICS, "siegel"}))
        raise ValueError(f"metric={metric!r} is not known for {use}. Choose one of: {names}.")
    return DelegatedGeometry(metric, tol, max_iter, n_jobs)


def _average(points: Array, weight: Array | None) -> Array:
    xp = array_namespace(points)
    if weight is None:
        return xp.mean(points, axis=0)
    weight = xp.astype(weight, points.dtype)
    return xp.tensordot(weight / xp.sum(weight), points, axes=1)


def _condition_number(matrices: Array) -> float:
    xp = array_namespace(matrices)
    values = xp.linalg.eigvalsh(xp.mean(matrices, axis=0))
    smallest, largest = float(values[0]), float(values[-1])
    return largest / smallest if smallest > 0 else float("inf")
