"""A fit that is interrupted anywhere leaves the earlier fit, and everything global, as it was."""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import threadpoolctl
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import load_breast_cancer

import subspace_learn
from subspace_learn import (
    DPPLeastSquares,
    FederatedGrassmannPCA,
    KoopmanEDMD,
    SubspaceDetector,
)
from subspace_learn.functional.random_matrix.hessian_spectrum import hessian_spectrum
from subspace_learn.sampling import SubsampledEstimator
from tests.fuzz.good_input import good_input, settings_of_every_estimator
from tests.fuzz.robust import answers, is_supervised

PACKAGE = str(Path(subspace_learn.__file__).parent)
SHARES = (0.02, 0.3, 0.6, 0.9, 1.0)  # of the calls of a fit after which it is interrupted
ESTIMATORS = settings_of_every_estimator()
INSTANCES = [
    pytest.param(estimator, id=f"{name} {i}")
    for name, each in ESTIMATORS.items()
    for i, estimator in enumerate(each)
]
# What a fit outlives, or names another way, and why.
OUTLIVES = {
    # A client that fails is left out with a warning; when none is left, that is a ValueError.
    "FederatedGrassmannPCA": (MemoryError,),
}


class Calls:
    """Counts calls of functions of the package, and raises at one of them if asked to."""

    def __init__(self, at=None, error=None):
        self.at, self.error, self.n = at, error, 0

    def __call__(self, frame, event, arg):
        generator = frame.f_code.co_flags & inspect.CO_GENERATOR  # may be resumed by its end
        if event == "call" and not generator and frame.f_code.co_filename.startswith(PACKAGE):
            self.n += 1
            if self.n == self.at:
                raise self.error
        return None

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)


def doubled(X):
    """Other data of the same kind: twice the numbers."""
    if isinstance(X, list):
        return [(2 * vertices, *rest) for vertices, *rest in X]
    return sp.csr_array(2 * X) if sp.issparse(X) else 2 * X


def global_state():
    """What no fit may change: error handling, NumPy's random numbers, threads, warning filters."""
    state = np.random.get_state()  # noqa: NPY002 (to see that it stays)
    threads = {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    return np.geterr(), state[1].tobytes(), state[2:], threads, list(warnings.filters)


def numbers(estimator):
    """Copies of the public fitted attributes that are numbers."""
    return {
        name: copy.deepcopy(value)
        for name, value in vars(estimator).items()
        if name.endswith("_") and isinstance(value, np.ndarray | float | int | str | list)
    }


def fit(estimator, method, X, y):
    targets = (y,) if is_supervised(estimator) else ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(estimator, method)(X, *targets)


def outlived(estimator, error):
    return isinstance(error, OUTLIVES.get(type(estimator).__name__, ()))


@pytest.mark.parametrize("estimator", INSTANCES)
def test_interrupted_fit_leaves_the_earlier_fit_and_all_that_is_global(estimator):
    X, y, query = good_input(estimator)
    estimator = fit(clone(estimator), "fit", X, y)
    said, learned, state = answers(estimator, query), numbers(estimator), dict(vars(estimator))
    for method in ("fit", "partial_fit"):
        if not hasattr(estimator, method):
            continue
        other = doubled(X)
        for _ in range(2):  # the first fills caches
            with Calls() as whole:
                fit(copy.deepcopy(estimator), method, other, y)
        outside = global_state()
        for share in SHARES:
            for error in (KeyboardInterrupt(), MemoryError()):
                with Calls(max(2, int(share * whole.n)), error) as calls:
                    try:
                        fit(estimator, method, other, y)
                    except type(error):
                        stopped = True
                    except ValueError:
                        stopped = outlived(estimator, error)
                    else:
                        stopped = False
                assert global_state() == outside
                if stopped:
                    assert vars(estimator).keys() == state.keys()
                    assert all(vars(estimator)[name] is state[name] for name in state)
                    np.testing.assert_equal(numbers(estimator), learned)
                    np.testing.assert_equal(answers(estimator, query), said)
                else:
                    assert calls.n < calls.at or outlived(estimator, error)
                    vars(estimator).clear()
                    vars(estimator).update(state)


class Fails(ClassifierMixin, TransformerMixin, BaseEstimator):
    """What a user may plug in, with a bug that shows in some method."""

    def __init__(self, method="fit"):
        self.method = method

    def _now(self, method):
        if self.method == method:
            raise ZeroDivisionError(f"a bug in {method}")

    def fit(self, X, y=None, sample_weight=None):
        self._now("fit")
        self.classes_, self.n_features_in_ = np.array([0, 1]), X.shape[1]
        return self

    def transform(self, X):
        self._now("transform")
        return X

    def inverse_transform(self, X):
        return X

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_failing_dictionary_leaves_the_earlier_model(rng, method):
    X = rng.normal(size=(30, 2))
    model = KoopmanEDMD().fit(X)
    before, predicted = dict(vars(model)), model.predict(X)
    model.set_params(dictionary=Fails(method))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        model.fit(X)
    model.set_params(dictionary=None)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(X), predicted)


@pytest.mark.parametrize(
    ("model", "child"),
    [(SubspaceDetector(), "subspace"), (SubsampledEstimator(), "estimator")],
    ids=["detector", "subsampled"],
)
def test_failing_child_leaves_the_earlier_model(model, child):
    X, y = load_breast_cancer(return_X_y=True)
    model = clone(model).fit(X, y)
    predicted = model.predict(X)
    model.set_params(**{child: Fails()})
    with pytest.raises(ZeroDivisionError, match="a bug"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict(X), predicted)


def test_failing_oracle_leaves_the_earlier_model_and_is_not_asked_again(rng):
    X = rng.normal(size=(60, 3))
    model = DPPLeastSquares(n_points=10, random_state=0).fit(X, X[:, 0])
    before, predicted = dict(vars(model)), model.predict(X)
    asked = []

    def oracle(row):
        asked.append(row)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return 1.0

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, oracle)
    assert len(asked) == 3
    assert all(vars(model)[name] is before[name] for name in before)
    np.testing.assert_array_equal(model.predict(X), predicted)


def test_all_clients_failing_leaves_the_earlier_model(rng, monkeypatch):
    X, groups = rng.normal(size=(40, 4)), np.arange(40) % 4
    model = FederatedGrassmannPCA(2, random_state=0).fit(X, groups=groups)
    before, found = dict(vars(model)), model.transform(X)

    def broken(*args, **kwargs):
        raise OSError("the line is dead")

    monkeypatch.setattr(
        "subspace_learn.functional.grassmann.federated_client.client_update", broken
    )
    with (
        pytest.warns(UserWarning, match="the line is dead"),
        pytest.raises(ValueError, match=r"\w+ client"),
    ):
        model.fit(2 * X, groups=groups)
    assert all(vars(model)[name] is before[name] for name in before)
    np.testing.assert_array_equal(model.transform(X), found)


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), KeyboardInterrupt(), MemoryError()])
def test_failing_hessian_product_comes_through_and_leaves_nothing_behind(error):
    calls = []

    def product(v):
        calls.append(v)
        if len(calls) == 5:
            raise error
        return 2 * v + np.roll(v, 1) + np.roll(v, -1)

    outside = global_state()
    with pytest.raises(type(error)):
        hessian_spectrum(product, 20, rng=np.random.default_rng(0))
    assert global_state() == outside
    assert len(calls) == 5
