"""All the numbers an estimator gives after a fit, and what may move them."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone

from subspace_learn._capabilities import kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks.data import example
from tests.common_checks.instances import instances, needs_torch
from tests.fuzz.robust import is_supervised

METHODS = (
    *("transform", "inverse_transform", "predict", "predict_proba", "decision_function"),
    *("score_samples", "reconstruction_error", "filter", "score"),
)
PACKAGE = str(Path(inspect.getfile(estimators)).parent)
EPS32 = float(np.finfo(np.float32).eps)
# The way to the answer, not the answer: steps taken, losses on the way.
HISTORY = {"n_features_in_", "n_iter_", "best_iter_", "loss_curve_"}
AXIS_OF_COLUMNS = {"table": 1, "sampler": 1, "complex_table": 1, "epochs": 1, "sequences": 2}


# Defaults whose wrapped estimator starts at random, with no seed to fix from outside.
STARTS_AT_RANDOM = {"EoRACompensator"}
# Products of waves along each axis: the tables of the common checks have too many axes.
MOST_COLUMNS = {"FourierDictionary": 2}


def settings():
    """Every estimator with its defaults, and in the settings of the common checks, by kind."""
    found = {}
    defaults = [
        cls()
        for name, cls in estimators().items()
        if not needs_torch(cls) and name not in STARTS_AT_RANDOM
    ]
    for estimator in [*defaults, *instances()]:
        found.setdefault(repr(estimator), estimator)
    return list(found.values())


def seeded(estimator):
    """A copy whose chance is fixed, so that two fits may be compared."""
    estimator = clone(estimator)
    parameters = estimator.get_params()
    names = [n for n in parameters if n.rpartition("__")[2] == "random_state"]
    return estimator.set_params(**{n: 0 for n in names if parameters[n] is None})


def data(estimator):
    """X of the kind of ``estimator``, in units that are not 1, and its targets."""
    kind = kind_of_input(estimator)
    X, y = example(kind)
    if kind in AXIS_OF_COLUMNS and kind != "complex_table":
        X = 7.3 * X
    if type(estimator).__name__ in MOST_COLUMNS:
        X = X[:, : MOST_COLUMNS[type(estimator).__name__]]
    return X, y


class Fitted:
    """A fitted estimator, what it said while fitting, and the numbers it gives."""

    def __init__(self, estimator, X, y=None, query=None, **fit_params):
        self.estimator = seeded(estimator)
        targets = (y,) if is_supervised(estimator) else ()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.estimator.fit(X, *targets, **fit_params)
            self.attributes = attributes(self.estimator)
            self.answers = answers(self.estimator, X if query is None else query, y)
        self.warnings = caught
        self.said = " | ".join(sorted({str(w.message) for w in caught}))
        inside = [f"{w.filename}:{w.lineno}: {w.message}" for w in caught if is_ours(w)]
        assert not inside, f"warnings must point at the line of the user: {inside}"

    @property
    def numbers(self):
        """Attributes and answers together."""
        return {**self.attributes, **self.answers}


def is_ours(warning):
    """Whether a warning of ours points into the package."""
    return warning.filename.startswith(PACKAGE)


def as_number(value):
    """A float or complex array of a fitted attribute, or None."""
    if isinstance(value, bool | np.bool_ | str | bytes) or value is None or callable(value):
        return None
    if isinstance(value, list | tuple) and value and all(as_number(v) is not None for v in value):
        return np.concatenate([np.ravel(as_number(v)) for v in value])
    if isinstance(value, int | float | complex | np.number | np.ndarray):
        value = np.asarray(value)
        kinds = {"f": float, "i": float, "u": float, "c": complex}
        return value.astype(kinds[value.dtype.kind]) if value.dtype.kind in kinds else None
    return None


def attributes(estimator):
    """Public fitted attributes that are numbers, by name."""
    names = {*vars(estimator), *dir(type(estimator))}
    found = {}
    for name in sorted(names):
        if name.endswith("_") and not name.startswith("_") and name not in HISTORY:
            try:
                value = getattr(estimator, name, None)
            except ValueError:  # a property that refuses: the inverse of what has none
                continue
            number = as_number(value)
            if number is not None:
                found[name] = number
    return found


def answers(estimator, X, y=None):
    """What the fitted estimator says of X, by method: numbers as they are, labels as codes."""
    found = {}
    for name in METHODS:
        method = getattr(estimator, name, None)
        if not callable(method):
            continue
        argument = X
        if name == "inverse_transform":
            if "transform" not in found:
                continue
            argument = estimator.transform(X)
        try:
            said = method(X, y) if name == "score" else method(argument)
        except (ValueError, TypeError):  # refused in words: judged by the fuzz tests
            continue
        if isinstance(said, list | tuple):
            said = np.concatenate([np.ravel(part) for part in said])
        said = np.asarray(said)
        if said.dtype.kind == "O" and isinstance(said.flat[0], complex):  # polars has no complex
            said = said.astype(complex)
        found[name] = said if said.dtype.kind in "fc" else np.unique(said, return_inverse=True)[1]
    return found


def largest(value):
    """Size that errors of an array are measured by."""
    finite = np.asarray(value)[np.isfinite(value)]
    return float(np.max(np.abs(finite), initial=0.0))


def differences(given, wanted, allowed):
    """Names whose values differ by more than ``allowed(name)``, with by how much."""
    found = {}
    for name in wanted:
        a, b = given.get(name), wanted[name]
        if a is None or a.shape != b.shape:
            found[name] = f"shape {getattr(a, 'shape', None)}, not {b.shape}"
            continue
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            gap = np.where(same, 0.0, np.abs(a - b))
        worst = float(np.max(gap, initial=0.0))
        if not worst <= allowed(name):
            found[name] = f"off by {worst:.3g}, allowed {allowed(name):.3g}, size {largest(b):.3g}"
    return found
