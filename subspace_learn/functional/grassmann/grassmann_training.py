"""How the class subspaces of :mod:`grassmann_classifier` are trained: full batch, or streamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, inf, pi
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace
from ...linalg.grassmann import exponential
from .grassmann_classifier import Labelled, hessian_product, objective, rsgd_epoch
from .nearest_subspace import class_subspaces

__all__ = [
    "Plan",
    "Stream",
    "Trained",
    "absorbed",
    "class_starts",
    "stratified_split",
    "subspaces_minimising",
    "trained",
]

PATIENCE = 10
# Tentative points in a row that are all refused: a trust region has shrunk by 4^20 by then.
_REFUSALS = 20
_EPS = 2.0**-52

Values = Callable[[np.ndarray], tuple]


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
    """Orthonormal columns, (n_classes, n_features, n_components)."""
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
    """Orthonormal columns, (n_classes, n_features, n_components)."""
    velocity: Array | None
    """Of the momentum, of the same shape; None before the first batch."""
    seed: int
    """Shuffles the rows of each batch, together with its number."""
    n_batches: int = 0
    """Batches seen."""


def class_starts(
    data: Labelled, rows: Sequence[Array], random_start: Array, *, eps: float | None = None
) -> tuple[Array, list[int]]:
    """Principal subspace of each class, and a given one for classes that span too little.

    Parameters
    ----------
    data : Labelled
        Rows.
    rows : sequence of int arrays
        Row numbers of each class; may be empty.
    random_start : array of shape (n_classes, n_features, n_components)
        Taken for a class whose rows do not span n_components directions.
    eps : float, optional
        Unit of rounding that the rows carry; None means that of their precision.

    Returns
    -------
    start : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.
    ranks : list of int
        How many of n_components directions the rows of each class span. A class that spans fewer
        got the given subspace.
    """
    k = random_start.shape[-1]
    some = [c for c, members in enumerate(rows) if members.shape[0]]
    pca, found = class_subspaces(data.X, [rows[c] for c in some], k, data.weights, eps=eps)
    ranks = [0] * len(rows)
    start = [random_start[c, ...] for c in range(len(rows))]
    for i, c in enumerate(some):
        ranks[c] = found[i]
        if found[i] == k:
            start[c] = pca[i, ...]
    return array_namespace(random_start).stack(start), ranks


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
    S = xp.astype(stream.subspaces, data.X.dtype)
    S, velocity, loss = rsgd_epoch(
        S,
        xp.zeros_like(S) if stream.velocity is None else xp.astype(stream.velocity, S.dtype),
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
    """Train class subspaces from a start, and return no iterate that is below it.

    An iterate is chosen by rows: those for validation, or else those of the training. It is the one
    of the lowest objective among those, the start included, whose accuracy is not below that of the
    start. (Without validation rows "rsgd" looks at the start and at the end only.)

    Parameters
    ----------
    start : array of shape (n_classes, n_features, n_components)
        Orthonormal columns.
    data : Labelled
        Training rows.
    plan : Plan
        How.
    rng : numpy.random.Generator
        Shuffles the rows of "rsgd".
    validation : Labelled, optional
        Rows that choose the iterate, and end the training.
    report : callable, optional
        Takes a line of text after each iteration.

    Returns
    -------
    trained : Trained
        Subspaces and the story of the training. The other solvers than "rsgd" take NumPy arrays.
    """
    choice = _Choice(validation)
    if plan.max_iter == 0:
        choice.look(start, 0, objective(start, data))
        return choice.result(0, True, [])
    if plan.solver == "rsgd":
        return _streamed(start, data, plan, rng, choice, report)
    return _descended(start, data, plan, choice, report)


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


class _Choice:
    """The best iterate so far, by validation rows or by those of the training."""

    def __init__(self, validation: Labelled | None) -> None:
        self.validation = validation
        self.accuracies: list[float] = []
        self.best: tuple[float, float] = (-inf, -inf)
        self.subspaces: Array = None
        self.iteration = 0

    def look(self, S: Array, iteration: int, training: Any) -> str:
        """Weigh an iterate, and say how it did on the validation rows."""
        at = training if self.validation is None else objective(S, self.validation)
        self.accuracies.append(float(at.accuracy))
        # Few rows cannot rank accuracies above that of the start; the loss is smoother.
        reached = (min(self.accuracies[-1], self.accuracies[0]), -float(at.loss))
        if reached > self.best:
            self.best, self.subspaces, self.iteration = reached, S, iteration
        seen = self.validation is not None and iteration > 0
        return f", validation accuracy {self.accuracies[-1]:.4f}" if seen else ""

    def result(self, n_iter: int, converged: bool, losses: list[float]) -> Trained:
        scores = None if self.validation is None else self.accuracies
        return Trained(self.subspaces, n_iter, converged, losses, scores, self.iteration)


def _descended(
    start: Array, data: Labelled, plan: Plan, choice: _Choice, report: Callable[[str], None]
) -> Trained:
    """Full-batch descent with pymanopt."""
    losses: list[float] = []

    def ended_by_validation(S: Array, at: Any) -> bool:
        iteration = len(losses)
        losses.append(float(at.loss))
        words = choice.look(S, iteration, at)
        report(f"iteration {iteration}: loss {losses[-1]:.6f}{words}")
        waited = iteration - choice.iteration
        return choice.validation is not None and waited >= plan.n_iter_no_change

    _, converged = subspaces_minimising(
        lambda S: objective(S, data),
        lambda S, H: hessian_product(S, H, data),
        start,
        solver=plan.solver,
        tol=plan.tol,
        max_iter=plan.max_iter,
        monitor=ended_by_validation,
    )
    # scikit-learn counts at least one: the look at a start that needs no step is an iteration
    return choice.result(max(len(losses) - 1, 1), converged, losses)


def _streamed(
    start: Array,
    data: Labelled,
    plan: Plan,
    rng: np.random.Generator,
    choice: _Choice,
    report: Callable[[str], None],
) -> Trained:
    """Mini-batch epochs with a half-cosine schedule."""
    by_validation = choice.validation is not None
    S, velocity = start, array_namespace(start).zeros_like(start)
    choice.look(start, 0, None if by_validation else objective(start, data))
    lowest, waited = inf, 0
    losses: list[float] = []
    while len(losses) < plan.max_iter and waited < plan.n_iter_no_change:
        rate = plan.learning_rate * (1 + cos(pi * len(losses) / plan.max_iter)) / 2
        S, velocity, loss = rsgd_epoch(
            S,
            velocity,
            data,
            batch_size=plan.batch_size,
            learning_rate=rate,
            momentum=plan.momentum,
            rng=rng,
        )
        losses.append(loss)
        words = choice.look(S, len(losses), None) if by_validation else ""
        report(f"iteration {len(losses)}: loss {loss:.6f}{words}")
        if by_validation:
            waited = len(losses) - choice.iteration
        else:
            waited = 0 if loss < lowest - plan.tol else waited + 1
            lowest = min(lowest, loss)
    if not by_validation:
        choice.look(S, len(losses), objective(S, data))
    return choice.result(len(losses), waited >= plan.n_iter_no_change, losses)


class _Stopped(Exception):
    """Raised by the monitor through pymanopt, which knows no other way to stop early."""


def subspaces_minimising(
    values: Values,
    hessian: Callable[[np.ndarray, np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    solver: str,
    tol: float,
    max_iter: int,
    monitor: Callable[[np.ndarray, Any], bool],
) -> tuple[np.ndarray, bool]:
    """Local minimiser on Gr(k, d)^C by Riemannian conjugate gradients or trust regions.

    Parameters
    ----------
    values : callable
        Maps a stack U of shape (C, d, k) to a tuple that begins with the objective and its
        Euclidean gradient.
    hessian : callable
        Maps U and a direction H to the derivative of the Euclidean gradient; "trust_region" only.
    start : ndarray of shape (C, d, k)
        First point, C >= 2, k < d: orthonormal columns.
    solver : {"conjugate_gradient", "trust_region"}
        Hestenes-Stiefel directions with an adaptive line search, or truncated Newton steps.
    tol : float
        Stop when the norm of the Riemannian gradient is below this, or when `PATIENCE` iterations
        improve the objective by less than its square: what a gradient of that size is worth near
        the minimum of a smooth function. A minimum at a kink is found by the second rule only.
    max_iter : int
        Most iterations, positive.
    monitor : callable
        Called with each accepted point, the start included, and with its ``values``; a true result
        stops the descent, which counts as converged.

    Returns
    -------
    U : ndarray of shape (C, d, k)
        The last accepted point.
    converged : bool
        Whether ``tol`` was reached, or no step leads further down.

    Notes
    -----
    pymanopt's retraction, C thin SVDs of (d, k) matrices, is replaced by the geodesic of
    :func:`~subspace_learn.linalg.grassmann.exponential`: k x k eigenproblems.

    References
    ----------
    P.-A. Absil, R. Mahony, R. Sepulchre, "Optimization Algorithms on Matrix Manifolds" (2008), ch.
    7 and 8.
    """
    import pymanopt
    from pymanopt.manifolds import Grassmann
    from pymanopt.optimizers import ConjugateGradient, TrustRegions

    n_subspaces, n_features, n_components = start.shape
    manifold = Grassmann(n_features, n_components, k=n_subspaces)
    manifold.retraction = exponential
    path = _Path(values, monitor, tol**2)
    on_manifold = pymanopt.function.numpy(manifold)
    problem = pymanopt.Problem(
        manifold,
        on_manifold(path.cost),
        euclidean_gradient=on_manifold(path.gradient),
        euclidean_hessian=on_manifold(hessian),
    )
    # pymanopt's conjugate gradients count from 1, and divide by the squared gradient norm.
    known = {"conjugate_gradient": (ConjugateGradient, 1), "trust_region": (TrustRegions, 0)}
    method, offset = known[solver]
    optimizer = method(
        max_iterations=max_iter + offset, min_gradient_norm=tol, max_time=np.inf, verbosity=0
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            result = optimizer.run(problem, initial_point=start)
        except _Stopped:
            return path.accepted, True
    refused = "step_size" in result.stopping_criterion
    return path.accepted, bool(result.gradient_norm <= tol or refused)


class _Path:
    """The points of a descent: each evaluated once, each accepted one shown to the monitor.

    pymanopt asks for costs of tentative points and for gradients of accepted ones.
    """

    def __init__(
        self, values: Values, monitor: Callable[[np.ndarray, Any], bool], least: float
    ) -> None:
        self.values, self.monitor, self.least = values, monitor, least
        self.accepted: Any = None
        self.known: list[tuple[np.ndarray, Any]] = []
        self.losses: list[float] = []  # at accepted points
        self.refused = 0

    def evaluated(self, U: np.ndarray) -> Any:
        for point, at in self.known:
            if point is U:
                return at
        at = self.values(U)
        # the last accepted point and the last tentative one are all that is ever asked again
        kept = [entry for entry in self.known if entry[0] is self.accepted]
        self.known = [*kept, (U, at)]
        return at

    def cost(self, U: np.ndarray) -> float:
        self.refused += 1
        if self.refused > _REFUSALS:
            raise _Stopped
        return float(self.evaluated(U)[0])

    def gradient(self, U: np.ndarray) -> np.ndarray:
        at = self.evaluated(U)
        if U is not self.accepted:
            self.accepted, self.refused = U, 0
            loss = float(at[0])
            self.losses.append(loss)
            recent = self.losses[-1 - PATIENCE :]
            least = max(self.least, 4 * _EPS * abs(loss))
            stalled = len(recent) > PATIENCE and recent[0] - loss < least
            if self.monitor(U, at) or stalled:
                raise _Stopped
        return at[1]
