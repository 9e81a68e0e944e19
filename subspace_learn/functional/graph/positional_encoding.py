"""Stable positional encodings of graphs: filters on the spectrum, statistics of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ..._warnings import warn
from .filtered_subspace import filtered_eigenpairs

__all__ = [
    "STATISTICS",
    "LowFrequencies",
    "connected_blocks",
    "filter_weights",
    "low_frequencies",
    "node_statistics",
    "normalized_adjacency",
    "positional_encoding",
    "spectral_filters",
    "taper_weights",
]

Filter = Callable[[np.ndarray], np.ndarray]
STATISTICS = ("diagonal", "row_sum", "edges")

_DENSE_NODES = 600  # up to here LAPACK on all pairs is faster than rounds of products
_DENSE_BYTES = 4 * 2**30
_RTOL = 1e-7  # of eigenpairs found by iteration, relative to the cut
_CHUNK = 2**21  # numbers in one block of edge products
_REPEATED = 1e-6  # eigenvalues nearer than this share of the cut count as one


class LowFrequencies(NamedTuple):
    """The smallest eigenpairs of a normalised Laplacian, and where they were cut off."""

    values: np.ndarray
    """Eigenvalues in [0, 2], ascending, (d,)."""
    vectors: np.ndarray
    """Orthonormal columns, (n, d)."""
    cut: float
    """First eigenvalue left out; 2, the largest possible, if none was."""
    complete: bool
    """Whether all n pairs are here."""


def spectral_filters(filters: str | list[Filter]) -> dict[str, Filter]:
    """Filters by name, as functions on the scaled spectrum [0, 2].

    Parameters
    ----------
    filters : {"lipschitz", "heat", "walk", "spline"} or list of callables
        "heat": :math:`e^{-t u}`, t = 1, 2, 4, 8. "walk": :math:`(1 - u)^q`, q = 2, 3, 4. "spline":
        cubic bumps of width 2 around 0, .5, 1, 1.5, 2. "lipschitz": all twelve. A callable takes
        an array of values in [0, 2] and returns one of the same shape.

    Returns
    -------
    by_name : dict
        Name to function. Those named here are bounded by 1 and Lipschitz, with constants up to 8
        ("heat"), 4 ("walk") and 4/3 ("spline").
    """
    if not isinstance(filters, str):
        return {f"filter{i}": function for i, function in enumerate(filters)}
    heat: dict[str, Filter] = {f"heat{t}": partial(_heat, time=t) for t in (1, 2, 4, 8)}
    walk: dict[str, Filter] = {f"walk{q}": partial(_walk, steps=q) for q in (2, 3, 4)}
    spline: dict[str, Filter] = {f"spline{i}": partial(_cubic_bump, center=i / 2) for i in range(5)}
    banks = {"heat": heat, "walk": walk, "spline": spline, "lipschitz": {**heat, **walk, **spline}}
    return banks[filters]


def _heat(u: np.ndarray, time: int) -> np.ndarray:
    return np.exp(-time * u)


def _walk(u: np.ndarray, steps: int) -> np.ndarray:
    return (1 - u) ** steps


def _cubic_bump(u: np.ndarray, center: float) -> np.ndarray:
    """Cubic B-spline on knots .5 apart: 2/3 at the centre, 0 beyond 1, slope at most 4/3."""
    x = 2 * np.abs(u - center)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.clip(2 - x, 0, None) ** 3 / 6)


def taper_weights(u: np.ndarray) -> np.ndarray:
    """Weight of each eigenvalue below a smooth cut, with slope at most pi / 2.

    Parameters
    ----------
    u : array
        Eigenvalues scaled so that the cut is at 2.

    Returns
    -------
    weights : array
        1 up to u = 1, then down to 0 at u = 2 along half a cosine.
    """
    return (1 + np.cos(np.pi * np.clip(u - 1, 0, 1))) / 2


def normalized_adjacency(adjacency: sp.csr_array) -> sp.csr_array:
    """Return :math:`D^{-1/2} A D^{-1/2}`, with a 1 on the diagonal of each isolated vertex.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.

    Returns
    -------
    normalized : csr_array of shape (n, n)
        Float64; I minus it is the normalised Laplacian, in which an isolated vertex has a zero row.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> normalized_adjacency(sp.csr_array([[0, 2, 2], [2, 0, 0], [2, 0, 0.0]])).toarray().round(2)
    array([[0.  , 0.71, 0.71],
           [0.71, 0.  , 0.  ],
           [0.71, 0.  , 0.  ]])
    """
    largest = adjacency.data.max(initial=0.0)
    A = adjacency.astype(np.float64) / (largest or 1.0)  # sums of huge weights do not overflow
    degree = np.asarray(A.sum(axis=1)).ravel()
    isolated = degree == 0
    scale = 1 / np.sqrt(np.where(isolated, 1.0, degree))
    A = sp.diags_array(scale) @ A @ sp.diags_array(scale)
    return sp.csr_array(A + sp.diags_array(isolated.astype(np.float64)))


def connected_blocks(normalized: sp.csr_array) -> Iterator[tuple[np.ndarray, sp.csr_array]]:
    """Nodes and matrix of each connected component.

    Parameters
    ----------
    normalized : csr_array of shape (n, n)
        Symmetric.

    Yields
    ------
    nodes : ndarray of int
        Ascending; all components of one node come together, last.
    block : csr_array
        The matrix of these nodes.
    """
    n_components, labels = sp.csgraph.connected_components(normalized, directed=False)
    if n_components == 1:
        yield np.arange(normalized.shape[0]), normalized
        return
    sizes = np.bincount(labels)
    # components of one node last, as one group: a graph may have very many of them
    labels = np.where(sizes[labels] == 1, n_components, labels)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    A = normalized[order][:, order]
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        entries = slice(A.indptr[start], A.indptr[stop])
        pointers = A.indptr[start : stop + 1] - A.indptr[start]
        block = sp.csr_array(
            (A.data[entries], A.indices[entries] - start, pointers), shape=(stop - start,) * 2
        )
        yield order[start:stop], block


def low_frequencies(
    normalized: sp.csr_array, n_components: int | None, *, taper: bool = True
) -> LowFrequencies:
    """Smallest eigenpairs of ``I - normalized`` for one connected graph.

    Parameters
    ----------
    normalized : csr_array of shape (n, n)
        Normalised adjacency.
    n_components : int or None
        How many pairs d; None, or n and more, means all.
    taper : bool, default=True
        Whether pairs near the cut will be damped, and need not be found as accurately.

    Returns
    -------
    frequencies : LowFrequencies
        In float64.

    Raises
    ------
    ValueError
        If so many pairs of so large a graph are wanted that dense matrices beyond 4 GiB would be
        needed.

    Notes
    -----
    Dense (LAPACK) up to 600 nodes, and where d + 1 exceeds a quarter of them: O(n^3), 24 n^2 bytes.
    Else :func:`~subspace_learn.functional.graph.filtered_subspace.filtered_eigenpairs`: O(n d)
    memory.
    """
    n = normalized.shape[0]
    d = n if n_components is None else min(n_components, n)
    if n > _DENSE_NODES and 4 * (d + 1) <= n:

        def damping(values: np.ndarray) -> np.ndarray:
            cut = max(1 - values[-1], np.finfo(float).tiny)
            return taper_weights(2 * (1 - values) / cut)

        values, vectors = filtered_eigenpairs(
            normalized, d + 1, rtol=_RTOL, damping=damping if taper else None
        )
        values = np.clip(1 - values, 0, 2)
        return LowFrequencies(values[:d], vectors[:, :d], float(values[d]), False)
    if 24 * n**2 > _DENSE_BYTES:
        raise ValueError(
            f"{d} eigenvectors of a connected graph of {n} nodes need dense matrices of "
            f"{24 * n**2 / 2**30:.1f} GiB in all, above the limit of "
            f"{_DENSE_BYTES / 2**30:.0f} GiB. "
            f"Set n_components to at most {n // 4 - 1}: then memory grows with the number of "
            "edges instead."
        )
    index_range = None if 4 * (d + 1) > n else (0, d)
    laplacian = np.eye(n) - normalized.toarray()
    values, vectors = scipy.linalg.eigh(laplacian, subset_by_index=index_range, check_finite=False)
    values = np.clip(values, 0, 2)
    cut = 2.0 if d == n else float(values[d])
    return LowFrequencies(values[:d], vectors[:, :d], cut, d == n)


def filter_weights(
    frequencies: LowFrequencies, filters: Mapping[str, Filter], *, taper: bool = True
) -> np.ndarray:
    r"""Values of each filter at each eigenvalue, :math:`\phi_l(u_k) s(u_k)`, u = 2 lambda / cut.

    Parameters
    ----------
    frequencies : LowFrequencies
        Of one connected graph.
    filters : mapping of str to callable
        From :func:`spectral_filters`.
    taper : bool, default=True
        Whether s goes smoothly to 0 at the cut. If not, s is 1, but 0 on copies of the eigenvalue
        at the cut, since a cut through a repeated eigenvalue leaves an arbitrary subspace.

    Returns
    -------
    weights : array of shape (n_filters, d)
        In float64.

    Warns
    -----
    UserWarning
        If pairs were left out because the cut goes through a repeated eigenvalue.
    """
    u = 2 * frequencies.values / frequencies.cut
    if frequencies.complete:
        damping = np.ones_like(u)
    elif taper:
        damping = taper_weights(u)
    else:
        kept = u < 2 * (1 - _REPEATED)
        if not kept.all():
            warn(
                f"n_components={len(u)} cuts through a repeated eigenvalue "
                f"({frequencies.cut:.6g}): its {int((~kept).sum())} eigenvectors were left out. "
                "Set taper=True, or choose another number."
            )
        damping = kept.astype(np.float64)
    return np.stack([np.asarray(phi(u), dtype=np.float64) * damping for phi in filters.values()])


def node_statistics(
    normalized: sp.csr_array, vectors: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    r"""Statistics of the rows of :math:`A_l = V \operatorname{diag}(w_l) V^T`, never formed.

    Parameters
    ----------
    normalized : csr_array of shape (n, n)
        Normalised adjacency N; no empty row.
    vectors : array of shape (n, d)
        Orthonormal columns V.
    weights : array of shape (n_filters, d)
        Rows :math:`w_l`.

    Returns
    -------
    statistics : array of shape (n, n_filters, 3)
        :math:`A_l[i, i]`; :math:`\sum_j A_l[i, j] / \sqrt n`; :math:`\sum_j N_{ij} A_l[i, j]^2`.

    Notes
    -----
    Costs O((n + edges) d n_filters). If A changes by dA and N by dN, the three columns change in
    norm by at most :math:`|dA|_F`, :math:`|dA|_2` and, for weights bounded by 1,
    :math:`2 |dA|_F + |dN|_F`.
    """
    n, d = vectors.shape
    total = vectors * (vectors.sum(axis=0) / np.sqrt(n))
    out = np.empty((n, len(weights), len(STATISTICS)))
    out[:, :, 0] = vectors**2 @ weights.T
    out[:, :, 1] = total @ weights.T
    pointers = normalized.indptr.astype(np.int64)
    width = max(d, len(weights))
    start = 0
    while start < n:
        last = np.searchsorted(pointers, pointers[start] + _CHUNK // width, side="right") - 1
        stop = min(n, max(start + 1, int(last)))
        entries = slice(pointers[start], pointers[stop])
        rows = np.repeat(np.arange(start, stop), np.diff(pointers[start : stop + 1]))
        projected = (vectors[rows] * vectors[normalized.indices[entries]]) @ weights.T
        projected *= projected
        projected *= normalized.data[entries, None]
        owners = (np.ones(len(rows)), (rows - start, np.arange(len(rows))))  # rows may be empty
        out[start:stop, :, 2] = sp.csr_array(owners, shape=(stop - start, len(rows))) @ projected
        start = stop
    return out


def positional_encoding(
    adjacency: sp.csr_array,
    n_components: int | None,
    filters: Mapping[str, Filter],
    *,
    taper: bool = True,
) -> np.ndarray:
    """Node features of one graph that no choice of eigenvectors can change.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.
    n_components : int or None
        Eigenpairs kept of each connected component; None means all.
    filters : mapping of str to callable
        From :func:`spectral_filters`.
    taper : bool, default=True
        See :func:`filter_weights`.

    Returns
    -------
    encoding : array of shape (n, 3 * n_filters)
        Filter by filter, the three columns of :func:`node_statistics`, in float64.

    References
    ----------
    Y. Huang, W. Lu, J. Robinson, Y. Yang, M. Zhang, S. Jegelka, P. Li, "On the Stability of
    Expressive Positional Encodings for Graphs", ICLR 2024, equation of SPE with fixed phi and rho.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> path = sp.csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0.0]])
    >>> positional_encoding(path, None, {"walk2": lambda u: (1 - u) ** 2}).round(2)
    array([[0.5 , 0.58, 0.  ],
           [1.  , 0.58, 0.  ],
           [0.5 , 0.58, 0.  ]])
    """
    normalized = normalized_adjacency(adjacency)
    out = np.empty((adjacency.shape[0], len(filters), len(STATISTICS)))
    for nodes, block in connected_blocks(normalized):
        if block.nnz == len(nodes) and (
            len(nodes) == 1 or np.array_equal(block.indices, np.arange(len(nodes)))
        ):
            # single nodes: the only eigenvalue is 0, its vector 1
            at_zero = np.array([float(phi(np.zeros(1))[0]) for phi in filters.values()])
            out[nodes] = np.stack([at_zero, at_zero, at_zero**2], axis=1)
            continue
        frequencies = low_frequencies(block, n_components, taper=taper)
        weights = filter_weights(frequencies, filters, taper=taper)
        out[nodes] = node_statistics(block, frequencies.vectors, weights)
    return out.reshape(len(out), -1)
