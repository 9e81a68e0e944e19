"""What a client of a federated PCA computes: one function from a message and rows to an update.

Messages and updates are dicts of strings, numbers and plain arrays, so any transport can carry
them. Rows stay here: an update holds d-vectors, d x k blocks or small square matrices, and a d x d
matrix only when the message asks for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._array import Array, array_namespace, move_like
from ...linalg.eig import leading_eigenpairs
from ...linalg.grassmann import exponential, logarithm, qr_retraction, tangent_projection
from ...linalg.moments import NO_LENGTH, column_moments, counted, deviations, table_moments

__all__ = ["client_update"]

Message = dict[str, Any]
Memory = dict[str, Any]

# Up to this many features a client keeps its d x d scatter matrix between rounds, else its rows.
_SCATTER_FEATURES = 2048


def client_update(
    message: Message, X: Array, memory: Memory | None = None, *, weights: Array | None = None
) -> tuple[dict[str, Any], Memory]:
    """Answer one message of the server from the rows of one client.

    Parameters
    ----------
    message : dict
        ``task`` says what is asked, the other entries what is needed for it:

        - "moments": nothing; answer ``mean`` and ``squares`` (summed squared deviations);
        - "scatter": the d x d scatter matrix;
        - "product": ``block`` Q (d, b); answer S Q;
        - "basis": ``n_components``; answer the leading local directions;
        - "gradient": ``basis`` Z; answer the local Riemannian gradient of ``tr(Z^T S Z) / 2``;
        - "local_steps": ``basis`` Z, ``gradient`` (of all clients), ``rho``, ``n_steps``,
          ``retraction``; answer the tangent vector at Z that leads to the local solution;
        - "euclidean": ``basis`` Z, ``rho``, ``n_steps``; answer the local basis of FedPE;
        - "compression": ``basis`` B; answer B^T S B.

        All but "moments" hold ``mean`` and ``scale``, by which rows are standardised (None: by the
        client's own).
    X : array of shape (n_samples, n_features)
        The client's rows.
    memory : dict, optional
        What this client returned the last time; it never leaves the client.
    weights : array of shape (n_samples,), optional
        Frequencies.

    Returns
    -------
    update : dict
        The answer under the name of the task, ``weight`` (sum of weights), ``n_samples``, and
        ``trace`` (of the scatter matrix; not for "moments").
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
    memory = dict(memory or {})
    if task != "moments" and "scatter" not in memory and "rows" not in memory:
        memory |= _standardised(message, X, weights)
    answer = _ANSWERS[task](message, X, weights, memory)
    return answer, memory


def _moments(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    """First round: what the server needs for the global mean and scale."""
    count, weight = counted(weights, X.shape[0])
    if weight == 0:
        raise ValueError("This client has no row of positive weight.")
    mean, variance = column_moments(X, weights)
    eps = float(array_namespace(X).finfo(X.dtype).eps)
    squares = weight * deviations(variance, mean, eps) ** 2
    return {"moments": {"mean": mean, "squares": squares}, "eps": eps} | _size(count, weight)


def _size(n_samples: int, weight: float) -> Message:
    return {"n_samples": n_samples, "weight": weight}


def _standardised(message: Message, X: Array, weights: Array | None) -> Memory:
    """Local second moments of the standardised rows, kept by the client."""
    xp = array_namespace(X)
    X = xp.astype(X, xp.float64, copy=False)
    mean, scale = message["mean"], message["scale"]
    if mean is None:  # the published protocol: each client by itself
        own = _moments(message, X, weights, {})
        mean = own["moments"]["mean"]
        deviation = xp.sqrt(own["moments"]["squares"] / own["weight"])
        scale = xp.where(deviation > NO_LENGTH, deviation, xp.ones_like(deviation))
    rows = (X - mean) / scale
    if X.shape[1] <= _SCATTER_FEATURES:
        found = table_moments(rows, weights, center=False)
        trace = float(xp.linalg.trace(found.scatter))
        return {"scatter": found.scatter, "trace": trace} | _size(found.n_samples, found.weight)
    if weights is not None:
        rows = xp.sqrt(weights)[:, None] * rows
    count = X.shape[0] if weights is None else int(xp.sum(xp.astype(weights > 0, xp.int64)))
    weight = float(X.shape[0]) if weights is None else float(xp.sum(weights))
    return {"rows": rows, "trace": float(xp.sum(rows * rows))} | _size(count, weight)


def _scatter_times(memory: Memory, Q: Array) -> Array:
    if "scatter" in memory:
        return memory["scatter"] @ Q
    return memory["rows"].T @ (memory["rows"] @ Q)


def _answer(name: str, value: Array, memory: Memory) -> Message:
    size = _size(memory["n_samples"], memory["weight"])
    return {name: value, "trace": memory["trace"]} | size


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


def _euclidean(message: Message, X: Array, weights: Array | None, memory: Memory) -> Message:
    """FedPE: plain gradient steps with a dual for consensus and one for ``U^T U <= I``.

    The published scheme, with its step taken relative to the local curvature and its duals
    started at 0; kept for comparison.
    """
    xp = array_namespace(message["basis"])
    Z, rho = message["basis"], message["rho"]
    U = memory.get("local", Z)
    dual = memory.get("consensus_dual", xp.zeros_like(Z))
    if "local" in memory:
        dual = dual + rho * (U - Z)
    bound_dual = memory.get("bound_dual", xp.zeros_like(Z.T @ Z))
    identity = move_like(xp.eye(Z.shape[1], dtype=Z.dtype), Z)
    if "largest" not in memory:
        memory["largest"] = _largest_eigenvalue(memory)
    step = 1.0 / (6 * memory["largest"] + rho or 1.0)
    U = Z
    for _ in range(message["n_steps"]):
        gram = U.T @ U
        image = _scatter_times(memory, U) / memory["weight"]
        excess = xp.clip(gram - identity, min=0.0)
        pull = U @ ((bound_dual + rho * excess**2) * 4 * excess)
        gradient = -4 * image + 2 * (image @ gram + U @ (U.T @ image))
        U = U - step * (gradient + dual + rho * (U - Z) + pull)
    excess = xp.clip(U.T @ U - identity, min=0.0)
    memory |= {
        "local": U,
        "consensus_dual": dual,
        "bound_dual": bound_dual + rho * excess**2,
    }
    return _answer("euclidean", U, memory)


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
    "euclidean": _euclidean,
    "compression": _compression,
}
