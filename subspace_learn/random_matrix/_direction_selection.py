"""Which spikes RandomMatrixFilter keeps: scores from disturbed rows, or the user's own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._array import array_namespace, is_array, to_numpy
from .._checks.table import check_labels, check_samples
from ..functional.random_matrix.rbns import (
    conformal_support,
    robustness_scores,
    rotated_directions,
    same_class_rows,
)
from ..linalg.projection import projection_scores

__all__ = ["Selection", "selected"]

_NOISE = 0.1  # relative size of the disturbance when none is named


class Selection(NamedTuple):
    """Which directions are kept."""

    support: np.ndarray
    """One boolean for each spike, or for each turned direction."""
    scores: np.ndarray | None
    """Their scores; None if a mask was given."""
    basis: np.ndarray
    """Orthonormal rows that make the kept directions of the spikes', (n_kept, n_spikes)."""


def selected(
    model: Any, X: Any, y: Any, X_perturbed: Any, weights: Any, rng: np.random.Generator
) -> Selection:
    """Return which directions in the space of the fitted spikes to keep.

    Raises
    ------
    ValueError
        If the disturbed rows do not match, labels are missing or not classes, or a callable
        returned something else than one value for each direction.
    """
    Z = _coordinates(model, X)
    eye = np.eye(Z.shape[1])
    if callable(model.selector):
        scores = np.asarray(model.selector(Z, y))
        if scores.shape != (Z.shape[1],):
            raise ValueError(
                f"selector returned shape {scores.shape}, but there are {Z.shape[1]} spikes: give "
                "one score (or True and False) for each."
            )
        if scores.dtype == bool:
            return Selection(scores, None, eye[scores])
        support = _supported(scores, model.quantile)
        return Selection(support, scores, eye[support])
    labels = None if y is None else check_labels(model, y, X.shape[0])
    disturbed = _disturbed(model, X, labels, X_perturbed, Z, rng)
    host = None if weights is None else to_numpy(weights)
    turned = rotated_directions(Z, disturbed, host) if model.selector == "rotated_rbns" else eye
    scores = robustness_scores(Z @ turned, disturbed @ turned, labels, host)
    support = _supported(scores, model.quantile)
    if turned is eye:
        return Selection(support, scores, eye[support])
    return Selection(support, scores, np.linalg.qr(turned[:, support])[0].T)


def _supported(scores: np.ndarray, quantile: float) -> np.ndarray:
    if np.isnan(scores).any():
        raise ValueError(f"The selector gave NaN for {int(np.isnan(scores).sum())} direction(s).")
    return conformal_support(scores, quantile) if scores.size else scores > 0


def _coordinates(model: Any, X: Any) -> np.ndarray:
    """Coordinates along every spike, on the host: they are few."""
    mean, analysis, _ = model._maps(X)
    return to_numpy(projection_scores(X, mean, analysis)).astype(np.float64)


def _disturbed(
    model: Any,
    X: Any,
    labels: np.ndarray | None,
    X_perturbed: Any,
    Z: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Coordinates of the rows after a disturbance."""
    how = model.perturbation
    if X_perturbed is None and callable(how):
        X_perturbed = how(X, rng)
    if X_perturbed is not None:
        given = _checked_pairs(model, X, X_perturbed)
        return _coordinates(model, given)
    if how == "resample":
        if labels is None:
            raise ValueError("perturbation='resample' draws rows of the same class: give y.")
        return Z[same_class_rows(labels, rng)]
    # Orthonormal directions see isotropic noise as noise of the same variance each, so it is drawn
    # where it is needed. The trace over the features is the mean square of one.
    xp = array_namespace(model._model.leading)
    n_features = model.n_features_in_
    n_rest = n_features - model._model.components.shape[0]
    total = float(xp.sum(model._model.leading)) + n_rest * model._model.rest
    size = (_NOISE if how is None else float(how)) * (total / n_features) ** 0.5
    return Z + size * rng.standard_normal(Z.shape)


def _checked_pairs(model: Any, X: Any, X_perturbed: Any) -> Any:
    """Disturbed rows, one for each row of ``X``."""
    if is_array(X) and not is_array(X_perturbed) and not hasattr(X_perturbed, "tocsr"):
        X_perturbed = np.asarray(X_perturbed)
    checked = check_samples(
        model,
        X_perturbed,
        reset=False,
        like=model._model.mean,
        accept_sparse=("csr", "csc"),
    )
    if checked.shape != X.shape:
        raise ValueError(
            f"X_perturbed has shape {tuple(checked.shape)}, but X has {tuple(X.shape)}: give each "
            "row of X once, disturbed, in the same order."
        )
    return checked
