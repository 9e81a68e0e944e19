"""SubsampledEstimator: any weighted estimator, in Pipelines and grid searches."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import is_classifier, is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn.sampling import SensitivitySampler, SubsampledEstimator


@pytest.fixture
def table(rng):
    X = rng.normal(size=(2000, 4))
    return X, X @ [1.0, 2.0, -1.0, 0.0] + 5 + rng.normal(size=2000)


def test_it_is_the_estimator_on_the_weighted_sample(table):
    X, y = table
    sampler = SensitivitySampler(200, random_state=0)
    model = SubsampledEstimator(Ridge(), sampler).fit(X, y)
    X_few, y_few, weights = sampler.fit_resample(X, y, return_weights=True)
    by_hand = Ridge().fit(X_few, y_few, sample_weight=weights)
    np.testing.assert_array_equal(model.predict(X), by_hand.predict(X))
    assert model.score(X, y) == by_hand.score(X, y)
    np.testing.assert_array_equal(model.indices_, sampler.indices_)
    assert not hasattr(sampler, "scores_") or sampler is not model.sampler_


def test_least_absolute_deviations_on_few_rows_are_near_those_on_all(table):
    X, y = table
    full = QuantileRegressor(alpha=0).fit(X[:600], y[:600])
    sampler = SensitivitySampler(200, p=1.0, append_constant=True, random_state=0)
    few = SubsampledEstimator(QuantileRegressor(alpha=0), sampler).fit(X[:600], y[:600])
    losses = [np.abs(y[:600] - model.predict(X[:600])).sum() for model in (full, few)]
    assert losses[1] / losses[0] < 1.05


def test_it_goes_through_pipelines_and_grid_searches(table):
    X, y = table
    pipeline = make_pipeline(StandardScaler(), SubsampledEstimator(Ridge(), SensitivitySampler()))
    grid = {
        "subsampledestimator__estimator__alpha": [0.1, 1.0],
        "subsampledestimator__sampler__n_samples": [0.05, 200],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.8


def test_classifiers_keep_their_methods(table):
    X, y = table
    labels = np.where(y > 5, "high", "low")
    model = SubsampledEstimator(LogisticRegression(), SensitivitySampler(200, random_state=0))
    assert is_classifier(model)
    assert not is_regressor(model)
    model.fit(X, labels)
    assert model.classes_.tolist() == ["high", "low"]
    assert model.score(X, labels) > 0.8
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-12)
    assert model.decision_function(X).shape == (2000,)
    assert is_regressor(SubsampledEstimator())
    assert not hasattr(SubsampledEstimator(), "predict_proba")


def test_sparse_rows_and_data_frames_are_taken(table):
    pandas = pytest.importorskip("pandas")
    X, y = table
    wanted = SubsampledEstimator().fit(X, y).predict(X)
    sparse = SubsampledEstimator().fit(sp.csr_matrix(X), y).predict(sp.csr_matrix(X))
    np.testing.assert_allclose(sparse, wanted, rtol=1e-6)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = SubsampledEstimator().fit(frame, y)
    np.testing.assert_allclose(model.predict(frame), wanted, rtol=1e-9)
    assert list(model.estimator_.feature_names_in_) == list("abcd")


def test_what_cannot_be_fitted_is_refused(table):
    X, y = table
    with pytest.raises(TypeError, match="does not take sample_weight"):
        SubsampledEstimator(KNeighborsRegressor()).fit(X, y)
    rare = np.where(np.arange(2000) == 3, "rare", "common")
    with pytest.raises(ValueError, match="no row in the sample"):
        SubsampledEstimator(LogisticRegression(), SensitivitySampler(5, random_state=0)).fit(
            X, rare
        )
    with pytest.raises(ValueError, match="NaN"):
        SubsampledEstimator(LinearRegression()).fit(X, np.where(y > 0, y, np.nan))


def test_polars_names_reach_the_estimator_in_fit_predict_and_score(table):
    polars = pytest.importorskip("polars")
    X, y = table
    frame = polars.DataFrame(X, schema=list("abcd"))
    model = SubsampledEstimator().fit(frame, y)
    assert list(model.estimator_.feature_names_in_) == list("abcd")
    plain = SubsampledEstimator().fit(X, y)
    np.testing.assert_allclose(model.predict(frame), plain.predict(X), rtol=1e-9)
    assert model.score(frame, y) == pytest.approx(plain.score(X, y), rel=1e-9)
    with pytest.raises(ValueError, match="order"):
        model.score(frame.select(list("bacd")), y)
