"""What promises not to depend on units keeps the promise, from 1e-69 to 1e69, to the last digits.

A power of two scales every number exactly: what differs then is a threshold that knows no units,
or a square that left the range of floats.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from subspace_learn import (
    AugmentedCovarianceClassifier,
    BootstrapAMG,
    DPPLeastSquares,
    FederatedGrassmannPCA,
    GrassmannPCA,
    HiPPOTransformer,
    KoopmanEDMD,
    NearestSubspaceClassifier,
    RandomMatrixFilter,
    SelfCalibrationLS,
    SensitivitySampler,
    SpectralAMGClustering,
    SpectralPositionalEncoding,
    SubspaceDetector,
)
from subspace_learn.random_matrix import AnalyticShrinkage, HeavyTailSpectrum
from tests.fuzz.good_input import good_input
from tests.fuzz.robust import is_supervised

# Estimator -> what it says, and the power of the units that this has.
PROMISES = [
    (GrassmannPCA(2), lambda e, X: e.components_, 0),
    (GrassmannPCA(2), lambda e, X: e.explained_variance_, 2),
    (GrassmannPCA(2), lambda e, X: e.transform(X), 1),
    (FederatedGrassmannPCA(2, random_state=0), lambda e, X: e.components_, 0),
    (NearestSubspaceClassifier(1), lambda e, X: e.predict(X), 0),
    (SubspaceDetector(), lambda e, X: e.predict(X), 0),
    (RandomMatrixFilter(n_components=1), lambda e, X: e.filter(X), 1),
    (AnalyticShrinkage(), lambda e, X: e.covariance_, 2),
    (KoopmanEDMD(), lambda e, X: e.eigenvalues_, 0),
    (KoopmanEDMD(), lambda e, X: e.predict(X), 1),
    (DPPLeastSquares(random_state=0), lambda e, X: e.predict(X), 0),
    (SensitivitySampler(random_state=0), lambda e, X: e.weights_, 0),
    (SelfCalibrationLS(), lambda e, X: e.gains_, 0),
    (SpectralAMGClustering(2, random_state=0), lambda e, X: e.labels_, 0),
    (HiPPOTransformer(4), lambda e, X: e.transform(X), 1),
    (SpectralPositionalEncoding(), lambda e, X: e.transform(X), 0),
    (BootstrapAMG(random_state=0), lambda e, X: e.solve(np.arange(X.shape[0]) - 7.0), -1),
    (HeavyTailSpectrum(), lambda e, X: e.alpha_, 0),
    (AugmentedCovarianceClassifier(1, 1), lambda e, X: e.predict(X), 0),
]


@pytest.mark.parametrize(
    ("estimator", "says", "power"),
    PROMISES,
    ids=[f"{type(e).__name__} {i}" for i, (e, _, _) in enumerate(PROMISES)],
)
def test_units_change_nothing_but_units(estimator, says, power):
    X, y, _ = good_input(estimator)
    targets = (y,) if is_supervised(estimator) else ()

    def said(c):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # tables this small are no white noise
            return np.asarray(says(clone(estimator).fit(c * X, *targets), c * X))

    wanted = said(1.0)

    @settings(max_examples=8, derandomize=True, deadline=None, database=None)
    @given(st.integers(-230, 230))
    def law(exponent):
        given = said(2.0**exponent)
        size = max(1.0, float(np.max(np.abs(wanted)))) if wanted.dtype.kind in "fc" else 0.0
        if wanted.dtype.kind not in "fc":
            np.testing.assert_array_equal(given, wanted)
        else:
            np.testing.assert_allclose(
                given / 2.0 ** (power * exponent), wanted, rtol=1e-9, atol=1e-9 * size
            )

    law()
