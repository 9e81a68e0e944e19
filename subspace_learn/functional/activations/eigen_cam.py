"""Eigen-CAM: where the activations of a layer are strong and agree, without class or gradient."""

from __future__ import annotations

import numpy as np

from ..._array import Array, array_namespace, as_float, device_of, double, is_complex

__all__ = ["eigen_cam", "mean_activation_map", "resized"]


def eigen_cam(
    activations: Array, *, center: bool = False, size: tuple[int, ...] | None = None
) -> Array:
    r"""Map the leading principal direction of the activations of a layer, image by image.

    The activations of an image, C channels at P places, are a matrix M of shape (P, C). Its first
    right singular vector v gives the map :math:`L = M v`; what is negative is set to 0, the rest is
    scaled to [0, 1].

    Parameters
    ----------
    activations : array of shape (n_images, n_channels, height, width)
        Also (n_images, n_channels, length), or any number of axes of places.
    center : bool, default=False
        Subtract the mean over the places from each channel first. The paper does not.
    size : tuple of int, default=None
        Resize the maps, linearly, to that of the images. None leaves that of the layer.

    Returns
    -------
    maps : array of shape (n_images, height, width)
        In [0, 1]; all zeros where the map is constant. Float width and library of ``activations``.

    Raises
    ------
    ValueError
        If there are fewer than three axes, an empty one, or NaN.

    Notes
    -----
    The sign of v is an accident, and after the cut at 0 a wrong one inverts the map: L is turned
    such that :math:`\sum_p L_p \sum_c M_{pc}^2 \ge 0`, positive where the activations are strong.
    For activations of 0 and above L then is nowhere negative (Perron and Frobenius). Common
    implementations centre instead and leave the sign, or choose it elsewhere. Invariant to
    orthogonal mixing, permutation and negation of the channels, and to their scale.

    By an eigenproblem of size min(C, P) an image. Where it fails: it shows what is strong, not
    what decides; a bright frame or a busy background wins over the object. Compare it with
    :func:`mean_activation_map`, which is often as good.

    References
    ----------
    M. B. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN
    2020, section III.

    Examples
    --------
    >>> place = np.zeros((4, 4))
    >>> place[1, 2] = 1
    >>> channels = np.array([-1.0, 0.0, 3.0])
    >>> eigen_cam((channels[:, None, None] * place)[None])[0].round(6) + 0.0
    array([[0., 0., 0., 0.],
           [0., 0., 1., 0.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]])
    """
    xp = array_namespace(activations)
    M, places = _matrices(activations)
    # units of each image: squares of tiny or huge activations would leave the range of floats
    unit = xp.max(xp.abs(M), axis=(1, 2), keepdims=True)
    M = M / xp.where(unit > 0, unit, xp.ones_like(unit))
    energy = xp.sum(M**2, axis=2)
    if center:
        M = M - xp.mean(M, axis=1, keepdims=True)
    turned = xp.matrix_transpose(M)
    if M.shape[2] <= M.shape[1]:
        vectors = xp.linalg.eigh(turned @ M)[1]
        L = (M @ vectors[:, :, -1:])[:, :, 0]
    else:
        values, vectors = xp.linalg.eigh(M @ turned)
        L = vectors[:, :, -1] * xp.sqrt(xp.clip(values[:, -1:], 0.0, None))
    strongest = xp.take_along_axis(L, xp.argmax(xp.abs(L), axis=1, keepdims=True), axis=1)[:, 0]
    side = xp.sum(L * energy, axis=1)
    size_of_sum = xp.sum(xp.abs(L) * energy, axis=1)
    tie = xp.abs(side) <= 1e-12 * size_of_sum  # a map as strong on both sides: its peak is up
    side = xp.where(tie, strongest, side)
    L = xp.where((side < 0)[:, None], -L, L)
    return _finished(L, places, size, activations)


