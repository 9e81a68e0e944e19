"""How many clusters, and how many vectors, the spectrum and the graph speak for. No labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

__all__ = [
    "CLEAR_GAP",
    "EigengapProposal",
    "VectorChoice",
    "best_trial",
    "eigengap_clusters",
    "relative_gap",
    "vector_ladder",
]

CLEAR_GAP = 1 / 3
_NOTHING = 1e-9  # Laplacian eigenvalues below it belong to components


class EigengapProposal(NamedTuple):
    """Number of clusters that the spectrum proposes, and why."""

    n_clusters: int
    """Where the gap is."""
    gap: float
    """The relative gap there."""
    eigenvalues: np.ndarray
    """Of the normalised Laplacian, ascending, as far as they were looked at."""

    @property
    def reason(self) -> str:
        """One sentence."""
        k, mu = self.n_clusters, self.eigenvalues
        return (
            f"{k} clusters: Laplacian eigenvalue {k + 1} ({mu[k]:.3g}) lies furthest above the one "
            f"before it ({mu[k - 1]:.3g}), by {self.gap:.0%} of itself, among the first {len(mu)}."
        )


class VectorChoice(NamedTuple):
    """Vectors kept, and what the partition that each number of them led to says of the edges."""

    n_vectors: int
    """The number kept."""
    shift: float
    """What was added to the degrees: 0, or their mean."""
    information: dict[tuple[float, int], float]
    """By shift and number of vectors; empty if a clear eigengap made trials needless."""


def relative_gap(laplacian_values: np.ndarray, k: int) -> float:
    r"""Gap after the k-th Laplacian eigenvalue, :math:`1 - \mu_k / \mu_{k+1}`.

    Parameters
    ----------
    laplacian_values : ndarray
        Ascending, more than k.
    k : int
        At least 1.

    Returns
    -------
    gap : float
        In [0, 1]: 1 if the first k are 0 (components); 0 if the next one is 0 too. Scale-free, so
        that gaps of graphs with a geometry, all of whose low eigenvalues are tiny, count as well.

    Examples
    --------
    >>> relative_gap([0.0, 0.1, 0.4], 2)
    0.75
    """
    mu = np.clip(np.asarray(laplacian_values, dtype=float), 0, None)
    return float(1 - mu[k - 1] / mu[k]) if mu[k] > _NOTHING else 0.0


def eigengap_clusters(laplacian_values: np.ndarray) -> EigengapProposal:
    """Propose the number of clusters, at least 2, after which the relative gap is largest.

    Parameters
    ----------
    laplacian_values : ndarray
        Ascending, at least 3.

    Returns
    -------
    proposal : EigengapProposal
        With a reason in words. Values of 1 and more are of vectors that change sign along edges,
        not of clusters; 2 if there are no others.

    References
    ----------
    U. von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17, 2007, section
    8.3 (there the gap is absolute).

    Examples
    --------
    >>> import numpy as np
    >>> eigengap_clusters(np.array([0, 0.02, 0.03, 0.3, 0.35])).n_clusters
    3
    """
    counts = range(2, len(laplacian_values))
    gaps = [
        relative_gap(laplacian_values, k)
        for k in counts
        if k == 2 or laplacian_values[k - 1] < 1 - _NOTHING
    ]
    best = int(np.argmax(gaps))
    return EigengapProposal(best + 2, gaps[best], np.asarray(laplacian_values))


def vector_ladder(n_clusters: int, most: int) -> list[int]:
    """Numbers of vectors worth trying: K, a few more, up to four times as many.

    Parameters
    ----------
    n_clusters : int
        K.
    most : int
        Largest number there is.

    Returns
    -------
    ladder : list of int
        Ascending.

    Examples
    --------
    >>> vector_ladder(2, 100), vector_ladder(7, 24)
    ([2, 3, 4, 5, 6, 7, 8], [7, 8, 9, 10, 14, 17, 21, 24])
    """
    K = n_clusters
    steps = {K, K + 1, K + 2, *(half * K // 2 for half in range(3, 9))}
    return sorted(d for d in steps if d <= most) or [min(K, most)]


def best_trial(
    trials: Iterable[tuple[float, int]], quality: Callable[[tuple[float, int]], float]
) -> VectorChoice:
    """Try shifts of the degrees and numbers of vectors, and keep what is best.

    Parameters
    ----------
    trials : iterable of (float, int)
        Shift and number of vectors, the simplest first.
    quality : callable
        Takes a trial, returns a number to be large.

    Returns
    -------
    choice : VectorChoice
        The first among equals.
    """
    found = {trial: quality(trial) for trial in trials}
    shift, n_vectors = max(found, key=found.__getitem__)
    return VectorChoice(n_vectors, shift, found)
