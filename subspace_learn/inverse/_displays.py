"""Pictures of a calibration: the gains, whether the data determine them, what noise does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from .._array import double, is_array, to_numpy
from .._base import random_generator
from .._drawing import BLUE, GREEN, VERMILION, Display, fitted_step
from ..functional.inverse.self_calibration.misfit import error_after_best_scalar

__all__ = ["GainDisplay", "NoiseErrorDisplay", "SingularGapDisplay"]


class GainDisplay(Display):
    """Estimated gains in the complex plane, joined to the true ones where these are known.

    Make it with `from_estimator`.

    Parameters
    ----------
    gains : ndarray of shape (n_sensors,)
        Estimated; dead sensors (NaN) are left out.
    true_gains : ndarray of shape (n_sensors,), default=None
        Drawn after the estimates were multiplied by the scalar that fits best.

    Attributes
    ----------
    error_ : float
        Relative error after the best scalar; NaN without true gains.
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SelfCalibrationLS : The estimator.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.inverse import GainDisplay, SelfCalibrationLS
    >>> rng = np.random.default_rng(0)
    >>> gains = rng.uniform(0.5, 1.5, 16) * np.exp(1j * rng.uniform(0, 1, 16))
    >>> fields = rng.normal(size=(9, 4)) @ np.cos(np.outer(np.arange(4), np.arange(16) + 0.5) / 5.1)
    >>> model = SelfCalibrationLS(n_atoms=4).fit(fields * gains)
    >>> GainDisplay.from_estimator(model, gains).ax_.get_xlabel()
    'real part of the gain'
    """

    _size = (5, 4.6)

    def __init__(self, gains: np.ndarray, true_gains: np.ndarray | None = None) -> None:
        self.gains = gains
        self.true_gains = true_gains

    @classmethod
    def from_estimator(
        cls, estimator: Any, true_gains: Any = None, *, ax: Any = None
    ) -> GainDisplay:
        """Draw the gains of a fitted estimator.

        Parameters
        ----------
        estimator : SelfCalibrationLS
            Fitted.
        true_gains : array of shape (n_sensors,), default=None
            To compare with.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : GainDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``true_gains`` are not as many as the sensors.
        """
        estimator = fitted_step(estimator)
        gains = to_numpy(estimator.gains_)
        if true_gains is not None:
            true_gains = to_numpy(true_gains) if is_array(true_gains) else np.asarray(true_gains)
            if true_gains.shape != gains.shape:
                raise ValueError(
                    f"true_gains has shape {true_gains.shape}, but there are {len(gains)} sensors."
                )
        return cls(gains, true_gains).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw the gains."""
        known = np.isfinite(self.gains)
        gains = self.gains[known].astype(complex)
        self.error_ = float("nan")
        if self.true_gains is not None:
            truth = np.asarray(self.true_gains)[known].astype(complex)
            self.error_ = error_after_best_scalar(gains, truth)
            gains = gains * (np.vdot(gains, truth) / np.vdot(gains, gains))
            ax.plot(*_joined(gains, truth), color="0.6", linewidth=0.8, zorder=1)
            ax.scatter(
                truth.real,
                truth.imag,
                s=55,
                facecolors="none",
                edgecolors=VERMILION,
                label="true",
                zorder=2,
            )
            ax.set_title(f"relative error {self.error_:.2g}")
        ax.scatter(gains.real, gains.imag, s=14, color=BLUE, label="estimated", zorder=3)
        ax.set(xlabel="real part of the gain", ylabel="imaginary part of the gain", aspect="equal")
        ax.set_adjustable("datalim")
        ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
        ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
        ax.legend()


class SingularGapDisplay(Display):
    """The smallest singular values of the balanced system: noise, and what stands above it.

    The first is the misfit of the solution. The data determine the gains if the second is well
    above it; the title says by what factor, or "not determined".

    Parameters
    ----------
    singular_values : ndarray
        Ascending.
    null_dim : int, default=1
        Dimension of the space of solutions.
    determined : bool, default=True
        Whether the second value is far enough above the first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SelfCalibrationLS : The estimator.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.inverse import SelfCalibrationLS, SingularGapDisplay
    >>> rng = np.random.default_rng(0)
    >>> fields = rng.normal(size=(9, 2)) @ np.cos(np.outer(np.arange(2), np.arange(8) + 0.5) / 2.55)
    >>> model = SelfCalibrationLS(n_atoms=2).fit(fields * rng.uniform(0.5, 1.5, 8))
    >>> SingularGapDisplay.from_estimator(model).ax_.get_ylabel()
    'singular value'
    """

    _size = (4.6, 3.6)

    def __init__(
        self, singular_values: np.ndarray, null_dim: int = 1, determined: bool = True
    ) -> None:
        self.singular_values = singular_values
        self.null_dim = null_dim
        self.determined = determined

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> SingularGapDisplay:
        """Draw the singular values of a fitted estimator.

        Parameters
        ----------
        estimator : SelfCalibrationLS
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SingularGapDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        values, determined = to_numpy(estimator.singular_values_), estimator.gains_determined_
        return cls(values, estimator.null_dim_, determined).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw the values on a logarithmic axis."""
        values = np.maximum(np.asarray(self.singular_values, dtype=float), 1e-17)
        order = np.arange(1, len(values) + 1)
        ax.vlines(order, 1e-18, values, color="0.75", linewidth=1)
        ax.plot(order[:1], values[:1], "o", color=BLUE, label="the solution")
        ax.plot(order[1:], values[1:], "s", color=VERMILION, label="other directions")
        title = f"space of solutions: dimension {self.null_dim}"
        if self.null_dim == 1 and len(values) > 1:
            title = f"second / first value: {values[1] / values[0]:.3g}"
        if self.null_dim > 1 or not self.determined:
            title = f"gains not determined\n{title}"
        ax.set(
            yscale="log",
            xticks=order,
            xlabel="from the smallest",
            ylabel="singular value",
            ylim=(values.min() / 10, max(3.0, 3 * values.max())),
            xlim=(0.5, len(values) + 0.5),
            title=title,
        )
        ax.legend(loc="lower right")


