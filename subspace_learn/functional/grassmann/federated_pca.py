"""The server of a federated PCA: it asks questions, and the clients' answers lead to the next one.

``server = FederatedServer(settings)``; as long as ``server.message`` is not None: send it to the
clients that ``server.audience`` names, collect their updates (`client_update`), and call
``server.aggregate(updates)``. Messages and updates are dicts of plain values and arrays.

An aggregation is one generator below: it yields questions, receives the updates, and returns
eigenvalues and a basis. A new one is such a function with a line in `AGGREGATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, move_like
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import largest_principal_angle, orthonormal_basis, tangent_projection
from ...linalg.krylov import KrylovSpace, orthonormal_against, ritz_pairs
from ...linalg.moments import deviations
from .grassmann_mean import chordal_mean, karcher_mean

__all__ = [
    "AGGREGATIONS",
    "FederatedResult",
    "FederatedServer",
    "FederationSettings",
]

Updates = list[dict[str, Any]]


class FederationSettings(NamedTuple):
    """What is asked of a federation."""

    n_components: int
    """Dimension of the subspace."""
    aggregation: str = "covariance"
    """One of `AGGREGATIONS`."""
    n_rounds: int = 20
    """Most rounds of "krylov" and "admm"."""
    local_steps: int = 30
    """Gradient steps of a client in a round ("admm")."""
    rho: float = 3.0
    """Penalty of the distance to the consensus ("admm")."""
    tol: float = 1e-8
    """Stop "krylov" at this relative residual, "admm" at this change of the consensus (radians)."""
    standardize: bool = False
    """Whether rows are divided by the deviation of all clients."""
    retraction: str = "qr"
    """"qr" or "exp" ("admm")."""
    seed: int | None = None
    """Of the random start ("krylov")."""


class FederatedResult(NamedTuple):
    """What a federation found."""

    values: Array
    """Eigenvalues of the summed scatter matrices within the subspace, descending. With clients left
    out: extrapolated from the others to the weight of all."""
    basis: Array
    """Orthonormal columns, (n_features, n_components)."""
    mean: Array
    """Mean of all clients, (n_features,)."""
    scale: Array
    """Deviation of all clients; ones for constant columns, or without ``standardize``."""
    total: float
    """Trace of the summed scatter matrices."""
    weight: float
    """Sum of the weights of all clients."""
    converged: bool
    """Whether an iterative aggregation reached its tolerance."""


class Question(NamedTuple):
    """What an aggregation wants to know, and from whom."""

    task: str
    """One of the tasks of `client_update`."""
    audience: str
    """"everyone" with moments; "drawn": a new draw of these; "same": all that answered last."""
    content: dict[str, Any]
    """What the task needs."""


class Answer(NamedTuple):
    """What an aggregation returns."""

    values: Array
    basis: Array
    updates: Updates
    """The clients that the values stand for."""
    converged: bool = True


Aggregation = Generator[Question, Updates, Answer]


class FederatedServer:
    """Server of one federation, from the first question to the result.

    Parameters
    ----------
    settings : FederationSettings
        What is wanted.

    Attributes
    ----------
    message : dict or None
        To be sent to the clients; None when the federation is done.
    audience : {"everyone", "drawn", "same"}
        Who is asked: all clients that gave moments (at first simply all), a new draw of these, or
        those that answered the question before.
    history : list of dict
        For each round ``round``, ``objective``, ``explained_variance_ratio``, ``angle`` (to the
        round before, radians), ``n_clients``.
    result : FederatedResult or None
        None until the federation is done.
    """

    def __init__(self, settings: FederationSettings) -> None:
        self.settings = settings
        self.message: dict[str, Any] | None = {"task": "moments"}
        self.audience = "everyone"
        self.history: list[dict[str, Any]] = []
        self.result: FederatedResult | None = None
        self._aggregation: Aggregation | None = None
        self._consensus: Array | None = None

    @property
    def round(self) -> int:
        """Number of the round, from 1; 0 while moments are collected."""
        return 0 if self._aggregation is None else len(self.history) + 1

    def aggregate(self, updates: Updates) -> None:
        """Take the updates of the clients; `message` is then the next question, or None.

        Parameters
        ----------
        updates : list of dict
            From `client_update`, each with the entry ``client`` added (its name). Clients that
            failed or were not asked are simply absent.

        Raises
        ------
        ValueError
            If no client answered.
        RuntimeError
            If the federation is done.
        """
        if self.message is None:
            raise RuntimeError("This federation is done; its result is in `result`.")
        if not updates:
            task = self.message["task"]
            raise ValueError(f"No client answered the task {task!r} in round {self.round}.")
        try:
            if self._aggregation is None:
                self._take_moments(updates)
                self._aggregation = AGGREGATIONS[self.settings.aggregation](self)
                question = next(self._aggregation)
            else:
                question = self._aggregation.send(updates)
        except StopIteration as end:
            self._finish(end.value)
            return
        self.audience = question.audience
        standard = {"mean": self._mean, "scale": self._scale}
        self.message = {"task": question.task, **standard, **question.content}

    def note(self, basis: Array, values: Array, updates: Updates) -> None:
        """Add a line to the history: what the round reached on the clients that answered.

        Parameters
        ----------
        basis : array of shape (n_features, n_components)
            The subspace of the round.
        values : array of shape (n_components,)
            Eigenvalues within it.
        updates : list of dict
            Of the clients that took part.
        """
        xp = array_namespace(basis)
        before, captured = self._consensus, float(xp.sum(values))
        trace = sum(update["trace"] for update in updates)
        angle = None if before is None else float(xp.max(largest_principal_angle(before, basis)))
        self.history.append(
            {
                "round": len(self.history) + 1,
                "objective": (trace - captured) / _weight(updates),
                "explained_variance_ratio": captured / trace if trace else 0.0,
                "angle": angle,
                "n_clients": len(updates),
            }
        )
        self._consensus = basis

    def random_basis(self) -> Array:
        """Return a random start of the right size.

        Returns
        -------
        basis : array of shape (n_features, n_components)
            Orthonormal columns.
        """
        rng = np.random.default_rng(self.settings.seed)
        block = rng.standard_normal((self._mean.shape[0], self.settings.n_components))
        return orthonormal_basis(move_like(block, self._mean))

    def start_from(self, basis: Array) -> None:
        """Measure the angle of the first round against this basis.

        Parameters
        ----------
        basis : array of shape (n_features, n_components)
            Where an iteration starts.
        """
        self._consensus = basis

    def _take_moments(self, updates: Updates) -> None:
        """Pairwise update of mean and summed squares (Chan et al.)."""
        first = updates[0]["moments"]
        weight, mean, squares = updates[0]["weight"], first["mean"], first["squares"]
        for update in updates[1:]:
            part, w = update["moments"], update["weight"]
            delta = move_like(part["mean"], mean) - mean
            squares = squares + move_like(part["squares"], mean)
            squares = squares + (weight * w / (weight + w)) * delta * delta
            mean = mean + (w / (weight + w)) * delta
            weight += w
        xp = array_namespace(mean)
        scale = xp.ones_like(mean)
        if self.settings.standardize:
            # clients may hold one column in float32: the coarsest rounding says what is constant
            spread = deviations(squares / weight, mean, max(update["eps"] for update in updates))
            scale = xp.where(spread > 0, spread, scale)
        self._mean, self._scale, self._weight = mean, scale, weight
        self._total = float(xp.sum(squares / (scale * scale)))

    def _finish(self, answer: Answer) -> None:
        values = answer.values * (self._weight / _weight(answer.updates))
        self.message = None
        self.result = FederatedResult(
            values,
            answer.basis,
            self._mean,
            self._scale,
            self._total,
            self._weight,
            answer.converged,
        )


def _summed(updates: Updates, name: str) -> Array:
    """Sum of the clients' answers (scatter matrices add up)."""
    first = updates[0][name]
    return sum((move_like(update[name], first) for update in updates[1:]), first)


