"""From a spectrum to a spiked model, and what to tell the user about it."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._array import Array, array_namespace, device_of
from ..functional.random_matrix.gaussian_model import GaussianModel
from ..functional.random_matrix.noise_checks import findings, residual_statistics
from ..functional.random_matrix.noise_model import (
    NoiseModel,
    NoiseRule,
    SampleSize,
    Spikes,
    bulk_distance,
    debiased_spikes,
    noise_model,
    shrunk_spectrum,
)
from ..functional.random_matrix.random_matrix_filter import Spectrum, leading_directions
from ..linalg.lowrank import CentredTable

__all__ = ["SpikedFit", "spiked_fit", "warn_if_empty", "warn_of_departures"]

# Eigenvalues of white noise keep to the law within about 5 / m for m of them.
_BULK_DISTANCE, _BULK_ROUNDING = 0.1, 6.0


class SpikedFit(NamedTuple):
    """What `RandomMatrixFilter` stores of a fit."""

    model: GaussianModel
    directions: Array
    """Every spike's direction, (n_spikes, n_features)."""
    noise: NoiseModel
    spikes: Spikes
    eigenvalues: np.ndarray
    size: SampleSize
    bulk_distance: float

    def vectors(self) -> tuple[Array, ...]:
        """Return eigenvalues, p-values, spikes and cosines in the library of the data."""
        xp, device = array_namespace(self.directions), device_of(self.directions)
        host = (
            self.eigenvalues,
            self.noise.p_values,
            self.spikes.eigenvalues,
            np.sqrt(self.spikes.squared_cosines),
        )
        return tuple(xp.asarray(values.copy(), device=device) for values in host)


def spiked_fit(
    model: Any, spectrum: Spectrum, mean: Array, scale: Array | None, null: np.ndarray | None
) -> SpikedFit:
    """Find noise, spikes and directions, and shrink, as the options of ``model`` ask.

    Parameters
    ----------
    model : RandomMatrixFilter
        Whose parameters count.
    spectrum : Spectrum
        Of the standardized data.
    mean, scale : array of shape (n_features,)
        Centre in the units of the standardized data, and what features were divided by.
    null : ndarray or None
        See :func:`~subspace_learn.functional.random_matrix.noise_model.noise_model`.

    Returns
    -------
    fitted : SpikedFit
        In float64.

    Raises
    ------
    ValueError
        If no feature varies.
    """
    if spectrum.size.n_features == 0:
        raise ValueError(
            f"All {mean.shape[0]} feature(s) are constant: there is neither noise nor signal. Give "
            "rows that differ."
        )
    rule = NoiseRule(model.noise, model.edge, model.significance, model.n_components)
    values, size = spectrum.eigenvalues, spectrum.size
    noise = noise_model(values, size, rule, null)
    spikes = debiased_spikes(values[: noise.n_spikes], size, noise.variance)
    shrunk = shrunk_spectrum(values, size, noise.variance, spikes, model.shrinkage)
    modelled = leading_directions(spectrum, shrunk.leading.shape[0])
    xp = array_namespace(modelled)
    known = shrunk.leading[: modelled.shape[0]].copy()  # fewer rows than weights: zeros follow
    leading = xp.asarray(known, dtype=modelled.dtype, device=device_of(modelled))
    gaussian = GaussianModel(
        mean if scale is None else mean * scale, scale, modelled, leading, shrunk.rest
    )
    directions = modelled[: noise.n_spikes, :]
    return SpikedFit(
        gaussian, directions, noise, spikes, values, size, bulk_distance(values, size, noise)
    )


def warn_if_empty(model: Any, reason: str) -> None:
    """Say that no direction is kept, in the way ``on_empty`` asks."""
    if model.components_.shape[0] > 0 or model.on_empty == "ignore" or model.n_components == 0:
        return
    message = (
        f"No direction is kept: {reason} (largest eigenvalue {float(model.eigenvalues_[0]):.4g}, "
        f"edge {model.upper_edge_:.4g}). transform has no columns then. Raise significance or "
        "quantile, set n_components, or say on_empty='ignore' if noise is a possible answer."
    )
    if model.on_empty == "raise":
        raise ValueError(message)
    warnings.warn(message, UserWarning, stacklevel=6)


def warn_of_departures(model: Any, table: CentredTable | None) -> None:
    """Say in one warning what is not as the laws suppose.

    Parameters
    ----------
    model : RandomMatrixFilter
        Fitted.
    table : CentredTable or None
        Standardized rows; None, or a sparse table, leaves out what needs them dense.
    """
    if model.n_components is not None:  # the user's number, whatever the laws say
        return
    found = []
    permuted = model.edge == "permutation"
    if table is not None and not issparse(table.X):
        found = findings(
            residual_statistics(table, model._directions),
            scales_matter=not permuted,
            tails_matter=not permuted and model.standardize != "both",
        )
    n_bulk = max(model.eigenvalues_.shape[0] - model.n_spikes_, 1)
    far = model.bulk_distance_ > _BULK_DISTANCE + _BULK_ROUNDING / n_bulk
    few = model.n_spikes_ > n_bulk / 2
    if (far or few) and not permuted and not found:
        found.append(
            f"{model.n_spikes_} spikes leave {n_bulk} eigenvalues of noise, at a Kolmogorov "
            f"distance of {model.bulk_distance_:.2f} from the Marchenko-Pastur law: there may be "
            "no noise of one variance here, and n_spikes_ depends on where one looks for it"
        )
    if found:
        warnings.warn(
            "What is left without the spikes is not white noise, so n_spikes_ and p_values_ may be "
            f"wrong: {'; '.join(found)}.",
            UserWarning,
            stacklevel=5,
        )
