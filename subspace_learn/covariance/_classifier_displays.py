"""Pictures of what AugmentedCovarianceClassifier chose, and of what its classifier sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._checks.table import check_groups, check_labels
from .._drawing import COLOURS, Display, fitted_step

__all__ = ["OrderLagDisplay", "TangentSpaceDisplay"]

_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">", "p")


class OrderLagDisplay(Display):
    """Cross-validated score of every order and lag that a search tried.

    Make it with `from_estimator`. A solid frame is the choice, a dashed one the best mean if that
    is another cell: the search prefers a low order within one standard error of the best. Order 1
    has no lag and is one wide cell. Cells that were not tried are blank. Of ``bands="auto"`` the
    cells in the bands in use are drawn.

    Parameters
    ----------
    orders : sequence of int
        Rows of the picture, ascending.
    lags : sequence of int
        Columns, in samples, ascending.
    scores : ndarray of shape (n_orders, n_lags)
        Mean score of each cell; NaN where none was computed. The row of order 1 holds one number.
    chosen : tuple of int
        Order and lag of the choice.
    sfreq : float, default=None
        Sampling rate in Hz: lags are then written in milliseconds too.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    AugmentedCovarianceClassifier : Its ``cv_results_`` is what is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn import AugmentedCovarianceClassifier
    >>> from subspace_learn.covariance import OrderLagDisplay
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(20, 2, 100)), np.repeat([0, 1], 10)
    >>> clf = AugmentedCovarianceClassifier(orders=(1, 2), lags=(1, 3)).fit(X, y)
    >>> display = OrderLagDisplay.from_estimator(clf)
    >>> display.scores.shape
    (2, 2)
    >>> display.ax_.get_ylabel()
    'order'
    """

    def __init__(
        self,
        orders: Sequence[int],
        lags: Sequence[int],
        scores: np.ndarray,
        chosen: tuple[int, int],
        *,
        sfreq: float | None = None,
    ) -> None:
        self.orders = orders
        self.lags = lags
        self.scores = scores
        self.chosen = chosen
        self.sfreq = sfreq
        self._size = max(4.5, 0.8 * len(lags) + 2.0), 0.5 * len(orders) + 1.6

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> OrderLagDisplay:
        """Draw the search of a fitted classifier.

        Parameters
        ----------
        estimator : AugmentedCovarianceClassifier
            Fitted, with ``selection="cv"`` and order or lag "auto".
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : OrderLagDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If no search was made.
        """
        estimator = fitted_step(estimator)
        _check_classifier(estimator)
        table = estimator.cv_results_
        if table is None:
            raise ValueError(
                f"Nothing was searched: order={estimator.order!r}, lag={estimator.lag!r}, "
                f"selection={estimator.selection!r}. Fit with order='auto' or lag='auto' (or both) "
                "and selection='cv'."
            )
        asked = [cell.get("bands") for cell in table["params"]]
        used = None if estimator.bands_ is None else tuple(map(tuple, estimator.bands_.tolist()))
        shown = np.array([len(set(asked)) == 1 or bands == used for bands in asked])
        order, lag = table["param_order"][shown], table["param_lag"][shown]
        orders = np.unique(order).tolist()
        # order 1 carries a lag that means nothing; a search of order 1 alone has no other
        lags = np.unique(lag[order > 1] if (order > 1).any() else lag).tolist()
        scores = np.full((len(orders), len(lags)), np.nan)
        for p, tau, score in zip(order, lag, table["mean_test_score"][shown], strict=True):
            columns = slice(None) if p == 1 else lags.index(tau)
            scores[orders.index(p), columns] = score
        chosen = (estimator.order_, estimator.lag_)
        return cls(orders, lags, scores, chosen, sfreq=estimator.sfreq_).plot(ax=ax)

    def plot(self, *, ax: Any = None, cmap: str = "cividis") -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        cmap : str, default="cividis"
            A sequential colour map.

        Returns
        -------
        display : OrderLagDisplay
            Itself.
        """
        return self._plot(ax, cmap=cmap)

    def _draw(self, ax: Any, cmap: str) -> None:
        """Draw the map, the choice framed."""
        n_rows, n_columns = len(self.orders), len(self.lags)
        image = ax.imshow(self.scores, cmap=cmap, aspect="auto", origin="lower")
        for i, p in enumerate(self.orders):
            columns = [(n_columns - 1) / 2] if p == 1 else range(n_columns)
            for j in columns:
                score = self.scores[i, int(j)]
                if np.isfinite(score):
                    dark = image.norm(score) < 0.5
                    text = f"{score:.2f}" + (" (no lag)" if p == 1 else "")
                    ax.text(j, i, text, ha="center", va="center", color="w" if dark else "k")
        ax.set_yticks(range(n_rows), self.orders)
        if self.sfreq is None:
            ax.set_xticks(range(n_columns), self.lags)
            ax.set(xlabel="lag (samples)", ylabel="order")
        else:
            named = [f"{lag}\n{1000 * lag / self.sfreq:.3g}" for lag in self.lags]
            ax.set_xticks(range(n_columns), named)
            ax.set(xlabel="lag (above: samples, below: ms)", ylabel="order")
        row, column = map(int, np.unravel_index(np.nanargmax(self.scores), self.scores.shape))
        best_cell = (self.orders[row], self.lags[column])
        self._frame(ax, self.chosen, "solid")
        title = "framed: chosen"
        if best_cell != self.chosen and (best_cell[0] != 1 or self.chosen[0] != 1):
            self._frame(ax, best_cell, "dashed")
            title += "; dashed: best mean"
        ax.set_title(title, fontsize=10)
        ax.figure.colorbar(image, ax=ax, label="mean cross-validated accuracy")

    def _frame(self, ax: Any, cell: tuple[int, int], style: str) -> None:
        from matplotlib.patches import Rectangle

        row = self.orders.index(cell[0])
        left = 0 if cell[0] == 1 else self.lags.index(cell[1])
        width = len(self.lags) if cell[0] == 1 else 1
        corner = (left - 0.5, row - 0.5)
        frame: dict[str, Any] = {"fill": False, "clip_on": False, "zorder": 3, "linestyle": style}
        # white under red: seen on both ends of the colour map
        ax.add_patch(Rectangle(corner, width, 1, edgecolor="w", linewidth=4, **frame))
        ax.add_patch(Rectangle(corner, width, 1, edgecolor="#D55E00", linewidth=2.5, **frame))


