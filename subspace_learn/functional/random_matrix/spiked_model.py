r"""The spiked model: what noise does to a few strong directions, and how to undo it.

The population covariance is :math:`\sigma^2 (I + \sum_k (\ell_k - 1) u_k u_k^T)`. As n and p grow
with :math:`p / n \to \gamma`, a spike above the threshold :math:`1 + \sqrt\gamma` shows as a sample
eigenvalue away from the bulk, too large, with an eigenvector that is tilted; one below it leaves no
trace. First the limits and what is best to make of them, in units of the noise variance
(:math:`\sigma^2 = 1`); then :func:`noise_model`, which finds level, edge and spikes of a spectrum:
a short NumPy array, descending, of the covariance with n degrees of freedom. The laws are about
independent entries of one variance with tails like those of a Gaussian: ``beside_spikes.py`` says
what is not so.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import numpy as np

from .noise_laws import (
    EdgeLaw,
    TableSize,
    bulk_cdf,
    bulk_median,
    edge_law,
    edge_quantile,
    edge_sf,
    marchenko_pastur_edges,
    marchenko_pastur_median,
)

__all__ = [
    "LOSSES",
    "NoiseModel",
    "NoiseRule",
    "ShrunkSpectrum",
    "Spikes",
    "bulk_distance",
    "debiased_spikes",
    "detection_threshold",
    "excess_spread",
    "hard_threshold",
    "hard_threshold_over_median",
    "noise_model",
    "noise_variance",
    "population_eigenvalue",
    "sample_eigenvalue",
    "shrunk_spectrum",
    "shrunk_spikes",
    "squared_cosine",
]

LOSSES = ("frobenius", "operator", "stein")
# Standard deviations of excess spread: met once in 2,000 tables of noise, and once in 40.
_NOT_WHITE, _AS_NOISE = 3.5, 2.0
_WHITE_SHARE = 1 / 3  # of what does not stand out: less of it is no noise of one variance


class NoiseRule(NamedTuple):
    """How noise is measured and where signal begins."""

    noise: str | float = "median"
    """"median", "mle", or the variance itself."""
    edge: str = "tracy_widom"
    """"tracy_widom", "marchenko_pastur", "gavish_donoho" or "permutation"."""
    significance: float = 0.01
    """Chance to call noise a spike, for the two edges that have one."""
    n_components: int | None = None
    """The number of spikes, where the user gave it."""
    one_scale: bool = True
    """Whether features and rows have the scales they came with. Brought to others, they take their
    noise along, which then differs."""


class NoiseModel(NamedTuple):
    """What a rule finds in a spectrum."""

    variance: float
    """Of the noise."""
    edge: float
    """Eigenvalues above it are spikes."""
    n_components: int
    """Their number."""
    p_values: np.ndarray
    """For each eigenvalue the chance that the largest one of noise alone is as large."""
    bulk_variance: float
    """The level that the tests are made at: of all that does not stand out, weak signal included.
    """


class Spikes(NamedTuple):
    """Population eigenvalues behind sample ones, and how far their directions are right."""

    eigenvalues: np.ndarray
    squared_cosines: np.ndarray


class ShrunkSpectrum(NamedTuple):
    """Eigenvalues of an estimated covariance: some along known directions, one for all others."""

    leading: np.ndarray
    rest: float


def detection_threshold(gamma: float) -> float:
    """Smallest population eigenvalue that leaves the bulk (Baik, Ben Arous, Peche).

    Parameters
    ----------
    gamma : float
        Columns over rows.

    Returns
    -------
    threshold : float
        ``1 + sqrt(gamma)``.
    """
    return 1 + gamma**0.5


def sample_eigenvalue(spike: np.ndarray, gamma: float) -> np.ndarray:
    r"""Limit of the sample eigenvalue: :math:`\ell (1 + \gamma / (\ell - 1))`, or the edge.

    Parameters
    ----------
    spike : ndarray
        Population eigenvalues :math:`\ell`.
    gamma : float
        Columns over rows.

    Returns
    -------
    eigenvalue : ndarray
        At least ``(1 + sqrt(gamma))**2``.

    References
    ----------
    J. Baik, J. W. Silverstein, "Eigenvalues of large sample covariance matrices of spiked
    population models", J. Multivariate Analysis 97 (2006), theorem 1.1.
    """
    spike = np.maximum(np.asarray(spike, dtype=float), detection_threshold(gamma))
    return spike * (1 + gamma / (spike - 1))


def population_eigenvalue(eigenvalue: np.ndarray, gamma: float) -> np.ndarray:
    r"""Inverse of :func:`sample_eigenvalue`: the spike behind an eigenvalue beyond the bulk.

    .. math:: \ell = \tfrac12 \left(x + 1 - \gamma + \sqrt{(x + 1 - \gamma)^2 - 4 x}\right)

    Parameters
    ----------
    eigenvalue : ndarray
        Sample eigenvalues x.
    gamma : float
        Columns over rows.

    Returns
    -------
    spike : ndarray
        Population eigenvalues; 1, the noise itself, for x within the bulk.

    Examples
    --------
    >>> population_eigenvalue(sample_eigenvalue([10.0, 1.2], 0.5), 0.5)
    array([10.,  1.])
    """
    x = np.asarray(eigenvalue, dtype=float)
    edge = (1 + gamma**0.5) ** 2
    shifted = x + 1 - gamma
    root = np.sqrt(np.clip(shifted**2 - 4 * x, 0.0, None))
    return np.where(x > edge, (shifted + root) / 2, 1.0)


def squared_cosine(spike: np.ndarray, gamma: float) -> np.ndarray:
    r"""Limit of the squared cosine between sample and population direction.

    .. math:: \frac{1 - \gamma / (\ell - 1)^2}{1 + \gamma / (\ell - 1)}

    Parameters
    ----------
    spike : ndarray
        Population eigenvalues.
    gamma : float
        Columns over rows.

    Returns
    -------
    squared_cosine : ndarray
        In [0, 1); 0 for spikes up to the threshold.

    References
    ----------
    D. Paul, "Asymptotics of sample eigenstructure for a large dimensional spiked covariance model",
    Statistica Sinica 17 (2007), theorem 4.
    """
    spike = np.asarray(spike, dtype=float)
    seen = spike > detection_threshold(gamma)
    excess = np.where(seen, spike - 1, 1.0)
    return np.where(seen, (1 - gamma / excess**2) / (1 + gamma / excess), 0.0)


def hard_threshold(beta: float) -> float:
    r"""Singular value below which it is better to set to zero, for known noise.

    .. math:: \lambda_* = \sqrt{2 (\beta + 1) +
              \frac{8 \beta}{\beta + 1 + \sqrt{\beta^2 + 14 \beta + 1}}}

    Parameters
    ----------
    beta : float
        Short side over long side of the matrix, in (0, 1].

    Returns
    -------
    threshold : float
        In units of the standard deviation of an entry times the square root of the long side.

    Raises
    ------
    ValueError
        If ``beta`` is outside (0, 1].

    References
    ----------
    M. Gavish, D. L. Donoho, "The optimal hard threshold for singular values is 4/sqrt(3)", IEEE
    Transactions on Information Theory 60 (2014), eq. 11.

    Examples
    --------
    >>> round(hard_threshold(1.0), 5)
    2.3094
    """
    if not 0 < beta <= 1:
        raise ValueError(f"beta={beta!r}: the short side over the long side lies in (0, 1].")
    return float(np.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + (beta**2 + 14 * beta + 1) ** 0.5)))


def hard_threshold_over_median(beta: float) -> float:
    """Threshold of singular values for unknown noise, in units of their median.

    Parameters
    ----------
    beta : float
        Short side over long side of the matrix, in (0, 1].

    Returns
    -------
    threshold : float
        ``hard_threshold(beta) / sqrt(median)`` with the exact median of the Marchenko-Pastur law,
        not the cubic polynomial that is often copied.

    Examples
    --------
    >>> round(hard_threshold_over_median(1.0), 4)
    2.8584
    """
    return hard_threshold(beta) / marchenko_pastur_median(beta) ** 0.5


def shrunk_spikes(spikes: np.ndarray, squared_cosines: np.ndarray, loss: str) -> np.ndarray:
    r"""Best eigenvalue to give to a sample direction, by loss.

    With :math:`c^2` the squared cosine and :math:`s^2 = 1 - c^2`: "frobenius"
    :math:`\ell c^2 + s^2`; "operator" :math:`\ell`; "stein" :math:`\ell / (c^2 + \ell s^2)`.

    Parameters
    ----------
    spikes : ndarray of shape (n_spikes,)
        Population eigenvalues.
    squared_cosines : ndarray of shape (n_spikes,)
        Between sample and population directions.
    loss : {"frobenius", "operator", "stein"}
        What is to be small: the squared Frobenius norm, the operator norm, or Stein's loss (the
        Kullback-Leibler divergence) of the error.

    Returns
    -------
    eigenvalues : ndarray of shape (n_spikes,)
        In [1, spike].

    Raises
    ------
    ValueError
        If the loss is unknown.

    References
    ----------
    D. L. Donoho, M. Gavish, I. M. Johnstone, "Optimal shrinkage of eigenvalues in the spiked
    covariance model", Annals of Statistics 46 (2018), table 2.
    """
    spikes = np.asarray(spikes, dtype=float)
    rest = 1 - squared_cosines
    if loss == "frobenius":
        return spikes * squared_cosines + rest
    if loss == "operator":
        return spikes
    if loss == "stein":
        return spikes / (squared_cosines + spikes * rest)
    raise ValueError(f"loss={loss!r} is not known. Use one of {', '.join(LOSSES)}.")


def noise_variance(
    eigenvalues: np.ndarray, size: TableSize, n_spikes: int, noise: str | float
) -> float:
    r"""Variance of the noise, given how many leading eigenvalues are signal.

    "median": the median of the other eigenvalues over that of the law of a table of ``n - r`` rows
    and ``p - r`` columns (:meth:`TableSize.without`). "mle": the trace that spikes leave to the
    other directions, :math:`\sigma^2 = (\operatorname{tr} S - \sum_k \sigma^2 \ell_k) / (p - r)`,
    with the debiased spikes :math:`\ell_k(\sigma^2)`, by fixed point (Kritchman and Nadler).

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending.
    size : TableSize
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
        rest = size.without(n_spikes)
        return float(np.median(eigenvalues[n_spikes:])) / rest.unit / bulk_median(rest)[0]
    gamma = size.aspect(n_spikes)
    n_rest = max(size.n_features - n_spikes, 1)
    total, top = float(np.sum(eigenvalues)) / size.unit, eigenvalues[:n_spikes] / size.unit
    variance = (total - float(np.sum(top))) / n_rest
    for _ in range(50):  # contracts by about r / n at each step
        if variance <= 0:
            return 0.0
        signal = variance * population_eigenvalue(top / variance, gamma)
        before, variance = variance, max(total - float(np.sum(signal)), 0.0) / n_rest
        if abs(variance - before) <= 1e-12 * before:
            break
    return variance


