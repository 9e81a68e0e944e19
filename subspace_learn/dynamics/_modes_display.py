"""Picture of the coordinates of a trajectory in a few eigenfunctions, over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import to_numpy
from .._drawing import COLOURS, Display

__all__ = ["KoopmanModesDisplay"]

_COLOURS = COLOURS[:6]


class KoopmanModesDisplay(Display):
    """Eigenfunctions along a trajectory beside what their eigenvalues say they should be.

    Make it with `from_estimator`.

    Parameters
    ----------
    values : ndarray of shape (n_times, n_modes)
        Eigenfunctions along the trajectory, complex.
    eigenvalues : ndarray of shape (n_modes,)
        Their eigenvalues.
    residuals : ndarray of shape (n_modes,)
        Their residuals.
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
    KoopmanEDMD.eigenfunctions : What is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.dynamics import KoopmanEDMD, KoopmanModesDisplay
    >>> x = 0.9 ** np.arange(20.0)[:, None]
    >>> KoopmanModesDisplay.from_estimator(KoopmanEDMD().fit(x), x).ax_.get_xlabel()
    'time'
    """

    _size = (6.4, 3.6)

    def __init__(
        self,
        values: np.ndarray,
        eigenvalues: np.ndarray,
        residuals: np.ndarray,
        *,
        time_step: float = 1.0,
    ) -> None:
        self.values = values
        self.eigenvalues = eigenvalues
        self.residuals = residuals
        self.time_step = time_step

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, n_modes: int = 3, ax: Any = None
    ) -> KoopmanModesDisplay:
        """Draw the eigenfunctions of smallest residual along a trajectory.

        Parameters
        ----------
        estimator : KoopmanEDMD
            Fitted.
        X : array of shape (n_times, n_features)
            A trajectory.
        n_modes : int, default=3
            How many, at most 6; of a conjugate pair one is drawn.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : KoopmanModesDisplay
            With ``ax_`` and ``figure_``.
        """
        check_is_fitted(estimator)
        eigenvalues, residuals = to_numpy(estimator.eigenvalues_), to_numpy(estimator.residuals_)
        above = np.flatnonzero(eigenvalues.imag >= 0)
        order = above[np.argsort(residuals[above], kind="stable")]
        chosen = order[: min(n_modes, len(_COLOURS))]
        display = cls(
            to_numpy(estimator.eigenfunctions(X))[:, chosen],
            eigenvalues[chosen],
            residuals[chosen],
            time_step=estimator._training.settings["time_step"],
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw real parts: lines for the data, dots for powers of the eigenvalue."""
        steps = np.arange(len(self.values))
        for j, (value, residual) in enumerate(zip(self.eigenvalues, self.residuals, strict=True)):
            ideal = self.values[0, j] * value**steps
            label = f"|{abs(value):.3f}|, angle {np.angle(value):.3f}, residual {residual:.1e}"
            times = steps * self.time_step
            ax.plot(times, self.values[:, j].real, color=_COLOURS[j], label=label)
            ax.plot(times, ideal.real, ":", color=_COLOURS[j])
        ax.set(xlabel="time", ylabel="real part (dotted: by its eigenvalue)")
        ax.legend(fontsize=7)
