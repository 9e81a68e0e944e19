r"""Random subspaces of a space of parameters: :math:`\theta = \theta_0 + P z` with few z.

P is fixed, random, and its columns have unit length, so that a step in z is as long as the step in
theta. Three kinds: dense, sparse, and fastfood, which is never stored.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from ...linalg.hadamard import walsh_hadamard

__all__ = [
    "PROJECTIONS",
    "NetworkShape",
    "initial_parameters",
    "network_loss",
    "network_outputs",
    "random_projection",
]

PROJECTIONS = ("dense", "sparse", "fastfood")


def random_projection(
    kind: str, n_parameters: int, dim: int, rng: np.random.Generator
) -> LinearOperator:
    r"""A random map P from ``dim`` coordinates to ``n_parameters`` parameters.

    Parameters
    ----------
    kind : {"dense", "sparse", "fastfood"}
        "dense": Gaussian. "sparse": entries of either sign at a share
        :math:`1 / \sqrt{n\_parameters}` of the places. "fastfood": blocks H G Pi H B of Hadamard
        matrices H, random signs B, a permutation Pi and a Gaussian diagonal G.
    n_parameters : int
        Size D of theta.
    dim : int
        Size d of z, from 1 to D.
    rng : Generator
        Source. Dense projections of one seed are nested: the first columns are those of a
        smaller d.

    Returns
    -------
    P : LinearOperator of shape (n_parameters, dim)
        With ``P @ z`` and ``P.rmatvec(g)`` or ``P.T @ g``. Columns of length 1: exactly for "dense"
        and "sparse", and for "fastfood" if d rounded up to a power of two divides D, else nearly.

    Raises
    ------
    ValueError
        If d is not from 1 to D, or the kind is not known.

    Notes
    -----
    Memory O(D d), O(d sqrt D) and O(D); a product takes as much time, fastfood O(D log d). At up to
    a thousand coordinates "sparse" is the fastest by far.

    References
    ----------
    C. Li, H. Farkhoor, R. Liu, J. Yosinski, "Measuring the Intrinsic Dimension of Objective
    Landscapes", ICLR 2018, section 2 and appendix S7.

    Examples
    --------
    >>> P = random_projection("fastfood", 1000, 16, np.random.default_rng(0))
    >>> P.shape
    (1000, 16)
    """
    if not 1 <= dim <= n_parameters:
        raise ValueError(
            f"A subspace of dimension {dim} was asked for in a space of {n_parameters} parameters: "
            f"take 1 to {n_parameters}."
        )
    if kind not in PROJECTIONS:
        raise ValueError(f"kind={kind!r} is not known here. Use one of {PROJECTIONS}.")
    if kind == "fastfood":
        return _fastfood(n_parameters, dim, rng)
    if kind == "dense":
        rows = rng.normal(size=(dim, n_parameters))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return aslinearoperator(rows.T)
    return aslinearoperator(_sparse(n_parameters, dim, rng))


def _sparse(n_parameters: int, dim: int, rng: np.random.Generator) -> sp.csr_array:
    """Signs at random places, at least one in each column."""
    counts = np.maximum(rng.binomial(n_parameters, n_parameters**-0.5, size=dim), 1)
    places = [rng.choice(n_parameters, size=count, replace=False) for count in counts]
    values = rng.choice([-1.0, 1.0], size=counts.sum()) / np.repeat(np.sqrt(counts), counts)
    pointers = np.concatenate([[0], np.cumsum(counts)])
    columns = sp.csc_array((values, np.concatenate(places), pointers), shape=(n_parameters, dim))
    return columns.tocsr()


def _fastfood(n_parameters: int, dim: int, rng: np.random.Generator) -> LinearOperator:
    """Blocks of L rows, L the next power of two; what is too much of the last is cut off."""
    length = 1 << max(dim - 1, 0).bit_length()
    n_blocks = -(-n_parameters // length)
    signs = rng.choice([-1.0, 1.0], size=(n_blocks, length))
    order = np.stack([rng.permutation(length) for _ in range(n_blocks)])
    back = np.argsort(order, axis=1)
    gauss = rng.normal(size=(n_blocks, length))
    # a column of H G Pi H B has length |G| sqrt(L); D / L blocks share the unit
    gauss /= np.linalg.norm(gauss, axis=1, keepdims=True) * np.sqrt(n_parameters)

    def matvec(z: np.ndarray) -> np.ndarray:
        padded = np.zeros(length)
        padded[:dim] = np.ravel(z)
        mixed = walsh_hadamard(signs * padded)
        mixed = walsh_hadamard(gauss * np.take_along_axis(mixed, order, axis=1))
        return mixed.reshape(-1)[:n_parameters]

    def rmatvec(g: np.ndarray) -> np.ndarray:
        padded = np.zeros(n_blocks * length)
        padded[:n_parameters] = np.ravel(g)
        mixed = gauss * walsh_hadamard(padded.reshape(n_blocks, length))
        mixed = walsh_hadamard(np.take_along_axis(mixed, back, axis=1))
        return (signs * mixed).sum(axis=0)[:dim]

    return LinearOperator(
        (n_parameters, dim), matvec=matvec, rmatvec=rmatvec, dtype=np.dtype(np.float64)
    )


class NetworkShape(NamedTuple):
    """Layers of a perceptron, and where their numbers lie in one vector theta."""

    sizes: tuple[int, ...]
    """Features, hidden units of each layer, classes."""

    @property
    def n_parameters(self) -> int:
        """Weights and biases together."""
        return sum((a + 1) * b for a, b in pairwise(self.sizes))

    def layers(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and bias of each layer, as views of theta.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            All numbers of the network.

        Returns
        -------
        layers : list of (weights, bias)
            Shapes (n_in, n_out) and (n_out,).
        """
        found, start = [], 0
        for shape in pairwise(self.sizes):
            stop = start + prod(shape)
            found.append((theta[start:stop].reshape(shape), theta[stop : stop + shape[1]]))
            start = stop + shape[1]
        return found


