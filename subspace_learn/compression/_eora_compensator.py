"""EoRACompensator: compress the layers of a multilayer perceptron, and make up for it."""

from __future__ import annotations

from copy import deepcopy
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier
from sklearn.utils.extmath import safe_sparse_dot

from .._base import HasMethods, Interval, StrOptions, fit_method
from .._checks.table import check_on_host, check_samples
from .._wrapped_predictor import WrappedPredictor
from ..functional.compression.eora import METHODS, activation_error, compressed, eora_factors

__all__ = ["EoRACompensator"]

_ACTIVATIONS = {
    "identity": lambda x: x,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
}


class EoRACompensator(WrappedPredictor):
    r"""Compress a multilayer perceptron and give back, at low rank, what its inputs need.

    The weight W of each layer is replaced by a cheaper :math:`\hat W` (few bits, or half of the
    entries) and a correction B A of rank r, with the smallest
    :math:`\sum_x \|(W - \hat W - B A) x\|^2` over the training inputs x of that layer. No
    gradient is taken and labels are not used.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor, default=None
        Cloned and fitted first; inside a ``sklearn.frozen.FrozenEstimator`` a fitted one is used as
        it is. None means ``MLPClassifier()``.
    n_components : int, default=4
        Rank r of each correction; a layer with a smaller side gets that. 0 compresses only.
    compressor : {"quantize", "prune_2_4"} or callable, default="quantize"
        "quantize" rounds each row of W to 2^bits levels, "prune_2_4" zeroes the smaller two of each
        four neighbours. A callable takes W of shape (n_out, n_in) and returns its replacement.
    bits : int, default=2
        Of "quantize", 1 to 16.
    method : {"eora", "act", "svd"}, default="eora"
        What counts as small: the change of the outputs, that of W with each column scaled by the
        mean size of its input, or that of W: the last two are the baselines of the paper.
    calibration : {"original", "sequential"}, default="original"
        Inputs of a layer as in the fitted model, or as they come out of the compressed and
        corrected layers before it.
    update_bias : bool, default=False
        Also correct the bias by the mean change, exactly; the low rank then serves what
        varies.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model, each weight replaced by :math:`\hat W + B A`.
    compressed_ : list of ndarray of shape (n_out, n_in)
        :math:`\hat W` of each layer.
    factors_ : list of (B, A)
        Shapes (n_out, r) and (r, n_in).
    errors_ : ndarray of shape (n_layers, 2)
        Root mean square change of the outputs of each layer on its inputs, by compression alone
        and after the correction, that of the bias included.
    classes_ : ndarray of shape (n_classes,)
        Classes, of a classifier.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    TypeError
        If the estimator is no multilayer perceptron of scikit-learn (has no ``coefs_``).
    ValueError
        If a compressor returns another shape or NaN.

    See Also
    --------
    eora_factors : The factors for a weight of any model.

    Notes
    -----
    A matrix product and an eigenproblem of n_out a layer. Prediction uses the sum
    :math:`\hat W + B A`; to save memory, store ``compressed_`` with its few levels and
    ``factors_``.

    Where it fails: compare with ``n_components=0`` and ``method="svd"``; where the inputs of a
    layer vary alike in all directions, EoRA is the plain SVD. It fits the inputs it was shown: few
    rows of calibration data leave directions unseen, which get no correction.

    References
    ----------
    S.-Y. Liu et al., "EoRA: Fine-tuning-free Compensation for Compressed LLM with Eigenspace
    Low-Rank Approximation", 2024, arXiv:2410.21271.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neural_network import MLPClassifier
    >>> from subspace_learn.compression import EoRACompensator
    >>> X, y = load_digits(return_X_y=True)
    >>> network = MLPClassifier((64,), random_state=0, max_iter=500, tol=0.01)
    >>> model = EoRACompensator(network, n_components=8).fit(X / 16, y)
    >>> bool((model.errors_[:, 1] < model.errors_[:, 0]).all())
    True
    >>> [(B.shape, A.shape) for B, A in model.factors_]
    [((64, 8), (8, 64)), ((10, 8), (8, 64))]
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_components": [Interval(Integral, 0, None, closed="left")],
        "compressor": [StrOptions({"quantize", "prune_2_4"}), callable],
        "bits": [Interval(Integral, 1, 16, closed="both")],
        "method": [StrOptions(set(METHODS))],
        "calibration": [StrOptions({"original", "sequential"})],
        "update_bias": ["boolean"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_components=4,
        compressor="quantize",
        bits=2,
        method="eora",
        calibration="original",
        update_bias=False,
    ) -> None:
        self.estimator = estimator
        self.n_components = n_components
        self.compressor = compressor
        self.bits = bits
        self.method = method
        self.calibration = calibration
        self.update_bias = update_bias

    @fit_method
    def fit(self, X: Any, y: Any = None) -> EoRACompensator:
        """Fit the network, then compress and correct it on the same rows.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows; for a frozen network calibration rows.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Targets; not used if the network is frozen.

        Returns
        -------
        self : EoRACompensator
            Fitted.
        """
        check_on_host(self, X)
        checked = check_samples(self, X, reset=True, accept_sparse="csr")
        fitted = self._unfitted().fit(X if hasattr(X, "columns") else checked, y)
        fitted = fitted.estimator if isinstance(fitted, FrozenEstimator) else fitted
        if not (hasattr(fitted, "coefs_") and hasattr(fitted, "intercepts_")):
            raise TypeError(
                f"{type(fitted).__name__} has no coefs_ and intercepts_. EoRACompensator takes "
                "MLPClassifier and MLPRegressor; for weights of other models use eora_factors."
            )
        self.estimator_ = deepcopy(fitted)
        self._compress(fitted, checked)
        return self

    def _default_estimator(self) -> MLPClassifier:
        return MLPClassifier()

    def _compress(self, fitted: Any, X: Any) -> None:
        """Replace the weights of ``estimator_``, first layer first."""
        activation = _ACTIVATIONS[fitted.activation]
        self.compressed_, self.factors_, errors = [], [], []
        weights, biases = [], []
        h = X
        for coefs, original_bias in zip(fitted.coefs_, fitted.intercepts_, strict=True):
            inputs = h.toarray() if hasattr(h, "toarray") else h
            W = coefs.T
            W_hat = compressed(W, self.compressor, bits=self.bits)
            B, A = self._correction(W, W_hat, inputs)
            corrected = W_hat + B @ A
            bias = original_bias
            if self.update_bias:
                bias = bias + (W - corrected) @ inputs.mean(axis=0)
            self.compressed_.append(W_hat)
            self.factors_.append((B, A))
            # the change of the bias takes the mean change of the outputs away
            seen = inputs - inputs.mean(axis=0) if self.update_bias else inputs
            errors.append(
                [activation_error(W, W_hat, inputs), activation_error(W, corrected, seen)]
            )
            weights.append(np.ascontiguousarray(corrected.T))
            biases.append(bias)
            original = self.calibration == "original"
            through = (coefs, original_bias) if original else (weights[-1], bias)
            h = activation(safe_sparse_dot(h, through[0]) + through[1])
        self.errors_ = np.array(errors)
        self.estimator_.coefs_, self.estimator_.intercepts_ = weights, biases

    def _correction(
        self, W: np.ndarray, W_hat: np.ndarray, inputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        n_components = min(self.n_components, *W.shape)
        if n_components == 0:
            return np.zeros((len(W), 0), W.dtype), np.zeros((0, W.shape[1]), W.dtype)
        if self.update_bias and self.method == "eora":
            inputs = inputs - inputs.mean(axis=0)
        return eora_factors(W, W_hat, inputs, n_components, method=self.method)
