"""Pictures of a design, of the scores of a sample, and of what a sample costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._array import is_array, to_numpy
from .._drawing import COLOURS, MARKERS, Display, fitted_step
from ..functional.sampling.row_sampling import embedding_error

__all__ = ["DesignDisplay", "EmbeddingErrorDisplay", "SampleScoreDisplay"]

_SIZE = (6.0, 3.6)


class DesignDisplay(Display):
    """Rows of a design and their weights, over the Christoffel function of the features.

    Make it with `from_estimator`. With one column of X the function is a curve and weights are
    heights; with two columns rows are coloured by it and weights are areas.

    Parameters
    ----------
    X : ndarray of shape (n_samples, 1) or (n_samples, 2)
        The pool.
    christoffel : ndarray of shape (n_samples,)
        Christoffel function at its rows.
    indices : ndarray of shape (n_points,)
        Rows of the design.
    weights : ndarray of shape (n_points,)
        Their weights.
    names : sequence of str
        Names of the columns of X.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    DPPLeastSquares : Makes designs.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.sampling import DesignDisplay, DPPLeastSquares
    >>> X = np.linspace(-1, 1, 500)[:, None]
    >>> model = DPPLeastSquares("legendre", random_state=0)
    >>> rows, weights = model.design(X)
    >>> DesignDisplay.from_estimator(model, X).ax_.get_xlabel()
    'x0'
    """

    def __init__(
        self,
        X: np.ndarray,
        christoffel: np.ndarray,
        indices: np.ndarray,
        weights: np.ndarray,
        *,
        names: Sequence[str],
    ) -> None:
        self.X = X
        self.christoffel = christoffel
        self.indices = indices
        self.weights = weights
        self.names = names
        self._size = _SIZE if X.shape[1] == 1 else (6.0, 4.6)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, ax: Any = None) -> DesignDisplay:
        """Draw the design of an estimator.

        Parameters
        ----------
        estimator : DPPLeastSquares
            After ``design(X)`` or ``fit(X, y)``.
        X : array of shape (n_samples, 1) or (n_samples, 2)
            The same rows.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : DesignDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If X has more than two columns, or is not the table of the design.
        """
        check_is_fitted(estimator, "indices_")
        christoffel = estimator._christoffel(X)
        names = [str(name) for name in getattr(X, "columns", [])]
        X = to_numpy(X) if is_array(X) else np.asarray(X, dtype=np.float64)
        if X.shape[1] not in (1, 2) or len(X) <= estimator.indices_.max():
            raise ValueError(
                f"X has shape {X.shape}; the rows of the design with one or two columns are needed."
            )
        names = names or [f"x{i}" for i in range(X.shape[1])]
        display = cls(X, christoffel, estimator.indices_, estimator.sample_weight_, names=names)
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw a curve over one column of X, a plane of two."""
        if self.X.shape[1] == 1:
            self._draw_curve(ax)
        else:
            self._draw_plane(ax)

    def _draw_curve(self, ax: Any) -> None:
        x = self.X[:, 0]
        order = np.argsort(x, kind="stable")
        ax.plot(x[order], self.christoffel[order], color=COLOURS[0], label="Christoffel function")
        chosen = self.indices
        share = self.weights / self.weights.sum()
        ax.vlines(x[chosen], 0.0, share, color=COLOURS[1], linewidth=1)
        label = f"{len(chosen)} rows, share of the weight"
        ax.plot(x[chosen], share, "o", color=COLOURS[1], markersize=5, label=label)
        ax.set(xlabel=self.names[0], ylabel="share", ylim=(0, None))
        ax.figure.legend(loc="outside upper center", ncols=2)

    def _draw_plane(self, ax: Any) -> None:
        finite = np.where(np.isfinite(self.christoffel), self.christoffel, np.nan)
        pool = ax.scatter(*self.X.T, c=finite, s=6, cmap="viridis", rasterized=True)
        ax.figure.colorbar(pool, ax=ax, label="Christoffel function")
        area = 60.0 * self.weights / self.weights.mean()
        ax.scatter(
            *self.X[self.indices].T,
            s=area,
            facecolors="none",
            edgecolors=COLOURS[1],
            linewidths=1.5,
            label=f"{len(self.indices)} rows, area: weight",
        )
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        ax.figure.legend(loc="outside upper center")


