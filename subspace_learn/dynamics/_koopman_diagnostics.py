"""What says how far a Koopman model can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, double, is_array, move_like, to_numpy
from ..functional.dynamics.resdmd import (
    LocalSpectrum,
    autocorrelation_measure,
    local_spectrum,
    pseudospectrum,
    sampled_residuals,
    spectral_measure,
    variance_residuals,
)
from ._koopman_model import KoopmanModel
from ._lifting import lifted
from ._snapshots import is_pairs

__all__ = ["KoopmanDiagnostics"]


class KoopmanDiagnostics(KoopmanModel):
    """Residuals, pseudospectra and spectral measures of a fitted model."""

    def verified(self, eps: float) -> Array:
        """Eigenpairs with residual below ``eps``.

        Parameters
        ----------
        eps : float
            Largest residual accepted.

        Returns
        -------
        indices : array of int
            Into ``eigenvalues_``. What is known of these: in the limit of infinite data each lies
            in the eps-pseudospectrum of the Koopman operator. That is not the same as being within
            eps of a true eigenvalue unless the operator is normal, and those left out may be
            part of the spectrum all the same.

        Raises
        ------
        ValueError
            If ``eps`` is not positive.
        """
        check_is_fitted(self)
        if not eps > 0:
            raise ValueError(f"eps={eps} must be positive: it is a relative residual.")
        return array_namespace(self.residuals_).nonzero(self.residuals_ < eps)[0]

    def held_out_residuals(self, X: Any, y: Any = None) -> Array:
        """Residuals of the eigenpairs on data they were not fitted on.

        Parameters
        ----------
        X : array, or list of trajectories
            As for `fit`.
        y : array of the shape of X, default=None
            Successors; None (or labels) takes each next row of X.

        Returns
        -------
        residuals : array of shape (n_eigenvalues,)
            In-sample residuals (``residuals_``) fall to 0 when there are as many observables as
            pairs; these do not. Inputs are not taken into account.

        Raises
        ------
        ValueError
            If the model was fitted with inputs: their effect would count as residual.
        """
        pairs = self._pairs(X, y)
        if self.input_matrix_.shape[0]:
            raise ValueError("held_out_residuals does not know the inputs u of this model.")
        return sampled_residuals(
            pairs.left, pairs.right, self.eigenvalues_, self.eigenvectors_, pairs.weights
        )

    def pseudospectrum(self, z: Any) -> Array:
        """Smallest relative residual that any function of the dictionary reaches at ``z``.

        Parameters
        ----------
        z : array of complex, any shape
            Points of the plane, in any array library; lists are NumPy's.

        Returns
        -------
        tau : array of the shape of z
            The pseudospectrum of level eps is where it is below eps. Bounds the true value from
            above as the data grow, so no point is shown that is not there. Small matrices on the
            host, whatever library the data are in; tau goes to the library of z.
        """
        check_is_fitted(self)
        tau = pseudospectrum(self._fit.projected, self._fit.complement, _on_host(z))
        return move_like(tau, z) if is_array(z) else tau

    def local_spectrum(self, grid: Any, cut: float = 1.0, c: float = 5.0) -> LocalSpectrum:
        """Spectrum by local minima of the pseudospectrum on a grid, with its error bound.

        Parameters
        ----------
        grid : array of complex
            Points, such as ``x + 1j * y`` with a step of 0.05 over a square around the circle.
        cut : float, default=1.0
            Points with a larger residual are passed over.
        c : float, default=5.0
            Radius of a neighbourhood in units of the residual.

        Returns
        -------
        spectrum : LocalSpectrum
            ``points``, ``tau`` and ``error_bound``. Converges where the eigenvalues of EDMD do
            not.

        Raises
        ------
        ValueError
            If ``cut`` or ``c`` is not positive.
        """
        if not (cut > 0 and c > 0):
            raise ValueError(f"cut={cut} and c={c} must be positive.")
        points, tau, bound = local_spectrum(
            _on_host(grid), _on_host(self.pseudospectrum(grid)), cut=cut, c=c
        )
        if is_array(grid):
            points, tau = move_like(points, grid), move_like(tau, grid)
        return LocalSpectrum(points, tau, bound)

    def spectral_measure(
        self, theta: Any, order: int = 2, epsilon: float = 0.1, *, observable: Any = None
    ) -> Array:
        """Smoothed spectral measure of an observable, from the matrices.

        Only for measure-preserving systems: their spectrum lies on the unit circle.

        Parameters
        ----------
        theta : array of shape (n_angles,)
            Angles in radians per time step.
        order : int, default=2
            Order of the smoothing kernel.
        epsilon : float, default=0.1
            Its width in radians.
        observable : array of shape (n_observables,), default=None
            Coefficients in the dictionary; None takes the first feature of the state.

        Returns
        -------
        density : array of shape (n_angles,)
            Per radian; integrates to 1 (the observable is normalised). Of the library of theta.

        Raises
        ------
        ValueError
            If the observable is zero or of the wrong length, or a parameter is out of range.
        """
        check_is_fitted(self)
        if order < 1 or not epsilon > 0:
            raise ValueError(f"order={order} must be at least 1 and epsilon={epsilon} positive.")
        coefficients = self._first_feature() if observable is None else _on_host(observable)
        if coefficients.shape != (self.koopman_matrix_.shape[0],):
            raise ValueError(
                f"observable has shape {coefficients.shape}, but the dictionary has "
                f"{self.koopman_matrix_.shape[0]} observables."
            )
        g = self._fit.inverse_basis @ coefficients
        size = np.linalg.norm(g)
        if not size > 0:
            raise ValueError("The observable is zero on the data: it has no spectral measure.")
        angles = np.asarray(_on_host(theta), dtype=np.float64)
        density = spectral_measure(
            self._fit.operator, g / size, angles, order=order, epsilon=epsilon
        )
        return move_like(density, theta) if is_array(theta) else density

    def autocorrelation_measure(
        self, g: Any, theta: Any, *, n_lags: int | None = None, smoothing: str = "bump"
    ) -> Array:
        """Smoothed spectral measure of an observable along one long trajectory.

        Needs no matrices, and no fit: it is the answer of the data alone, to hold against
        `spectral_measure`.

        Parameters
        ----------
        g : array of shape (n_times,)
            Values of the observable at successive times, real or complex.
        theta : array of shape (n_angles,)
            Angles in radians per time step.
        n_lags : int, default=None
            Longest lag; None takes a tenth of the times.
        smoothing : {"fejer", "cosine", "fourth", "sharpened_cosine", "bump"}, default="bump"
            Filter of the autocorrelations.

        Returns
        -------
        density : array of shape (n_angles,)
            Per radian; integrates to 1 (the observable is normalised).

        Raises
        ------
        ValueError
            If g is not a finite series, or ``n_lags`` is not below its length.
        """
        g = g if is_array(g) else np.asarray(g)
        xp, shape = array_namespace(g), tuple(g.shape)
        n_lags = max(1, shape[0] // 10) if n_lags is None else n_lags
        names = ("fejer", "cosine", "fourth", "sharpened_cosine", "bump")
        if len(shape) != 1 or not bool(xp.all(xp.isfinite(g))) or not (1 <= n_lags < shape[0]):
            raise ValueError(
                f"g must be a finite series longer than n_lags={n_lags}, but has shape {shape}."
            )
        if smoothing not in names:
            raise ValueError(f"smoothing={smoothing!r} must be one of {names}.")
        g = double(g)
        size = float(xp.linalg.vector_norm(g)) / shape[0] ** 0.5
        if not size > 0:
            raise ValueError("g is zero at all times: it has no spectral measure.")
        angles = np.asarray(_on_host(theta), dtype=np.float64)
        density = autocorrelation_measure(g / size, angles, n_lags=int(n_lags), smoothing=smoothing)
        return move_like(density, theta) if is_array(theta) else density

    def variance_residual(self, X: Any, y: Any, y_second: Any) -> tuple[Array, Array]:
        """Tell model error from noise, by two independent next states of each state.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States.
        y, y_second : array of shape (n_samples, n_features)
            Two successors of each, drawn independently.

        Returns
        -------
        residuals : array of shape (n_eigenvalues,)
            Of the mean dynamics: what is left when noise is taken out.
        deviations : array of shape (n_eigenvalues,)
            Relative standard deviation of the eigenfunctions one step ahead.

        Raises
        ------
        ValueError
            If the successors do not have the shape of X.
        """
        if not (is_pairs(y) and is_pairs(y_second)):
            raise ValueError("variance_residual needs two successors of each row, of X's shape.")
        first = self._pairs(X, y)
        second = self._pairs(X, y_second)
        if self.input_matrix_.shape[0]:
            raise ValueError("variance_residual does not know the inputs u of this model.")
        return variance_residuals(
            first.left, first.right, second.right, self.eigenvalues_, self.eigenvectors_
        )

    def _same_observables(self, other: Any) -> bool:
        """Whether two fitted dictionaries are the same functions, tried on a few states."""
        if type(self.dictionary_) is not type(other.dictionary_) or self._window != other._window:
            return False
        probe = np.random.default_rng(0).normal(size=(self._window + 2, self.n_features_in_))
        probe = move_like(probe, self.koopman_matrix_)
        a, b = (to_numpy(lifted(d, probe)) for d in (self.dictionary_, other.dictionary_))
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-12)

    def _first_feature(self) -> np.ndarray:
        """Coefficients of the first feature of the state in the dictionary."""
        if self._readout is None:
            return np.eye(self.n_features_in_)[0]
        return to_numpy(self._readout)[:, 0]


def _on_host(values: Any) -> np.ndarray:
    """Points, angles or coefficients: few numbers, of any library or a list."""
    return to_numpy(values) if is_array(values) else np.asarray(values)
