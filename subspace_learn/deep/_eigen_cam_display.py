"""The picture of a map of activations over what the net was shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, is_array, to_numpy
from .._drawing import COLOURS, Display

__all__ = ["EigenCAMDisplay"]


class EigenCAMDisplay(Display):
    """Where a layer is active: the map over the image, or behind the signal.

    Make it with `from_estimator`, or from a map and an image.

    Parameters
    ----------
    heat : array of shape (height, width) or (length,)
        Map, in [0, 1].
    image : array of shape (height, width), (height, width, 3), (length,) or (length, n_curves)
        What lies under it; an image may be larger than the map.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    EigenCAM : Makes the maps.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import torch
    >>> from subspace_learn.deep import EigenCAM, EigenCAMDisplay
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU())
    >>> images = torch.zeros(2, 1, 16, 16)
    >>> images[:, 0, 2:5, 9:12] = 1
    >>> display = EigenCAMDisplay.from_estimator(EigenCAM(net, "1").fit(images), images[:1])
    >>> display.heat.shape, display.image.shape
    ((16, 16), (16, 16))
    """

    def __init__(self, heat: Array, image: Array):
        self.heat = heat
        self.image = image

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, image: Array | None = None, ax: Any = None
    ) -> EigenCAMDisplay:
        """Draw the map of one image.

        Parameters
        ----------
        estimator : EigenCAM
            Fitted; or a Pipeline that ends in one.
        X : array or tensor of shape (1, ...)
            The image, as the estimator takes it.
        image : array, default=None
            What is drawn under the map; None draws X, channels averaged unless they are three.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        display : EigenCAMDisplay
            With ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If X holds more than one image, or it is not clear how to draw X.
        """
        heat = np.asarray(estimator.transform(X))
        if len(heat) != 1:
            raise ValueError(
                f"X holds {len(heat)} images, but one is drawn. Take one of them, as in X[:1]."
            )
        last = estimator[-1] if hasattr(estimator, "steps") else estimator
        heat = heat.reshape(last.map_shape_)
        return cls(heat, _picture(X, heat) if image is None else image).plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        if self.heat.ndim == 1:
            heat, extent, smooth = *self._draw_signal(ax), "nearest"
        else:
            height, width = self.image.shape[:2]
            heat, extent, smooth = self.heat, (-0.5, width - 0.5, height - 0.5, -0.5), "bilinear"
            ax.imshow(self.image, cmap="gray", extent=extent)
            ax.set(xticks=[], yticks=[])
        drawn = ax.imshow(
            heat,
            cmap="cividis",
            vmin=0,
            vmax=1,
            alpha=0.75 * heat,  # where nothing is active the image is seen as it is
            extent=extent,
            interpolation=smooth,
            aspect="auto" if self.heat.ndim == 1 else "equal",
        )
        ax.figure.colorbar(drawn, ax=ax, label="activity, share of the strongest")

    def _draw_signal(self, ax: Any) -> tuple[np.ndarray, tuple[float, ...]]:
        """Curves; the map as a strip behind all of them."""
        curves = self.image.reshape(len(self.image), -1)
        for curve, colour in zip(curves.T, COLOURS * len(curves.T), strict=False):
            ax.plot(curve, color=colour, linewidth=1)
        low, high = curves.min(), curves.max()
        margin = 0.05 * (high - low) or 1.0
        ax.set(xlabel="sample", ylabel="value")
        return self.heat[None], (-0.5, len(curves) - 0.5, low - margin, high + margin)


def _picture(X: Any, heat: np.ndarray) -> np.ndarray:
    """One image, or curves in columns, of what the net was shown."""
    shown = (to_numpy(X) if is_array(X) else np.asarray(X))[0]
    if heat.ndim == 2 and shown.ndim == 3:  # channels, height, width
        return _unit(shown.transpose(1, 2, 0)) if len(shown) == 3 else shown.mean(axis=0)
    if heat.ndim == 2 and shown.ndim == 1 and shown.size == heat.size:
        return shown.reshape(heat.shape)
    if heat.ndim == 1 and shown.ndim == 1:
        return shown
    if heat.ndim == 1 and shown.ndim == 2 and heat.size in shown.shape:
        return shown if len(shown) == heat.size else shown.T
    raise ValueError(
        f"It is not clear how to draw X of shape {shown.shape} under a map of shape {heat.shape}. "
        "Give image, of shape (height, width), (height, width, 3), (length,) or (length, n_curves)."
    )


def _unit(image: np.ndarray) -> np.ndarray:
    """Colours between 0 and 1."""
    low, high = image.min(), image.max()
    return (image - low) / ((high - low) or 1.0)
