"""Random rows that spread out: projection determinantal point processes and volume sampling.

Q (n, m) has orthonormal columns throughout. Its projection DPP draws m different rows S with
probability det(Q_S)^2; volume sampling draws more than m. Rows enter by their inner products only,
so the law does not depend on the basis of the column space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..._array import to_numpy
from .given_rows import given_rows

__all__ = [
    "Draw",
    "RowLaw",
    "independent_rows",
    "own_order",
    "projection_dpp",
    "row_law",
    "volume_sample",
]

# A draw needs m H_m proposals on average, and this many times m H_m with probability below 1e-40.
_PATIENCE = 100
# The sum of squared lengths of the rows is m if the columns are orthonormal.
_ORTHONORMAL = 1e-6


class RowLaw(NamedTuple):
    """What draws from the same Q share, so that it is computed once."""

    basis: np.ndarray
    """Q, (n, m) float64 with orthonormal columns, C-contiguous."""
    norms: np.ndarray
    """Squared lengths of the rows, (n,); they sum to m."""
    cumulative: np.ndarray
    """Running sum of ``norms`` in the order of ``order``, (n,)."""
    order: np.ndarray | None
    """Order in which rows take their share of [0, 1); None means as they come."""


class Draw(NamedTuple):
    """Rows drawn, and what it took."""

    indices: np.ndarray
    """Row numbers, in the order drawn."""
    n_proposals: int
    """Rows looked at by the rejection sampler, those accepted included; 0 for the dense one."""


def row_law(Q: np.ndarray, order: np.ndarray | None = None) -> RowLaw:
    """Prepare ``Q`` for repeated draws: one pass over its rows.

    Parameters
    ----------
    Q : ndarray of shape (n, m)
        Orthonormal columns.
    order : ndarray of shape (n,), default=None
        A permutation of the rows. Draws from the same random numbers then give the same rows
        however the table was shuffled, if the permutation puts rows in an order of their own.

    Returns
    -------
    law : RowLaw
        To be handed to `projection_dpp` and `volume_sample` instead of ``Q``.

    Raises
    ------
    ValueError
        If the columns of Q are not orthonormal.
    """
    Q = np.ascontiguousarray(Q, dtype=np.float64)
    norms = np.einsum("ij,ij->i", Q, Q)
    cumulative = np.cumsum(norms if order is None else norms[order])
    total, n_columns = (cumulative[-1] if len(Q) else 0.0), Q.shape[1]
    if n_columns == 0 or not abs(total - n_columns) <= _ORTHONORMAL * n_columns:
        raise ValueError(
            f"Q of shape {Q.shape} has squared entries that sum to {total:.6g}, but orthonormal "
            f"columns need {n_columns} (at least 1 column). Orthonormalise it, for example with "
            "numpy.linalg.qr."
        )
    return RowLaw(Q, norms, cumulative, order)


def own_order(rows: Any, lengths: np.ndarray) -> np.ndarray:
    """Order of rows along one fixed generic direction: the same however the table was shuffled.

    Parameters
    ----------
    rows : ndarray or sparse matrix of shape (n, d)
        Equal rows are neighbours in the order, in whichever order among themselves.
    lengths : ndarray of shape (d,)
        Scale of each column; 0 counts as 1.

    Returns
    -------
    order : ndarray of shape (n,)
        Row numbers.
    """
    direction = np.random.default_rng(20231206).standard_normal(rows.shape[1])
    return np.argsort(rows @ (direction / np.where(lengths > 0, lengths, 1.0)), kind="stable")


def _as_law(Q: np.ndarray | RowLaw) -> RowLaw:
    return Q if isinstance(Q, RowLaw) else row_law(to_numpy(given_rows(Q, name="Q")))


def independent_rows(cumulative: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows with replacement from a running sum of weights.

    Parameters
    ----------
    cumulative : ndarray of shape (n,)
        Running sum of nonnegative weights; rows of weight zero are never drawn.
    size : int
        Number of draws.
    rng : Generator
        Random numbers.

    Returns
    -------
    positions : ndarray of shape (size,)
        Positions in ``cumulative``.
    """
    positions = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    # u * total may round up to the total itself: that is the last row with a share of its own
    return np.minimum(positions, np.searchsorted(cumulative, cumulative[-1]))


