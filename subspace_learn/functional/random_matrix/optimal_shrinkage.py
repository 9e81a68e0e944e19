r"""What to make of the singular values and eigenvalues of a spiked model: thresholds, shrinkage.

All functions are in units of the noise: standard deviation 1 for matrices, variance 1 for
covariances.
"""

from __future__ import annotations

import numpy as np

from .marchenko_pastur import marchenko_pastur_median

__all__ = [
    "LOSSES",
    "hard_threshold",
    "hard_threshold_over_median",
    "shrunk_spikes",
]

LOSSES = ("frobenius", "operator", "stein")


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
