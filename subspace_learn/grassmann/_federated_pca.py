"""FederatedGrassmannPCA: one principal subspace for rows that may not leave their clients."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, is_numpy, to_numpy
from .._base import RANDOM_STATE, Interval, StrOptions, fit_method, progress, random_generator, warn
from .._checks.table import check_groups, check_sample_weight, check_samples
from ..functional.grassmann.federated_client import FederatedClient
from ..functional.grassmann.federated_pca import AGGREGATIONS
from ..functional.grassmann.federated_privacy import PrivacySettings
from ..functional.grassmann.federated_rounds import FederationSettings
from ..functional.grassmann.federated_server import FederatedServer
from ..functional.grassmann.grassmann_pca import PrincipalSubspace
from ..linalg.eig import with_fixed_signs
from ._subspace_model import SubspaceModel

__all__ = ["FederatedGrassmannPCA"]


class FederatedGrassmannPCA(SubspaceModel):
    r"""Principal subspace of rows that stay with their clients: hospitals, sites, devices.

    Client :math:`i` holds rows with scatter matrix :math:`S_i`; wanted is the subspace of the sum,

    .. math:: \max_{U \in \mathrm{Gr}(k, d)} \sum_i \operatorname{tr}(U^T S_i U),

    from messages smaller than the rows. The fit here runs all clients in one process, one per value
    of ``groups``. To deploy, `FederatedServer` and `FederatedClient` are the two halves, for any
    transport; `subspace_learn.grassmann.flower` has them as apps for Flower; `from_server` makes a
    fitted estimator of what the server found.

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
    epsilon : float, default=None
        Privacy of one row, "covariance" only: above 0, smaller hides more. The fit is
        (epsilon, delta)-differentially private: adding or removing one row changes the
        probability of any outcome by a factor of at most ``exp(epsilon)``, but for delta. None
        protects nothing; infinity clips without noise.
    delta : float, default=1e-6
        In (0, 1), below one over the number of rows. With epsilon.
    clip_norm : float, default=None
        Rows of a larger Euclidean norm are scaled down to it, about zero: centre and scale the
        features beforehand by numbers that are known without the rows. To be chosen without the
        rows too. Needed with epsilon.
    noise_by : {"client", "share", "server"}, default="client"
        Who adds the noise (epsilon), and so who need not be trusted.

        - "client": each client all of it; every message is private by itself. The sum of m
          clients has sqrt(m) times the noise.
        - "share": each client one m-th of the variance; the sum is private, for those who see no
          single message (secure aggregation), while clients do not tell one another their share.
        - "server": the server, which sees the exact messages and is trusted.
    random_state : int, RandomState, Generator or None, default=None
        Draws clients, starts "krylov", draws the noise of epsilon: who knows the seed can take
        the noise away.
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
    privacy_noise_ : float
        Standard deviation of the noise on the diagonal of the summed d x d matrix; off the
        diagonal it is smaller by sqrt(2). 0 without epsilon.
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
        or is missing a name, X holds NaN or infinity, no client answers, epsilon comes without
        ``clip_norm``, with another aggregation, ``standardize`` or ``sample_weight``, or its noise
        leaves no variance.

    See Also
    --------
    GrassmannPCA : All rows in one place; its `merge` is "covariance" by hand.

    Notes
    -----
    A client with n rows pays ``n d^2`` flops once (up to 2048 features), ``2 d^2 k`` per product;
    it sends, per round, ``d^2`` numbers ("covariance"), ``d k`` ("krylov", "chordal", "karcher",
    the means ``k^2`` more) or ``2 d k + 4 k^2`` ("admm"). With k close to d "krylov" sends as much
    as "covariance": use it when d is large.

    Nothing is encrypted here. Without epsilon nothing is private: a product can tell about rows.

    With epsilon each client sends one matrix, the sum of ``z z^T`` over its clipped rows x, where
    ``z = (x, C / 3)`` and C = ``clip_norm``: second moments, sum and number of rows in one. One
    row more or less changes it by at most ``10 C^2 / 9`` in the Frobenius norm. Gaussian noise,
    isotropic on symmetric matrices, is calibrated to that exactly (Balle and Wang 2018). Mean,
    variances, ratios and ``n_samples_seen_`` come from the noised sum. Each fit on the same rows
    spends its epsilon and delta anew: m fits together are ``(m epsilon, m delta)``-private, or
    better by `subspace_learn.grassmann.gaussian_delta` with the noise divided by ``sqrt(m)``. The
    proof is one for real numbers: floats, and a generator that is not cryptographic, leak what an
    attacker who sees the lowest bits may use.

    Differences to the paper: duals are not integrated over rounds but set to the difference of
    local and global gradient at the consensus (integrated duals oscillate when clients differ);
    the consensus is a mean of tangent vectors, so it does not depend on the bases clients choose,
    where a mean of bases does; deviation and mean are federated.

    References
    ----------
    T.-A. Nguyen, J. He, L. T. Le, W. Bao, N. H. Tran, "Federated PCA on Grassmann Manifold for
    Anomaly Detection in IoT Networks", IEEE INFOCOM 2023, arXiv:2212.12121 ("admm": FedPG,
    algorithm 2).

    C. Dwork, K. Talwar, A. Thakurta, L. Zhang, "Analyze Gauss: Optimal Bounds for
    Privacy-Preserving Principal Component Analysis", STOC 2014 (epsilon).

    B. Balle, Y.-X. Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018,
    theorem 8 (calibration of the noise).

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
        "epsilon": [Interval(Real, 0, np.inf, closed="right"), None],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "clip_norm": [Interval(Real, 0, np.inf, closed="right"), None],
        "noise_by": [StrOptions({"client", "share", "server"})],
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
        epsilon=None,
        delta=1e-6,
        clip_norm=None,
        noise_by="client",
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
        self.epsilon = epsilon
        self.delta = delta
        self.clip_norm = clip_norm
        self.noise_by = noise_by
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
        privacy = self._privacy(sample_weight)
        names, rows = check_groups(groups, X.shape[0])
        rng = random_generator(self.random_state)
        parts = _split(X, weights, rows)
        sources = [None] * len(parts) if privacy is None else _sources_of_noise(rng, len(parts))
        self.clients_ = names.tolist()
        server = FederatedServer(self._settings(rng, privacy), self.clients_)
        clients = {
            name: FederatedClient(*part, privacy=privacy, rng=source)
            for name, part, source in zip(self.clients_, parts, sources, strict=True)
        }
        self._federate(server, clients)
        self._keep(server, X.dtype)
        return self

    @classmethod
    def from_server(cls, server: FederatedServer) -> FederatedGrassmannPCA:
        """Fitted estimator from a federation that ran elsewhere.

        Parameters
        ----------
        server : FederatedServer
            Whose federation is done.

        Returns
        -------
        pca : FederatedGrassmannPCA
            With the parameters of ``server.settings``, as if fitted to float64 rows.

        Raises
        ------
        ValueError
            If the federation is not done.

        Examples
        --------
        >>> import numpy as np
        >>> from subspace_learn.grassmann import FederatedClient, FederatedGrassmannPCA
        >>> from subspace_learn.grassmann import FederatedServer, FederationSettings
        >>> rng = np.random.default_rng(0)
        >>> sites = {name: FederatedClient(rng.normal(size=(40, 4))) for name in ("Oslo", "Bonn")}
        >>> server = FederatedServer(FederationSettings(2), clients=list(sites))
        >>> while (message := server.message) is not None:  # any transport does this
        ...     server.aggregate([(name, sites[name].answer(message)) for name in server.asked])
        >>> FederatedGrassmannPCA.from_server(server).components_.shape
        (2, 4)
        """
        if server.result is None:
            raise ValueError(
                f"This federation is not done: it waits for answers to {server.message!r}."
                if server.message
                else "This federation ended with an error and has no result."
            )
        given = server.settings._asdict()
        privacy = given.pop("privacy")
        pca = cls(
            **{name: value for name, value in given.items() if name in cls._parameter_constraints},
            **({} if privacy is None else privacy._asdict()),
        )
        pca.n_features_in_ = server.result.mean.shape[0]
        pca.clients_ = list(server.clients)
        pca._keep(server, server.result.mean.dtype)
        return pca

    def _privacy(self, sample_weight: Any) -> PrivacySettings | None:
        """What clients may reveal; refuses what cannot be private."""
        if self.epsilon is None and self.clip_norm is None:
            return None
        if self.epsilon is None or (self.clip_norm in (None, np.inf) and self.epsilon != np.inf):
            raise ValueError(
                f"epsilon={self.epsilon} and clip_norm={self.clip_norm} do not belong together: "
                "noise hides a row whose norm is at most clip_norm, a finite number known before "
                "anybody looks at the rows. epsilon=numpy.inf clips without noise."
            )
        if self.aggregation != "covariance" or self.standardize:
            raise ValueError(
                f"epsilon={self.epsilon} needs aggregation='covariance' and standardize=False, not "
                f"aggregation={self.aggregation!r} and standardize={self.standardize}. Centre and "
                "scale features beforehand by numbers that are known without the rows."
            )
        if sample_weight is not None and self.epsilon != np.inf:
            raise ValueError(
                "sample_weight cannot be given with epsilon: a weighted row counts as several and "
                "would be protected as one. Repeat rows instead."
            )
        return PrivacySettings(
            float(self.epsilon), float(self.delta), float(self.clip_norm), self.noise_by
        )

    def _federate(self, server: FederatedServer, clients: dict[Any, FederatedClient]) -> None:
        """Carry messages between the server and clients in this process until it is done."""
        while server.message is not None:
            answers: list[tuple[Any, Any]] = []
            for name in server.asked or ():
                try:
                    answers.append((name, clients[name].answer(server.message)))
                except Exception as error:  # a client may fail in any way; the others go on
                    answers.append((name, error))
            n_lines = len(server.history)
            server.aggregate(answers)
            for line in server.history[n_lines:]:
                self._report(line)

    def _settings(
        self, rng: np.random.Generator, privacy: PrivacySettings | None
    ) -> FederationSettings:
        shared = [
            name for name in FederationSettings._fields if name in self._parameter_constraints
        ]
        given = {name: getattr(self, name) for name in shared}
        return FederationSettings(**given, seed=rng, privacy=privacy)

    def _keep(self, server: FederatedServer, dtype: Any) -> None:
        """Store what the server found."""
        result, self.history_ = server.result, server.history
        assert result is not None  # no question is left
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
        self.privacy_noise_ = result.noise_scale
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


def _sources_of_noise(rng: np.random.Generator, n_clients: int) -> list[np.random.Generator]:
    """A generator for each client, which no other party knows."""
    return [np.random.default_rng(seed) for seed in rng.integers(2**63, size=n_clients)]
