"""The server of a federated PCA, for any transport: whom it asks, what it takes, what it refuses.

::

    server = FederatedServer(FederationSettings(3), clients=names)
    while server.message is not None:
        server.aggregate(ask(server.message, server.asked))   # pairs (name, update)
    server.result

``ask`` is the transport: it hands the message to `FederatedClient.answer` of those clients.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..._warnings import warn
from .federated_messages import complaint, n_bytes, usual_width
from .federated_pca import AGGREGATIONS, federation
from .federated_rounds import FederatedResult, FederationSettings, Question, Rounds

__all__ = ["FederatedServer"]

Update = dict[str, Any]


class FederatedServer:
    """Server of one federation, from the first question to the result.

    Parameters
    ----------
    settings : FederationSettings
        What is wanted.
    clients : sequence of hashable, optional
        Names of all clients. None: those that answer the first question.

    Attributes
    ----------
    message : dict or None
        To be sent to the clients: strings, numbers and arrays. None when the federation is done.
    asked : list or None
        Names of the clients that shall get the message; None means all.
    history : list of dict
        For each round ``round``, ``objective``, ``explained_variance_ratio``, ``angle`` (to the
        round before, radians), ``n_clients``, ``bytes_sent`` (by the client that sent most),
        ``seconds``, ``failed`` (names of the clients that were left out).
    failed : list
        Names of the clients that were left out since the last line of the history.
    result : FederatedResult or None
        None until the federation is done.

    Raises
    ------
    ValueError
        If ``aggregation`` is unknown, or sums or privacy are asked of another one than "covariance"
        or with ``standardize``.

    Notes
    -----
    A client that gives no answer, that fails, or whose answer has the wrong form (another number
    of features, NaN, an earlier step) is left out of the round with a warning that names it. Of
    two answers of one client the first counts. A client that lies in the right form is not found.
    """

    def __init__(
        self, settings: FederationSettings, clients: Sequence[Hashable] | None = None
    ) -> None:
        _refuse_impossible(settings)
        self.settings = settings
        self.history: list[dict[str, Any]] = []
        self.failed: list[Hashable] = []
        self.result: FederatedResult | None = None
        self.message: dict[str, Any] | None = None
        self.asked = self._everyone = None if clients is None else list(clients)
        self._rng = np.random.default_rng(settings.seed)
        self._rounds = Rounds(settings, int(self._rng.integers(2**31)))
        self._federation = federation(self._rounds, self._rng)
        self._n_features = settings.n_features
        self._sent: dict[Hashable, int] = {}
        self._start = time.perf_counter()
        self._ask(next(self._federation), step=0)

    @property
    def clients(self) -> list[Hashable]:
        """Names of the clients that take part."""
        return list(self._everyone or ())

    @property
    def round(self) -> int:
        """Number of the round, from 1; 0 while moments are collected."""
        return len(self.history) + 1 if self._rounds.standard else 0

    def aggregate(self, answers: Iterable[Any]) -> None:
        """Take the answers of the clients; `message` is then the next question, or None.

        Parameters
        ----------
        answers : iterable of (name, update) pairs
            Updates are those of `FederatedClient.answer`. The exception with which a client failed
            may stand in place of its update; who gave no answer may be missing. A dict with the
            entry ``client`` may stand in place of a pair.

        Raises
        ------
        ValueError
            If no client gave an answer that can be used, or ``n_components`` exceeds the number of
            features. The server is then as it was: the same message can be sent again.
        RuntimeError
            If the federation is done.
        """
        if self.message is None:
            raise RuntimeError("This federation is done; its result is in `result`.")
        pairs = [(a["client"], a) if isinstance(a, dict) else tuple(a) for a in answers]
        first = self._n_features is None
        width = self._width([answer for _, answer in pairs]) if first else self._n_features
        taken, reasons = self._sorted_out(pairs, width)
        for name, reason in reasons:
            warn(f"Client {name!r} failed at {self.message['task']!r} and is left out{reason}")
        if not taken:
            raise ValueError(
                f"No client answered the task {self.message['task']!r} in round {self.round}."
            )
        self._use_width(width)
        self.failed += [name for name, _ in reasons if name not in taken]
        for name, update in taken.items():
            self._sent[name] = self._sent.get(name, 0) + n_bytes(update)
        if self.message["task"] == "moments":  # who has no moments has no say later either
            self._everyone = list(taken)
        self.asked = list(taken)
        self._advance([update | {"client": name} for name, update in taken.items()])

    def aggregate_sum(self, update: Update, clients: Iterable[Hashable]) -> None:
        """Take one update that holds the sum over several clients: secure aggregation.

        Parameters
        ----------
        update : dict
            ``sums`` and ``noise_variance``, each added up over the clients.
        clients : iterable of hashable
            Names of the clients in the sum; who was asked and is missing is left out.

        Raises
        ------
        ValueError
            If sums were not asked for, or the update has the wrong form. The server is then as
            it was.
        RuntimeError
            If the federation is done.
        """
        if self.message is None:
            raise RuntimeError("This federation is done; its result is in `result`.")
        if self.message["task"] != "sums":
            raise ValueError(
                f"This federation asks for {self.message['task']!r} of each client. Set sums=True "
                "in the settings for a sum over clients."
            )
        width = self.settings.n_features or usual_width([update], "sums")
        if wrong := complaint(update, self.message, width):
            raise ValueError(f"The sum over the clients cannot be used: {wrong}.")
        self._use_width(width)
        taken = list(clients)
        self.failed += [name for name in self.asked or () if name not in taken]
        for name in self.failed:
            warn(f"Client {name!r} failed at 'sums' and is left out of this round.")
        self._everyone = self.asked = taken
        self._sent = dict.fromkeys(taken, n_bytes(update))
        self._advance([update | {"n_clients": len(taken)}])

    def _width(self, updates: list[Any]) -> int | None:
        assert self.message is not None
        name = "sums" if self.message["task"] == "sums" else "mean"
        return usual_width([update for update in updates if isinstance(update, dict)], name)

    def _use_width(self, width: int | None) -> None:
        """Keep the number of features, which the subspace must fit into."""
        if width is not None and self.settings.n_components > width:
            raise ValueError(
                f"n_components={self.settings.n_components} must be at most the number of "
                f"features, {width}. Choose a smaller n_components."
            )
        self._n_features = width

    def _sorted_out(
        self, pairs: list[tuple[Hashable, Any]], width: int | None
    ) -> tuple[dict[Hashable, Update], list[tuple[Hashable, str]]]:
        """Answers that count, and who is left out for which reason."""
        taken: dict[Hashable, Update] = {}
        reasons: list[tuple[Hashable, str]] = []
        assert self.message is not None
        for name, answer in pairs:
            if self.asked is not None and name not in self.asked:
                reasons.append((name, ": it was not asked."))
            elif name in taken:
                reasons.append((name, " with its second answer: the first one counts."))
            elif isinstance(answer, Exception):
                reasons.append((name, f" of this round: {type(answer).__name__}: {answer}"))
            elif wrong := complaint(answer, self.message, width):
                reasons.append((name, f" of this round: {wrong}."))
            else:
                taken[name] = answer
        heard = {name for name, _ in pairs}
        silent = [name for name in self.asked or () if name not in heard]
        return taken, reasons + [(name, " of this round: it gave no answer.") for name in silent]

    def _advance(self, updates: list[Update]) -> None:
        """Hand the updates to the federation, and complete the line of a round that ends."""
        assert self.message is not None
        try:
            question = self._federation.send(updates)
        except StopIteration as end:
            self.message, self.result = None, end.value
        except BaseException:
            self.message = None  # the answers are spent: this federation cannot go on
            raise
        else:
            self._ask(question, step=self.message["step"] + 1)
        if len(self._rounds.history) > len(self.history):
            seconds = time.perf_counter() - self._start
            spent = {"bytes_sent": max(self._sent.values()), "seconds": seconds}
            self.history.append(self._rounds.history[-1] | spent | {"failed": self.failed})
            self.failed, self._sent, self._start = [], {}, time.perf_counter()

    def _ask(self, question: Question, *, step: int) -> None:
        if question.audience == "everyone":
            self.asked = self._everyone
        elif question.audience == "drawn" and self._everyone is not None:
            self.asked = self._drawn(self._everyone)
        content = question.content
        if question.task == "sums":
            content = content | {"n_clients": max(1, len(self.asked or ()))}
        self.message = {"task": question.task, "step": step, **self._rounds.standard, **content}

    def _drawn(self, clients: list[Hashable]) -> list[Hashable]:
        """The clients of a round, at least one."""
        count = max(1, round(self.settings.participation * len(clients)))
        if count == len(clients):
            return clients
        drawn = self._rng.choice(len(clients), size=count, replace=False)
        return [clients[i] for i in sorted(drawn.tolist())]


def _refuse_impossible(settings: FederationSettings) -> None:
    """Raise ValueError where the settings contradict one another."""
    if settings.aggregation not in AGGREGATIONS:
        raise ValueError(
            f"aggregation={settings.aggregation!r} is not one of {sorted(AGGREGATIONS)}."
        )
    summed = settings.sums or settings.privacy is not None
    if summed and (settings.aggregation != "covariance" or settings.standardize):
        raise ValueError(
            "Sums and privacy need aggregation='covariance' and standardize=False, not "
            f"{settings.aggregation!r} and {settings.standardize}."
        )
