"""SimplexRasterizer: meshes to images of one size, through their exact Fourier modes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._base import Interval, StrOptions, SubspaceEstimator, fit_method
from .._checks.magnitude import finite_result
from ..functional.geometry.simplex_nuft import band_limited_image, mode_grid, simplex_nuft
from ._meshes import Mesh, checked_meshes

__all__ = ["SimplexRasterizer"]

# Extents below so many roundings of the coordinates are those of vertices that agree.
_ROUNDINGS = 8


class SimplexRasterizer(TransformerMixin, SubspaceEstimator):
    r"""Turn meshes of any size into images of one size, without sampling error.

    A mesh carries a density D on simplices: points, edges, triangles or tetrahedra. The image
    holds, at each point of a grid, the periodic signal whose Fourier coefficients are those of the
    mesh up to the resolution,

    .. math:: F(k) = \sum_e D_e \int_e e^{-2\pi i k \cdot (x - a) / T}\, dx,

    each in closed form. Parts smaller than a pixel count with their size, and moving a vertex
    moves the image smoothly.

    Parameters
    ----------
    resolution : int or tuple of int, default=16
        Points of the grid along each axis, each at least 2.
    bounds : tuple (low, high), default=None
        The box that one period of the grid covers: numbers, or one for each axis. None takes the
        box of all vertices in fit, widened by a tenth of its size on each side. What lies outside
        comes in on the other side.
    smoothing : float, default=2.0
        Damps mode k by :math:`\exp(-\tfrac12 \sum_a (2\, smoothing\, k_a / r_a)^2)`, which calms
        the ringing at jumps. 0 leaves all modes as they are.
    output : {"image", "modes"}, default="image"
        "modes" gives real and imaginary parts of the (undamped) coefficients, each divided by the
        volume of the box, which do not depend on the resolution.
    signed : bool, default=False
        Count simplices of negative orientation negatively; with
        :func:`~subspace_learn.geometry.cone` this fills closed outlines.
    flatten : bool, default=True
        Return a table. If False, an array with one axis for each axis of the grid.

    Attributes
    ----------
    bounds_ : ndarray of shape (2, d)
        Corners of the box.
    resolution_ : tuple of int
        Points along each axis.
    n_channels_ : int
        Numbers in the density of one simplex.

    Raises
    ------
    ValueError
        If a mesh (it is named) is empty, not finite, names vertices that it lacks, has cells of
        more than four vertices, or differs in dimension or channels; if ``bounds`` are no box.

    See Also
    --------
    simplex_nuft : The coefficients alone.

    Notes
    -----
    Costs O(n_simplices r^d) a mesh. Densities are per unit of content: an image of triangles
    in the plane is near D inside; one of edges or points has their mass spread over about a pixel.
    The mean of an image times the volume of the box is the total mass.

    Where it fails: the image is band limited, so it rings at jumps (less with smoothing) and is
    not confined to [0, D]. Overlapping simplices add up.

    References
    ----------
    C. Jiang, D. Wang, J. Huang, P. Marcus, M. Niessner, "Convolutional Neural Networks on
    non-uniform geometrical signals using Euclidean spectral transformation", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.spatial import ConvexHull, Delaunay
    >>> from subspace_learn.geometry import SimplexRasterizer
    >>> corners = np.random.default_rng(0).uniform(size=(3, 30, 2))
    >>> meshes = [Delaunay(points) for points in corners]
    >>> rasterizer = SimplexRasterizer(8, bounds=(-0.5, 1.5))
    >>> rasterizer.fit_transform(meshes).shape
    (3, 64)
    >>> area = rasterizer.transform(meshes).mean(axis=1) * 4
    >>> bool(np.isclose(area[0], ConvexHull(corners[0]).volume))
    True
    """

    _parameter_constraints: dict = {
        "resolution": [Interval(Integral, 2, None, closed="left"), tuple],
        "bounds": ["array-like", None],
        "smoothing": [Interval(Real, 0, None, closed="left")],
        "output": [StrOptions({"image", "modes"})],
        "signed": ["boolean"],
        "flatten": ["boolean"],
    }

    def __init__(
        self,
        resolution=16,
        *,
        bounds=None,
        smoothing=2.0,
        output="image",
        signed=False,
        flatten=True,
    ) -> None:
        self.resolution = resolution
        self.bounds = bounds
        self.smoothing = smoothing
        self.output = output
        self.signed = signed
        self.flatten = flatten

    @fit_method
    def fit(self, X: Any, y: Any = None) -> SimplexRasterizer:
        """Find the box and check the meshes.

        Parameters
        ----------
        X : list of meshes
            Each ``(vertices, simplices)`` or ``(vertices, simplices, densities)``, shapes (n_v, d),
            (n_s, j + 1) and (n_s,) or (n_s, n_channels), or an object with ``points`` and
            ``simplices`` such as ``scipy.spatial.Delaunay``.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : SimplexRasterizer
            Itself.
        """
        meshes = self._checked(X, "fit")
        d = meshes[0].vertices.shape[1]
        self.n_channels_ = meshes[0].densities.shape[1]
        self.resolution_ = self._shape(d)
        self.bounds_ = self._box(meshes, d)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Images, or modes, of the meshes.

        Parameters
        ----------
        X : list of meshes
            See `fit`.

        Returns
        -------
        images : ndarray of shape (n_meshes, n_channels * n_points)
            With ``flatten=False``: (n_meshes, n_channels, r_1, ..., r_d), without the axis of
            channels if there is one; modes have half the last axis and one of length 2 behind.
        """
        check_is_fitted(self)
        meshes = self._checked(X, "transform")
        in_fit = (self.bounds_.shape[1], self.n_channels_)
        given = (meshes[0].vertices.shape[1], meshes[0].densities.shape[1])
        if given != in_fit:
            raise ValueError(
                f"X holds meshes in {given[0]}D with {given[1]} channels, but "
                f"{type(self).__name__} was fitted in {in_fit[0]}D with {in_fit[1]}."
            )
        dtype = np.result_type(*(mesh.vertices.dtype for mesh in meshes))
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            images = np.stack([self._image(mesh) for mesh in meshes])
            images = images.astype(dtype, copy=False)
        finite_result(images, name=type(self).__name__, method="transform")
        if self.flatten:
            return images.reshape(len(meshes), -1)
        return images[:, 0] if self.n_channels_ == 1 else images

    # images have no columns; without this method scikit-learn makes no DataFrame of them
    @available_if(lambda self: self.flatten)
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of the flat table; with ``flatten=False`` there is no such method.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
            Such as "pixel3_0", "channel1_pixel3_0" or "mode3_0_imag".
        """
        check_is_fitted(self)
        if self.output == "image":
            names = ["pixel" + "_".join(map(str, i)) for i in np.ndindex(self.resolution_)]
        else:
            modes = mode_grid(self.resolution_).astype(int).reshape(-1, len(self.resolution_))
            names = [
                f"mode{'_'.join(map(str, k))}_{part}" for k in modes for part in ("real", "imag")
            ]
        if self.n_channels_ > 1:
            names = [f"channel{c}_{name}" for c in range(self.n_channels_) for name in names]
        return np.asarray(names, dtype=object)

    def _checked(self, X: Any, method: str) -> list[Mesh]:
        return checked_meshes(X, where=f"{type(self).__name__}.{method}()", signed=self.signed)

    def _shape(self, d: int) -> tuple[int, ...]:
        shape = self.resolution if isinstance(self.resolution, tuple) else (self.resolution,) * d
        if len(shape) != d or not all(isinstance(r, Integral) and int(r) >= 2 for r in shape):
            raise ValueError(
                f"resolution={self.resolution!r} must be an int, or a tuple of {d} ints of at "
                f"least 2 for meshes in {d}D."
            )
        return tuple(int(r) for r in shape)

    def _box(self, meshes: list[Mesh], d: int) -> np.ndarray:
        if self.bounds is None:
            low = np.min([mesh.vertices.min(axis=0) for mesh in meshes], axis=0).astype(float)
            high = np.max([mesh.vertices.max(axis=0) for mesh in meshes], axis=0).astype(float)
            size = high - low
            # an axis along which all vertices agree, to rounding, gets the size of the largest
            eps = max(np.finfo(mesh.vertices.dtype).eps for mesh in meshes)
            rounding = _ROUNDINGS * eps * np.maximum(np.abs(low), np.abs(high))
            size = np.where(size > rounding, size, 0.0)
            size = np.where(size > 0, size, size.max() if size.max() > 0 else 1.0)
            middle = (low + high) / 2
            return np.stack([middle - 0.6 * size, middle + 0.6 * size])
        low, high = (np.broadcast_to(np.asarray(b, dtype=float), d) for b in self.bounds)
        if not (np.isfinite([low, high]).all() and (low < high).all()):
            raise ValueError(f"bounds={self.bounds!r} must be (low, high) with low below high.")
        return np.stack([low, high])

    def _image(self, mesh: Mesh) -> np.ndarray:
        """Of shape (n_channels, ...), in double precision: large phases keep their digits."""
        low, high = self.bounds_
        F = simplex_nuft(
            mesh.vertices - low,
            mesh.simplices,
            mesh.densities,
            self.resolution_,
            period=high - low,
            signed=self.signed,
        )
        F = np.moveaxis(F, -1, 0)
        if self.output == "modes":
            return np.stack([F.real, F.imag], axis=-1) / np.prod(high - low)
        return band_limited_image(F, self.resolution_, period=high - low, smoothing=self.smoothing)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # a mesh is no row of a table
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
