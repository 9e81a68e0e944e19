r"""Analytic nonlinear shrinkage of a covariance (Ledoit and Wolf 2020).

Each sample eigenvalue :math:`\lambda` is replaced by what the population covariance has, in the
limit and on average, along its eigenvector:

.. math:: \tilde d = \frac{\lambda}
          {(\pi c \lambda \tilde f)^2 + (1 - c - \pi c \lambda \tilde H)^2}

with :math:`c = p / n`; the density :math:`\tilde f` of the sample spectrum and its Hilbert
transform :math:`\tilde H` are estimated by a kernel. No model of the population spectrum is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._array import Array, array_namespace, device_of
from .beside_spikes import spectral_density
from .gaussian_model import GaussianModel
from .table_spectrum import (
    ColumnSums,
    Spectrum,
    covariance_spectrum,
    leading_directions,
    table_spectrum,
)

__all__ = ["AnalyticFit", "analytic_eigenvalues", "fitted_sums", "fitted_table"]


class AnalyticFit(NamedTuple):
    """Covariance of a table with each eigenvalue shrunk on its own."""

    gaussian: GaussianModel
    """The covariance that is estimated."""
    eigenvalues: Array
    """All of it, in the order of the sample's, which descend, (n_features,)."""
    lost: np.ndarray
    """Columns that vary, by less than the rounding of the largest eigenvalue."""


def fitted_table(X: Array, *, center: bool) -> AnalyticFit:
    """Estimate the covariance of the rows of a table.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    center : bool
        Whether the mean is subtracted.

    Returns
    -------
    fit : AnalyticFit
        In float64, in the library of X.
    """
    n_rows, n_features = X.shape
    spectrum, _ = table_spectrum(
        X, None, standardize=False, center=center, gram=n_rows < n_features
    )
    return _fitted(spectrum, n_rows, n_features, center)


def fitted_sums(sums: ColumnSums, *, center: bool) -> AnalyticFit:
    """Estimate the covariance of the rows that went into sums.

    Parameters
    ----------
    sums : ColumnSums
        Of all rows, without weights.
    center : bool
        As they were taken.

    Returns
    -------
    fit : AnalyticFit
        What `fitted_table` finds, up to rounding.
    """
    spectrum = covariance_spectrum(sums, divide=False, center=center)
    return _fitted(spectrum, sums.moments.n_samples, sums.first.shape[0], center)


def _fitted(spectrum: Spectrum, n_rows: int, n_features: int, center: bool) -> AnalyticFit:
    """Shrink a spectrum."""
    n_samples = n_rows - (1 if center else 0)
    n_kept = min(n_samples, n_features)
    ascending = np.zeros(n_features)  # constant features have eigenvalues of 0
    values = spectrum.eigenvalues[:n_kept]
    ascending[n_features - values.shape[0] :] = values[::-1]
    shrunk = analytic_eigenvalues(ascending, n_samples)[::-1]
    components = leading_directions(spectrum, n_kept)
    values = array_namespace(components).asarray(shrunk.copy(), device=device_of(components))
    rest = float(shrunk[-1]) if n_kept < n_features else 0.0
    gaussian = GaussianModel(spectrum.mean, None, components, values[:n_kept], rest)
    return AnalyticFit(gaussian, values, spectrum.lost)


def analytic_eigenvalues(eigenvalues: np.ndarray, n_samples: float) -> np.ndarray:
    """Shrink the eigenvalues of a sample covariance.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_features,)
        All of them, ascending; for ``n_features > n_samples`` the first
        ``n_features - n_samples`` are the zeros.
    n_samples : float
        Degrees of freedom: rows, less 1 if they were centred.

    Returns
    -------
    shrunk : ndarray of shape (n_features,)
        Positive. Zeros that too few rows do not explain belong to features that are constant or
        repeat one another: they get the smallest of the others, so that there is an inverse.

    Raises
    ------
    ValueError
        If there are more features than ``n_samples``, and fewer than 12 of these (the formula for
        the zeros needs a bandwidth below ``1 / sqrt(5)``); if no eigenvalue is positive.

    References
    ----------
    O. Ledoit, M. Wolf, "Analytical nonlinear shrinkage of large-dimensional covariance matrices",
    Annals of Statistics 48 (2020), section 4.7 and appendix C for ``n_features > n_samples``.
    """
    n_features = eigenvalues.shape[0]
    n_zeros = max(0, n_features - int(np.floor(n_samples)))
    if n_zeros and n_samples < 12:
        raise ValueError(
            f"Analytic shrinkage of {n_features} features needs at least 12 degrees of freedom, "
            f"but was given {n_samples:.3g}. Give more rows, or use sklearn.covariance.LedoitWolf."
        )
    if not eigenvalues[-1] > 0:
        raise ValueError("Every eigenvalue is 0: the rows do not differ. Give rows that do.")
    # Features that are constant or repeat one another: out of the formulas
    idle = int(np.sum(eigenvalues[n_zeros:] <= 0))
    n_features -= idle
    positive = eigenvalues[n_zeros + idle :]
    density, hilbert = spectral_density(positive, n_samples)
    scaled = np.pi * positive
    if n_zeros == 0:
        c = n_features / n_samples
        shrunk = positive / ((c * scaled * density) ** 2 + (1 - c - c * scaled * hilbert) ** 2)
        return np.concatenate([np.full(idle, np.min(shrunk)), shrunk])
    h = n_samples ** (-1 / 3)
    at_zero = (3 / 10 / h**2) + 3 / 4 / 5**0.5 / h * (1 - 1 / 5 / h**2) * np.log(
        (1 + 5**0.5 * h) / (1 - 5**0.5 * h)
    )
    of_zeros = n_samples / ((n_features - n_samples) * at_zero * float(np.mean(1 / positive)))
    shrunk = positive / (scaled**2 * (density**2 + hilbert**2))
    lowest = min(of_zeros, float(np.min(shrunk)))
    return np.concatenate([np.full(n_zeros, of_zeros), np.full(idle, lowest), shrunk])
