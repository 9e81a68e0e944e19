r"""Softmax regression whose class vectors are subspaces: objective, derivatives, one SGD step.

Class c owns a point of Gr(k, d) with orthonormal basis ``S_c``. For rows x of length 1::

    logit_c(x) = gamma |z_c|,   z_c = S_c^T x,   p = softmax(logit),

and the objective over a stack S of shape (C, d, k) is the weighted mean::

    f(S) = sum_i w_i [ -log p_{y_i}(x_i) + (alpha / 2) (1 - |S_{y_i}^T x_i|^2) ] / sum_i w_i.

The second term is the energy of a row outside its own class's subspace. Class PCA minimises
it, so ``alpha`` leads from the discriminative subspaces (0) to those of CLAFIC (infinity). The norm
of S_c itself cannot be penalised: it is sqrt(k) everywhere on the manifold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, device_of, move_like
from ...linalg.grassmann import exponential, tangent_projection
from .nearest_subspace import projection_norms

__all__ = [
    "Labelled",
    "Objective",
    "hessian_product",
    "labelled_rows",
    "log_probabilities",
    "logits",
    "objective",
    "probabilities",
    "rsgd_epoch",
    "rsgd_step",
]

# Numbers of a block of rows: 2 MiB, small enough for the caches, large enough for BLAS.
_BLOCK = 1 << 18


class Labelled(NamedTuple):
    """Rows of length 1 with their classes, and the two numbers that shape the objective."""

    X: Array
    """Directions, (n_samples, n_features)."""
    codes: Array
    """Class number of each row, (n_samples,), int64."""
    weights: Array
    """Weight of each row, (n_samples,), in the precision of X."""
    gamma: float
    """Scale of the logits."""
    alpha: float
    """Weight of the energy outside the own subspace."""


class Objective(NamedTuple):
    """The objective at a stack of subspaces."""

    loss: Array
    """Weighted mean f(S), ()."""
    gradient: Array
    """Euclidean gradient of it, (n_classes, n_features, n_components)."""
    accuracy: Array
    """Weighted share of rows whose own class has the largest logit, ()."""


def labelled_rows(data: Labelled, rows: Array) -> Labelled:
    """Some of the rows with their classes and weights.

    Parameters
    ----------
    data : Labelled
        All rows.
    rows : int array
        Row numbers.

    Returns
    -------
    part : Labelled
        Copies.
    """
    xp = array_namespace(data.X)
    return data._replace(
        X=xp.take(data.X, rows, axis=0),
        codes=xp.take(data.codes, rows),
        weights=xp.take(data.weights, rows),
    )


def logits(X: Array, S: Array, gamma: float) -> Array:
    """Logits ``gamma |S_c^T x|`` of rows of length 1.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Rows of length 1.
    S : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.
    gamma : float
        Scale, positive.

    Returns
    -------
    logits : array of shape (n_samples, n_classes)
        In [0, gamma]; gamma if and only if the row lies in the subspace.
    """
    return gamma * projection_norms(X, S)


def log_probabilities(logits: Array) -> Array:
    """Logarithm of the softmax ``exp(l_c) / sum_b exp(l_b)`` along the last axis.

    Parameters
    ----------
    logits : array of shape (..., n_classes)
        Any finite numbers.

    Returns
    -------
    log_probabilities : array of shape (..., n_classes)
        Finite, at most 0.
    """
    xp = array_namespace(logits)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def probabilities(logits: Array) -> Array:
    """Softmax ``exp(l_c) / sum_b exp(l_b)`` along the last axis, without overflow.

    Parameters
    ----------
    logits : array of shape (..., n_classes)
        Any finite numbers.

    Returns
    -------
    probabilities : array of shape (..., n_classes)
        Nonnegative, sums 1.
    """
    return array_namespace(logits).exp(log_probabilities(logits))


class _Forward(NamedTuple):
    """What the objective and its derivatives share for a block of rows; samples stand last."""

    Z: Array
    """Coordinates, (n_classes, n_components, n_samples)."""
    norms: Array
    """\\|z\\|, (n_classes, n_samples)."""
    inverse_norms: Array
    """1 / \\|z\\|, and 0 where z = 0, (n_classes, n_samples)."""
    P: Array
    """Probabilities, (n_classes, n_samples)."""
    own: Array
    """1 for the class of the row, else 0, (n_classes, n_samples)."""
    losses: Array
    """Objective of each row, (n_samples,)."""


def _coordinates(xp: Any, X: Array, U: Array) -> Array:
    """``U_c^T x_i``, (n_classes, n_components, n_samples): one product of 2 n d C k flops."""
    n_classes, n_features, k = U.shape
    stacked = xp.reshape(xp.matrix_transpose(U), (n_classes * k, n_features))
    return xp.reshape(stacked @ X.T, (n_classes, k, X.shape[0]))


def _forward(xp: Any, S: Array, part: Labelled) -> _Forward:
    Z = _coordinates(xp, part.X, S)
    norms = xp.sqrt(xp.sum(Z * Z, axis=1))
    shifted = part.gamma * norms
    shifted = shifted - xp.max(shifted, axis=0)
    powers = xp.exp(shifted)
    total = xp.sum(powers, axis=0)
    numbers = xp.arange(S.shape[0], dtype=part.codes.dtype, device=device_of(S))
    own = xp.astype(numbers[:, None] == part.codes[None, :], S.dtype)
    losses = xp.log(total) - xp.sum(own * shifted, axis=0)
    if part.alpha:
        losses = losses + (part.alpha / 2) * (1 - xp.sum(own * norms * norms, axis=0))
    positive = norms > 0
    inverse = xp.where(positive, 1 / xp.where(positive, norms, xp.ones_like(norms)), norms)
    return _Forward(Z, norms, inverse, powers / total, own, losses)


def _backward(xp: Any, V: Array, X: Array) -> Array:
    """Stack of matrices ``sum_i x_i v_ci^T`` for V of shape (C, k, n): one product."""
    n_classes, k, n = V.shape
    flat = xp.reshape(V, (n_classes * k, n)) @ X
    return xp.matrix_transpose(xp.reshape(flat, (n_classes, k, X.shape[1])))


def _gradient_sum(xp: Any, at: _Forward, part: Labelled) -> Array:
    """Sum over rows of w_i times the Euclidean gradient."""
    factor = (at.P - at.own) * (part.gamma * part.weights) * at.inverse_norms
    if part.alpha:
        factor = factor - at.own * (part.alpha * part.weights)
    return _backward(xp, factor[:, None, :] * at.Z, part.X)


def _hessian_sum(xp: Any, S: Array, H: Array, part: Labelled) -> Array:
    at = _forward(xp, S, part)
    unit = at.Z * at.inverse_norms[:, None, :]
    dZ = _coordinates(xp, part.X, H)
    along = xp.sum(unit * dZ, axis=1)  # derivative of |z|
    slope = part.gamma * along
    dP = at.P * (slope - xp.sum(at.P * slope, axis=0))
    error = part.gamma * (at.P - at.own)
    scaled = error * at.inverse_norms
    V = (part.gamma * dP - scaled * along)[:, None, :] * unit + scaled[:, None, :] * dZ
    V = V - (part.alpha * at.own)[:, None, :] * dZ
    return _backward(xp, part.weights * V, part.X)


def _in_blocks(data: Labelled) -> Iterator[Labelled]:
    n_rows, n_features = data.X.shape
    step = max(256, _BLOCK // n_features)
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        yield data._replace(X=data.X[rows, :], codes=data.codes[rows], weights=data.weights[rows])


def objective(S: Array, data: Labelled) -> Objective:
    r"""Objective f with its Euclidean gradient, and the accuracy, at a stack of subspaces.

    Gradient for class c: :math:`D_c = \sum_i w_i x_i z_{ic}^T [(p_{ic} - 1[y_i = c])
    \gamma / |z_{ic}| - \alpha 1[y_i = c]] / \sum_i w_i`. Where z = 0 the norm has no derivative; 0
    is taken, a subgradient.

    Parameters
    ----------
    S : array of shape (n_classes, n_features, n_components)
        Orthonormal columns. The formulas hold for any matrices.
    data : Labelled
        Rows, classes, weights, gamma, alpha.

    Returns
    -------
    objective : Objective
        Loss, gradient, accuracy: ``4 n d C k`` flops, in blocks of rows that fit the caches.
    """
    xp = array_namespace(S)
    zero = xp.zeros((), dtype=S.dtype, device=device_of(S))
    loss, gradient, hits = zero, xp.zeros_like(S), zero
    for part in _in_blocks(data):
        at = _forward(xp, S, part)
        loss = loss + xp.sum(part.weights * at.losses)
        gradient = gradient + _gradient_sum(xp, at, part)
        right = xp.argmax(at.norms, axis=0) == part.codes
        hits = hits + xp.sum(xp.where(right, part.weights, xp.zeros_like(part.weights)))
    weight = xp.sum(data.weights)
    return Objective(loss / weight, gradient / weight, hits / weight)


def hessian_product(S: Array, H: Array, data: Labelled) -> Array:
    """Derivative of the Euclidean gradient along ``H``.

    Parameters
    ----------
    S : array of shape (n_classes, n_features, n_components)
        Where.
    H : array of shape (n_classes, n_features, n_components)
        Along what.
    data : Labelled
        Rows, classes, weights, gamma, alpha.

    Returns
    -------
    derivative : array of shape (n_classes, n_features, n_components)
        The Euclidean Hessian applied to H; ``6 n d C k`` flops.
    """
    xp = array_namespace(S)
    total = xp.zeros_like(S)
    for part in _in_blocks(data):
        total = total + _hessian_sum(xp, S, H, part)
    return total / xp.sum(data.weights)


def rsgd_step(
    S: Array, velocity: Array, gradient: Array, learning_rate: float, momentum: float
) -> tuple[Array, Array]:
    """One step of Riemannian gradient descent with momentum, along a geodesic.

    ``B' = (I - S S^T)(momentum B + D)``, then the geodesic from S with velocity
    ``-learning_rate B'``.

    Parameters
    ----------
    S : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.
    velocity : array of shape (n_classes, n_features, n_components)
        B, the velocity that the last step returned; zeros at first.
    gradient : array of shape (n_classes, n_features, n_components)
        D, the Euclidean gradient at S.
    learning_rate : float
        Positive.
    momentum : float
        In [0, 1).

    Returns
    -------
    S : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.
    velocity : array of shape (n_classes, n_features, n_components)
        B', tangent at the old S.

    Notes
    -----
    The published code keeps the velocity in the ambient space and decomposes each (d, k) tangent by
    an SVD. Here the projection carries the velocity along (a vector transport, for the basis
    follows its geodesic continuously), and the step takes k x k eigenproblems.

    References
    ----------
    H. Wang, Z. Li, W. Zhang, "Get the Best of Both Worlds: Improving Accuracy and Transferability
    by Grassmann Class Representation", ICCV 2023, algorithm 1.
    """
    velocity = tangent_projection(S, momentum * velocity + gradient)
    return exponential(S, -learning_rate * velocity), velocity


def rsgd_epoch(
    S: Array,
    velocity: Array,
    data: Labelled,
    *,
    batch_size: int,
    learning_rate: float,
    momentum: float,
    rng: np.random.Generator,
) -> tuple[Array, Array, float]:
    """One pass over the rows in shuffled batches, an :func:`rsgd_step` after each.

    Parameters
    ----------
    S, velocity : array of shape (n_classes, n_features, n_components)
        Subspaces and velocity so far.
    data : Labelled
        Rows, classes, weights, gamma, alpha.
    batch_size : int
        Rows of a batch; the last one may be smaller. A batch that holds all rows is not shuffled.
    learning_rate, momentum : float
        See :func:`rsgd_step`.
    rng : numpy.random.Generator
        Shuffles.

    Returns
    -------
    S, velocity : array of shape (n_classes, n_features, n_components)
        After the last step.
    loss : float
        Weighted mean of the objective, each row seen before the step of its batch.

    Notes
    -----
    Flops: ``4 n d C k`` in two products per batch, which is the bound, and about ``24 d k^2`` for
    each class in each step, fewer than in the products for batches of more than ``6 k`` rows.
    """
    xp = array_namespace(S)
    n_rows = data.X.shape[0]
    # Each batch is divided by its share of all weight: zero weights divide nothing by zero.
    share = xp.sum(data.weights) / n_rows
    total: Any = 0.0
    for part in _batches(data, batch_size, rng):
        at = _forward(xp, S, part)
        total = total + xp.sum(part.weights * at.losses)
        gradient = _gradient_sum(xp, at, part) / (share * part.X.shape[0])
        S, velocity = rsgd_step(S, velocity, gradient, learning_rate, momentum)
    return S, velocity, float(total / (share * n_rows))


def _batches(data: Labelled, batch_size: int, rng: np.random.Generator) -> Iterator[Labelled]:
    n_rows = data.X.shape[0]
    if batch_size >= n_rows:
        yield data
        return
    order = move_like(rng.permutation(n_rows), data.X)
    for start in range(0, n_rows, batch_size):
        rows = order[start : min(start + batch_size, n_rows)]
        yield labelled_rows(data, rows)
