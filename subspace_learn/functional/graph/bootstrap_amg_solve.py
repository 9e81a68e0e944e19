"""Solving with bootstrap multigrid: null spaces of Laplacians, and composites inside CG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, move_like, sparse_like
from .aggregation import Hierarchy
from .bootstrap_amg import composite_cycle, ground_laplacian
from .conjugate_gradients import CGResult, conjugate_gradients
from .polynomial_cycle import cycle_like

__all__ = [
    "GroundedSystem",
    "MovedPreconditioner",
    "grounded_system",
    "moved_preconditioner",
    "precondition",
    "relative_residuals",
    "remove_component_means",
    "singular_components",
    "solve_system",
]

_ROUNDING = 1e2  # row sums this many eps of the sum of absolute values may be zero


class GroundedSystem(NamedTuple):
    """A positive definite matrix in an order of its own, and what was added to make it so."""

    matrix: sp.csr_array
    """Positive definite, (n, n), all entries of the diagonal stored."""
    addition: np.ndarray
    """What was added to the diagonal, in the same order, (n,)."""
    labels: np.ndarray
    """Singular component of each row of ``matrix``, -1 in others, (n,)."""
    order: np.ndarray
    """Row i of ``matrix`` is row ``order[i]`` of what was given, (n,)."""

    def in_given_order(self, X: np.ndarray) -> np.ndarray:
        """Rows in the order of what was given, from rows in the order of ``matrix``.

        Parameters
        ----------
        X : array of shape (n, k)
            Rows as in ``matrix``.

        Returns
        -------
        Y : ndarray of shape (n, k)
            A new array, ``Y[order] = X``.
        """
        Y = np.empty_like(X)
        Y[self.order] = X
        return Y


def singular_components(A: sp.csr_array) -> np.ndarray:
    """Connected components on which A is a graph Laplacian: all of their rows sum to zero.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric, without stored zeros. The precision of its dtype says what zero is.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        Component, from 0; -1 where some row of the component does not sum to zero. An empty row is
        a component.

    Notes
    -----
    Rounding leaves sums of either sign; in the worst case each of d numbers that were added up
    leaves half an eps. A multiple of the identity adds to all sums alike, and is seen where it
    exceeds that on average, from about 3 eps of the absolute sums of rows on in a grid: though each
    row by itself, up to 100 eps, could be the rounding of a longer computation.
    """
    components = sp.csgraph.connected_components(A, directed=False)[1]
    wide, eps = A.astype(np.float64), float(np.finfo(A.dtype).eps)
    sizes = np.asarray(abs(wide).sum(axis=1)).ravel()
    sums = np.asarray(wide.sum(axis=1)).ravel()
    degree = np.diff(A.indptr)
    possible = eps * sizes * np.maximum(_ROUNDING, degree / 2)
    regular = np.bincount(components, weights=np.abs(sums) > possible) > 0
    # no sum of so many numbers is rounded up by more on average
    rounding = eps * sizes * (2 + degree / 4)
    regular |= np.bincount(components, weights=sums - rounding) > 0
    numbers = np.cumsum(~regular) - 1
    return np.where(regular, -1, numbers)[components]


def grounded_system(A: sp.csr_array) -> GroundedSystem:
    """Positive definite form of A in float64: Laplacian parts grounded, neighbours near each other.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric, without stored zeros.

    Returns
    -------
    system : GroundedSystem
        Where rows sum to zero up to rounding, the diagonal is first set so that they do exactly:
        what is left would else decide about the sign of the smallest eigenvalue.

    Notes
    -----
    Rows are numbered anew (reverse Cuthill-McKee): a sweep over a large graph that is numbered at
    random waits for memory at each neighbour. Measured on neighbourhood graphs of a million points:
    a third of the time, renumbering included. It does nothing for expanders.
    """
    labels = singular_components(A)
    matrix = A.astype(np.float64)
    singular = labels >= 0
    addition = np.zeros(A.shape[0])
    if singular.any():
        excess = np.where(singular, np.asarray(matrix.sum(axis=1)).ravel(), 0)
        matrix = sp.csr_array(matrix - sp.diags_array(excess))
        grounded = ground_laplacian(matrix, labels)
        addition = grounded.diagonal() - matrix.diagonal()
        matrix = grounded
    order = sp.csgraph.reverse_cuthill_mckee(matrix, symmetric_mode=True)
    return GroundedSystem(matrix[order][:, order], addition[order], labels[order], order)


def remove_component_means(X: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Project onto the vectors that sum to zero over each component.

    Parameters
    ----------
    X : array of shape (n, k) or (n,)
        Columns.
    labels : array of int, shape (n,)
        Component of each row; rows of -1 stay as they are.

    Returns
    -------
    projected : ndarray of shape (n, k)
        ``X`` itself if there is no component.
    """
    X, labels = np.asarray(X), np.asarray(labels)
    rows = np.flatnonzero(labels >= 0)
    if rows.size == 0:
        return X
    numbers = labels[rows]
    members = sp.csr_array(
        (np.ones(len(rows)), (numbers, rows)), shape=(int(numbers.max()) + 1, len(labels))
    )
    counts = np.bincount(numbers).reshape(-1, *[1] * (X.ndim - 1))
    means = (members @ X) / np.maximum(counts, 1)
    projected = X.copy() if X.dtype.kind == "f" else X.astype(np.float64)
    projected[rows] -= means[numbers]
    return projected


