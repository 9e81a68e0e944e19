"""Pictures of a Koopman model: its spectrum with residuals, and its forecasts."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import to_numpy
from .._drawing import BLUE, VERMILION, Display, fitted_step
from ._forecast import inputs_of_rows, trajectories
from ._snapshots import checked_states

__all__ = ["ForecastDisplay", "KoopmanSpectrumDisplay", "SpectralMeasureDisplay"]


_MOST_FEATURES = 4  # lines that can be told apart over time


class KoopmanSpectrumDisplay(Display):
    """Eigenvalues coloured by residual, the unit circle, and contours of the pseudospectrum.

    Make it with `from_estimator`.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Complex.
    residuals : ndarray of shape (n_eigenvalues,)
        Their residuals.
    grid : ndarray of complex of shape (n, m), default=None
        Points of the contours.
    tau : ndarray of shape (n, m), default=None
        Pseudospectrum there.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    KoopmanEDMD : The model.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.dynamics import KoopmanEDMD, KoopmanSpectrumDisplay
    >>> model = KoopmanEDMD().fit(0.9 ** np.arange(9.0)[:, None])
    >>> KoopmanSpectrumDisplay.from_estimator(model).ax_.get_xlabel()
    'real part'
    """

    _size = (5.0, 4.2)

    def __init__(
        self,
        eigenvalues: np.ndarray,
        residuals: np.ndarray,
        *,
        grid: np.ndarray | None = None,
        tau: np.ndarray | None = None,
    ) -> None:
        self.eigenvalues = eigenvalues
        self.residuals = residuals
        self.grid = grid
        self.tau = tau

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, pseudospectrum: bool = False, n_grid: int = 41, ax: Any = None
    ) -> KoopmanSpectrumDisplay:
        """Draw the spectrum of a fitted model.

        Parameters
        ----------
        estimator : KoopmanEDMD
            Fitted.
        pseudospectrum : bool, default=False
            Whether contours of the pseudospectrum are drawn: n_grid^2 small SVDs.
        n_grid : int, default=41
            Points along each side.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : KoopmanSpectrumDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        eigenvalues, grid, tau = to_numpy(estimator.eigenvalues_), None, None
        if pseudospectrum:
            reach = 1.1 * max(1.0, float(np.abs(eigenvalues).max()))
            side = np.linspace(-reach, reach, n_grid)
            grid = side[None, :] + 1j * side[:, None]
            tau = estimator.pseudospectrum(grid)
        display = cls(eigenvalues, to_numpy(estimator.residuals_), grid=grid, tau=tau)
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw."""
        from matplotlib.colors import LogNorm

        angle = np.linspace(0, 2 * np.pi, 361)
        ax.plot(np.cos(angle), np.sin(angle), color="black", linewidth=0.8, label="unit circle")
        if self.grid is not None and self.tau is not None:
            lines = ax.contour(
                self.grid.real,
                self.grid.imag,
                self.tau,
                levels=[0.01, 0.03, 0.1, 0.2, 0.3, 0.5],
                colors="grey",
                linewidths=0.7,
            )
            ax.clabel(lines, fontsize=7)
        points = ax.scatter(
            self.eigenvalues.real,
            self.eigenvalues.imag,
            c=np.clip(self.residuals, 1e-3, 1.0),
            norm=LogNorm(1e-3, 1.0),
            cmap="viridis_r",
            edgecolors="black",
            linewidths=0.3,
            s=28,
            zorder=3,
        )
        ax.figure.colorbar(points, ax=ax, label="relative residual (1e-3 and below: yellow)")
        ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal")


class SpectralMeasureDisplay(Display):
    """Spectral measure of an observable over the angle per time step.

    Make it with `from_estimator`.

    Parameters
    ----------
    theta : ndarray of shape (n_angles,)
        Angles in radians.
    density : ndarray of shape (n_angles,)
        Density per radian.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    KoopmanEDMD.spectral_measure : What is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.dynamics import KoopmanEDMD, SpectralMeasureDisplay
    >>> x = np.cos(0.5 * np.arange(50) + np.array([[0.0], [np.pi / 2]])).T
    >>> model = KoopmanEDMD(method="measure_preserving").fit(x)
    >>> SpectralMeasureDisplay.from_estimator(model).ax_.get_ylabel()
    'density per radian'
    """

    _size = (6.0, 3.4)

    def __init__(self, theta: np.ndarray, density: np.ndarray) -> None:
        self.theta = theta
        self.density = density

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        observable: Any = None,
        order: int = 2,
        epsilon: float = 0.1,
        n_angles: int = 361,
        ax: Any = None,
    ) -> SpectralMeasureDisplay:
        """Draw the measure that the matrices of a fitted model give.

        Parameters
        ----------
        estimator : KoopmanEDMD
            Fitted.
        observable : array of shape (n_observables,), default=None
            Coefficients; None takes the first feature of the state.
        order : int, default=2
            Order of the kernel.
        epsilon : float, default=0.1
            Its width in radians.
        n_angles : int, default=361
            Points from -pi to pi.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SpectralMeasureDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        theta = np.linspace(-np.pi, np.pi, n_angles)
        density = estimator.spectral_measure(theta, order, epsilon, observable=observable)
        return cls(theta, density).plot(ax=ax)

    def plot(self, *, ax: Any = None, label: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        label : str, default=None
            Name for a legend.

        Returns
        -------
        display : SpectralMeasureDisplay
            Itself.
        """
        return self._plot(ax, label=label)

    def _draw(self, ax: Any, label: str | None) -> None:
        """Draw the density over the angle."""
        ax.plot(self.theta, self.density, color=BLUE, label=label)
        ax.set(xlabel="angle per time step (radians)", ylabel="density per radian")


class ForecastDisplay(Display):
    """A trajectory beside its forecast: over time, or two features against each other.

    Make it with `from_estimator`. Over time the first four features are drawn.

    Parameters
    ----------
    truth : ndarray of shape (n_times, n_features)
        What happened.
    forecast : ndarray of shape (n_times, n_features)
        What was predicted from the first state(s).
    time_step : float, default=1.0
        Time between rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    KoopmanEDMD.simulate : The forecast.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.dynamics import ForecastDisplay, KoopmanEDMD
    >>> x = 0.9 ** np.arange(20.0)[:, None]
    >>> ForecastDisplay.from_estimator(KoopmanEDMD().fit(x), x).ax_.get_xlabel()
    'time'
    """

    _size = (6.0, 3.6)

    def __init__(self, truth: np.ndarray, forecast: np.ndarray, *, time_step: float = 1.0) -> None:
        self.truth = truth
        self.forecast = forecast
        self.time_step = time_step

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        u: Any = None,
        relift: bool = False,
        kind: str = "time",
        ax: Any = None,
    ) -> ForecastDisplay:
        """Forecast a trajectory from its start and draw both.

        Parameters
        ----------
        estimator : KoopmanEDMD
            Fitted.
        X : array of shape (n_times, n_features)
            A trajectory.
        u : array of shape (n_times, n_inputs), default=None
            Inputs; the last row is not used.
        relift : bool, default=False
            As in `KoopmanEDMD.simulate`.
        kind : {"time", "phase"}, default="time"
            Features over time, or the second over the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ForecastDisplay
            With ``ax_`` and ``figure_``.
        """
        check_is_fitted(estimator)
        model, settings = estimator._model, estimator._training.settings
        states = checked_states(estimator, X, like=model.matrix, method="simulate")
        inputs = inputs_of_rows(estimator, model, u, states)
        start, stop = model.window - 1, states.shape[0] - 1
        history = states[None, : model.window, :]
        now = None if inputs is None else inputs[start:stop, :]
        ahead = trajectories(model, history, stop - start, now, relift=relift)[0, ...]
        truth = to_numpy(states[model.window :, :])
        display = cls(truth, to_numpy(ahead), time_step=settings["time_step"])
        return display.plot(kind=kind, ax=ax)

    def plot(self, *, kind: str = "time", ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        kind : {"time", "phase"}, default="time"
            Features over time, or the second over the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ForecastDisplay
            Itself.

        Raises
        ------
        ValueError
            If ``kind`` is neither, or a phase portrait is asked for of one feature.
        """
        if kind not in ("time", "phase") or (kind == "phase" and self.truth.shape[1] < 2):
            raise ValueError(
                f"kind={kind!r} with {self.truth.shape[1]} feature(s): use 'time', or 'phase' with "
                "at least two."
            )
        return self._plot(ax, kind=kind)

    def _draw(self, ax: Any, kind: str) -> None:
        """Draw data and forecast."""
        n_features = self.truth.shape[1]
        shown = min(n_features, _MOST_FEATURES)
        for values, colour, style, name in (
            (self.truth, BLUE, "-", "data"),
            (self.forecast, VERMILION, "--", "forecast"),
        ):
            if kind == "phase":
                ax.plot(values[:, 0], values[:, 1], style, color=colour, label=name)
            else:
                times = self.time_step * np.arange(1, len(values) + 1)
                lines = ax.plot(times, values[:, :shown], style, color=colour)
                lines[0].set_label(name)
        labels = ("first feature", "second feature") if kind == "phase" else ("time", "state")
        ax.set(xlabel=labels[0], ylabel=labels[1])
        if kind == "time" and shown < n_features:
            ax.set_title(f"first {shown} of {n_features} features")
        ax.legend()
