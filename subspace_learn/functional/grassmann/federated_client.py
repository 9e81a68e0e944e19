"""What a client of a federated PCA computes: one function from a message and rows to an update.

Messages and updates are flat dicts of strings, numbers and arrays, so any transport can carry
them. Rows stay here: an update holds d-vectors, d x k blocks or small square matrices, and a d x d
matrix only when the message asks for one. `FederatedClient` keeps rows and memory together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..._array import Array, array_namespace, is_array, library_name, move_like
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import exponential, logarithm, qr_retraction, tangent_projection
from ...linalg.moments import column_moments, counted, deviations, table_moments
from .federated_privacy import PrivacySettings, row_sums, symmetric_noise

__all__ = ["FederatedClient", "client_update"]

Message = dict[str, Any]
Memory = dict[str, Any]

# Up to this many features a client keeps its d x d scatter matrix between rounds, else its rows.
_SCATTER_FEATURES = 2048


class FederatedClient:
    """A client of a federated PCA: holds the rows, answers messages, remembers what it must.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), or callable
        The rows of this client, or a function without arguments that returns them, or them and
        their weights. It is called when rows are needed: a client that keeps its scatter matrix
        reads them twice.
    weights : array of shape (n_samples,), optional
        Frequencies.
    privacy : PrivacySettings, optional
        What may be known of one row. This client then answers the task "sums" and no other, once:
        asked again, it repeats its answer, since fresh noise could be averaged away.
    rng : numpy.random.Generator, optional
        Source of the noise; None takes entropy of the operating system, as privacy needs it.
    state : dict, optional
        The ``state`` of an earlier object, for runtimes that make a new one for each message.

    Attributes
    ----------
    state : dict
        What is remembered between messages: strings, numbers and arrays. It never leaves the
        client. Standardised rows (kept above 2048 features) are not part of it.
    """

    def __init__(
        self,
        rows: Array | Callable[[], Any],
        weights: Array | None = None,
        *,
        privacy: PrivacySettings | None = None,
        rng: np.random.Generator | None = None,
        state: Memory | None = None,
    ) -> None:
        self._rows, self._weights, self._privacy, self._rng = rows, weights, privacy, rng
        self._memory: Memory = dict(state or {})

    @property
    def state(self) -> Memory:
        """What is remembered between messages."""
        return {name: value for name, value in self._memory.items() if name != "rows"}

    def answer(self, message: Message) -> Message:
        """Answer one message of the server.

        Parameters
        ----------
        message : dict
            See `client_update`.

        Returns
        -------
        update : dict
            To be sent to the server.

        Raises
        ------
        ValueError
            If the task is unknown or not for this client, or no row has a positive weight.
        """
        if message["task"] == "sums":
            return self._sums(message)
        if self._privacy is not None:
            raise ValueError(
                f"This client has privacy settings and answers 'sums' alone, not "
                f"{message['task']!r}. Give the server the same settings."
            )
        needed = message["task"] == "moments" or not self._memory.keys() & {"scatter", "rows"}
        rows, weights = self._table() if needed else (None, None)
        like = next((a for a in (rows, *self._memory.values()) if is_array(a)), None)
        update, self._memory = client_update(
            _in_library_of(message, like), rows, self._memory, weights=weights
        )
        return update

    def _table(self) -> tuple[Array, Array | None]:
        """Rows and weights, read where they are to be read."""
        if not callable(self._rows):
            return self._rows, self._weights
        found = self._rows()
        return found if isinstance(found, tuple) else (found, self._weights)

    def _sums(self, message: Message) -> Message:
        """One matrix that may be added to those of others, with the noise of this client."""
        if "sums" not in self._memory:
            rows, weights = self._table()
            clip_norm = np.inf if self._privacy is None else self._privacy.clip_norm
            if message["clip_norm"] != clip_norm:
                raise ValueError(
                    f"The server asks for rows clipped to norm {message['clip_norm']:g}, and this "
                    f"client clips to {clip_norm:g}. Give both the same privacy settings."
                )
            noisy = self._privacy is not None and self._privacy.epsilon < np.inf
            if noisy and weights is not None:
                raise ValueError(
                    "A weighted row counts as several and is protected as one. Leave weights out "
                    "and repeat rows."
                )
            sums, scale = row_sums(rows, weights, clip_norm), 0.0
            if self._privacy is not None:
                scale = self._privacy.scale_of_client(message["n_clients"])
            if scale > 0:
                rng = np.random.default_rng() if self._rng is None else self._rng
                sums = sums + symmetric_noise(sums, scale, rng)
            self._memory = {"sums": sums, "noise_variance": scale * scale}
        return self._memory | {"step": message.get("step", 0)}


def _in_library_of(message: Message, like: Array | None) -> Message:
    """The arrays of a message, in the library and on the device of the client's own."""
    if like is None:
        return message
    return {
        name: move_like(value, like)
        if is_array(value) and library_name(value) != library_name(like)
        else value
        for name, value in message.items()
    }


