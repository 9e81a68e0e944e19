"""The server of a federated PCA: a pure step from a state and the clients' updates to a state.

``state = initial_state(request)``; as long as ``not state["done"]``: send ``state["message"]`` to
the clients, collect their updates (`client_update`), ``state = server_aggregate(state, updates)``.
States, messages and updates are dicts of plain values and arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, move_like
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import largest_principal_angle, orthonormal_basis, tangent_projection
from ...linalg.krylov import KrylovSpace, orthonormal_against, ritz_pairs
from ...linalg.moments import deviations
from .grassmann_mean import chordal_mean, karcher_mean

__all__ = ["AGGREGATIONS", "FederatedRequest", "initial_state", "server_aggregate"]

State = dict[str, Any]
Updates = list[dict[str, Any]]


class FederatedRequest(NamedTuple):
    """What is asked of a federation."""

    n_components: int
    """Dimension of the subspace."""
    aggregation: str = "covariance"
    """One of `AGGREGATIONS`."""
    n_rounds: int = 20
    """Most rounds of the iterative aggregations."""
    local_steps: int = 30
    """Gradient steps of a client in a round ("admm", "euclidean")."""
    rho: float = 3.0
    """Penalty of the distance to the consensus."""
    tol: float = 1e-8
    """Stop "krylov" at this relative residual, "admm" at this change of the consensus (radians)."""
    scaling: str = "federated"
    """"federated", "local" or "none"."""
    retraction: str = "qr"
    """"qr" or "exp" ("admm")."""
    seed: int | None = None
    """Of the random start ("krylov", "euclidean")."""


def initial_state(request: FederatedRequest) -> State:
    """State of the server before anything was asked.

    Parameters
    ----------
    request : FederatedRequest
        What is wanted.

    Returns
    -------
    state : dict
        ``message`` asks all clients for their moments.
    """
    return {
        "request": request._asdict(),
        "message": {"task": "moments"},
        "round": 0,
        "history": [],
        "converged": True,
        "done": False,
    }


def server_aggregate(state: State, updates: Updates) -> State:
    """Take one step of the server.

    Parameters
    ----------
    state : dict
        From `initial_state` or the step before; not changed.
    updates : list of dict
        From `client_update`, each with the entry ``client`` added (its name). Clients that failed
        or were not asked are simply absent.

    Returns
    -------
    state : dict
        With the next ``message``, or with ``done`` and the result: ``values`` (eigenvalues of the
        summed scatter matrices within the subspace), ``basis``, ``mean``, ``scale``, ``total``.

    Raises
    ------
    ValueError
        If no client answered.
    """
    task = state["message"]["task"]
    if not updates:
        raise ValueError(f"No client answered the task {task!r} in round {state['round']}.")
    return _STEPS[task](dict(state), updates)


# --- first round: mean and scale -----------------------------------------------------------------


def _after_moments(state: State, updates: Updates) -> State:
    """Pairwise update of mean and summed squares (Chan et al.), then the first real question."""
    first = updates[0]["moments"]
    xp = array_namespace(first["mean"])
    weight, mean, squares = updates[0]["weight"], first["mean"], first["squares"]
    for update in updates[1:]:
        part, w = update["moments"], update["weight"]
        delta = move_like(part["mean"], mean) - mean
        squares = squares + move_like(part["squares"], mean)
        squares = squares + (weight * w / (weight + w)) * delta * delta
        mean = mean + (w / (weight + w)) * delta
        weight += w
    # clients may hold one column in float32: the coarsest rounding says what is constant
    deviation = deviations(squares / weight, mean, max(update["eps"] for update in updates))
    ones = xp.ones_like(deviation)
    scaling = state["request"]["scaling"]
    scale = ones if scaling == "none" else xp.where(deviation > 0, deviation, ones)
    state |= {
        "mean": mean,
        "scale": scale,
        "weight": weight,
        "n_samples": sum(update["n_samples"] for update in updates),
        "total": float(xp.sum(squares / (scale * scale))),
        "round": 1,
    }
    local = scaling == "local"
    state["common"] = {"mean": None if local else mean, "scale": None if local else scale}
    return _FIRST[state["request"]["aggregation"]](state)


def _asking(state: State, task: str, **content: Any) -> State:
    """The state with its next message."""
    state["message"] = {"task": task, **state["common"], **content}
    return state


def _random_basis(state: State) -> Array:
    request, like = state["request"], state["mean"]
    rng = np.random.default_rng(request["seed"])
    block = rng.standard_normal((like.shape[0], request["n_components"]))
    return orthonormal_basis(move_like(block, like))


def _summed(updates: Updates, name: str) -> Array:
    """Sum of the clients' answers (scatter matrices add up)."""
    first = updates[0][name]
    return sum((move_like(update[name], first) for update in updates[1:]), first)


def _averaged(updates: Updates, name: str) -> Array:
    """Mean of the clients' answers, weighted by their rows."""
    first = updates[0][name]
    weight = sum(update["weight"] for update in updates)
    return sum((update["weight"] / weight) * move_like(update[name], first) for update in updates)


