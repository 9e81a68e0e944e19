"""Pictures of a spiked model: bulk and spikes, scree with p-values, shrinkage."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .._array import to_numpy
from .._drawing import BLUE, GREEN, VERMILION, Display, fitted_step
from ..functional.random_matrix.noise_laws import TableSize, bulk_density
from ..functional.random_matrix.spiked_model import debiased_spikes, shrunk_spectrum

__all__ = ["ScreeDisplay", "ShrinkageDisplay", "SpectrumDisplay"]


class SpectrumDisplay(Display):
    """Histogram of sample eigenvalues with the Marchenko-Pastur law, the edge and the spikes.

    Make it with `from_estimator`.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Sample eigenvalues.
    n_components : int
        How many of the largest are spikes.
    edge : float
        Upper edge.
    size : TableSize
        Of the table without its spikes.
    variance : float
        Of the noise.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    RandomMatrixFilter : The model.
    ScreeDisplay : The largest eigenvalues one by one.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> from subspace_learn.random_matrix import RandomMatrixFilter, SpectrumDisplay
    >>> model = RandomMatrixFilter().fit(make_spiked_samples(400, 100, random_state=0))
    >>> SpectrumDisplay.from_estimator(model).ax_.get_ylabel()
    'density'
    """

    def __init__(
        self,
        eigenvalues: np.ndarray,
        n_components: int,
        edge: float,
        *,
        size: TableSize,
        variance: float,
    ) -> None:
        self.eigenvalues = eigenvalues
        self.n_components = n_components
        self.edge = edge
        self.size = size
        self.variance = variance

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, bins: int | str = "auto"
    ) -> SpectrumDisplay:
        """Draw the spectrum that a filter was fitted on.

        Parameters
        ----------
        estimator : RandomMatrixFilter
            Fitted, or a Pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int or str, default="auto"
            Bins of the bulk, as :func:`numpy.histogram_bin_edges` takes them.

        Returns
        -------
        display : SpectrumDisplay
            With ``ax_`` and ``figure_``.
        """
        model = fitted_step(estimator)
        display = cls(
            to_numpy(model.eigenvalues_).astype(float),
            model.n_components_,
            model.upper_edge_,
            size=model._solved().size.without(model.n_components_),
            variance=model._solved().bulk_variance,
        )
        return display.plot(ax=ax, bins=bins)

    def plot(self, *, ax: Any = None, bins: int | str = "auto") -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int or str, default="auto"
            Bins of the bulk, as :func:`numpy.histogram_bin_edges` takes them.

        Returns
        -------
        display : SpectrumDisplay
            Itself.
        """
        return self._plot(ax, bins=bins)

    def _draw(self, ax: Any, bins: int | str) -> None:
        """Draw bulk, law, edge and spikes."""
        spikes, bulk = self.eigenvalues[: self.n_components], self.eigenvalues[self.n_components :]
        ax.hist(bulk, bins=bins, density=True, color=BLUE, alpha=0.45, label="bulk")
        if self.variance > 0:
            level = self.variance * self.size.unit
            x, law = bulk_density(self.size)
            ax.plot(level * x, law / level, color="black", linewidth=1.3, label="Marchenko-Pastur")
        ax.axvline(self.edge, color="black", linestyle="--", linewidth=1, label="edge")
        if spikes.size:
            height = 0.06 * ax.get_ylim()[1]
            label = f"{spikes.size} spike{'s' if spikes.size > 1 else ''}"
            ax.vlines(spikes, 0, height, color=VERMILION, linewidth=1.8, label=label)
            ax.plot(spikes, np.full(spikes.size, height), "o", color=VERMILION, markersize=4)
            if spikes[0] > 6 * self.edge:  # else the bulk is a line at the left
                ax.set_xscale("log")
        ax.set(xlabel="sample eigenvalue", ylabel="density")
        ax.legend()


