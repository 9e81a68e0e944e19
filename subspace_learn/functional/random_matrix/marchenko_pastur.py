r"""The Marchenko-Pastur law: the eigenvalues of a covariance when there is no signal.

For rows of independent entries with variance :math:`\sigma^2`, n rows and p columns, the
eigenvalues of :math:`X^T X / n` follow, as both grow with :math:`p / n \to \gamma`, the density

.. math:: f(x) = \frac{\sqrt{(b - x)(x - a)}}{2 \pi \gamma \sigma^2 x}
          \quad\text{on } [a, b] = \sigma^2 (1 \mp \sqrt\gamma)^2,

and for :math:`\gamma > 1` a share :math:`1 - 1/\gamma` of them is exactly 0. Functions of NumPy
arrays: spectra are short, and live on the host.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .monotone_inverse import monotone_inverse

__all__ = [
    "marchenko_pastur_cdf",
    "marchenko_pastur_density",
    "marchenko_pastur_median",
    "marchenko_pastur_quantile",
    "marchenko_pastur_support",
]


def marchenko_pastur_support(gamma: float, variance: float = 1.0) -> tuple[float, float]:
    """Lower and upper edge of the continuous part.

    Parameters
    ----------
    gamma : float
        Columns over rows, positive.
    variance : float, default=1.0
        Of the entries.

    Returns
    -------
    lower, upper : float
        ``variance * (1 -+ sqrt(gamma))**2``.

    Raises
    ------
    ValueError
        If ``gamma`` or ``variance`` is not positive and finite.

    Examples
    --------
    >>> marchenko_pastur_support(0.25)
    (0.25, 2.25)
    """
    for name, value in (("gamma", gamma), ("variance", variance)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name}={value!r}: the Marchenko-Pastur law needs a positive number.")
    return variance * (1 - gamma**0.5) ** 2, variance * (1 + gamma**0.5) ** 2


def marchenko_pastur_density(x: np.ndarray, gamma: float, variance: float = 1.0) -> np.ndarray:
    """Density of the continuous part; its integral is ``min(1, 1 / gamma)``.

    Parameters
    ----------
    x : ndarray
        Where.
    gamma, variance : float
        See :func:`marchenko_pastur_support`.

    Returns
    -------
    density : ndarray
        Zero off the support.
    """
    lower, upper = marchenko_pastur_support(gamma, variance)
    x = np.asarray(x, dtype=float)
    inside = (x > lower) & (x < upper)
    at = np.where(inside, x, upper)
    root = np.sqrt(np.clip((upper - at) * (at - lower), 0.0, None))
    return np.where(inside, root / (2 * np.pi * gamma * variance * at), 0.0)


def marchenko_pastur_cdf(
    x: np.ndarray, gamma: float, variance: float = 1.0, *, nonzero: bool = False
) -> np.ndarray:
    r"""Distribution function, in closed form.

    Parameters
    ----------
    x : ndarray
        Where.
    gamma, variance : float
        See :func:`marchenko_pastur_support`.
    nonzero : bool, default=False
        Whether the law of the nonzero eigenvalues is meant: without the atom at 0 that
        ``gamma > 1`` brings.

    Returns
    -------
    probability : ndarray
        In [0, 1].

    Notes
    -----
    With :math:`s = \sqrt{(b - x)(x - a)}` and :math:`\gamma \le 1`,
    :math:`2 \pi \gamma F = s + (1 + \gamma) \arcsin u - (1 - \gamma) \arcsin v + \pi \gamma`. The
    arcs are written as angles of (u, s) and (v, s), which loses no digits at the edges.
    """
    x = np.asarray(x, dtype=float)
    if gamma > 1:  # the nonzero eigenvalues of X^T X / n are gamma times those of X X^T / p
        marchenko_pastur_support(gamma, variance)
        continuous = marchenko_pastur_cdf(x / gamma, 1 / gamma, variance)
        return continuous if nonzero else np.where(x < 0, 0.0, 1 + (continuous - 1) / gamma)
    marchenko_pastur_support(gamma, variance)  # checks them
    lower, upper = marchenko_pastur_support(gamma)
    at = np.clip(x / variance, lower, upper)  # without units: products below stay floats
    s = np.sqrt((upper - at) * (at - lower))
    first = np.arctan2(2 * at - lower - upper, 2 * s)
    second = np.arctan2((lower + upper) * at - 2 * lower * upper, 2 * (lower * upper) ** 0.5 * s)
    angles = (1 + gamma) * first - (1 - gamma) * second
    return np.clip((s + angles + np.pi * gamma) / (2 * np.pi * gamma), 0.0, 1.0)


def marchenko_pastur_quantile(
    q: np.ndarray, gamma: float, variance: float = 1.0, *, nonzero: bool = False
) -> np.ndarray:
    """Quantiles, by bisection of the distribution function.

    Parameters
    ----------
    q : ndarray
        Probabilities in [0, 1].
    gamma, variance, nonzero : float, float, bool
        See :func:`marchenko_pastur_cdf`.

    Returns
    -------
    x : ndarray
        Of the shape of ``q``; 0 where ``q`` is within the atom.

    Raises
    ------
    ValueError
        If a probability is outside [0, 1].

    Examples
    --------
    >>> float(marchenko_pastur_quantile(0.5, 1.0).round(5))
    0.65278
    """
    q = np.asarray(q, dtype=float)
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("Probabilities must lie in [0, 1].")
    lower, upper = marchenko_pastur_support(gamma, variance)
    x = monotone_inverse(
        lambda at: marchenko_pastur_cdf(at, gamma, variance, nonzero=nonzero), q, lower, upper
    )
    atom = 0.0 if nonzero else max(0.0, 1 - 1 / gamma)
    return np.where(q <= atom, 0.0, x) if atom else x


@lru_cache(maxsize=256)
def marchenko_pastur_median(gamma: float) -> float:
    """Median of the nonzero eigenvalues for variance 1.

    Parameters
    ----------
    gamma : float
        Columns over rows.

    Returns
    -------
    median : float
        What the median nonzero eigenvalue is divided by to get the variance of the noise.

    Examples
    --------
    >>> round(marchenko_pastur_median(0.25), 5)
    0.916
    """
    return float(marchenko_pastur_quantile(np.asarray(0.5), gamma, nonzero=True))