def _noted(state: State, basis: Array, captured: float, updates: Updates) -> State:
    """Add a line to the history: what the round reached on the clients that answered."""
    xp = array_namespace(basis)
    before = state.get("consensus")
    trace = sum(update["trace"] for update in updates)
    angle = float(xp.max(largest_principal_angle(before, basis))) if before is not None else None
    state["history"] = [
        *state["history"],
        {
            "round": state["round"],
            "objective": (trace - captured) / _weight(updates),
            "explained_variance_ratio": captured / trace if trace else 0.0,
            "angle": angle,
            "n_clients": len(updates),
        },
    ]
    return state | {"consensus": basis, "round": state["round"] + 1}


def _finished(state: State, values: Array, basis: Array, weight: float) -> State:
    """The result; values of a part of the clients are scaled up to the weight of all."""
    factor = state["weight"] / weight
    return state | {"done": True, "values": values * factor, "basis": basis, "message": None}


def _weight(updates: Updates) -> float:
    return sum(update["weight"] for update in updates)


# --- covariance: one round, exact ----------------------------------------------------------------


def _after_scatter(state: State, updates: Updates) -> State:
    values, basis = leading_eigenpairs(
        _summed(updates, "scatter"), state["request"]["n_components"]
    )
    weight = _weight(updates)
    state = _noted(state, basis, _total(values), updates)
    return _finished(state, values, basis, weight)


def _total(values: Array) -> float:
    return float(array_namespace(values).sum(values))


# --- krylov: exact in few rounds, d x k messages -------------------------------------------------


def _after_product(state: State, updates: Updates) -> State:
    """Rayleigh-Ritz on all blocks so far, for the clients that answered every round.

    The images of each client are kept apart, so one that drops out can be taken out of the sum:
    the answer is then exact for those that stayed.
    """
    request, block = state["request"], state["message"]["block"]
    xp = array_namespace(block)
    images = state.get("images", {})
    stayed = [u for u in updates if not images or u["client"] in images]
    if not stayed:
        raise ValueError("No client answered every round; 'krylov' needs at least one that does.")
    images = {
        u["client"]: u["product"]
        if u["client"] not in images
        else xp.concat([images[u["client"]], u["product"]], axis=1)
        for u in stayed
    }
    basis = state.get("krylov_basis")
    basis = block if basis is None else xp.concat([basis, block], axis=1)
    space = KrylovSpace(basis, sum(list(images.values())[1:], next(iter(images.values()))))
    values, vectors, residuals = ritz_pairs(space, request["n_components"])
    weight = _weight(stayed)
    state = _noted(state, vectors, _total(values), stayed)
    worst = float(xp.max(xp.sqrt(xp.sum(residuals * residuals, axis=0))))
    full = basis.shape[1] == basis.shape[0]
    converged = full or worst <= request["tol"] * float(xp.max(xp.abs(values)))
    if converged or len(state["history"]) >= request["n_rounds"]:
        return _finished(state | {"converged": converged}, values, vectors, weight)
    room = min(block.shape[1], basis.shape[0] - basis.shape[1])
    newest = space.image[:, -block.shape[1] :]
    following = orthonormal_against(newest[:, :room], basis)
    return _asking(state | {"images": images, "krylov_basis": basis}, "product", block=following)


# --- means of local subspaces: one round, approximate --------------------------------------------


def _after_basis(state: State, updates: Updates) -> State:
    """Mean of the local subspaces: the answer ("chordal", "karcher") or the start ("admm")."""
    request = state["request"]
    xp = array_namespace(updates[0]["basis"])
    bases = xp.stack([move_like(u["basis"], updates[0]["basis"]) for u in updates])
    weights = xp.asarray([u["weight"] for u in updates], dtype=bases.dtype)
    mean = chordal_mean(bases, move_like(weights, bases))
    if request["aggregation"] == "karcher":
        mean = karcher_mean(bases, move_like(weights, bases))
    if request["aggregation"] == "admm" and mean.shape[1] < mean.shape[0]:
        return _asking(state | {"consensus": mean}, "gradient", basis=mean)
    return _ask_all(state, mean)


def _ask_all(state: State, basis: Array) -> State:
    """Last question: the variances within the answer, of all clients and not of those drawn."""
    return _asking(state | {"last": True}, "compression", basis=basis)


def _after_last(state: State, updates: Updates) -> State:
    """Principal axes and variances within the answer."""
    basis, weight = state["message"]["basis"], _weight(updates)
    values, rotation = leading_eigenpairs(_summed(updates, "compression"))
    if not state["history"]:
        state = _noted(state, basis @ rotation, _total(values), updates)
    return _finished(state, values, basis @ rotation, weight)


# --- admm: local Riemannian steps with duals, consensus in the tangent space ---------------------


