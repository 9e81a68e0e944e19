"""How the class subspaces of :mod:`grassmann_classifier` are trained: full batch, or streamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, inf, pi
from typing import NamedTuple

import numpy as np

from ..._array import Array, array_namespace, move_like
from .grassmann_classifier import (
    Labelled,
    hessian_product,
    loss_and_gradient,
    rsgd_epoch,
)
from .nearest_subspace import class_subspaces, projection_norms
from .product_descent import subspaces_minimising

__all__ = [
    "Plan",
    "Stream",
    "Trained",
    "absorbed",
    "class_starts",
    "stratified_split",
    "trained",
]


class Plan(NamedTuple):
    """How to train: solver, its sizes, when to stop."""

    solver: str
    """ "conjugate_gradient", "trust_region" or "rsgd"."""
    max_iter: int
    """Most iterations, or epochs of "rsgd"; 0 leaves the start as it is."""
    tol: float
    """Norm of the gradient, or improvement of the loss for "rsgd", that ends the training."""
    n_iter_no_change: int
    """Iterations without improvement that end it, on validation rows or for "rsgd"."""
    batch_size: int
    """Rows of a batch of "rsgd"."""
    learning_rate: float
    """Step size of "rsgd"; a half cosine takes it to 0 over ``max_iter`` epochs."""
    momentum: float
    """Of "rsgd"."""


class Trained(NamedTuple):
    """What training gives."""

    subspaces: Array
    """Orthonormal columns, (n_classes, n_features, subspace_dim)."""
    n_iter: int
    """Iterations or epochs that were run."""
    converged: bool
    """Whether a stopping rule ended the training, rather than ``max_iter``."""
    losses: list[float]
    """Objective: at every iterate from the start on, or the mean over each epoch of "rsgd"."""
    validation_scores: list[float] | None
    """Accuracy on the validation rows, from the start on; None without such rows."""
    best_iter: int
    """Iterate (0 is the start) that ``subspaces`` is."""


class Stream(NamedTuple):
    """Where a stream of batches stands."""

    subspaces: Array
    """Orthonormal columns, (n_classes, n_features, subspace_dim)."""
    velocity: Array
    """Of the momentum, of the same shape."""
    seed: int
    """Shuffles the rows of each batch, together with its number."""
    n_batches: int = 0
    """Batches seen."""


def class_starts(
    data: Labelled, rows: Sequence[np.ndarray], random_start: Array
) -> tuple[Array, list[int]]:
    """Principal subspace of each class, and a given one for classes that span too little.

    Parameters
    ----------
    data : Labelled
        Rows.
    rows : sequence of int ndarrays
        Row numbers of each class; may be empty.
    random_start : array of shape (n_classes, n_features, subspace_dim)
        Taken for a class whose rows do not span subspace_dim directions.

    Returns
    -------
    start : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns.
    without : list of int
        Classes that got the given subspace.
    """
    k = random_start.shape[-1]
    bases, without = [], []
    for c, members in enumerate(rows):
        found, rank = random_start[c : c + 1, ...], 0
        if len(members) >= k:
            pca, [rank] = class_subspaces(data.X, [move_like(members, data.X)], k, data.weights)
            found = pca if rank == k else found
        if rank < k:
            without.append(c)
        bases.append(found)
    return array_namespace(random_start).concat(bases), without


def absorbed(stream: Stream, data: Labelled, plan: Plan) -> tuple[Stream, float]:
    """Go once through a batch of rows, in steps of constant length.

    Parameters
    ----------
    stream : Stream
        Where the stream stands.
    data : Labelled
        The batch, cut further if it exceeds ``plan.batch_size``.
    plan : Plan
        Step size, momentum, batch size.

    Returns
    -------
    stream : Stream
        Where it stands now.
    loss : float
        Mean objective of the rows, each before the step of its part.
    """
    xp = array_namespace(data.X)
    S, velocity, loss = rsgd_epoch(
        xp.astype(stream.subspaces, data.X.dtype),
        xp.astype(stream.velocity, data.X.dtype),
        data,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        momentum=plan.momentum,
        rng=np.random.default_rng([stream.seed, stream.n_batches]),
    )
    return Stream(S, velocity, stream.seed, stream.n_batches + 1), loss


def trained(
    start: Array,
    data: Labelled,
    plan: Plan,
    rng: np.random.Generator,
    *,
    validation: Labelled | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Trained:
    """Train class subspaces from a start; with validation rows, return the best iterate on them.

    Parameters
    ----------
    start : array of shape (n_classes, n_features, subspace_dim)
        Orthonormal columns.
    data : Labelled
        Training rows.
    plan : Plan
        How.
    rng : numpy.random.Generator
        Shuffles the rows of "rsgd".
    validation : Labelled, optional
        Rows that choose the iterate: the lowest objective among those, the start included, whose
        accuracy is not below that of the start.
    report : callable, optional
        Takes a line of text after each iteration.

    Returns
    -------
    trained : Trained
        Subspaces and the story of the training. The other solvers than "rsgd" take NumPy arrays.
    """
    history = _History(validation, plan, report)
    history.begin(start)
    if plan.max_iter == 0:
        return history.result(start, 0, converged=True)
    if plan.solver == "rsgd":
        return _streamed(start, data, plan, rng, history)
    return _descended(start, data, plan, history)


def stratified_split(
    codes: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for validation, the same share of each class.

    Parameters
    ----------
    codes : int ndarray of shape (n_samples,)
        Class of each row.
    fraction : float
        Share for validation, in (0, 1), rounded in each class; a class keeps one row for training.
    rng : numpy.random.Generator
        Draws the rows.

    Returns
    -------
    training, validation : int ndarray
        Ascending; together all rows.

    Raises
    ------
    ValueError
        If no row would be left for validation.
    """
    chosen = []
    for c in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == c))
        chosen.append(members[: min(round(fraction * len(members)), len(members) - 1)])
    validation = np.sort(np.concatenate(chosen))
    if len(validation) == 0:
        raise ValueError(
            f"validation_fraction={fraction} of {len(codes)} rows leaves no row of any class for "
            "validation. Increase it, give more rows, or set early_stopping=False."
        )
    return np.setdiff1d(np.arange(len(codes)), validation), validation


