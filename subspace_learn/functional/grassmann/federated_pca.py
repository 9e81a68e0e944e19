"""A federated PCA as a dialogue: questions, and how the answers of clients lead to the next one.

`federation` is the whole of it, without transport: a generator that yields questions, receives
updates and returns the result. `FederatedServer` drives it. An aggregation is one generator below
that returns eigenvalues and a basis; a new one is such a function with a line in `AGGREGATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from ..._array import Array, array_namespace, move_like
from ..._warnings import warn
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import tangent_projection
from ...linalg.krylov import KrylovSpace, orthonormal_against, ritz_pairs
from ...linalg.moments import deviations
from .federated_privacy import NoisedSums, PrivacySettings, read_sums, symmetric_noise
from .federated_rounds import (
    Aggregation,
    Answer,
    FederatedResult,
    Question,
    Rounds,
    Updates,
    averaged,
    summed,
    weight_of,
)
from .grassmann_mean import chordal_mean, karcher_mean

__all__ = ["AGGREGATIONS"]


def federation(
    rounds: Rounds, rng: np.random.Generator
) -> Generator[Question, Updates, FederatedResult]:
    """All questions of a federation: yields them, takes the updates, returns what it found.

    The history of ``rounds`` grows on the way; ``rng`` is the noise of the server (privacy).
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


# --- covariance: one round, exact ----------------------------------------------------------------


def _covariance(rounds: Rounds) -> Aggregation:
    updates = yield Question("scatter", "drawn", {})
    pooled = summed(updates, "scatter")
    values, basis = leading_eigenpairs(pooled, rounds.settings.n_components)
    rounds.note_answers(basis, values, updates)
    return Answer(values, basis, weight_of(updates))


def _sums(
    rounds: Rounds, rng: np.random.Generator
) -> Generator[Question, Updates, FederatedResult]:
    """One matrix of each client, of which only the sum is used; noise that is missing is added."""
    privacy, k = rounds.settings.privacy, rounds.settings.n_components
    clip_norm = float("inf") if privacy is None else privacy.clip_norm
    updates = yield Question("sums", "drawn", {"clip_norm": clip_norm})
    pooled = summed(updates, "sums")
    noise = sum(update["noise_variance"] for update in updates)
    if privacy is not None and (missing := privacy.noise_scale**2 - noise) > 1e-9 * noise:
        pooled, noise = pooled + symmetric_noise(pooled, missing**0.5, rng), noise + missing
    found = read_sums(pooled, clip_norm)
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
    return Answer(values, vectors, weight_of(updates), converged)


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
    question = {"n_components": int(rounds.settings.n_components)}
    updates = yield Question("basis", "drawn", question)
    first = updates[0]["basis"]
    xp = array_namespace(first)
    bases = xp.stack([move_like(update["basis"], first) for update in updates])
    weights = xp.asarray([update["weight"] for update in updates], dtype=bases.dtype)
    return bases, move_like(weights, bases)


def _axes_within(rounds: Rounds, basis: Array, *, converged: bool = True) -> Aggregation:
    """Last question: axes and variances within the answer, of all clients, not of those drawn."""
    updates = yield Question("compression", "everyone", {"basis": basis})
    values, rotation = leading_eigenpairs(summed(updates, "compression"))
    if not rounds.history:
        rounds.note_answers(basis @ rotation, values, updates)
    return Answer(values, basis @ rotation, weight_of(updates), converged)


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
            "gradient": averaged(updates, "gradient"),
            "rho": float(settings.rho),
            "n_steps": int(settings.local_steps),
            "retraction": settings.retraction,
        }
        updates = yield Question("local_steps", "same", question)
        start, ahead = _search_planes(basis, averaged(updates, "local_steps"))
        xp = array_namespace(start)
        both = xp.concat([start, ahead], axis=1)
        updates = yield Question("compression", "same", {"basis": both})
        values, turn, moved = _line_search(summed(updates, "compression"), start.shape[1])
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