def excess_spread(eigenvalues: np.ndarray, size: TableSize, n_spikes: int) -> float:
    r"""By how much eigenvalues spread more than those of noise, in standard deviations.

    For those that are not spikes, divided by their mean (zeros for want of rows counted in),
    :math:`U = \operatorname{mean} \lambda^2 - 1` is John's statistic of sphericity, and
    :math:`n U - p` has mean 1 and standard deviation 2 for white Gaussian noise, whether n or p is
    larger.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending.
    size : TableSize
        Of the table.
    n_spikes : int
        How many are signal.

    Returns
    -------
    excess : float
        About standard normal for noise; positive where its directions differ in variance.

    References
    ----------
    O. Ledoit, M. Wolf, "Some hypothesis tests for the covariance matrix when the dimension is large
    compared to the sample size", Annals of Statistics 30 (2002), proposition 3.
    """
    rest, bulk = size.without(n_spikes), eigenvalues[n_spikes:]
    total = float(np.sum(bulk))
    if total <= 0:
        return 0.0
    spread = rest.n_features * float(np.sum((bulk / total) ** 2)) - 1
    return (rest.n_samples * spread - rest.n_features - 1) / 2


def noise_model(
    eigenvalues: np.ndarray,
    size: TableSize,
    rule: NoiseRule,
    null: np.ndarray | None = None,
) -> NoiseModel:
    """Noise level, edge and spikes of a spectrum.

    The level is measured on what is not signal, and signal is what exceeds an edge set by the
    level. From the median of all eigenvalues on, both are repeated twice: enough for a few spikes,
    and no more, since on a spectrum without a bulk each round would take some more of it away. With
    "mle", the weakest spikes are then tested once more without themselves, so that two tests do not
    add their errors.

    What does not stand out may hold signal all the same. It lifts the level that spikes are tested
    at, which then finds fewer of them, and shows in the spread of the eigenvalues. If that is
    beyond chance (`excess_spread`), the variance of the noise is measured without as many more
    directions as make the rest spread as noise does; if fewer than a third would be left, there is
    no noise of one variance, and the level of all is kept. Not with a given number of spikes, nor
    in standardized tables or with the "permutation" edge, which are for noise that is not white.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending, nonnegative.
    size : TableSize
        Of the table.
    rule : NoiseRule
        What to look for.
    null : ndarray of shape (n_permutations,), optional
        Largest eigenvalues of permuted tables, for the "permutation" edge.

    Returns
    -------
    model : NoiseModel
        For exact low rank (more than half of the eigenvalues 0) the noise is 0 and every positive
        eigenvalue is a spike.
    """
    limit = eigenvalues.shape[0] - 1  # something must be left to measure
    taken = 0 if rule.n_components is None else min(rule.n_components, limit)
    start: str | float = "median" if isinstance(rule.noise, str) else rule.noise
    rounds = (start, rule.noise, rule.noise) if rule.n_components is None else (rule.noise,)

    def measured(r: int, noise: str | float) -> tuple[float, float, EdgeLaw, float]:
        """Variance, level, law and edge when r directions are signal."""
        variance, rest = noise_variance(eigenvalues, size, r, noise), size.without(r)
        level, law = variance * rest.unit, edge_law(rest, noise)
        edge = level * _edge(rest, law, rule) if null is None else _permuted_edge(null, rule)
        return variance, level, law, edge

    before = None
    for noise in rounds:
        if (noise, taken) == before:  # nothing would change
            break
        before = (noise, taken)
        variance, level, law, edge = measured(taken, noise)
        taken = min(int(np.sum(eigenvalues > edge)), limit)
    # what the median took for signal must be signal beside the trace that it leaves
    while rule.noise == "mle" and rule.n_components is None and taken > 0:
        before_it = measured(taken - 1, "mle")
        if eigenvalues[taken - 1] > before_it[3]:
            break
        taken, (variance, level, law, edge) = taken - 1, before_it
    if null is not None:
        exceeding = np.sum(null[None, :] >= eigenvalues[:, None], axis=1)
        p_values = (1 + exceeding) / (1 + null.shape[0])
    elif level <= 0:
        p_values = np.where(eigenvalues > 0, 0.0, 1.0)
    else:
        p_values = edge_sf(eigenvalues / level, law)
    n_components = taken if rule.n_components is None else rule.n_components
    quiet = taken if null is not None else _n_not_white(eigenvalues, size, rule, taken)
    lowest = variance if quiet == taken else noise_variance(eigenvalues, size, quiet, rule.noise)
    return NoiseModel(lowest, edge, n_components, p_values, variance)


