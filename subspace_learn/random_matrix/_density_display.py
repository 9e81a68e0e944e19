"""Picture of the spectral density of a Hessian."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._drawing import COLOURS, Display
from ..functional.random_matrix.hessian_spectrum import HessianSpectrum

__all__ = ["SpectralDensityDisplay"]


class SpectralDensityDisplay(Display):
    """Density of the eigenvalues of a Hessian, on a logarithmic axis, with its outliers.

    Make it with `from_spectrum`.

    Parameters
    ----------
    spectrum : HessianSpectrum
        As :func:`~subspace_learn.random_matrix.hessian_spectrum`
        returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SpectrumDisplay : The spectrum of a covariance.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.random_matrix import hessian_spectrum
    >>> from subspace_learn.random_matrix import SpectralDensityDisplay
    >>> spectrum = hessian_spectrum(lambda v: np.arange(50.0) * v, 50, rng=0)
    >>> SpectralDensityDisplay.from_spectrum(spectrum).ax_.get_xlabel()
    'eigenvalue of the Hessian'
    """

    def __init__(self, spectrum: HessianSpectrum) -> None:
        self.spectrum = spectrum

    @classmethod
    def from_spectrum(
        cls, spectrum: HessianSpectrum, *, ax: Any = None, label: str | None = None
    ) -> SpectralDensityDisplay:
        """Draw a spectrum.

        Parameters
        ----------
        spectrum : HessianSpectrum
            Of a matrix.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        label : str, default=None
            Name in the legend.

        Returns
        -------
        display : SpectralDensityDisplay
            With ``ax_`` and ``figure_``.
        """
        return cls(spectrum).plot(ax=ax, label=label)

    def plot(self, *, ax: Any = None, label: str | None = None) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        label : str, default=None
            Name in the legend.

        Returns
        -------
        display : SpectralDensityDisplay
            Itself.
        """
        return self._plot(ax, label=label)

    def _draw(self, ax: Any, label: str | None) -> None:
        """Draw the density and mark the outliers."""
        spectrum = self.spectrum
        if not ax.lines:  # several spectra may share axes: each takes the next colour
            ax.set_prop_cycle(color=COLOURS)
        # below one eigenvalue in a thousand times the size there is nothing but smoothing
        floor = 1e-3 / spectrum.n * float(np.max(spectrum.density))
        shown = np.where(spectrum.density > floor, spectrum.density, np.nan)
        (line,) = ax.plot(spectrum.grid, shown, linewidth=1.3, label=label or "density")
        count = spectrum.outliers.size
        if count:
            ax.plot(
                spectrum.outliers,
                np.full(spectrum.outliers.size, floor),
                "v",
                color=line.get_color(),
                label=f"{count} outlier{'s' if count > 1 else ''}",
            )
        ax.set(xlabel="eigenvalue of the Hessian", ylabel="density", yscale="log")
        ax.legend()
