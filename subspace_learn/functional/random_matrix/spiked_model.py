r"""The spiked model: what noise does to a few strong directions.

The population covariance is :math:`\sigma^2 (I + \sum_k (\ell_k - 1) u_k u_k^T)`. As n and p grow
with :math:`p / n \to \gamma`, a spike above the threshold :math:`1 + \sqrt\gamma` shows as a sample
eigenvalue away from the bulk, too large, with an eigenvector that is tilted; one below it leaves no
trace. All functions are in units of the noise variance (:math:`\sigma^2 = 1`).
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "detection_threshold",
    "population_eigenvalue",
    "sample_eigenvalue",
    "squared_cosine",
]


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
