"""What a federated PCA is asked, asks, has found so far, and finds: the records of its dialogue."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, move_like
from ...linalg.grassmann import largest_principal_angle, orthonormal_basis
from .federated_privacy import PrivacySettings

__all__ = ["FederatedResult", "FederationSettings"]

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
        self.note(basis, values, trace=trace, weight=weight_of(updates), n_clients=len(updates))

    def random_basis(self) -> Array:
        """Return a random start of the right size."""
        rng, mean = np.random.default_rng(self._seed), self.standard["mean"]
        block = rng.standard_normal((mean.shape[0], self.settings.n_components))
        return orthonormal_basis(move_like(block, mean))

    def start_from(self, basis: Array) -> None:
        """Measure the angle of the first round against this basis."""
        self._consensus = basis


def summed(updates: Updates, name: str) -> Array:
    """Sum of the clients' answers (scatter matrices add up)."""
    first = updates[0][name]
    return sum((move_like(update[name], first) for update in updates[1:]), first)


def averaged(updates: Updates, name: str) -> Array:
    """Mean of the clients' answers, weighted by their rows."""
    first, weight = updates[0][name], weight_of(updates)
    return sum((update["weight"] / weight) * move_like(update[name], first) for update in updates)


def weight_of(updates: Updates) -> float:
    """Rows of the clients, each counted by its weight."""
    return sum(update["weight"] for update in updates)