class NoiseErrorDisplay(Display):
    """Errors of gains and signal against the noise, on the scale of decibels.

    Parameters
    ----------
    snr_db : sequence of float
        Signal-to-noise ratios, ``20 log10(|Y| / |noise|)``.
    errors : mapping of str to array of shape (len(snr_db), n_repeats)
        Relative errors by name; the median and the range are drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SelfCalibrationLS : The estimator.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.inverse import NoiseErrorDisplay
    >>> display = NoiseErrorDisplay([20, 40], {"gains": np.array([[0.1], [0.01]])}).plot()
    >>> display.ax_.get_xlabel()
    'signal-to-noise ratio (dB)'
    """

    _size = (5, 3.8)

    def __init__(self, snr_db: Sequence[float], errors: Mapping[str, np.ndarray]) -> None:
        self.snr_db = snr_db
        self.errors = errors

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        sensing: Any = None,
        snr_db: Sequence[float] = (10, 20, 30, 40, 50, 60),
        n_repeats: int = 9,
        random_state: Any = 0,
        ax: Any = None,
    ) -> NoiseErrorDisplay:
        """Simulate how well this design would be calibrated at other noise levels.

        The gains and signals fitted to X are taken for the truth; noise is added to what they
        would measure, and clones are fitted to that. NumPy only.

        Parameters
        ----------
        estimator : SelfCalibrationLS
            Fitted or not; not changed.
        X : array of shape (n_snapshots, n_sensors)
            Measurements without dead sensors.
        sensing : str, array, LinearOperator or list of LinearOperator, default=None
            As for ``fit``.
        snr_db : sequence of float, default=(10, 20, 30, 40, 50, 60)
            Levels.
        n_repeats : int, default=9
            Draws of the noise at each level.
        random_state : int, RandomState, Generator or None, default=0
            Of the noise.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : NoiseErrorDisplay
            With ``ax_`` and ``figure_``.
        """
        rng = random_generator(random_state)
        truth = clone(estimator).fit(X, sensing=sensing)
        again = clone(truth)
        if again.n_atoms == "auto":
            again.set_params(n_atoms=truth.n_atoms_)
        ideal = truth.inverse_transform(truth._ideal())
        gains, signal = double(truth.gains_), double(truth.signal_)
        errors = {name: np.empty((len(snr_db), n_repeats)) for name in ("gains", "signal")}
        for i, level in enumerate(snr_db):
            for j in range(n_repeats):
                noise = rng.standard_normal(ideal.shape)
                if np.iscomplexobj(ideal):
                    noise = noise + 1j * rng.standard_normal(ideal.shape)
                size = np.linalg.norm(ideal) / np.linalg.norm(noise) * 10 ** (-level / 20)
                with warnings.catch_warnings():  # that noise hides the gains is what is drawn
                    warnings.simplefilter("ignore", UserWarning)
                    again.fit(ideal + size * noise, sensing=sensing)
                errors["gains"][i, j] = error_after_best_scalar(double(again.gains_), gains)
                errors["signal"][i, j] = error_after_best_scalar(double(again.signal_), signal)
        return cls(snr_db, errors).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw medians and ranges, and a line of slope one."""
        level = np.asarray(self.snr_db, dtype=float)
        marks = zip((BLUE, VERMILION, GREEN), "osd", strict=True)
        for (name, values), (color, mark) in zip(self.errors.items(), marks, strict=False):
            middle = np.median(values, axis=1)
            spread = np.abs(np.stack([np.min(values, axis=1), np.max(values, axis=1)]) - middle)
            ax.errorbar(level, middle, spread, color=color, marker=mark, capsize=3, label=name)
        ax.plot(level, 10 ** (-level / 20), "k:", linewidth=1, label="|noise| / |Y|")
        ax.set(
            yscale="log",
            xlabel="signal-to-noise ratio (dB)",
            ylabel="relative error, best scalar",
        )
        ax.legend()


def _joined(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of segments from a to b, NaN between them."""
    gap = np.full(len(a), np.nan)
    x = np.stack([a.real, b.real, gap], axis=1).ravel()
    return x, np.stack([a.imag, b.imag, gap], axis=1).ravel()
