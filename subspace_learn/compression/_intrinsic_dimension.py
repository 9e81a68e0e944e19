"""How many numbers a model needs: the intrinsic dimension of an objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit, cross_val_score
from sklearn.utils import Bunch, get_tags

from .._base import random_generator, tell

__all__ = ["intrinsic_dimension"]

_NARROW = 1.1  # bisection stops when its ends are this near


def intrinsic_dimension(
    estimator: Any,
    X: Any,
    y: Any,
    dims: str | Sequence[int] = "auto",
    threshold: float = 0.9,
    *,
    cv: Any = None,
    n_repeats: int = 3,
    scoring: Any = None,
    random_state: Any = 0,
    verbose: int = 0,
) -> Bunch:
    r"""Smallest dimension of a random subspace that does nearly as well as all parameters.

    Parameters
    ----------
    estimator : estimator
        With parameters ``n_components``, of which None means all parameters, and ``random_state``,
        such as `RandomSubspaceClassifier`.
    X : array of shape (n_samples, n_features)
        Rows.
    y : array of shape (n_samples,)
        Targets.
    dims : "auto" or list of int, default="auto"
        Dimensions to try. "auto" doubles from 1 until the threshold is reached, then halves the
        interval until its ends are within 10 %.
    threshold : float, default=0.9
        Share of the baseline score to reach, in (0, 1].
    cv : cross-validation generator or int, default=None
        How scores are measured. None holds out 30 % of the rows, once.
    n_repeats : int, default=3
        Seeds of start and projection for each dimension; the same seeds for all.
    scoring : str or callable, default=None
        As in scikit-learn; None is the estimator's own. Larger must be better, and 0 no skill.
    random_state : int, RandomState, Generator or None, default=0
        Of the seeds and of the split.
    verbose : int, default=0
        Above 0, one line for each dimension is printed.

    Returns
    -------
    found : Bunch
        ``dimension``: the smallest of the dimensions tried whose median score reaches the
        threshold, or None. ``dims``: those tried, ascending. ``scores`` (n_dims, n_repeats).
        ``baseline`` (n_repeats,): with all parameters. ``target``: threshold times its median.

    Raises
    ------
    ValueError
        If the estimator has no ``n_components``, the threshold is out of range, ``dims`` is empty,
        or "auto" and the fitted estimator has no ``n_parameters_``.

    Notes
    -----
    The name is that of the paper; it says nothing of the dimension of the data. Scores vary between
    projections: report their spread. To compare models, choose by validation rows and score on
    others. Costs n_repeats fits a dimension and split.

    References
    ----------
    C. Li, H. Farkhoor, R. Liu, J. Yosinski, "Measuring the Intrinsic Dimension of Objective
    Landscapes", ICLR 2018, section 2.1 (threshold 0.9: "dint90").

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from subspace_learn.compression import RandomSubspaceClassifier, intrinsic_dimension
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomSubspaceClassifier((8,), alpha=1.0, max_iter=1000)
    >>> found = intrinsic_dimension(model, scale(X), y, dims=[1, 2, 4, 8, 16])
    >>> found.dimension in (2, 4, 8)
    True
    """
    _check_question(estimator, dims, threshold)
    rng = random_generator(random_state)
    seeds = [int(seed) for seed in rng.integers(2**31, size=n_repeats)]
    if cv is None:
        classes = get_tags(estimator).estimator_type == "classifier"
        split = StratifiedShuffleSplit if classes else ShuffleSplit
        cv = split(1, test_size=0.3, random_state=int(rng.integers(2**31)))
    scores: dict[int | None, np.ndarray] = {}

    def median_score(dim: int | None) -> float:
        if dim not in scores:
            models = [clone(estimator).set_params(n_components=dim, random_state=s) for s in seeds]
            scores[dim] = np.array(
                [cross_val_score(m, X, y, cv=cv, scoring=scoring).mean() for m in models]
            )
            if verbose:
                name = "all parameters" if dim is None else f"dimension {dim}"
                tell("intrinsic_dimension", f"{name}: {np.median(scores[dim]):.4f}")
        return float(np.median(scores[dim]))

    target = threshold * median_score(None)
    if isinstance(dims, str):
        largest = clone(estimator).set_params(n_components=None, random_state=seeds[0]).fit(X, y)
        if not hasattr(largest, "n_parameters_"):
            raise ValueError(
                f"{type(estimator).__name__} does not say how many parameters it has (no "
                'n_parameters_ after fit), which dims="auto" needs. Give a list of dimensions.'
            )
        reached = _searched(median_score, target, largest.n_parameters_)
    else:
        tried = sorted(set(map(int, dims)))
        if not tried:
            raise ValueError("dims is an empty list: give at least one dimension.")
        reached = next((d for d in tried if median_score(d) >= target), None)
        for d in tried:  # the rest of the curve
            median_score(d)
    order = sorted(d for d in scores if d is not None)
    return Bunch(
        dimension=reached,
        dims=np.array(order),
        scores=np.array([scores[d] for d in order]),
        baseline=scores[None],
        target=target,
    )


def _check_question(estimator: Any, dims: str | Sequence[int], threshold: float) -> None:
    if "n_components" not in estimator.get_params():
        raise ValueError(
            f"{type(estimator).__name__} has no parameter n_components. Give an estimator that is "
            "trained in a subspace, such as RandomSubspaceClassifier."
        )
    if isinstance(dims, str) and dims != "auto":
        raise ValueError(f"dims={dims!r} is not known here. Use 'auto' or a list of dimensions.")
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must lie in (0, 1]: a share of the baseline.")


def _searched(median_score: Any, target: float, largest: int) -> int | None:
    """Double until the target is reached, then bisect."""
    low, high = 0, 1
    while median_score(high) < target:
        if high == largest:
            return None
        low, high = high, min(2 * high, largest)
    while high - low > 1 and high > _NARROW * low:
        middle = (low + high) // 2
        low, high = (low, middle) if median_score(middle) >= target else (middle, high)
    return high
