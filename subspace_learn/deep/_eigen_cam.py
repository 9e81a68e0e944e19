"""EigenCAM: where a layer of a torch net is active, image by image, as a transformer."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted

from .._array import Array, is_array, library_name
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method
from .._checks.table import check_samples
from ..functional.activations.eigen_cam import eigen_cam, mean_activation_map, resized
from ._requirements import require_torch

__all__ = ["EigenCAM"]


class EigenCAM(TransformerMixin, SubspaceEstimator):
    r"""Map where a layer of a trained net is active, without class or gradient.

    The activations of an image, C channels at P places, are a matrix M of shape (P, C), v its
    first right singular vector: the map is :math:`L = M v`, cut at 0 and scaled to [0, 1]. Nothing
    is trained.

    Parameters
    ----------
    net : torch.nn.Module, fitted deep estimator, or fitted skorch net
        What is looked into. ``clone``, and so every search and cross-validation, drops the fit of
        an estimator: there, hand over ``sklearn.frozen.FrozenEstimator(net)``.
    layer : str, or list of str
        Name of the layer, as in ``net.named_modules()``: its output is mapped. The maps of
        several layers are averaged, at the places of the first unless ``size`` is given.
    method : {"eigen", "mean"}, default="eigen"
        "mean" maps the plain mean over the channels: the baseline, often as good.
    center : bool, default=False
        Whether the mean over the places is subtracted from each channel first. Of "eigen".
    channel_axis : int, default=1
        Axis of the channels in what the layer returns: 1 for convolutions, -1 for tokens and for
        the state space layers of this package.
    reshape : callable, default=None
        Applied to what the layer returns, before all else. Takes tokens to a grid, or one tensor
        out of a tuple.
    size : tuple of int, default=None
        Resize the maps, linearly, to that of the images. None leaves that of the layer.
    flatten : bool, default=False
        Whether each map becomes a row of a table.
    batch_size : int, default=64
        Images that go through the net together; bounds the memory of the activations.

    Attributes
    ----------
    map_shape_ : tuple of int
        Shape of a map.
    n_features_in_ : int
        Number of features, if X was a table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ImportError
        If torch or skorch is not installed.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If the net has no such layer, which then lists those it has; the layer is not run exactly
        once for an image, or has no places (a linear layer on rows); or maps have another
        shape than in `fit`.

    See Also
    --------
    EigenCAMDisplay : Draws a map over its image.
    subspace_learn.activations.eigen_cam : The map of given activations.

    Notes
    -----
    The net is run in evaluation mode without gradients; hooks are removed and modes put back, also
    after an error. Costs a forward pass, and for each image a product and an eigenproblem of size
    min(C, P), in double precision. The sign of v is chosen so that the map is positive where the
    activations are strong; see :func:`~subspace_learn.activations.eigen_cam`.

    Where it fails: it shows what is strong in the layer, not what decides. A net whose last layer
    is replaced by a random one has the same maps. Where a layer has filters for what is of no
    interest (a textured background), these win. Draw ``method="mean"`` beside it.

    References
    ----------
    M. B. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN
    2020, arXiv:2008.00299, section III.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import EigenCAM
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU())
    >>> images = torch.zeros(2, 1, 16, 16)
    >>> images[0, 0, 2:5, 9:12] = 1
    >>> images[1, 0, 8:14, 1:4] = 1
    >>> maps = EigenCAM(net, "1").fit_transform(images)
    >>> maps.shape
    (2, 16, 16)
    """

    _kind_of_input = "images"
    _parameter_constraints: dict = {
        "net": "no_validation",
        "layer": [str, list, tuple, None],
        "method": [StrOptions({"eigen", "mean"})],
        "center": ["boolean"],
        "channel_axis": [Integral],
        "reshape": [callable, None],
        "size": [tuple, list, None],
        "flatten": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        net=None,
        layer=None,
        *,
        method="eigen",
        center=False,
        channel_axis=1,
        reshape=None,
        size=None,
        flatten=False,
        batch_size=64,
    ):
        self.net = net
        self.layer = layer
        self.method = method
        self.center = center
        self.channel_axis = channel_axis
        self.reshape = reshape
        self.size = size
        self.flatten = flatten
        self.batch_size = batch_size

    @fit_method
    def fit(self, X: Any, y: Any = None) -> EigenCAM:
        """Check net, layer and images, by the map of one image; nothing is learnt.

        Parameters
        ----------
        X : array or tensor of shape (n_images, n_channels, height, width)
            Or whatever else the net takes: rows of a table that it reshapes, sequences.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : EigenCAM
            Itself.
        """
        require_torch()
        rows = self._rows(X, reset=True, method="fit")
        self.map_shape_ = next(self._maps(rows[:1])).shape[1:]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Maps of images.

        Parameters
        ----------
        X : array or tensor of shape (n_images, n_channels, height, width)
            As in `fit`.

        Returns
        -------
        maps : ndarray of shape (n_images, height, width)
            In [0, 1], in the precision of the net; all zeros where a map is constant. With
            ``flatten`` a table (n_images, height * width).
        """
        check_is_fitted(self)
        maps = np.concatenate(list(self._maps(self._rows(X, reset=False, method="transform"))))
        if maps.shape[1:] != self.map_shape_:
            raise ValueError(
                f"Maps of these images have shape {maps.shape[1:]}, but had {self.map_shape_} in "
                "fit. Set size to have maps of one shape, or fit anew."
            )
        return maps.reshape(len(maps), -1) if self.flatten else maps

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of the flat table.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
            Such as "place3_0".
        """
        check_is_fitted(self)
        names = ["place" + "_".join(map(str, i)) for i in np.ndindex(*self.map_shape_)]
        return np.asarray(names, dtype=object)

    def _rows(self, X: Any, *, reset: bool, method: str) -> Array:
        """Images, sequences or rows, as the module takes them."""
        from ._watching import rows_for, trained_module

        trained_module(self.net, where=type(self).__name__)
        checked = X
        if not hasattr(X, "get_data"):  # mne.Epochs, which SSMClassifier knows
            nested = np.asarray(X) if isinstance(X, (list, tuple)) else X
            if getattr(nested, "ndim", 2) <= 2:
                checked = check_samples(self, X, reset=reset, method=method)
            elif not is_array(nested) or library_name(nested) != "torch" or not len(nested):
                checked = check_array(
                    nested, allow_nd=True, dtype="numeric", estimator=self, input_name="X"
                )
        rows = rows_for(self.net, X, method=method)
        return checked if rows is X else rows

    def _maps(self, rows: Array) -> Iterator[np.ndarray]:
        """Maps, batch by batch."""
        from ._outputs import as_tensor, precision
        from ._watching import evaluated, found_parts, trained_module, watched

        module = trained_module(self.net, where=type(self).__name__)
        names = [self.layer] if isinstance(self.layer, str) else list(self.layer or ["None"])
        parts = found_parts(module, names)
        device, width = precision(module)
        is_codes = str(getattr(rows, "dtype", "")) == "torch.int64"
        dtype = None if is_codes else width
        for start in range(0, len(rows), self.batch_size):
            batch = as_tensor(rows[start : start + self.batch_size], device, dtype)
            with evaluated(module), watched(parts) as seen:
                self._shown(module, batch)
            found = {name: self._activations(name, seen.get(name, [])) for name in names}
            yield self._mean_map(found)

    def _shown(self, module: Any, batch: Any) -> None:
        """Call the module; what it says of a shape it cannot take is said as of X."""
        try:
            module(batch)
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # out of memory
                raise
            raise ValueError(
                f"{type(module).__name__} failed on a batch of shape {tuple(batch.shape)}: {error}"
            ) from error

    def _activations(self, name: str, runs: list[tuple[Any, Any]]) -> Any:
        """What a layer returned, channels second."""
        import torch

        if len(runs) != 1:
            raise ValueError(
                f"Layer {name!r} was run {len(runs)} times for one batch, so that it is not "
                "clear what to map. Name a layer that is run once."
            )
        found = runs[0][1] if self.reshape is None else self.reshape(runs[0][1])
        if not torch.is_tensor(found):
            raise ValueError(
                f"Layer {name!r} returns a {type(found).__name__}, not a tensor. Set reshape to a "
                "function that takes one out of it."
            )
        if found.ndim < 3:
            raise ValueError(
                f"Layer {name!r} returns shape {tuple(found.shape)}: no axis of places. Name a "
                "convolution or what follows it, or set reshape for tokens that are flattened."
            )
        return found.detach().movedim(self.channel_axis, 1)

    def _mean_map(self, activations: dict[str, Any]) -> np.ndarray:
        """Average over the layers."""
        found: list[Any] = []
        for values in activations.values():
            if self.method == "mean":
                maps = mean_activation_map(values)
            else:
                maps = eigen_cam(values, center=self.center)
            size = tuple(self.size or (found[0].shape[1:] if found else maps.shape[1:]))
            found.append(maps if size == tuple(maps.shape[1:]) else resized(maps, size))
        return (sum(found) / len(found)).cpu().numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = False  # tensors are taken, but NumPy arrays come out
        tags.input_tags.three_d_array = True
        return tags
