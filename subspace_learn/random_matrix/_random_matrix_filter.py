"""RandomMatrixFilter: noise level, number of spikes, shrinkage, projection in one transformer."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Tags

from .._array import array_namespace, device_of
from .._base import Interval, StrOptions, fit_method, progress, random_generator
from .._checks.table import check_sample_weight
from ..functional.random_matrix.random_matrix_filter import gram_spectrum, permuted_edges, prepared
from ._direction_selection import selected
from ._filter_options import check_table_options, resolved_solver, rows_are_equalised
from ._spiked_fit import SpikedFit, spiked_fit, warn_if_empty, warn_of_departures
from ._sum_stream import SumStream

__all__ = ["RandomMatrixFilter"]


class RandomMatrixFilter(SumStream):
    r"""Separate signal from noise in a table: how many directions, which, and how strong.

    Rows follow a spiked model, noise of one variance and a few strong directions,

    .. math:: \Sigma = \sigma^2 \Bigl(I + \sum_{k=1}^r (\ell_k - 1)\, u_k u_k^T\Bigr),

    and random matrix theory says what n rows of it look like: a bulk of eigenvalues below an edge,
    spikes above it that are too large, and directions that are tilted by a known angle. The noise
    level is measured, the spikes are tested and debiased, the covariance is shrunk, and rows are
    projected onto the directions kept.

    Parameters
    ----------
    noise : {"median", "mle"} or float, default="median"
        Variance of the noise. "median": median eigenvalue over that of the Marchenko-Pastur law.
        "mle": from the trace, with debiased spikes; less variable, and moved by anything that is
        not noise. A number is taken as known (in the units of the standardized data).
    edge : str, default="tracy_widom"
        Where signal begins. "tracy_widom": the quantile of the largest eigenvalue of noise at
        ``significance``. "marchenko_pastur": the limit of the bulk, which noise alone crosses one
        time in six. "gavish_donoho": the optimal hard threshold for reconstruction, which leaves
        weak spikes out. "permutation": largest eigenvalues of tables with permuted columns, which
        allows for unequal scales and heavy tails of features.
    significance : float, default=0.01
        Chance to call noise a spike ("tracy_widom" and "permutation"), in (0, 1).
    shrinkage : {"frobenius", "operator", "stein", "clip", "none"}, default="frobenius"
        Loss for which the eigenvalues of ``covariance_`` are best; "clip" keeps the sample values
        of the spikes and gives the others their mean, "none" keeps the sample covariance.
    standardize : {False, "features", "samples", "both"}, default=False
        "features": divide each by its standard deviation (a correlation matrix). "samples": weigh
        rows so that all have one length about the mean (spatial sign covariance); rows are
        transformed as they are.
    n_components : int, default=None
        Number of spikes, where it is known; None lets the edge decide.
    selector : {None, "rbns", "rotated_rbns"} or callable, default=None
        Which spikes to keep. "rbns": those that a disturbance of the input moves little, see Notes.
        "rotated_rbns": the same for directions turned within the space of the spikes so that the
        disturbance moves each by itself; the better choice where it comes from a few directions.
        A callable takes the coordinates (n_samples, n_spikes) as NumPy array and ``y``, and returns
        one score for each direction, small for those to keep, or a boolean mask.
    quantile : float, default=0.8
        A direction is dropped if its score is among the ``1 - quantile`` largest (conformal
        p-value, see :func:`~subspace_learn.functional.random_matrix.rbns.conformal_support`): that
        share is dropped whether it is fragile or not, so choose it by cross-validation.
    perturbation : {None, "resample"}, float or callable, default=None
        How to disturb rows when `fit` is given no ``X_perturbed``. A number: Gaussian noise of this
        size relative to the root mean square of a feature; None means 0.1. "resample": another row
        of the same class. A callable takes X and a ``numpy.random.Generator``.
    center : bool, default=True
        Whether the mean is subtracted; costs one degree of freedom.
    solver : {"auto", "covariance", "gram"}, default="auto"
        Eigenvectors of the p x p covariance, or of the n x n Gram matrix of the rows; "auto" takes
        the smaller.
    n_permutations : int, default=99
        Tables for the "permutation" edge; at least ``1 / significance - 1``.
    on_empty : {"warn", "raise", "ignore"}, default="warn"
        What to do when no direction is kept: `transform` then has no columns, `filter` returns the
        mean.
    random_state : int, RandomState, Generator or None, default=None
        Draws permutations and disturbances.
    verbose : int, default=0
        Above 0, one line for every tenth table of the "permutation" edge is printed.

    Attributes
    ----------
    noise_variance_ : float
        Variance of the noise (of the standardized data).
    upper_edge_ : float
        Sample eigenvalues above it are spikes.
    n_spikes_ : int
        Number of spikes.
    eigenvalues_ : array of shape (min(n_samples, n_features),)
        Sample eigenvalues (of the standardized data), descending.
    p_values_ : array of shape (min(n_samples, n_features),)
        Chance that the largest eigenvalue of noise is as large.
    spikes_ : array of shape (n_spikes,)
        Debiased population eigenvalues, noise included.
    cosines_ : array of shape (n_spikes,)
        Estimated cosine between each sample direction and the population's.
    scores_ : array of shape (n_spikes,)
        Scores of the selector; small is robust. Absent without selector, or if it gave a mask.
    support_ : array of bool of shape (n_spikes,)
        Which spikes are kept; with "rotated_rbns" which of the turned directions, from robust to
        fragile, to which ``scores_`` belong too.
    components_ : array of shape (n_components, n_features)
        Kept directions as orthonormal rows, in the space of the standardized features.
    mean_ : array of shape (n_features,)
        Centre; zeros if not ``center``.
    scale_ : array of shape (n_features,) or None
        What features are divided by.
    covariance_, precision_ : array of shape (n_features, n_features)
        Shrunk covariance in the units of the data, and its inverse; formed when asked for.
    bulk_distance_ : float
        Kolmogorov distance of the other eigenvalues to the Marchenko-Pastur law.
    n_samples_seen_ : int
        Rows with positive weight.
    solver_ : str
        The solver that ran.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If X is complex, holds NaN or infinity, has fewer than two rows, or only constant features;
        if options do not go together (see the message).

    Warns
    -----
    UserWarning
        If what is left without the spikes is not white: features or rows of unequal scale, heavy
        tails, neighbouring rows that are correlated, eigenvalues far from the law. Dense X and
        `fit` only, but for the last. Not with ``n_components`` given.

    See Also
    --------
    AnalyticShrinkage : A covariance without the spiked model.
    GrassmannPCA : A subspace of a given dimension.
    sklearn.covariance.LedoitWolf : Linear shrinkage.

    Notes
    -----
    Costs one eigenproblem, ``9 min(n, p)^3`` flops, and the products before it, ``n p min(n, p)``;
    "permutation" as much for each table. `transform` and `filter` cost ``O(p r)`` a row. Constant
    features are not counted.

    Noise level and edge are repeated twice without the spikes found. p-values are for Gaussian
    entries; finite fourth moments do in the limit.

    **Selection (EigenShield).** Directions are scored by how far they move when the input is
    disturbed, relative to what they say (RbNS), and those that stand out are dropped. The original
    calls the kept ones *causal*; here they are **kept** and dropped directions: kept means robust
    to the disturbances given, no more. The formula of the score is our reconstruction from the
    abstract. With ``y``, what a direction says is its spread between classes. Isotropic noise moves
    all directions alike, so with it the score ranks by variance: give pairs where you can. All
    rows, not a split, calibrate the threshold: with a split a direction on it is kept or dropped by
    chance.

    A correlation matrix counts signal as scale: where strong spikes rule some features their noise
    stays unequal, for which ``edge="permutation"`` allows.

    Where it fails: more signal than noise directions (real spectra that decay slowly have no bulk;
    every eigenvalue is then a spike, and ``bulk_distance_`` says so); spikes below the threshold
    ``sigma^2 (1 + sqrt(p / n))`` leave no trace; an attacker who knows the directions kept moves
    within them.

    References
    ----------
    I. M. Johnstone, "On the distribution of the largest eigenvalue in principal components
    analysis", Annals of Statistics 29 (2001) ("tracy_widom").
    M. Gavish, D. L. Donoho, "The optimal hard threshold for singular values is 4/sqrt(3)", IEEE
    Transactions on Information Theory 60 (2014) ("gavish_donoho").
    D. L. Donoho, M. Gavish, I. M. Johnstone, "Optimal shrinkage of eigenvalues in the spiked
    covariance model", Annals of Statistics 46 (2018) (shrinkage).
    A. Darabi et al., "EigenShield: causal subspace filtering via random matrix theory for
    adversarially robust vision-language models", arXiv:2502.14976 (2025) (selection).

    Examples
    --------
    >>> from subspace_learn import RandomMatrixFilter
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> X = make_spiked_samples(400, 100, spikes=(9.0, 4.0), random_state=0)
    >>> model = RandomMatrixFilter().fit(X)
    >>> model.n_spikes_
    2
    >>> model.spikes_.round(1)
    array([10.1,  4.7])
    >>> model.transform(X).shape
    (400, 2)
    """

    _parameter_constraints: dict = {
        "noise": [StrOptions({"median", "mle"}), Interval(Real, 0, None, closed="neither")],
        "edge": [StrOptions({"tracy_widom", "marchenko_pastur", "gavish_donoho", "permutation"})],
        "significance": [Interval(Real, 0, 1, closed="neither")],
        "shrinkage": [StrOptions({"frobenius", "operator", "stein", "clip", "none"})],
        "standardize": [StrOptions({"features", "samples", "both"}), "boolean"],
        "n_components": [Interval(Integral, 0, None, closed="left"), None],
        "selector": [StrOptions({"rbns", "rotated_rbns"}), callable, None],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "perturbation": [
            StrOptions({"resample"}),
            Interval(Real, 0, None, closed="neither"),
            callable,
            None,
        ],
        "center": ["boolean"],
        "solver": [StrOptions({"auto", "covariance", "gram"})],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "on_empty": [StrOptions({"warn", "raise", "ignore"})],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        noise="median",
        edge="tracy_widom",
        significance=0.01,
        shrinkage="frobenius",
        standardize=False,
        n_components=None,
        selector=None,
        quantile=0.8,
        perturbation=None,
        center=True,
        solver="auto",
        n_permutations=99,
        on_empty="warn",
        random_state=None,
        verbose=0,
    ):
        self.noise = noise
        self.edge = edge
        self.significance = significance
        self.shrinkage = shrinkage
        self.standardize = standardize
        self.n_components = n_components
        self.selector = selector
        self.quantile = quantile
        self.perturbation = perturbation
        self.center = center
        self.solver = solver
        self.n_permutations = n_permutations
        self.on_empty = on_empty
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        X_perturbed: Any = None,
        sample_weight: Any = None,
    ) -> RandomMatrixFilter:
        """Find noise level, spikes and directions of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; NumPy, CuPy, torch, DataFrame, CSR or CSC. float32 stays float32.
        y : array of shape (n_samples,), default=None
            Classes, for a selector; ignored without.
        X_perturbed : array of shape (n_samples, n_features), default=None
            The same rows disturbed (by noise, an attack, another recording), for "rbns".
        sample_weight : array of shape (n_samples,), default=None
            Frequencies: a row of weight 2 counts as two rows.

        Returns
        -------
        self : RandomMatrixFilter
            Fitted.
        """
        X = self._checked(X, reset=True, min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        check_table_options(self, X, weights, X_perturbed)
        rng = random_generator(self.random_state)
        self._dtype, self.solver_ = X.dtype, resolved_solver(self.solver, X.shape)
        ready = prepared(
            X,
            weights,
            standardize=self.standardize,
            center=self.center,
            gram=self.solver_ == "gram",
        )
        if self.solver_ == "gram":
            spectrum = gram_spectrum(ready.table, ready.n_samples)
        else:
            # sums of equalised rows are sums of divided features; others are of the table as it is
            scale = None if rows_are_equalised(self) else ready.scale
            spectrum = self._covariance_spectrum(ready.sums, ready.n_samples, scale)
        null = None
        if self.edge == "permutation":
            say = partial(progress, self)
            null = permuted_edges(ready.table, ready.n_samples, self.n_permutations, rng, say)
        self._sums = None if rows_are_equalised(self) else ready.sums
        self.n_samples_seen_ = ready.table.n_samples
        self._store(spiked_fit(self, spectrum, ready.table.mean, ready.scale, null))
        if self.selector is not None:
            self._select(X, y, X_perturbed, weights, rng)
        warn_of_departures(self, ready.table)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        rows_move = rows_are_equalised(self) and self.center
        tags.input_tags.sparse = self.edge != "permutation" and not rows_move
        return tags

    def _singular(self) -> str:
        return (
            "Use shrinkage='frobenius', 'operator' or 'stein', which give the noise its variance; "
            "if that is 0, X has exact low rank."
        )

    def _store(self, fitted: SpikedFit) -> None:
        """Bind what was found; every spike is kept until a selector says otherwise."""
        self._model, self._directions = fitted.model, fitted.directions
        self._size = fitted.size
        self.noise_variance_, self.upper_edge_ = fitted.noise.variance, fitted.noise.edge
        self.n_spikes_, self.bulk_distance_ = fitted.noise.n_spikes, fitted.bulk_distance
        self.eigenvalues_, self.p_values_, self.spikes_, self.cosines_ = (
            self._given(values) for values in fitted.vectors()
        )
        self.mean_ = self._given(fitted.model.mean)
        self.scale_ = None if fitted.model.scale is None else self._given(fitted.model.scale)
        xp = array_namespace(fitted.directions)
        self.support_ = xp.ones_like(fitted.directions[:, 0], dtype=xp.bool)
        self.components_ = self._given(fitted.directions)
        vars(self).pop("scores_", None)
        if self.selector is None:
            warn_if_empty(self, "no eigenvalue exceeds the edge")

    def _select(self, X: Any, y: Any, X_perturbed: Any, weights: Any, rng: Any) -> None:
        """Keep the directions that the selector wants."""
        chosen = selected(self, X, y, X_perturbed, weights, rng)
        xp, place = array_namespace(self._directions), {"device": device_of(self._directions)}
        self.support_ = xp.asarray(chosen.support, **place)
        if chosen.scores is not None:
            self.scores_ = self._given(xp.asarray(chosen.scores, **place))
        basis = xp.asarray(chosen.basis, dtype=self._directions.dtype, **place)
        self.components_ = self._given(basis @ self._directions)
        warn_if_empty(self, "no eigenvalue exceeds the edge, or the selector dropped every spike")
