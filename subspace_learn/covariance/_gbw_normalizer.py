"""GBWNormalizer: sessions and subjects brought to one centre and one spread."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method, warn
from .._checks.stack import check_spd
from .._checks.table import check_like, check_sample_weight
from ..functional.covariance.gbw_normalization import (
    Domain,
    GBWGeometry,
    domain_statistics,
    metric_parameter_of,
    moved_domain,
    normalised,
    restored,
    scale_of_deviations,
)
from ._domains import (
    EVERYTHING,
    Batch,
    batch_of,
    by_group,
    given_matrix,
    joined,
    rows_of,
    warn_of_scales,
)

__all__ = ["GBWNormalizer"]

# The mean of n matrices follows each of them by a share 1 / n: with fewer than these, a group
# loses more than a fifth of what distinguishes its matrices, and a single one all of it.
_FEWEST = 5


class GBWNormalizer(TransformerMixin, SubspaceEstimator):
    r"""Align covariance matrices of sessions or subjects: one centre, one spread.

    Each domain (a value of ``groups``) has a mean G and a dispersion :math:`\sigma^2` under the
    generalised Bures-Wasserstein metric. Its matrices become

    .. math:: X \mapsto \mathrm{Exp}_B \bigl(\tfrac{s}{\sigma}\, \Gamma_{G \to B}
              \mathrm{Log}_G X\bigr)

    with the common centre B, the common spread s and parallel transport :math:`\Gamma`, all after
    the deformation :math:`X \mapsto M^{-\theta/2} X^\theta M^{-\theta/2}` and before its inverse.

    Parameters
    ----------
    theta : float, default=1.0
        Power, not 0. 1 is Bures-Wasserstein, close to 0 log-Euclidean; smaller powers weigh large
        eigenvalues less. Tune it on training domains.
    metric_parameter : {"mean"}, array of shape (n, n), or None, default="mean"
        Metric parameter M. "mean" takes the power mean of all matrices of `fit`: the result then
        follows any change of units, and null directions that all matrices share (average
        reference) are allowed. None is the identity: then units matter, and in microvolts most
        matrices hit the boundary.
    dispersion : {"pooled"}, float or None, default="pooled"
        Dispersion :math:`s^2` after normalisation. "pooled" is the weighted mean of the
        dispersions of the domains; None leaves each as it is (centring only).
    bias : {"mean"}, array of shape (n, n), or None, default=None
        Common centre B. None is M (the identity without one), "mean" the mean of all matrices.
    unknown : {"fit", "global", "error"}, default="fit"
        Statistics in `transform` for a group that was not fitted. "fit": those of the matrices of
        this call that carry its name, without labels, if these are five or more; they are not
        kept, and the result for a matrix depends on the others (transductive). "global": those of
        all matrices of `fit`; also what fewer than five get, with a warning, since the mean of few
        is near each of them. "error": refuse.
    n_steps : int or None, default=None
        Exact number of steps of the iteration for a mean, from the arithmetic mean. 1 is what the
        paper does; on EEG the mean is then off by a thirtieth of its distance from the arithmetic
        mean. None iterates to `tol`.
    tol : float, default=1e-8
        Relative residual at which the iteration stops.
    max_iter : int, default=50
        Most steps.
    momentum : float or None, default=None
        None: after `partial_fit` on any batches, single matrices included, the statistics are those
        of `fit` on all of them; they are kept for that, 8 n^2 bytes each. A number in (0, 1]
        forgets: each new matrix takes this share of the mean, and a batch of w matrices
        ``1 - (1 - momentum)^w``, on the geodesic from the mean so far to its own.
    n_jobs : int or None, default=None
        Threads, for NumPy. None is 1, -1 all cores; results do not depend on it.

    Attributes
    ----------
    mean_ : array of shape (n, n)
        Mean of all matrices.
    dispersion_ : float
        Their mean squared distance to it.
    groups_ : ndarray of shape (n_groups,)
        Names of the fitted groups, sorted (new ones of `partial_fit` at the end).
    means_ : array of shape (n_groups, n, n)
        Mean of each group.
    dispersions_ : ndarray of shape (n_groups,)
        Mean squared distance to it.
    metric_parameter_ : array of shape (n, n) or None
        M.
    n_iter_ : int
        Most steps that a mean took.
    n_features_in_ : int
        Size n of the matrices.

    Raises
    ------
    ValueError
        If X is not a stack of symmetric matrices, or a matrix has a negative eigenvalue; it is
        named by its index.

    Warns
    -----
    UserWarning
        If matrices would leave the cone of positive definite matrices: they are stopped before its
        boundary and keep their direction from the centre, not their distance. If a group has fewer
        than five matrices. If rows of the matrices differ in scale so much that small ones are
        lost.

    See Also
    --------
    AugmentedCovariances : Makes the matrices from epochs.

    Notes
    -----
    `fit` decomposes each matrix about 15 times (ten steps for the mean of its group, a few for that
    of all), `transform` three times, each 9 n^3 flops. A `tol` of 1e-4 halves that and changes no
    prediction we know of.

    A domain with a single matrix lands on the centre, whatever the matrix; a warning names fitted
    groups of fewer than five.

    Differences to the authors' layer: the dispersion is taken about the mean of the domain, not
    about the identity; means are iterated to convergence by default; the authors' parameter is
    :math:`M^\theta`; a step across the boundary is shortened, where squaring it would fold it back.
    M, theta and B are parameters here, not learned by gradients.

    References
    ----------
    R. Wang, S. Jin, Z. Chen, X. Luo, X.-J. Wu, "Learning to Normalize on the SPD Manifold under
    Bures-Wasserstein Geometry", CVPR 2025, arXiv:2504.00660 (section 4).

    Examples
    --------
    Two sessions, the second of four times the power:

    >>> import numpy as np
    >>> from subspace_learn.covariance import GBWNormalizer
    >>> rng = np.random.default_rng(0)
    >>> signals = rng.standard_normal((40, 3, 100)) * np.repeat([1.0, 2.0], 20)[:, None, None]
    >>> X, session = signals @ signals.mT / 100, np.repeat(["monday", "friday"], 20)
    >>> normalizer = GBWNormalizer().fit(X, groups=session)
    >>> Z = normalizer.transform(X, groups=session)
    >>> ratio = lambda A: np.trace(A[20:].mean(axis=0)) / np.trace(A[:20].mean(axis=0))
    >>> round(float(ratio(X)), 1), round(float(ratio(Z)), 1)
    (4.1, 1.0)
    """

    _parameter_constraints: dict = {
        "theta": [Interval(Real, None, None, closed="neither")],
        "metric_parameter": [StrOptions({"mean"}), "array-like", None],
        "dispersion": [StrOptions({"pooled"}), Interval(Real, 0, None, closed="neither"), None],
        "bias": [StrOptions({"mean"}), "array-like", None],
        "unknown": [StrOptions({"fit", "global", "error"})],
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="right"), None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        theta=1.0,
        *,
        metric_parameter="mean",
        dispersion="pooled",
        bias=None,
        unknown="fit",
        n_steps=None,
        tol=1e-8,
        max_iter=50,
        momentum=None,
        n_jobs=None,
    ) -> None:
        self.theta = theta
        self.metric_parameter = metric_parameter
        self.dispersion = dispersion
        self.bias = bias
        self.unknown = unknown
        self.n_steps = n_steps
        self.tol = tol
        self.max_iter = max_iter
        self.momentum = momentum
        self.n_jobs = n_jobs

    @fit_method
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> GBWNormalizer:
        """Learn mean and dispersion of each group and of all matrices.

        Parameters
        ----------
        X : array of shape (n_matrices, n, n)
            Symmetric positive (semi)definite.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_matrices,), default=None
            Nonnegative; a weight of 2 is a matrix given twice.
        groups : array-like of shape (n_matrices,), default=None
            Name of the session or subject of each matrix. None learns the statistics of all
            matrices only.

        Returns
        -------
        self : GBWNormalizer
            The fitted normaliser.
        """
        X = check_spd(self, X, reset=True)
        self._forget()
        return self._learn(batch_of(X, check_sample_weight(sample_weight, X), groups))

    @fit_method
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> GBWNormalizer:
        """Take in a batch: as if all had come in one `fit`, or by ``momentum``.

        After `fit`, which keeps no matrices, means go to those of the batch by its share of all
        weight, which is close to a `fit` on everything but not the same; a warning says so.
        ``metric_parameter="mean"`` is then that of `fit`, as it is with a ``momentum``.

        Parameters
        ----------
        X : array of shape (n_matrices, n, n)
            Symmetric positive (semi)definite.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_matrices,), default=None
            Nonnegative.
        groups : array-like of shape (n_matrices,), default=None
            Name of the session or subject of each matrix; new names are added.

        Returns
        -------
        self : GBWNormalizer
            The updated normaliser.
        """
        first = not hasattr(self, "mean_")
        X = check_spd(self, X, reset=first, method="partial_fit")
        if not first:
            check_like(X, self.mean_, where=f"{type(self).__name__}.partial_fit()")
        batch = batch_of(X, check_sample_weight(sample_weight, X), groups)
        if first:
            self._forget()
        if self.momentum is not None:
            self._kept: Batch | None = None
            return self._learn(batch)
        if not first and self._kept is None:
            self._learn(batch)
            warn(
                "partial_fit after fit is close to one fit on everything, but not the same, since "
                "fit keeps no matrices. Use partial_fit from the first batch on."
            )
            return self
        batch = batch if self._kept is None else joined(self._kept, batch)
        self._domains: dict[Any, Domain] = {}
        self._weights: dict[Any, float] = {}
        self._counts: dict[Any, int] = {}
        self._learn(batch, near=None if first else self.mean_)
        self._kept = batch
        return self

    def _forget(self) -> None:
        if self.theta == 0:
            raise ValueError("theta must not be 0; for the log-Euclidean limit use theta=1e-3.")
        self._domains, self._weights, self._counts, self._kept = {}, {}, {}, None
        self.n_iter_ = 0

    def _learn(self, batch: Batch, near: Array | None = None) -> GBWNormalizer:
        """Statistics of a batch, searched for from ``near``; those there are move towards them."""
        X = batch.X
        if not self._domains:
            M = self.metric_parameter
            if isinstance(M, str):
                M = metric_parameter_of(X, batch.weights, self.theta)
            elif M is not None:
                M = given_matrix(M, X, "metric_parameter")
            self.metric_parameter_, self._theta = M, float(self.theta)
            warn_of_scales(X, self.metric_parameter_, self.theta)
        domains, totals, counts = dict(self._domains), dict(self._weights), dict(self._counts)
        geometry = self._geometry()
        # all of them last: the search for their mean begins at the mean of the groups' means
        found: list[Domain] = []
        for name, index in [*batch.rows.items(), (EVERYTHING, None)]:
            part, w = rows_of(X, batch.weights, index)
            total = float(part.shape[0] if w is None else w.sum())
            start = near if self.n_steps is None else None
            if name == EVERYTHING and near is None and found and self.n_steps is None:
                means = array_namespace(X).stack([group.mean for group in found])
                start = domain_statistics(means, None, geometry, tol=1e-3, max_iter=5)[0].mean
            domain, n_iter = self._statistics(part, w, start)
            found.append(domain)
            self.n_iter_ = max(self.n_iter_, n_iter)
            before = totals.get(name, 0.0)
            if name in domains:
                share = total / (before + total)
                if self.momentum is not None:
                    share = 1 - (1 - self.momentum) ** total
                domain = moved_domain(domains[name], domain, share, geometry)
            domains[name], totals[name] = domain, before + total
            counts[name] = counts.get(name, 0) + part.shape[0]
        self._domains, self._weights, self._counts = domains, totals, counts
        return self._publish()

    def _publish(self) -> GBWNormalizer:
        """Show the statistics as attributes."""
        xp = array_namespace(self._domains[EVERYTHING].mean)
        self.mean_, self.dispersion_ = self._domains[EVERYTHING]
        names = [name for name in self._domains if name != EVERYTHING]
        self.groups_ = np.array(names)
        if self.groups_.tolist() != names:  # 1 and "1" are two groups
            self.groups_ = np.array(names, dtype=object)
        means = [self._domains[name].mean for name in names]
        self.means_ = xp.stack(means) if names else self.mean_[None, ...][:0, ...]
        self.dispersions_ = np.array([self._domains[name].dispersion for name in names])
        self._pooled = self.dispersion_
        if names:
            weights = [self._weights[name] for name in names]
            self._pooled = np.average(self.dispersions_, weights=weights)
        return self

    def _geometry(self) -> GBWGeometry:
        return GBWGeometry(self._theta, self.metric_parameter_)

    def _statistics(
        self, X: Array, weights: Array | None, init: Array | None = None
    ) -> tuple[Domain, int]:
        exact = self.n_steps is not None
        domain, n_iter, residual = domain_statistics(
            X,
            weights,
            self._geometry(),
            init=init,
            tol=0.0 if exact else self.tol,
            max_iter=self.n_steps if exact else self.max_iter,
            n_jobs=self.n_jobs,
        )
        if not exact and residual > self.tol:
            warn(
                f"The mean did not converge in max_iter={self.max_iter} steps: the relative "
                f"residual is {residual:.1e}, above tol={self.tol:.1e}. Raise max_iter or tol.",
                ConvergenceWarning,
            )
        return domain, n_iter

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> Array:
        """Fit, then transform the same matrices with the same groups.

        Parameters
        ----------
        X : array of shape (n_matrices, n, n)
            Symmetric positive (semi)definite.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_matrices,), default=None
            Nonnegative.
        groups : array-like of shape (n_matrices,), default=None
            Name of the session or subject of each matrix.

        Returns
        -------
        Z : array of shape (n_matrices, n, n)
            Positive definite.
        """
        return self.fit(X, y, sample_weight, groups=groups).transform(X, groups=groups)

    def transform(self, X: Any, *, groups: Any = None) -> Array:
        """Move each matrix as its group moves.

        Parameters
        ----------
        X : array of shape (n_matrices, n, n)
            Symmetric positive (semi)definite.
        groups : array-like of shape (n_matrices,), default=None
            Name of the session or subject of each matrix. None uses the statistics of all matrices
            of `fit`; for other names see ``unknown``.

        Returns
        -------
        Z : array of shape (n_matrices, n, n)
            Positive definite, in the dtype of ``X``.
        """
        X = self._checked(X, "transform")
        stopped = []

        def moved(part: Array, name: Any) -> Array:
            domain = self._domain(name, part)
            Z, n_stopped = normalised(part, domain, self._geometry(), **self._target(domain, X))
            stopped.append(n_stopped)
            return Z

        Z = by_group(moved, X, groups)
        if sum(stopped):
            warn(
                f"{sum(stopped)} of {X.shape[0]} matrices would have left the cone of positive "
                "definite matrices and were stopped before its boundary. Ask for a smaller "
                "dispersion, take theta closer to 0, or metric_parameter='mean'."
            )
        return Z

    def inverse_transform(self, X: Any, *, groups: Any = None) -> Array:
        """Undo `transform`; exact for matrices that were not stopped at the boundary.

        Parameters
        ----------
        X : array of shape (n_matrices, n, n)
            Output of `transform`.
        groups : array-like of shape (n_matrices,), default=None
            The groups given there; an unknown one is refused unless ``unknown="global"``.

        Returns
        -------
        A : array of shape (n_matrices, n, n)
            As before, in the dtype of ``X``.
        """
        X = self._checked(X, "inverse_transform")

        def moved(part: Array, name: Any) -> Array:
            domain = self._domain(name, None)
            return restored(part, domain, self._geometry(), **self._target(domain, X))

        return by_group(moved, X, groups)

    def _checked(self, X: Any, method: str) -> Array:
        check_is_fitted(self, "mean_")
        check_like(X, self.mean_, where=f"{type(self).__name__}.{method}()")
        return check_spd(self, X, reset=False, method=method)

    def _domain(self, name: Any, X: Array | None) -> Domain:
        """Statistics for a group name; of an unknown one by ``unknown``, from ``X`` if there is."""
        few = f"from which a centre follows each of them. Give {_FEWEST} or more"
        if name in self._domains:
            if self._counts[name] < _FEWEST and name != EVERYTHING and X is not None:
                warn(f"Group {name!r} was fitted to {self._counts[name]} matrices, {few}.")
            return self._domains[name]
        if self.unknown == "global":
            return self._domains[EVERYTHING]
        if self.unknown == "error" or X is None:
            raise ValueError(
                f"The group {name!r} was not fitted. Fitted groups: {self.groups_.tolist()}. Fit "
                "it, or set unknown='global', or (for transform) unknown='fit'."
            )
        if X.shape[0] < _FEWEST:
            warn(
                f"Group {name!r} was not fitted and has {X.shape[0]} matrices in this call, {few} "
                "at a time, or learn the group by partial_fit. They are normalised by the "
                "statistics of all matrices of fit (unknown='global')."
            )
            return self._domains[EVERYTHING]
        return self._statistics(X, None)[0]

    def _target(self, domain: Domain, X: Array) -> dict[str, Any]:
        """Scale of the deviations and new centre, for the functions below."""
        dispersion = self._pooled if self.dispersion == "pooled" else self.dispersion
        scale = 1.0
        if dispersion is not None:
            scale = scale_of_deviations(domain, float(dispersion), self._geometry())
        bias = self.bias
        if isinstance(bias, str):
            bias = self.mean_
        elif bias is not None:
            bias = given_matrix(bias, X, "bias")
        return {"scale": scale, "bias": bias, "n_jobs": self.n_jobs}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
