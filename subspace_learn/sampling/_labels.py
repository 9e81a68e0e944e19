"""Labels that are bought: unlabelled rows, and oracles that are asked row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks.table import rows_of
from ._checks import check_targets

__all__ = ["OracleError", "bought_labels", "checked_labels"]


class OracleError(RuntimeError):
    """A label oracle failed; the labels bought before are not lost.

    Parameters
    ----------
    message : str
        What happened.
    indices : ndarray of shape (n_points,)
        Rows of the design, repeats included.
    sample_weight : ndarray of shape (n_points,)
        Weights of the design.
    labels : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Labels bought so far, NaN elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import DPPLeastSquares, OracleError
    >>> X = np.linspace(0, 1, 50)[:, None]
    >>> def oracle(rows):
    ...     if rows[0, 0] > 0.5:
    ...         raise ConnectionError("laboratory closed")
    ...     return rows[:, 0] ** 2
    >>> try:
    ...     DPPLeastSquares(random_state=1).fit(X, oracle)
    ... except OracleError as error:
    ...     bought = np.isfinite(error.labels).sum()
    >>> bool(bought < 4)
    True
    """

    def __init__(
        self,
        message: str,
        *,
        indices: np.ndarray,
        sample_weight: np.ndarray,
        labels: np.ndarray,
    ) -> None:
        super().__init__(message)
        self.indices = indices
        self.sample_weight = sample_weight
        self.labels = labels


def bought_labels(
    oracle: Callable[[Any], Any], X: Any, indices: np.ndarray, sample_weight: np.ndarray
) -> np.ndarray:
    """Ask for the label of each different row of a design once, one row per call.

    Returns the labels in the order of ``indices``, (n_points, n_targets).

    Raises
    ------
    OracleError
        If a call fails or returns something that is not a finite number (or a fixed number of
        them); it carries the labels bought so far.
    """
    rows, places = np.unique(indices, return_inverse=True)
    bought: list[np.ndarray] = []
    for row in rows:
        try:
            label = np.asarray(oracle(rows_of(X, np.array([row]))), dtype=np.float64).reshape(-1)
            if not label.size or not np.isfinite(label).all():
                raise ValueError(f"a label must be a finite number, not {label}")
            if bought and label.size != bought[0].size:
                raise ValueError(f"{label.size} numbers came after {bought[0].size} before")
        except Exception as error:
            width = bought[0].size if bought else 1
            labels = np.full((len(X) if hasattr(X, "__len__") else X.shape[0], width), np.nan)
            if bought:
                labels[rows[: len(bought)]] = np.array(bought)
            raise OracleError(
                f"The oracle failed at row {row}, after {len(bought)} of {len(rows)} labels: "
                f"{type(error).__name__}: {error}. This error carries what was bought (labels, NaN "
                "elsewhere) and the design (indices, sample_weight). If design(X) was called "
                "before fit, fill in the missing labels and call fit(X, labels).",
                indices=indices,
                sample_weight=sample_weight,
                labels=labels[:, 0] if width == 1 else labels,
            ) from error
        bought.append(label)
    return np.array(bought)[places]


def checked_labels(
    estimator: Any, y: Any, n_samples: int, indices: np.ndarray | None
) -> tuple[np.ndarray, bool]:
    """Check y, (n_samples,) or (n_samples, n_targets), and return it 2-D and whether it was 1-D.

    NaN means unlabelled. ``indices`` are the rows of a design made before; None means that there
    is none, and then nothing may be missing.
    """
    targets = check_targets(estimator, y, n_samples, allow_nan=True)
    table = targets.reshape(n_samples, -1)
    unlabelled = np.isnan(table).any(axis=1)
    if unlabelled.all():
        raise ValueError(
            "Input y contains NaN in every row: no label is given. Call design(X), label the rows "
            "in indices_, and leave NaN elsewhere."
        )
    if indices is None:
        if unlabelled.any():
            raise ValueError(
                f"Input y contains NaN in {int(unlabelled.sum())} rows, and no design was made for "
                "this X with these parameters. Call design(X) first and label the rows in "
                "indices_; or give all labels, or a callable."
            )
    elif unlabelled[indices].any():
        missing = np.unique(indices[unlabelled[indices]])
        raise ValueError(
            f"Input y contains NaN at {len(missing)} row(s) of the design, the first being "
            f"{missing[:5].tolist()}. Label every row in indices_."
        )
    return table, targets.ndim == 1
