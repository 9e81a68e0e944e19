"""Order and lag of a delay embedding from the signals alone: no labels, no folds.

Two rules, as Carrara and Papadopoulo (2023) use them on training trials. "afnn": the lag is the
first minimum of the average self mutual information (Fraser and Swinney 1986), the order the first
maximum of Cao's (1997) statistic E1. "mdop": maximising derivatives on projection (Nichkawde 2013),
trial by trial, averaged. The authors call Julia's DelayEmbeddings; these are implementations from
the papers, not ports, and where a choice is open it is said below.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "afnn_order_and_lag",
    "cao_statistic",
    "first_local_maximum",
    "first_local_minimum",
    "mdop_delays",
    "mdop_order_and_lag",
    "self_mutual_information",
]


def self_mutual_information(x: np.ndarray, max_lag: int) -> np.ndarray:
    """Mutual information of each series with itself at delays 1 .. max_lag, in nats.

    Values are replaced by their ranks in equally filled bins, about the cube root of n_times of
    them: a monotone change of a series changes nothing.

    Parameters
    ----------
    x : ndarray of shape (n_series, n_times)
        Series.
    max_lag : int
        Largest delay, below n_times.

    Returns
    -------
    information : ndarray of shape (n_series, max_lag)
        Plug-in estimates, too large by about (bins - 1)^2 / (2 n_times).
    """
    n_series, n_times = x.shape
    bins = max(2, round(n_times ** (1 / 3)))
    ranks = np.argsort(np.argsort(x, axis=1, kind="stable"), axis=1, kind="stable")
    codes = ranks * bins // n_times
    offset = np.arange(n_series)[:, None] * bins**2
    information = np.empty((n_series, max_lag))
    for lag in range(1, max_lag + 1):
        pairs = offset + codes[:, :-lag] * bins + codes[:, lag:]
        joint = np.bincount(pairs.ravel(), minlength=n_series * bins**2) / (n_times - lag)
        joint = joint.reshape(n_series, bins, bins)
        apart = joint.sum(axis=2)[:, :, None] * joint.sum(axis=1)[:, None, :]
        terms = np.zeros_like(joint)
        there = joint > 0
        terms[there] = joint[there] * np.log(joint[there] / apart[there])
        information[:, lag - 1] = terms.sum(axis=(1, 2))
    return information


def first_local_minimum(curve: np.ndarray) -> int:
    """Position of the first value below its successor and not above its predecessor.

    Parameters
    ----------
    curve : ndarray of shape (n,)
        Values.

    Returns
    -------
    position : int
        Of the smallest value if the curve has no inner minimum.
    """
    inner = (curve[1:-1] <= curve[:-2]) & (curve[1:-1] < curve[2:])
    return int(np.argmax(inner)) + 1 if inner.any() else int(np.argmin(curve))


def first_local_maximum(curve: np.ndarray) -> int:
    """Position of the first value above its successor and not below its predecessor.

    Parameters
    ----------
    curve : ndarray of shape (n,)
        Values.

    Returns
    -------
    position : int
        Of the largest value if the curve has no inner maximum.
    """
    return first_local_minimum(-curve)


def cao_statistic(x: np.ndarray, lag: int, max_dimension: int) -> np.ndarray:
    """Cao's E1 for dimensions 1 .. max_dimension, averaged over the series.

    E(d) is the mean growth of nearest-neighbour distances from d to d + 1 dimensions, E1(d) =
    E(d + 1) / E(d): near 1 once d dimensions unfold the attractor.

    Parameters
    ----------
    x : ndarray of shape (n_series, n_times)
        Series.
    lag : int
        Delay in samples.
    max_dimension : int
        Largest dimension; ``(max_dimension + 1) * lag`` must be below n_times.

    Returns
    -------
    statistic : ndarray of shape (max_dimension,)
        E1(1), E1(2), ...
    """
    from ...kernels.delay_embedding import neighbour_growth

    n_times = x.shape[1]
    work = np.empty((n_times, n_times))
    growth, counts = np.zeros(max_dimension + 1), np.zeros(max_dimension + 1)
    one_growth, one_count = np.empty(max_dimension + 1), np.empty(max_dimension + 1, dtype=np.int64)
    for series in np.ascontiguousarray(x, dtype=np.float64):
        neighbour_growth(series, lag, work, one_growth, one_count)
        growth += one_growth
        counts += one_count
    mean = growth / np.maximum(counts, 1)
    return mean[1:] / np.maximum(mean[:-1], np.finfo(float).tiny)


def afnn_order_and_lag(
    X: np.ndarray, *, max_lag: int = 30, max_order: int = 30, max_trials: int = 30
) -> tuple[int, int]:
    """Order and lag by average mutual information and averaged false neighbours.

    Dimensions are tried in blocks of 6, 12, .. until the first maximum of E1 is inside.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
        Training trials.
    max_lag : int, default=30
        Largest lag; a quarter of n_times if that is smaller.
    max_order : int, default=30
        Largest order; what n_times allows if that is smaller.
    max_trials : int, default=30
        Most trials looked at, evenly spaced: the statistics are averages, and cost n_times^2 for
        each series.

    Returns
    -------
    order, lag : int
        Copies and delay in samples.
    """
    n_times = X.shape[2]
    series = _evenly(X, max_trials).reshape(-1, n_times)
    max_lag = max(1, min(max_lag, n_times // 4))
    lag = 1 + first_local_minimum(self_mutual_information(series, max_lag).mean(axis=0))
    # half of the times stay usable at the largest dimension
    limit = max(1, min(max_order, n_times // (2 * lag) - 1))
    tried = min(6, limit)
    while True:
        position = first_local_maximum(cao_statistic(series, lag, tried))
        if position < tried - 1 or tried == limit:
            return 1 + position, lag
        tried = min(2 * tried, limit)


def mdop_delays(
    X: np.ndarray,
    theiler: int,
    *,
    max_lag: int = 30,
    max_order: int = 10,
    ratio: float = 2.0,
    threshold: float = 0.05,
) -> list[tuple[int, int]]:
    """Channels and delays that MDOP adds to the first coordinate of one trial.

    The embedding starts from the channel of largest variance. Each round takes the channel and
    delay whose values at nearest neighbours lie farthest apart (geometric mean of the ratio to
    their distance) and ends when fewer than ``threshold`` of the neighbours were false: moved apart
    by more than ``ratio``. Channels are standardised.

    Parameters
    ----------
    X : ndarray of shape (n_channels, n_times)
        One trial.
    theiler : int
        Neighbours nearer in time do not count.
    max_lag : int, default=30
        Largest delay; a quarter of n_times if that is smaller.
    max_order : int, default=10
        Most coordinates, the first included.
    ratio : float, default=2.0
        Growth that makes a neighbour false.
    threshold : float, default=0.05
        Share of false neighbours that ends the search.

    Returns
    -------
    found : list of (int, int)
        Channel and delay of each coordinate after the first.
    """
    from ...kernels.delay_embedding import nearest_neighbours

    n_channels, n_times = X.shape
    max_lag = max(1, min(max_lag, n_times // 4))
    spread = X.std(axis=1)
    Z = (X - X.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)[:, None]
    now = np.arange(max_lag, n_times)
    # delayed[c, tau, t]: channel c, tau samples before t
    delayed = np.stack([Z[:, now - tau] for tau in range(max_lag + 1)], axis=1)
    start = int(np.argmax(spread))
    chosen, found = [delayed[start, 0]], []
    free = np.ones((n_channels, max_lag + 1), dtype=bool)
    free[:, 0] = False
    index, square = np.empty(len(now), dtype=np.int64), np.empty(len(now))
    while len(chosen) < max_order and free.any():
        nearest_neighbours(np.column_stack(chosen), theiler, index, square)
        rows = np.flatnonzero(index >= 0)
        if not len(rows):
            break
        distance = np.sqrt(square[rows])
        gaps = np.abs(delayed[:, :, rows] - delayed[:, :, index[rows]])
        score = np.log(np.maximum(gaps, 1e-12) / distance).mean(axis=2)
        channel, tau = divmod(int(np.argmax(np.where(free, score, -np.inf))), max_lag + 1)
        grown = np.hypot(distance, gaps[channel, tau])
        if np.mean(grown > ratio * distance) < threshold:
            break
        found.append((channel, tau))
        chosen.append(delayed[channel, tau])
        free[channel, tau] = False
    return found


def mdop_order_and_lag(
    X: np.ndarray, *, max_lag: int = 30, max_order: int = 10, max_trials: int = 30
) -> tuple[int, int]:
    """Order and lag by MDOP: rounded averages over the trials.

    Of each trial the order is the number of coordinates, the lag the mean of the delays; its
    Theiler window is the largest first minimum of mutual information over the channels.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
        Training trials.
    max_lag : int, default=30
        Largest delay; a quarter of n_times if that is smaller.
    max_order : int, default=10
        Largest order.
    max_trials : int, default=30
        Most trials looked at, evenly spaced: the statistics are averages, and cost n_times^2 for
        each series.

    Returns
    -------
    order, lag : int
        Copies and delay in samples; ``(1, 1)`` if no trial asks for a delay.
    """
    X = _evenly(X, max_trials)
    reach = max(1, min(max_lag, X.shape[2] // 4))
    orders, lags = [], []
    for trial in X:
        curves = self_mutual_information(trial, reach)
        theiler = max(1 + first_local_minimum(curve) for curve in curves)
        delays = [tau for _, tau in mdop_delays(trial, theiler, max_lag=reach, max_order=max_order)]
        orders.append(1 + len(delays))
        if delays:
            lags.append(np.mean(delays))
    return round(np.mean(orders)), max(1, round(np.mean(lags))) if lags else 1


def _evenly(X: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` trials, from the first to the last, in float64."""
    rows = np.unique(np.linspace(0, len(X) - 1, min(most, len(X))).round().astype(int))
    return np.asarray(X[rows], dtype=np.float64)
