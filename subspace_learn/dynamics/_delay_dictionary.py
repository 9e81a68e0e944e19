"""Delay embedding as a dictionary: observables of the recent past."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import HasMethods, Interval, SubspaceEstimator, fit_method
from .._checks.table import check_samples
from ._lifting import fitted_on, observables, supports_arrays

__all__ = ["DelayDictionary"]


class DelayDictionary(SubspaceEstimator):
    """Observables of the recent past: the state and its delays, through another dictionary.

    Not a transformer: a row of the result needs the rows before it, so the first rows of a
    trajectory give none. `KoopmanEDMD` knows how to call it.

    Parameters
    ----------
    n_delays : int, default=1
        How many earlier states stand beside the present one.
    lag : int, default=1
        Time steps between them.
    dictionary : transformer, default=None
        Observables of the stacked states; None takes those themselves.

    Attributes
    ----------
    window_ : int
        Times a row needs, ``n_delays * lag + 1``.
    dictionary_ : transformer or None
        Fitted clone of ``dictionary``.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    See Also
    --------
    KoopmanEDMD : What takes a dictionary.

    Examples
    --------
    >>> from subspace_learn.dynamics import DelayDictionary
    >>> DelayDictionary(1).fit([[1.0], [2.0], [3.0]]).embed([[1.0], [2.0], [3.0]])
    array([[2., 1.],
           [3., 2.]])
    """

    _parameter_constraints: dict = {
        "n_delays": [Interval(Integral, 0, None, closed="left")],
        "lag": [Interval(Integral, 1, None, closed="left")],
        "dictionary": [HasMethods(["fit", "transform"]), None],
    }

    def __init__(self, n_delays=1, *, lag=1, dictionary=None) -> None:
        self.n_delays = n_delays
        self.lag = lag
        self.dictionary = dictionary

    @fit_method
    def fit(self, X: Any, y: Any = None) -> DelayDictionary:
        """Fit the inner dictionary on the stacked states of one trajectory.

        Parameters
        ----------
        X : array of shape (n_times, n_features)
            A trajectory of at least ``n_delays * lag + 1`` times.
        y : None
            Ignored.

        Returns
        -------
        self : DelayDictionary
            Fitted.
        """
        return self._fit_segments([check_samples(self, X, reset=True, computed_in=np.float64)])

    def _fit_segments(self, segments: list[Array]) -> DelayDictionary:
        """Fit on several trajectories that were checked before."""
        self._validate_params()
        self.window_ = self.n_delays * self.lag + 1
        self.n_features_in_ = segments[0].shape[1]
        self.dictionary_ = None
        if self.dictionary is not None:
            stacked = [self._stacked(segment) for segment in segments]
            rows = array_namespace(*stacked).concat(stacked, axis=0)
            self.dictionary_ = fitted_on(self.dictionary, rows)
        return self

    def embed(self, X: Any) -> Array:
        """Observables at every time that has enough past.

        Parameters
        ----------
        X : array of shape (n_times, n_features)
            A trajectory.

        Returns
        -------
        Z : array of shape (n_times - window + 1, n_observables)
            Present first, then the delays.
        """
        check_is_fitted(self)
        X = check_samples(self, X, reset=False, method="embed", computed_in=np.float64)
        stacked = self._stacked(X)
        return stacked if self.dictionary_ is None else observables(self.dictionary_, stacked)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = supports_arrays(self.dictionary)
        return tags

    def _stacked(self, X: Array) -> Array:
        window, n = self.window_, X.shape[0]
        if n < window:
            raise ValueError(
                f"A DelayDictionary of {self.n_delays} delays at lag {self.lag} needs trajectories "
                f"of at least {window} times, but was given {n}. Take fewer delays."
            )
        starts = range(window - 1, -1, -self.lag)
        past = [X[start : n - window + 1 + start, :] for start in starts]
        return array_namespace(X).concat(past, axis=1)
