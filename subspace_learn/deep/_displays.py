"""Pictures of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._drawing import BLUE, VERMILION, Display, fitted_step

__all__ = ["LossCurveDisplay"]


class LossCurveDisplay(Display):
    """Loss of the training rows, and of those set aside, against the epochs.

    Make it with `from_estimator`.

    Parameters
    ----------
    training : sequence of float
        Mean loss of each epoch.
    validation : sequence of float, default=None
        Loss after each epoch on the rows set aside.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    DeepClassifier : Has these losses as ``loss_curve_`` and ``validation_loss_curve_``.
    sklearn.model_selection.LearningCurveDisplay : Scores against the number of rows.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.datasets import load_iris
    >>> from subspace_learn.deep import DeepClassifier, LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DeepClassifier(max_epochs=5, validation_fraction=0.2).fit(X, y)
    >>> LossCurveDisplay.from_estimator(clf).ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, training: Sequence[float], validation: Sequence[float] | None = None):
        self.training = training
        self.validation = validation

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> LossCurveDisplay:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : fitted deep estimator
            Or a Pipeline that ends in one.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : LossCurveDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator)
        return cls(estimator.loss_curve_, estimator.validation_loss_curve_).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw the curves; the lowest validation loss is marked."""
        epochs = np.arange(1, len(self.training) + 1)
        ax.plot(epochs, self.training, color=BLUE, label="training rows")
        if self.validation is not None:
            ax.plot(epochs, self.validation, "--", color=VERMILION, label="rows set aside")
            best = int(np.argmin(self.validation))
            label = f"lowest: {self.validation[best]:.3g} in epoch {best + 1}"
            ax.plot(epochs[best], self.validation[best], "o", color=VERMILION, label=label)
        if min(*self.training, *(self.validation or ())) > 0:
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="mean loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
