"""The judge of tests/fuzz/test_any_input.py: it works and is finite, or it is refused in words."""

from __future__ import annotations

import copy
import linecache
import traceback
import warnings
from contextlib import contextmanager
from functools import cache

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from subspace_learn._capabilities import kind_of_input

ASKED = (
    *("transform", "predict", "predict_proba", "predict_log_proba", "decision_function"),
    *("score_samples", "embed", "solve", "filter", "eigenfunctions", "reconstruction_error"),
)
# Values that are infinite or NaN on purpose: where they stand, and what they say.
MAY_BE_INFINITE = {
    "predict_log_proba": "the logarithm of a probability that underflows is minus infinity",
}


class Refused(Exception):
    """The estimator refused what it was given, as it may."""


@contextmanager
def judged(what):
    """Refuse every warning of numbers and every exception but a ValueError or TypeError in words.

    A refusal leaves as :class:`Refused`.
    """
    caught = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *args, **kwargs: caught.append((args, _speaker()))
        try:
            yield
        except (ValueError, TypeError) as error:
            refusal = error
        else:
            refusal = None
    if refusal is not None:
        _judge_refusal(refusal, what)
        raise Refused(str(refusal))
    for (message, category, *_), (package, where) in caught:
        assert package != "subspace_learn" or issubclass(category, UserWarning), (
            f"{what} warned: {category.__name__}: {message} ({where})"
        )


def _judge_refusal(error, what):
    """A refusal was meant, and tells in words why; what the arithmetic warned of before is its."""
    assert not isinstance(error, np.linalg.LinAlgError), f"{what}: {error!r}"
    assert len(str(error).split()) >= 4, f"{what} says too little: {error!r}"
    where = _leak(error)
    assert not where, f"{what}: not refused, it fell over at {where}: {error}"


def _speaker():
    """Who does the arithmetic that warns: this package or scikit-learn, and where."""
    for frame in reversed(traceback.extract_stack()):
        for package in ("subspace_learn", "sklearn"):
            if f"/{package}/" in frame.filename:
                return package, f"{frame.filename}:{frame.lineno}"
    return "", ""