def precondition(
    hierarchies: Sequence[Hierarchy], system: GroundedSystem, B: np.ndarray, composition: str
) -> np.ndarray:
    """Composite between two projections, so that a Laplacian keeps to its range.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        Of ``system.matrix``.
    system : GroundedSystem
        From :func:`grounded_system`.
    B : array of shape (n, k)
        Residuals.
    composition : str
        As in :func:`~subspace_learn.functional.graph.bootstrap_amg.composite_cycle`.

    Returns
    -------
    X : ndarray of shape (n, k)
        Symmetric positive definite in B on the range, if the composition is symmetric.
    """
    return system.in_given_order(_precondition(hierarchies, system, B[system.order], composition))


def _precondition(
    hierarchies: Sequence[Hierarchy], system: GroundedSystem, B: np.ndarray, composition: str
) -> np.ndarray:
    """`precondition` in the order of the matrix."""
    B = remove_component_means(B, system.labels)
    return remove_component_means(composite_cycle(hierarchies, B, composition), system.labels)


class MovedPreconditioner(NamedTuple):
    """A composite of polynomial cycles in the array library and on the device of a right-hand side.

    Call it with an array of shape (n,) or (n, k).
    """

    hierarchies: tuple[Hierarchy, ...]
    """Whose cycles were moved; their other matrices stay on the host."""
    members: Any
    """Unit indicators of singular components, sparse (n, c), and their transpose; or None."""
    order: Array
    """Of the rows inside."""
    place: Array
    """Where each row is found inside."""
    composition: str
    """As in :func:`~subspace_learn.functional.graph.bootstrap_amg.composite_cycle`."""

    def __call__(self, B: Array) -> Array:
        """Apply it.

        Parameters
        ----------
        B : array of shape (n,) or (n, k)
            Of the library and device that the preconditioner was moved to; float64.

        Returns
        -------
        X : array like ``B``
            What :func:`precondition` gives.
        """
        xp = array_namespace(B)
        columns = xp.take(xp.reshape(B, (B.shape[0], -1)), self.order, axis=0)
        image = self._centred(
            composite_cycle(self.hierarchies, self._centred(columns), self.composition)
        )
        return xp.reshape(xp.take(image, self.place, axis=0), B.shape)

    def _centred(self, B: Array) -> Array:
        if self.members is None:
            return B
        indicators, transposed = self.members
        return B - indicators @ (transposed @ B)


