"""GrassmannNetClassifier: a perceptron whose class vectors are subspaces of its features."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from .._base import Interval, StrOptions
from ..functional.grassmann.nearest_subspace import row_directions
from ._classifier import BaseDeepClassifier
from ._documentation import with_training_parameters

__all__ = ["GrassmannNetClassifier"]


@with_training_parameters()
class GrassmannNetClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseDeepClassifier):
    r"""Classify rows by the angles of learnt features to one learnt subspace per class.

    A perceptron f makes features of a row x, and class c owns a subspace with orthonormal basis
    :math:`S_c`. The logits are

    .. math:: \gamma |S_c^T f(x)| / |f(x)|,

    and the cross-entropy is minimised over f and all subspaces together, along geodesics of the
    Grassmann manifold.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(128, 64)
        Sizes of the layers; the last is the number of features, and no activation follows it.
    n_components : int, default=8
        Dimension k of each class's subspace, at most the number of features.
    gamma : float, default=25.0
        Scale of the logits, which lie in [0, gamma].
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Between the layers.
    momentum : float, default=0.9
        Of :class:`RiemannianSGD`, in [0, 1).
    lr : float, default=0.01
        Learning rate of the perceptron and of the subspaces, whose gradients grow with gamma. On
        standardised features 0.05 is faster; on others it may be too long a step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    See Also
    --------
    GrassmannHead : The layer, for modules of your own.
    subspace_learn.GrassmannClassifier : Subspaces of the rows themselves: no features are learnt.

    Notes
    -----
    With k = 1 the sign of a feature is lost: this is not the cosine classifier. A larger k leaves
    the features of a class room to differ from each other, which is what the authors found useful
    when features are used for another task.

    References
    ----------
    H. Wang, Z. Li, W. Zhang, "Get the Best of Both Worlds: Improving Accuracy and Transferability
    by Grassmann Class Representation", ICCV 2023, arXiv:2308.01547.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from subspace_learn.deep import GrassmannNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> clf = GrassmannNetClassifier(n_components=4, max_epochs=10, random_state=0)
    >>> clf.fit(X_train, y_train).score(X_test, y_test) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **BaseDeepClassifier._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "activation": [StrOptions({"relu", "gelu", "silu", "tanh"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
    }
    _parameter_constraints.pop("optimizer")

    def __init__(
        self,
        hidden_layer_sizes=(128, 64),
        *,
        n_components=8,
        gamma=25.0,
        activation="relu",
        momentum=0.9,
        class_weight=None,
        max_epochs=50,
        lr=0.01,
        batch_size=64,
        weight_decay=0.0,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype=None,
        random_state=None,
        verbose=0,
        net_params=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_components = n_components
        self.gamma = gamma
        self.activation = activation
        self.momentum = momentum
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.net_params = net_params

    def transform(self, X: Any) -> np.ndarray:
        """Features of rows, divided by their lengths.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, hidden_layer_sizes[-1])
            Rows of length 1, in the precision of the module.
        """
        return row_directions(self._outputs(X, "transform", "features"))[0]

    @property
    def subspaces_(self) -> np.ndarray:
        """Orthonormal columns, (n_classes, hidden_layer_sizes[-1], n_components); a copy."""
        return self.net_.module_.head.subspaces.detach().cpu().numpy().copy()

    @property
    def _n_features_out(self) -> int:
        return int(self.net_.module_.head.in_features)

    def _build_module(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> Any:
        from ._grassmann_head import GrassmannNet

        sizes = (n_features, *self.hidden_layer_sizes)
        return GrassmannNet(sizes, n_outputs, self.n_components, self.gamma, self.activation)

    def _optimizer(self) -> tuple[str | Callable[..., Any], dict[str, Any]]:
        return "rsgd", {"momentum": self.momentum}
