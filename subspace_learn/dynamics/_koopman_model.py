"""What a fitted Koopman matrix is used for: coordinates, forecasts, and their scores."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted

from .._base import SubspaceEstimator
from .._validation import check_samples, check_scores
from ._lifting import LiftedPairs, lifted, lifted_pairs
from ._snapshots import _checked_inputs, _joined, _parts, segments_of

__all__ = ["KoopmanModel"]


class KoopmanModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Methods of a fitted model that need its matrices, not how they were found."""

    def transform(self, X: Any) -> np.ndarray:
        """Coordinates of states in eigenfunctions, as real numbers.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States. With a `DelayDictionary` X is one trajectory (or a list), and the first
            ``window - 1`` rows of each give no row.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_coordinates)
            Real eigenvalues give one column; a conjugate pair gives two, the real and imaginary
            part of the eigenfunction of the one above the axis. `eigenfunctions` has complex ones.
        """
        check_is_fitted(self)
        X, rows = self._rows(X, "transform")
        values = rows @ self._coordinate_vectors()
        columns = [values.real, values.imag]
        kept = self._coordinate_columns()
        return np.stack(columns, axis=2).reshape(len(values), -1)[:, kept].astype(X.dtype)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """States from coordinates: the sum of modes, weighted.

        Parameters
        ----------
        X : array of shape (n_samples, n_coordinates)
            What `transform` returns.

        Returns
        -------
        states : ndarray of shape (n_samples, n_features)
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
        table = np.zeros((len(X), 2 * len(self._coordinates)))
        table[:, self._coordinate_columns()] = X
        values = table[:, ::2] + 1j * table[:, 1::2]
        # A pair was stored once: its partner adds the conjugate, which the real part doubles.
        lower = self.eigenvalues_[self._coordinates].imag > 0
        share = np.where(lower & self._real_dictionary, 2.0, 1.0)
        states = np.real((values * share) @ self.modes_[self._coordinates])
        return states.astype(X.dtype)

    def eigenfunctions(self, X: Any) -> np.ndarray:
        """Eigenfunctions at states.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.

        Returns
        -------
        values : ndarray of shape (n_samples, n_eigenvalues)
            Complex; mean square 1 over the training states.
        """
        check_is_fitted(self)
        _, rows = self._rows(X, "eigenfunctions")
        return rows @ self.eigenvectors_

    def predict(self, X: Any, u: Any = None) -> np.ndarray:
        """State one time step later, for each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs; needed if the model was fitted with them.

        Returns
        -------
        Y : ndarray of shape (n_samples, n_features)
            In the float width of X.
        """
        check_is_fitted(self)
        X, rows = self._rows(X, "predict")
        inputs = self._inputs(u, len(rows))
        return self._states(rows @ self.koopman_matrix_ + inputs @ self.input_matrix_, X.dtype)

    def simulate(self, X0: Any, n_steps: int, u: Any = None, *, relift: bool = False) -> np.ndarray:
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
        trajectories : ndarray of shape (n_starts, n_steps, n_features)
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
        n, steps = len(history), int(n_steps)
        inputs = self._step_inputs(u, n, steps)
        if not relift:
            self._warn_of_growth(steps)
        rows = self._lifted_ends(history)
        path = np.empty((n, steps, history.shape[2]), dtype=history.dtype)
        for step in range(steps):
            rows = rows @ self.koopman_matrix_ + inputs[:, step] @ self.input_matrix_
            path[:, step] = self._states(rows, history.dtype)
            if relift:
                history = np.concatenate([history[:, 1:], path[:, step : step + 1]], axis=1)
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
        inputs = self._inputs(pairs.inputs, len(pairs.left))
        ahead = pairs.left @ self.koopman_matrix_ + inputs @ self.input_matrix_
        predicted = self._states(ahead, np.dtype(np.float64))
        return float(r2_score(pairs.successors, predicted, multioutput="variance_weighted"))

    # --- parts ----------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self._coordinate_columns())

    def _store_coordinates(self) -> None:
        """Which eigenpairs give coordinates: of a conjugate pair, the one above the axis."""
        self._real_dictionary = not np.iscomplexobj(self.koopman_matrix_)
        above = (
            self.eigenvalues_.imag >= 0
            if self._real_dictionary
            else np.ones(len(self.eigenvalues_), dtype=bool)
        )
        self._coordinates = np.flatnonzero(above)

    def _coordinate_vectors(self) -> np.ndarray:
        return self.eigenvectors_[:, self._coordinates]

    def _coordinate_columns(self) -> np.ndarray:
        """Columns (real, imaginary, real, ...) that are not zero for every state."""
        has_imaginary = (self.eigenvalues_[self._coordinates].imag != 0) | (
            not self._real_dictionary
        )
        return np.flatnonzero(np.stack([np.ones_like(has_imaginary), has_imaginary], 1).reshape(-1))

    def _rows(self, X: Any, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Checked states and their observables, trajectory by trajectory."""
        parts = _parts(X)
        counts = None
        if parts is not None:
            X, counts = _joined(parts)
        X = check_samples(self, X, reset=False, method=method)
        if counts is None:
            return X, lifted(self.dictionary_, X)
        pieces = np.split(X, np.cumsum(counts)[:-1])
        return X, np.concatenate([lifted(self.dictionary_, piece) for piece in pieces])

    def _pairs(self, X: Any, y: Any, **more: Any) -> LiftedPairs:
        check_is_fitted(self)
        segments = segments_of(self, X, y, self._window, **more)
        return lifted_pairs(self.dictionary_, segments, self._window)

    def _states(self, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if self._inverse is not None:
            states = np.asarray(self.dictionary_.inverse_transform(np.real(rows)))
        else:
            states = np.real(rows @ self._readout)
        return states.astype(dtype)

    def _inputs(self, u: Any, n: int) -> np.ndarray:
        n_inputs = self.input_matrix_.shape[0]
        if u is None and n_inputs == 0:
            return np.zeros((n, 0))
        if u is None or n_inputs == 0:
            raise ValueError(
                f"The model was fitted with {n_inputs} inputs, but u is "
                f"{'missing' if u is None else 'given'}. Give u in fit and in prediction, or in "
                "neither."
            )
        u = _checked_inputs(u, n)
        if u.shape[1] != n_inputs:
            raise ValueError(f"u has {u.shape[1]} columns, but the model has {n_inputs} inputs.")
        return u

    def _step_inputs(self, u: Any, n: int, steps: int) -> np.ndarray:
        n_inputs = self.input_matrix_.shape[0]
        if u is None or n_inputs == 0:
            return self._inputs(u, n)[:, None, :].repeat(steps, axis=1)
        u = np.asarray(u, dtype=np.float64)
        u = u[:, None] if u.ndim == 1 else u
        u = np.broadcast_to(u, (n, *u.shape)) if u.ndim == 2 else u
        if u.shape != (n, steps, n_inputs) or not np.isfinite(u).all():
            raise ValueError(
                f"u has shape {u.shape}, but (n_starts, n_steps, n_inputs) = "
                f"{(n, steps, n_inputs)} is needed (or {(steps, n_inputs)} for all), finite."
            )
        return u

    def _histories(self, X0: Any) -> np.ndarray:
        """First states as (n_starts, window, n_features)."""
        X0 = X0 if hasattr(X0, "ndim") else np.asarray(X0)
        if X0.ndim != 3:
            X0 = check_samples(self, X0, reset=False, method="simulate")[:, None, :]
        else:
            X0 = check_array(X0, dtype=[np.float64, np.float32], allow_nd=True, estimator=self)
        if X0.shape[1] < self._window or X0.shape[2] != self.n_features_in_:
            raise ValueError(
                f"X0 holds {X0.shape[1]} time(s) of {X0.shape[2]} features for each start, but "
                f"{self._window} of {self.n_features_in_} are needed: give X0 of shape "
                f"(n_starts, {self._window}, {self.n_features_in_})."
            )
        return X0[:, -self._window :]

    def _lifted_ends(self, history: np.ndarray) -> np.ndarray:
        """Observables at the last time of each history."""
        if self._window == 1:
            return lifted(self.dictionary_, history[:, 0])
        return np.concatenate([lifted(self.dictionary_, past) for past in history])

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