def moved_preconditioner(
    hierarchies: Sequence[Hierarchy], system: GroundedSystem, reference: Array, composition: str
) -> MovedPreconditioner:
    """`precondition` for arrays of another library or device, by sparse products alone.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        Of ``system.matrix``, with a polynomial smoother.
    system : GroundedSystem
        From :func:`grounded_system`.
    reference : array
        NumPy, CuPy or torch: where to.
    composition : str
        As in :func:`~subspace_learn.functional.graph.bootstrap_amg.composite_cycle`.

    Returns
    -------
    preconditioner : MovedPreconditioner
        All matrices are copied once.

    Raises
    ------
    ValueError
        If the smoother is Gauss-Seidel.
    """
    moved = []
    for hierarchy in hierarchies:
        if hierarchy.polynomial is None:
            raise ValueError(
                "Gauss-Seidel smoothing needs rows one after the other and stays on the host. Set "
                "smoother='chebyshev' before fit."
            )
        moved.append(hierarchy._replace(polynomial=cycle_like(hierarchy.polynomial, reference)))
    members = None
    rows = np.flatnonzero(system.labels >= 0)
    if rows.size:
        numbers = system.labels[rows]
        scale = 1 / np.sqrt(np.bincount(numbers))
        shape = (len(system.labels), len(scale))
        indicators = sp.csr_array((scale[numbers], (rows, numbers)), shape=shape)
        pair = (indicators, sp.csr_array(indicators.T))
        members = tuple(sparse_like(part, reference) for part in pair)
    order = np.asarray(system.order, dtype=np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return MovedPreconditioner(
        tuple(moved), members, move_like(order, reference), move_like(place, reference), composition
    )


def solve_system(
    hierarchies: Sequence[Hierarchy],
    system: GroundedSystem,
    B: np.ndarray,
    *,
    composition: str = "symmetrized",
    tol: float = 1e-8,
    max_iter: int = 500,
    X: np.ndarray | None = None,
) -> CGResult:
    r"""Solve A X = B by conjugate gradients; for singular Laplacians :math:`A^+ B`.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        Of ``system.matrix``.
    system : GroundedSystem
        From :func:`grounded_system`.
    B : array of shape (n, k)
        Right-hand sides. Over a singular component their mean is removed: the rest is what has
        a solution, and what is found is the least squares solution of least norm.
    composition : {"symmetrized", "additive"}, default="symmetrized"
        A symmetric one.
    tol : float, default=1e-8
        Relative residual, of the right-hand side without the means.
    max_iter : int, default=500
        Iterations at most.
    X : array of shape (n, k), default=None
        Where to start.

    Returns
    -------
    result : CGResult
        Solutions sum to zero over each singular component.
    """
    labels, addition = system.labels, system.addition[:, None]
    right = remove_component_means(B[system.order], labels)
    rounding = _ROUNDING * np.finfo(np.float64).eps * np.linalg.norm(B, axis=0)
    right = np.where(np.linalg.norm(right, axis=0) <= rounding, 0, right)

    def operator(Y: np.ndarray) -> np.ndarray:
        product = system.matrix @ Y
        return product - addition * Y if labels.max() >= 0 else product

    result = conjugate_gradients(
        operator,
        right,
        lambda R: _precondition(hierarchies, system, R, composition),
        tol=tol,
        max_iter=max_iter,
        X=None if X is None else remove_component_means(X[system.order], labels),
    )
    return result._replace(X=system.in_given_order(result.X))


def relative_residuals(
    A: sp.csr_array, X: np.ndarray, B: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""How far X is from solving A X = B, and how much of B no X can reach.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        As it was given, in float64.
    X : ndarray of shape (n, k)
        Solutions, in the precision in which they are handed out.
    B : ndarray of shape (n, k)
        Right-hand sides.
    labels : ndarray of int, shape (n,)
        Singular component of each row, -1 in others.

    Returns
    -------
    residuals : ndarray of shape (k,)
        :math:`|b' - A x| / |b'|` with b' = b less its means over singular components; 0 for b' = 0.
    unreachable : ndarray of shape (k,)
        :math:`|b - b'| / |b|`.
    """
    reachable = remove_component_means(B, labels)
    sizes, lengths = (np.linalg.norm(block, axis=0) for block in (reachable, B))
    unreachable = np.linalg.norm(B - reachable, axis=0) / np.where(lengths > 0, lengths, 1)
    nothing = sizes <= _ROUNDING * np.finfo(np.float64).eps * lengths
    left = remove_component_means(reachable - A @ X, labels)
    residuals = np.linalg.norm(left, axis=0) / np.where(nothing, np.inf, sizes)
    return residuals, unreachable
