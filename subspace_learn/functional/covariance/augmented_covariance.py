"""Covariance of a delay embedding, computed from lagged products without building the embedding.

A trial x(t) of C channels, T times; order p; lag tau; T' = T - (p - 1) tau. Block (j, k) of the
augmented covariance is the covariance of x(t + j tau) and x(t + k tau) over t = 0 .. T' - 1. All of
it follows from the p lagged products ``P_h = sum_t x(t) x(t + h)^T``, h = 0, tau, .. (p - 1) tau,
and from products of the first and last (p - 1) tau samples: block (j + 1, k + 1) is block (j, k)
with its window moved by tau, so that tau products leave and tau enter.

The cost is 2 p C^2 T flops and 4 (p C)^2 (p - 1) tau / p at the edges, against 2 (p C)^2 T' for the
embedding. The lagged products depend on h alone: a search over orders and lags computes each once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..._array import Array, array_namespace, device_of, namespace_and_floats

__all__ = [
    "LaggedTrials",
    "augmented_covariances",
    "block_toeplitz",
    "embedded_length",
    "lagged_trials",
]

# Elements of one chunk of trials: the blocks being put together stay in the cache of a core.
_CHUNK = 2**17


class LaggedTrials:
    """Trials ready for augmented covariances of several orders and lags.

    Made by `lagged_trials`. Each lagged product is computed when first asked for, and kept.

    Parameters
    ----------
    trials : array of shape (n_trials, n_times, n_channels)
        Each channel with mean zero, in float64.
    means : array of shape (n_trials, 1, n_channels)
        What was subtracted for that.
    eps : float
        Rounding unit of the signals as they were given: float32 ones keep that of float32.
    floor : float
        Added to every variance at the end.
    xp : module
        Namespace of the trials.
    """

    def __init__(self, trials: Array, means: Array, eps: float, floor: float, xp: Any) -> None:
        self.trials, self.means, self.eps, self.floor, self._xp = trials, means, eps, floor, xp
        self._products: dict[int, Array] = {}
        self._scale: Array | None = None

    def power(self) -> Array:
        """Variance of each channel in each trial.

        Returns
        -------
        power : array of shape (n_trials, n_channels)
            Nonnegative; 0 for a constant, also where floats hold it inexactly, such as .1.
        """
        xp = self._xp
        power = xp.linalg.diagonal(self.product(0)) / self.trials.shape[1]
        rounding = 16 * float(xp.finfo(power.dtype).eps) * self._scaled(self.means[:, 0, :])
        return xp.where(power > rounding**2, power, xp.zeros_like(power))

    def divide(self, scale: Array) -> None:
        """Divide the signals of each channel by a constant, once.

        Parameters
        ----------
        scale : array of shape (n_channels,)
            Positive.
        """
        self._scale = scale
        squares = scale[:, None] * scale
        self._products = {h: product / squares for h, product in self._products.items()}

    def _scaled(self, signals: Array) -> Array:
        """Signals (..., n_channels) after the division: only where a slice of them is used."""
        return signals if self._scale is None else signals / self._scale

    def product(self, shift: int) -> Array:
        """Sum of ``x(t) x(t + shift)^T`` over the trial.

        Parameters
        ----------
        shift : int
            From 0 to n_times - 1.

        Returns
        -------
        product : array of shape (n_trials, n_channels, n_channels)
            The lagged product.
        """
        if shift not in self._products:
            n_times = self.trials.shape[1]
            early, late = self.trials[:, : n_times - shift, :], self.trials[:, shift:, :]
            product = self._xp.matrix_transpose(early) @ late
            if self._scale is not None:
                product = product / (self._scale[:, None] * self._scale)
            self._products[shift] = product
        return self._products[shift]

    def keep_only(self, shifts: Iterable[int]) -> None:
        """Forget the lagged products of all other shifts.

        Parameters
        ----------
        shifts : iterable of int
            Those still needed.
        """
        kept = set(shifts)
        self._products = {h: value for h, value in self._products.items() if h in kept}

    def covariances(self, order: int, lag: int, estimator: str) -> Array:
        """Augmented covariances, each block over the same T' times.

        Parameters
        ----------
        order, lag : int
            Copies, and the delay between two of them in samples.
        estimator : {"scm", "oas", "lwf"}
            Shrinkage.

        Returns
        -------
        covariances : array of shape (n_trials, order * n_channels, order * n_channels)
            Exactly symmetric.
        """
        xp, trials = self._xp, self.trials
        n, n_times, C = trials.shape
        length, d = embedded_length(n_times, order, lag), order * C
        # the first and last samples, cut into runs: (n, order - 1, lag, C)
        first = self._scaled(trials[:, : n_times - length, :])
        first = xp.reshape(first, (n, order - 1, lag, C))
        last = xp.reshape(self._scaled(trials[:, length:, :]), (n, order - 1, lag, C))
        moved = _block_products(last, xp) - _block_products(first, xp)
        S = xp.empty((n, order, C, order, C), dtype=trials.dtype, device=device_of(trials))
        for m in range(order):
            block = self.product(m * lag)
            for j in range(order - 1 - m):
                block = block - xp.matrix_transpose(last[:, j, :, :]) @ last[:, j + m, :, :]
            S[:, 0, :, m, :] = block
        for j in range(order - 1):
            S[:, j + 1, :, j + 1 :, :] = S[:, j, :, j:-1, :] + moved[:, j, :, j:, :]
        for j in range(order - 1):
            S[:, j + 1 :, :, j, :] = xp.permute_dims(S[:, j, :, j + 1 :, :], (0, 2, 3, 1))
        mean = _window_means(first, last, length, xp)
        # (1 - w) S + (w tr(S) / d + floor) I
        S = xp.reshape(S, (n, d, d)) / length - mean[:, :, None] * mean[:, None, :]
        fourth = self._fourth(order, lag, mean) if estimator == "lwf" else None
        if estimator == "scm" and not self.floor:
            return S
        trace, weight = xp.linalg.trace(S), 0.0
        if estimator != "scm":
            square = xp.sum(S * S, axis=(1, 2))
            weight = _shrinkage(estimator, trace, square, fourth, d, length, xp)
            S = S * (1.0 - weight)[:, None, None]
        eye = xp.eye(d, dtype=S.dtype, device=device_of(S))
        return S + (weight * trace / d + self.floor)[:, None, None] * eye

    def toeplitz(self, order: int, lag: int, estimator: str) -> Array:
        """First block row of the block-Toeplitz augmented covariances (biased autocovariances).

        Parameters
        ----------
        order, lag : int
            Copies, and the delay between two of them in samples.
        estimator : {"scm", "oas", "lwf"}
            Shrinkage.

        Returns
        -------
        blocks : array of shape (n_trials, order, n_channels, n_channels)
            Block m is the covariance of x(t) and x(t + m lag), each over all n_times.
        """
        xp = self._xp
        n_times, C = self.trials.shape[1:]
        embedded_length(n_times, order, lag)
        R = xp.stack([self.product(m * lag) for m in range(order)], axis=1) / n_times
        eye = xp.eye(C, dtype=R.dtype, device=device_of(R))
        if estimator == "scm":
            R[:, 0, :, :] = R[:, 0, :, :] + self.floor * eye
            return R
        copies = [float(order)] + [2.0 * (order - m) for m in range(1, order)]
        squares = xp.sum(R**2, axis=(2, 3))
        square = sum(c * squares[:, m] for m, c in enumerate(copies))
        trace = order * xp.linalg.trace(R[:, 0, :, :])
        fourth = self._fourth_padded(order, lag) if estimator == "lwf" else None
        weight = _shrinkage(estimator, trace, square, fourth, order * C, n_times, xp)
        R = R * (1.0 - weight)[:, None, None, None]
        added = weight * trace / (order * C) + self.floor
        R[:, 0, :, :] = R[:, 0, :, :] + added[:, None, None] * eye
        return R

    def _fourth(self, order: int, lag: int, mean: Array) -> Array:
        """Mean of ``|z(t)|^4`` over the embedded and centred samples z."""
        xp = self._xp
        n, n_times, C = self.trials.shape
        length = embedded_length(n_times, order, lag)
        energy = xp.zeros((n, length), dtype=mean.dtype, device=device_of(mean))
        for k in range(order):
            window = self._scaled(self.trials[:, k * lag : k * lag + length, :])
            energy = energy + xp.sum((window - mean[:, None, k * C : (k + 1) * C]) ** 2, axis=2)
        return xp.mean(energy**2, axis=1)

    def _fourth_padded(self, order: int, lag: int) -> Array:
        """The same for the embedding of the trial with zeros before and after, over n_times."""
        xp = self._xp
        n, n_times, _ = self.trials.shape
        energy = xp.sum(self._scaled(self.trials) ** 2, axis=2)
        padding = (order - 1) * lag
        total = xp.zeros((n, n_times + padding), dtype=energy.dtype, device=device_of(energy))
        for k in range(order):
            start = padding - k * lag
            total[:, start : start + n_times] = total[:, start : start + n_times] + energy
        return xp.sum(total**2, axis=1) / n_times


def embedded_length(n_times: int, order: int, lag: int) -> int:
    """Number of times of the delay embedding.

    Parameters
    ----------
    n_times, order, lag : int
        Samples of a trial, copies, and delay between two copies in samples.

    Returns
    -------
    length : int
        ``n_times - (order - 1) * lag``.

    Raises
    ------
    ValueError
        If fewer than two samples would be left.
    """
    length = n_times - (order - 1) * lag
    if length < 2:
        raise ValueError(
            f"order={order} and lag={lag} need {(order - 1) * lag + 2} times or more, but the "
            f"epochs have {n_times}. Choose a smaller order or lag, or longer epochs."
        )
    return length


def lagged_trials(
    X: Array, floor: float = 0.0, scale: Array | None = None, eps: float | None = None
) -> LaggedTrials:
    """Prepare trials: time first, each channel centred, in float64.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels, n_times)
        Signals.
    floor : float, default=0.0
        Added to every variance.
    scale : array of shape (n_channels,), optional
        What the signals of each channel are divided by.
    eps : float, optional
        Rounding unit of the signals from which X was made; None is that of X.

    Returns
    -------
    trials : LaggedTrials
        With one copy of X.
    """
    xp = array_namespace(X)
    eps = float(xp.finfo(X.dtype).eps) if eps is None else eps
    X = xp.astype(xp.matrix_transpose(X), xp.float64, copy=False)
    means = xp.mean(X, axis=1, keepdims=True)
    trials = LaggedTrials(X - means, means, eps, floor, xp)
    if scale is not None:
        trials.divide(scale)
    return trials


def augmented_covariances(
    X: Array,
    order: int = 1,
    lag: int = 1,
    *,
    estimator: str = "oas",
    structure: str = "full",
    dtype: object = None,
) -> Array:
    """Covariance matrices of the delay embedding of each trial.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels, n_times)
        Signals.
    order : int, default=1
        Number of delayed copies; 1 is the spatial covariance.
    lag : int, default=1
        Delay between two copies, in samples.
    estimator : {"oas", "lwf", "scm"}, default="oas"
        Shrinkage, in closed form.
    structure : {"full", "toeplitz"}, default="full"
        "toeplitz": blocks from biased autocovariances, the same along each diagonal; positive
        semidefinite always.
    dtype : dtype, default=None
        Of the result; None is that of X. All sums are taken in float64.

    Returns
    -------
    covariances : array of shape (n_trials, order * n_channels, order * n_channels)
        Exactly symmetric.

    Raises
    ------
    ValueError
        If the embedding would have fewer than two times, X is not 3-D, complex, masked or not
        finite, or order or lag is below 1.
    """
    xp, X = namespace_and_floats(X)
    if X.ndim != 3 or not bool(xp.all(xp.isfinite(X))):
        raise ValueError(
            f"augmented_covariances needs finite signals of shape (n_trials, n_channels, n_times), "
            f"but was given shape {tuple(X.shape)}, or NaN or infinity. Drop or mend such trials."
        )
    if order < 1 or lag < 1:
        raise ValueError(f"order={order} and lag={lag} must be 1 or more.")
    n, C, n_times = X.shape
    d, dtype = order * C, X.dtype if dtype is None else dtype
    embedded_length(n_times, order, lag)
    out = xp.empty((n, d, d), dtype=dtype, device=device_of(X))
    step = max(1, math.ceil(_CHUNK / max(d * d, C * n_times)))
    for start in range(0, n, step):
        stop = min(start + step, n)
        trials = lagged_trials(X[start:stop, :, :])
        if structure == "toeplitz":
            S = block_toeplitz(trials.toeplitz(order, lag, estimator))
        else:
            S = trials.covariances(order, lag, estimator)
        out[start:stop, :, :] = xp.astype(S, dtype)
    return out


def block_toeplitz(blocks: Array) -> Array:
    """Full matrices from their first block row.

    Parameters
    ----------
    blocks : array of shape (n_matrices, order, n, n)
        Block m stands at (j, j + m), its transpose at (j + m, j).

    Returns
    -------
    matrices : array of shape (n_matrices, order * n, order * n)
        Symmetric, if block 0 is.
    """
    xp = array_namespace(blocks)
    n, order, C, _ = blocks.shape
    S = xp.empty((n, order, C, order, C), dtype=blocks.dtype, device=device_of(blocks))
    for j in range(order):
        for k in range(j, order):
            S[:, j, :, k, :] = blocks[:, k - j, :, :]
            S[:, k, :, j, :] = xp.matrix_transpose(blocks[:, k - j, :, :])
    return xp.reshape(S, (n, order * C, order * C))


def _shrinkage(
    estimator: str, trace: Array, square: Array, fourth: Array | None, d: int, n: int, xp: Any
) -> Array:
    """Weight in [0, 1] of the multiple of the identity, for each matrix S of size d.

    "oas": Chen et al. 2010, equation 23, as scikit-learn has it; "lwf": Ledoit and Wolf 2004. Known
    are tr S, its squared Frobenius norm, and for "lwf" the mean of ``|z|^4`` over n samples z.
    """
    mu = trace / d
    spread = square - d * mu**2  # squared distance to mu I
    if estimator == "oas":
        above, below = square / d**2 + mu**2, (n + 1) * spread / d**2
    else:
        above, below = (fourth - square) / n, spread
    flat = below <= 0  # a multiple of the identity: whatever the weight, the same matrix
    ratio = above / xp.where(flat, xp.ones_like(below), below)
    return xp.clip(xp.where(flat, xp.ones_like(ratio), ratio), 0.0, 1.0)


def _block_products(runs: Array, xp: Any) -> Array:
    """Products of all pairs of runs, summed over their times: ``(n, b, C, b, C)``."""
    n, b, lag, C = runs.shape
    flat = xp.reshape(xp.permute_dims(runs, (0, 2, 1, 3)), (n, lag, b * C))
    return xp.reshape(xp.matrix_transpose(flat) @ flat, (n, b, C, b, C))


def _window_means(first: Array, last: Array, length: int, xp: Any) -> Array:
    """Mean of each delayed copy, ``(n, p C)``: a trial sums to zero, so its edges say the rest."""
    n, b, _, C = first.shape
    before, after = xp.sum(first, axis=2), xp.sum(last, axis=2)
    mean = xp.zeros((n, b + 1, C), dtype=first.dtype, device=device_of(first))
    for k in range(b + 1):
        mean[:, k, :] = -(xp.sum(before[:, :k, :], axis=1) + xp.sum(after[:, k:, :], axis=1))
    return xp.reshape(mean / length, (n, (b + 1) * C))
