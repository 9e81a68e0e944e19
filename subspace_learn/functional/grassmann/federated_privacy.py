"""Sums that hide single rows: clipping, the Gaussian mechanism, and what the noised sum says.

One message of a client is the Gram matrix of its rows, each with a constant entry c behind it,

    G = sum_i z_i z_i^T,   z_i = (x_i, c),

so one symmetric matrix holds the second moments, the sum (times c) and the number of rows (times
c^2), and the matrices of several clients add up. With rows clipped to norm C, adding or removing
one row changes G by ``|z z^T|_F = |x|^2 + c^2 <= C^2 + c^2`` in the Frobenius norm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

from ..._array import Array, array_namespace, move_like
from ...linalg.moments import table_moments

__all__ = [
    "NoisedSums",
    "PrivacySettings",
    "clipped_rows",
    "gaussian_delta",
    "gaussian_noise_scale",
    "read_sums",
    "row_sums",
    "symmetric_noise",
]

# The constant entry of a row over the clipping norm: small, it costs the second moments little
# (1/9 more noise), large, it keeps the mean exact. From 1/4 to 1/2 the sum of both hardly changes.
_CONSTANT_ENTRY = 1.0 / 3.0


class PrivacySettings(NamedTuple):
    """What a client reveals of one row at most: (epsilon, delta)-differential privacy.

    Neighbours are two tables of which one has one row more. Server and clients get the same
    settings; a client that has them answers nothing but noised sums.
    """

    epsilon: float
    """Above 0; infinity clips without noise."""
    delta: float
    """In (0, 1); below one over the number of rows."""
    clip_norm: float
    """Rows with a larger Euclidean norm C are scaled down to it. From public knowledge."""
    noise_by: str = "client"
    """"client": each message is private by itself. "share": each client adds its share, so the sum
    of all is private, and the server, whose word on the number of clients is taken, adds the shares
    of those that are missing. "server": the server adds it."""

    @property
    def sensitivity(self) -> float:
        """Largest change of the sums by one row, C^2 + c^2, in the Frobenius norm."""
        return self.clip_norm**2 * (1 + _CONSTANT_ENTRY**2)

    @property
    def noise_scale(self) -> float:
        """Standard deviation of the noise on the diagonal of private sums."""
        if self.epsilon == np.inf:
            return 0.0
        return self.sensitivity * gaussian_noise_scale(self.epsilon, self.delta)

    def scale_of_client(self, n_clients: int) -> float:
        """Return the standard deviation of what one of so many clients adds.

        Parameters
        ----------
        n_clients : int
            How many clients are asked.

        Returns
        -------
        scale : float
            On the diagonal.
        """
        part = {"client": 1.0, "share": n_clients**-0.5, "server": 0.0}[self.noise_by]
        return part * self.noise_scale


class NoisedSums(NamedTuple):
    """What a sum of Gram matrices says about the rows of all clients."""

    scatter: Array
    """About the mean, (n_features, n_features)."""
    mean: Array
    """(n_features,)."""
    weight: float
    """Number of rows; not an integer with noise."""


def gaussian_delta(epsilon: float, noise_scale: float) -> float:
    r"""Smallest delta of the Gaussian mechanism with sensitivity 1.

    .. math:: \delta = \Phi\left(\frac{1}{2 \sigma} - \epsilon \sigma\right)
       - e^{\epsilon} \Phi\left(-\frac{1}{2 \sigma} - \epsilon \sigma\right)

    Parameters
    ----------
    epsilon : float
        At least 0.
    noise_scale : float
        Standard deviation of the noise over the sensitivity (in the Euclidean norm), above 0.
        m releases of one table with noise s are one with ``s / sqrt(m)``.

    Returns
    -------
    delta : float
        In [0, 1].

    References
    ----------
    B. Balle, Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy: Analytical
    Calibration and Optimal Denoising", ICML 2018, theorem 8.
    """
    half, shift = 0.5 / noise_scale, epsilon * noise_scale
    above = np.exp(log_ndtr(half - shift))
    return float(max(0.0, above - np.exp(epsilon + log_ndtr(-half - shift))))


def gaussian_noise_scale(epsilon: float, delta: float) -> float:
    """Least noise of the Gaussian mechanism with sensitivity 1 that is (epsilon, delta)-private.

    Holds for every epsilon above 0, where the classical ``sqrt(2 log(1.25 / delta)) / epsilon``
    holds below 1 only and is larger.

    Parameters
    ----------
    epsilon : float
        Above 0, finite.
    delta : float
        In (0, 1).

    Returns
    -------
    noise_scale : float
        Standard deviation over the sensitivity, by `gaussian_delta` to a relative 1e-12, on the
        safe side.

    Raises
    ------
    ValueError
        If epsilon or delta is out of range.
    """
    if not (0 < epsilon < np.inf and 0 < delta < 1):
        raise ValueError(
            f"epsilon={epsilon} must be above 0 and finite, and delta={delta} in (0, 1)."
        )

    def excess(log_scale: float) -> float:
        return gaussian_delta(epsilon, float(np.exp(log_scale))) - delta

    low = high = 0.0
    while excess(low) < 0:
        low -= 1.0
    while excess(high) > 0:
        high += 1.0
    found = brentq(excess, low, high, xtol=1e-13, rtol=1e-14) if low < high else low
    return float(np.exp(found)) * (1 + 1e-12)


def clipped_rows(X: Array, clip_norm: float) -> Array:
    """Scale rows whose Euclidean norm exceeds ``clip_norm`` down to it.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    clip_norm : float
        Above 0; infinity leaves all rows alone.

    Returns
    -------
    clipped : array of shape (n_samples, n_features)
        In float64.
    """
    xp = array_namespace(X)
    X = xp.astype(X, xp.float64, copy=False)
    if clip_norm == np.inf:
        return X
    norms = xp.linalg.vector_norm(X, axis=1, keepdims=True)
    return X * xp.where(norms > clip_norm, clip_norm / xp.where(norms > 0, norms, 1.0), 1.0)


def row_sums(X: Array, weights: Array | None, clip_norm: float) -> Array:
    """Gram matrix of the clipped rows, each with the constant entry behind it.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows.
    weights : array of shape (n_samples,) or None
        Frequencies.
    clip_norm : float
        Above 0; infinity clips nothing.

    Returns
    -------
    sums : array of shape (n_features + 1, n_features + 1)
        Second moments about zero, sums and number of rows.
    """
    rows = clipped_rows(X, clip_norm)
    xp = array_namespace(rows)
    constant = _constant_entry(clip_norm) * xp.ones_like(rows[:, :1])
    return table_moments(xp.concat([rows, constant], axis=1), weights, center=False).scatter


def symmetric_noise(like: Array, scale: float, rng: np.random.Generator) -> Array:
    """Gaussian noise that is isotropic on symmetric matrices with the Frobenius norm.

    Off the diagonal each number stands twice in that norm, so its deviation is ``scale / sqrt(2)``.
    The spectral norm of the noise is about ``scale * sqrt(2 n)``.

    Parameters
    ----------
    like : array of shape (n, n)
        Gives size, library and device.
    scale : float
        Standard deviation on the diagonal.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    noise : array of shape (n, n)
        Symmetric.
    """
    draws = rng.normal(scale=scale / 2, size=tuple(like.shape))
    return move_like(draws + draws.T, like)


def read_sums(sums: Array, clip_norm: float) -> NoisedSums:
    """Mean and scatter matrix from sums of Gram matrices.

    Parameters
    ----------
    sums : array of shape (n_features + 1, n_features + 1)
        Of all clients, from `row_sums`.
    clip_norm : float
        That of `row_sums`.

    Returns
    -------
    found : NoisedSums
        Its scatter matrix can have negative eigenvalues when there is noise.

    Raises
    ------
    ValueError
        If the noise leaves no more than one row, or no variance.
    """
    c = _constant_entry(clip_norm)
    weight = float(sums[-1, -1]) / (c * c)
    if weight <= 1:
        raise ValueError(
            f"The noised number of rows is {weight:.3g}: the noise drowns everything. Take more "
            "rows, or a larger epsilon."
        )
    mean = sums[:-1, -1] / (c * weight)
    scatter = sums[:-1, :-1] - weight * mean[:, None] * mean[None, :]
    if float(array_namespace(sums).linalg.trace(scatter)) < 0:
        raise ValueError(
            "The noised variance of all features together is negative: the noise drowns "
            "everything. Take more rows, or a larger epsilon."
        )
    return NoisedSums(scatter, mean, weight)


def _constant_entry(clip_norm: float) -> float:
    return 1.0 if clip_norm == np.inf else _CONSTANT_ENTRY * clip_norm
