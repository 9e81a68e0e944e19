"""AnalyticShrinkage beside linear shrinkage, and its face."""

import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from subspace_learn.random_matrix import AnalyticShrinkage


def loss(covariance, truth):
    return np.linalg.norm(covariance - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("shape", [(400, 200), (200, 200), (200, 400)])
def test_it_is_closer_to_a_spiked_covariance_than_linear_shrinkage(shape, rng):
    d = np.ones(shape[1])
    d[:4] = (10, 5, 3, 1.5)
    X = rng.standard_normal(shape) * d**0.5
    ours = loss(AnalyticShrinkage().fit(X).covariance_, np.diag(d))
    assert ours < 0.85 * loss(LedoitWolf().fit(X).covariance_, np.diag(d))


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
@pytest.mark.parametrize("center", [True, False])
def test_likelihood_and_precision_are_those_of_the_covariance(shape, center, rng):
    X = rng.standard_normal(shape) + 2
    model = AnalyticShrinkage(center=center).fit(X)
    law = multivariate_normal(model.mean_, model.covariance_)
    np.testing.assert_allclose(model.score_samples(X), law.logpdf(X), rtol=1e-8)
    np.testing.assert_allclose(model.covariance_ @ model.precision_, np.eye(shape[1]), atol=1e-8)
    np.testing.assert_allclose(
        np.sort(model.eigenvalues_), np.linalg.eigvalsh(model.covariance_), rtol=1e-8
    )


def test_rows_that_do_not_differ_are_refused():
    with pytest.raises(ValueError, match="rows do not differ"):
        AnalyticShrinkage().fit(np.ones((20, 3)))


def test_float32_gives_the_covariance_of_float64(rng):
    X = (rng.standard_normal((200, 10)) * [1e4, *np.ones(8), 1e-3] + 3).astype(np.float32)
    narrow, wide = AnalyticShrinkage().fit(X), AnalyticShrinkage().fit(X.astype(np.float64))
    np.testing.assert_allclose(narrow.eigenvalues_, wide.eigenvalues_, rtol=1e-6)
    assert narrow.score(X) == pytest.approx(wide.score(X.astype(np.float64)))


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_columns_that_are_lost_beside_others_are_named(factor, rng):
    frame = pd.DataFrame(rng.standard_normal((200, 5)), columns=list("abcde"))
    frame["c"] *= factor
    first = "c" if factor < 1 else "a"
    with pytest.warns(UserWarning, match=f"the first '{first}'"):
        AnalyticShrinkage().fit(frame)


def test_constant_and_repeated_columns_are_no_loss(rng):
    X = rng.standard_normal((200, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AnalyticShrinkage().fit(np.column_stack([X, X[:, 0], np.full(200, 0.1)]))


def test_sparse_rows_are_scored_in_less_memory_than_their_coordinates():
    X = sp.random(40_000, 300, density=0.01, format="csc", random_state=0)
    model = AnalyticShrinkage().fit(X)
    tracemalloc.start()
    try:
        densities = model.score_samples(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 40_000 * 300 / 2
    law = multivariate_normal(np.ravel(X.mean(axis=0)), model.covariance_)
    rows = X.tocsr()[::4000].toarray()
    np.testing.assert_allclose(densities[::4000], law.logpdf(rows), rtol=1e-9)