def _averaged(updates: Updates, name: str) -> Array:
    """Mean of the clients' answers, weighted by their rows."""
    first, weight = updates[0][name], _weight(updates)
    return sum((update["weight"] / weight) * move_like(update[name], first) for update in updates)


def _weight(updates: Updates) -> float:
    return sum(update["weight"] for update in updates)


# --- covariance: one round, exact ----------------------------------------------------------------


def _covariance(server: FederatedServer) -> Aggregation:
    updates = yield Question("scatter", "drawn", {})
    values, basis = leading_eigenpairs(_summed(updates, "scatter"), server.settings.n_components)
    server.note(basis, values, updates)
    return Answer(values, basis, updates)


# --- krylov: exact in few rounds, d x k messages -------------------------------------------------


def _krylov(server: FederatedServer) -> Aggregation:
    """Rayleigh-Ritz on all blocks so far, for the clients that answered every round.

    The images of each client are kept apart, so one that drops out can be taken out of the sum:
    the answer is then exact for those that stayed.
    """
    settings, block = server.settings, server.random_basis()
    xp = array_namespace(block)
    basis, images = block[:, :0], None
    for n_round in range(1, settings.n_rounds + 1):
        audience = "drawn" if images is None else "same"
        updates = yield Question("product", audience, {"block": block})
        if images is None:
            images = {update["client"]: basis for update in updates}
        stayed = [update for update in updates if update["client"] in images]
        if not stayed:
            raise ValueError(
                "No client answered every round; 'krylov' needs at least one that does."
            )
        images = {
            update["client"]: xp.concat([images[update["client"]], update["product"]], axis=1)
            for update in stayed
        }
        basis = xp.concat([basis, block], axis=1)
        all_images = list(images.values())
        space = KrylovSpace(basis, sum(all_images[1:], all_images[0]))
        values, vectors, residuals = ritz_pairs(space, settings.n_components)
        server.note(vectors, values, stayed)
        unit = xp.max(xp.abs(values))  # products may be squares: not squared again without a scale
        residuals = residuals / xp.where(unit > 0, unit, xp.ones_like(unit))
        worst = float(xp.max(xp.sum(residuals * residuals, axis=0))) ** 0.5
        left = basis.shape[0] - basis.shape[1]
        converged = left == 0 or worst <= settings.tol
        if converged or n_round == settings.n_rounds:
            break
        newest = space.image[:, -block.shape[1] :]
        block = orthonormal_against(newest[:, : min(block.shape[1], left)], basis)
    return Answer(values, vectors, stayed, converged)