def mean_activation_map(activations: Array, *, size: tuple[int, ...] | None = None) -> Array:
    """The plain mean over the channels, cut at 0 and scaled to [0, 1]: the baseline.

    Parameters
    ----------
    activations : array of shape (n_images, n_channels, height, width)
        Or with any number of axes of places.
    size : tuple of int, default=None
        As in :func:`eigen_cam`.

    Returns
    -------
    maps : array of shape (n_images, height, width)
        In [0, 1]; all zeros where the mean is constant.
    """
    M, places = _matrices(activations)
    L = array_namespace(M).mean(M, axis=2)
    return _finished(L, places, size, activations)


def resized(maps: Array, size: tuple[int, ...]) -> Array:
    """Resize maps linearly along each axis; pixels are areas, borders are held.

    Parameters
    ----------
    maps : array of shape (n_images, ...)
        Maps with one axis or more.
    size : tuple of int
        New length of each axis but the first.

    Returns
    -------
    maps : array of shape (n_images, ...)
        With those lengths; means of neighbours, never outside the range of what was given.

    Raises
    ------
    ValueError
        If there are not as many lengths as axes, or one is below 1.
    """
    xp = array_namespace(maps)
    if len(size) != maps.ndim - 1 or min(size) < 1:
        raise ValueError(
            f"size={size!r} must have one length of 1 or more for each of the {maps.ndim - 1} axes "
            "of a map."
        )
    for axis, n_out in enumerate(size, start=1):
        weights = xp.asarray(
            _linear_weights(maps.shape[axis], n_out), dtype=maps.dtype, device=device_of(maps)
        )
        maps = xp.moveaxis(xp.moveaxis(maps, axis, -1) @ weights, -1, axis)
    return maps


def _linear_weights(n_in: int, n_out: int) -> np.ndarray:
    """Matrix (n_in, n_out) of linear interpolation at the middles of ``n_out`` equal cells."""
    middle = np.clip((np.arange(n_out) + 0.5) * n_in / n_out - 0.5, 0, n_in - 1)
    left = np.minimum(middle.astype(int), max(n_in - 2, 0))
    weights = np.zeros((n_in, n_out))
    columns = np.arange(n_out)
    weights[left, columns] = 1 - (middle - left)
    weights[np.minimum(left + 1, n_in - 1), columns] += middle - left
    return weights


def _matrices(activations: Array) -> tuple[Array, tuple[int, ...]]:
    """Matrices (n_images, n_places, n_channels) in double precision, and the axes of places."""
    xp = array_namespace(activations)
    if activations.ndim < 3 or 0 in activations.shape or is_complex(activations):
        raise ValueError(
            "activations must be real, of shape (n_images, n_channels, height, width) or "
            f"(n_images, n_channels, length), none empty, but have shape "
            f"{tuple(activations.shape)}. For a single image add an axis in front."
        )
    M = double(as_float(activations))
    if not bool(xp.all(xp.isfinite(M))):
        raise ValueError("activations contain NaN or infinity.")
    places = tuple(activations.shape[2:])
    return xp.matrix_transpose(xp.reshape(M, (*M.shape[:2], -1))), places


def _finished(
    L: Array, places: tuple[int, ...], size: tuple[int, ...] | None, like: Array
) -> Array:
    """Cut at 0, scale to [0, 1], bring to shape and size."""
    xp = array_namespace(L)
    rounding = 1e-12 * xp.max(xp.abs(L), axis=1, keepdims=True)
    L = xp.clip(L, 0.0, None)
    low, high = xp.min(L, axis=1, keepdims=True), xp.max(L, axis=1, keepdims=True)
    flat = high - low <= rounding
    L = xp.where(flat, xp.zeros_like(L), (L - low) / xp.where(flat, xp.ones_like(L), high - low))
    maps = xp.reshape(L, (L.shape[0], *places))
    maps = maps if size is None else resized(maps, size)
    return xp.astype(maps, as_float(like).dtype)
