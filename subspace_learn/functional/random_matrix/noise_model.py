r"""Where noise ends and signal begins in a spectrum: level, edge, p-values, spikes.

Everything here is about the eigenvalues alone: short NumPy arrays, descending, of the covariance
``S = X^T X / n`` with n degrees of freedom (rows, less 1 if they were centred).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .marchenko_pastur import marchenko_pastur_cdf, marchenko_pastur_median
from .optimal_shrinkage import LOSSES, hard_threshold, shrunk_spikes
from .spiked_model import population_eigenvalue, squared_cosine
from .tracy_widom import edge_law, tracy_widom_quantile, tracy_widom_sf

__all__ = [
    "NoiseModel",
    "NoiseRule",
    "SampleSize",
    "ShrunkSpectrum",
    "Spikes",
    "bulk_distance",
    "debiased_spikes",
    "noise_model",
    "noise_variance",
    "shrunk_spectrum",
]


class SampleSize(NamedTuple):
    """What the laws need to know of a table."""

    n_samples: float
    """Degrees of freedom: rows, less 1 if they were centred."""
    n_features: int
    """Columns that are not constant."""

    def bulk(self, n_spikes: int) -> float:
        """Aspect ratio of what is left when some directions are taken for signal.

        Parameters
        ----------
        n_spikes : int
            How many.

        Returns
        -------
        gamma : float
            ``(n_features - n_spikes) / n_samples``.
        """
        return max(self.n_features - n_spikes, 1) / self.n_samples

    def rest(self, n_spikes: int) -> SampleSize:
        """Size of the table of noise that is left without its strongest directions.

        Each takes a column and a degree of freedom: what remains of n x p is a table of noise of
        ``n - r`` rows, whose eigenvalues are still divided by n. Without that count the median is
        too small by some ``r / n``, and more for square tables.

        Parameters
        ----------
        n_spikes : int
            The number r of directions.

        Returns
        -------
        size : SampleSize
            At least one row and one column.
        """
        return SampleSize(max(self.n_samples - n_spikes, 1.0), max(self.n_features - n_spikes, 1))


class NoiseRule(NamedTuple):
    """How noise is measured and where signal begins."""

    noise: str | float = "median"
    """"median", "mle", or the variance itself."""
    edge: str = "tracy_widom"
    """"tracy_widom", "marchenko_pastur", "gavish_donoho" or "permutation"."""
    significance: float = 0.01
    """Chance to call noise a spike, for the two edges that have one."""
    n_spikes: int | None = None
    """The number of spikes, where the user gave it."""


class NoiseModel(NamedTuple):
    """What a rule finds in a spectrum."""

    variance: float
    """Of the noise."""
    edge: float
    """Eigenvalues above it are spikes."""
    n_spikes: int
    """Their number."""
    p_values: np.ndarray
    """For each eigenvalue the chance that the largest one of noise alone is as large."""


class Spikes(NamedTuple):
    """Population eigenvalues behind sample ones, and how far their directions are right."""

    eigenvalues: np.ndarray
    squared_cosines: np.ndarray


class ShrunkSpectrum(NamedTuple):
    """Eigenvalues of an estimated covariance: some along known directions, one for all others."""

    leading: np.ndarray
    rest: float


def noise_variance(
    eigenvalues: np.ndarray, size: SampleSize, n_spikes: int, noise: str | float
) -> float:
    r"""Variance of the noise, given how many leading eigenvalues are signal.

    "median": the median of the other eigenvalues over that of the Marchenko-Pastur law of a table
    of ``n - r`` rows and ``p - r`` columns (:meth:`SampleSize.rest`). "mle": the
    trace that spikes leave to the other directions, :math:`\sigma^2 = (\operatorname{tr} S -
    \sum_k \sigma^2 \ell_k) / (p - r)`, with the debiased spikes :math:`\ell_k(\sigma^2)`, by fixed
    point (Kritchman and Nadler).

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending.
    size : SampleSize
        Of the table.
    n_spikes : int
        How many are signal.
    noise : {"median", "mle"} or float
        The rule; a number is given back.

    Returns
    -------
    variance : float
        Nonnegative.

    References
    ----------
    S. Kritchman, B. Nadler, "Determining the number of components in a factor model from limited
    noisy data", Chemometrics and Intelligent Laboratory Systems 94 (2008), eq. 17 to 19.
    """
    if not isinstance(noise, str):
        return float(noise)
    if noise == "median":
        rest = size.rest(n_spikes)
        median = float(np.median(eigenvalues[n_spikes:])) * size.n_samples / rest.n_samples
        return median / marchenko_pastur_median(rest.bulk(0))
    gamma = size.bulk(n_spikes)
    n_rest = max(size.n_features - n_spikes, 1)
    total, top = float(np.sum(eigenvalues)), eigenvalues[:n_spikes]
    variance = float(np.sum(eigenvalues[n_spikes:])) / n_rest
    for _ in range(50):  # contracts by about r / n at each step
        if variance <= 0:
            return 0.0
        signal = variance * population_eigenvalue(top / variance, gamma)
        before, variance = variance, max(total - float(np.sum(signal)), 0.0) / n_rest
        if abs(variance - before) <= 1e-12 * before:
            break
    return variance


def noise_model(
    eigenvalues: np.ndarray,
    size: SampleSize,
    rule: NoiseRule,
    null: np.ndarray | None = None,
) -> NoiseModel:
    """Noise level, edge and spikes of a spectrum.

    The level is measured on what is not signal, and signal is what exceeds an edge set by the
    level. From the median of all eigenvalues on, both are repeated twice: enough for a few spikes,
    and no more, since on a spectrum without a bulk each round would take some more of it away.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending, nonnegative.
    size : SampleSize
        Of the table.
    rule : NoiseRule
        What is asked.
    null : ndarray of shape (n_permutations,), optional
        Largest eigenvalues of permuted tables, for the "permutation" edge.

    Returns
    -------
    model : NoiseModel
        For exact low rank (more than half of the eigenvalues 0) the noise is 0 and every positive
        eigenvalue is a spike.
    """
    limit = eigenvalues.shape[0] - 1  # something must be left to measure
    taken = 0 if rule.n_spikes is None else min(rule.n_spikes, limit)
    start: str | float = "median" if isinstance(rule.noise, str) else rule.noise
    for noise in (rule.noise,) if rule.n_spikes is not None else (start, rule.noise, rule.noise):
        variance = noise_variance(eigenvalues, size, taken, noise)
        edge = _edge(size, taken, variance, rule, null)
        bulk, taken = taken, min(int(np.sum(eigenvalues > edge)), limit)
    n_spikes = taken if rule.n_spikes is None else rule.n_spikes
    return NoiseModel(variance, edge, n_spikes, _p_values(eigenvalues, size, bulk, variance, null))


def _edge(
    size: SampleSize, n_spikes: int, variance: float, rule: NoiseRule, null: np.ndarray | None
) -> float:
    """Eigenvalue above which a direction is called signal."""
    if null is not None:  # of N null values and the observed one, fewer than a share are larger
        rank = int(np.floor(rule.significance * (null.shape[0] + 1) + 1e-9))
        return float(np.sort(null)[-max(rank, 1)])
    rest = size.rest(n_spikes)
    level = variance * rest.n_samples / size.n_samples
    if rule.edge == "tracy_widom":
        law = edge_law(*rest)
        return level * (law.location + _edge_quantile(rule.significance) * law.scale)
    if rule.edge == "gavish_donoho":
        short, long = sorted((float(rest.n_features), rest.n_samples))
        return level * hard_threshold(short / long) ** 2 * long / rest.n_samples
    return level * (1 + rest.bulk(0) ** 0.5) ** 2


@lru_cache(maxsize=64)
def _edge_quantile(significance: float) -> float:
    return float(tracy_widom_quantile(np.asarray(1 - significance)))


def _p_values(
    eigenvalues: np.ndarray,
    size: SampleSize,
    n_spikes: int,
    variance: float,
    null: np.ndarray | None,
) -> np.ndarray:
    """Chance of an eigenvalue as large when there is no further signal."""
    if null is not None:
        exceeding = np.sum(null[None, :] >= eigenvalues[:, None], axis=1)
        return (1 + exceeding) / (1 + null.shape[0])
    if variance <= 0:
        return np.where(eigenvalues > 0, 0.0, 1.0)
    rest = size.rest(n_spikes)
    law, level = edge_law(*rest), variance * rest.n_samples / size.n_samples
    return tracy_widom_sf((eigenvalues / level - law.location) / law.scale)


def debiased_spikes(eigenvalues: np.ndarray, size: SampleSize, variance: float) -> Spikes:
    """Population eigenvalues and squared cosines behind leading sample eigenvalues.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_spikes,)
        Leading sample eigenvalues.
    size : SampleSize
        Of the table.
    variance : float
        Of the noise; 0 leaves nothing to correct.

    Returns
    -------
    spikes : Spikes
        In units of the data (variance of the noise included). A forced spike within the bulk has
        the variance of the noise and squared cosine 0.
    """
    if variance <= 0:
        return Spikes(eigenvalues, np.ones_like(eigenvalues))
    gamma = size.bulk(eigenvalues.shape[0])
    population = population_eigenvalue(eigenvalues / variance, gamma)
    return Spikes(variance * population, squared_cosine(population, gamma))


def shrunk_spectrum(
    eigenvalues: np.ndarray, size: SampleSize, variance: float, spikes: Spikes, shrinkage: str
) -> ShrunkSpectrum:
    """Eigenvalues of the covariance estimate.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        All sample eigenvalues, descending.
    size : SampleSize
        Of the table.
    variance : float
        Of the noise.
    spikes : Spikes
        Of the leading directions.
    shrinkage : {"frobenius", "operator", "stein", "clip", "none"}
        The first three as
        :func:`~subspace_learn.functional.random_matrix.optimal_shrinkage.shrunk_spikes`, the rest
        at the noise variance. "clip" keeps the sample values of the spikes and gives the others
        their mean. "none" changes nothing.

    Returns
    -------
    spectrum : ShrunkSpectrum
        ``leading`` belongs to the spikes (for "none": to all of ``eigenvalues``).
    """
    n_spikes = spikes.eigenvalues.shape[0]
    if shrinkage == "none":
        return ShrunkSpectrum(eigenvalues, 0.0)
    if shrinkage == "clip":
        n_rest = max(size.n_features - n_spikes, 1)
        return ShrunkSpectrum(
            eigenvalues[:n_spikes], float(np.sum(eigenvalues[n_spikes:])) / n_rest
        )
    if shrinkage not in LOSSES or variance <= 0:
        return ShrunkSpectrum(spikes.eigenvalues, max(variance, 0.0))
    values = shrunk_spikes(spikes.eigenvalues / variance, spikes.squared_cosines, shrinkage)
    return ShrunkSpectrum(variance * values, variance)


def bulk_distance(eigenvalues: np.ndarray, size: SampleSize, model: NoiseModel) -> float:
    """Kolmogorov distance of the eigenvalues that are not spikes to the Marchenko-Pastur law.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending.
    size : SampleSize
        Of the table.
    model : NoiseModel
        What was found.

    Returns
    -------
    distance : float
        In [0, 1]. For white noise of order 1 / m for m eigenvalues: they repel one another and keep
        to the law far more closely than m independent numbers would. 0 if every one is a spike.
    """
    bulk = np.sort(eigenvalues[model.n_spikes :])
    if model.variance <= 0 or bulk.size == 0:
        return float(bulk.size > 0)
    rest = size.rest(model.n_spikes)
    level = model.variance * rest.n_samples / size.n_samples
    law = marchenko_pastur_cdf(bulk, rest.bulk(0), level, nonzero=True)
    ranks = np.arange(bulk.shape[0] + 1) / bulk.shape[0]
    return float(max(np.max(ranks[1:] - law), np.max(law - ranks[:-1])))