def _n_not_white(eigenvalues: np.ndarray, size: TableSize, rule: NoiseRule, taken: int) -> int:
    """How many directions leave a rest that spreads as noise does; ``taken`` if no number does."""
    if rule.n_components is not None or not isinstance(rule.noise, str) or not rule.one_scale:
        return taken
    if excess_spread(eigenvalues, size, taken) <= _NOT_WHITE:
        return taken
    most = eigenvalues.shape[0] - ceil(_WHITE_SHARE * (eigenvalues.shape[0] - taken))
    excess = [excess_spread(eigenvalues, size, r) for r in range(taken, most + 1)]
    best = next((i for i, value in enumerate(excess) if value <= 0), int(np.argmin(excess)))
    return taken + best if excess[best] <= _AS_NOISE else taken


def _edge(rest: TableSize, law: EdgeLaw, rule: NoiseRule) -> float:
    """Value, over the level of the noise, above which a direction is called signal."""
    if rule.edge == "tracy_widom":
        return edge_quantile(rule.significance, law)
    if rule.edge == "gavish_donoho":
        short, long = sorted((float(rest.n_features), rest.n_samples))
        return hard_threshold(short / long) ** 2 * long / rest.n_samples
    if len(rest.row_weights) > 1:  # the edge of another law
        return edge_law(rest).location
    return marchenko_pastur_edges(rest.aspect())[1]


