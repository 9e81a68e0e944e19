"""The largest share that one row can have in a p-norm: sensitivities, with certified bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .given_rows import given_rows
from .leverage import row_energies, whitener
from .lewis_weights import lewis_fixed_point

__all__ = ["Sensitivities", "lp_sensitivities", "sensitivity_bounds"]

# Multiply-adds beyond which all exact sensitivities are refused: about five minutes on one core.
GUARD = 2e12
_TYPICAL_STEPS = 20  # for the estimate of the cost that is told
_SAMPLE_TOL = 0.05  # gap at which problems against a sample are done
_TARGETS_AT_ONCE = 128  # rows whose problems are solved together: weights (128, n) stay in cache
_WEIGHT_FLOOR = 1e-12
_FLOOR = 1e-8  # residuals below this share of the largest count as that share (p < 2)


class Sensitivities(NamedTuple):
    """Sensitivities between bounds that are proved, not estimated."""

    scores: np.ndarray
    """Share that a direction was found to give the row: a lower bound, second-order accurate."""
    upper: np.ndarray
    """Upper bound from a dual point."""
    n_iter: int
    """Steps of the slowest row."""
    converged: bool
    """Whether upper - lower is at most ``tol`` times upper for every row."""


def lp_sensitivities(
    A: Any,
    *,
    p: float = 2.0,
    method: str = "auto",
    tol: float = 1e-2,
    max_iter: int = 200,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    r"""Sensitivity of each row: the largest share of :math:`|Ax|_p^p` that it can have.

    :math:`s_i = \max_x |a_i^T x|^p / |Ax|_p^p`, in [0, 1].

    Parameters
    ----------
    A : ndarray or sparse matrix of shape (n_samples, n_features)
        Rows. Any rank. NumPy or SciPy sparse.
    p : float, default=2.0
        At least 1. For p = 2 these are the leverage scores.
    method : {"auto", "exact", "approximate"}, default="auto"
        - "exact": one convex problem per row, of order n^2 d^2 in all.
        - "approximate": the same problems on a sample of rows drawn by Lewis weights, then clipped
          to the bounds that Lewis weights give; of order n d^3 log d.
        - "auto": "exact" up to 2e10 multiply-adds, then "approximate".
    tol : float, default=1e-2
        Relative gap between the certified bounds at which a row is done.
    max_iter : int, default=200
        Most steps per row. At p = 1 rows that are not done by then are given to a linear programme.
    rng : Generator, default=None
        Draws the sample of "approximate"; None means ``default_rng(0)``.

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        In float64; 0 for zero rows.

    Raises
    ------
    ValueError
        If p is below 1; if "exact" would cost more than 2e12 multiply-adds (the message tells the
        cost and the alternative); if ``max_iter`` steps did not reach ``tol``.

    See Also
    --------
    lewis_weights : Upper bounds (p <= 2) at the cost of a few least-squares problems.

    Notes
    -----
    With :math:`r = Ax`, weights :math:`|r|^{p-2}` and the weighted Gram matrix M, a step goes to
    :math:`z = M^{-1} a_i / a_i^T M^{-1} a_i`, damped by 1 / (p - 1) for p > 2. It also gives a
    dual point :math:`\lambda = W A M^{-1} a_i` with :math:`A^T \lambda = a_i`, so that by Hoelder
    :math:`|a_i^T x|^p / |Ax|_p^p \le s_i \le |\lambda|_q^p`: the gap is certified at no cost.
    The score itself, being an attained share, is more accurate than the gap. At p = 1 the gap
    closes slowly below 1e-2: the linear programmes that then finish cost some 10 ms per row.

    References
    ----------
    D. P. Woodruff, T. Yasuda, "Sharper bounds for lp sensitivity sampling", ICML 2023
    (definition 1.1).
    S. Padmanabhan, D. P. Woodruff, Q. R. Zhang, "Computing approximate lp sensitivities",
    NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import lp_sensitivities
    >>> A = np.array([[1.0], [2.0], [3.0]])      # one column: |a_i|^p / sum |a_j|^p
    >>> lp_sensitivities(A, p=4.0).round(3)
    array([0.01 , 0.163, 0.827])
    """
    A = given_rows(A)
    found = sensitivity_scores(A, p=p, method=method, tol=tol, max_iter=max_iter, rng=rng)
    if not found.converged:
        gap = float(np.max(1.0 - found.scores / np.where(found.upper > 0, found.upper, 1.0)))
        raise ValueError(
            f"After max_iter={max_iter} steps the bounds of some sensitivity for p={p} are still "
            f"{gap:.1e} apart (relative), above tol={tol:.1e}. Increase max_iter or tol."
        )
    return found.scores


def sensitivity_scores(
    A: Any,
    *,
    p: float,
    method: str = "auto",
    tol: float = 1e-2,
    max_iter: int = 200,
    rng: np.random.Generator | None = None,
) -> Sensitivities:
    """Sensitivities as `lp_sensitivities` gives them, with their bounds."""
    if not p >= 1:
        raise ValueError(f"p={p} must be at least 1: below it no norm is meant.")
    if method not in ("auto", "exact", "approximate"):
        raise ValueError(
            f"method={method!r} is not known here. Use 'auto', 'exact' or 'approximate'."
        )
    T = whitener(A)
    tau = np.clip(row_energies(A, T), 0.0, 1.0)
    if p == 2 or T.shape[1] == 0:
        return Sensitivities(tau, tau, 1, True)
    n, rank = A.shape[0], T.shape[1]
    cost = _TYPICAL_STEPS * float(n) * n * rank * (rank + 1) / 2
    if method == "exact" and cost > GUARD:
        raise ValueError(
            f"Exact sensitivities of {n} rows of rank {rank} need about {cost:.1e} multiply-adds "
            f"(limit {GUARD:.0e}). Use method='approximate' (the same on a Lewis sample of the "
            "rows), or Lewis weights, which bound them."
        )
    rows = np.asarray(A @ T, dtype=np.float64)
    if method == "exact" or (method == "auto" and cost <= GUARD / 100):
        return sensitivity_bounds(rows, rows, p, tol=tol, max_iter=max_iter)
    return _from_sample(
        rows, tau, p, tol, max_iter, np.random.default_rng(0) if rng is None else rng
    )


def _from_sample(
    rows: np.ndarray, tau: np.ndarray, p: float, tol: float, max_iter: int, rng: np.random.Generator
) -> Sensitivities:
    """Problems against a Lewis sample in place of all rows; Lewis weights bound the answers."""
    n, rank = rows.shape
    w = lewis_fixed_point(rows, p=p, tol=1e-2, max_iter=200).weights
    size = int(np.ceil(20 * rank * (1 + np.log(rank))))
    kept = np.minimum(1.0, w * (size / rank))
    chosen = np.flatnonzero(rng.random(n) < kept)
    sample = rows[chosen] * (kept[chosen] ** (-1.0 / p))[:, None]
    T = whitener(sample)
    if T.shape[1] < rank:
        raise ValueError(
            f"A Lewis sample of {len(chosen)} rows has rank {T.shape[1]}, not {rank}. Use another "
            "random state, or method='exact'."
        )
    # the sample itself is off by some tenths: a closer solution would not be a better one
    tol = max(tol, _SAMPLE_TOL)
    found = sensitivity_bounds(sample @ T, rows @ T, p, tol=tol, max_iter=max_iter)
    n_rows = float(n)
    root = tau ** (p / 2.0)
    bounds = (
        (n_rows ** (p / 2 - 1) * root, np.minimum(root, w * 1.01))
        if p < 2
        else (root, np.minimum(n_rows ** (p / 2 - 1) * root, rank ** (p / 2 - 1) * w * 1.01))
    )
    scores = np.minimum(np.clip(found.scores, *bounds), 1.0)
    return Sensitivities(scores, np.minimum(bounds[1], 1.0), found.n_iter, found.converged)


def sensitivity_bounds(
    rows: np.ndarray, targets: np.ndarray, p: float, *, tol: float, max_iter: int
) -> Sensitivities:
    """Certified bounds of ``max_x |t^T x|^p / |rows x|_p^p`` for each target t.

    Parameters
    ----------
    rows : ndarray of shape (n, rank)
        Of full column rank, best with orthonormal columns.
    targets : ndarray of shape (n_targets, rank)
        Rows asked about; zero rows have sensitivity 0.
    p : float
        At least 1.
    tol : float
        Relative gap of the bounds at which a target is done.
    max_iter : int
        Most steps.

    Returns
    -------
    sensitivities : Sensitivities
        Of the targets.
    """
    rank = rows.shape[1]
    upper_triangle = np.triu_indices(rank)
    products = rows[:, upper_triangle[0]] * rows[:, upper_triangle[1]]
    lower, upper = np.zeros(len(targets)), np.zeros(len(targets))
    asked = np.flatnonzero(np.einsum("ij,ij->i", targets, targets) > 0)
    slowest, converged = 0, True
    for start in range(0, asked.size, _TARGETS_AT_ONCE):
        batch = asked[start : start + _TARGETS_AT_ONCE]
        problem = _Problem(rows, products, upper_triangle, p)
        low, high, steps = problem.solve(targets[batch], tol, max_iter)
        if p == 1:
            for i in np.flatnonzero(high - low > tol * high):
                low[i] = high[i] = _by_linear_programme(rows, targets[batch[i]])
        lower[batch], upper[batch] = low, high
        slowest = max(slowest, steps)
        converged = converged and bool((high - low <= tol * high).all())
    return Sensitivities(lower, upper, slowest, converged)


def _by_linear_programme(rows: np.ndarray, target: np.ndarray) -> float:
    """Sensitivity for p = 1: the smallest ``max |l|`` with ``rows^T l = target`` (the dual)."""
    from scipy.optimize import linprog

    n = len(rows)
    # l = u - t with 0 <= u <= 2 t would need n more rows; scaled by t instead: rows^T l = target
    # with |l| <= t is rows^T m = target / t with |m| <= 1, so the largest 1 / t is sought
    cost = np.zeros(n + 1)
    cost[-1] = -1.0
    equal = np.hstack([rows.T, -target[:, None]])
    bounds = [(-1.0, 1.0)] * n + [(0.0, None)]
    found = linprog(cost, A_eq=equal, b_eq=np.zeros(len(target)), bounds=bounds, method="highs")
    if found.status != 0:
        raise ValueError(
            f"The linear programme of a sensitivity at p=1 failed: {found.message} Increase tol."
        )
    return min(1.0, -1.0 / found.fun)


class _Problem(NamedTuple):
    """Rows, the products of their entries (upper triangle), and the exponent."""

    rows: np.ndarray
    products: np.ndarray
    triangle: tuple[np.ndarray, np.ndarray]
    p: float

    def solve(
        self, targets: np.ndarray, tol: float, max_iter: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Best bounds for a batch of targets; those that are done leave the batch."""
        p, k = self.p, len(targets)
        best_low, best_high = np.zeros(k), np.full(k, np.inf)
        live, step = np.arange(k), 0
        x, _ = self._weighted(np.ones((k, len(self.rows))), targets)
        damping = np.full(k, 1.0 if p <= 2 else 1.0 / (p - 1.0))
        energy = self._energy(x @ self.rows.T)
        for step in range(1, max_iter + 1):
            t = targets[live]
            r = x @ self.rows.T
            z, dual = self._weighted(self._weights(r, step), t)
            best_low[live] = np.maximum(best_low[live], 1.0 / energy)
            best_high[live] = np.minimum(best_high[live], self._dual_value(dual))
            moved = x + damping[:, None] * (z - x)
            new = self._energy(moved @ self.rows.T)
            worse = new > energy * (1 + 1e-14)
            if p > 2 and worse.any():  # backtrack: half the step next time, stay for now
                damping = np.where(worse, damping / 2, 1.0 / (p - 1.0))
                moved = np.where(worse[:, None], x, moved)
                new = np.where(worse, energy, new)
            going = best_high[live] - best_low[live] > tol * best_high[live]
            # the last step is at hand: a better lower bound at no cost
            best_low[live] = np.maximum(best_low[live], 1.0 / new)
            x, energy, damping, live = moved[going], new[going], damping[going], live[going]
            if not live.size:
                break
        return np.minimum(best_low, 1.0), np.minimum(best_high, 1.0), step

    def _energy(self, r: np.ndarray) -> np.ndarray:
        """The p-th power of the norm of each row of residuals."""
        return np.sum(np.abs(r) ** self.p, axis=1)

    def _weights(self, r: np.ndarray, step: int) -> np.ndarray:
        size = np.abs(r)
        if self.p < 2:
            floor = max(_FLOOR, 0.1 * 0.95**step) if self.p < 1.5 else _FLOOR
            size = np.maximum(size, floor * size.max(axis=1, keepdims=True))
        return size ** (self.p - 2.0)

    def _weighted(self, W: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minimiser of the weighted squares with t^T x = 1, and the dual point of each target."""
        rank = self.rows.shape[1]
        # the floor keeps M regular where most residuals vanish; the bounds hold for any weights
        W = np.maximum(W / W.max(axis=1, keepdims=True), _WEIGHT_FLOOR)
        flat = W @ self.products
        M = np.empty((len(targets), rank, rank))
        M[:, self.triangle[0], self.triangle[1]] = flat
        M[:, self.triangle[1], self.triangle[0]] = flat
        direction = np.linalg.solve(M, targets[:, :, None])[:, :, 0]
        dual = W * (direction @ self.rows.T)
        return direction / np.sum(direction * targets, axis=1)[:, None], dual

    def _dual_value(self, dual: np.ndarray) -> np.ndarray:
        """|lambda|_q^p with q = p / (p - 1), an upper bound of the sensitivity."""
        size = np.abs(dual)
        top = size.max(axis=1)
        if self.p == 1:
            return top
        q = self.p / (self.p - 1.0)
        return (top * np.sum((size / top[:, None]) ** q, axis=1) ** (1.0 / q)) ** self.p
