"""Every public estimator in cheap settings, and good data of its kind: for robustness tests."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
from sklearn.base import clone

from subspace_learn.dynamics import DelayDictionary
from subspace_learn.random_matrix import HeavyTailSpectrum
from tests.common_checks import instances, system
from tests.common_checks.data import example

from .robust import is_supervised, kind_of

# Not in the table of common checks, whose rows they do not have.
ALONE = (DelayDictionary(1), DelayDictionary(2, lag=2), HeavyTailSpectrum(), HeavyTailSpectrum(4))
# Thousands of fits of a few rows: fewer steps show the same ways through the code.
CHEAP = {
    "max_epochs": 2,
    "estimator__max_iter": 20,
    "max_iter": 20,
    "max_bytes": 1e5,
}


def _cheap(estimator):
    parameters = estimator.get_params()
    few = {
        name: value
        for name, value in CHEAP.items()
        if isinstance(parameters.get(name), int | float) and parameters[name] > value
    }
    return estimator.set_params(**few)


def settings_of_every_estimator():
    """Estimators by the name of their class, each in its settings."""
    found = [*instances.instances(), *instances.longer_instances(), *ALONE]
    if find_spec("torch") is not None:
        found += instances.deep_instances()
    by_name = {}
    for estimator in found:
        by_name.setdefault(type(estimator).__name__, []).append(_cheap(clone(estimator)))
    return by_name


def good_input(estimator):
    """Data of the kind of ``estimator``: X, y, and what may be asked of the fitted estimator."""
    kind = kind_of(estimator)
    if kind == "weights":
        X = np.random.default_rng(20260101).normal(size=(20, 20))
        return X, None, X
    if kind == "system":
        return *example(kind), system.right_hand_sides()
    X, y = example(kind)
    return X, y, X


def fitted_on_good_input(estimator):
    """Return a function that fits ``estimator`` to good data and returns it with a query."""

    class Build:
        def __call__(self):
            X, y, query = good_input(estimator)
            fitted = clone(estimator)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # cheap settings do not converge
                fitted.fit(X, y) if is_supervised(estimator) else fitted.fit(X)
            return fitted, query

        def __repr__(self):
            return repr(estimator)

    return Build()
