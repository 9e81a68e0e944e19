"""FederatedGrassmannPCA: one principal subspace for rows that may not leave their clients."""

from __future__ import annotations

import time
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, is_numpy, to_numpy
from .._base import RANDOM_STATE, Interval, StrOptions, fit_method, progress, random_generator, warn
from .._checks.table import check_groups, check_sample_weight, check_samples
from ..functional.grassmann.federated_client import client_update
from ..functional.grassmann.federated_pca import (
    AGGREGATIONS,
    FederatedResult,
    FederatedServer,
    FederationSettings,
)
from ..functional.grassmann.grassmann_pca import PrincipalSubspace
from ..linalg.eig import with_fixed_signs
from ._subspace_model import SubspaceModel

__all__ = ["FederatedGrassmannPCA"]


class FederatedGrassmannPCA(SubspaceModel):
    r"""Principal subspace of rows that stay with their clients: hospitals, sites, devices.

    Client :math:`i` holds rows with scatter matrix :math:`S_i`; wanted is the subspace of the sum,

    .. math:: \max_{U \in \mathrm{Gr}(k, d)} \sum_i \operatorname{tr}(U^T S_i U),

    from messages smaller than the rows. The fit here runs all clients in one process, one per value
    of ``groups``; `subspace_learn.grassmann.client_update` and
    `subspace_learn.grassmann.FederatedServer` are the two halves to
    deploy.

    Parameters
    ----------
    n_components : int, default=2
        Dimension k of the subspace. A number, where `GrassmannPCA` also takes a share of the
        variance or all of it: clients must know the size of their messages before they send them.
    aggregation : str, default="covariance"
        What clients send and the server does with it.

        - "covariance": the d x d scatter matrix, once. Exact: the reference.
        - "krylov": :math:`S_i Q` (d x k) for the server's current block Q in each round; the server
          does Rayleigh-Ritz on all blocks so far. Exact after few rounds, without d x d messages.
        - "chordal", "karcher": the local k-dimensional subspace, once; the server takes the chordal
          or the Karcher mean. Loses variance when clients differ.
        - "admm": the published scheme FedPG, repaired: local Riemannian gradient steps with a
          penalty and a dual in the tangent space, a consensus of tangent vectors, an exact line
          search along each principal direction.
    n_rounds : int, default=20
        Most rounds of "krylov" and "admm".
    local_steps : int, default=30
        Gradient steps of a client in each round of "admm".
    participation : float, default=1.0
        Share of the clients asked, in (0, 1]: drawn anew in each round of "admm", once for the
        others. All clients are asked for mean and scale.
    rho : float, default=3.0
        Penalty of the distance to the consensus ("admm"), relative to the largest eigenvalue of
        each client's covariance.
    tol : float, default=1e-8
        "krylov" stops at this relative residual, "admm" when no direction turns by more (radians).
    standardize : bool, default=False
        Whether each feature is divided by its deviation over the rows of all clients, which the
        server forms from theirs; new rows alike. The mean of all clients is always subtracted.
    retraction : {"qr", "exp"}, default="qr"
        How a local step returns to the manifold ("admm").
    random_state : int, RandomState, Generator or None, default=None
        Draws clients, starts "krylov".
    verbose : int, default=0
        Above 0: one line for each round.

    Attributes
    ----------
    components_ : array of shape (n_components, n_features)
        Orthonormal rows, by descending variance, of the centred (and standardised) features.
    mean_, scale_ : array of shape (n_features,)
        Mean and deviation of all clients, by which `transform` standardises; the deviation is 1
        for constant columns and without ``standardize``.
    explained_variance_, explained_variance_ratio_, singular_values_ : array of shape (k,)
        Of the rows of all clients (with clients left out: extrapolated from the rest).
    noise_variance_ : float
        Mean variance of the directions left out.
    n_components_ : int
        The dimension k.
    history_ : list of dict
        For each round: ``objective`` (mean squared residual) and ``explained_variance_ratio`` of
        the clients that took part, ``angle`` (largest principal angle to the previous consensus,
        radians), ``bytes_sent`` (by the client that sent most), ``n_clients``, ``failed`` (names),
        ``seconds``.
    clients_ : list of length n_clients
        Names of the clients, sorted.
    n_iter_ : int
        Rounds after the first one for mean and scale.
    n_samples_seen_ : int or float
        Number of rows, each counted by its weight.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If ``n_components`` exceeds the number of features or rows, ``groups`` has the wrong length
        or is missing a name, X holds NaN or infinity, or no client answers.

    See Also
    --------
    GrassmannPCA : All rows in one place; its `merge` is "covariance" by hand.

    Notes
    -----
    A client with n rows pays ``n d^2`` flops once (up to 2048 features), ``2 d^2 k`` per product;
    it sends, per round, ``d^2`` numbers ("covariance"), ``d k`` ("krylov", "chordal", "karcher",
    the means ``k^2`` more) or ``2 d k + 4 k^2`` ("admm"). With k close to d "krylov" sends as much
    as "covariance": use it when d is large.

    Nothing here is differentially private or encrypted: a d x k product can tell about rows.

    Differences to the paper: duals are not integrated over rounds but set to the difference of
    local and global gradient at the consensus (integrated duals oscillate when clients differ);
    the consensus is a mean of tangent vectors, so it does not depend on the bases clients choose,
    where a mean of bases does; deviation and mean are federated.

    References
    ----------
    T.-A. Nguyen, J. He, L. T. Le, W. Bao, N. H. Tran, "Federated PCA on Grassmann Manifold for
    Anomaly Detection in IoT Networks", IEEE INFOCOM 2023, arXiv:2212.12121 ("admm": FedPG,
    algorithm 2).

    Examples
    --------
    >>> from subspace_learn.datasets import make_noniid_clients
    >>> from subspace_learn.grassmann import FederatedGrassmannPCA
    >>> X, groups = make_noniid_clients(random_state=0)
    >>> pca = FederatedGrassmannPCA(3, aggregation="krylov", random_state=0).fit(X, groups=groups)
    >>> exact = FederatedGrassmannPCA(3).fit(X, groups=groups)
    >>> bool(abs(pca.components_ - exact.components_).max() < 1e-6)
    True
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "aggregation": [StrOptions(set(AGGREGATIONS))],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "local_steps": [Interval(Integral, 1, None, closed="left")],
        "participation": [Interval(Real, 0, 1, closed="right")],
        "rho": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "standardize": ["boolean"],
        "retraction": [StrOptions({"qr", "exp"})],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        aggregation="covariance",
        n_rounds=20,
        local_steps=30,
        participation=1.0,
        rho=3.0,
        tol=1e-8,
        standardize=False,
        retraction="qr",
        random_state=None,
        verbose=0,
    ) -> None:
        self.n_components = n_components
        self.aggregation = aggregation
        self.n_rounds = n_rounds
        self.local_steps = local_steps
        self.participation = participation
        self.rho = rho
        self.tol = tol
        self.standardize = standardize
        self.retraction = retraction
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> FederatedGrassmannPCA:
        """Run the federation over the clients that ``groups`` names.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows of all clients; NumPy, CuPy or torch.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.
        groups : array-like of shape (n_samples,), default=None
            Name of the client of each row, in any order; None means one client.

        Returns
        -------
        self : FederatedGrassmannPCA
            Fitted.
        """
        X = check_samples(self, X, reset=True, min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        n_samples = float(X.shape[0] if weights is None else array_namespace(X).sum(weights))
        if n_samples <= 1:
            raise ValueError(
                f"sample_weight sums to {n_samples:.3g}, but frequencies of rows must sum to more "
                "than 1: one row has no variance."
            )
        limit = min(int(n_samples + 1e-6), X.shape[1])
        if self.n_components > limit:
            raise ValueError(
                f"n_components={self.n_components} must be at most {limit} here ({n_samples=:g}, "
                f"n_features={X.shape[1]}). Choose a smaller n_components."
            )
        names, rows = check_groups(groups, X.shape[0])
        self.clients_ = names.tolist()
        clients = _split(X, weights, rows)
        rng = random_generator(self.random_state)
        server = FederatedServer(self._settings(int(rng.integers(2**31))))
        self.history_ = self._federate(server, clients, rng)
        assert server.result is not None  # no question is left
        self._keep(server.result, X.dtype)
        return self

    def _federate(
        self, server: FederatedServer, clients: list[tuple[Array, Any]], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Send messages and aggregate updates until the server is done; return the history."""
        memories: list[Any] = [None] * len(clients)
        history: list[dict[str, Any]] = []
        everyone = asked = list(range(len(clients)))
        failed: list[Any] = []
        sent, start = [0] * len(clients), time.perf_counter()
        while (message := server.message) is not None:
            if server.audience != "same":
                asked = everyone if server.audience == "everyone" else self._drawn(everyone, rng)
            updates = []
            for i in asked:
                try:
                    rows, weights = clients[i]
                    update, memories[i] = client_update(message, rows, memories[i], weights=weights)
                except Exception as error:  # a client may fail in any way; the others go on
                    failed.append(self.clients_[i])
                    warn(
                        f"Client {self.clients_[i]!r} failed at {message['task']!r} and is left "
                        f"out of this round: {type(error).__name__}: {error}"
                    )
                    continue
                sent[i] += _n_bytes(update[message["task"]])
                updates.append(update | {"client": i})
            asked = [update["client"] for update in updates]
            if message["task"] == "moments":  # who has no moments has no say later either
                everyone = asked
            server.aggregate(updates)
            if len(server.history) > len(history):
                spent = {"bytes_sent": max(sent), "seconds": time.perf_counter() - start}
                history.append(server.history[-1] | spent | {"failed": failed})
                self._report(history[-1])
                failed, sent, start = [], [0] * len(clients), time.perf_counter()
        return history

    def _settings(self, seed: int) -> FederationSettings:
        return FederationSettings(
            int(self.n_components),
            aggregation=self.aggregation,
            n_rounds=self.n_rounds,
            local_steps=self.local_steps,
            rho=float(self.rho),
            tol=self.tol,
            standardize=self.standardize,
            retraction=self.retraction,
            seed=seed,
        )

    def _drawn(self, clients: list[int], rng: np.random.Generator) -> list[int]:
        """The clients of a round, at least one."""
        count = max(1, round(self.participation * len(clients)))
        if count == len(clients):
            return clients
        return sorted(rng.choice(clients, size=count, replace=False).tolist())

    def _keep(self, result: FederatedResult, dtype: Any) -> None:
        """Store what the server found."""
        xp = array_namespace(result.basis)
        eps = float(xp.finfo(dtype).eps)
        values, d = xp.clip(result.values, min=0.0), result.mean.shape[0]
        left = result.total - float(xp.sum(values))
        dust = 4 * d**0.5 * 2.0**-52 * result.total
        self._dtype, self._mean, self._scale = dtype, result.mean, result.scale
        self._subspace = PrincipalSubspace(
            with_fixed_signs(result.basis.T, rtol=max(1e-6, 1e3 * eps)),
            values,
            xp.zeros_like(result.mean),
            result.total,
            left if left > dust else 0.0,
            min(result.weight, d) - values.shape[0],
            result.weight,
            result.weight - 1.0,
            dust * xp.ones_like(values),
            solver=self.aggregation,
            n_iter=len(self.history_),
            converged=result.converged,
        )
        if not result.converged and self.aggregation == "krylov":
            warn(
                f"aggregation='krylov' did not reach tol={self.tol} in {self.n_iter_} rounds. "
                "Increase n_rounds, or tol.",
                ConvergenceWarning,
            )

    def _report(self, line: dict[str, Any]) -> None:
        share, angle = line["explained_variance_ratio"], line["angle"]
        moved = "" if angle is None else f", moved by {angle:.2e} rad"
        progress(
            self,
            f"round {line['round']}: explains {share:.4f}{moved}, "
            f"{line['n_clients']} clients, {line['bytes_sent']:,} bytes each",
        )

    def inverse_transform(self, X: Any) -> Array:
        """Points of the input space with the given coordinates in the subspace.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Coordinates, as `transform` returns them.

        Returns
        -------
        X_original : array of shape (n_samples, n_features)
            ``(X @ components_) * scale_ + mean_``.
        """
        standardised = super().inverse_transform(X)
        xp = array_namespace(standardised)
        scale, mean = (xp.astype(a, standardised.dtype) for a in (self._scale, self._mean))
        return standardised * scale + mean

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of each row under probabilistic PCA: larger is more normal.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_likelihood : array of shape (n_samples,)
            In nats, of the rows in their own units: that of the standardised rows minus
            ``sum(log(scale_))``, so that fits with and without ``standardize`` can be compared.

        Raises
        ------
        ValueError
            If the components leave no variance: the model has no density then. Use a smaller
            ``n_components``, or `reconstruction_error`.
        """
        standardised = super().score_samples(X)
        return standardised - float(np.sum(np.log(to_numpy(self._scale))))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_subspace")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _checked(self, X: Any, *, method: str) -> Any:
        """Validate new rows and standardise them as those of the fit were."""
        check_is_fitted(self)
        X = check_samples(self, X, reset=False, like=self._mean, method=method)
        xp = array_namespace(X)
        mean, scale = (xp.astype(a, X.dtype) for a in (self._mean, self._scale))
        return (X - mean) / scale

    def _principal_subspace(self) -> PrincipalSubspace:
        check_is_fitted(self)
        return self._subspace

    @property
    def mean_(self) -> Array:
        """Mean of the rows of all clients."""
        check_is_fitted(self)
        return self._in_fitted_width(self._mean)

    @property
    def scale_(self) -> Array:
        """Deviation of the rows of all clients; ones for constant columns and if not asked for."""
        check_is_fitted(self)
        return self._in_fitted_width(self._scale)


def _split(X: Array, weights: Array | None, rows: list[np.ndarray]) -> list[tuple[Array, Any]]:
    """Rows and weights of each client."""
    xp = array_namespace(X)
    parts = []
    for index in rows:
        where = index if is_numpy(X) else xp.asarray(index, device=device_of(X))
        part = xp.take(X, where, axis=0)
        parts.append((part, None if weights is None else xp.take(weights, where)))
    return parts


def _n_bytes(answer: Any) -> int:
    """Bytes of the numbers in an answer."""
    if isinstance(answer, dict):
        return sum(_n_bytes(value) for value in answer.values())
    return int(np.prod(answer.shape)) * 8
