"""A federated PCA as a dialogue: questions, and how the answers of clients lead to the next one.

`federation` is the whole of it, without transport: a generator that yields questions, receives
updates and returns the result. `FederatedServer` drives it. An aggregation is one generator below
that returns eigenvalues and a basis; a new one is such a function with a line in `AGGREGATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, move_like
from ..._warnings import warn
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import largest_principal_angle, orthonormal_basis, tangent_projection
from ...linalg.krylov import KrylovSpace, orthonormal_against, ritz_pairs
from ...linalg.moments import deviations
from .federated_privacy import NoisedSums, PrivacySettings, read_sums, symmetric_noise
from .grassmann_mean import chordal_mean, karcher_mean

__all__ = [
    "AGGREGATIONS",
    "FederatedResult",
    "FederationSettings",
    "Rounds",
    "federation",
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
    seed: int | np.random.Generator | None = None
    """Of the random start ("krylov"), the draws of clients, and the noise of the server."""
    participation: float = 1.0
    """Share of the clients asked: a new draw in each round of "admm", one draw for the others."""
    n_features: int | None = None
    """Number of columns; None: what more clients have than any other."""
    privacy: PrivacySettings | None = None
    """Differential privacy of "covariance"; clients need the same settings. Implies ``sums``."""
    sums: bool = False
    """Whether "covariance" asks for one matrix of each client that may be added up on the way: the
    server needs no single one, as secure aggregation wants it."""


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
    noise_scale: float = 0.0
    """Standard deviation of the noise on the diagonal of the summed matrix (privacy)."""


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
    weight: float
    """Of the clients that the values stand for."""
    converged: bool = True


Aggregation = Generator[Question, Updates, Answer]


class Rounds:
    """What a federation knows so far: settings, mean and scale, and the history of its rounds."""

    def __init__(self, settings: FederationSettings, seed: int) -> None:
        self.settings, self._seed = settings, seed
        self.history: list[dict[str, Any]] = []
        self.standard: dict[str, Array] = {}
        self._consensus: Array | None = None

    def note(
        self, basis: Array, values: Array, *, trace: float, weight: float, n_clients: int
    ) -> None:
        """Add a line to the history: what the round reached on the clients that answered."""
        xp = array_namespace(basis)
        before, captured = self._consensus, float(xp.sum(values))
        angle = None if before is None else float(xp.max(largest_principal_angle(before, basis)))
        self.history.append(
            {
                "round": len(self.history) + 1,
                "objective": (trace - captured) / weight,
                "explained_variance_ratio": captured / trace if trace else 0.0,
                "angle": angle,
                "n_clients": n_clients,
            }
        )
        self._consensus = basis

    def note_answers(self, basis: Array, values: Array, updates: Updates) -> None:
        """Add a line for clients whose updates hold weight and trace."""
        trace = sum(update["trace"] for update in updates)
        self.note(basis, values, trace=trace, weight=_weight(updates), n_clients=len(updates))

    def random_basis(self) -> Array:
        """Return a random start of the right size."""
        rng, mean = np.random.default_rng(self._seed), self.standard["mean"]
        block = rng.standard_normal((mean.shape[0], self.settings.n_components))
        return orthonormal_basis(move_like(block, mean))

    def start_from(self, basis: Array) -> None:
        """Measure the angle of the first round against this basis."""
        self._consensus = basis


def federation(
    rounds: Rounds, rng: np.random.Generator
) -> Generator[Question, Updates, FederatedResult]:
    """All questions of a federation; returns what it found.

    Parameters
    ----------
    rounds : Rounds
        Settings, and the history that is written.
    rng : numpy.random.Generator
        Noise of the server (privacy).

    Yields
    ------
    question : Question
        Takes the list of updates.

    Returns
    -------
    result : FederatedResult
        What the federation found.
    """
    settings = rounds.settings
    if settings.privacy is not None or settings.sums:
        return (yield from _sums(rounds, rng))
    updates = yield Question("moments", "everyone", {})
    moments = _pooled_moments(updates)
    xp = array_namespace(moments.mean)
    scale = xp.ones_like(moments.mean)
    if settings.standardize:
        # clients may hold one column in float32: the coarsest rounding says what is constant
        eps = max(update["eps"] for update in updates)
        spread = deviations(moments.scatter / moments.weight, moments.mean, eps)
        scale = xp.where(spread > 0, spread, scale)
    rounds.standard = {"mean": moments.mean, "scale": scale}
    answer = yield from AGGREGATIONS[settings.aggregation](rounds)
    return FederatedResult(
        answer.values * (moments.weight / answer.weight),
        answer.basis,
        moments.mean,
        scale,
        float(xp.sum(moments.scatter / (scale * scale))),
        moments.weight,
        answer.converged,
    )


def _pooled_moments(updates: Updates) -> NoisedSums:
    """Pairwise update of mean and summed squares (Chan et al.); the squares are of columns."""
    first = updates[0]
    weight, mean, squares = first["weight"], first["mean"], first["squares"]
    for update in updates[1:]:
        w = update["weight"]
        delta = move_like(update["mean"], mean) - mean
        squares = squares + move_like(update["squares"], mean)
        squares = squares + (weight * w / (weight + w)) * delta * delta
        mean = mean + (w / (weight + w)) * delta
        weight += w
    return NoisedSums(squares, mean, weight)


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


def _covariance(rounds: Rounds) -> Aggregation:
    updates = yield Question("scatter", "drawn", {})
    summed = _summed(updates, "scatter")
    values, basis = leading_eigenpairs(summed, rounds.settings.n_components)
    rounds.note_answers(basis, values, updates)
    return Answer(values, basis, _weight(updates))


def _sums(
    rounds: Rounds, rng: np.random.Generator
) -> Generator[Question, Updates, FederatedResult]:
    """One matrix of each client, of which only the sum is used; noise that is missing is added."""
    privacy, k = rounds.settings.privacy, rounds.settings.n_components
    clip_norm = float("inf") if privacy is None else privacy.clip_norm
    updates = yield Question("sums", "drawn", {"clip_norm": clip_norm})
    summed = _summed(updates, "sums")
    noise = sum(update["noise_variance"] for update in updates)
    if privacy is not None and (missing := privacy.noise_scale**2 - noise) > 1e-9 * noise:
        summed, noise = summed + symmetric_noise(summed, missing**0.5, rng), noise + missing
    found = read_sums(summed, clip_norm)
    values, basis = leading_eigenpairs(found.scatter, k)
    xp = array_namespace(basis)
    total = float(xp.linalg.trace(found.scatter))
    n_clients = sum(update.get("n_clients", 1) for update in updates)
    kept = xp.clip(values, min=0.0)
    rounds.note(basis, kept, trace=total, weight=found.weight, n_clients=n_clients)
    if privacy is not None and noise > 0:
        _warn_of_noise(values, (2 * basis.shape[0] * noise) ** 0.5, privacy, found.weight)
    scale = xp.ones_like(found.mean)
    return FederatedResult(
        kept, basis, found.mean, scale, total, found.weight, True, noise_scale=noise**0.5
    )


def _warn_of_noise(values: Array, edge: float, privacy: PrivacySettings, n_rows: float) -> None:
    """Warn of eigenvalues that noise alone would have, and of a delta that protects nobody."""
    if privacy.delta * n_rows >= 1:
        warn(
            f"delta={privacy.delta:g} is not below one over the number of rows, about "
            f"{n_rows:.0f}: it allows that one row in them is published. Choose a smaller delta."
        )
    n_noise = sum(float(value) < edge for value in values)
    if n_noise:
        warn(
            f"With epsilon={privacy.epsilon:g} noise alone has eigenvalues up to {edge:.3g}, and "
            f"{n_noise} of the {values.shape[0]} components have no larger ones: their directions "
            "say nothing about the rows. Take fewer components, more rows, or a larger epsilon."
        )


# --- krylov: exact in few rounds, d x k messages -------------------------------------------------


def _krylov(rounds: Rounds) -> Aggregation:
    """Rayleigh-Ritz on all blocks so far, for the clients that answered every round.

    The images of each client are kept apart, so one that drops out can be taken out of the sum:
    the answer is then exact for those that stayed.
    """
    settings, block = rounds.settings, rounds.random_basis()
    xp = array_namespace(block)
    basis = block[:, :0]
    images: dict[Any, Array] = {}
    for n_round in range(1, settings.n_rounds + 1):
        updates = yield Question("product", "same" if images else "drawn", {"block": block})
        images = {
            update["client"]: xp.concat(
                [images[update["client"]] if images else basis, update["product"]], axis=1
            )
            for update in updates
        }
        basis = xp.concat([basis, block], axis=1)
        all_images = list(images.values())
        space = KrylovSpace(basis, sum(all_images[1:], all_images[0]))
        values, vectors, residuals = ritz_pairs(space, settings.n_components)
        rounds.note_answers(vectors, values, updates)
        unit = xp.max(xp.abs(values))  # products may be squares: not squared again without a scale
        residuals = residuals / xp.where(unit > 0, unit, xp.ones_like(unit))
        worst = float(xp.max(xp.sum(residuals * residuals, axis=0))) ** 0.5
        left = basis.shape[0] - basis.shape[1]
        converged = left == 0 or worst <= settings.tol
        if converged or n_round == settings.n_rounds:
            break
        newest = space.image[:, -block.shape[1] :]
        block = orthonormal_against(newest[:, : min(block.shape[1], left)], basis)
    return Answer(values, vectors, _weight(updates), converged)


# --- means of local subspaces: one round, approximate --------------------------------------------


def _chordal(rounds: Rounds) -> Aggregation:
    bases, weights = yield from _local_subspaces(rounds)
    return (yield from _axes_within(rounds, chordal_mean(bases, weights)))


def _karcher(rounds: Rounds) -> Aggregation:
    bases, weights = yield from _local_subspaces(rounds)
    return (yield from _axes_within(rounds, karcher_mean(bases, weights)))


def _local_subspaces(
    rounds: Rounds,
) -> Generator[Question, Updates, tuple[Array, Array]]:
    """The principal subspace of each client, and its weight."""
    question = {"n_components": rounds.settings.n_components}
    updates = yield Question("basis", "drawn", question)
    first = updates[0]["basis"]
    xp = array_namespace(first)
    bases = xp.stack([move_like(update["basis"], first) for update in updates])
    weights = xp.asarray([update["weight"] for update in updates], dtype=bases.dtype)
    return bases, move_like(weights, bases)


def _axes_within(rounds: Rounds, basis: Array, *, converged: bool = True) -> Aggregation:
    """Last question: axes and variances within the answer, of all clients, not of those drawn."""
    updates = yield Question("compression", "everyone", {"basis": basis})
    values, rotation = leading_eigenpairs(_summed(updates, "compression"))
    if not rounds.history:
        rounds.note_answers(basis @ rotation, values, updates)
    return Answer(values, basis @ rotation, _weight(updates), converged)


# --- admm: local Riemannian steps with duals, consensus in the tangent space ---------------------


def _admm(rounds: Rounds) -> Aggregation:
    settings = rounds.settings
    bases, weights = yield from _local_subspaces(rounds)
    basis, converged = chordal_mean(bases, weights), True
    if basis.shape[1] == basis.shape[0]:  # the whole space is the answer
        return (yield from _axes_within(rounds, basis))
    rounds.start_from(basis)
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
        rounds.note_answers(basis, values, updates)
        converged = moved <= settings.tol
        if converged:
            break
    return (yield from _axes_within(rounds, basis, converged=converged))


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


AGGREGATIONS: dict[str, Callable[[Rounds], Aggregation]] = {
    "covariance": _covariance,
    "krylov": _krylov,
    "chordal": _chordal,
    "karcher": _karcher,
    "admm": _admm,
}
