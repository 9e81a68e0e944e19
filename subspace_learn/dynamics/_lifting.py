"""Lifting: one fitted dictionary, applied to the segments that the data were cut into."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils import Tags

from .._array import Array, array_namespace, double, is_array, to_numpy
from .._base import SubspaceEstimator
from ..functional.dynamics.kernel_edmd import kernel_features, kernel_matrix, mean_distance
from ._delay_dictionary import DelayDictionary
from ._observables import fitted_on, observables
from ._snapshots import Segment

__all__ = ["KernelFeatures", "LiftedPairs", "fitted_dictionary", "lifted", "lifted_pairs"]

# The Gram matrix of more rows than this would take above 1.1 GB.
_MOST_KERNEL_ROWS = 12000


class LiftedPairs(NamedTuple):
    """All pairs of a data set, stacked."""

    left: Array
    right: Array
    states: Array
    successors: Array
    inputs: Array | None
    weights: Array | None


class KernelFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Leading features of a kernel, orthonormal on the rows they were found on."""

    def __init__(self, n_components=None, *, kernel="rbf", gamma="mean_distance", rng=None):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.rng = rng

    def fit(self, X, y=None):
        """Find the features."""
        n = X.shape[0]
        if n > _MOST_KERNEL_ROWS:
            raise ValueError(
                f"method='kernel' was given {n} states; their Gram matrix would take "
                f"{n**2 * 8 / 2**30:.1f} GiB (at most {_MOST_KERNEL_ROWS} states). Take "
                "method='edmd' with dictionary=sklearn.kernel_approximation.Nystroem()."
            )
        self.centers_ = double(X)
        self.scale_ = (
            mean_distance(self.centers_) if self.gamma == "mean_distance" else self.gamma**-0.5
        )
        wanted = self.n_components or max(1, min(100, n // 4))
        self.coefficients_, self.eigenvalues_ = kernel_features(
            self._gram(self.centers_), min(wanted, n), self.rng
        )
        return self

    def transform(self, X):
        """Evaluate the features."""
        return self._gram(double(X)) @ self.coefficients_

    def _gram(self, X):
        return kernel_matrix(X, self.centers_, kernel=self.kernel, scale=self.scale_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    @property
    def _n_features_out(self):
        return self.coefficients_.shape[1]


def fitted_dictionary(dictionary: Any, segments: list[Segment]) -> Any:
    """A clone of ``dictionary``, fitted on all states; None stays None."""
    if dictionary is None:
        return None
    if isinstance(dictionary, DelayDictionary):
        return clone(dictionary)._fit_segments([segment.states for segment in segments])
    # In kernel mode features are built on the first states of pairs; a state without a successor
    # would add a feature nobody has seen move.
    first = [_first(segment) for segment in segments]
    return fitted_on(dictionary, array_namespace(*first).concat(first, axis=0))


def _first(segment: Segment) -> Array:
    return segment.states if segment.successors is not None else segment.states[:-1, :]


def lifted(dictionary: Any, X: Array) -> Array:
    """Observables of rows of one trajectory, checked to be finite."""
    if dictionary is None:
        return X
    delays = isinstance(dictionary, DelayDictionary)
    Z = observables(dictionary, X, "embed" if delays else "transform")
    if not is_array(Z):
        Z = Z.toarray() if hasattr(Z, "toarray") else np.asarray(Z)
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


def _names(dictionary: Any, n: int) -> list[str]:
    try:
        return [str(name) for name in dictionary.get_feature_names_out()]
    except (AttributeError, ValueError, NotImplementedError):
        return [f"observable {j}" for j in range(n)]


def lifted_pairs(dictionary: Any, segments: list[Segment], window: int) -> LiftedPairs:
    """Lift every segment once and stack the pairs; none straddles two segments."""
    parts = [_pairs_of(dictionary, segment, window) for segment in segments]
    if len(parts) == 1:
        return parts[0]
    concat = array_namespace(*parts[0]).concat
    columns = zip(*parts, strict=True)
    return LiftedPairs(*(None if c[0] is None else concat(c, axis=0) for c in columns))


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
