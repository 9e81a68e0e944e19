r"""Fourier transform of a signal on points, edges, triangles or tetrahedra, in closed form.

The signal is a density on each simplex of a mesh, and no grid is laid over it: each mode is exact.
:math:`\int e^{-i w \cdot x}` over a simplex of vertices :math:`x_0, \dots, x_j` is j! times its
content times the divided difference of exp at :math:`-i w \cdot x_l` (Hermite and Genocchi).
"""

from __future__ import annotations

from itertools import pairwise
from math import factorial, prod
from typing import Any

import numpy as np

from ..._array import Array, array_namespace, device_of, fft_of, is_float, is_numpy

__all__ = [
    "band_limited_image",
    "cone",
    "exp_divided_difference",
    "mode_grid",
    "simplex_contents",
    "simplex_nuft",
]

# Beyond this distance of the outer arguments the quotient of the recursion loses no digits, below
# it eleven terms of the series are exact to rounding.
_NEAR, _TERMS = 0.5, 11
_CHUNK = 2**19  # modes times simplices in one block


def mode_grid(shape: tuple[int, ...]) -> np.ndarray:
    """Integer modes of a grid, the last axis half, in the order of ``rfftn``.

    Parameters
    ----------
    shape : tuple of int
        Points of the grid along each axis.

    Returns
    -------
    modes : ndarray of shape (r_1, ..., r_d // 2 + 1, d)
        Integers as floats.

    Examples
    --------
    >>> mode_grid((4,))[:, 0]
    array([0., 1., 2.])
    """
    axes = [np.fft.fftfreq(r, 1 / r) for r in shape[:-1]]
    axes.append(np.fft.rfftfreq(shape[-1], 1 / shape[-1]))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def simplex_nuft(
    vertices: Array,
    simplices: Array,
    densities: Array | None = None,
    modes: Array | tuple[int, ...] = (16, 16),
    *,
    period: float | Array = 1.0,
    signed: bool = False,
) -> Array:
    r"""Fourier coefficients of a density on the simplices of a mesh.

    .. math:: F(k) = \sum_e D_e \int_e e^{-i w_k \cdot x}\, dx, \qquad w_k = 2 \pi k / T,

    with the j-dimensional measure on simplices of dimension j: F(0) is the total mass.

    Parameters
    ----------
    vertices : array of shape (n_vertices, d)
        Points.
    simplices : int array of shape (n_simplices, j + 1)
        Indices of the vertices of each point (j = 0), edge, triangle or tetrahedron; j <= d.
    densities : array of shape (n_simplices,) or (n_simplices, n_channels), default=None
        Mass for each unit of content; None means 1.
    modes : array of shape (..., d) or tuple of d ints, default=(16, 16)
        Modes k, not necessarily integers; a tuple is a grid, see :func:`mode_grid`.
    period : float or array of shape (d,), default=1.0
        Period T, along each axis.
    signed : bool, default=False
        Count simplices of negative orientation negatively; needs j = d.

    Returns
    -------
    F : complex array of shape (...) or (..., n_channels)
        In the library of ``vertices``.

    Raises
    ------
    ValueError
        If shapes do not fit, an index is out of range, j is above 3 or d, or ``signed`` is asked
        for with j < d.

    Notes
    -----
    Exact at every mode, also where some :math:`w \cdot x_l` coincide, as they do for each edge
    along an axis: see :func:`exp_divided_difference`. O(modes n_simplices), in blocks. Torch's
    autograd flows through to vertices and densities.

    References
    ----------
    C. Jiang, D. Wang, J. Huang, P. Marcus, M. Niessner, "Convolutional Neural Networks on
    non-uniform geometrical signals using Euclidean spectral transformation", ICLR 2019, equation 8;
    the divided difference replaces their sum of quotients.

    Examples
    --------
    >>> triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> simplex_nuft(triangle, np.array([[0, 1, 2]]), modes=np.array([[0, 0], [1, 0]])).round(6)
    array([0.5+0.j      , 0. -0.159155j])
    """
    xp = array_namespace(vertices)
    _check_mesh(vertices, simplices, densities, signed)
    d, order = vertices.shape[1], simplices.shape[1] - 1
    if isinstance(modes, tuple):
        if len(modes) != d:
            raise ValueError(f"A grid of {len(modes)} axes does not fit vertices in {d}D.")
        modes = mode_grid(modes)
    if modes.shape[-1] != d:
        raise ValueError(f"modes has {modes.shape[-1]} coordinates, but the vertices {d}.")
    device, dtype = device_of(vertices), vertices.dtype
    waves = xp.asarray(modes, dtype=dtype, device=device)
    waves = 2 * np.pi * waves / xp.asarray(period, dtype=dtype, device=device)
    flat = xp.reshape(waves, (-1, d))
    corners = xp.stack(
        [xp.take(vertices, simplices[:, m], axis=0) for m in range(order + 1)], axis=1
    )
    weights = factorial(order) * simplex_contents(corners, signed=signed)
    single = densities is None or densities.ndim == 1
    if densities is not None:
        densities = xp.astype(densities, dtype)
        weights = weights[:, None] * (densities[:, None] if single else densities)
    else:
        weights = weights[:, None]
    total = xp.zeros((flat.shape[0], weights.shape[1]), dtype=dtype, device=device) + 0j
    size = max(1, _CHUNK // max(flat.shape[0], 1))
    for start in range(0, simplices.shape[0], size):
        part = slice(start, min(start + size, simplices.shape[0]))
        phases = xp.tensordot(flat, corners[part, ...], axes=([1], [2]))
        total = total + exp_divided_difference(phases) @ (weights[part, :] + 0j)
    shape = modes.shape[:-1]
    return xp.reshape(total[:, 0], shape) if single else xp.reshape(total, (*shape, -1))


def exp_divided_difference(phases: Array) -> Array:
    r"""Divided difference of exp at imaginary arguments, :math:`\exp[-i s_0, \dots, -i s_j]`.

    Parameters
    ----------
    phases : array of shape (..., j + 1)
        Real :math:`s_0, \dots, s_j`, j at most 3. They may coincide.

    Returns
    -------
    values : complex array of shape (...)
        Of modulus 1 / j! at most.

    Notes
    -----
    Neighbours in sorted order are combined: two by :math:`e^{-i (a + b) / 2}\,
    \mathrm{sinc}((a - b) / 2)`, more by the recursion over the outer pair, which is at least 0.5
    apart, or else by the series about the mean,
    :math:`\sum_q h_q e^{-i \bar s} / (q + j)!` with complete homogeneous polynomials
    :math:`h_q` of the offsets. Worst absolute error 1e-15 in double precision, against 60 digits.
    """
    xp = array_namespace(phases)
    order = phases.shape[-1] - 1
    if order == 0:
        return xp.exp(-1j * phases[..., 0])
    # about the mean first: the recursion would magnify the rounding of large phases
    s = xp.sort(phases, axis=-1) if order > 1 else phases
    mean = xp.mean(s, axis=-1, keepdims=True)
    s = s - mean
    points = [s[..., m] for m in range(order + 1)]
    level = [_pair(xp, a, b) for a, b in pairwise(points)]
    for j in range(2, order + 1):
        level = [
            _combined(xp, level[m], level[m + 1], points[m : m + j + 1])
            for m in range(order - j + 1)
        ]
    return level[0] * xp.exp(-1j * mean[..., 0])


def _pair(xp: Any, a: Array, b: Array) -> Array:
    half = (a - b) / 2
    safe = xp.where(half == 0, xp.ones_like(half), half)
    sinc = xp.where(half == 0, xp.ones_like(half), xp.sin(safe) / safe)
    return xp.exp(-0.5j * (a + b)) * sinc


def _combined(xp: Any, low: Array, high: Array, points: list[Array]) -> Array:
    """Divided difference at ``points``, from those without the last and without the first."""
    gap = points[-1] - points[0]
    near = gap < _NEAR
    quotient = (high - low) / (-1j * xp.where(near, xp.ones_like(gap), gap))
    if is_numpy(gap):  # few are near: the series is worth its time there alone
        quotient = np.asarray(quotient)
        quotient[near] = _series(xp, [p[near] for p in points])
        return quotient
    return xp.where(near, _series(xp, points), quotient)


def _series(xp: Any, points: list[Array]) -> Array:
    """Taylor series about the mean of the points."""
    j = len(points) - 1
    mean = sum(points[1:], points[0]) / (j + 1)
    # where the points are far apart the series is not used: kept small, lest it overflow
    spread = points[-1] - points[0]
    offsets = [xp.where(spread < _NEAR, p - mean, xp.zeros_like(p)) for p in points]
    elementary = [xp.ones_like(mean)]  # e_0, e_1, ... of the offsets
    for x in offsets:
        longer = [*elementary, xp.zeros_like(mean)]
        elementary = [longer[k] + (x * elementary[k - 1] if k else 0) for k in range(len(longer))]
    h = [xp.ones_like(mean)]
    for q in range(1, _TERMS):  # h_q = sum_k (-1)^(k-1) e_k h_(q-k)
        terms = [(-1) ** (k - 1) * elementary[k] * h[q - k] for k in range(1, min(q, j + 1) + 1)]
        h.append(sum(terms[1:], terms[0]))
    real = sum((-1) ** (q // 2) / factorial(q + j) * h[q] for q in range(0, _TERMS, 2))
    imag = sum((-1) ** (q // 2) / factorial(q + j) * h[q] for q in range(1, _TERMS, 2))
    return (real - 1j * imag) * xp.exp(-1j * mean)


def simplex_contents(corners: Array, *, signed: bool = False) -> Array:
    """Length, area or volume of simplices; 1 for points.

    Parameters
    ----------
    corners : array of shape (n_simplices, j + 1, d)
        Coordinates of the vertices.
    signed : bool, default=False
        Negative where the orientation is; needs j = d.

    Returns
    -------
    contents : array of shape (n_simplices,)
        Product of the diagonal of R, from a QR decomposition of the edges, over j!.
    """
    xp = array_namespace(corners)
    order = corners.shape[1] - 1
    if order == 0:
        return xp.ones_like(corners[:, 0, 0])
    edges = corners[:, 1:, :] - corners[:, :1, :]
    if signed:
        return xp.linalg.det(edges) / factorial(order)
    R = xp.linalg.qr(xp.matrix_transpose(edges), mode="reduced")[1]
    return xp.abs(xp.prod(xp.linalg.diagonal(R), axis=-1)) / factorial(order)


def cone(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join the faces of a closed boundary to one point: with signs, they fill the inside.

    Parameters
    ----------
    vertices : ndarray of shape (n_vertices, d)
        Points.
    faces : int ndarray of shape (n_faces, d)
        Edges of a polygon or triangles of a surface, all oriented alike, without a gap.

    Returns
    -------
    vertices : ndarray of shape (n_vertices + 1, d)
        With their mean as the last. Any other point would do.
    simplices : int ndarray of shape (n_faces, d + 1)
        For :func:`simplex_nuft` with ``signed=True``.
    """
    vertices, faces = np.asarray(vertices), np.asarray(faces)
    apex = np.full((len(faces), 1), len(vertices))
    both = np.concatenate([vertices, vertices.mean(axis=0, keepdims=True)])
    return both, np.concatenate([apex, faces], axis=1)


def band_limited_image(
    F: Array, shape: tuple[int, ...], *, period: float | Array = 1.0, smoothing: float = 0.0
) -> Array:
    r"""Values on a grid of the density that a half grid of modes describes.

    Parameters
    ----------
    F : complex array of shape (..., r_1, ..., r_d // 2 + 1)
        Modes of :func:`mode_grid`, from :func:`simplex_nuft`.
    shape : tuple of int
        Points of the grid along each axis.
    period : float or array of shape (d,), default=1.0
        Period along each axis.
    smoothing : float, default=0.0
        Mode k is multiplied by :math:`\exp(-\tfrac12 \sum_a (2\, smoothing\, k_a / r_a)^2)`.

    Returns
    -------
    image : array of shape (..., r_1, ..., r_d)
        At the points :math:`T n / r`. Its mean times the volume of the period is the total mass.
    """
    xp = array_namespace(F)
    volume = float(np.prod(np.broadcast_to(np.asarray(period, dtype=float), len(shape))))
    scaled = 2 * smoothing * mode_grid(shape) / np.asarray(shape)
    damping = np.exp(-0.5 * (scaled**2).sum(axis=-1)) * prod(shape) / volume
    damping = xp.asarray(damping, dtype=xp.real(F).dtype, device=device_of(F))
    axes = tuple(range(F.ndim - len(shape), F.ndim))
    filtered, fft = F * damping, fft_of(F)
    for axis in axes[:-1]:
        filtered = fft.ifft(filtered, axis=axis)
    return fft.irfft(filtered, n=shape[-1], axis=axes[-1])


def _check_mesh(vertices: Array, simplices: Array, densities: Array | None, signed: bool) -> None:
    xp = array_namespace(vertices)
    if vertices.ndim != 2 or not is_float(vertices):
        raise ValueError(
            f"vertices must be floats of shape (n_vertices, d), but are {vertices.dtype} of shape "
            f"{tuple(vertices.shape)}."
        )
    if simplices.ndim != 2 or not xp.isdtype(simplices.dtype, "integral"):
        raise ValueError(
            f"simplices must be integers of shape (n_simplices, j + 1), but are {simplices.dtype} "
            f"of shape {tuple(simplices.shape)}."
        )
    d, order = vertices.shape[1], simplices.shape[1] - 1
    if not 0 <= order <= min(d, 3):
        raise ValueError(
            f"Simplices of {order + 1} vertices in {d}D: at most {min(d, 3) + 1} vertices (points, "
            "edges, triangles, tetrahedra). Split larger cells into simplices."
        )
    if signed and order != d:
        raise ValueError(
            f"signed=True needs simplices of {d + 1} vertices in {d}D, but these have {order + 1}: "
            "they have no orientation. Use cone to fill a closed boundary."
        )
    n = simplices.shape[0]
    if n and (int(xp.min(simplices)) < 0 or int(xp.max(simplices)) >= vertices.shape[0]):
        raise ValueError(
            f"simplices name vertices from {int(xp.min(simplices))} to {int(xp.max(simplices))}, "
            f"but there are {vertices.shape[0]}, numbered from 0."
        )
    if densities is not None and (densities.ndim not in (1, 2) or densities.shape[0] != n):
        raise ValueError(
            f"densities has shape {tuple(densities.shape)}, but there are {n} simplices: give "
            "one number, or one row of numbers, for each."
        )
