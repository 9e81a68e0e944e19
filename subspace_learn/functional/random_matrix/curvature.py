r"""Hessian-vector products of scikit-learn's logistic regression and multi-layer perceptron.

Each is a function from (n_parameters,) to (n_parameters,), for
:func:`~subspace_learn.random_matrix.hessian_spectrum`. The loss is the
mean cross-entropy over the rows given, and half of ``alpha`` times the squared weights (intercepts
without).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["logistic_hvp", "mlp_hvp", "mlp_parameters"]

# Value of the activation -> its first and second derivative, both written in that value
_DERIVATIVES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "identity": (np.ones_like, np.zeros_like),
    "tanh": (lambda a: 1 - a**2, lambda a: -2 * a * (1 - a**2)),
    "logistic": (lambda a: a * (1 - a), lambda a: a * (1 - a) * (1 - 2 * a)),
    "relu": (lambda a: (a > 0).astype(float), np.zeros_like),
}


def logistic_hvp(
    X: np.ndarray, coef: np.ndarray, intercept: np.ndarray, *, alpha: float = 0.0
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    r"""Hessian of logistic regression, binary or multinomial.

    For classes with probabilities p (a column each) the product with V is
    :math:`\tilde X^T (p \odot (S - \operatorname{rowsum}(p \odot S))) / N`, :math:`S = \tilde X V`,
    where :math:`\tilde X` has a column of ones.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    coef : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        As scikit-learn's ``coef_``.
    intercept : ndarray of shape (n_classes,) or (1,)
        As ``intercept_``.
    alpha : float, default=0.0
        Weight of the penalty; scikit-learn's C is ``1 / (alpha * n_samples)``.

    Returns
    -------
    hvp : callable
        Parameters are ``[coef, intercept]`` row by row, flattened: (n_outputs, n_features + 1).
    n_parameters : int
        Their number.

    Examples
    --------
    >>> import numpy as np
    >>> hvp, n = logistic_hvp(np.array([[1.0], [2.0]]), np.zeros((1, 1)), np.zeros(1))
    >>> hvp(np.array([1.0, 0.0]))
    array([0.625, 0.375])
    """
    table = np.column_stack([X, np.ones(X.shape[0])])
    logits = X @ coef.T + intercept
    shape = (coef.shape[0], table.shape[1])
    if shape[0] == 1:
        p = 1 / (1 + np.exp(-logits))
    else:
        p = _softmax(logits)
    penalised = np.concatenate([np.ones(X.shape[1]), [0.0]])

    def hvp(v: np.ndarray) -> np.ndarray:
        V = v.reshape(shape)
        S = table @ V.T
        change = p * (1 - p) * S if shape[0] == 1 else _softmax_change(p, S)
        return np.ravel(change.T @ table / X.shape[0] + alpha * V * penalised)

    return hvp, shape[0] * shape[1]


def _softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _softmax_change(p: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Derivative of the probabilities when the logits move by S."""
    return p * (S - np.sum(p * S, axis=1, keepdims=True))


def mlp_parameters(model: Any) -> np.ndarray:
    """Flatten the parameters of a fitted MLP: all weights, then all intercepts.

    Parameters
    ----------
    model : MLPClassifier
        Fitted.

    Returns
    -------
    parameters : ndarray of shape (n_parameters,)
        In the order that :func:`mlp_hvp` uses.
    """
    return np.concatenate([np.ravel(a) for a in (*model.coefs_, *model.intercepts_)])


