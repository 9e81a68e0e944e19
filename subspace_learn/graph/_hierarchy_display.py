"""Picture of a multigrid hierarchy: sizes of its levels, and how rates fall with hierarchies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._drawing import BLUE, GREEN, VERMILION, fitted_step

__all__ = ["HierarchyDisplay"]

# strategy -> what the rounds are, what was measured in each
_ROUNDS = {
    "bootstrap": ("hierarchies", "error factor per composite"),
    "block": ("round", "largest relative change of a value"),
    "filter": ("round", "largest residual over the gap"),
}
_WIDE = 100.0  # rates that span more than this factor are drawn on a logarithmic axis


class HierarchyDisplay:
    """Rows and stored entries of each level, beside the convergence rate after each hierarchy.

    Make it with `from_estimator`.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each level, the finest first.
    nonzeros : sequence of int
        Stored entries of each level.
    convergence_rates : ndarray of shape (n_rounds,)
        Factor per composite with one hierarchy, with two, ...; may be empty.
    target_rate : float, default=None
        Drawn as a line if given.
    strategy : {"bootstrap", "block", "filter"}, default="bootstrap"
        What ``convergence_rates`` are: as above, or as in `SpectralAMGClustering`.

    Attributes
    ----------
    axes_ : ndarray of two matplotlib Axes
        Levels, rates.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    BootstrapAMG : What is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import scipy.sparse as sp
    >>> from subspace_learn.graph import BootstrapAMG, HierarchyDisplay
    >>> path = sp.diags_array([-1.0, 2, -1], offsets=[-1, 0, 1], shape=(500, 500))
    >>> display = HierarchyDisplay.from_estimator(BootstrapAMG(random_state=0).fit(path))
    >>> display.axes_[0].get_ylabel()
    'count'
    """

    def __init__(
        self,
        sizes: Sequence[int],
        nonzeros: Sequence[int],
        convergence_rates: np.ndarray,
        *,
        target_rate: float | None = None,
        strategy: str = "bootstrap",
    ) -> None:
        self.sizes = sizes
        self.nonzeros = nonzeros
        self.convergence_rates = convergence_rates
        self.target_rate = target_rate
        self.strategy = strategy

    @classmethod
    def from_estimator(cls, estimator: Any, *, axes: Any = None) -> HierarchyDisplay:
        """Draw the first hierarchy and the rates of a fitted estimator.

        Parameters
        ----------
        estimator : BootstrapAMG
            Fitted; or any estimator with ``hierarchy_`` and ``convergence_rates_``, and
            ``strategy_`` if these are no rates of composites.
        axes : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : HierarchyDisplay
            With ``axes_`` and ``figure_``.
        """
        estimator = fitted_step(estimator, ["hierarchy_", "convergence_rates_"])
        strategy = getattr(estimator, "strategy_", "bootstrap")
        solver = estimator if hasattr(estimator, "target_rate") else estimator.strategy
        display = cls(
            estimator.hierarchy_.sizes,
            estimator.hierarchy_.nonzeros,
            estimator.convergence_rates_,
            target_rate=getattr(solver, "target_rate", None) if strategy == "bootstrap" else None,
            strategy=strategy,
        )
        return display.plot(axes=axes)

    def plot(self, *, axes: Any = None) -> HierarchyDisplay:
        """Draw.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : HierarchyDisplay
            Itself.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if axes is None:
            axes = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")[1]
        left, right = axes
        levels = np.arange(len(self.sizes))
        left.semilogy(levels, self.nonzeros, "s-", color=VERMILION, label="stored entries")
        left.semilogy(levels, self.sizes, "o-", color=BLUE, label="rows")
        complexity = sum(self.nonzeros) / max(self.nonzeros[0], 1)
        left.set(
            xlabel="level", ylabel="count", title=f"levels, operator complexity {complexity:.2f}"
        )
        left.legend()
        self._plot_rates(right)
        for ax in axes:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes_, self.figure_ = np.asarray(axes), left.figure
        return self

    def _plot_rates(self, ax: Any) -> None:
        """Rates over rounds, from 0 to 1 where they are near enough to one another."""
        rates = np.asarray(self.convergence_rates)
        rounds, measured = _ROUNDS.get(self.strategy, _ROUNDS["bootstrap"])
        ax.plot(np.arange(1, len(rates) + 1), rates, "o-", color=BLUE, label="measured")
        if self.target_rate is not None:
            ax.axhline(self.target_rate, linestyle="--", color=GREEN, label="target")
            ax.legend()
        ax.set(xlabel=rounds, ylabel=measured, title="convergence")
        positive = rates[rates > 0]
        if positive.size and positive.max() > _WIDE * positive.min():
            ax.set_yscale("log")
        else:
            ax.set_ylim(0, max(1, rates.max(initial=0)))
