"""Apps for Flower, which carries the messages of a federated PCA between machines.

`client_app` goes to the sites that hold rows, `server_app` to the one that asks. This is the only
file that names Flower (``pip install "subspace-learn[federated]"``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from .._array import is_array, to_numpy
from ..functional.grassmann.federated_client import FederatedClient
from ..functional.grassmann.federated_privacy import PrivacySettings
from ..functional.grassmann.federated_rounds import FederationSettings
from ..functional.grassmann.federated_server import FederatedServer
from ._federated_pca import FederatedGrassmannPCA

if TYPE_CHECKING:
    from flwr.app import Context, Message, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid, ServerApp

__all__ = ["client_app", "server_app"]

_STATE, _MESSAGE = "subspace_learn.state", "subspace_learn.message"
_MODULUS = 2**32  # SecAgg+ adds integers modulo this number, its largest


def client_app(
    rows: Callable[[Context], Any],
    *,
    privacy: PrivacySettings | None = None,
    secure: bool = False,
    rng: Callable[[Context], np.random.Generator] | None = None,
) -> ClientApp:
    """App of a client: answers the questions of `server_app` from its rows.

    Parameters
    ----------
    rows : callable
        Gets Flower's Context and returns the rows of this client, an array of shape (n_samples,
        n_features), or a pair of rows and weights. Called when rows are needed.
    privacy : PrivacySettings, optional
        What may be known of one row; the server needs the same settings.
    secure : bool, default=False
        Whether this client sends nothing but masked sums (SecAgg+): a server that asks openly
        gets an error. The server needs ``secure_bound``.
    rng : callable, optional
        Gets the Context and returns the source of the noise of ``privacy``, for tests. None takes
        entropy of the operating system, as privacy needs it.

    Returns
    -------
    app : flwr.clientapp.ClientApp
        For ``flwr run`` and for the simulation engine.

    Raises
    ------
    ImportError
        If Flower is not installed.

    See Also
    --------
    server_app : The other half.

    Notes
    -----
    What a client remembers between messages, a d x d matrix for up to 2048 features, stays in the
    state that Flower keeps on the machine of the client for one run.
    """
    from flwr.app import Message
    from flwr.client.mod import secaggplus_mod
    from flwr.clientapp import ClientApp

    app = ClientApp()

    def answer_of(message: dict[str, Any], context: Context) -> dict[str, Any]:
        client = FederatedClient(
            lambda: rows(context),
            privacy=privacy,
            rng=None if rng is None else rng(context),
            state=_message_of(context.state, _STATE),
        )
        update = client.answer(message)
        _put(client.state, context.state, _STATE)
        return update

    @app.query()
    def answer(question: Message, context: Context) -> Message:
        if secure:
            raise ValueError("This client sends masked sums alone: give the server secure_bound.")
        update = answer_of(_message_of(question.content, _MESSAGE), context)
        return Message(_put(update), reply_to=question)

    @app.train(mods=[secaggplus_mod])  # masks the array, and answers the rounds that agree on keys
    def masked(question: Message, context: Context) -> Message:
        message = dict(question.content.config_records["fitins.config"])
        bound = float(message.pop("bound"))
        return Message(_fit_result(answer_of(message, context), bound), reply_to=question)

    return app


def server_app(
    settings: FederationSettings,
    on_result: Callable[[FederatedGrassmannPCA], Any],
    *,
    n_clients: int,
    patience: float = 60.0,
    timeout: float = 600.0,
    secure_bound: float | None = None,
    secure_threshold: float = 0.5,
) -> ServerApp:
    """App of the server: runs a federation over the clients that Flower knows.

    Parameters
    ----------
    settings : FederationSettings
        What is wanted.
    on_result : callable
        Gets the fitted `FederatedGrassmannPCA` at the end, to save it.
    n_clients : int
        The federation starts when so many clients are there.
    patience : float, default=60.0
        Seconds to wait for them.
    timeout : float, default=600.0
        Seconds to wait for the answers to a message; who has not answered then is left out.
    secure_bound : float, optional
        Makes the server see the sum of all clients alone (SecAgg+, "covariance"). The number is
        the largest absolute entry that the matrix of a client may have: the sum of its squares
        in any column, and its number of rows. Numbers are rounded to
        ``secure_bound / 2**26`` for up to 31 clients.
    secure_threshold : float, default=0.5
        Share of the clients, in (0, 1], without which a masked sum is not opened.

    Returns
    -------
    app : flwr.serverapp.ServerApp
        For ``flwr run`` and for the simulation engine.

    Raises
    ------
    ImportError
        If Flower is not installed.
    ValueError
        If ``secure_bound`` is given with another aggregation than "covariance" or with
        ``standardize``; in the run, if fewer clients come, or none answers.

    See Also
    --------
    client_app : The other half.
    """
    from flwr.serverapp import ServerApp

    if secure_bound is not None:
        if settings.aggregation != "covariance" or settings.standardize:
            raise ValueError(
                f"secure_bound={secure_bound} needs aggregation='covariance' and "
                f"standardize=False, not {settings.aggregation!r} and {settings.standardize}: a "
                "masked sum is all that the server gets."
            )
        settings = settings._replace(sums=True)
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        server = FederatedServer(settings, _nodes(grid, n_clients, patience))
        while server.message is not None:
            if secure_bound is None:
                server.aggregate(_answers(grid, server, timeout))
            else:
                found = _masked_sum(
                    grid, context, server, timeout, float(secure_bound), secure_threshold
                )
                server.aggregate_sum(*found)
        on_result(FederatedGrassmannPCA.from_server(server))

    return app


def _nodes(grid: Grid, n_clients: int, patience: float) -> list[int]:
    """Wait for the clients, and return their sorted numbers."""
    end = time.monotonic() + patience
    while len(nodes := sorted(grid.get_node_ids())) < n_clients:
        if time.monotonic() > end:
            raise ValueError(
                f"{len(nodes)} of n_clients={n_clients} clients came within {patience:g} s."
            )
        time.sleep(0.1)
    return nodes


def _answers(grid: Grid, server: FederatedServer, timeout: float) -> list[tuple[int, Any]]:
    """Send the message of the server, and return what came back: updates and errors."""
    from flwr.app import Message

    assert server.message is not None
    content = _put(server.message)
    questions = [Message(content, node, "query") for node in server.asked or ()]
    return [
        (
            reply.metadata.src_node_id,
            RuntimeError(reply.error.reason)
            if reply.has_error()
            else _message_of(reply.content, _MESSAGE),
        )
        for reply in grid.send_and_receive(questions, timeout=timeout)
    ]


# Messages are one record of arrays and one of the rest.


def _put(
    message: dict[str, Any], into: RecordDict | None = None, name: str = _MESSAGE
) -> RecordDict:
    from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

    into = RecordDict() if into is None else into
    arrays = {key: Array(to_numpy(value)) for key, value in message.items() if is_array(value)}
    into[f"{name}.arrays"] = ArrayRecord(arrays)
    into[f"{name}.values"] = ConfigRecord({k: v for k, v in message.items() if not is_array(v)})
    return into


def _message_of(records: RecordDict, name: str) -> dict[str, Any]:
    values = records.config_records.get(f"{name}.values", {})
    arrays = records.array_records.get(f"{name}.arrays", {})
    return {**values, **{key: array.numpy() for key, array in arrays.items()}}


# Secure aggregation: Flower's protocol for weighted means of parameters, with equal weights.


def _fit_result(update: dict[str, Any], bound: float) -> RecordDict:
    """What SecAgg+ masks: one half of the symmetric matrix, as the parameters of a model."""
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
    from flwr.compat.common.recorddict_compat import fitres_to_recorddict

    sums = to_numpy(update["sums"])
    if not np.abs(sums).max() <= bound:
        raise ValueError(  # without the entry: the server reads this
            f"An entry of the sums is above secure_bound={bound:g} and would be cut. Raise "
            "secure_bound, or scale the rows."
        )
    parameters = ndarrays_to_parameters([sums[np.triu_indices_from(sums)]])
    numbers = {"noise_variance": update["noise_variance"]}
    return fitres_to_recorddict(FitRes(Status(Code.OK, "answered"), parameters, 1, numbers), False)


def _masked_sum(
    grid: Grid,
    context: Context,
    server: FederatedServer,
    timeout: float,
    bound: float,
    threshold: float,
) -> tuple[dict[str, Any], list[int]]:
    """The sum over the clients, and which of them are in it."""
    from flwr.app import ConfigRecord
    from flwr.common import FitIns, Parameters, parameters_to_ndarrays
    from flwr.server import LegacyContext
    from flwr.server.workflow import SecAggPlusWorkflow

    assert server.message is not None
    asked, found = list(server.asked or ()), []
    question = FitIns(Parameters([], "numpy.ndarray"), {**server.message, "bound": bound})

    def configure_fit(*_: Any) -> list[Any]:
        return [(SimpleNamespace(node_id=node), question) for node in asked]

    def aggregate_fit(_: int, results: list[Any], failures: list[Any]) -> tuple[None, dict]:
        found.extend(results)
        return None, {}

    strategy = SimpleNamespace(configure_fit=configure_fit, aggregate_fit=aggregate_fit)
    context.state["config"] = ConfigRecord({"current_round": 1})
    context.state["parameters"] = _put({})[f"{_MESSAGE}.arrays"]
    SecAggPlusWorkflow(
        num_shares=1.0,
        reconstruction_threshold=threshold,
        max_weight=1.0,
        clipping_range=bound,
        quantization_range=2 ** min(30, ((_MODULUS - 1) // len(asked)).bit_length() - 1),
        modulus_range=_MODULUS,
        timeout=timeout,
    )(grid, LegacyContext(context, strategy=strategy))
    if not found:
        raise ValueError(
            f"SecAgg+ ended without a sum: fewer than {threshold:.0%} of {len(asked)} clients "
            "went through all its stages. The log of Flower says which stage failed."
        )
    mean = parameters_to_ndarrays(found[0][1].parameters)[0]
    size = round((2 * mean.shape[0] + 0.25) ** 0.5 - 0.5)
    sums = np.empty((size, size))
    sums[np.triu_indices(size)] = sums.T[np.triu_indices(size)] = mean * len(found)
    noise = sum(float(result.metrics["noise_variance"]) for _, result in found)
    return {"sums": sums, "noise_variance": noise}, [proxy.node_id for proxy, _ in found]
