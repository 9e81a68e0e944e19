"""Maps that classifiers give, with columns by label: not every classifier knows every cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._array import array_namespace, is_array, to_numpy
from .._base import warn

__all__ = ["location_maps", "map_of"]

_METHODS = ("predict_log_proba", "predict_proba", "decision_function")


def map_of(estimator: Any, X: Any, *, where: str) -> tuple[Any, list[Any], str]:
    """Scores of a classifier, the labels of their columns, and the method they came from."""
    method = next((name for name in _METHODS if hasattr(estimator, name)), None)
    if method is None or not hasattr(estimator, "classes_"):
        raise ValueError(
            f"{where} needs a fitted classifier with classes_ and one of {', '.join(_METHODS)}, "
            f"but got {estimator!r}."
        )
    with np.errstate(divide="ignore"):  # the logarithm of 0 is meant
        scores = getattr(estimator, method)(X)
    labels = list(to_numpy(estimator.classes_))
    if scores.ndim == 1:  # the decision between two classes
        xp = array_namespace(scores)
        scores = xp.stack([-scores, scores], axis=1)
    return (
        scores,
        [label.item() if isinstance(label, np.generic) else label for label in labels],
        method,
    )


def location_maps(estimators: Sequence[Any], X: Any, cells: Any) -> np.ndarray:
    """Log-probabilities of several classifiers over one list of cells.

    A classifier has a column for each class that it saw in its own training, in its own order.
    Here columns are matched by label, and a cell that a classifier does not know gets probability
    0.

    Parameters
    ----------
    estimators : sequence of classifiers
        Fitted, each with ``predict_log_proba`` or ``predict_proba``.
    X : table
        Rows that each of them takes.
    cells : array-like of shape (n_cells,)
        Labels of all cells, in the order wanted.

    Returns
    -------
    maps : ndarray of shape (n_samples, n_estimators, n_cells)
        Log-probabilities, minus infinity for cells that are not known; for :class:`LocationPool`.

    Raises
    ------
    ValueError
        If an estimator is no classifier with probabilities, or a label stands twice in ``cells``.

    Warns
    -----
    UserWarning
        If an estimator knows a class that is none of the cells: its probability is left out.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X = [[0.0], [1.0], [4.0], [5.0]]
    >>> two, one = GaussianNB().fit(X, [0, 0, 2, 2]), GaussianNB().fit(X[:3], [0, 1, 1])
    >>> location_maps([two, one], X, [0, 1, 2]).shape
    (4, 2, 3)
    """
    cells = list(to_numpy(cells) if is_array(cells) else cells)
    place = {cell: i for i, cell in enumerate(cells)}
    if len(place) < len(cells) or not cells:
        raise ValueError(
            f"cells must be different labels, but {len(cells) - len(place)} of {len(cells)} repeat."
        )
    parts = []
    for estimator in estimators:
        scores, labels, method = map_of(estimator, X, where="location_maps()")
        if method == "decision_function":
            raise ValueError(
                f"location_maps() pools probabilities, but {estimator!r} has a decision_function "
                "alone. Wrap it in sklearn's CalibratedClassifierCV."
            )
        scores = to_numpy(scores).astype(np.float64)
        with np.errstate(divide="ignore"):
            scores = np.log(scores) if method == "predict_proba" else scores
        known = [i for i, label in enumerate(labels) if label in place]
        if len(known) < len(labels):
            strange = next(label for label in labels if label not in place)
            warn(
                f"{estimator!r} knows {len(labels) - len(known)} classes that are none of the "
                f"cells, such as {strange!r}: their probability is left out."
            )
        part = np.full((len(scores), len(cells)), -np.inf)
        part[:, [place[labels[i]] for i in known]] = scores[:, known]
        parts.append(part)
    return np.stack(parts, axis=1)