class TangentSpaceDisplay(Display):
    """Epochs as points: the two directions in which their tangent vectors vary most.

    Make it with `from_estimator`. The directions are those of largest variance, chosen without the
    labels; classes that overlap here may still be apart in the other directions.

    Parameters
    ----------
    coordinates : ndarray of shape (n_epochs, 2)
        Principal components of the tangent vectors.
    y : ndarray of shape (n_epochs,)
        Class of each epoch: colours, and markers if there are no groups.
    explained_variance_ratio : ndarray of shape (2,)
        Share of the variance in each direction.
    groups : ndarray of shape (n_epochs,), default=None
        Session or subject of each epoch: markers.
    vectors : str, default="tangent vectors"
        What was decomposed, for the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    AugmentedCovarianceClassifier.tangent_vectors : The vectors.
    CovarianceDisplay : Mean matrix of each class.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn import AugmentedCovarianceClassifier
    >>> from subspace_learn.covariance import TangentSpaceDisplay
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(20, 3, 100)), np.repeat(["left", "right"], 10)
    >>> clf = AugmentedCovarianceClassifier(order=2, lag=1).fit(X, y)
    >>> display = TangentSpaceDisplay.from_estimator(clf, X, y)
    >>> display.coordinates.shape
    (20, 2)
    """

    def __init__(
        self,
        coordinates: np.ndarray,
        y: np.ndarray,
        explained_variance_ratio: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        vectors: str = "tangent vectors",
    ) -> None:
        self.coordinates = coordinates
        self.y = y
        self.explained_variance_ratio = explained_variance_ratio
        self.groups = groups
        self.vectors = vectors

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, groups: Any = None, ax: Any = None
    ) -> TangentSpaceDisplay:
        """Draw epochs as a fitted classifier sees them.

        Parameters
        ----------
        estimator : AugmentedCovarianceClassifier
            Fitted. Of ``classifier="mdm"`` the distances to the class means are drawn.
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals; not necessarily those of fit.
        y : array of shape (n_epochs,)
            Class of each epoch.
        groups : array of shape (n_epochs,), default=None
            Session or subject of each epoch.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : TangentSpaceDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If ``y`` or ``groups`` has another length than X, if there are more classes or groups
            than can be told apart, or fewer than two tangent coordinates or epochs.
        """
        _check_classifier(estimator)
        vectors = estimator.tangent_vectors(X)
        y = check_labels(estimator, y)
        check_consistent_length(vectors, y)
        if groups is not None:
            check_groups(groups, len(y))
            groups = np.asarray(groups)
        if min(vectors.shape) < 2:
            raise ValueError(
                f"{vectors.shape[0]} epochs of {vectors.shape[1]} coordinates make no plane. Give "
                "two epochs or more, and two channels or order=2 or more."
            )
        _check_distinct("classes", y, len(_MARKERS) if groups is None else len(COLOURS))
        _check_distinct("groups", groups, len(_MARKERS))
        pca = PCA(n_components=2, svd_solver="full")
        coordinates = pca.fit_transform(vectors)
        mdm = isinstance(estimator.classifier, str) and estimator.classifier == "mdm"
        display = cls(
            coordinates,
            y,
            pca.explained_variance_ratio_,
            groups=groups,
            vectors="distances to class means" if mdm else "tangent vectors",
        )
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw the points."""
        for i, label in enumerate(np.unique(self.y)):
            colour, shown = COLOURS[i % len(COLOURS)], self.y == label
            if self.groups is None:
                self._scatter(ax, shown, colour, _MARKERS[i])
                ax.scatter([], [], color=colour, marker=_MARKERS[i], label=str(label))
                continue
            for group, marker in zip(np.unique(self.groups), _MARKERS, strict=False):
                self._scatter(ax, shown & (self.groups == group), colour, marker)
            ax.plot([], [], color=colour, linewidth=6, label=str(label))
        if self.groups is not None:
            for group, marker in zip(np.unique(self.groups), _MARKERS, strict=False):
                ax.scatter([], [], color="0.4", marker=marker, label=f"group {group}")
        share = 100 * self.explained_variance_ratio
        ax.set(
            xlabel=f"component 1 of the {self.vectors} ({share[0]:.0f} %)",
            ylabel=f"component 2 ({share[1]:.0f} %)",
        )
        # beside the axes: anywhere inside it would hide points
        ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))

    def _scatter(self, ax: Any, rows: np.ndarray, colour: str, marker: str) -> None:
        if rows.any():
            points = self.coordinates[rows].T
            ax.scatter(*points, s=22, color=colour, marker=marker, alpha=0.8)


def _check_classifier(estimator: Any) -> None:
    """Raise unless ``estimator`` is a fitted AugmentedCovarianceClassifier."""
    if not hasattr(estimator, "selection"):
        raise TypeError(
            f"An AugmentedCovarianceClassifier is needed, but {type(estimator).__name__} was "
            "given. Of a Pipeline give its step, of GridSearchCV its best_estimator_."
        )
    check_is_fitted(estimator)


def _check_distinct(name: str, values: np.ndarray | None, most: int) -> None:
    found = 0 if values is None else len(np.unique(values))
    if found > most:
        raise ValueError(
            f"{found} {name} cannot be told apart in one picture; at most {most}. Draw a part of "
            "them."
        )