def projection_dpp(
    Q: np.ndarray | RowLaw, rng: np.random.Generator, *, method: str = "auto"
) -> np.ndarray:
    """Draw m different rows of ``Q`` with probability det(Q_S)^2.

    Parameters
    ----------
    Q : ndarray of shape (n, m), or RowLaw
        Orthonormal columns. For many draws hand in ``row_law(Q)``, which is computed once.
    rng : Generator
        Random numbers.
    method : {"auto", "rejection", "dense"}, default="auto"
        "rejection" proposes rows by their lengths: O(m^3 log m) whatever n. "dense" updates the
        residual of each row after each choice: O(n m^2). Both are exact; "auto" takes "dense" when
        m^2 > n / 10.

    Returns
    -------
    indices : ndarray of shape (m,)
        In the order drawn.

    Raises
    ------
    ValueError
        If the columns are not orthonormal.

    References
    ----------
    J. B. Hough, M. Krishnapur, Y. Peres, B. Virag, "Determinantal processes and independence",
    Probability Surveys 3 (2006), algorithm 18 (the chain rule).
    S. Barthelme, N. Tremblay, P.-O. Amblard, "A faster sampler for discrete determinantal point
    processes", AISTATS 2023 (rejection).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import projection_dpp
    >>> Q = np.linalg.qr(np.vander(np.linspace(-1, 1, 200), 4))[0]
    >>> rows = projection_dpp(Q, np.random.default_rng(0))
    >>> len(set(rows.tolist()))
    4
    """
    return dpp_draw(_as_law(Q), rng, method=method).indices


def dpp_draw(law: RowLaw, rng: np.random.Generator, *, method: str = "auto") -> Draw:
    """Draw as `projection_dpp` and count the proposals."""
    n, m = law.basis.shape
    if method not in ("auto", "rejection", "dense"):
        raise ValueError(
            f"method={method!r} is not known here. Use 'auto', 'rejection' or 'dense'."
        )
    if method == "dense" or (method == "auto" and m * m > n / 10):
        return _dense_draw(law, rng)
    return _rejection_draw(law, rng)


def _rejection_draw(law: RowLaw, rng: np.random.Generator) -> Draw:
    """Proposals come from the row lengths in batches of about what a draw needs."""
    m = law.basis.shape[1]

    def propose(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        positions = independent_rows(law.cumulative, size, rng)
        return law.basis, law.norms, positions if law.order is None else law.order[positions]

    rows, used = chain_of_proposals(m, propose, rng)
    return Draw(rows, used)


def chain_of_proposals(
    m: int,
    propose: Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]],
    rng: np.random.Generator,
) -> tuple[np.ndarray, int]:
    """Fill m places by rejection; returns the rows chosen and how many were looked at.

    ``propose(size)`` gives rows, their squared lengths, and the numbers of those proposed. It may
    add rows behind those of the calls before, never change them.
    """
    from ...kernels.dpp import accept_proposals

    expected = m * (np.log(m) + 1.0)
    chosen = np.empty(m, dtype=np.int64)
    basis = np.zeros((m, m))
    n_chosen = n_used = 0
    while n_chosen < m:
        if n_used > _PATIENCE * expected:
            raise ValueError(
                f"{n_used} rows were proposed and {n_chosen} of {m} accepted: the columns are not "
                "orthonormal. Orthonormalise them, for example with numpy.linalg.qr."
            )
        rows, norms, numbers = propose(int(1.25 * expected) + 8)
        n_chosen, used = accept_proposals(
            rows, norms, numbers, rng.random(numbers.size), basis, chosen, n_chosen
        )
        n_used += used
    return chosen, n_used


def _dense_draw(law: RowLaw, rng: np.random.Generator) -> Draw:
    """Residual of every row, one product with Q after each choice."""
    Q = law.basis
    m = Q.shape[1]
    order = law.order
    residual = law.norms.copy()
    basis = np.zeros((m, m))
    chosen = np.empty(m, dtype=np.int64)
    for t in range(m):
        # the sum of the residuals is m - t up to rounding: dividing by m - t itself would be wrong
        cumulative = np.cumsum(residual if order is None else residual[order])
        position = independent_rows(cumulative, 1, rng)[0]
        j = position if order is None else order[position]
        direction = Q[j].copy()
        for _ in range(2):
            direction -= basis[:t].T @ (basis[:t] @ direction)
        direction /= np.linalg.norm(direction)
        basis[t], chosen[t] = direction, j
        residual -= (Q @ direction) ** 2
        np.maximum(residual, 0.0, out=residual)
        residual[chosen[: t + 1]] = 0.0
    return Draw(chosen, 0)