def client_update(
    message: Message, X: Array, memory: Memory | None = None, *, weights: Array | None = None
) -> tuple[dict[str, Any], Memory]:
    """Answer one message of the server from the rows of one client.

    Parameters
    ----------
    message : dict
        ``task`` says what is asked, the other entries what is needed for it:

        - "moments": nothing; answers ``mean`` and ``squares`` (summed squared deviations), and
          forgets what an earlier federation left in memory;
        - "scatter": the d x d scatter matrix;
        - "product": ``block`` Q (d, b); answer S Q;
        - "basis": ``n_components``; answer the leading local directions;
        - "gradient": ``basis`` Z; answer the local Riemannian gradient of ``tr(Z^T S Z) / 2``;
        - "local_steps": ``basis`` Z, ``gradient`` (of all clients), ``rho``, ``n_steps``,
          ``retraction``; answer the tangent vector at Z that leads to the local solution;
        - "compression": ``basis`` B; answer B^T S B.

        All but "moments" hold ``mean`` and ``scale``, by which rows are standardised.
    X : array of shape (n_samples, n_features)
        The client's rows.
    memory : dict, optional
        What this client returned the last time; it never leaves the client.
    weights : array of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    update : dict
        The answer under the name of the task, ``weight`` (sum of weights), ``trace`` (of the
        scatter matrix) or, for "moments", ``eps`` (unit of rounding of the rows), and the ``step``
        of the message.
    memory : dict
        To be handed in with the next message.

    Raises
    ------
    ValueError
        If the task is unknown, or the client has no row of positive weight.
    """
    task = message["task"]
    if task not in _ANSWERS:
        raise ValueError(f"Unknown task {task!r}; a client answers {sorted(_ANSWERS)}.")
    memory = {} if task == "moments" else dict(memory or {})
    if task != "moments" and "scatter" not in memory and "rows" not in memory:
        memory |= _standardised(message, X, weights)
    answer = _ANSWERS[task](message, X, weights, memory)
    if "step" in message:
        answer["step"] = message["step"]
    return answer, memory


def _moments(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    """First round: what the server needs for the global mean and scale."""
    weight = counted(weights, X.shape[0])[1]
    if weight == 0:
        raise ValueError("This client has no row of positive weight.")
    mean, variance = column_moments(X, weights)
    eps = float(array_namespace(X).finfo(X.dtype).eps)
    squares = weight * deviations(variance, mean, eps) ** 2
    return {"mean": mean, "squares": squares, "eps": eps, "weight": weight}


def _standardised(message: Message, X: Array, weights: Array | None) -> Memory:
    """Local second moments of the standardised rows, kept by the client."""
    xp = array_namespace(X)
    rows = (xp.astype(X, xp.float64, copy=False) - message["mean"]) / message["scale"]
    if X.shape[1] <= _SCATTER_FEATURES:
        found = table_moments(rows, weights, center=False)
        trace = float(xp.linalg.trace(found.scatter))
        return {"scatter": found.scatter, "trace": trace, "weight": found.weight}
    if weights is not None:
        rows = xp.sqrt(weights)[:, None] * rows
    weight = counted(weights, X.shape[0])[1]
    return {"rows": rows, "trace": float(xp.sum(rows * rows)), "weight": weight}


def _scatter_times(memory: Memory, Q: Array) -> Array:
    if "scatter" in memory:
        return memory["scatter"] @ Q
    return memory["rows"].T @ (memory["rows"] @ Q)


def _answer(name: str, value: Array, memory: Memory) -> Message:
    return {name: value, "trace": memory["trace"], "weight": memory["weight"]}


def _scatter(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    rows = memory.get("rows")
    return _answer("scatter", memory["scatter"] if rows is None else rows.T @ rows, memory)


def _product(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    return _answer("product", _scatter_times(memory, message["block"]), memory)


def _basis(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    if "scatter" in memory:
        basis = leading_eigenpairs(memory["scatter"], message["n_components"])[1]
    else:
        xp = array_namespace(memory["rows"])
        right = xp.linalg.svd(memory["rows"], full_matrices=False)[2]
        basis = right[: message["n_components"], :].T
    return _answer("basis", basis, memory)


def _gradient(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    Z = message["basis"]
    gradient = tangent_projection(Z, _scatter_times(memory, Z)) / memory["weight"]
    memory["dual"] = gradient
    return _answer("gradient", gradient, memory)


def _local_steps(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    """Riemannian gradient steps on the local objective, its dual and its penalty.

    Minimises ``-tr(U^T S U) / 2 + <Y, xi> + rho lambda |xi|^2 / 2`` with ``xi = log_Z(U)``, S the
    local covariance, lambda its largest eigenvalue, and the dual ``Y`` the local gradient at Z
    minus that of all clients: at Z all local problems then descend in one direction.
    """
    Z, retraction = message["basis"], _RETRACTIONS[message["retraction"]]
    dual = memory["dual"] - message["gradient"]
    if "largest" not in memory:
        memory["largest"] = _largest_eigenvalue(memory)
    penalty = message["rho"] * memory["largest"]
    step = 1.0 / (penalty + memory["largest"] or 1.0)  # 1 / Lipschitz constant of the gradient
    U = Z
    for _ in range(message["n_steps"]):
        ascent = _scatter_times(memory, U) / memory["weight"] - dual - penalty * logarithm(Z, U)
        U = retraction(U, step * tangent_projection(U, ascent))
    return _answer("local_steps", logarithm(Z, U), memory)


def _largest_eigenvalue(memory: Memory) -> float:
    """Largest eigenvalue of the local covariance."""
    if "scatter" in memory:
        return float(leading_eigenpairs(memory["scatter"], 1)[0][0]) / memory["weight"]
    xp = array_namespace(memory["rows"])
    return float(xp.linalg.matrix_norm(memory["rows"], ord=2)) ** 2 / memory["weight"]


def _compression(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    B = message["basis"]
    return _answer("compression", B.T @ _scatter_times(memory, B), memory)


_RETRACTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "qr": qr_retraction,
    "exp": exponential,
}
_ANSWERS: dict[str, Callable[..., Message]] = {
    "moments": _moments,
    "scatter": _scatter,
    "product": _product,
    "basis": _basis,
    "gradient": _gradient,
    "local_steps": _local_steps,
    "compression": _compression,
}
