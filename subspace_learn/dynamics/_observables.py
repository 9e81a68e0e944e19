"""A dictionary applied to arrays of any library: none is copied to the host unasked."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from .._array import Array, is_array, is_numpy, library_name
from .._base import SubspaceEstimator

__all__ = ["fitted_on", "observables", "states_of", "supports_arrays"]

# What a dictionary can be given: any array; any array while scikit-learn dispatches; NumPy's.
_ANY, _DISPATCHED, _NUMPY = range(3)


def supports_arrays(dictionary: Any) -> bool:
    """Whether ``dictionary`` takes CuPy, torch and other arrays, as things are now."""
    reach = _reach(dictionary)
    return reach == _ANY or (reach == _DISPATCHED and _dispatch_is_possible())


def fitted_on(dictionary: Any, X: Array) -> Any:
    """A clone of ``dictionary``, fitted on the rows of X."""
    with _context(dictionary, X):
        return clone(dictionary).fit(X, None)


def observables(dictionary: Any, X: Array, method: str = "transform") -> Any:
    """Observables of the rows of X, or a matrix or frame that NumPy can read."""
    with _context(dictionary, X):
        return _of_library(getattr(dictionary, method)(X), X, dictionary)


def states_of(dictionary: Any, Z: Array) -> Any:
    """States by the dictionary's own ``inverse_transform``."""
    with _context(dictionary, Z):
        return _of_library(dictionary.inverse_transform(Z), Z, dictionary)


def _reach(dictionary: Any) -> int:
    if dictionary is None or dictionary == "passthrough":
        return _ANY
    if isinstance(dictionary, FrozenEstimator):
        return _reach(dictionary.estimator)
    if isinstance(dictionary, Pipeline):
        return max(_reach(step) for _, step in dictionary.steps)
    if isinstance(dictionary, FunctionTransformer) and not dictionary.validate:
        return _ANY  # hands its function what it was given
    if not hasattr(dictionary, "__sklearn_tags__") or not get_tags(dictionary).array_api_support:
        return _NUMPY
    return _ANY if isinstance(dictionary, SubspaceEstimator) else _DISPATCHED


def _dispatch_is_possible() -> bool:
    return os.environ.get("SCIPY_ARRAY_API") == "1"  # scikit-learn refuses to dispatch without it


def _context(dictionary: Any, X: Array) -> AbstractContextManager:
    """Let scikit-learn take X as it is, or say why it cannot."""
    reach = _ANY if is_numpy(X) else _reach(dictionary)
    if reach == _ANY:
        return nullcontext()
    if reach == _DISPATCHED and _dispatch_is_possible():
        return config_context(array_api_dispatch=True)
    name, library = type(dictionary).__name__, library_name(X)
    how = (
        "set the environment variable SCIPY_ARRAY_API=1 before Python starts"
        if reach == _DISPATCHED
        else "put ToDevice('cpu') before KoopmanEDMD to work with NumPy"
    )
    raise TypeError(
        f"The dictionary {name} was given {library} arrays, which it does not take here. Use "
        "FourierDictionary, HermiteDictionary, RBFDictionary, DelayDictionary or a "
        f"FunctionTransformer with a function for {library} arrays; or {how}."
    )


def _of_library(Z: Any, X: Array, dictionary: Any) -> Any:
    if not is_numpy(X) and not (is_array(Z) and library_name(Z) == library_name(X)):
        raise TypeError(
            f"The dictionary {type(dictionary).__name__} was given {library_name(X)} arrays, but "
            f"returned {type(Z).__name__}. A dictionary must return arrays of the library it is "
            "given."
        )
    return Z
