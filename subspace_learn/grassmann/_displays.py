"""Pictures of what a detector sees."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._array import is_array, to_numpy
from .._drawing import BLUE, VERMILION, Display, fitted_step

__all__ = ["DetectorScoreDisplay"]

_COLOURS = {1: BLUE, -1: VERMILION}  # normal rows, outliers
_NAMES = {1: "normal", -1: "outlier"}


class DetectorScoreDisplay(Display):
    """Histogram of a detector's scores beside its threshold, on a logarithmic axis.

    Make it with `from_estimator`.

    Parameters
    ----------
    abnormality : ndarray of shape (n_samples,)
        Scores that grow with abnormality, nonnegative.
    threshold : float
        Rows above it are called outliers.
    labels : ndarray of shape (n_samples,), default=None
        +1 for normal rows and -1 for outliers; None draws one histogram.
    score_name : str, default="abnormality"
        What the axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SubspaceDetector : The detector.
    sklearn.metrics.RocCurveDisplay : What happens when the threshold moves.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.grassmann import DetectorScoreDisplay, GrassmannPCA, SubspaceDetector
    >>> X = np.random.default_rng(0).normal(size=(300, 6))
    >>> detector = SubspaceDetector(GrassmannPCA(n_components=2)).fit(X)
    >>> display = DetectorScoreDisplay.from_estimator(detector, X)
    >>> display.ax_.get_ylabel()
    'rows'
    """

    _size = (6.0, 3.6)

    def __init__(
        self,
        abnormality: np.ndarray,
        threshold: float,
        *,
        labels: np.ndarray | None = None,
        score_name: str = "abnormality",
    ) -> None:
        self.abnormality = abnormality
        self.threshold = threshold
        self.labels = labels
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, ax: Any = None, bins: int = 80
    ) -> DetectorScoreDisplay:
        """Score the rows of X and draw.

        Parameters
        ----------
        estimator : fitted outlier detector
            With ``score_samples`` and ``offset_``, or a Pipeline that ends in one.
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,), default=None
            +1 for normal rows, -1 for outliers.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int, default=80
            Number of bins.

        Returns
        -------
        display : DetectorScoreDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``y`` has another length than X, or values other than +1 and -1.
        """
        detector = fitted_step(estimator)
        scores = estimator.score_samples(X)
        abnormality = -(to_numpy(scores) if is_array(scores) else np.asarray(scores))
        if y is not None:
            y = to_numpy(y) if is_array(y) else np.asarray(y)
            check_consistent_length(abnormality, y)
            if not np.isin(y, (1, -1)).all():
                raise ValueError(
                    f"y must be +1 for normal rows and -1 for outliers, but holds "
                    f"{np.unique(y)[:5].tolist()}. Recode it, for example with numpy.where."
                )
        name = {"residual": "squared residual", "combined": "combined index"}.get(
            getattr(detector, "statistic", None), "abnormality"
        )
        display = cls(abnormality, -float(detector.offset_), labels=y, score_name=name)
        return display.plot(ax=ax, bins=bins)

    def plot(self, *, ax: Any = None, bins: int = 80) -> Self:
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        bins : int, default=80
            Number of bins.

        Returns
        -------
        display : DetectorScoreDisplay
            Itself.
        """
        return self._plot(ax, bins=bins)

    def _draw(self, ax: Any, bins: int) -> None:
        """Draw histograms and the threshold."""
        # zeros and rounding noise below the smallest score worth telling apart share the first bin
        floor = max(self.threshold * 1e-4, np.finfo(float).tiny)
        values = np.maximum(self.abnormality, floor)
        top = max(values.max(), self.threshold) * 1.01
        edges = np.geomspace(floor, top if top > floor else 2 * floor, bins + 1)
        for label in (1, -1) if self.labels is not None else (None,):
            chosen = values if label is None else values[self.labels == label]
            ax.hist(
                chosen,
                bins=edges,
                alpha=0.6,
                color=_COLOURS.get(label, _COLOURS[1]),
                label=None if label is None else f"{_NAMES[label]} ({len(chosen):,} rows)",
            )
        ax.axvline(self.threshold, color="black", linestyle="--", linewidth=1, label="threshold")
        ax.set(xscale="log", xlabel=self.score_name, ylabel="rows")
        ax.legend()
