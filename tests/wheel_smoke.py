"""Tried by `make wheel` in an environment that holds the wheel and its dependencies, nothing else.

Every headline name is imported, fitted and asked for results. Not a test module: pytest
and the test extra are not there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.utils import get_tags

import subspace_learn

METHODS = ("transform", "predict", "score_samples", "decision_function")
SAMPLERS = ("fit_resample",)  # their results have rows of their own choice
SOLVERS = ("solve",)  # of linear systems


def fit_and_ask(cls):
    """Fit ``cls()`` on a small table; return the names of the methods that gave finite results."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)) * np.arange(8, 0, -1)
    y = (X[:, 0] > 0).astype(int)
    estimator = cls()
    if not get_tags(estimator).input_tags.two_d_array:  # a graph: a ring of 60 nodes
        X = np.roll(np.eye(60), 1, axis=0) + np.roll(np.eye(60), -1, axis=0)
    if any(hasattr(estimator, name) for name in SOLVERS):  # the Laplacian of that ring
        X = np.diag(X.sum(axis=1)) - X
    estimator.fit(X, y)
    answered = [name for name in METHODS if callable(getattr(estimator, name, None))]
    for name in answered:
        result = getattr(estimator, name)(X)
        assert len(result) == len(X), f"{cls.__name__}.{name}: {len(result)} rows for {len(X)}"
        assert np.isfinite(result).all(), f"{cls.__name__}.{name}: not finite"
    for name in SAMPLERS:
        if callable(getattr(estimator, name, None)):
            rows = getattr(estimator, name)(X, y)[0]
            assert 0 < len(rows) <= len(X), f"{cls.__name__}.{name}: {len(rows)} rows of {len(X)}"
            answered.append(name)
    for name in SOLVERS:
        if callable(getattr(estimator, name, None)):
            b = X @ X[0]
            assert np.allclose(X @ getattr(estimator, name)(b), b), f"{cls.__name__}.{name}: wrong"
            answered.append(name)
    assert answered, f"{cls.__name__} offers none of {METHODS + SAMPLERS + SOLVERS}"
    return answered


def main():
    installed = Path(subspace_learn.__file__).resolve().parent
    assert installed.is_relative_to(Path(sys.prefix).resolve()), f"not the wheel: {installed}"
    assert (installed / "py.typed").is_file(), "py.typed is missing from the wheel"
    for extra in ("torch", "pytest", "polars", "mne"):
        assert not _is_installed(extra), f"{extra} is here: this environment is not the bare one"

    print(f"subspace-learn {subspace_learn.__version__} from {installed}")
    for name in subspace_learn._HEADLINE:
        print(f"  {name}: fit, {', '.join(fit_and_ask(getattr(subspace_learn, name)))}")
    print(f"{len(subspace_learn._HEADLINE)} passed, 0 failed")


def _is_installed(name):
    from importlib.util import find_spec

    return find_spec(name) is not None


if __name__ == "__main__":
    main()
