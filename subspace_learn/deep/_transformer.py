"""Codes of rows by a torch module that can reconstruct the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._base import fit_method
from .._checks.table import check_scores
from ._base import Rows
from ._documentation import with_training_parameters
from ._module_parameters import ModuleEstimator

__all__ = ["DeepTransformer"]


def _can_decode(transformer: DeepTransformer) -> bool:
    """Whether codes can be turned back into rows; before `fit` the class of the module is asked."""
    net = getattr(transformer, "net_", None)
    if net is not None:
        return hasattr(net.module_, "decode")
    return transformer.module is None or hasattr(transformer.module, "decode")


@with_training_parameters("""\
module : type or callable, default=None
    Class of a torch module, or a function that returns a new one, mapping (n_samples,
    n_features) to a reconstruction of the same shape, with a method ``encode`` to codes (n_samples,
    n_components) and, for `inverse_transform`, ``decode`` back. Never a module itself, which a
    first fit would change for the next. If it has a parameter ``n_features``, it is set from the
    data. None is an :class:`AutoEncoder`, the length of whose code is ``module__n_components``.
""")
class DeepTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ModuleEstimator):
    r"""Map rows to codes with an autoencoder: any torch module that has a method ``encode``.

    The weighted mean of :math:`|f(x) - x|^2 / d` is minimised over the parameters of the module f
    in mini-batches; its codes are the result.

    See Also
    --------
    subspace_learn.GrassmannPCA : The linear code, exact and much faster: compare with it first.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.deep import DeepTransformer
    >>> t = np.random.default_rng(0).uniform(-1, 1, size=(300, 1))
    >>> X = np.hstack([t, t**2, np.sin(3 * t)])  # a curve: one number says where a row is
    >>> coder = DeepTransformer(module__n_components=1, lr=0.01, random_state=0).fit(X)
    >>> coder.transform(X).shape
    (300, 1)
    >>> bool(np.mean((coder.inverse_transform(coder.transform(X)) - X) ** 2) < 0.01)
    True
    """

    _kind = "transformer"

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> DeepTransformer:
        """Train a new module; with ``warm_start`` the one that is there.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows. Scale them, for example by :class:`sklearn.preprocessing.StandardScaler`.
        y : object, default=None
            Not used.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows. Batches hold rows, whatever their weights.

        Returns
        -------
        self : DeepTransformer
            Fitted.
        """
        return self._train_on(X, sample_weight, method="fit")

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> DeepTransformer:
        """Train for one epoch on these rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : object, default=None
            Not used.
        sample_weight : array of shape (n_samples,), default=None
            Weights of the losses of the rows.

        Returns
        -------
        self : DeepTransformer
            Fitted.
        """
        return self._train_on(X, sample_weight, method="partial_fit")

    def transform(self, X: Any) -> np.ndarray:
        """Codes of rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            In the precision of the module.
        """
        return self._outputs(X, "transform", "encode")

    @available_if(_can_decode)
    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows of codes.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            Reconstructions, in the precision of the module.
        """
        check_is_fitted(self)
        codes = check_scores(
            self,
            X,
            n_features=self._n_features_out,
            like=np.empty(0),
            method="inverse_transform",
        )
        from ._outputs import net_outputs

        return net_outputs(self.net_, codes, "decode")

    @property
    def _n_features_out(self) -> int:
        from ._outputs import net_outputs

        return int(net_outputs(self.net_, np.zeros((1, self.n_features_in_)), "encode").shape[1])

    def _train_on(self, X: Any, sample_weight: Any, *, method: str) -> DeepTransformer:
        begun = self._is_begun(method)
        X, weights = self._rows(X, sample_weight, reset=not begun, method=method)
        self._train(Rows(X, X, weights, X.shape[1]), method=method, begun=begun)
        return self

    def _default_module(self) -> Callable[..., Any]:
        from ._perceptrons import AutoEncoder

        return AutoEncoder

    def _build_module(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> Any:
        module = super()._build_module(n_features, n_outputs, rng)
        if not callable(getattr(module, "encode", None)):
            raise TypeError(
                f"{type(module).__name__} has no method encode, which DeepTransformer needs beside "
                "forward. Name the method that maps rows to codes so."
            )
        return module

    def _loss(self) -> Any:
        import torch

        return torch.nn.MSELoss(reduction="none")
