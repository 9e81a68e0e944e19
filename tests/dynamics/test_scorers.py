"""Scores for model choice."""

from functools import partial

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    multi_step_score,
    residual_score,
)
from tests.dynamics.systems import spiral


def test_search_splits_pairs_and_trajectories_by_itself(noisy):
    X, Y = noisy
    degrees = {"dictionary__degree": [1, 2]}
    pairs = GridSearchCV(
        KoopmanEDMD(PolynomialFeatures()), degrees, cv=GroupKFold(3), scoring=residual_score
    ).fit(X, Y, groups=np.arange(300) % 6)
    assert np.isfinite(pairs.best_score_)
    times = GridSearchCV(
        KoopmanEDMD(PolynomialFeatures()),
        degrees,
        cv=TimeSeriesSplit(3),
        scoring=partial(multi_step_score, n_steps=3),
    ).fit(spiral(n=80))
    assert times.best_score_ > 1 - 1e-6
    with pytest.raises(ValueError, match="TimeSeriesSplit"):
        multi_step_score(pairs.best_estimator_, X, Y)


def test_residual_score_is_minus_the_median_and_picks_the_closed_dictionary(noisy):
    X, _ = noisy
    Y = 7 * X @ np.diag([0.09, 0.05, 0.01])
    model = KoopmanEDMD().fit(X, Y + 0.1)
    held_out = model.held_out_residuals(X[:50], Y[:50])
    assert residual_score(model, X[:50], Y[:50]) == -np.median(held_out) < 0
    lifts = [FunctionTransformer(np.sin), PolynomialFeatures(1), FunctionTransformer(np.cos)]
    for order in (lifts, lifts[::-1]):  # a tie would go to the first
        search = GridSearchCV(
            KoopmanEDMD(), {"dictionary": order}, cv=GroupKFold(3), scoring=residual_score
        ).fit(X, Y, groups=np.arange(300) % 6)
        assert isinstance(search.best_params_["dictionary"], PolynomialFeatures)


def test_forecasts_are_scored_ten_steps_ahead_by_default(rng):
    X = np.cumsum(rng.normal(size=(80, 2)), axis=0)
    model = KoopmanEDMD().fit(X[:60])
    ahead = np.stack([model.simulate(X[[t]], 10)[0, -1] for t in range(60, 70)])
    truth = X[70:80]
    wanted = 1 - np.sum((ahead - truth) ** 2) / np.sum((truth - truth.mean(axis=0)) ** 2)
    assert multi_step_score(model, X[60:]) == pytest.approx(wanted, rel=1e-9)
    assert multi_step_score(model, X[60:], n_steps=9) != pytest.approx(wanted, rel=1e-3)


def test_a_forecast_that_leaves_the_range_has_the_worst_score():
    model = KoopmanEDMD().fit(1e30 ** np.arange(4.0)[:, None])
    assert multi_step_score(model, np.full((20, 1), 7.0), n_steps=15) == -np.inf
