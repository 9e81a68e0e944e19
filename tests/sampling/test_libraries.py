"""Estimators of this family compute with NumPy and say so."""

import numpy as np
import pytest

from subspace_learn import DPPLeastSquares, SensitivitySampler
from subspace_learn.sampling import ProductBasis, SubsampledEstimator


@pytest.mark.parametrize(
    "estimator", [DPPLeastSquares(), SensitivitySampler(), ProductBasis(), SubsampledEstimator()]
)
def test_arrays_of_other_libraries_are_refused_with_advice(estimator, xp):
    X = np.random.default_rng(0).normal(size=(30, 2))
    if xp.name == "numpy":
        estimator.fit(xp.asarray(X), X[:, 0])
        return
    with pytest.raises(ValueError, match="ToDevice"):
        estimator.fit(xp.asarray(X), X[:, 0])
