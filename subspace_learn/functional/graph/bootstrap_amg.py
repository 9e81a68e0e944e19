"""Bootstrap algebraic multigrid: each hierarchy is built on the error that those before leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import array_namespace
from .aggregation import Hierarchy, build_hierarchy, v_cycle

__all__ = [
    "COMPOSITIONS",
    "SYMMETRIC_COMPOSITIONS",
    "BootstrapResult",
    "bootstrap_amg",
    "composite_cycle",
    "convergence_rate",
    "ground_laplacian",
]

COMPOSITIONS = ("symmetrized", "multiplicative", "additive")
SYMMETRIC_COMPOSITIONS = ("symmetrized", "additive")  # the others are no preconditioner for CG
_EXACT = 1e-12  # an error this much smaller after one sweep is rounding: nothing smooth is left


class BootstrapResult(NamedTuple):
    """Hierarchies found one after another, and how well they work together."""

    hierarchies: tuple[Hierarchy, ...]
    """R of them."""
    smooth_vectors: np.ndarray
    """(n, R + 1): the vector each hierarchy was built on, and what their composite leaves last.
    All but the first have A-norm 1."""
    convergence_rates: np.ndarray
    """(R,): factor by which one composite of the first r reduces the error in the A-norm."""
    operator_complexity: float
    """Largest of the hierarchies: stored entries of all levels over those of A."""
    converged: bool
    """Whether the last rate is below the target."""


def ground_laplacian(L: sp.csr_array, labels: np.ndarray) -> sp.csr_array:
    r"""Make a graph Laplacian positive definite by one diagonal entry per connected component.

    To the vertex v of largest degree of a component of s vertices,

    .. math:: g = \bar w / s

    is added, the mean weight of an edge of the component over its size.

    Parameters
    ----------
    L : sparse or dense matrix of shape (n, n)
        Symmetric, rows that sum to zero.
    labels : array of int, shape (n,)
        Component of each vertex, numbered from 0. Components labelled -1 are left as they are.

    Returns
    -------
    grounded : csr_array of shape (n, n)
        Positive definite, all entries of the diagonal stored; the dtype of ``L``, float64 for
        integers.

    Notes
    -----
    Nothing is lost: where b sums to zero over a component, :math:`(L + g e_v e_v^T) x = b` gives
    :math:`g x_v = 1^T b = 0`, so that :math:`L x = b`, whatever g.

    The low spectrum: each eigenvalue rises by at most g, to first order by :math:`g u_v^2` for a
    unit eigenvector u, and zero becomes at most :math:`g / s`. For a connected unweighted graph
    that is :math:`1 / s^2`, and :math:`\lambda_2 \ge 4 / (s\,\mathrm{diameter}) > 4 / s^2`: the
    constant vector stays the smoothest by a factor of 4, and g shifts the others by O(1 / s) of an
    edge. A smaller g would be lost in rounding, a larger one mixes the constant with the next
    vectors on long thin graphs. The vertex of largest degree is the one whose row changes
    relatively least. An isolated vertex gets the mean weight of all edges, 1 if there are none.

    The paper adds :math:`(e_i + e_j)(e_i + e_j)^T` for one edge (i, j): right for one component,
    but it changes the spectrum by O(1).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> L = sp.csr_array([[1.0, -1, 0], [-1, 1, 0], [0, 0, 0]])
    >>> ground_laplacian(L, np.array([0, 0, 1])).diagonal()
    array([1.5, 1. , 1. ])
    """
    L = sp.csr_array(L)  # of integers, the additions would be rounded to 0
    L, labels = L if L.dtype.kind == "f" else L.astype(np.float64), np.asarray(labels)
    n = L.shape[0]
    degree = L.diagonal()
    grounded = labels >= 0
    numbers, counts = labels[grounded], np.bincount(labels[grounded])
    stored = np.diff(L.indptr)[grounded] - (degree[grounded] != 0)
    n_edges = np.bincount(numbers, weights=np.maximum(stored, 0), minlength=len(counts))
    sums = np.bincount(numbers, weights=degree[grounded], minlength=len(counts))
    overall = sums.sum() / n_edges.sum() if n_edges.sum() else 1.0
    mean_weight = np.where(n_edges > 0, sums / np.maximum(n_edges, 1), overall)
    # the first of the largest degree: sorted by component, then falling degree
    vertices = np.flatnonzero(grounded)
    order = vertices[np.lexsort((-degree[vertices], labels[vertices]))]
    first = order[np.flatnonzero(np.diff(labels[order], prepend=-1))]
    addition = np.zeros(n)
    addition[first] = mean_weight[labels[first]] / counts[labels[first]]
    return sp.csr_array(L + sp.diags_array(addition.astype(L.dtype)))


def composite_cycle(
    hierarchies: Sequence[Hierarchy],
    B: np.ndarray,
    composition: str = "symmetrized",
    *,
    X: np.ndarray | None = None,
) -> np.ndarray:
    r"""Approximate A^-1 B by the cycles of several hierarchies of one matrix.

    With the error of one cycle :math:`E_r = I - B_r A`, the error of the composite is
    :math:`E_1 \dots E_R \dots E_1` ("symmetrized": cycles 1 to R, then back to 1),
    :math:`E_R \dots E_1` ("multiplicative") or the mean of the :math:`E_r` ("additive").

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        At least one, of one matrix.
    B : array of shape (n, k) or (n,)
        Right-hand sides.
    composition : {"symmetrized", "multiplicative", "additive"}, default="symmetrized"
        See above. 2 R - 1, R and R cycles.
    X : array like ``B``, default=None
        Where to start; None means zero.

    Returns
    -------
    X : ndarray like ``B``
        From a zero start linear in B.

    Notes
    -----
    Each :math:`E_r` is selfadjoint in the A-product with eigenvalues in [0, 1). Hence "symmetrized"
    and "additive" are symmetric positive definite operators and may precondition conjugate
    gradients; "multiplicative" is not symmetric for R > 1 and may not. The paper runs cycle R
    twice in "symmetrized"; once is symmetric too, and costs half for R = 1.
    """
    x = array_namespace(B).zeros_like(B) if X is None else X
    if composition == "additive":
        residual = B if X is None else B - hierarchies[0].levels[0].A @ X
        for hierarchy in hierarchies:
            x = x + v_cycle(hierarchy, residual) / len(hierarchies)
        return x
    order = list(hierarchies)
    if composition == "symmetrized":
        order += order[-2::-1]
    for hierarchy in order:
        x = v_cycle(hierarchy, B, X=x)
    return x


def convergence_rate(
    hierarchies: Sequence[Hierarchy],
    x: np.ndarray,
    *,
    composition: str = "symmetrized",
    n_sweeps: int = 5,
) -> tuple[float, np.ndarray]:
    """Reduce x by composites for A x = 0; the last factor in the A-norm, and what is left.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        Of one matrix.
    x : array of shape (n,)
        Error to begin with.
    composition : str, default="symmetrized"
        As in :func:`composite_cycle`.
    n_sweeps : int, default=5
        Composites applied, at least 1.

    Returns
    -------
    rate : float
        Norm after the last composite over that before: a lower estimate of the spectral radius
        that rises with ``n_sweeps`` (for the symmetric compositions).
    smooth : ndarray of shape (n,)
        The slowest part of the error, of A-norm 1.

    Raises
    ------
    ValueError
        If the energy of a vector is not positive: the matrix is not positive definite.
    """
    A = hierarchies[0].levels[0].A
    zero = np.zeros_like(x)
    smooth = x / _energy_norm(A, x)
    rate = 0.0
    for _ in range(n_sweeps):
        x = composite_cycle(hierarchies, zero, composition, X=smooth)
        rate = _energy_norm(A, x, rounding=True)
        if rate < _EXACT:
            break
        smooth = x / rate
    return rate, smooth


def _energy_norm(A: sp.csr_array, x: np.ndarray, *, rounding: bool = False) -> float:
    """Square root of x^T A x; ``rounding`` allows a value below 0 that is nothing but rounding."""
    energy = float(x @ (A @ x))
    if rounding and abs(energy) < _EXACT**2:
        return float(np.sqrt(max(energy, 0.0)))
    if not energy > 0:
        raise ValueError(
            f"The matrix is not positive definite: a vector of length {np.linalg.norm(x):.3g} has "
            f"x^T A x = {energy:.3g}. To a singular matrix add a small multiple of the identity."
        )
    return float(np.sqrt(energy))


def bootstrap_amg(
    A: sp.csr_array,
    *,
    rng: np.random.Generator,
    target_rate: float = 1e-3,
    max_hierarchies: int = 10,
    n_sweeps: int = 5,
    composition: str = "symmetrized",
    w0: np.ndarray | None = None,
    max_coarse: int = 100,
    max_operator_complexity: float = 3.0,
    cycle: str = "V",
    smoother: str = "gauss_seidel",
    progress: Callable[[str], None] | None = None,
) -> BootstrapResult:
    r"""Multigrid hierarchies of a sparse SPD matrix, each built on what those before cannot reduce.

    Hierarchy r is built on the vector :math:`w_{r-1}`; then the composite of the first r is
    applied to A x = 0 from a random start. The factor of the last step is the rate
    :math:`\rho_r`, and what is left of x, the smoothest error, is :math:`w_r = x / |x|_A`.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric positive definite, all entries of the diagonal stored; weighted M-matrix or not.
        See :func:`ground_laplacian` for Laplacians.
    rng : numpy Generator
        Random starts, one for each hierarchy.
    target_rate : float, default=1e-3
        Stop at a rate below it.
    max_hierarchies : int, default=10
        R at most.
    n_sweeps : int, default=5
        Composites applied to each random start.
    composition : {"symmetrized", "multiplicative", "additive"}, default="symmetrized"
        As in :func:`composite_cycle`.
    w0 : array of shape (n,), default=None
        First smooth vector, not zero; None means ones, right for Laplacians and most M-matrices.
    max_coarse : int, default=100
        Size of the level that is solved exactly.
    max_operator_complexity : float, default=3.0
        Cap of each hierarchy, at least 1.5.
    cycle : {"V", "W"}, default="V"
        As in :func:`~subspace_learn.functional.graph.aggregation.build_hierarchy`: "V" is the
        paper's, "W" the better solver.
    smoother : {"gauss_seidel", "chebyshev", "jacobi"}, default="gauss_seidel"
        As in :func:`~subspace_learn.functional.graph.aggregation.build_hierarchy`.
    progress : callable, default=None
        Takes one line of text after each hierarchy.

    Returns
    -------
    result : BootstrapResult
        ``converged`` says whether the target was reached.

    Raises
    ------
    ValueError
        If ``A`` is found not to be positive definite, or ``w0`` is zero.

    Notes
    -----
    Computed in the dtype of ``A``. Time: hierarchy r costs O(nnz) to build and
    ``n_sweeps (2 r - 1)`` cycles to judge (``n_sweeps r`` unless symmetrized), so R hierarchies
    cost ``n_sweeps R^2`` cycles. Random starts have the component along ``w0`` removed: the first
    hierarchy holds it.

    Levels are made by compatible weighted matching,
    :mod:`subspace_learn.functional.graph.aggregation`. Past a rate of about 1e-3 further
    vectors are noise.

    What differs from the paper: the last level is solved exactly; 5 composites instead of 15;
    grounding; the cap; the
    last cycle of a symmetrized composite is run once.

    References
    ----------
    P. D'Ambra, S. Filippone, P. S. Vassilevski, "BootCMatch: a software package for bootstrap AMG
    based on graph weighted matching", ACM Transactions on Mathematical Software 44(4), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> A = sp.diags_array([-np.ones(299), 2 * np.ones(300), -np.ones(299)], offsets=[-1, 0, 1])
    >>> found = bootstrap_amg(sp.csr_array(A), max_hierarchies=2, rng=np.random.default_rng(0))
    >>> found.smooth_vectors.shape
    (300, 3)
    >>> bool(found.convergence_rates[1] < found.convergence_rates[0] < 1)
    True
    """
    n = A.shape[0]
    w = np.ones(n, dtype=A.dtype) if w0 is None else np.asarray(w0, dtype=A.dtype)
    if not w.any():
        raise ValueError("w0 is zero: give a vector of slow error, such as ones.")
    first = w / np.linalg.norm(w)
    hierarchies: list[Hierarchy] = []
    vectors: list[np.ndarray] = [w]
    rates: list[float] = []
    while len(rates) < max_hierarchies:
        hierarchies.append(
            build_hierarchy(
                A,
                vectors[-1],
                max_coarse=max_coarse,
                max_operator_complexity=max_operator_complexity,
                cycle=cycle,
                smoother=smoother,
            )
        )
        start = rng.standard_normal(n).astype(A.dtype)
        if n > 1:
            start -= first * (first @ start)
        rate, w = convergence_rate(hierarchies, start, composition=composition, n_sweeps=n_sweeps)
        rates.append(rate)
        vectors.append(w)
        if progress is not None:
            last = hierarchies[-1]
            progress(
                f"hierarchy {len(rates)}: levels {' '.join(map(str, last.sizes))}, operator "
                f"complexity {last.operator_complexity:.2f}, rate {rate:.3g}"
            )
        if rate < target_rate:
            break
    return BootstrapResult(
        tuple(hierarchies),
        np.stack(vectors, axis=1),
        np.array(rates),
        max(hierarchy.operator_complexity for hierarchy in hierarchies),
        bool(rates[-1] < target_rate),
    )
