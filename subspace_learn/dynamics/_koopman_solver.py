"""From lifted pairs to fitted attributes: what fit, streams and merges of KoopmanEDMD share."""

from __future__ import annotations

import warnings

import numpy as np

from .._array import Array, array_namespace, device_of, double, move_like
from .._base import random_generator
from ..functional.dynamics.edmd import complex_product, koopman_eigenpairs, koopman_fit, modes
from ..functional.dynamics.pair_factors import PairFactors, pair_factors, side_by_side
from ..functional.dynamics.resdmd import eigenpair_residuals
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
        states = segments[0].states
        xp = array_namespace(states)
        # nothing but the library, device and width that fitted arrays belong to
        self._home = xp.empty((0,), dtype=states.dtype, device=device_of(states))
        self._inverse = self.reconstruction == "inverse" or None
        if self._inverse and not hasattr(self.dictionary_, "inverse_transform"):
            raise ValueError(
                f"reconstruction='inverse' needs a dictionary with inverse_transform, which "
                f"{type(self.dictionary_).__name__} has not. Use 'least_squares'."
            )

    def _compressed(self, pairs: LiftedPairs) -> PairFactors:
        left, n_inputs = pairs.left, 0
        if pairs.inputs is not None:
            left, n_inputs = side_by_side(pairs.inputs, double(left)), pairs.inputs.shape[1]
        lifts = self.dictionary_ is not None
        states = pairs.states if lifts else None
        factors = pair_factors(left, pairs.right, states, pairs.weights, solver=self.solver)
        # without a dictionary the states stand among the observables
        return factors if lifts else factors._replace(state=factors.left[:, n_inputs:])

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
        default = 1e-6 if array_namespace(self._home).finfo(self._home.dtype).bits == 32 else 1e-12
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
        if unitary:
            _warn_if_not_preserving(fit.projected, fit.complement)
        self._store(values, vectors, residuals)

    def _store(self, values: np.ndarray, vectors: np.ndarray, residuals: np.ndarray) -> None:
        """Fitted arrays, of the library and on the device of the data."""
        fit, root, kept = self._fit, np.sqrt(self._weight), self._kept(residuals)
        values, vectors = values[kept], vectors[:, kept]
        identity = self.dictionary_ is None and self.reconstruction == "auto"
        self._readout = None if identity else self._at_home(fit.readout)
        states = fit.inverse_basis if identity else fit.inverse_basis @ fit.readout
        with np.errstate(divide="ignore"):
            rates = np.log(values) / self.time_step
        self.koopman_matrix_ = self._at_home(fit.matrix)
        self.input_matrix_ = self._at_home(fit.input_matrix)
        self.eigenvalues_ = self._at_home(values)
        self.continuous_eigenvalues_ = self._at_home(rates)
        self.residuals_ = self._at_home(residuals[kept])
        self.eigenvectors_ = self._at_home(complex_product(fit.basis, vectors) * root)
        self.modes_ = self._at_home(modes(vectors, states) / root)
        self.singular_values_ = self._at_home(fit.singular_values)
        self.n_pairs_seen_ = self._factors.n_pairs
        self._store_coordinates(values)

    def _at_home(self, x: np.ndarray) -> Array:
        return move_like(x, self._home)

    def _kept(self, residuals: np.ndarray) -> np.ndarray | slice:
        if self.residual_tol is None:
            return slice(None)
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
    if pairs.weights is None:
        return float(pairs.left.shape[0])
    return float(array_namespace(pairs.weights).sum(pairs.weights))


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