class SampleScoreDisplay(Display):
    """Scores of all rows in descending order, with the sampled rows marked.

    Make it with `from_estimator`.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Score of each row.
    indices : ndarray of shape (n_drawn,)
        Rows of the sample.
    score_name : str, default="score"
        What the axis says.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    SensitivitySampler : Makes samples.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.sampling import SampleScoreDisplay, SensitivitySampler
    >>> X = np.random.default_rng(0).standard_t(3, size=(1000, 4))
    >>> sampler = SensitivitySampler(50, random_state=0).fit(X)
    >>> SampleScoreDisplay.from_estimator(sampler).ax_.get_ylabel()
    'score (lewis)'
    """

    _size = _SIZE

    def __init__(
        self, scores: np.ndarray, indices: np.ndarray, *, score_name: str = "score"
    ) -> None:
        self.scores = scores
        self.indices = indices
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> SampleScoreDisplay:
        """Draw the scores of a fitted sampler.

        Parameters
        ----------
        estimator : SensitivitySampler
            After `fit` (a stream keeps no scores).
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : SampleScoreDisplay
            With ``ax_`` and ``figure_``.
        """
        estimator = fitted_step(estimator, "scores_")
        name = f"score ({estimator.row_score.replace('_', ' ')})"
        return cls(estimator.scores_, estimator.indices_, score_name=name).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw."""
        order = np.argsort(-self.scores, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(1, len(order) + 1)
        ax.plot(
            np.arange(1, len(order) + 1), self.scores[order], color=COLOURS[0], label="all rows"
        )
        chosen = np.unique(self.indices)
        label = f"{len(chosen)} rows of the sample"
        ax.plot(place[chosen], self.scores[chosen], "|", color=COLOURS[1], ms=9, label=label)
        ax.set(xscale="log", xlabel="row, by descending score", ylabel=self.score_name)
        if (self.scores > 0).any():
            ax.set_yscale("log")
        ax.legend()


class EmbeddingErrorDisplay(Display):
    """Embedding error against sample size, for samplers beside one another.

    Make it with `from_samplers`. Lines are medians over repeats, bands their range.

    Parameters
    ----------
    sizes : ndarray of shape (n_sizes,)
        Numbers of draws.
    errors : dict of str to ndarray of shape (n_sizes, n_repeats)
        Embedding errors by name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    embedding_error : The number that is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from subspace_learn.sampling import EmbeddingErrorDisplay, SensitivitySampler
    >>> X = np.random.default_rng(0).standard_t(3, size=(1000, 4))
    >>> samplers = {name: SensitivitySampler(row_score=name) for name in ("uniform", "lewis")}
    >>> display = EmbeddingErrorDisplay.from_samplers(samplers, X, sizes=[50, 200])
    >>> display.ax_.get_xlabel()
    'draws'
    """

    _size = _SIZE

    def __init__(self, sizes: np.ndarray, errors: Mapping[str, np.ndarray]) -> None:
        self.sizes = sizes
        self.errors = errors

    @classmethod
    def from_samplers(
        cls,
        samplers: Mapping[str, Any],
        X: Any,
        *,
        sizes: Sequence[int],
        n_repeats: int = 5,
        ax: Any = None,
    ) -> EmbeddingErrorDisplay:
        """Draw samples of each size and measure how far they move the p-norms of X.

        Parameters
        ----------
        samplers : dict of str to SensitivitySampler
            By the name for the legend. Not changed.
        X : ndarray or CSR matrix of shape (n_samples, n_features)
            Rows; append a target yourself where it should count.
        sizes : sequence of int
            Numbers of draws.
        n_repeats : int, default=5
            Samples for each, with ``random_state`` 0, 1, ...
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : EmbeddingErrorDisplay
            With ``ax_`` and ``figure_``.
        """
        errors = {name: np.empty((len(sizes), n_repeats)) for name in samplers}
        for name, sampler in samplers.items():
            for (i, r), _ in np.ndenumerate(errors[name]):
                drawn = clone(sampler).set_params(n_samples=sizes[i], random_state=r).fit(X)
                errors[name][i, r] = embedding_error(X, drawn.indices_, drawn.weights_, p=drawn.p)
        return cls(np.asarray(sizes), errors).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        """Draw."""
        for i, (name, errors) in enumerate(self.errors.items()):
            colour = COLOURS[i % len(COLOURS)]
            median = np.median(errors, axis=1)
            ax.plot(
                self.sizes,
                median,
                color=colour,
                marker=MARKERS[i % len(MARKERS)],
                markersize=4,
                label=name,
            )
            ax.fill_between(
                self.sizes, errors.min(axis=1), errors.max(axis=1), color=colour, alpha=0.15, lw=0
            )
        ax.set(xscale="log", yscale="log", xlabel="draws", ylabel="embedding error")
        ax.set_xticks(self.sizes, [f"{size:,}" for size in self.sizes])
        ax.minorticks_off()
        ax.legend(fontsize=8)
