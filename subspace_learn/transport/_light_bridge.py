"""LightSchrodingerBridge: rows of one domain carried to another, with noise of a chosen size."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags, Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, double, is_numpy, move_like, on_host, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    input_container,
    random_generator,
    warn,
)
from .._checks.magnitude import finite_result
from .._checks.table import check_labels, check_sample_weight, check_samples
from ..functional.transport.light_bridge import (
    LightBridge,
    bridge_loss,
    brownian_bridge,
    conditional_draws,
    conditional_mean,
    drift,
    log_potential,
    slopes,
)
from ..functional.transport.light_bridge_fit import BridgeFit, fitted_bridge
from ..functional.transport.light_bridge_start import distinct_rows

__all__ = ["LightSchrodingerBridge"]

# eps over the mean variance of a column. Above: x explains less than 1e-4 of the variance of y.
# Below: the noise is less than 1 / 300 of a standard deviation.
_LARGEST_NOISE, _SMALLEST_NOISE = 1e2, 1e-5


class LightSchrodingerBridge(OneToOneFeatureMixin, TransformerMixin, SubspaceEstimator):
    r"""Carry rows of a source to the distribution of a target, from unpaired samples.

    The Schroedinger bridge is the diffusion in unit time from source to target that is closest to a
    Brownian motion of variance ``eps``; its plan is that of entropic optimal transport with cost
    :math:`|x - y|^2 / 2`. The plan is a mixture of K Gaussians whose weights depend on the row,

    .. math:: \pi(y | x) = \sum_k w_k(x) \, N(y; r_k + S_k x, \epsilon S_k),

    fitted by maximum likelihood without simulation and without a network. New rows, paths and
    velocities come in closed form.

    Parameters
    ----------
    n_components : int, default=10
        Number K of Gaussians; at most the number of different target rows. Choose it by
        cross-validation of `score`.
    eps : float, default=1.0
        Variance of the Brownian motion at time 1, in squared units of X: at most about the variance
        of a column. With X in other units, ``c X``, use ``c^2 eps``; or put a StandardScaler in
        front. Other libraries whose cost is :math:`|x - y|^2` call ``2 eps`` what is ``eps`` here.
    covariance_type : {"diag", "full"}, default="diag"
        Whether the slopes :math:`S_k` are diagonal, or symmetric positive semidefinite matrices.
    init : {"kmeans", "random"}, default="kmeans"
        Where the components start: centres of K-means of the target, or random target rows.
    n_init : int, default=1
        Number of starts; that of the smallest loss is kept.
    tol : float, default=1e-3
        The fit ends when ten iterations lower the loss by less than this, in nats.
    max_iter : int, default=500
        Iterations of L-BFGS at most.
    source : label, default=None
        The label in y of the source rows; the other one is that of the target. None means the
        smaller label: 0 of {0, 1}, "new" of {"new", "old"}.
    random_state : int, RandomState, Generator or None, default=None
        Draws the starts, and what `sample` and `sample_path` return.

    Attributes
    ----------
    weights_ : array of shape (n_components,)
        Weights of the components for a row at ``center_``, largest first; they sum to 1.
    means_ : array of shape (n_components, n_features)
        Where the components put a row at ``center_``.
    covariances_ : array
        (n_components, n_features), or (n_components, n_features, n_features) for "full":
        covariances ``eps S_k`` of the plan of a row, by component; diagonals for "diag". A row that
        is z away from ``center_`` is put ``covariances_[k] / eps z`` away from ``means_[k]``.
    center_ : array of shape (n_features,)
        Mean of the source.
    domains_ : ndarray of shape (2,)
        Label of the source, label of the target.
    loss_ : float
        Loss of the fit, in nats: minus the `score` of the rows of the fit.
    n_iter_ : int
        Iterations.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If y does not have exactly two labels, or ``source`` is neither of them; if there are fewer
        different target rows than components.

    Warns
    -----
    UserWarning
        If ``eps`` is more than 100 times, or less than 1e-5 times, the mean variance of a column;
        if components sit on single rows.
    ConvergenceWarning
        If ``max_iter`` ended the fit.

    See Also
    --------
    sklearn.preprocessing.QuantileTransformer : Matches columns one by one.
    sklearn.mixture.GaussianMixture : A distribution by itself, without a source.

    Notes
    -----
    An iteration costs ``4 n K d`` multiplications ("full": ``2 n K d^2``) and ``n K`` exponentials
    for n rows in both domains; the result does not depend on the order of rows, and a weight is a
    repetition. K-means and the steps of L-BFGS run on the host. The loss is computed there too for
    NumPy and for tensors in its memory, and on the device for arrays of a GPU. Arithmetic is in
    float64; what comes out has the width of X.

    `transform` gives conditional means. These have less variance than the target: use `sample`
    where the distribution must match. `transform` takes every row as one of the source, those of
    the target too.

    Where it fails: rows far outside the source move along the straight line of one component. A
    small ``eps`` needs many components. Differences that lie in single rows (matched pairs, a few
    cells of a time series) are not seen; for one fixed pair of samples of some thousand rows exact
    optimal transport is better, and for single columns quantile matching.

    Differences from the paper: L-BFGS on all rows with an exact gradient instead of Adam on
    batches; starts at K-means centres with balanced weights, instead of random rows; full slopes by
    Cholesky factors.

    Cross-validation: folds must hold both domains. Pass ``cv=StratifiedKFold(5, shuffle=True)``,
    since a number of folds is cut without regard to y for what is no classifier.

    References
    ----------
    A. Korotin, N. Gushchin, E. Burnaev, "Light Schroedinger bridge", ICLR (2024), arXiv:2310.01174:
    plan and process in section 3.1, loss in eq. 9.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.transport import LightSchrodingerBridge
    >>> rng = np.random.default_rng(0)
    >>> source = rng.normal(size=(500, 2))
    >>> target = 2 * rng.normal(size=(400, 2)) + [5, 3]
    >>> X, y = np.concatenate([source, target]), np.repeat([0, 1], [500, 400])
    >>> bridge = LightSchrodingerBridge(2, eps=0.5, random_state=0).fit(X, y)
    >>> bridge.transform([[0.0, 0.0], [1.0, 0.0]]).round(0)
    array([[5., 3.],
           [7., 3.]])
    >>> bridge.sample_path([[0.0, 0.0]], times=[0, 0.5, 1]).shape
    (1, 3, 2)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "eps": [Interval(Real, 0, None, closed="neither")],
        "covariance_type": [StrOptions({"diag", "full"})],
        "init": [StrOptions({"kmeans", "random"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "source": "no_validation",
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        n_components=10,
        *,
        eps=1.0,
        covariance_type="diag",
        init="kmeans",
        n_init=1,
        tol=1e-3,
        max_iter=500,
        source=None,
        random_state=None,
    ) -> None:
        self.n_components = n_components
        self.eps = eps
        self.covariance_type = covariance_type
        self.init = init
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.source = source
        self.random_state = random_state

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LightSchrodingerBridge:
        """Fit the plan from source rows to target rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows of both domains, in any order. NumPy, CuPy or torch.
        y : array of shape (n_samples,)
            Two labels: the domain of each row. See ``source``.
        sample_weight : array of shape (n_samples,), default=None
            A weight of 2 is a row given twice. Only ratios within a domain matter.

        Returns
        -------
        self : LightSchrodingerBridge
            Fitted.
        """
        X = check_samples(self, X, reset=True, power=4, computed_in=np.float64)
        labels = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X)
        host = to_numpy(X)
        shares = np.ones(len(host)) if weights is None else to_numpy(weights)
        domains = self._two_domains(labels[shares > 0])
        self._domains = tuple(domains)  # labels are no array of X's library
        (source, p), (target, q) = (
            distinct_rows(host[labels == label], shares[labels == label]) for label in domains
        )
        if len(target) < self.n_components:
            raise ValueError(
                f"n_components={self.n_components} needs as many different target rows, but "
                f"n_samples = {len(target)} of them have the label {domains.tolist()[1]!r}. Lower "
                "n_components, or give more rows."
            )
        self._warn_of_noise(_mean_variance(source, p, target, q))
        found = fitted_bridge(
            source,
            target,
            p,
            q,
            n_components=self.n_components,
            eps=float(self.eps),
            full=self.covariance_type == "full",
            init=self.init,
            n_init=self.n_init,
            tol=self.tol,
            max_iter=self.max_iter,
            rng=random_generator(self.random_state),
            like=None if on_host(X) else X,
        )
        self._warn_of_fit(found)
        self.loss_, self.n_iter_ = bridge_loss(found.bridge, source, target, p, q), found.n_iter
        self._bridge = found.bridge if is_numpy(X) else _moved(found.bridge, X)
        return self

    def transform(self, X: Any) -> Array:
        """Mean of the target given each row, ``E[y | x]``.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows, each taken as one of the source.

        Returns
        -------
        X_new : array of shape (n_samples, n_features)
            Of the library and width of X.
        """
        X = self._checked(X, "transform")
        return self._out(conditional_mean(self._bridge, X), X, "transform")

    def sample(self, X: Any, n: int | None = None, *, random_state: Any = None) -> Any:
        """Rows of the target drawn from the plan given each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows, each taken as one of the source.
        n : int, default=None
            Draws for each row. None means one, without an axis for it.
        random_state : int, RandomState, Generator or None, default=None
            None means that of the estimator.

        Returns
        -------
        draws : array of shape (n_samples, n_features) or (n_samples, n, n_features)
            Without ``n``, a DataFrame where `set_output` asks for one.
        """
        rows = self._checked(X, "sample")
        rng = self._generator(random_state)
        if n is None:
            return input_container(self, self._out(self._draws(rows, rng), rows, "sample"), X)
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n={n!r} is no number of draws; give an int of at least 1, or None.")
        xp = array_namespace(rows)
        draws = self._draws(xp.repeat(rows, int(n), axis=0), rng)
        draws = xp.reshape(draws, (rows.shape[0], int(n), rows.shape[1]))
        return self._out(draws, rows, "sample")

    def sample_path(self, X: Any, times: Any, *, random_state: Any = None) -> Array:
        """Paths of the diffusion that start at each row: exact draws, without time steps.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows, each taken as one of the source: where the paths are at time 0.
        times : array-like of shape (n_times,)
            In [0, 1], not falling. At time 0 a path is at its row, at time 1 in the target.
        random_state : int, RandomState, Generator or None, default=None
            None means that of the estimator.

        Returns
        -------
        paths : array of shape (n_samples, n_times, n_features)
            One path for each row.
        """
        rows = self._checked(X, "sample_path")
        when = np.asarray(times, dtype=np.float64)
        inside = when.ndim == 1 and len(when) > 0 and bool(np.all((when >= 0) & (when <= 1)))
        if not inside or np.any(np.diff(when) < 0):
            raise ValueError(f"times={times!r} must be a list of times in [0, 1] that do not fall.")
        rng = self._generator(random_state)
        ends = self._draws(rows, rng)
        normals = rng.standard_normal((rows.shape[0], len(when), rows.shape[1]))
        paths = brownian_bridge(
            double(rows), ends, when.tolist(), self._bridge.eps, move_like(normals, rows)
        )
        return self._out(paths, rows, "sample_path")

    def drift(self, X: Any, t: float) -> Array:
        """Velocity of the diffusion at each row at time t: ``(E[y | x at t] - x) / (1 - t)``.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Where paths are at time t.
        t : float
            In [0, 1).

        Returns
        -------
        drift : array of shape (n_samples, n_features)
            In units of X per unit of time. At time 0 it is ``transform(X) - X``.
        """
        X = self._checked(X, "drift")
        if not 0 <= t < 1:
            raise ValueError(f"t={t!r} is outside [0, 1): at time 1 the paths have arrived.")
        return self._out(drift(self._bridge, X, float(t)), X, "drift")

    def log_potential(self, X: Any) -> Array:
        """Logarithm of the potential: density of the target for a source row at ``center_``.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        log_potential : array of shape (n_samples,)
            Log-density of the mixture of ``weights_``, ``means_`` and ``covariances_``, in float64.
            Columns and directions in which the fitted target does not vary are passed over.
        """
        return log_potential(self._bridge, self._checked(X, "log_potential"))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        r"""How well the plan fits rows of both domains: minus the loss, in nats.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows of both domains.
        y : array of shape (n_samples,)
            Their labels.
        sample_weight : array of shape (n_samples,), default=None
            A weight of 2 is a row given twice.

        Returns
        -------
        score : float
            Differences of scores estimate differences of the divergence from the true plan. ``eps``
            times the score estimates a lower bound of :math:`E |x - y|^2 / 2` less ``eps`` times
            the mean entropy of y given x. Compare values at one ``eps`` and in one unit only.
        """
        X = self._checked(X, "score")
        labels = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X)
        shares = np.ones(len(labels)) if weights is None else to_numpy(weights)
        found = np.unique(labels[shares > 0])
        if not np.array_equal(found, np.sort(self.domains_)):
            raise ValueError(
                f"score needs rows of both domains, {self.domains_.tolist()!r}, and no others, but "
                f"y has the labels {found[:4].tolist()!r}. In cross-validation pass "
                "cv=StratifiedKFold(5, shuffle=True)."
            )
        indices = [np.flatnonzero((labels == label) & (shares > 0)) for label in self.domains_]
        xp = array_namespace(X)
        rows = [xp.take(X, move_like(index, X), axis=0) for index in indices]
        parts = [move_like(shares[index] / shares[index].sum(), X) for index in indices]
        return -bridge_loss(self._bridge, *rows, *parts)

    @property
    def domains_(self) -> np.ndarray:
        check_is_fitted(self)
        return np.asarray(self._domains)

    @property
    def weights_(self) -> Array:
        check_is_fitted(self)
        return array_namespace(self._bridge.means).exp(self._bridge.log_weights)

    @property
    def means_(self) -> Array:
        check_is_fitted(self)
        return self._bridge.means

    @property
    def covariances_(self) -> Array:
        check_is_fitted(self)
        return self._bridge.eps * slopes(self._bridge)

    @property
    def center_(self) -> Array:
        check_is_fitted(self)
        return self._bridge.center

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_bridge")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)  # y: two labels, no more
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags

    def _two_domains(self, labels: np.ndarray) -> np.ndarray:
        """Label of the source, label of the target."""
        found = np.unique(labels)
        if len(found) != 2:
            shown = ", ".join(map(repr, found[:4].tolist())) + (", ..." if len(found) > 4 else "")
            raise ValueError(
                f"y must have two labels, one for the source and one for the target, but it has "
                f"{len(found)} class{'' if len(found) == 1 else 'es'} ({shown}) among rows of "
                "positive weight. Keep the rows of two domains."
            )
        if self.source is None or self.source == found[0]:
            return found
        if self.source == found[1]:
            return found[::-1]
        raise ValueError(f"source={self.source!r} is none of the labels {found.tolist()!r} in y.")

    def _warn_of_noise(self, variance: float) -> None:
        ratio = float(self.eps) / variance if variance > 0 else np.inf
        if not _SMALLEST_NOISE <= ratio <= _LARGEST_NOISE:
            what = (
                "the target is then nearly independent of the source"
                if ratio > 1
                else "the noise is then nearly none, which many components are needed for"
            )
            warn(
                f"eps={self.eps:.3g} is {ratio:.3g} times the mean variance of a column within a "
                f"domain, {variance:.3g}: {what}. eps is in squared units of X: give eps of the "
                "size of that variance or below, or scale X."
            )

    def _warn_of_fit(self, found: BridgeFit) -> None:
        if not found.converged:
            warn(
                f"L-BFGS ended after n_iter_={found.n_iter} iterations while ten of them still "
                f"lowered the loss by more than tol={self.tol}. Raise max_iter or tol, lower "
                "n_components, or raise eps.",
                ConvergenceWarning,
            )
        if found.n_collapsed:
            warn(
                f"{found.n_collapsed} of {self.n_components} components are a million times "
                "narrower than the rest: they sit on single target rows, or on none. Lower "
                "n_components, or give more rows."
            )

    def _checked(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        like, wide = self._bridge.means, np.float64
        return check_samples(self, X, reset=False, like=like, method=method, computed_in=wide)

    def _draws(self, rows: Array, rng: np.random.Generator) -> Array:
        uniforms = move_like(rng.random(rows.shape[0]), rows)
        normals = move_like(rng.standard_normal(tuple(rows.shape)), rows)
        return conditional_draws(self._bridge, rows, uniforms, normals)

    def _generator(self, random_state: Any) -> np.random.Generator:
        return random_generator(self.random_state if random_state is None else random_state)

    def _out(self, result: Array, X: Array, method: str) -> Array:
        """Result in the width of X, if it is finite."""
        result = array_namespace(X).astype(result, X.dtype, copy=False)
        return finite_result(result, name=type(self).__name__, method=method)


def _mean_variance(source: np.ndarray, p: np.ndarray, target: np.ndarray, q: np.ndarray) -> float:
    """Variance of a column about the mean of its domain, over columns and domains."""
    parts = [w @ (rows - w @ rows) ** 2 for rows, w in ((source, p), (target, q))]
    return float(np.mean(parts))


def _moved(bridge: LightBridge, X: Array) -> LightBridge:
    """The plan in the library and on the device of X."""
    arrays = {
        name: move_like(getattr(bridge, name), X)
        for name in ("log_weights", "means", "factors", "center")
    }
    return bridge._replace(**arrays)
