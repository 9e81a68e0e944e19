r"""Geometry of the Grassmann manifold Gr(k, d): the k-dimensional subspaces of R^d.

A point is any basis ``U`` of shape (..., d, k) with orthonormal columns; ``U Q`` with Q orthogonal
is the same point, and no distance, mean or span below depends on Q. A tangent vector at span(U) is
its horizontal lift ``H``, of the shape of U with ``U^T H = 0``; the metric is
``<H, D> = tr(H^T D)``. Leading axes are batches and broadcast. That the columns are orthonormal is
assumed, not tested: a test would make a GPU wait. Shapes are tested: each function raises
ValueError for k > d, for points over different R^d, and, but for the principal angles, for
subspaces of different dimension.

The functions of a tangent vector's singular values that are needed (cos x, sin x / x,
(1 - cos x) / x^2) are entire in x^2: they are taken from the eigenvectors of the small Gram matrix
H^T H without loss of accuracy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, array_namespace, as_float, device_of

__all__ = [
    "chordal_distance",
    "exponential",
    "geodesic",
    "geodesic_distance",
    "largest_principal_angle",
    "logarithm",
    "orthonormal_basis",
    "parallel_transport",
    "polar_retraction",
    "principal_angles",
    "projection_distance",
    "projector",
    "qr_retraction",
    "random_point",
    "tangent_projection",
]


def orthonormal_basis(A: Array, *, positive_diagonal: bool = False) -> Array:
    """Orthonormal basis of the column space of ``A``: the Q of ``A = Q R``.

    Parameters
    ----------
    A : array of shape (..., d, k)
        Where the rank is below k, arbitrary directions complete the basis.
    positive_diagonal : bool, default=False
        Whether signs are chosen such that R has a nonnegative diagonal; Q is then unique.

    Returns
    -------
    U : array of shape (..., d, k)
        Orthonormal columns, to machine precision for any A. Costs 4 d k^2 flops (Householder QR).
    """
    xp = _namespace(A)
    Q, R = xp.linalg.qr(as_float(A), mode="reduced")
    if not positive_diagonal:
        return Q
    diagonal = xp.linalg.diagonal(R)[..., None, :]
    return xp.where(diagonal < 0, -Q, Q)


def random_point(
    n_features: int, n_components: int, rng: np.random.Generator, *, shape: tuple[int, ...] = ()
) -> np.ndarray:
    """Bases of subspaces drawn from the uniform (rotation invariant) law on Gr(k, d).

    Parameters
    ----------
    n_features, n_components : int
        Dimension d of the space and k of the subspaces, 1 <= k <= d.
    rng : numpy.random.Generator
        Source of the random numbers.
    shape : tuple of int, default=()
        Leading axes.

    Returns
    -------
    U : ndarray of shape (..., n_features, n_components)
        Orthonormal columns, float64.
    """
    return orthonormal_basis(rng.standard_normal((*shape, n_features, n_components)))


def projector(U: Array) -> Array:
    """Orthogonal projector ``U U^T`` on the subspace: the same matrix for each of its bases.

    Parameters
    ----------
    U : array of shape (..., d, k)
        Orthonormal columns.

    Returns
    -------
    P : array of shape (..., d, d)
        Symmetric, idempotent, of trace k. Costs 2 d^2 k flops.
    """
    return U @ _namespace(U).matrix_transpose(U)


def principal_angles(U: Array, V: Array) -> Array:
    """Principal angles between subspaces, which may differ in dimension.

    ``cos(theta)`` are the singular values of ``U^T V`` and ``sin(theta)`` those of
    ``(I - U U^T) V`` for the smaller subspace span(V).

    Parameters
    ----------
    U, V : array of shape (..., d, k1) and (..., d, k2)
        Orthonormal columns.

    Returns
    -------
    theta : array of shape (..., min(k1, k2))
        Radians in [0, pi / 2], ascending.

    Notes
    -----
    Cosines alone lose all angles below 1e-8, sines alone blur those near pi / 2, so both are
    wanted [1]_. Their arctangent is accurate to a few eps in absolute terms everywhere: an angle of
    1e-10 comes out to about six digits in float64, the limit that the rounding of U and V sets.
    Sorting pairs them, for one falls as the other rises. Costs about 10 d k^2 flops.

    References
    ----------
    .. [1] A. Bjorck, G. H. Golub, Numerical methods for computing angles between linear subspaces,
       Mathematics of Computation 27 (1973) 579-594.

    Examples
    --------
    >>> import numpy as np
    >>> U = np.asarray([[1.0], [0.0], [0.0]])
    >>> V = np.asarray([[np.cos(1e-9)], [0.0], [np.sin(1e-9)]])
    >>> principal_angles(U, V)
    array([1.e-09])
    """
    xp = _namespace(U, V, same_rank=False)
    if U.shape[-1] < V.shape[-1]:
        U, V = V, U
    cosines = xp.linalg.svdvals(xp.matrix_transpose(U) @ V)
    sines = xp.flip(xp.linalg.svdvals(tangent_projection(U, V)), axis=-1)
    return xp.atan2(sines, cosines)


def largest_principal_angle(U: Array, V: Array) -> Array:
    """Largest of the :func:`principal_angles`: how far the worst direction is off.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns; their numbers may differ.

    Returns
    -------
    angle : array of shape (...)
        Radians in [0, pi / 2].
    """
    return principal_angles(U, V)[..., -1]


def geodesic_distance(U: Array, V: Array) -> Array:
    """Length of the shortest curve between two points: ``|theta|_2`` of their principal angles.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns, equally many.

    Returns
    -------
    distance : array of shape (...)
        In [0, sqrt(k) pi / 2]; equal to the Frobenius norm of :func:`logarithm`.
    """
    return _namespace(U, V).linalg.vector_norm(principal_angles(U, V), axis=-1)


def chordal_distance(U: Array, V: Array) -> Array:
    """Chordal distance ``|sin(theta)|_2 = |U U^T - V V^T|_F / sqrt(2)``.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns, equally many.

    Returns
    -------
    distance : array of shape (...)
        In [0, sqrt(k)]. Taken as ``|(I - U U^T) V|_F``: no decomposition, 4 d k^2 flops.
    """
    return _namespace(U, V).linalg.matrix_norm(tangent_projection(U, V))


def projection_distance(U: Array, V: Array) -> Array:
    """Projection 2-norm ``|U U^T - V V^T|_2``: the sine of the largest principal angle.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns, equally many.

    Returns
    -------
    distance : array of shape (...)
        In [0, 1]: the gap between the subspaces. Some authors give this name to
        ``|U U^T - V V^T|_F / sqrt(2)``, which is :func:`chordal_distance` here and lies between
        this distance and sqrt(k) times it.
    """
    return _namespace(U, V).linalg.svdvals(tangent_projection(U, V))[..., 0]


def tangent_projection(U: Array, G: Array) -> Array:
    """Tangent part ``(I - U U^T) G``: what turns a Euclidean gradient into the Riemannian one.

    Parameters
    ----------
    U, G : array of shape (..., d, k) and (..., d, m)
        Orthonormal columns, and any matrix; m = k for a tangent vector.

    Returns
    -------
    H : array of shape (..., d, m)
        ``U^T H = 0`` up to ``eps |G|``. Costs 4 d k m flops.
    """
    _check_rows(U, G)
    return G - U @ (array_namespace(U, G).matrix_transpose(U) @ G)


def exponential(U: Array, H: Array) -> Array:
    """End point of the geodesic of unit time that leaves span(U) with velocity ``H``.

    ``U' = U Q cos(S) Q^T + P sin(S) Q^T`` with the thin SVD ``H = P S Q^T``.

    Parameters
    ----------
    U, H : array of shape (..., d, k)
        Orthonormal columns, and a tangent vector there: ``U^T H = 0``. The curve is the shortest
        one while no singular value of H exceeds pi / 2.

    Returns
    -------
    V : array of shape (..., d, k)
        Orthonormal columns. The basis is the parallel one: it follows U continuously.

    Notes
    -----
    Equation 2.65 of [1]_ at t = 1. One Newton-Schulz step V (3 I - V^T V) / 2 makes the columns
    orthonormal again, without turning the basis as QR would; it squares the defect, so that errors
    do not add up over many steps. Costs about 10 d k^2 flops and a (k, k) eigenproblem.

    References
    ----------
    .. [1] A. Edelman, T. A. Arias, S. T. Smith, The geometry of algorithms with orthogonality
       constraints, SIAM Journal on Matrix Analysis and Applications 20 (1998) 303-353.

    Examples
    --------
    >>> import numpy as np
    >>> U, H = np.asarray([[1.0], [0.0]]), np.asarray([[0.0], [np.pi / 6]])
    >>> exponential(U, H).round(3)
    array([[0.866],
           [0.5  ]])
    """
    xp = _namespace(U, H)
    theta, Q = _singular_values_right(xp, H)
    V = U @ _spectral(xp, Q, xp.cos(theta)) + H @ _spectral(xp, Q, _sinc(xp, theta))
    identity = xp.eye(V.shape[-1], dtype=V.dtype, device=device_of(V))
    return V + V @ ((identity - xp.matrix_transpose(V) @ V) / 2)


def logarithm(U: Array, V: Array) -> Array:
    """Velocity at span(U) of the shortest geodesic that reaches span(V) in unit time.

    With ``U^T V = Y cos(theta) Z^T``: ``H = (I - U U^T) V Z diag(theta / sin(theta)) Y^T``.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns: where to start and where to go.

    Returns
    -------
    H : array of shape (..., d, k)
        Tangent at U, of norm ``geodesic_distance(U, V)``; ``exponential(U, H)`` spans span(V).

    Notes
    -----
    [1]_ (algorithm 5.3) uses this Procrustes-aligned form instead of ``V (U^T V)^{-1}``, whose
    inverse fails near pi / 2. Here theta is an arctangent of cosines and residual norms, and
    theta / sin(theta) is a smooth function of cos(theta), so one (k, k) SVD serves all angles; the
    residual is projected twice, so tiny tangents are tangent too. Costs about 12 d k^2 flops.

    At the cut locus, an angle of pi / 2, several geodesics are shortest: *one* of them is returned,
    without an error, and rounding decides which. Close to it the direction may turn under changes
    of the size of the smallest cosines; the length is always accurate.

    References
    ----------
    .. [1] T. Bendokat, R. Zimmermann, P.-A. Absil, A Grassmann manifold handbook: basic geometry
       and computational aspects, Advances in Computational Mathematics 50 (2024) 6.
    """
    xp = _namespace(U, V)
    Y, cosines, Zt = xp.linalg.svd(xp.matrix_transpose(U) @ V, full_matrices=False)
    residual = tangent_projection(U, tangent_projection(U, V @ xp.matrix_transpose(Zt)))
    sines = xp.linalg.vector_norm(residual, axis=-2)
    one = xp.ones_like(sines)
    ratio = xp.atan2(sines, cosines) / xp.where(sines > 0, sines, one)
    return (residual * ratio[..., None, :]) @ xp.matrix_transpose(Y)


def geodesic(U: Array, V: Array, t: float | Array) -> Array:
    """Point at time ``t`` on the shortest geodesic from span(U) at 0 to span(V) at 1.

    Parameters
    ----------
    U, V : array of shape (..., d, k)
        Orthonormal columns: start and end.
    t : float or array of shape (...)
        Time; an array broadcasts against the leading axes. Beyond [0, 1] the curve goes on.

    Returns
    -------
    W : array of shape (..., d, k)
        Orthonormal columns. At t = 1 they span span(V), in the basis closest to U.

    Examples
    --------
    The plane half-way between two planes that share the first axis:

    >>> import numpy as np
    >>> U, V = np.eye(3)[:, [0, 1]], np.eye(3)[:, [0, 2]]
    >>> (geodesic(U, V, 0.5) ** 2).sum(axis=1).round(3)
    array([1. , 0.5, 0.5])
    """
    H = logarithm(U, V)
    t = array_namespace(H).asarray(t, dtype=H.dtype, device=device_of(H))
    return exponential(U, t[..., None, None] * H)


def qr_retraction(U: Array, H: Array) -> Array:
    """Basis of span(U + H) by QR: agrees with :func:`exponential` to first order, and is cheap.

    Parameters
    ----------
    U, H : array of shape (..., d, k)
        Orthonormal columns, and a tangent vector there.

    Returns
    -------
    V : array of shape (..., d, k)
        Orthonormal columns. The span is that of :func:`polar_retraction`; only the basis differs.
    """
    _namespace(U, H)
    return orthonormal_basis(U + H, positive_diagonal=True)


def polar_retraction(U: Array, H: Array) -> Array:
    """Orthonormal polar factor of ``U + H``: the basis of span(U + H) that is closest to U + H.

    Parameters
    ----------
    U, H : array of shape (..., d, k)
        Orthonormal columns, and a tangent vector there.

    Returns
    -------
    V : array of shape (..., d, k)
        Orthonormal columns, for any H, by a thin SVD: about 14 d k^2 flops. Their angles from U
        are arctan(s) for the singular values s of H; those of the exponential are s.
    """
    P, _, Qt = _namespace(U, H).linalg.svd(U + H, full_matrices=False)
    return P @ Qt


def parallel_transport(U: Array, H: Array, D: Array) -> Array:
    """Tangent vector ``D`` carried along the geodesic with initial velocity ``H`` to its end.

    ``D' = (-U Q sin(S) P^T + P cos(S) P^T + I - P P^T) D`` with the thin SVD ``H = P S Q^T``.

    Parameters
    ----------
    U, H, D : array of shape (..., d, k)
        Orthonormal columns, the velocity there (``t * H`` transports to time t), and the tangent
        vector there that is transported.

    Returns
    -------
    D : array of shape (..., d, k)
        Tangent vector at ``exponential(U, H)``, in the basis returned there.

    Notes
    -----
    An isometry: equation 2.68, at t = 1, of the paper cited under :func:`exponential`. Costs
    about 10 d k^2 flops and a (k, k) eigenproblem.
    """
    xp = _namespace(U, H, D)
    theta, Q = _singular_values_right(xp, H)
    along = xp.matrix_transpose(H) @ D
    # P (I - cos S) P^T = H Q ((1 - cos S) / S^2) Q^T H^T, and 1 - cos x = 2 sin^2(x / 2)
    versine = _spectral(xp, Q, _sinc(xp, theta / 2) ** 2 / 2)
    return D - (U @ _spectral(xp, Q, _sinc(xp, theta)) + H @ versine) @ along


def _singular_values_right(xp: Any, H: Array) -> tuple[Array, Array]:
    """Singular values of H, ascending, and right singular vectors, for functions entire in S^2."""
    squares, Q = xp.linalg.eigh(xp.matrix_transpose(H) @ H)
    return xp.sqrt(xp.where(squares > 0, squares, xp.zeros_like(squares))), Q


def _spectral(xp: Any, Q: Array, values: Array) -> Array:
    """Symmetric matrix Q diag(values) Q^T."""
    return (Q * values[..., None, :]) @ xp.matrix_transpose(Q)


def _sinc(xp: Any, x: Array) -> Array:
    """Quotient sin(x) / x, continued by 1 at 0."""
    one = xp.ones_like(x)
    return xp.where(x == 0, one, xp.sin(x) / xp.where(x == 0, one, x))


def _namespace(*bases: Array, same_rank: bool = True) -> Any:
    """Return the array namespace of ``bases`` once their shapes are found to fit."""
    first = bases[0]
    for U in bases:
        if U.ndim < 2 or not 1 <= U.shape[-1] <= U.shape[-2]:
            raise ValueError(
                f"A basis needs shape (..., n_features, n_components) with 1 <= n_components <= "
                f"n_features, but has shape {tuple(U.shape)}. Was it given as rows? Then transpose."
            )
        _check_rows(first, U)
        if same_rank and U.shape[-1] != first.shape[-1]:
            raise ValueError(
                f"The subspaces have dimensions {first.shape[-1]} and {U.shape[-1]}: they are "
                "points of different Grassmann manifolds. Only principal_angles and "
                "largest_principal_angle compare such subspaces."
            )
    return array_namespace(*bases)


def _check_rows(U: Array, V: Array) -> None:
    """Refuse matrices over spaces of different dimension."""
    if U.shape[-2] != V.shape[-2]:
        raise ValueError(
            f"The ambient dimensions {U.shape[-2]} and {V.shape[-2]} differ (shapes "
            f"{tuple(U.shape)} and {tuple(V.shape)}). Both arrays need one row for each feature."
        )
