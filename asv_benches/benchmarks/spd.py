"""Geometry of positive definite matrices beside pyRiemann, on real EEG covariances.

``d = 84``: motor imagery of subject 15, order 4, lag 2, 90 matrices; ``d = 21``: order 1;
``d = 48``: SSVEP of subject 1, order 6, lag 3, 500 matrices. All with OAS shrinkage.
"""

from __future__ import annotations

import warnings

import numpy as np
from pyriemann.geometry.distance import pairwise_distance as peer_distances
from pyriemann.geometry.mean import mean_riemann, mean_wasserstein
from pyriemann.geometry.tangentspace import tangent_space

from subspace_learn.covariance import (
    AugmentedCovariances,
    GBWNormalizer,
    distance,
    mean_spd,
    pairwise_distance,
    tangent_vectors,
)
from subspace_learn.datasets import fetch_motor_imagery, fetch_ssvep

from .common import Speed


def eeg_covariances(d):
    """Stack of augmented covariances of size 84, 48 or 21, in float64."""
    if d == 48:
        data, order, lag = fetch_ssvep(1), 6, 3
    else:
        data, order, lag = fetch_motor_imagery(15), d // 21, 2
    X = data.data.astype(np.float64)
    if d != 48:
        X = X[np.isin(data.target, ["left_fist", "right_fist"])]
    return AugmentedCovariances(order, lag).fit_transform(X)


class Geometry(Speed):
    """One or two threads: of BLAS for pyRiemann, of ours for ours."""

    needs = ("data", "pyriemann")
    param_names = ["d", "threads"]
    params = [[84, 48, 21], [1, 2]]
    smallest = (21, 1)
    budget = 6.0

    def setup(self, d, n_threads):
        self.n_threads = self.n_jobs = n_threads
        super().setup(d, n_threads)

    def make_data(self, d, n_threads):
        return eeg_covariances(d)


class TangentSpaceFit(Geometry):
    """Affine-invariant mean to 1e-8, then tangent vectors; scored by the distance to the mean."""

    def ours(self, A):
        mean = mean_spd(A, n_jobs=self.n_jobs).mean
        return mean, tangent_vectors(A, mean, n_jobs=self.n_jobs)

    def peers(self, A):
        def pyriemann():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mean = mean_riemann(A)
            return mean, tangent_space(A, mean)

        return {"pyRiemann": pyriemann}

    def score(self, A, result):
        if not hasattr(self, "exact") or self.exact.shape != A.shape[1:]:
            self.exact = mean_spd(A, tol=1e-12).mean
        return distance(result[0], self.exact)


class ArithmeticTangentSpace(Geometry):
    """The same at the arithmetic mean: no iteration on either side."""

    def ours(self, A):
        return tangent_vectors(A, A.mean(axis=0), n_jobs=self.n_jobs)

    def peers(self, A):
        return {"pyRiemann": lambda: tangent_space(A, A.mean(axis=0))}


class WassersteinMean(Geometry):
    """Bures-Wasserstein mean to 1e-8."""

    def ours(self, A):
        return mean_spd(A, "wasserstein", n_jobs=self.n_jobs).mean

    def peers(self, A):
        def pyriemann():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return mean_wasserstein(A)

        return {"pyRiemann": pyriemann}


class DistanceToMeans(Geometry):
    """What MDM needs to predict: each matrix against five."""

    def ours(self, A):
        return pairwise_distance(A, A[:5], n_jobs=self.n_jobs)

    def peers(self, A):
        return {"pyRiemann": lambda: peer_distances(A, A[:5], metric="riemann")}


class Normalise(Speed):
    """GBWNormalizer on five sessions of 100 matrices of size 48: no peer for the whole of it."""

    needs = ("data",)
    n_threads = 1
    param_names = ["theta"]
    params = [[1.0, 0.5]]
    budget = 6.0

    def make_data(self, theta):
        self.theta, self.sessions = theta, np.repeat(np.arange(5), 100)
        return eeg_covariances(48)

    def ours(self, A):
        return GBWNormalizer(self.theta).fit_transform(A, groups=self.sessions)
