"""DPPLeastSquares: least squares on few rows, chosen before any label exists."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .._base import (
    RANDOM_STATE,
    HasMethods,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    progress,
    random_generator,
    warn,
)
from .._checks.table import (
    check_on_host,
    check_sample_weight,
    check_samples,
    check_table,
    rows_of,
)
from ..functional.sampling.continuous_design import (
    CONTINUOUS_SCHEMES,
    BasisLaw,
    design_points,
    orthonormal_space,
)
from ..functional.sampling.dpp_least_squares import (
    SCHEMES,
    Design,
    FeatureSpace,
    design_rows,
    feature_space,
    phi_at,
)
from ..functional.sampling.label_ridge import CHOICES, leading_law, ridge_fit
from ..functional.sampling.product_bases import KINDS, multi_indices
from ._draws import n_candidates, n_draws, reference_law
from ._feature_maps import basis_on_domain, fitted_feature_map
from ._labels import bought_labels, checked_labels
from ._plan import Plan
from ._product_basis import ProductBasis

__all__ = ["DPPLeastSquares"]


class DPPLeastSquares(RegressorMixin, MultiOutputMixin, SubspaceEstimator):
    r"""Least squares from few labels: says which rows to label, and with which weights to fit.

    Rows are drawn so that their features spread out, and the fit is

    .. math:: \min_c \sum_{i \in S} w_i \, |y_i - \varphi(x_i)^T c|^2 + \alpha |\sigma c|^2,
              \qquad w = d\mu / d\nu, \quad \textstyle\sum_i w_i = 1,

    :math:`\sigma` being the standard deviations of the features in the pool. With smooth targets
    it comes near the best fit to all labels with barely more labels than the m features; with
    noisy ones the penalty, chosen from the labels, matters more than the rows.

    Parameters
    ----------
    feature_map : transformer or {"legendre", "chebyshev", "hermite", "fourier"}, default=None
        Features of a row: None means the columns of X; any scikit-learn transformer (fitted on X
        alone, which it gets as it was given: a DataFrame with text, say); a name means
        `ProductBasis` of degree 3 on the range of X.
    n_points : int, default=None
        Number n of draws. None means 2 m, and m for "dpp", m being the rank of the features, the
        constant included. Rows drawn twice need one label. With a penalty n may be below m: the
        rows then spread out in the n / 2 leading principal directions of the standardised features
        (for wide and one-hot tables).
    sampling : str, default="repeated_dpp"
        - "repeated_dpp": independent projection DPPs of m rows each, joined (a random part of the
          last one if n is not a multiple of m).
        - "dpp": one projection DPP, n = m; with ``alpha=0`` the fit interpolates and is unbiased.
        - "volume": volume-rescaled sampling with replacement. Unbiased for every n, if
          ``alpha=0``.
        - "volume_without_replacement": n different rows, equal weights. Unbiased, if ``alpha=0``.
        - "christoffel": independent draws from the optimal law :math:`k \mu / m`.
        - "uniform": independent draws from :math:`\mu`; the baseline.
    reference_measure : "uniform", callable or array of shape (n_samples,), default=None
        Reference law :math:`\nu` of sampling="volume", up to a factor: None means the optimal one,
        "uniform" means :math:`\mu`, a callable maps X to one number per row.
    condition : float, default=None
        In (0, 1): draw again until the smallest eigenvalue of the weighted Gram matrix G is at
        least 1 - condition.
    max_redraws : int, default=1000
        Most designs thrown away; then the best one is taken, with a warning.
    sampler : {"auto", "rejection", "dense"}, default="auto"
        How a projection DPP is drawn, see `projection_dpp`. Both are exact.
    n_candidates : int, default=None
        Without a condition: number of designs drawn, of which the one is used whose fit varies
        least, on average over the pool, if all labels have the same noise. None means 20 for
        "repeated_dpp" and 1 for the others, whose law is what one asks for.
    alpha : {"loo", "evidence"} or float, default="loo"
        Penalty on the squared coefficients, each in standard deviations of its feature over the
        pool, beside the weighted mean squared residual: a number without a unit (1 halves a
        direction of the variance of one feature). The intercept is never penalised. "loo" takes
        the penalty with the least error of leaving one label out, "evidence" the one that makes
        the labels most probable, for each target; both take 0 if there are m labels, which cannot
        tell noise from signal. 0 is plain weighted least squares.
    fit_intercept : bool, default=True
        Whether the constant joins the features.
    rcond : float, default=None
        Features nearer to the span of others than this, relative to their length (less the
        mean), are left out. None means what rounding of the features leaves, in their float width;
        a fit with a penalty then uses all features that vary.
    verbose : int, default=0
        Whether to print how many features are left out.
    random_state : int, RandomState, Generator or None, default=None
        Draws the rows. Shuffled rows give the same design, except for exact ties.

    Attributes
    ----------
    indices_ : ndarray of shape (n_points,)
        Rows to label, in the order drawn, repeats included.
    sample_weight_ : ndarray of shape (n_points,)
        Weights of these draws in the fit.
    gram_condition_ : float
        Condition number of G; infinite if the rows drawn do not determine all coefficients.
    n_proposals_ : int
        Rows that the rejection sampler looked at.
    n_redraws_ : int
        Designs thrown away.
    points_ : ndarray of shape (n_points, n_inputs)
        Points to evaluate, after `design_points` only.
    kept_features_ : ndarray of shape (n_kept,)
        Features that span the others; those left out are constant or depend on them.
    alpha_ : float or ndarray of shape (n_targets,)
        Penalty of the fit.
    coef_ : ndarray of shape (n_features_out,) or (n_targets, n_features_out)
        Coefficients of the features; 0 for constant ones, and without a penalty for all left out.
    intercept_ : float or ndarray of shape (n_targets,)
        Constant term.
    feature_map_ : transformer or None
        The fitted feature map.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If ``n_points`` is below m and ``alpha=0``, all features are zero, y is infinite, or a row
        of the design has no label.
    OracleError
        If y is a callable that fails; it carries the labels bought before.

    See Also
    --------
    projection_dpp : The rows alone.
    SensitivitySampler : Few rows of a large table whose labels are all known.

    Notes
    -----
    One orthonormalisation, O(n_samples d^2), serves all draws; a draw costs O(m^3 log m) by
    rejection. The measure :math:`\mu` is uniform on the rows, or given by ``sample_weight``.

    What to expect: with smooth targets and the columns of X as exact features the gain over
    uniform rows is large near n = m and fades; on noisy tables it is gone at about 5 m labels, and
    rows each farthest from those before, or centres of k-means, do as well with a ridge.
    "repeated_dpp" and "christoffel" have a bias of order 1 / n. A penalty has a bias of its own; it
    depends on the columns, not only on their span: another unit of a column changes nothing,
    another choice of columns does. Bounds in expectation hold for ``alpha=0`` and one candidate;
    the best of K candidates costs them at most a factor K.

    References
    ----------
    A. Nouy, B. Michel, "Weighted least-squares approximation with determinantal point processes
    and generalized volume sampling", arXiv:2312.14057.
    A. Cohen, G. Migliorati, "Optimal weighted least-squares methods", SMAI J. Comput. Math. 3
    (2017) ("christoffel").
    M. Derezinski, M. K. Warmuth, D. Hsu, "Unbiased estimators for random design regression",
    JMLR 23 (2022) ("volume").
    C. Haberstich, A. Nouy, G. Perrin, "Boosted optimal weighted least-squares", Math. Comp. 91
    (2022) (``condition``, ``n_candidates``).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn import DPPLeastSquares
    >>> X = np.linspace(-1, 1, 2000)[:, None]
    >>> model = DPPLeastSquares("legendre", random_state=0)
    >>> rows, weights = model.design(X)            # no label yet: which rows to measure?
    >>> y = np.full(2000, np.nan)
    >>> y[rows] = np.exp(X[rows, 0])               # eight measurements
    >>> bool(np.abs(model.fit(X, y).predict(X) - np.exp(X[:, 0])).max() < 0.02)
    True
    """

    _parameter_constraints: dict = {
        "feature_map": [StrOptions(set(KINDS)), HasMethods(["fit", "transform"]), None],
        "n_points": [Interval(Integral, 1, None, closed="left"), None],
        "sampling": [StrOptions(set(SCHEMES))],
        "reference_measure": [StrOptions({"uniform"}), callable, "array-like", None],
        "condition": [Interval(Real, 0, 1, closed="neither"), None],
        "max_redraws": [Interval(Integral, 0, None, closed="left")],
        "sampler": [StrOptions({"auto", "rejection", "dense"})],
        "n_candidates": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [StrOptions(set(CHOICES)), Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "rcond": [Interval(Real, 0, 1, closed="left"), None],
        "verbose": ["verbose"],
        "random_state": RANDOM_STATE,
    }
    _not_finite = {"gram_condition_": "infinite: the rows drawn do not determine the fit"}

    def __init__(
        self,
        feature_map=None,
        *,
        n_points=None,
        sampling="repeated_dpp",
        reference_measure=None,
        condition=None,
        max_redraws=1000,
        sampler="auto",
        n_candidates=None,
        alpha="loo",
        fit_intercept=True,
        rcond=None,
        verbose=0,
        random_state=None,
    ) -> None:
        self.feature_map = feature_map
        self.n_points = n_points
        self.sampling = sampling
        self.reference_measure = reference_measure
        self.condition = condition
        self.max_redraws = max_redraws
        self.sampler = sampler
        self.n_candidates = n_candidates
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.rcond = rcond
        self.verbose = verbose
        self.random_state = random_state

    # fit_method validates parameters and rolls back, but returns whatever the method returns
    @fit_method
    def design(self, X: Any, sample_weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Choose rows to label, before any label exists.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            The pool.
        sample_weight : array of shape (n_samples,), default=None
            The measure mu, up to a factor; None means uniform. A row of weight 2 counts as two.

        Returns
        -------
        indices : ndarray of shape (n_points,)
            Rows to label, also ``indices_``.
        sample_weight : ndarray of shape (n_points,)
            Their weights, also ``sample_weight_``. `fit` on the same X uses both.
        """
        self._make_design(X, self._checked(X, reset=True), sample_weight)
        return self.indices_, self.sample_weight_

    @fit_method
    def design_points(
        self, n: int | None = None, domain: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose points of a continuous domain to evaluate, drawn from the basis itself.

        Parameters
        ----------
        n : int, default=None
            Number of points; None means ``n_points``.
        domain : array-like of shape (n_inputs, 2), default=None
            As in `ProductBasis`; None means that of ``feature_map``.

        Returns
        -------
        points : ndarray of shape (n_points, n_inputs)
            Points to evaluate, also ``points_``.
        sample_weight : ndarray of shape (n_points,)
            Their weights. ``fit(points, y)`` uses them.

        Raises
        ------
        ValueError
            If the feature map is not a product basis with the constant, or no domain is known.
        """
        basis = basis_on_domain(self.feature_map, domain, self.fit_intercept)
        if self.sampling not in CONTINUOUS_SCHEMES or self.reference_measure is not None:
            raise ValueError(
                f"sampling={self.sampling!r} with reference_measure={self.reference_measure!r} "
                f"needs a table. On a domain use one of {CONTINUOUS_SCHEMES} and no reference."
            )
        indices = multi_indices(
            len(basis.domain_), basis.degree, basis.index_set, include_bias=True
        )
        size = n_draws(self, len(indices), None, n)
        drawn = design_points(
            BasisLaw(basis.kind, indices),
            size,
            random_generator(self.random_state),
            scheme=self.sampling,
            condition=self.condition,
            max_redraws=self.max_redraws,
            n_candidates=n_candidates(self),
        )
        points = basis._from_standard(drawn.indices)
        self.feature_map_: Any = basis
        self.n_features_in_ = len(basis.domain_)
        space = orthonormal_space(len(indices) - self.fit_intercept, intercept=self.fit_intercept)
        F = self._features(points)
        self._store_design(space, drawn._replace(indices=np.arange(size)))
        self.points_ = points
        self._plan = Plan(space, space.features(F), F, size, points, None, self.get_params())
        return self.points_, self.sample_weight_

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DPPLeastSquares:
        """Fit on the rows of the design: the one made before for this X, else a new one.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            The pool.
        y : array of shape (n_samples,) or (n_samples, n_targets), or callable
            Labels. After `design` rows outside it may be NaN. Labels outside the design are not
            used. A callable gets one row of X at a time, only rows of the design, each once.
        sample_weight : array of shape (n_samples,), default=None
            The measure mu, up to a factor; None means uniform, or what `design` was given.

        Returns
        -------
        self : DPPLeastSquares
            Fitted.
        """
        table = self._checked(X, reset=True)
        plan = getattr(self, "_plan", None)
        planned = plan is not None and plan.was_made_for(self, table, sample_weight)
        if not callable(y):  # before a design is made: bad labels need none
            n_rows = table.shape[0] if hasattr(table, "shape") else len(table)
            rows_to_label = self.indices_ if planned else None
            labels, flat = checked_labels(self, y, n_rows, rows_to_label)
        if not planned:
            self._make_design(X, table, sample_weight)
        if callable(y):
            targets = bought_labels(y, X, self.indices_, self.sample_weight_)
            flat = targets.shape[1] == 1
        else:
            targets = labels[self.indices_]
        space, phi, F = self._plan[:3]
        fit = ridge_fit(space, F, phi, targets, self.sample_weight_, self.alpha)
        rank, m = np.linalg.matrix_rank(phi), phi.shape[1]
        if rank < m <= len(phi):
            warn(
                f"The rows drawn determine {rank} of {m} coefficients; the "
                "fit of least norm is taken. Raise n_points, or use sampling='repeated_dpp'."
            )
        self.coef_ = fit.coef[:, 0] if flat else fit.coef.T
        self.intercept_ = float(fit.intercept[0]) if flat else fit.intercept
        self.alpha_ = float(fit.alpha[0]) if flat else fit.alpha
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the target of rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        """
        check_is_fitted(self, "coef_")
        F = self._features(self._checked(X, reset=False, method="predict"))
        return F @ self.coef_.T + self.intercept_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.sampling == "dpp"  # it interpolates noise
        return tags

    def _checked(self, X: Any, *, reset: bool, method: str = "fit") -> Any:
        """Numbers; or X as it was given, for a transformer of the user's own."""
        feature_map = self.feature_map if reset else self.feature_map_
        if feature_map is None or isinstance(feature_map, str | ProductBasis):
            if reset:
                check_on_host(self, X)
            how: dict = {"like": None if reset else self.sample_weight_, "method": method}
            return check_samples(self, X, reset=reset, computed_in=np.float64, **how)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _features(self, table: Any) -> np.ndarray:
        """Features of checked rows."""
        if self.feature_map_ is None:
            return table
        mapped = self.feature_map_.transform(table)
        mapped = mapped.toarray() if hasattr(mapped, "toarray") else mapped  # one-hot columns
        return check_table(mapped, estimator=self, input_name="features")

    def _christoffel(self, X: Any) -> np.ndarray:
        """Christoffel function of the features of the design at any rows."""
        table = self._checked(X, reset=False, method="from_estimator")
        phi = self._plan.space.features(self._features(table))
        with np.errstate(divide="ignore"):
            return 1.0 / np.einsum("ij,ij->i", phi, phi)

    def _make_design(self, X: Any, table: Any, sample_weight: Any) -> None:
        """Orthonormalise and draw."""
        self.feature_map_ = None
        if self.feature_map is not None:
            self.feature_map_ = fitted_feature_map(self.feature_map, table, self.fit_intercept)
        F = self._features(table)
        measure = check_sample_weight(sample_weight, F)
        space = feature_space(F, measure, intercept=self.fit_intercept, rcond=self.rcond)
        n_left_out = F.shape[1] - len(space.kept)
        if n_left_out:
            progress(
                self,
                f"{n_left_out} of {F.shape[1]} features are constant or depend on the others and "
                "are left out (see kept_features_)",
            )
        n_rows = int(np.count_nonzero(space.measure))
        m = space.law.basis.shape[1]
        n = n_draws(self, m, n_rows)
        drawn = design_rows(
            space if n >= m else space._replace(law=leading_law(space, F, max(1, n // 2))),
            n,
            random_generator(self.random_state),
            scheme=self.sampling,
            reference=reference_law(self, X, space),
            condition=self.condition,
            max_redraws=self.max_redraws,
            n_candidates=n_candidates(self),
            method=self.sampler,
        )
        self._store_design(space, drawn)
        phi = phi_at(space, drawn.indices)
        rows, F_few = rows_of(table, drawn.indices), F[drawn.indices]
        space = space.without_rows()
        self._plan = Plan(space, phi, F_few, len(F), rows, measure, self.get_params())

    def _store_design(self, space: FeatureSpace, drawn: Design) -> None:
        """Keep the design; an earlier fit goes."""
        if not drawn.condition_met:
            warn(
                f"None of {drawn.n_redraws + 1} designs met condition={self.condition}; the best "
                "one is used. Raise n_points, condition or max_redraws.",
                ConvergenceWarning,
            )
        for name in ("coef_", "intercept_", "alpha_", "points_"):
            self.__dict__.pop(name, None)
        self.indices_ = drawn.indices
        self.sample_weight_ = drawn.weights
        self.gram_condition_ = drawn.gram_condition
        self.n_proposals_ = drawn.n_proposals
        self.n_redraws_ = drawn.n_redraws
        self.kept_features_ = space.kept