def _permuted_edge(null: np.ndarray, rule: NoiseRule) -> float:
    """Of N null values and the observed one, fewer than the share ``significance`` are larger."""
    rank = int(np.floor(rule.significance * (null.shape[0] + 1) + 1e-9))
    return float(np.sort(null)[-max(rank, 1)])


def bulk_distance(eigenvalues: np.ndarray, size: TableSize, model: NoiseModel) -> float:
    """Kolmogorov distance of the eigenvalues that are not spikes to the law of noise.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        Descending.
    size : TableSize
        Of the table.
    model : NoiseModel
        What was found.

    Returns
    -------
    distance : float
        In [0, 1]. For white noise of order 1 / m for m eigenvalues: they repel one another and keep
        to the law far more closely than m independent numbers would. 0 if every one is a spike.
    """
    bulk = np.sort(eigenvalues[model.n_components :])
    if model.bulk_variance <= 0 or bulk.size == 0:
        return float(bulk.size > 0)
    rest = size.without(model.n_components)
    law = bulk_cdf(bulk / (model.bulk_variance * rest.unit), rest)
    ranks = np.arange(bulk.shape[0] + 1) / bulk.shape[0]
    return float(max(np.max(ranks[1:] - law), np.max(law - ranks[:-1])))


def debiased_spikes(eigenvalues: np.ndarray, size: TableSize, variance: float) -> Spikes:
    """Population eigenvalues and squared cosines behind leading sample eigenvalues.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_spikes,)
        Leading sample eigenvalues.
    size : TableSize
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
    gamma = size.aspect(eigenvalues.shape[0])
    population = population_eigenvalue(eigenvalues / (variance * size.unit), gamma)
    return Spikes(variance * population, squared_cosine(population, gamma))


def shrunk_spectrum(
    eigenvalues: np.ndarray, size: TableSize, variance: float, spikes: Spikes, shrinkage: str
) -> ShrunkSpectrum:
    """Eigenvalues of the covariance estimate.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        All sample eigenvalues, descending.
    size : TableSize
        Of the table.
    variance : float
        Of the noise.
    spikes : Spikes
        Of the leading directions.
    shrinkage : {"frobenius", "operator", "stein", "clip", "none"}
        The first three as
        :func:`shrunk_spikes`, the rest
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
