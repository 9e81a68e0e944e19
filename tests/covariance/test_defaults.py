"""The defaults of the family, and the one list of its public names."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import subspace_learn.covariance as family
from subspace_learn.covariance import AugmentedCovarianceClassifier, AugmentedCovariances
from tests.common_checks.epochs import make_epochs


def test_defaults_of_the_classifier_are_these():
    assert AugmentedCovarianceClassifier().get_params() == {
        "order": "auto",
        "lag": "auto",
        "orders": (1, 2, 3, 4, 6, 8),
        "lags": (1, 2, 3, 4, 6, 8),
        "bands": None,
        "selection": "cv",
        "estimator": "oas",
        "structure": "full",
        "metric": "riemann",
        "reference": "arithmetic",
        "classifier": "svm",
        "cv": 5,
        "tol": 1e-8,
        "max_iter": 50,
        "sfreq": None,
        "n_jobs": None,
        "random_state": None,
        "verbose": 0,
    }


def test_defaults_of_the_matrices_are_these():
    assert AugmentedCovariances().get_params() == {
        "order": 1,
        "lag": 1,
        "estimator": "oas",
        "structure": "full",
        "dtype": None,
        "bands": None,
        "sfreq": None,
    }


@pytest.mark.parametrize(
    ("function", "defaults"),
    [
        ("mean_spd", {"metric": "riemann", "tol": 1e-8, "max_iter": 50}),
        ("tangent_vectors", {"metric": "riemann"}),
        ("from_tangent_vectors", {"metric": "riemann"}),
        ("log_map", {"metric": "riemann"}),
        ("exp_map", {"metric": "riemann"}),
        ("transport", {"metric": "riemann"}),
        ("distance", {"metric": "riemann"}),
        ("pairwise_distance", {"metric": "riemann"}),
        ("augmented_covariances", {"order": 1, "lag": 1, "estimator": "oas", "structure": "full"}),
    ],
)
def test_defaults_of_the_functions_are_these(function, defaults):
    parameters = inspect.signature(getattr(family, function)).parameters
    assert {name: parameters[name].default for name in defaults} == defaults


def test_the_default_search_looks_at_all_cells_in_five_folds():
    X, y = make_epochs()
    X = np.concatenate([X, X[:, :, ::-1]], axis=2)  # long enough for order 8 at lag 8
    table = AugmentedCovarianceClassifier().fit(X, y).cv_results_
    assert len(table["params"]) == 1 + 5 * 6
    assert "split4_test_score" in table
    assert "split5_test_score" not in table


def test_settings_changed_after_the_fit_do_not_change_its_answers():
    X, y = make_epochs()
    model = AugmentedCovarianceClassifier(2, 2, classifier="lr").fit(X, y)
    wanted = model.decision_function(X)
    model.set_params(
        order=1, lag=5, estimator="scm", structure="toeplitz", metric="euclid", classifier="mdm"
    )
    np.testing.assert_array_equal(model.decision_function(X), wanted)
