"""Lifting: a dictionary of observables applied to states of any array library.

None is copied to the host unasked.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from .._array import Array, array_namespace, is_array, is_numpy, library_name, to_numpy
from .._base import SubspaceEstimator
from ..functional.dynamics.pair_factors import PairFactors, pair_factors, side_by_side
from ._snapshots import Segment

__all__ = [
    "LiftedPairs",
    "compressed_pairs",
    "fitted_dictionary",
    "fitted_on",
    "lifted",
    "lifted_pairs",
    "observables",
    "states_of",
    "supports_arrays",
]

# What a dictionary can be given: any array; any array while scikit-learn dispatches; NumPy's.
_ANY, _DISPATCHED, _NUMPY = range(3)


class LiftedPairs(NamedTuple):
    """All pairs of a data set, stacked."""

    left: Array
    right: Array
    states: Array
    successors: Array
    inputs: Array | None
    weights: Array | None


def supports_arrays(dictionary: Any) -> bool:
    """Whether ``dictionary`` takes CuPy, torch and other arrays, as things are now."""
    reach = _reach(dictionary)
    return reach == _ANY or (reach == _DISPATCHED and _dispatch_is_possible())


def fitted_on(dictionary: Any, X: Array) -> Any:
    """A clone of ``dictionary``, fitted on the rows of X."""
    with _context(dictionary, X):
        return clone(dictionary).fit(X, None)


def fitted_dictionary(dictionary: Any, segments: list[Segment]) -> Any:
    """A clone of ``dictionary``, fitted on all states; None stays None."""
    if dictionary is None:
        return None
    if hasattr(dictionary, "embed"):
        if isinstance(dictionary, FrozenEstimator):
            return dictionary
        return clone(dictionary)._fit_segments([segment.states for segment in segments])
    # In kernel mode features are built on the first states of pairs; a state without a successor
    # would add a feature nobody has seen move.
    first = [s.states if s.successors is not None else s.states[:-1, :] for s in segments]
    xp = array_namespace(*first)
    rows = xp.concat(first, axis=0)
    weights = [
        s.weights[: part.shape[0]]
        for s, part in zip(segments, first, strict=True)
        if s.weights is not None
    ]
    if weights:  # a pair of weight 0 is none
        counts = xp.nonzero(xp.concat(weights, axis=0))[0]
        rows = xp.take(rows, counts, axis=0) if counts.shape[0] else rows
    return fitted_on(dictionary, rows)


def observables(dictionary: Any, X: Array) -> Array:
    """Observables of the rows of X."""
    method = dictionary.embed if hasattr(dictionary, "embed") else dictionary.transform
    with _context(dictionary, X):
        return _as_array(method(X), X, dictionary)


def states_of(dictionary: Any, Z: Array) -> Array:
    """States by the dictionary's own ``inverse_transform``."""
    with _context(dictionary, Z):
        return _as_array(dictionary.inverse_transform(Z), Z, dictionary)


def lifted(dictionary: Any, X: Array) -> Array:
    """Observables of rows of one trajectory, checked to be finite."""
    if dictionary is None:
        return X
    with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
        Z = observables(dictionary, X)
    xp = array_namespace(Z)
    bad = to_numpy(~xp.all(xp.isfinite(Z), axis=0))
    if bad.any():
        index = int(bad.argmax())
        name = _names(dictionary, Z.shape[1])[index]
        raise ValueError(
            f"The dictionary {type(dictionary).__name__} gives NaN or infinity in "
            f"{int(bad.sum())} of {len(bad)} observables, the first is {name} (column {index}). "
            "Scale the states, lower the degree, or drop that observable."
        )
    return Z


def lifted_pairs(dictionary: Any, segments: list[Segment], window: int) -> LiftedPairs:
    """Lift every segment once and stack the pairs; none straddles two segments."""
    parts = [_pairs_of(dictionary, segment, window) for segment in segments]
    if len(parts) == 1:
        return parts[0]
    concat = array_namespace(*parts[0]).concat
    columns = zip(*parts, strict=True)
    return LiftedPairs(*(None if c[0] is None else concat(c, axis=0) for c in columns))


def compressed_pairs(
    dictionary: Any, segments: list[Segment], window: int, solver: str
) -> PairFactors:
    """Lift all segments and compress their pairs: all that a fit needs of them."""
    pairs = lifted_pairs(dictionary, segments, window)
    left = pairs.left if pairs.inputs is None else side_by_side(pairs.inputs, pairs.left)
    states = None if dictionary is None else pairs.states
    factors = pair_factors(left, pairs.right, states, pairs.weights, solver=solver)
    if dictionary is not None:
        return factors
    # without a dictionary the states stand among the observables
    return factors._replace(state=factors.left[:, factors.n_inputs :])


def _pairs_of(dictionary: Any, segment: Segment, window: int) -> LiftedPairs:
    X, Y, u, w = segment
    if Y is not None:
        if window > 1:
            raise ValueError(
                "A DelayDictionary needs the past of each state, which pairs (y) do not hold. Give "
                "trajectories, or stack the delays before."
            )
        return LiftedPairs(lifted(dictionary, X), lifted(dictionary, Y), X, Y, u, w)
    Z, first = lifted(dictionary, X), window - 1
    return LiftedPairs(
        Z[:-1, :],
        Z[1:, :],
        X[first:-1, :],
        X[first + 1 :, :],
        None if u is None else u[first:-1, :],
        None if w is None else w[first:-1],
    )


def _names(dictionary: Any, n: int) -> list[str]:
    try:
        return [str(name) for name in dictionary.get_feature_names_out()]
    except (AttributeError, ValueError, NotImplementedError):
        return [f"observable {j}" for j in range(n)]


def _reach(dictionary: Any) -> int:
    if dictionary is None or (isinstance(dictionary, str) and dictionary == "passthrough"):
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


def _context(dictionary: Any, X: Array) -> ExitStack:
    """Let scikit-learn take X as it is, or say why it cannot; arrays come out, not data frames."""
    stack = ExitStack()
    stack.enter_context(config_context(transform_output="default"))
    reach = _ANY if is_numpy(X) else _reach(dictionary)
    if reach == _ANY:
        return stack
    if reach == _DISPATCHED and _dispatch_is_possible():
        stack.enter_context(config_context(array_api_dispatch=True))
        return stack
    stack.close()
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


def _as_array(Z: Any, X: Array, dictionary: Any) -> Array:
    """What a dictionary returned, as an array of the library of X."""
    if is_numpy(X):
        return Z if is_array(Z) else Z.toarray() if hasattr(Z, "toarray") else np.asarray(Z)
    if not (is_array(Z) and library_name(Z) == library_name(X)):
        raise TypeError(
            f"The dictionary {type(dictionary).__name__} was given {library_name(X)} arrays, but "
            f"returned {type(Z).__name__}. A dictionary must return arrays of the library it is "
            "given."
        )
    return Z