def volume_sample(
    Q: np.ndarray | RowLaw,
    n_points: int,
    rng: np.random.Generator,
    *,
    replacement: bool = True,
    reference: np.ndarray | None = None,
    method: str = "auto",
) -> np.ndarray:
    r"""Draw ``n_points`` rows with probability proportional to a determinant of their Gram matrix.

    With replacement the density is :math:`\det(\sum_i q_i q_i^T / \nu_i) \prod_i \nu_i` over
    sequences, without it :math:`\det(Q_S^T Q_S)` over sets.

    Parameters
    ----------
    Q : ndarray of shape (n, m), or RowLaw
        Orthonormal columns.
    n_points : int
        At least m; at most n without replacement.
    rng : Generator
        Random numbers.
    replacement : bool, default=True
        Whether a row may come again.
    reference : ndarray of shape (n,), default=None
        Reference measure :math:`\nu` of sampling with replacement, up to a factor, positive where
        rows of Q are not zero. None means the squared lengths of the rows (the optimal measure).
    method : {"auto", "rejection", "dense"}, default="auto"
        As in `projection_dpp`.

    Returns
    -------
    indices : ndarray of shape (n_points,)
        In random order.

    Raises
    ------
    ValueError
        If ``n_points`` is out of range, or ``reference`` is zero where a row is not.

    Notes
    -----
    Both are exact and cost one projection DPP. With replacement: m rows of the projection DPP and
    n_points - m independent ones from :math:`\nu`, shuffled. Without: m rows of the projection
    DPP and a uniformly random set of the others. By Cauchy-Binet
    :math:`\sum_{T \subset S} \det(Q_T)^2 = \det(Q_S^T Q_S)`, which is the law asked for; reverse
    elimination gives the same in O(n^2 m).

    References
    ----------
    M. Derezinski, M. K. Warmuth, D. Hsu, "Unbiased estimators for random design regression",
    JMLR 23 (2022) (volume-rescaled sampling).
    A. Nouy, B. Michel, "Weighted least-squares approximation with determinantal point processes
    and generalized volume sampling", arXiv:2312.14057 (any reference measure).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import volume_sample
    >>> Q = np.linalg.qr(np.vander(np.linspace(-1, 1, 200), 4))[0]
    >>> rows = volume_sample(Q, 10, np.random.default_rng(0), replacement=False)
    >>> len(set(rows.tolist()))
    10
    """
    law = _as_law(Q)
    return volume_draw(
        law, n_points, rng, replacement=replacement, reference=reference, method=method
    ).indices


def volume_draw(
    law: RowLaw,
    n_points: int,
    rng: np.random.Generator,
    *,
    replacement: bool,
    reference: np.ndarray | None,
    method: str,
    absent: np.ndarray | None = None,
) -> Draw:
    """Draw as `volume_sample` and count the proposals; rows marked ``absent`` never come."""
    n, m = law.basis.shape
    n -= 0 if absent is None else int(absent.sum())
    most = n_points if replacement else n
    if not m <= n_points <= most:
        limit = "" if replacement else f" and at most {n} rows"
        raise ValueError(
            f"n_points={n_points} cannot be drawn by volume sampling from {n} rows of rank {m}: it "
            f"needs at least {m}{limit}. Change n_points or use fewer features."
        )
    first, n_proposals = dpp_draw(law, rng, method=method)
    if not replacement:
        # each row's lot is tied to its place in the order: shuffled tables give the same rows
        lots = rng.random(len(law.norms))
        if law.order is not None:
            lots[law.order] = lots.copy()
        lots[first] = np.inf
        if absent is not None:
            lots[absent] = np.inf
        extra = n_points - m
        rest = np.argpartition(lots, extra - 1)[:extra] if extra else np.empty(0, dtype=np.int64)
        rest = rest[np.argsort(lots[rest])]
    else:
        cumulative = law.cumulative
        if reference is not None:
            reference = _checked_reference(reference, law.norms)
            cumulative = np.cumsum(reference if law.order is None else reference[law.order])
        positions = independent_rows(cumulative, n_points - m, rng)
        rest = positions if law.order is None else law.order[positions]
    return Draw(rng.permutation(np.concatenate([first, rest])), n_proposals)


def _checked_reference(reference: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """The reference measure as float64; zero only where rows are zero."""
    reference = np.asarray(reference, dtype=np.float64)
    if reference.shape != norms.shape:
        raise ValueError(
            f"The reference measure has shape {reference.shape}, but there are {norms.size} rows. "
            "Give one nonnegative number for each row."
        )
    if not np.isfinite(reference).all() or (reference < 0).any():
        raise ValueError("The reference measure must be nonnegative and finite.")
    missed = int(((reference == 0) & (norms > 0)).sum())
    if missed:
        raise ValueError(
            f"The reference measure is 0 at {missed} row(s) that carry features: their weights "
            "would be infinite. Make it positive there."
        )
    return reference