def mlp_hvp(
    model: Any, X: np.ndarray, y: np.ndarray, *, gauss_newton: bool = False
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    r"""Hessian of a fitted ``MLPClassifier`` on some rows, by a forward and a backward sweep.

    The exact product (R-operator): derivatives of both sweeps along the vector. Second derivatives
    of "relu" are taken as 0, as everywhere.

    Parameters
    ----------
    model : MLPClassifier
        Fitted; its ``alpha`` enters as scikit-learn does it, divided by the number of rows.
    X : ndarray of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Their classes.
    gauss_newton : bool, default=False
        Whether to leave out the second derivatives of the network: the generalised Gauss-Newton
        matrix :math:`\frac1N \sum_i J_i^T H_i J_i` of logits with Jacobian J, positive semidefinite
        and of rank ``n_samples (n_classes - 1)`` at most. The rest of the Hessian is weighed by the
        residuals and vanishes with them.

    Returns
    -------
    hvp : callable
        Parameters in the order of :func:`mlp_parameters`. A product costs about four times a
        gradient.
    n_parameters : int
        Their number.

    Raises
    ------
    ValueError
        If the classes or the activation are not those of a classifier that is known here.

    References
    ----------
    B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6 (1994),
    section 3.
    """
    if model.out_activation_ not in ("softmax", "logistic") or np.ndim(model.classes_) != 1:
        raise ValueError(
            f"mlp_hvp needs a classifier with one label for each row, but out_activation_="
            f"{model.out_activation_!r}. Fit an MLPClassifier on class labels."
        )
    unknown = sorted(set(np.unique(y).tolist()) - set(model.classes_.tolist()))
    if unknown:
        raise ValueError(f"y holds classes that the model was not fitted on: {unknown[:5]}.")
    layers = _forward(model, np.asarray(X, dtype=float))
    target = (np.asarray(y)[:, None] == model.classes_[None, :]).astype(float)
    if model.out_activation_ == "logistic":
        target = target[:, 1:]
    residual = np.zeros_like(target) if gauss_newton else layers[-1] - target
    shapes = [w.shape for w in model.coefs_] + [b.shape for b in model.intercepts_]
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def hvp(v: np.ndarray) -> np.ndarray:
        parts = [
            part.reshape(shape) for part, shape in zip(np.split(v, cuts[:-1]), shapes, strict=True)
        ]
        n_layers = len(model.coefs_)
        return _hessian_sweep(model, layers, residual, parts[:n_layers], parts[n_layers:])

    return hvp, int(cuts[-1])


def _forward(model: Any, X: np.ndarray) -> list[np.ndarray]:
    """Values of every layer, the rows first, the probabilities last."""
    activations: dict[str, Callable[..., Any]] = {
        "identity": lambda z: z,
        "tanh": np.tanh,
        "logistic": lambda z: 1 / (1 + np.exp(-z)),
        "relu": lambda z: np.maximum(z, 0.0),
    }
    act, layers = activations[model.activation], [X]
    for weights, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        layers.append(act(layers[-1] @ weights + intercept))
    logits = layers[-1] @ model.coefs_[-1] + model.intercepts_[-1]
    softmax = model.out_activation_ == "softmax"
    layers.append(_softmax(logits) if softmax else 1 / (1 + np.exp(-logits)))
    return layers


def _hessian_sweep(
    model: Any,
    layers: list[np.ndarray],
    residual: np.ndarray,
    weight_moves: list[np.ndarray],
    intercept_moves: list[np.ndarray],
) -> np.ndarray:
    """Derivative of the gradient when the parameters move."""
    slope, bend = _DERIVATIVES[model.activation]
    n_layers, n = len(model.coefs_), layers[0].shape[0]
    moves, logits_moves = [np.zeros_like(layers[0])], []
    for i in range(n_layers):
        moved = moves[i] @ model.coefs_[i] + layers[i] @ weight_moves[i] + intercept_moves[i]
        logits_moves.append(moved)
        if i + 1 < n_layers:
            moves.append(slope(layers[i + 1]) * moved)
    p = layers[-1]
    softmax = model.out_activation_ == "softmax"
    delta = residual / n
    change = _softmax_change(p, logits_moves[-1]) if softmax else p * (1 - p) * logits_moves[-1]
    change = change / n
    of_weights, of_intercepts = [], []
    for i in reversed(range(n_layers)):
        penalty = model.alpha / n * weight_moves[i]
        of_weights.append(moves[i].T @ delta + layers[i].T @ change + penalty)
        of_intercepts.append(change.sum(axis=0))
        if i == 0:
            break
        back, a = delta @ model.coefs_[i].T, layers[i]
        change = (
            slope(a) * (change @ model.coefs_[i].T + delta @ weight_moves[i].T)
            + bend(a) * logits_moves[i - 1] * back
        )
        delta = slope(a) * back
    flat = [np.ravel(a) for a in (*reversed(of_weights), *reversed(of_intercepts))]
    return np.concatenate(flat)
