"""Tried by `make wheel` in an environment that holds the wheel and its dependencies, nothing else.

Every headline name is imported, fitted and asked for results. Not a test module: pytest
and the test extra are not there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import subspace_learn

METHODS = ("transform", "predict", "score_samples", "decision_function")


def fit_and_ask(cls):
    """Fit ``cls()`` on a small table; return the names of the methods that gave finite results."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)) * np.arange(8, 0, -1)
    y = (X[:, 0] > 0).astype(int)
    estimator = cls().fit(X, y)
    answered = [name for name in METHODS if callable(getattr(estimator, name, None))]
    for name in answered:
        result = getattr(estimator, name)(X)
        assert len(result) == len(X), f"{cls.__name__}.{name}: {len(result)} rows for {len(X)}"
        assert np.isfinite(result).all(), f"{cls.__name__}.{name}: not finite"
    assert answered, f"{cls.__name__} offers none of {METHODS}"
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