class _History:
    """Losses, validation scores and the best point so far."""

    def __init__(
        self, validation: Labelled | None, plan: Plan, report: Callable[[str], None]
    ) -> None:
        self.validation, self.plan, self.report = validation, plan, report
        self.losses: list[float] = []
        self.scores: list[float] = []
        self.best: tuple[float, float] = (-inf, -inf)
        self.best_point: Array = None
        self.best_iter = 0

    def begin(self, point: Array) -> None:
        """Score the start."""
        if self.validation is not None:
            self._score(self.validation, point, 0)

    def add(self, point: Array, loss: float, iteration: int) -> bool:
        """Note an iterate and tell whether validation rows ask for an end."""
        self.losses.append(loss)
        message = f"iteration {iteration}: loss {loss:.6f}"
        if self.validation is not None and iteration > 0:
            self._score(self.validation, point, iteration)
            message += f", validation accuracy {self.scores[-1]:.4f}"
        self.report(message)
        waited = iteration - self.best_iter
        return self.validation is not None and waited >= self.plan.n_iter_no_change

    def _score(self, validation: Labelled, point: Array, iteration: int) -> None:
        accuracy = _accuracy(point, validation)
        self.scores.append(accuracy)
        loss = float(loss_and_gradient(point, validation)[0])
        # Few rows cannot rank accuracies above that of the start; the loss is smoother.
        reached = (min(accuracy, self.scores[0]), -loss)
        if reached > self.best:
            self.best, self.best_point, self.best_iter = reached, point, iteration

    def result(self, last: Array, n_iter: int, *, converged: bool) -> Trained:
        """Close the book: the best point with validation rows, else the last one."""
        if self.validation is None:
            return Trained(last, n_iter, converged, self.losses, None, n_iter)
        return Trained(self.best_point, n_iter, converged, self.losses, self.scores, self.best_iter)


def _accuracy(S: Array, rows: Labelled) -> float:
    xp = array_namespace(S)
    hits = xp.astype(xp.argmax(projection_norms(rows.X, S), axis=1) == rows.codes, S.dtype)
    return float(xp.sum(hits * rows.weights) / xp.sum(rows.weights))


def _descended(start: Array, data: Labelled, plan: Plan, history: _History) -> Trained:
    """Full-batch descent with pymanopt."""

    def values(S: Array) -> tuple[float, Array]:
        loss, gradient = loss_and_gradient(S, data)
        return float(loss), gradient

    stopped_by_validation = False

    def monitor(S: Array, loss: float) -> bool:
        nonlocal stopped_by_validation
        stopped_by_validation = history.add(S, loss, len(history.losses))
        return stopped_by_validation

    last, converged = subspaces_minimising(
        values,
        lambda S, H: hessian_product(S, H, data),
        start,
        solver=plan.solver,
        tol=plan.tol,
        max_iter=plan.max_iter,
        monitor=monitor,
    )
    # scikit-learn counts at least one: the look at a start that needs no step is an iteration
    n_iter = max(len(history.losses) - 1, 1)
    return history.result(last, n_iter, converged=converged or stopped_by_validation)


def _streamed(
    start: Array, data: Labelled, plan: Plan, rng: np.random.Generator, history: _History
) -> Trained:
    """Mini-batch epochs with a half-cosine schedule."""
    xp = array_namespace(start)
    S, velocity = start, xp.zeros_like(start)
    lowest, waited, epoch = inf, 0, 0
    for epoch in range(1, plan.max_iter + 1):
        rate = plan.learning_rate * (1 + cos(pi * (epoch - 1) / plan.max_iter)) / 2
        S, velocity, loss = rsgd_epoch(
            S,
            velocity,
            data,
            batch_size=plan.batch_size,
            learning_rate=rate,
            momentum=plan.momentum,
            rng=rng,
        )
        stop = history.add(S, loss, epoch)
        waited = 0 if loss < lowest - plan.tol else waited + 1
        lowest = min(lowest, loss)
        if stop or (history.validation is None and waited >= plan.n_iter_no_change):
            return history.result(S, epoch, converged=True)
    return history.result(S, epoch, converged=False)
