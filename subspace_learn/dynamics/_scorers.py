"""Scores for GridSearchCV: held-out residuals and forecasts of several steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import array_namespace, double, to_numpy
from ..functional.dynamics.edmd import explained_variance
from ._forecast import trajectories
from ._snapshots import is_pairs, snapshot_segments

__all__ = ["multi_step_score", "residual_score"]


def residual_score(estimator: Any, X: Any, y: Any = None) -> float:
    """Minus the median held-out residual: for ``GridSearchCV(..., scoring=residual_score)``.

    Parameters
    ----------
    estimator : KoopmanEDMD
        Fitted.
    X : array, or list of trajectories
        Data that were left out of the fit.
    y : array of the shape of X, default=None
        Successors.

    Returns
    -------
    score : float
        At most 0. It prefers few good eigenpairs to many: compare dictionaries by
        `multi_step_score` where forecasts are wanted.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.dynamics import KoopmanEDMD, residual_score
    >>> X = 0.9 ** np.arange(20.0)[:, None]
    >>> bool(residual_score(KoopmanEDMD().fit(X[:10]), X[10:]) > -1e-12)
    True
    """
    return -float(np.median(to_numpy(estimator.held_out_residuals(X, y))))


def multi_step_score(estimator: Any, X: Any, y: Any = None, *, n_steps: int = 10) -> float:
    """R^2 of forecasts ``n_steps`` ahead from every state of held-out trajectories.

    Parameters
    ----------
    estimator : KoopmanEDMD
        Fitted without inputs.
    X : array, or list of trajectories
        Data that were left out of the fit, in time order: use ``TimeSeriesSplit``.
    y : None
        Labels are ignored; successors of single states do not reach ``n_steps`` ahead.
    n_steps : int, default=10
        Steps ahead; ``functools.partial`` sets another number for a search.

    Returns
    -------
    score : float
        1 is perfect, 0 as good as the mean of the held-out states; minus infinity where a forecast
        leaves the range of floats.

    Raises
    ------
    ValueError
        If y holds successors, or no trajectory is longer than ``n_steps``.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.dynamics import KoopmanEDMD, multi_step_score
    >>> X = 0.9 ** np.arange(40.0)[:, None]
    >>> bool(multi_step_score(KoopmanEDMD().fit(X[:20]), X[20:]) > 1 - 1e-12)
    True
    """
    check_is_fitted(estimator)
    if is_pairs(y):
        raise ValueError(
            "multi_step_score needs trajectories, but y holds successors of single states. Leave y "
            "out and split by TimeSeriesSplit, or use residual_score."
        )
    model = estimator._model
    window, reach = model.window, model.window + n_steps
    segments = snapshot_segments(estimator, X, like=model.matrix, method="score", window=window)
    tables = [segment.states for segment in segments if segment.states.shape[0] >= reach]
    if not tables:
        raise ValueError(
            f"No held-out trajectory is longer than n_steps={n_steps} and the {window} time(s) a "
            "forecast starts from. Take fewer steps or fewer splits."
        )
    xp = array_namespace(*tables)
    starts, targets = [], []
    for states in tables:
        n = states.shape[0] - reach + 1
        starts.append(xp.stack([states[t : t + n, :] for t in range(window)], axis=1))
        targets.append(states[reach - 1 :, :])
    ahead = double(trajectories(model, xp.concat(starts, axis=0), n_steps)[:, -1, :])
    if not bool(xp.all(xp.isfinite(ahead))):
        return -np.inf
    return explained_variance(double(xp.concat(targets, axis=0)), ahead)
