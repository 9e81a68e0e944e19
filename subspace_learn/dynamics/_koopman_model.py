"""What a fitted Koopman matrix is used for: coordinates, forecasts, and their scores."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import (
    Array,
    array_namespace,
    device_of,
    double,
    is_array,
    is_complex,
    move_like,
    real,
)
from .._base import SubspaceEstimator
from .._checks.magnitude import finite_result
from .._checks.table import check_samples, check_scores
from ..functional.dynamics.edmd import complex_product, explained_variance, real_columns
from ._lifting import LiftedPairs, lifted, lifted_pairs
from ._observables import states_of, supports_arrays
from ._snapshots import checked_inputs, consecutive, segments_of, stacked

__all__ = ["KoopmanModel"]


class KoopmanModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Methods of a fitted model that need its matrices, not how they were found."""

    def transform(self, X: Any) -> Array:
        """Coordinates of states in eigenfunctions, as real numbers.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States. With a `DelayDictionary` X is one trajectory (or a list), and the first
            ``window - 1`` rows of each give no row.

        Returns
        -------
        Z : array of shape (n_samples, n_coordinates)
            Real eigenvalues give one column; a conjugate pair gives two, the real and imaginary
            part of the eigenfunction of the one above the axis. `eigenfunctions` has complex ones.
        """
        check_is_fitted(self)
        X, rows = self._rows(X, "transform")
        xp = array_namespace(X)
        rows, vectors = double(rows), xp.take(self.eigenvectors_, self._coordinates, axis=1)
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            if is_complex(rows):
                Z = xp.take(real_columns(rows @ vectors), self._columns, axis=1)
            else:
                Z = rows @ xp.take(real_columns(vectors), self._columns, axis=1)
            Z = xp.astype(Z, X.dtype, copy=False)
        return finite_result(Z, name=type(self).__name__, method="transform")

    def inverse_transform(self, X: Any) -> Array:
        """States from coordinates: the sum of modes, weighted.

        Parameters
        ----------
        X : array of shape (n_samples, n_coordinates)
            What `transform` returns.

        Returns
        -------
        states : array of shape (n_samples, n_features)
            Exact where the states lie in the span of the observables and no eigenpair was left
            out.
        """
        check_is_fitted(self)
        X = check_scores(
            self,
            X,
            n_features=self._n_features_out,
            like=self.koopman_matrix_,
            method="inverse_transform",
        )
        xp = array_namespace(X)
        modes = xp.take(self.modes_, self._coordinates, axis=0)
        # A pair was stored once: its partner adds the conjugate, which the real part doubles.
        if not is_complex(self.koopman_matrix_):
            lower = xp.imag(xp.take(self.eigenvalues_, self._coordinates)) > 0
            modes = modes * (1 + xp.astype(lower, modes.dtype))[:, None]
        back = xp.take(real_columns(xp.conj(modes).T).T, self._columns, axis=0)
        return xp.astype(double(X) @ back, X.dtype, copy=False)

    def eigenfunctions(self, X: Any) -> Array:
        """Eigenfunctions at states.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.

        Returns
        -------
        values : array of shape (n_samples, n_eigenvalues)
            Complex; mean square 1 over the training states.
        """
        check_is_fitted(self)
        _, rows = self._rows(X, "eigenfunctions")
        return complex_product(rows, self.eigenvectors_)

    def predict(self, X: Any, u: Any = None) -> Array:
        """State one time step later, for each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs; needed if the model was fitted with them.

        Returns
        -------
        Y : array of shape (n_samples, n_features)
            In the float width of X.
        """
        check_is_fitted(self)
        X, rows = self._rows(X, "predict")
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            states = self._states(self._ahead(rows, self._inputs(u, rows)), X.dtype)
        return finite_result(states, name=type(self).__name__, method="predict")

    def simulate(self, X0: Any, n_steps: int, u: Any = None, *, relift: bool = False) -> Array:
        """Forecast trajectories from their first state.

        Parameters
        ----------
        X0 : array of shape (n_starts, n_features) or (n_starts, window, n_features)
            First states; with a `DelayDictionary` the last ``window`` states of each.
        n_steps : int
            How many steps to go.
        u : array of shape (n_steps, n_inputs) or (n_starts, n_steps, n_inputs), default=None
            Inputs during each step.
        relift : bool, default=False
            Whether the observables are evaluated anew from the predicted state at each step. More
            accurate where the dictionary is not invariant; the forecast is then no longer linear,
            and eigenvalues say nothing of its growth.

        Returns
        -------
        trajectories : array of shape (n_starts, n_steps, n_features)
            X0 itself is not repeated.

        Warns
        -----
        UserWarning
            If an eigenvalue outside the unit circle grows more than twofold in ``n_steps``.
        """
        check_is_fitted(self)
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps} must be at least 1.")
        history = self._histories(X0)
        (n, _, width), steps, xp = history.shape, int(n_steps), array_namespace(history)
        inputs = self._step_inputs(u, n, steps)
        if not relift:
            self._warn_of_growth(steps)
        rows = self._lifted_ends(history)
        path = xp.empty((n, steps, width), dtype=history.dtype, device=device_of(history))
        for step in range(steps):
            rows = self._ahead(rows, None if inputs is None else inputs[:, step, :])
            path[:, step, :] = self._states(rows, history.dtype)
            if relift:
                history = xp.concat([history[:, 1:, :], path[:, step : step + 1, :]], axis=1)
                rows = self._lifted_ends(history)
        return path

    def score(self, X: Any, y: Any = None, u: Any = None) -> float:
        """Coefficient of determination R^2 of one-step predictions, weighted by variance.

        Parameters
        ----------
        X : array, or list of trajectories
            As for `fit`.
        y : array of the shape of X, default=None
            Successors; None (or labels) takes each next row of X.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs.

        Returns
        -------
        score : float
            1 is perfect, 0 as good as the mean.
        """
        pairs = self._pairs(X, y, u=u)
        ahead = self._ahead(pairs.left, self._inputs(pairs.inputs, pairs.left))
        truth = double(pairs.successors)
        return explained_variance(truth, self._states(ahead, truth.dtype))

    # --- parts ----------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = supports_arrays(self.dictionary)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self._columns.shape[0]

    def _store_coordinates(self, eigenvalues: np.ndarray) -> None:
        """Which eigenpairs give coordinates (of a conjugate pair the one above the axis).

        And which columns (real, imaginary, real, ...) are not zero for every state.
        """
        paired = not is_complex(self.koopman_matrix_)
        above = np.flatnonzero((eigenvalues.imag >= 0) | (not paired))
        turns = (eigenvalues[above].imag != 0) | (not paired)
        columns = np.flatnonzero(np.stack([np.ones_like(turns), turns], axis=1))
        self._coordinates = move_like(above, self.koopman_matrix_)
        self._columns = move_like(columns, self.koopman_matrix_)

    def _rows(self, X: Any, method: str) -> tuple[Array, Array]:
        """Checked states and their observables, trajectory by trajectory."""
        X, counts = stacked(X)
        X = check_samples(self, X, reset=False, like=self.koopman_matrix_, method=method)
        if counts is None:
            return X, lifted(self.dictionary_, X)
        pieces = [lifted(self.dictionary_, X[rows, :]) for rows in consecutive(counts)]
        return X, array_namespace(X).concat(pieces, axis=0)

    def _pairs(self, X: Any, y: Any, **more: Any) -> LiftedPairs:
        check_is_fitted(self)
        segments = segments_of(self, X, y, self._window, **more)
        return lifted_pairs(self.dictionary_, segments, self._window)

    def _ahead(self, rows: Array, inputs: Array | None) -> Array:
        """Observables one step later."""
        ahead = double(rows) @ self.koopman_matrix_
        if inputs is None:
            return ahead
        # real inputs beside complex observables: ``@`` would not mix them in every library
        return ahead + array_namespace(inputs).matmul(inputs, self.input_matrix_)

    def _states(self, rows: Array, dtype: Any) -> Array:
        if self._inverse is not None:
            states = states_of(self.dictionary_, real(rows))
            states = states if is_array(states) else np.asarray(states)
        else:
            states = real(rows if self._readout is None else rows @ self._readout)
        return states if states.dtype == dtype else array_namespace(rows).astype(states, dtype)

    def _inputs(self, u: Any, rows: Array) -> Array | None:
        """Checked inputs beside ``rows``; None if there are none and none are needed."""
        self._check_inputs_given(u)
        if u is None:
            return None
        u, n_inputs = checked_inputs(self, u, rows), self.input_matrix_.shape[0]
        if u.shape[1] != n_inputs:
            raise ValueError(f"u has {u.shape[1]} columns, but the model has {n_inputs} inputs.")
        return u

    def _check_inputs_given(self, u: Any) -> None:
        n_inputs = self.input_matrix_.shape[0]
        if (u is None) != (n_inputs == 0):
            raise ValueError(
                f"The model was fitted with {n_inputs} inputs, but u is "
                f"{'missing' if u is None else 'given'}. Give u in fit and in prediction, or in "
                "neither."
            )

    def _step_inputs(self, u: Any, n: int, steps: int) -> Array | None:
        self._check_inputs_given(u)
        if u is None:
            return None
        n_inputs = self.input_matrix_.shape[0]
        u = move_like(double(u if is_array(u) else np.asarray(u)), self.koopman_matrix_)
        xp = array_namespace(u)
        u = u[:, None] if u.ndim == 1 else u
        u = xp.broadcast_to(u, (n, *u.shape)) if u.ndim == 2 else u
        if u.shape != (n, steps, n_inputs) or not bool(xp.all(xp.isfinite(u))):
            raise ValueError(
                f"u has shape {tuple(u.shape)}, but (n_starts, n_steps, n_inputs) = "
                f"{(n, steps, n_inputs)} is needed (or {(steps, n_inputs)} for all), finite."
            )
        return u

    def _histories(self, X0: Any) -> Array:
        """First states as (n_starts, window, n_features)."""
        X0 = X0 if hasattr(X0, "ndim") else np.asarray(X0)
        n, times = X0.shape[0], X0.shape[1] if X0.ndim == 3 else 1
        if X0.ndim == 3:
            X0, _ = stacked(X0)
        X0 = check_samples(self, X0, reset=False, like=self.koopman_matrix_, method="simulate")
        if times < self._window:
            raise ValueError(
                f"X0 holds {times} time(s) of {X0.shape[1]} features for each start, but "
                f"{self._window} of {self.n_features_in_} are needed: give X0 of shape "
                f"(n_starts, {self._window}, {self.n_features_in_})."
            )
        X0 = array_namespace(X0).reshape(X0, (n, times, X0.shape[1]))
        return X0[:, times - self._window :, :]

    def _lifted_ends(self, history: Array) -> Array:
        """Observables at the last time of each history."""
        if self._window == 1:
            return lifted(self.dictionary_, history[:, 0, :])
        ends = [lifted(self.dictionary_, history[i, :, :]) for i in range(history.shape[0])]
        return array_namespace(history).concat(ends, axis=0)

    def _warn_of_growth(self, steps: int) -> None:
        radius = self._spectral_radius
        growth = steps * np.log(radius) if radius > 0 else -np.inf
        if growth > np.log(2.0):
            warnings.warn(
                f"An unstable mode, |eigenvalue| = {radius:.6g}, grows by a factor of "
                f"{np.exp(min(growth, 700.0)):.3g} over {steps} steps. Forecast fewer steps, set "
                "relift=True, or fit with method='measure_preserving' if the system is.",
                UserWarning,
                stacklevel=3,
            )
