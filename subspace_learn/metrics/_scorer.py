"""RecallVsAreaScorer: recall versus area for cross_val_score and GridSearchCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import MetadataRequest

from ._location_maps import map_of
from ._recall_vs_area import area_at_recall, check_choices, recall_at_area

__all__ = ["RecallVsAreaScorer"]


class RecallVsAreaScorer:
    """Score classifiers whose classes are cells by the area that has to be searched.

    For ``scoring=`` in ``cross_val_score`` and ``GridSearchCV``. Columns are matched to areas by
    ``estimator.classes_``, and a cell that a training fold did not hold is never found. (A scorer
    made by ``make_scorer`` has no labels: where a fold lacks a class, its columns and the areas no
    longer belong together.)

    Parameters
    ----------
    areas : dict or Series {label: area}
        Area of each cell, above 0.
    budget : float, default=None
        Area that may be searched: the score is the share found within it, in [0, 1].
    recall : float, default=None
        Share that is to be found, in (0, 1]: the score is minus the decimal logarithm of the area
        needed, so that larger is better; minus infinity where so many are never found. Give either
        this or ``budget``.
    rank_by : {"density", "score"}, default="density"
        Search where the probability per area is largest, or where the score is.
    ties : {"pessimistic", "optimistic", "expected"}, default="pessimistic"
        What cells of equal score count.

    Raises
    ------
    ValueError
        If not exactly one of ``budget`` and ``recall`` is given, or ``areas`` has no labels.
        When called: if the estimator has no scores, or ``rank_by="density"`` meets an estimator
        with nothing but a decision function.

    See Also
    --------
    recall_at_area : The score with a budget, on arrays.
    area_at_recall : The area with a recall, on arrays.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> scorer = RecallVsAreaScorer({0: 1.0, 1: 2.0, 2: 4.0}, budget=2.0)
    >>> float(cross_val_score(GaussianNB(), X, y, scoring=scorer).mean().round(2))
    0.65
    """

    def __init__(
        self,
        areas: Any,
        *,
        budget: float | None = None,
        recall: float | None = None,
        rank_by: str = "density",
        ties: str = "pessimistic",
    ) -> None:
        if (budget is None) == (recall is None):
            raise ValueError(
                f"Give either budget= or recall=, but budget is {budget!r} and recall {recall!r}."
            )
        if not (hasattr(areas, "keys") and len(areas)):
            raise ValueError(
                "areas must be a dict or Series {label: area}: columns are matched by label, since "
                f"not every training fold holds every cell. Got {type(areas).__name__}."
            )
        if rank_by not in ("density", "score"):
            raise ValueError(f"rank_by must be 'density' or 'score', but is {rank_by!r}.")
        check_choices(rank_by, ties)
        self.areas, self.budget, self.recall = areas, budget, recall
        self.rank_by, self.ties = rank_by, ties
        self._metadata_request = MetadataRequest(owner=type(self).__name__)

    def __repr__(self) -> str:
        goal = f"budget={self.budget!r}" if self.recall is None else f"recall={self.recall!r}"
        return f"RecallVsAreaScorer(<{len(self.areas)} cells>, {goal}, rank_by={self.rank_by!r})"

    def __call__(self, estimator: Any, X: Any, y_true: Any, sample_weight: Any = None) -> float:
        """Score a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``classes_`` and ``predict_log_proba``, ``predict_proba`` or
            ``decision_function``.
        X : table
            Rows that it takes.
        y_true : array-like of shape (n_samples,)
            Label of the true cell of each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Larger is better.
        """
        scores, labels, method = map_of(estimator, X, where=repr(self))
        rank_by = self.rank_by
        if rank_by == "density" and method == "decision_function":
            raise ValueError(
                f"{self!r} divides probabilities by areas, but {estimator!r} has a "
                "decision_function alone. Calibrate it, or take rank_by='score'."
            )
        if rank_by == "density" and method == "predict_log_proba":
            rank_by = "log_density"
        how: dict[str, Any] = {
            "labels": labels,
            "sample_weight": sample_weight,
            "rank_by": rank_by,
            "ties": self.ties,
        }
        if self.recall is None:
            return float(recall_at_area(y_true, scores, self.areas, self.budget, **how))
        return -float(np.log10(area_at_recall(y_true, scores, self.areas, self.recall, **how)))

    def set_score_request(self, **requests: Any) -> RecallVsAreaScorer:
        """Ask for metadata, where scikit-learn's metadata routing is switched on.

        Parameters
        ----------
        **requests : bool, str or None
            ``sample_weight=True`` to be given the weights of the rows.

        Returns
        -------
        scorer : RecallVsAreaScorer
            Itself.
        """
        for name, wanted in requests.items():
            self._metadata_request.score.add_request(param=name, alias=wanted)
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what the scorer asks for.

        Returns
        -------
        routing : MetadataRequest
            Of scikit-learn.
        """
        return self._metadata_request
