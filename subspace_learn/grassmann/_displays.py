"""Pictures of what a detector sees, and of rounds between clients and server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._array import is_array, to_numpy
from .._drawing import BLUE, COLOURS, MARKERS, VERMILION, Display, fitted_step

__all__ = ["DetectorScoreDisplay", "RoundsDisplay"]

_COLOURS = {1: BLUE, -1: VERMILION, None: BLUE}  # normal rows, outliers, not told apart
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
            getattr(detector, "statistic", ""), "abnormality"
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
                color=_COLOURS[label],
                label=None if label is None else f"{_NAMES[label]} ({len(chosen):,} rows)",
            )
        ax.axvline(self.threshold, color="black", linestyle="--", linewidth=1, label="threshold")
        ax.set(xscale="log", xlabel=self.score_name, ylabel="rows")
        ax.legend()


class RoundsDisplay(Display):
    """Share of variance explained, round by round, of one or more federated fits.

    Make it with `from_estimators`. The share is that of the clients that took part in a round.

    Parameters
    ----------
    steps : dict of str to ndarray of shape (n_rounds,)
        Where each round stands: its number, or the bytes a client has sent by then.
    shares : dict of str to ndarray of shape (n_rounds,)
        Share explained after each round, under the same names.
    exact : float, default=None
        Share of the exact subspace, drawn as a line.
    step_name : str, default="round"
        What the axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    FederatedGrassmannPCA : Its ``history_`` is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from subspace_learn.datasets import make_noniid_clients
    >>> from subspace_learn.grassmann import FederatedGrassmannPCA, RoundsDisplay
    >>> X, groups = make_noniid_clients(n_clients=5, n_features=20, random_state=0)
    >>> fit = FederatedGrassmannPCA(3, aggregation="admm", n_rounds=5).fit(X, groups=groups)
    >>> RoundsDisplay.from_estimators({"admm": fit}).ax_.get_xlabel()
    'round'
    """

    _size = (6.0, 3.8)

    def __init__(
        self,
        steps: Mapping[str, np.ndarray],
        shares: Mapping[str, np.ndarray],
        *,
        exact: float | None = None,
        step_name: str = "round",
    ) -> None:
        self.steps = steps
        self.shares = shares
        self.exact = exact
        self.step_name = step_name

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        *,
        exact: float | None = None,
        against: str = "round",
        ax: Any = None,
    ) -> RoundsDisplay:
        """Draw the histories of fitted estimators.

        Parameters
        ----------
        estimators : dict of str to FederatedGrassmannPCA
            Fitted, by the name for the legend.
        exact : float, default=None
            Share that the exact subspace explains: the sum of the ``explained_variance_ratio_`` of
            a fit with ``aggregation="covariance"``.
        against : {"round", "bytes"}, default="round"
            Over the number of rounds, or over the bytes that the busiest client has sent.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : RoundsDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``against`` is neither.
        """
        if against not in ("round", "bytes"):
            raise ValueError(f"against={against!r} is not known: use 'round' or 'bytes'.")
        steps, shares = {}, {}
        for name, estimator in estimators.items():
            history = fitted_step(estimator, "history_").history_
            sent = np.cumsum([line["bytes_sent"] for line in history])
            steps[name] = sent if against == "bytes" else np.arange(1, len(history) + 1)
            shares[name] = np.array([line["explained_variance_ratio"] for line in history])
        step_name = "round" if against == "round" else "bytes sent by a client"
        return cls(steps, shares, exact=exact, step_name=step_name).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw a line for each fit."""
        for i, (name, share) in enumerate(self.shares.items()):
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
            ax.plot(self.steps[name], share, markersize=4, label=name, **style)
        if self.exact is not None:
            ax.axhline(self.exact, color="black", linestyle="--", linewidth=1, label="exact")
        ax.set(xlabel=self.step_name, ylabel="share of variance explained")
        if self.step_name == "round":
            ax.xaxis.get_major_locator().set_params(integer=True)
        else:
            ax.set_xscale("log")
        ax.legend()