# --- means of local subspaces: one round, approximate --------------------------------------------


def _chordal(server: FederatedServer) -> Aggregation:
    bases, weights = yield from _local_subspaces(server)
    return (yield from _axes_within(server, chordal_mean(bases, weights)))


def _karcher(server: FederatedServer) -> Aggregation:
    bases, weights = yield from _local_subspaces(server)
    return (yield from _axes_within(server, karcher_mean(bases, weights)))


def _local_subspaces(
    server: FederatedServer,
) -> Generator[Question, Updates, tuple[Array, Array]]:
    """The principal subspace of each client, and its weight."""
    question = {"n_components": server.settings.n_components}
    updates = yield Question("basis", "drawn", question)
    first = updates[0]["basis"]
    xp = array_namespace(first)
    bases = xp.stack([move_like(update["basis"], first) for update in updates])
    weights = xp.asarray([update["weight"] for update in updates], dtype=bases.dtype)
    return bases, move_like(weights, bases)


def _axes_within(server: FederatedServer, basis: Array, *, converged: bool = True) -> Aggregation:
    """Last question: axes and variances within the answer, of all clients, not of those drawn."""
    updates = yield Question("compression", "everyone", {"basis": basis})
    values, rotation = leading_eigenpairs(_summed(updates, "compression"))
    if not server.history:
        server.note(basis @ rotation, values, updates)
    return Answer(values, basis @ rotation, updates, converged)


# --- admm: local Riemannian steps with duals, consensus in the tangent space ---------------------


def _admm(server: FederatedServer) -> Aggregation:
    settings = server.settings
    bases, weights = yield from _local_subspaces(server)
    basis, converged = chordal_mean(bases, weights), True
    if basis.shape[1] == basis.shape[0]:  # the whole space is the answer
        return (yield from _axes_within(server, basis))
    server.start_from(basis)
    for _ in range(settings.n_rounds):
        updates = yield Question("gradient", "drawn", {"basis": basis})
        question = {
            "basis": basis,
            "gradient": _averaged(updates, "gradient"),
            "rho": settings.rho,
            "n_steps": settings.local_steps,
            "retraction": settings.retraction,
        }
        updates = yield Question("local_steps", "same", question)
        start, ahead = _search_planes(basis, _averaged(updates, "local_steps"))
        xp = array_namespace(start)
        both = xp.concat([start, ahead], axis=1)
        updates = yield Question("compression", "same", {"basis": both})
        values, turn, moved = _line_search(_summed(updates, "compression"), start.shape[1])
        basis = both @ turn
        server.note(basis, values, updates)
        converged = moved <= settings.tol
        if converged:
            break
    return (yield from _axes_within(server, basis, converged=converged))


def _search_planes(Z: Array, step: Array) -> tuple[Array, Array]:
    """Columns of the consensus Z, and the direction in which each of them turns."""
    xp = array_namespace(Z)
    left, _, right = xp.linalg.svd(tangent_projection(Z, step), full_matrices=False)
    room = min(left.shape[1], Z.shape[0] - Z.shape[1])
    return Z @ right.T, orthonormal_against(left[:, :room], Z)


def _line_search(T: Array, k: int) -> tuple[Array, Array, float]:
    """Exact line search along each principal direction of the step, from B^T S B alone.

    In the plane of a column z of the consensus and its direction p the captured variance is
    ``a cos^2 + 2 b cos sin + c sin^2``, largest at ``atan2(2 b, a - c) / 2``. The columns of the
    result stay orthonormal. Returns eigenvalues, the new basis in B, and the largest angle.
    """
    xp = array_namespace(T)
    room = T.shape[0] - k
    a = xp.linalg.diagonal(T)[:room]
    b, c = xp.linalg.diagonal(T[:k, k:])[:room], xp.linalg.diagonal(T)[k:]
    angle = 0.5 * xp.atan2(2 * b, a - c)
    still = move_like(xp.zeros(k - room, dtype=T.dtype), T)
    angles = xp.concat([angle, still])
    turn = xp.concat([_diagonal(xp.cos(angles)), _diagonal(xp.sin(angles))[:room, :]], axis=0)
    values, rotation = leading_eigenpairs(turn.T @ T @ turn)
    return values, turn @ rotation, float(xp.max(xp.abs(angle))) if room else 0.0


def _diagonal(values: Array) -> Array:
    xp = array_namespace(values)
    identity = xp.eye(values.shape[0], dtype=values.dtype)
    return values[:, None] * move_like(identity, values)


AGGREGATIONS: dict[str, Callable[[FederatedServer], Aggregation]] = {
    "covariance": _covariance,
    "krylov": _krylov,
    "chordal": _chordal,
    "karcher": _karcher,
    "admm": _admm,
}
