"""What all pictures share: colours that colour-blind readers tell apart, and axes to draw on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

__all__ = ["BLUE", "COLOURS", "GREEN", "MARKERS", "VERMILION", "Display", "fitted_step"]

# Okabe and Ito, 2008; their yellow is left out, too pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION, GREEN = COLOURS[:3]
MARKERS = "osD^vPX"  # one for each colour, for readers and printers that see none


class Display:
    """A picture on one pair of axes: subclasses hold the data and draw them in `_draw`."""

    _size: tuple[float, float] = (6.0, 4.2)  # inches of a new figure

    def plot(self, *, ax: Any = None) -> Self:
        """Draw on these axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : Display
            Itself, with ``ax_`` and ``figure_``.
        """
        return self._plot(ax)

    def _plot(self, ax: Any, **options: Any) -> Self:
        """Draw with options of the subclass; nothing is stored if that fails."""
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.subplots(figsize=self._size, layout="constrained")[1]
        self._draw(ax, **options)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    _draw: Callable[..., None]
    """Put the picture on the axes given, with the options of `plot`."""


def fitted_step(estimator: Any, attributes: Any = None) -> Any:
    """Return the fitted estimator inside a search or at the end of a pipeline.

    Raises `sklearn.exceptions.NotFittedError` if it is not fitted, or lacks these attributes.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    model = estimator[-1] if hasattr(estimator, "steps") else estimator
    check_is_fitted(model, attributes)
    return model
