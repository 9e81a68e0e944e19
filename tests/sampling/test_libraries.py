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


@pytest.mark.parametrize("unit", [2.0**60, 2.0**-60])
def test_float32_tables_in_large_and_small_units_are_worked_in_float64(rng, unit):
    X = (rng.normal(size=(200, 3)) * [1, 4, 0.5]).astype(np.float32)
    y = X @ np.array([1.0, -2.0, 0.5], dtype=np.float32)
    scaled = X * np.float32(unit)
    sampler = SensitivitySampler(40, append_target=False, random_state=0)
    wanted = sampler.fit(X).scores_
    np.testing.assert_allclose(sampler.fit(scaled).scores_, wanted, rtol=1e-12)
    model = DPPLeastSquares(random_state=0).fit(scaled, y)
    np.testing.assert_allclose(model.coef_ * unit, [1, -2, 0.5], rtol=1e-5)
    basis = ProductBasis(degree=2)
    wanted = basis.fit_transform(X)
    np.testing.assert_allclose(basis.fit_transform(scaled), wanted, rtol=1e-6, atol=1e-6)