def _after_gradient(state: State, updates: Updates) -> State:
    request = state["request"]
    return _asking(
        state,
        "local_steps",
        basis=state["consensus"],
        gradient=_averaged(updates, "gradient"),
        rho=request["rho"],
        n_steps=request["local_steps"],
        retraction=request["retraction"],
    )


def _after_local_steps(state: State, updates: Updates) -> State:
    """Mean of the tangent vectors; ask for the small matrix that the line search needs."""
    Z = state["consensus"]
    xp = array_namespace(Z)
    direction = tangent_projection(Z, _averaged(updates, "local_steps"))
    left, _, right = xp.linalg.svd(direction, full_matrices=False)
    room = min(left.shape[1], Z.shape[0] - Z.shape[1])
    ahead = orthonormal_against(left[:, :room], Z)
    state["plane"] = {"start": Z @ right.T, "ahead": ahead}
    return _asking(state, "compression", basis=xp.concat([Z @ right.T, ahead], axis=1))


def _after_line_search(state: State, updates: Updates) -> State:
    """Exact line search along each principal direction of the step, from B^T S B alone.

    In the plane of a column z of the consensus and its direction p the captured variance is
    ``a cos^2 + 2 b cos sin + c sin^2``, largest at ``atan2(2 b, a - c) / 2``. The columns of the
    result stay orthonormal.
    """
    request, plane = state["request"], state["plane"]
    T = _summed(updates, "compression")
    xp = array_namespace(T)
    k, room = plane["start"].shape[1], plane["ahead"].shape[1]
    a = xp.linalg.diagonal(T)[:room]
    b, c = xp.linalg.diagonal(T[:k, k:])[:room], xp.linalg.diagonal(T)[k:]
    angle = 0.5 * xp.atan2(2 * b, a - c)
    ones, zeros = xp.ones(k - room, dtype=T.dtype), xp.zeros(k - room, dtype=T.dtype)
    cosine = xp.concat([xp.cos(angle), move_like(ones, T)])
    sine = xp.concat([xp.sin(angle), move_like(zeros, T)])
    turn = xp.concat(
        [_diagonal(cosine), _diagonal(sine)[:room, :]], axis=0
    )  # columns of the new consensus in the basis B
    values, rotation = leading_eigenpairs(turn.T @ T @ turn)
    basis = xp.concat([plane["start"], plane["ahead"]], axis=1) @ (turn @ rotation)
    state = _noted(state, basis, _total(values), updates)
    moved = float(xp.max(xp.abs(angle))) if room else 0.0
    converged = moved <= request["tol"]
    if converged or len(state["history"]) >= request["n_rounds"]:
        return _ask_all(state | {"converged": converged}, basis)
    return _asking(state, "gradient", basis=basis)


def _diagonal(values: Array) -> Array:
    xp = array_namespace(values)
    identity = xp.eye(values.shape[0], dtype=values.dtype)
    return values[:, None] * move_like(identity, values)


# --- euclidean: the published FedPE, for comparison ----------------------------------------------


def _after_euclidean(state: State, updates: Updates) -> State:
    """Plain mean of bases, as published; the subspace it spans is what is scored."""
    mean = _averaged(updates, "euclidean")
    state["euclidean_mean"] = mean
    return _asking(state, "compression", basis=orthonormal_basis(mean))


def _after_euclidean_score(state: State, updates: Updates) -> State:
    basis, request = state["message"]["basis"], state["request"]
    values, rotation = leading_eigenpairs(_summed(updates, "compression"))
    state = _noted(state, basis @ rotation, _total(values), updates)
    if len(state["history"]) >= request["n_rounds"]:
        return _ask_all(state | {"converged": False}, basis)
    return _ask_euclidean(state, state["euclidean_mean"])


def _ask_euclidean(state: State, Z: Array) -> State:
    request = state["request"]
    return _asking(state, "euclidean", basis=Z, rho=request["rho"], n_steps=request["local_steps"])


def _after_compression(state: State, updates: Updates) -> State:
    if state.get("last"):
        return _after_last(state, updates)
    steps = {"admm": _after_line_search, "euclidean": _after_euclidean_score}
    return steps[state["request"]["aggregation"]](state, updates)


def _ask_basis(state: State) -> State:
    return _asking(state, "basis", n_components=state["request"]["n_components"])


_FIRST: dict[str, Callable[[State], State]] = {
    "covariance": lambda state: _asking(state, "scatter"),
    "krylov": lambda state: _asking(state, "product", block=_random_basis(state)),
    "chordal": _ask_basis,
    "karcher": _ask_basis,
    "admm": _ask_basis,
    "euclidean": lambda state: _ask_euclidean(state, _random_basis(state)),
}
AGGREGATIONS = tuple(_FIRST)
_STEPS: dict[str, Callable[[State, Updates], State]] = {
    "moments": _after_moments,
    "scatter": _after_scatter,
    "product": _after_product,
    "basis": _after_basis,
    "gradient": _after_gradient,
    "local_steps": _after_local_steps,
    "compression": _after_compression,
    "euclidean": _after_euclidean,
}
