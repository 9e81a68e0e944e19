"""From lifted pairs to fitted attributes: what fit, streams and merges of KoopmanEDMD share."""

from __future__ import annotations

import warnings

import numpy as np

from .._base import random_generator
from ..functional.edmd import koopman_eigenpairs, koopman_fit, modes
from ..functional.pair_factors import PairFactors, pair_factors
from ..functional.resdmd import eigenpair_residuals
from ._koopman_diagnostics import KoopmanDiagnostics
from ._lifting import KernelFeatures, LiftedPairs, fitted_dictionary
from ._snapshots import Segment

__all__ = ["KoopmanSolver", "weight_of"]


class KoopmanSolver(KoopmanDiagnostics):
    """Compresses pairs and solves for the matrix, its eigenpairs and their residuals."""

    def _begin(self, segments: list[Segment]) -> None:
        """Fit the dictionary; what holds for every later batch."""
        dictionary = self.dictionary
        if self.method == "kernel":
            if dictionary is not None:
                raise ValueError("method='kernel' makes its own dictionary: leave it None.")
            rng = random_generator(self.random_state)
            dictionary = KernelFeatures(
                self.n_components, kernel=self.kernel, gamma=self.gamma, rng=rng
            )
        self.dictionary_ = fitted_dictionary(dictionary, segments)
        self._dtype = segments[0].states.dtype
        self._inverse = self.reconstruction == "inverse" or None
        if self._inverse and not hasattr(self.dictionary_, "inverse_transform"):
            raise ValueError(
                f"reconstruction='inverse' needs a dictionary with inverse_transform, which "
                f"{type(self.dictionary_).__name__} has not. Use 'least_squares'."
            )

    def _compressed(self, pairs: LiftedPairs) -> PairFactors:
        left = pairs.left
        if pairs.inputs is not None:
            left = np.hstack([pairs.inputs, left])
        return pair_factors(left, pairs.right, pairs.states, pairs.weights, solver=self.solver)

    def _check_inputs_agree(self, batch: PairFactors) -> None:
        widths = [factors.left.shape[1] for factors in (self._factors, batch)]
        if widths[0] != widths[1]:
            n = self._factors.right.shape[1]
            raise ValueError(
                f"The model has {widths[0] - n} inputs, but these data have {widths[1] - n}. Give "
                "u of the same width in every batch."
            )

    def _solve(self) -> None:
        """Matrix, eigenpairs and residuals from the compressed pairs."""
        factors = self._factors
        default = 1e-6 if self._dtype == np.float32 else 1e-12
        unitary = self.method == "measure_preserving"
        fit = koopman_fit(
            factors,
            n_inputs=factors.left.shape[1] - factors.right.shape[1],
            rcond=default if self.rcond is None else self.rcond,
            alpha=float(self.alpha),
            n_components=None if self.method == "kernel" else self.n_components,
            measure_preserving=unitary,
        )
        self.rank_ = fit.basis.shape[1]
        if self.rank_ == 0:
            raise ValueError(
                "All observables are zero on all pairs (after the inputs are taken out): there is "
                "nothing to fit."
            )
        values, vectors = koopman_eigenpairs(fit.operator, normal=unitary)
        residuals = eigenpair_residuals(fit.projected, fit.complement, values, vectors)
        self._fit, self._spectral_radius = fit, float(np.abs(values[0]))
        identity = self.dictionary_ is None and self.reconstruction == "auto"
        self._readout = np.eye(self.n_features_in_) if identity else fit.readout
        if unitary:
            _warn_if_not_preserving(fit.projected, fit.complement)
        kept = self._kept(residuals)
        states = fit.inverse_basis @ self._readout
        self.modes_ = modes(vectors[:, kept], states)
        self.eigenvalues_, self.residuals_ = values[kept], residuals[kept]
        self.eigenvectors_ = fit.basis @ vectors[:, kept] * np.sqrt(self._weight)
        self.modes_ = self.modes_ / np.sqrt(self._weight)
        with np.errstate(divide="ignore"):
            self.continuous_eigenvalues_ = np.log(self.eigenvalues_) / self.time_step
        self.koopman_matrix_, self.input_matrix_ = fit.matrix, fit.input_matrix
        self.singular_values_, self.n_pairs_seen_ = fit.singular_values, factors.n_pairs
        self._store_coordinates()

    def _kept(self, residuals: np.ndarray) -> np.ndarray:
        if self.residual_tol is None:
            return np.arange(len(residuals))
        # the two of a conjugate pair agree to rounding only: neither may lose the other
        kept = np.flatnonzero(residuals <= self.residual_tol * (1 + 1e-9))
        if len(kept) == 0:
            raise ValueError(
                f"No eigenpair has a residual below residual_tol={self.residual_tol:g}: the "
                f"smallest is {residuals.min():.3g}. Raise it, or change the dictionary."
            )
        return kept


def weight_of(pairs: LiftedPairs) -> float:
    """Sum of the weights."""
    return float(len(pairs.left) if pairs.weights is None else pairs.weights.sum())


def _warn_if_not_preserving(projected: np.ndarray, complement: np.ndarray) -> None:
    """A system that preserves the measure keeps the mean square of observables."""
    size = (np.linalg.norm(projected) ** 2 + np.linalg.norm(complement) ** 2) / len(projected)
    if abs(size - 1) > 0.1:
        warnings.warn(
            f"method='measure_preserving' was asked for, but one step changes the mean square of "
            f"the observables by a factor of {size:.3g}. Use method='edmd' for systems that gain "
            "or lose, and for data that do not sample the invariant measure.",
            UserWarning,
            stacklevel=4,
        )
