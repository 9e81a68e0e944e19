"""Recall versus area: how much has to be searched until the true cell is found."""

from __future__ import annotations

import numpy as np

from ..._array import Array, array_namespace, double

__all__ = ["area_reaching", "recall_curve", "recall_within", "searched_area"]

_ROUNDING = 1e-11  # of a sum of areas, relative: equal sets of cells may differ by so much
_BLOCK = 1 << 18  # scores compared at a time: their mask stays in the cache of the processor


def searched_area(
    scores: Array,
    true: Array,
    areas: Array,
    *,
    rank_by: str = "score",
    ties: str = "pessimistic",
) -> Array:
    r"""Area of the cells that rank as high as the true one, row by row.

    .. math:: a_i = \sum_c A_c [s_{ic} > s_{i t_i}] + T_i

    Cells that tie with the true one add to T: all of them if ties are "pessimistic", none but the
    true one if "optimistic", and half of the others if "expected", the mean over random orders.
    Nothing is sorted: two comparisons and a product for each score.

    Parameters
    ----------
    scores : array of shape (n_samples, n_cells)
        Larger is searched earlier. May hold minus infinity.
    true : array of int of shape (n_samples,)
        Column of the true cell.
    areas : array of shape (n_cells,)
        In float64.
    rank_by : {"score", "density", "log_density"}, default="score"
        Whether scores are divided by the areas, or lose the logarithm of them, before.
    ties : {"pessimistic", "optimistic", "expected"}, default="pessimistic"
        What cells of equal score count.

    Returns
    -------
    found : array of shape (n_samples,)
        In float64, in the unit of ``areas``.
    """
    xp = array_namespace(scores, areas)
    step = max(1, _BLOCK // max(scores.shape[1], 1))
    parts = []
    n_samples = scores.shape[0]
    for start in range(0, n_samples, step):
        rows = slice(start, min(start + step, n_samples))
        block, at = scores[rows, :], true[rows]
        if rank_by == "density":
            block = block / areas
        elif rank_by == "log_density":
            block = block - xp.log(areas)
        level = xp.take_along_axis(block, at[:, None], axis=1)
        if ties == "pessimistic":
            parts.append(double(block >= level) @ areas)
            continue
        above, own = double(block > level) @ areas, xp.take(areas, at)
        if ties == "expected":
            above = above + 0.5 * (double(block == level) @ areas - own)
        parts.append(above + own)
    return xp.concat(parts) if parts else areas[:0]


def recall_curve(found: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas at which the recall rises, and the share of the weight found within each.

    Parameters
    ----------
    found : ndarray of shape (n_samples,)
        From `searched_area`; infinity where a cell is never found.
    weights : ndarray of shape (n_samples,)
        Weight of each row, not all zero.

    Returns
    -------
    area : ndarray of shape (n_steps,)
        Ascending.
    recall : ndarray of shape (n_steps,)
        Ascending; stays below 1 where some are never found.
    """
    order = np.argsort(found, kind="stable")
    area, weight = found[order], weights[order]
    recall = np.minimum(np.cumsum(weight) / weights.sum(), 1.0)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        rises = area[1:] - area[:-1] > _ROUNDING * area[1:]
    last = np.append(rises, True) & np.isfinite(area)
    last[:-1] |= np.isfinite(area[:-1]) & np.isinf(area[1:])
    return area[last], recall[last]


def recall_within(found: np.ndarray, weights: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Share of the weight found within each budget of area.

    Parameters
    ----------
    found : ndarray of shape (n_samples,)
        From `searched_area`.
    weights : ndarray of shape (n_samples,)
        Weight of each row, not all zero.
    budget : ndarray
        Areas.

    Returns
    -------
    recall : ndarray
        In [0, 1], in the shape of ``budget``.
    """
    area, recall = recall_curve(found, weights)
    return np.append(0.0, recall)[np.searchsorted(area, budget * (1 + _ROUNDING), side="right")]


def area_reaching(found: np.ndarray, weights: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Smallest area within which a share of the weight is found.

    Parameters
    ----------
    found : ndarray of shape (n_samples,)
        From `searched_area`.
    weights : ndarray of shape (n_samples,)
        Weight of each row, not all zero.
    recall : ndarray
        Shares, in (0, 1].

    Returns
    -------
    area : ndarray
        In the shape of ``recall``; infinity where no area has so much.
    """
    area, reached = recall_curve(found, weights)
    # sums of weights are rounded: a recall of .3 is reached by 3 of 10 rows
    place = np.searchsorted(reached, np.asarray(recall) - 1e-12, side="left")
    return np.append(area, np.inf)[place]