class ScreeDisplay(Display):
    """Largest eigenvalues in order, with the edge and the p-value of each.

    Make it with `from_estimator`.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Sample eigenvalues, descending.
    p_values : ndarray of shape (n_eigenvalues,)
        Chance that noise alone has one as large.
    n_components : int
        How many are spikes.
    edge : float
        Upper edge.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SpectrumDisplay : All eigenvalues.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> from subspace_learn.random_matrix import RandomMatrixFilter, ScreeDisplay
    >>> model = RandomMatrixFilter().fit(make_spiked_samples(400, 100, random_state=0))
    >>> ScreeDisplay.from_estimator(model).ax_.get_xlabel()
    'rank of the eigenvalue'
    """

    def __init__(
        self, eigenvalues: np.ndarray, p_values: np.ndarray, n_components: int, edge: float
    ) -> None:
        self.eigenvalues = eigenvalues
        self.p_values = p_values
        self.n_components = n_components
        self.edge = edge

    @classmethod
    def from_estimator(cls, estimator: Any, *, n_shown: int = 12, ax: Any = None) -> ScreeDisplay:
        """Draw the largest eigenvalues that a filter was fitted on.

        Parameters
        ----------
        estimator : RandomMatrixFilter
            Fitted, or a Pipeline that ends in one.
        n_shown : int, default=12
            How many.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ScreeDisplay
            With ``ax_`` and ``figure_``.
        """
        model = fitted_step(estimator)
        display = cls(
            to_numpy(model.eigenvalues_).astype(float),
            to_numpy(model.p_values_).astype(float),
            model.n_components_,
            model.upper_edge_,
        )
        return display.plot(n_shown=n_shown, ax=ax)

    def plot(self, *, n_shown: int = 12, ax: Any = None) -> Self:
        """Draw it.

        Parameters
        ----------
        n_shown : int, default=12
            How many eigenvalues.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ScreeDisplay
            Itself.
        """
        return self._plot(ax, n_shown=n_shown)

    def _draw(self, ax: Any, n_shown: int) -> None:
        """Draw the points, each with its p-value."""
        values, p_values = self.eigenvalues[:n_shown], self.p_values[:n_shown]
        rank = np.arange(1, values.size + 1)
        for chosen, colour, name in (
            (rank <= self.n_components, VERMILION, "spikes"),
            (rank > self.n_components, BLUE, "noise"),
        ):
            ax.plot(rank[chosen], values[chosen], "o", color=colour, label=name)
        ax.axhline(self.edge, color="black", linestyle="--", linewidth=1, label="edge")
        for x, y, p in zip(rank, values, p_values, strict=True):
            spike = x <= self.n_components  # labels keep off the edge, which lies between the two
            place = {"xytext": (6, 4) if spike else (0, -8), "va": "bottom" if spike else "top"}
            place["ha"] = "left" if spike else "center"
            ax.annotate(_as_text(p), (x, y), textcoords="offset points", fontsize=9, **place)
        ax.set(xlabel="rank of the eigenvalue", ylabel="sample eigenvalue", yscale="log")
        ax.set_title("at each point its p-value", fontsize=10)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.set_major_formatter(_at_1_2_3_5)
        ax.yaxis.set_minor_formatter(_at_1_2_3_5)
        ax.margins(x=0.08, y=0.15)
        ax.legend()


def _as_text(p_value: float) -> str:
    """A p-value; below 1e-4 its power of ten."""
    if p_value >= 1e-4:
        return f"{p_value:.2g}"
    if p_value < 1e-300:
        return r"$<10^{-300}$"
    return f"$10^{{{int(np.floor(np.log10(p_value)))}}}$"


def _at_1_2_3_5(value: float, _: Any) -> str:
    """Label of a logarithmic axis, where there is room for one."""
    digit = round(value / 10.0 ** np.floor(np.log10(value)))
    return f"{value:g}" if digit in (1, 2, 3, 5) else ""


class ShrinkageDisplay(Display):
    """What shrinkage makes of each sample eigenvalue, for several losses.

    Make it with `from_estimator`.

    Parameters
    ----------
    size : TableSize
        Degrees of freedom and features.
    variance : float
        Of the noise.
    edge : float
        Eigenvalues up to it are noise.
    eigenvalues : ndarray of shape (n_components,)
        Sample eigenvalues of the spikes, to be marked.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    RandomMatrixFilter : The model.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> from subspace_learn.random_matrix import RandomMatrixFilter, ShrinkageDisplay
    >>> model = RandomMatrixFilter().fit(make_spiked_samples(400, 100, random_state=0))
    >>> ShrinkageDisplay.from_estimator(model).ax_.get_ylabel()
    'eigenvalue of the estimate'
    """

    def __init__(
        self, size: TableSize, variance: float, edge: float, eigenvalues: np.ndarray
    ) -> None:
        self.size = size
        self.variance = variance
        self.edge = edge
        self.eigenvalues = eigenvalues

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> ShrinkageDisplay:
        """Draw the shrinkage functions for the sizes and the noise of a fit.

        Parameters
        ----------
        estimator : RandomMatrixFilter
            Fitted, or a Pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : ShrinkageDisplay
            With ``ax_`` and ``figure_``.
        """
        model = fitted_step(estimator)
        spikes = to_numpy(model.eigenvalues_)[: model.n_components_].astype(float)
        found = model._solved()
        return cls(found.size, found.bulk_variance, model.upper_edge_, spikes).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw it."""
        top = 1.15 * max([3 * self.edge, *self.eigenvalues.tolist()])
        x = np.linspace(0, top, 600)
        ax.plot(x, x, color="0.6", linewidth=1, label="unchanged")
        for loss, colour, line in (
            ("operator", GREEN, "-."),
            ("frobenius", VERMILION, "-"),
            ("stein", BLUE, (0, (5, 1))),
        ):
            y = [self._shrunk(value, loss) for value in x]
            ax.plot(x, y, color=colour, linestyle=line, label=loss)
        ax.axvline(self.edge, color="black", linestyle=":", linewidth=1, label="edge")
        if self.eigenvalues.size:
            ax.plot(
                self.eigenvalues,
                np.zeros(self.eigenvalues.size),
                "|",
                color="black",
                markersize=14,
                label="spikes found",
            )
        ax.set(xlabel="sample eigenvalue", ylabel="eigenvalue of the estimate")
        ax.legend()

    def _shrunk(self, value: float, loss: str) -> float:
        """Eigenvalue that a loss gives to one sample eigenvalue."""
        if value <= self.edge:
            return self.variance
        sample = np.array([value])
        spikes = debiased_spikes(sample, self.size, self.variance)
        return float(shrunk_spectrum(sample, self.size, self.variance, spikes, loss).leading[0])