def initial_parameters(shape: NetworkShape, rng: np.random.Generator) -> np.ndarray:
    """Start of the training: zeros for a linear model, else weights of He and biases of 0.

    Parameters
    ----------
    shape : NetworkShape
        Layers.
    rng : Generator
        Source.

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
        Zeros would be a saddle of a network with hidden units, not of a linear model.
    """
    theta = np.zeros(shape.n_parameters)
    if len(shape.sizes) > 2:
        for weights, _ in shape.layers(theta):
            weights[:] = rng.normal(size=weights.shape) * np.sqrt(2 / len(weights))
    return theta


def network_outputs(
    theta: np.ndarray, shape: NetworkShape, X: np.ndarray, activation: str = "relu"
) -> list[np.ndarray]:
    """Units of each layer of a perceptron; the last are the scores of the classes.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        Weights and biases.
    shape : NetworkShape
        Layers.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Inputs.
    activation : {"relu", "tanh"}, default="relu"
        Of the hidden units.

    Returns
    -------
    units : list of ndarray
        X first, then each layer after its activation, then the scores without one.

    Raises
    ------
    ValueError
        If the activation is not known.
    """
    if activation not in ("relu", "tanh"):
        raise ValueError(f"activation={activation!r} is not known here. Use 'relu' or 'tanh'.")
    units, layers = [X], shape.layers(theta)
    for k, (weights, bias) in enumerate(layers):
        h = units[-1] @ weights + bias
        if k < len(layers) - 1:
            h = np.maximum(h, 0) if activation == "relu" else np.tanh(h)
        units.append(h)
    return units


def network_loss(
    theta: np.ndarray,
    shape: NetworkShape,
    X: np.ndarray,
    labels: np.ndarray,
    *,
    activation: str = "relu",
    alpha: float = 0.0,
    sample_weight: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    r"""Mean cross-entropy of a perceptron with softmax, and its gradient in theta.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        Weights and biases.
    shape : NetworkShape
        Layers.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Inputs.
    labels : int ndarray of shape (n_samples,)
        Classes from 0.
    activation : {"relu", "tanh"}, default="relu"
        Of the hidden units.
    alpha : float, default=0.0
        Adds alpha / 2 times the squared weights (not biases) over n_samples.
    sample_weight : ndarray of shape (n_samples,), default=None
        Positive frequencies; their sum takes the place of n_samples.

    Returns
    -------
    loss : float
        In nats.
    gradient : ndarray of shape (n_parameters,)
        By back-propagation.
    """
    n = X.shape[0] if sample_weight is None else float(sample_weight.sum())
    share = 1 / n if sample_weight is None else sample_weight[:, None] / n
    units = network_outputs(theta, shape, X, activation)
    scores = units[-1] - units[-1].max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(scores).sum(axis=1))
    rows = np.arange(X.shape[0])
    loss = float(np.average(log_sums - scores[rows, labels], weights=sample_weight))
    delta = np.exp(scores - log_sums[:, None])
    delta[rows, labels] -= 1
    delta *= share
    gradient = np.empty_like(theta)
    layers, slots = shape.layers(theta), shape.layers(gradient)
    for k in range(len(layers) - 1, -1, -1):
        weights = layers[k][0]
        slots[k][0][:] = units[k].T @ delta + alpha / n * weights
        slots[k][1][:] = delta.sum(axis=0)
        loss += alpha / (2 * n) * float((weights**2).sum())
        if k:
            slope = units[k] > 0 if activation == "relu" else 1 - units[k] ** 2
            delta = delta @ weights.T * slope
    return loss, gradient
