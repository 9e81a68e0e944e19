"""Pictures of covariance matrices: channels, delays and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import is_array, to_numpy
from .._checks.epochs import check_epochs
from .._checks.table import check_labels
from ..functional.covariance.augmented_covariance import augmented_covariances
from ._filter_bank import signals_in
from ._order_and_lag import lag_in_samples

__all__ = ["CovarianceDisplay"]

_SMALLEST_FONT = 6.0  # points; smaller channel names are left out
_MOST_COLUMNS = 3


class CovarianceDisplay:
    """Covariance matrices as images, with the names of channels and delays.

    Make it with `from_matrices` or `from_estimator`. All images share one colour scale, symmetric
    about zero. In an augmented covariance thin lines part the blocks; block (j, k) is the
    covariance of the channels at delays j and k times the lag.

    Parameters
    ----------
    matrices : ndarray of shape (n_matrices, order * n_channels, order * n_channels)
        What is drawn, one image each.
    titles : sequence of str, default=None
        Above the images.
    ch_names : sequence of str, default=None
        Names of the channels; None numbers them.
    order : int, default=1
        Number of delayed copies.
    lag : int, default=None
        Delay between two copies, in samples; None counts delays in lags.
    sfreq : float, default=None
        Sampling rate in Hz: delays are then written in milliseconds.
    unit : str, default=None
        Unit of the covariances, for the colour bar, such as "µV²".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_matrices,)
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    colorbar_ : matplotlib Colorbar
        The common colour bar.

    See Also
    --------
    AugmentedCovariances : Makes the matrices.
    TangentSpaceDisplay : Every epoch as a point.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.covariance import AugmentedCovariances, CovarianceDisplay
    >>> X = np.random.default_rng(0).normal(size=(5, 3, 200))
    >>> S = AugmentedCovariances(order=2, lag=4).fit_transform(X)
    >>> display = CovarianceDisplay.from_matrices(S[:1], order=2, lag=4, sfreq=200)
    >>> display.axes_[0].get_xlabel()
    'delay (ms)'
    >>> [tick.get_text() for tick in display.axes_[0].get_xticklabels()]
    ['0', '20']
    """

    def __init__(
        self,
        matrices: np.ndarray,
        *,
        titles: Sequence[str] | None = None,
        ch_names: Sequence[str] | None = None,
        order: int = 1,
        lag: int | None = None,
        sfreq: float | None = None,
        unit: str | None = None,
    ) -> None:
        self.matrices = matrices
        self.titles = titles
        self.ch_names = ch_names
        self.order = order
        self.lag = lag
        self.sfreq = sfreq
        self.unit = unit

    @classmethod
    def from_matrices(
        cls,
        matrices: Any,
        *,
        titles: Sequence[str] | None = None,
        ch_names: Sequence[str] | None = None,
        order: int = 1,
        lag: int | None = None,
        sfreq: float | None = None,
        unit: str | None = None,
        axes: Any = None,
        cmap: str = "RdBu_r",
    ) -> CovarianceDisplay:
        """Draw given matrices.

        Parameters
        ----------
        matrices : array of shape (n_matrices, d, d) or (d, d)
            Covariances; d = order * n_channels.
        titles : sequence of str, default=None
            One for each matrix.
        ch_names : sequence of str, default=None
            Names of the channels.
        order : int, default=1
            Number of delayed copies in each matrix.
        lag : int, default=None
            Delay between two copies, in samples.
        sfreq : float, default=None
            Sampling rate in Hz, for delays in milliseconds.
        unit : str, default=None
            Unit of the covariances, such as "µV²".
        axes : sequence of matplotlib Axes, default=None
            Where to draw, one for each matrix; None makes a new figure.
        cmap : str, default="RdBu_r"
            A diverging colour map; zero is in its middle.

        Returns
        -------
        display : CovarianceDisplay
            With ``axes_``, ``figure_`` and ``colorbar_``.

        Raises
        ------
        ValueError
            If the matrices are not square, d is no multiple of ``order``, or there are too few or
            too many titles, names or axes.
        """
        matrices = to_numpy(matrices) if is_array(matrices) else np.asarray(matrices)
        if matrices.ndim == 2:
            matrices = matrices[None]
        if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or not matrices.size:
            raise ValueError(
                f"matrices has shape {matrices.shape}, but one matrix (d, d) or a stack "
                "(n_matrices, d, d) is needed. AugmentedCovariances makes one from epochs."
            )
        d = matrices.shape[1]
        if order < 1 or d % order:
            raise ValueError(
                f"Matrices of size {d} cannot hold order={order} copies of the channels: give the "
                "order they were made with."
            )
        _check_count("ch_names", ch_names, d // order, f"channels (size {d}, order {order})")
        _check_count("titles", titles, len(matrices), "matrices")
        display = cls(
            matrices,
            titles=titles,
            ch_names=ch_names,
            order=order,
            lag=lag,
            sfreq=sfreq,
            unit=unit,
        )
        return display.plot(axes=axes, cmap=cmap)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        ch_names: Sequence[str] | None = None,
        unit: str | None = None,
        axes: Any = None,
        cmap: str = "RdBu_r",
    ) -> CovarianceDisplay:
        """Draw the arithmetic mean matrix of each class, in each band.

        Parameters
        ----------
        estimator : AugmentedCovarianceClassifier or AugmentedCovariances
            Its order, lag, shrinkage and structure are used; a classifier must be fitted.
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals. ``mne.Epochs`` bring names of channels and the sampling rate.
        y : array of shape (n_epochs,)
            Class of each epoch.
        ch_names : sequence of str, default=None
            Names of the channels; None takes those of ``mne.Epochs``.
        unit : str, default=None
            Unit of the covariances; None is "V²" for ``mne.Epochs``.
        axes : sequence of matplotlib Axes, default=None
            Where to draw, one for each class (and band); None makes a new figure.
        cmap : str, default="RdBu_r"
            A diverging colour map.

        Returns
        -------
        display : CovarianceDisplay
            With ``axes_``, ``figure_`` and ``colorbar_``.
        """
        if not (hasattr(estimator, "lag") and hasattr(estimator, "structure")):
            raise TypeError(
                f"{type(estimator).__name__} has no order and lag. Give an "
                "AugmentedCovarianceClassifier or AugmentedCovariances (of a Pipeline its step), "
                "or draw matrices with from_matrices."
            )
        check_is_fitted(estimator)
        if hasattr(X, "info"):
            ch_names = X.ch_names if ch_names is None else ch_names
            unit = "V²" if unit is None else unit
        X, recording = check_epochs(estimator, X, reset=False, method="from_estimator")
        sfreq = recording.sfreq
        y = check_labels(estimator, y, X.shape[0])
        order = getattr(estimator, "order_", estimator.order)
        lag = lag_in_samples(getattr(estimator, "lag_", estimator.lag), sfreq)
        options = {"estimator": estimator.estimator, "structure": estimator.structure}
        labels, counts = np.unique(y, return_counts=True)
        means, titles = [], []
        for band, part in signals_in(getattr(estimator, "bands_", estimator.bands), X, sfreq):
            matrices = to_numpy(augmented_covariances(part, order, lag, **options))
            where = "" if band is None else f", {band[0]:g}-{band[1]:g} Hz"
            for label, n in zip(labels, counts, strict=True):
                means.append(matrices[y == label].mean(axis=0))
                titles.append(f"{label}{where} ({n} epochs)")
        return cls.from_matrices(
            np.stack(means),
            titles=titles,
            ch_names=ch_names,
            order=order,
            lag=lag,
            sfreq=sfreq,
            unit=unit,
            axes=axes,
            cmap=cmap,
        )

    def plot(self, *, axes: Any = None, cmap: str = "RdBu_r") -> CovarianceDisplay:
        """Draw the images.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            Where to draw, one for each matrix; None makes a new figure.
        cmap : str, default="RdBu_r"
            A diverging colour map.

        Returns
        -------
        display : CovarianceDisplay
            Itself.
        """
        n = len(self.matrices)
        axes = (
            _grid(n, self.matrices.shape[1])
            if axes is None
            else np.ravel(np.asarray(axes, dtype=object))
        )
        _check_count("axes", axes, n, "matrices")
        limit = float(np.abs(self.matrices).max()) or 1.0
        for i, (ax, matrix) in enumerate(zip(axes, self.matrices, strict=True)):
            image = ax.imshow(matrix, cmap=cmap, vmin=-limit, vmax=limit)
            for k in range(1, self.order):
                edge = k * (matrix.shape[0] // self.order) - 0.5
                ax.axhline(edge, color="0.3", linewidth=0.6)
                ax.axvline(edge, color="0.3", linewidth=0.6)
            self._label(ax, matrix.shape[0])
            if self.titles is not None:
                ax.set_title(self.titles[i], fontsize=10)
        self.axes_, self.figure_ = axes, axes[0].figure
        label = "covariance" if self.unit is None else f"covariance ({self.unit})"
        self.colorbar_ = self.figure_.colorbar(image, ax=list(axes), label=label, shrink=0.8)
        return self

    def _label(self, ax: Any, size: int) -> None:
        """Name channels where there is room, and delays where there is more than one."""
        n_channels = size // self.order
        names = self.ch_names or [str(i) for i in range(n_channels)]
        centres = [(k + 0.5) * n_channels - 0.5 for k in range(self.order)]
        delays, what = self._delays()
        height = ax.get_window_extent().height * 72 / ax.figure.dpi
        font = min(8.0, 0.9 * height / size)
        if self.order == 1 and font >= _SMALLEST_FONT:
            ax.set_xticks(range(size), names, fontsize=font, rotation=90)
        elif self.order > 1:
            ax.set_xticks(centres, delays, fontsize=8)
            ax.set_xlabel(what)
        if font >= _SMALLEST_FONT:
            ax.set_yticks(range(size), list(names) * self.order, fontsize=font)
        elif self.order > 1:
            ax.set_yticks(centres, delays, fontsize=8)
            ax.set_ylabel(what)

    def _delays(self) -> tuple[list[str], str]:
        """Delay of each block in words, and the label of their axis."""
        steps = range(self.order)
        if self.lag is None:
            return [f"{k}" for k in steps], "delay (lags)"
        if self.sfreq is None:
            return [f"{k * self.lag}" for k in steps], "delay (samples)"
        return [f"{1000 * k * self.lag / self.sfreq:.3g}" for k in steps], "delay (ms)"


def _grid(n: int, size: int) -> np.ndarray:
    """Axes for ``n`` square images, ``size`` rows each, in rows of at most three."""
    import matplotlib.pyplot as plt

    # inches: room for the names of up to 35 rows; with more the images show blocks, not names
    panel = max(3.0, 0.1 * size + 0.9) if size <= 35 else 3.0
    columns = min(n, _MOST_COLUMNS)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(panel * columns + 1.0, panel * rows),
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[n:]:
        figure.delaxes(ax)
    return axes.ravel()[:n]


def _check_count(name: str, given: Any, n: int, of: str) -> None:
    """Raise ValueError unless there is one of something for each of ``n``."""
    if given is not None and len(given) != n:
        raise ValueError(f"{name} has {len(given)} entries for {n} {of}. Give one for each.")
