"""The trained circuit: its loss, its starts, and its answers to mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier

from subspace_learn.quantum import VariationalQuantumClassifier, make_ad_hoc_quantum


def test_deep_circuits_learn_what_their_own_map_made():
    X, y = make_ad_hoc_quantum(280, random_state=1)
    (X, X_new), (y, y_new) = np.split(X, [80]), np.split(y, [80])
    scores = [
        VariationalQuantumClassifier(depth, random_state=0).fit(X, y).score(X_new, y_new)
        for depth in (0, 4)
    ]
    assert scores[1] >= 0.98
    assert scores[1] > scores[0]


def test_answers_agree_with_the_loss():
    X, y = make_ad_hoc_quantum(40, random_state=0)
    y = np.where(y > 0, "up", "down")
    model = VariationalQuantumClassifier(1, random_state=0).fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    at_true = np.where(y == "up", proba[:, 1], proba[:, 0])
    np.testing.assert_allclose(model.loss_, -np.log(at_true).mean(), rtol=1e-6)
    assert model.classes_.tolist() == ["down", "up"]
    np.testing.assert_array_equal(
        model.predict(X), model.classes_[(model.decision_function(X) > 0).astype(int)]
    )
    assert model.angles_.shape == (2 * 2 * 2,)


def test_weights_equal_repetition():
    X, y = make_ad_hoc_quantum(50, random_state=3)
    y[:6] *= -1  # not separable
    weight = np.random.default_rng(0).integers(0, 3, size=50)
    rows = np.repeat(np.arange(50), weight)
    how = {"n_init": 1, "tol": 1e-9, "max_iter": 3000, "random_state": 0}
    wanted = VariationalQuantumClassifier(1, **how).fit(X[rows], y[rows]).decision_function(X)
    given = VariationalQuantumClassifier(1, **how).fit(X, y, sample_weight=weight)
    # two ways to one minimum, where the loss is flat to 1e-12: 1e-6 of the angles
    np.testing.assert_allclose(given.decision_function(X), wanted, atol=1e-4)


def test_more_starts_never_end_higher():
    X, y = make_ad_hoc_quantum(40, random_state=2)
    losses = []
    for n in (1, 3, 6):
        model = VariationalQuantumClassifier(1, n_init=n, random_state=0).fit(X, y)
        losses.append(model.loss_ + 1e-3 / 2 * model.gain_**2)  # with the default penalty
    assert losses[0] >= losses[1] >= losses[2]


def test_more_than_two_classes_are_refused_with_a_way_out():
    X, _ = make_ad_hoc_quantum(60, random_state=0)
    three = np.arange(60) % 3
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        VariationalQuantumClassifier().fit(X, three)
    model = OneVsRestClassifier(VariationalQuantumClassifier(1, n_init=1, random_state=0))
    assert set(model.fit(X, three).predict(X)) <= {0, 1, 2}


def test_too_few_iterations_are_told():
    X, y = make_ad_hoc_quantum(40, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        VariationalQuantumClassifier(max_iter=2, random_state=0).fit(X, y)