def _leak(error):
    """Where an error came up that nobody wrote for the user, else an empty string.

    A refusal is a ``raise`` in this package or in scikit-learn, or a conversion that scikit-learn
    tries; numbers that a computation trips over are neither.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/subspace_learn/" in f.filename or "/sklearn/" in f.filename]
    if not ours or "/sklearn/" in ours[-1].filename:
        return ""
    line = linecache.getline(ours[-1].filename, ours[-1].lineno).strip()
    if ours[-1] is frames[-1] and line.startswith("raise"):
        return ""
    return f"{ours[-1].filename}:{ours[-1].lineno}"


def assert_finite(value, what):
    """Every float in ``value`` (arrays, sparse matrices, lists, frames) is a finite number."""
    if isinstance(value, list | tuple):
        for i, part in enumerate(value):
            assert_finite(part, f"{what}[{i}]")
    elif isinstance(value, dict):
        for name, part in value.items():
            assert_finite(part, f"{what}[{name!r}]")
    else:
        value = value.data if sp.issparse(value) else value
        if isinstance(value, float | np.generic | np.ndarray) or hasattr(value, "__array__"):
            value = np.asarray(value)
            if value.dtype.kind in "fc":
                assert np.isfinite(value).all(), f"{what} is not finite: {value!r:.300}"


def assert_fit_is_finite(estimator):
    """Public fitted attributes hold finite numbers."""
    names = {*vars(estimator), *dir(type(estimator))}
    for name in sorted(names):
        if name.endswith("_") and not name.startswith("_") and name not in estimator._not_finite:
            try:
                with warnings.catch_warnings():  # of a stream, when it is first asked
                    warnings.simplefilter("ignore", UserWarning)
                    value = getattr(estimator, name, None)
            except ValueError as error:  # a property, such as the inverse of what has none
                refusal = error
            else:
                refusal = None
                assert_finite(value, name)
            if refusal is not None:
                _judge_refusal(refusal, name)


def frozen(X):
    """A copy of what is given, to compare with afterwards."""
    if isinstance(X, list | tuple):
        return [frozen(part) for part in X]
    if isinstance(X, dict):
        return {name: frozen(part) for name, part in X.items()}
    if isinstance(X, memoryview):
        return bytes(X)
    if sp.issparse(X):
        parts = ("data", "indices", "indptr", "row", "col", "rows", "offsets")
        return [X.shape, *(copy.deepcopy(getattr(X, part, None)) for part in parts)]
    if isinstance(X, np.ndarray) and X.dtype == object:
        return [X.shape, *map(repr, X.ravel())]  # a copy of NaN is another NaN
    return None if hasattr(X, "gi_frame") else copy.deepcopy(X)


def assert_unchanged(X, before, what):
    """``X`` is what it was before."""
    if before is None:
        return
    now = frozen(X)
    assert type(now) is type(before)
    if type(X).__module__.startswith("polars"):  # polars, whose objects are never equal
        assert repr(X.rows()) == repr(before.rows()), what
    elif hasattr(X, "equals"):
        assert X.equals(before), what
    else:
        np.testing.assert_equal(now, before, err_msg=what)


@cache
def _fitted(build):
    """An estimator fitted on good data, the data, and what it says of them."""
    estimator, X = build()
    return estimator, X, answers(estimator, X)


def answers(estimator, X):
    """What a fitted estimator says of X, by method."""
    said = {}
    for name in ASKED:
        if callable(getattr(estimator, name, None)):
            try:
                said[name] = getattr(estimator, name)(X)
            except ValueError as error:  # no density of a singular covariance, for example
                said[name] = str(error)
    return said


def examine(build, given, entry="fit"):
    """Fit what is given to the estimator of ``build``, which fits good data; judge all it does.

    Returns whether it was fitted.
    """
    estimator, good, said = _fitted(build)
    state, infinite = dict(vars(estimator)), type(estimator)._not_finite
    entry = entry if hasattr(estimator, entry) else "fit"
    try:
        if entry == "partial_fit":
            estimator = clone(estimator)
        _examine_fit(estimator, given, entry)
        assert_fit_is_finite(estimator)
        _examine_answers(estimator, given, infinite)
        return True
    except Refused:
        if entry == "fit":
            assert vars(estimator).keys() == state.keys()
            assert all(vars(estimator)[name] is state[name] for name in state)
            np.testing.assert_equal(answers(estimator, good), said)
        return False
    finally:
        fitted = _fitted(build)[0]
        vars(fitted).clear()
        vars(fitted).update(state)


def is_supervised(estimator):
    """Whether `fit` is given targets."""
    needs = get_tags(estimator).target_tags.required
    return needs or is_classifier(estimator) or is_regressor(estimator)


def _examine_fit(estimator, given, entry):
    before = frozen(given.X)
    arguments = {}
    if given.sample_weight is not None and has_fit_parameter(estimator, "sample_weight"):
        arguments["sample_weight"] = given.sample_weight
    targets = (given.y,) if is_supervised(estimator) else ()
    try:
        with judged(entry):
            getattr(estimator, entry)(given.X, *targets, **arguments)
    finally:
        assert_unchanged(given.X, before, f"{entry} changed its input")


def _examine_answers(estimator, given, infinite):
    for name in ASKED:
        if not callable(getattr(estimator, name, None)):
            continue
        before = frozen(given.query)
        answer = None
        try:
            with judged(name):
                answer = getattr(estimator, name)(given.query)
        except Refused:
            pass
        assert_unchanged(given.query, before, f"{name} changed its input")
        if name not in MAY_BE_INFINITE and name not in infinite:
            assert_finite(answer, name)
        if name == "transform" and answer is not None and hasattr(estimator, "inverse_transform"):
            try:
                with judged("inverse_transform"):
                    back = estimator.inverse_transform(answer)
            except Refused:
                continue
            if "inverse_transform" not in infinite:
                assert_finite(back, "inverse_transform")
    if hasattr(estimator, "fit_resample"):
        try:
            with judged("fit_resample"):
                drawn = estimator.fit_resample(given.X, given.y, return_weights=True)
        except Refused:
            return
        assert_finite(drawn[-1], "weights of fit_resample")


def kind_of(estimator):
    """Kind of X, as in tests/test_common.py; weight matrices have one of their own."""
    if type(estimator).__name__ == "HeavyTailSpectrum":
        return "weights"
    kind = kind_of_input(estimator)
    return "table" if kind == "images" else kind  # the nets of the common checks take tables
