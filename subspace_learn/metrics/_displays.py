"""Picture of the recall over the logarithm of the searched area."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._drawing import COLOURS, Display
from ._location_maps import map_of
from ._recall_vs_area import recall_vs_area_curve

__all__ = ["RecallVsAreaDisplay"]


class RecallVsAreaDisplay(Display):
    """Share of rows found over the searched area, on a logarithmic axis.

    Make it with `from_predictions` or `from_estimator`; draw several on the same ``ax``.

    Parameters
    ----------
    area : ndarray of shape (n_steps,)
        From :func:`recall_vs_area_curve`.
    recall : ndarray of shape (n_steps,)
        From :func:`recall_vs_area_curve`.
    name : str, default=None
        Of the map, for the legend.
    budgets : dict of str to float, default=None
        Areas to be marked by vertical lines, by name.
    unit : str, default=None
        Of the areas, for the label of the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.
    line_ : matplotlib Line2D
        The curve.

    See Also
    --------
    recall_vs_area_curve : Its numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> display = RecallVsAreaDisplay.from_predictions(
    ...     [0, 1], [[0.6, 0.4], [0.6, 0.4]], [10.0, 5.0], name="half right", unit="km²"
    ... )
    >>> display.ax_.get_xlabel()
    'searched area (km²)'
    """

    def __init__(
        self,
        area: np.ndarray,
        recall: np.ndarray,
        *,
        name: str | None = None,
        budgets: dict[str, float] | None = None,
        unit: str | None = None,
    ) -> None:
        self.area = area
        self.recall = recall
        self.name = name
        self.budgets = budgets
        self.unit = unit

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        areas: Any,
        *,
        labels: Any = None,
        sample_weight: Any = None,
        rank_by: str = "score",
        ties: str = "pessimistic",
        name: str | None = None,
        budgets: dict[str, float] | None = None,
        unit: str | None = None,
        ax: Any = None,
    ) -> RecallVsAreaDisplay:
        """Draw the curve of a table of scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Label of the true cell of each row.
        y_score : array or DataFrame of shape (n_samples, n_cells)
            A map for each row.
        areas : array-like of shape (n_cells,), or dict or Series {label: area}
            Area of each cell.
        labels : array-like of shape (n_cells,), default=None
            Labels of the columns, as in :func:`area_to_find`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        rank_by : {"score", "density", "log_density"}, default="score"
            What cells are ranked by.
        ties : {"pessimistic", "optimistic", "expected"}, default="pessimistic"
            What cells of equal score count.
        name : str, default=None
            Of the map, for the legend.
        budgets : dict of str to float, default=None
            Areas to be marked, by name.
        unit : str, default=None
            Of the areas.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : RecallVsAreaDisplay
            With ``ax_``, ``figure_`` and ``line_``.
        """
        area, recall = recall_vs_area_curve(
            y_true,
            y_score,
            areas,
            labels=labels,
            sample_weight=sample_weight,
            rank_by=rank_by,
            ties=ties,
        )
        return cls(area, recall, name=name, budgets=budgets, unit=unit).plot(ax=ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y_true: Any,
        areas: Any,
        *,
        sample_weight: Any = None,
        ties: str = "pessimistic",
        name: str | None = None,
        budgets: dict[str, float] | None = None,
        unit: str | None = None,
        ax: Any = None,
    ) -> RecallVsAreaDisplay:
        """Draw the curve of a classifier; probabilities are divided by areas.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``classes_`` and ``predict_log_proba``, ``predict_proba`` or
            ``decision_function`` (which is ranked as it is).
        X : table
            Rows that it takes.
        y_true : array-like of shape (n_samples,)
            Label of the true cell of each row.
        areas : dict or Series {label: area}
            Area of each cell.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        ties : {"pessimistic", "optimistic", "expected"}, default="pessimistic"
            What cells of equal score count.
        name : str, default=None
            Of the curve; None takes the name of the class.
        budgets : dict of str to float, default=None
            Areas to be marked, by name.
        unit : str, default=None
            Of the areas.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : RecallVsAreaDisplay
            With ``ax_``, ``figure_`` and ``line_``.
        """
        scores, labels, method = map_of(estimator, X, where="RecallVsAreaDisplay.from_estimator()")
        ranks = {"predict_log_proba": "log_density", "predict_proba": "density"}
        return cls.from_predictions(
            y_true,
            scores,
            areas,
            labels=labels,
            sample_weight=sample_weight,
            rank_by=ranks.get(method, "score"),
            ties=ties,
            name=type(estimator).__name__ if name is None else name,
            budgets=budgets,
            unit=unit,
            ax=ax,
        )

    def _draw(self, ax: Any) -> None:
        """Draw a step for each row found, and the budgets once."""
        curves = [line for line in ax.get_lines() if line.get_gid() != "budget"]
        colour = COLOURS[len(curves) % len(COLOURS)]
        area, recall = self.area, self.recall
        if area.size:  # nothing is found before the first area, nothing more after the last
            area = np.concatenate([area[:1], area, 2 * area[-1:]])
            recall = np.concatenate([[0.0], recall, recall[-1:]])
        [self.line_] = ax.step(area, recall, where="post", color=colour, label=self.name)
        ax.set_xscale("log")
        ax.set_ylim(0.0, 1.02)
        ax.set_xlabel("searched area" + (f" ({self.unit})" if self.unit else ""))
        ax.set_ylabel("share of rows found")
        for name, budget in (self.budgets or {}).items():
            ax.axvline(budget, color="0.7", linewidth=0.8, zorder=0, gid="budget")
            ax.text(budget, 1.03, name, ha="center", va="bottom", fontsize="small", color="0.3")
        if self.name is not None:
            ax.legend(loc="upper left", frameon=False)
