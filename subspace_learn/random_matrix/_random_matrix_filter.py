"""RandomMatrixFilter: noise level, number of spikes, shrinkage, projection in one transformer."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._array import Array
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    fit_method,
    input_container,
    progress,
    random_generator,
    warn,
)
from .._checks.magnitude import check_magnitude, finite_result
from .._checks.merging import check_mergeable
from .._checks.table import check_sample_weight, check_samples, check_scores
from ..functional.random_matrix.beside_spikes import filtered_rows
from ..functional.random_matrix.gaussian_model import (
    GaussianModel,
    coordinates_of,
    rows_of_coordinates,
)
from ..functional.random_matrix.random_matrix_filter import (
    FilterOptions,
    SpikedFit,
    check_options,
    fitted_sums,
    fitted_table,
    nothing_kept,
)
from ..functional.random_matrix.table_spectrum import ColumnSums, column_sums, merged_column_sums
from ..linalg.moments import counted
from ._covariance_model import CovarianceModel

__all__ = ["RandomMatrixFilter"]


def _keeps_sums(model: RandomMatrixFilter) -> bool:
    """Return True, or raise ValueError if the options need all rows at once."""
    needing = [
        f"{name}={value!r}"
        for name, value, fine in (
            ("standardize", model.standardize, (False, "features")),
            ("edge", model.edge, ("tracy_widom", "marchenko_pastur", "gavish_donoho")),
            ("solver", model.solver, ("auto", "covariance")),
        )
        if value not in fine
    ]
    if needing:
        raise ValueError(
            f"partial_fit, merge and chunks keep sums, not rows, but {' and '.join(needing)} "
            f"need{'s' if len(needing) == 1 else ''} the rows. Use fit in memory, or other options."
        )
    return True


def _read(name: str) -> property:
    """Attribute of what was found, in the float width of the data of the fit."""

    def read(self: RandomMatrixFilter) -> Any:
        value = getattr(self._solved(), name)
        return self._as_fitted(value) if hasattr(value, "dtype") else value

    return property(read)


class RandomMatrixFilter(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CovarianceModel):
    r"""Separate signal from noise in a table: how many directions, which, and how strong.

    Rows follow a spiked model, noise of one variance and a few strong directions,

    .. math:: \Sigma = \sigma^2 \Bigl(I + \sum_{k=1}^r (\ell_k - 1)\, u_k u_k^T\Bigr),

    and random matrix theory says what n rows of it look like: a bulk of eigenvalues below an edge,
    spikes above it that are too large, and directions that are tilted by a known angle. The noise
    level is measured, the spikes are tested and debiased, the covariance is shrunk, rows are
    projected onto the directions kept (`transform`), and noise is taken out of rows (`filter`).

    Parameters
    ----------
    noise : {"median", "mle"} or float, default="median"
        Variance of the noise. "median": median eigenvalue over that of the Marchenko-Pastur law.
        "mle": from the trace, with debiased spikes; less variable, and moved by anything that is
        not noise. Both leave out directions that are too weak for a spike and yet not noise (see
        the Notes). A number is taken as known (in the units of the standardized data).
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
    gain : {"new_rows", "fitted_rows", "projection"}, default="new_rows"
        What `filter` keeps of the deviation from the mean along each direction. "new_rows": the
        share that is signal, in rows like those of the fit (Wiener's filter, with debiased
        variances). "fitted_rows": the same in the rows of the fit themselves, whose directions lean
        towards their own noise (optimal shrinkage of singular values); it differs where
        ``n_features`` comes near ``n_samples``. "projection": all along the spikes, nothing beside.
    standardize : {False, "features", "samples", "both"}, default=False
        "features": divide each by its standard deviation (a correlation matrix). "samples": weigh
        rows so that all have one length about the mean (spatial sign covariance); rows are
        transformed as they are.
    n_components : int, default=None
        Number of spikes, where it is known: all else is then noise. None lets the edge decide.
    center : bool, default=True
        Whether the mean is subtracted; costs one degree of freedom.
    solver : {"auto", "covariance", "gram"}, default="auto"
        Eigenvectors of the p x p covariance, or of the n x n Gram matrix of the rows; "auto" takes
        the smaller.
    n_permutations : int, default=99
        Tables for the "permutation" edge; at least ``1 / significance - 1``.
    on_empty : {"warn", "raise", "ignore"}, default="warn"
        What to do when no direction is found: `transform` then has no columns, `filter` returns the
        mean.
    random_state : int, RandomState, Generator or None, default=None
        Draws the permutations of the "permutation" edge.
    verbose : int, default=0
        Above 0, one line for every tenth table of the "permutation" edge is printed.

    Attributes
    ----------
    noise_variance_ : float
        Variance of the noise (of the standardized data).
    upper_edge_ : float
        Sample eigenvalues above it are spikes.
    n_components_ : int
        Number of spikes, which are the directions kept.
    eigenvalues_ : array of shape (min(n_samples, n_features),)
        Sample eigenvalues (of the standardized data), descending.
    p_values_ : array of shape (min(n_samples, n_features),)
        Chance that the largest eigenvalue of noise is as large.
    spikes_ : array of shape (n_components,)
        Debiased population eigenvalues, noise included.
    cosines_ : array of shape (n_components,)
        Estimated cosine between each sample direction and the population's.
    components_ : array of shape (n_components, n_features)
        Directions of the spikes as orthonormal rows, in the space of the standardized features.
    gains_ : array of shape (min(n_samples, n_features),)
        What `filter` keeps along the direction of each of ``eigenvalues_``, in [0, 1].
    mean_ : array of shape (n_features,)
        Centre; zeros if not ``center``.
    scale_ : array of shape (n_features,) or None
        What features are divided by.
    covariance_, precision_ : array of shape (n_features, n_features)
        Shrunk covariance in the units of the data, and its inverse; formed when asked for.
    bulk_distance_ : float
        Kolmogorov distance of the other eigenvalues to the law of noise (Marchenko-Pastur).
    n_samples_seen_ : int
        Rows with positive weight.
    n_samples_effective_ : float
        Rows of equal weight that would know the covariance as well, ``(sum w)^2 / sum w^2``.
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
        tails, neighbouring rows that are correlated, eigenvalues far from the law, noise that is 0
        to rounding. Dense X and `fit` only, but for the last two. Not with ``n_components`` given.

    See Also
    --------
    RobustDirections : Of the directions found, those that a disturbance of X moves little.
    AnalyticShrinkage : A covariance without the spiked model.
    GrassmannPCA : A subspace of a given dimension.
    sklearn.covariance.LedoitWolf : Linear shrinkage.

    Notes
    -----
    Costs one eigenproblem, ``9 min(n, p)^3`` flops, and the products before it, ``n p min(n, p)``;
    "permutation" as much for each table. `transform` costs ``O(p r)`` a row, and so does `filter`,
    with r the number of ``gains_`` above 0. Constant features are not counted.

    `filter` uses directions too weak for a p-value as well: each keeps what lies above the noise,
    and a gain below .05 is taken for 0. It supposes noise of one variance; where features have
    noise of their own, ``sklearn.decomposition.FactorAnalysis`` is made for that.

    Noise level and edge are repeated twice without the spikes found. Where the eigenvalues of the
    rest spread by more than chance (John's statistic: in one of 2,000 tables of noise),
    ``noise_variance_`` is then measured without as many of them as make it so, if a third at least
    is left (with ``standardize=False``: other scales give features unequal noise). Edge, p-values,
    spikes and covariance stay at the level of all that does not stand out, so that less is called a
    spike. Where every direction holds signal, the level found is that of the weakest: too large,
    and `filter` takes too much; give ``noise`` if you know it.

    p-values are for Gaussian entries; finite fourth moments do in the limit. They count in that the
    noise level is estimated: noise alone gives a spike with a chance of .9 to 1.4 % at
    ``significance=0.01``, from 30 x 8 on.

    All is computed in float64; float32 rows give the decisions of the same rows in float64.

    **Weights.** Means, scales and eigenvalues are those of a table in which each row is repeated as
    often as its weight says. What is noise is decided otherwise, since a row of weight 2 is one
    observation and its noise was drawn once: edge, p-values, noise level and debiasing are those of
    independent rows with these weights, whatever number all are multiplied by. `fit` takes copies
    of a row for one row with their weights together, if entries are continuous and copies cost more
    than a tenth of the rows (``n_samples_effective_``); a table of a few levels has copies by
    chance, and `partial_fit` sees none. Where a row stands for several independent ones, there is
    no way to say so.

    **Streams.** `partial_fit` and `merge` add up sums; attributes are computed when first asked
    for, and warnings come then.

    **Dask.** `fit` takes what Dask holds and adds up the sums of its chunks: what a stream gives,
    exact to rounding, for the options that a stream allows. As there, copies of rows are not looked
    for, and of the warnings only those come that sums can tell.

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
    O. Ledoit, S. Peche, "Eigenvectors of some large sample covariance matrix ensembles",
    Probability Theory and Related Fields 151 (2011) (gain, new rows).
    M. Gavish, D. L. Donoho, "Optimal shrinkage of singular values", IEEE Transactions on
    Information Theory 63 (2017) (gain, fitted rows).
    D. L. Donoho, M. Gavish, I. M. Johnstone, "Optimal shrinkage of eigenvalues in the spiked
    covariance model", Annals of Statistics 46 (2018) (shrinkage).
    N. El Karoui, "Tracy-Widom limit for the largest eigenvalue of a large class of complex sample
    covariance matrices", Annals of Probability 35 (2007) (weights).

    Examples
    --------
    >>> from subspace_learn import RandomMatrixFilter
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> X = make_spiked_samples(400, 100, spikes=(9.0, 4.0), random_state=0)
    >>> model = RandomMatrixFilter().fit(X)
    >>> model.n_components_
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
        "gain": [StrOptions({"new_rows", "fitted_rows", "projection"})],
        "standardize": [StrOptions({"features", "samples", "both"}), "boolean"],
        "n_components": [Interval(Integral, 0, None, closed="left"), None],
        "center": ["boolean"],
        "solver": [StrOptions({"auto", "covariance", "gram"})],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "on_empty": [StrOptions({"warn", "raise", "ignore"})],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        noise="median",
        edge="tracy_widom",
        significance=0.01,
        shrinkage="frobenius",
        gain="new_rows",
        standardize=False,
        n_components=None,
        center=True,
        solver="auto",
        n_permutations=99,
        on_empty="warn",
        random_state=None,
        verbose=0,
    ) -> None:
        self.noise = noise
        self.edge = edge
        self.significance = significance
        self.shrinkage = shrinkage
        self.gain = gain
        self.standardize = standardize
        self.n_components = n_components
        self.center = center
        self.solver = solver
        self.n_permutations = n_permutations
        self.on_empty = on_empty
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RandomMatrixFilter:
        """Find noise level, spikes and directions of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; NumPy, CuPy, torch, DataFrame, CSR or CSC. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            How much each row counts in means and covariances; what a weight means for the noise
            stands in the Notes.

        Returns
        -------
        self : RandomMatrixFilter
            Fitted.
        """
        X = self._checked_batch(X, first=True, min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        options = self._options()
        check_options(options, X, weights)
        gram = self.solver == "gram" or (self.solver == "auto" and X.shape[0] < X.shape[1])
        found, self._sums = fitted_table(
            X,
            weights,
            options,
            gram=gram,
            rng=random_generator(self.random_state),
            report=partial(progress, self),
        )
        self.n_samples_seen_ = counted(weights, X.shape[0])[0]
        self.solver_ = "gram" if gram else "covariance"
        self._tell(found, options, self.on_empty)
        self._dtype, self._fitted_with = X.dtype, (options, self.on_empty)
        self._spiked: SpikedFit | None = found
        return self

    @available_if(_keeps_sums)
    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> RandomMatrixFilter:
        """Add a batch of rows to the covariance sums of those before.

        Attributes are computed when they are first asked for.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library of the batches before; one row is a batch too.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : RandomMatrixFilter
            What one fit on all rows with ``solver="covariance"`` gives.

        Raises
        ------
        AttributeError
            With options that need all rows at once.
        ValueError
            After a fit that kept no sums.
        """
        first = not self.__sklearn_is_fitted__()
        X = self._checked_batch(X, first=first, method="partial_fit")
        weights = check_sample_weight(sample_weight, X, may_be_empty=True)
        if counted(weights, X.shape[0])[0] == 0:  # nothing to add
            return self
        sums = column_sums(X, weights, center=self.center)
        if first:
            self._dtype = X.dtype
        else:
            sums = merged_column_sums(self._kept_sums(), sums, center=self.center)
        return self._with_sums(sums)

    @available_if(_keeps_sums)
    @fit_method
    def merge(self, other: RandomMatrixFilter) -> RandomMatrixFilter:
        """Add the rows that ``other`` was fitted on, without seeing them.

        Parameters
        ----------
        other : RandomMatrixFilter
            Fitted on other rows of the same features, with the same ``center`` and
            ``standardize``. Not changed.

        Returns
        -------
        self : RandomMatrixFilter
            What one fit on all rows with ``solver="covariance"`` gives.

        Raises
        ------
        AttributeError
            With options that need all rows at once.
        TypeError
            If ``other`` is not a RandomMatrixFilter.
        ValueError
            If the two differ in features, their names, or the two options, or one kept no sums.
        """
        check_is_fitted(self)
        ours, theirs = (getattr(e, "_fitted_with", self._fitted_with)[0] for e in (self, other))
        same = {k: (getattr(ours, k), getattr(theirs, k)) for k in ("center", "standardize")}
        check_mergeable(self, other, same=same)
        a, b = self._kept_sums(), other._kept_sums()
        return self._with_sums(merged_column_sums(a, b, center=self.center))

    def transform(self, X: Any) -> Array:
        """Coordinates of the rows of X along the directions found.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library and on the device of the fit.

        Returns
        -------
        X_new : array of shape (n_samples, n_components)
            ``((X - mean_) / scale_) @ components_.T``.
        """
        scores = coordinates_of(self._checked(X, "transform"), *self._directions())
        return finite_result(scores, name=type(self).__name__, method="transform")

    def inverse_transform(self, X: Any) -> Array:
        """Points of the input space with the given coordinates.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Coordinates, as `transform` returns them.

        Returns
        -------
        X_original : array of shape (n_samples, n_features)
            ``(X @ components_) * scale_ + mean_``.
        """
        n, like = self.n_components_, self.components_
        X = check_scores(self, X, n_features=n, like=like, method="inverse_transform")
        rows = rows_of_coordinates(X, *self._directions())
        return finite_result(rows, name=type(self).__name__, method="inverse_transform")

    def filter(self, X: Any) -> Any:
        """Take the noise out of rows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        filtered : array of shape (n_samples, n_features)
            Dense; each row moved towards the mean, along each direction by what is noise there
            (``gain``). The mean if no direction was found. A DataFrame with the columns of X where
            `set_output` asks for one.
        """
        rows = filtered_rows(self._checked(X, "filter"), self._solved().row_filter)
        return input_container(
            self, finite_result(rows, name=type(self).__name__, method="filter"), X
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted_with")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        rows_move = self.standardize in ("samples", "both") and self.center
        tags.input_tags.sparse = self.edge != "permutation" and not rows_move
        return tags

    noise_variance_ = _read("noise_variance")
    upper_edge_ = _read("upper_edge")
    bulk_distance_ = _read("bulk_distance")
    n_components_ = _read("n_components")
    n_samples_effective_ = _read("n_samples_effective")
    eigenvalues_ = _read("eigenvalues")
    p_values_ = _read("p_values")
    spikes_ = _read("spikes")
    cosines_ = _read("cosines")
    components_ = _read("components")
    gains_ = _read("gains")
    mean_ = _read("mean")
    scale_ = _read("scale")

    _n_features_out = n_components_

    def _gaussian_model(self) -> GaussianModel:
        return self._solved().gaussian

    def _directions(self) -> tuple[Array, Array | None, Array]:
        found = self._solved()
        return found.mean, found.scale, found.components

    def _when_singular(self) -> str:
        return (
            "Use shrinkage='frobenius', 'operator' or 'stein', which give the noise its variance; "
            "if that is 0, X has exact low rank."
        )

    def _options(self) -> FilterOptions:
        return FilterOptions(*(getattr(self, name) for name in FilterOptions._fields))

    def _checked_batch(
        self, X: Any, *, first: bool, method: str = "fit", min_samples: int = 1
    ) -> Any:
        """Rows to learn from."""
        like = None if first else self._kept_sums().first
        how: dict[str, Any] = {"method": method, "min_samples": min_samples}
        X = check_samples(self, X, reset=first, like=like, accept_sparse=("csr", "csc"), **how)
        # the checks of the noise square eigenvalues
        check_magnitude(X, power=4, name=type(self).__name__, smallest=False, like=np.float64)
        return X

    def _kept_sums(self) -> ColumnSums:
        """Sums of the rows seen, to which rows can be added."""
        if self._sums is None:
            raise ValueError(
                f"This fit kept no covariance sums (solver_={self.solver_!r}, standardize="
                f"{self._fitted_with[0].standardize!r}), so no rows can be added. Start with "
                "partial_fit, or fit with solver='covariance' and standardize=False or 'features'."
            )
        if self.center != self._fitted_with[0].center:
            raise ValueError(
                f"center={self.center}, but the rows seen so far were summed with center="
                f"{self._fitted_with[0].center}. Set it back, or fit anew."
            )
        return self._sums

    def _with_sums(self, sums: ColumnSums) -> RandomMatrixFilter:
        """Keep sums; what they say is found out when it is asked for."""
        self._sums, self._spiked = sums, None
        self._fitted_with = (self._options(), self.on_empty)
        self.solver_, self.n_samples_seen_ = "covariance", sums.moments.n_samples
        return self

    def _solved(self) -> SpikedFit:
        """What was found; found now if rows were added since."""
        check_is_fitted(self)
        if self._spiked is None:
            if self.n_samples_seen_ < 2:
                raise NotFittedError("RandomMatrixFilter has seen one row. Call partial_fit again.")
            assert self._sums is not None  # rows were added to them
            found = fitted_sums(self._sums, self._fitted_with[0])
            self._tell(found, *self._fitted_with)
            self._spiked = found
        return self._spiked

    _after_chunks = _solved  # once all chunks are merged

    def _tell(self, found: SpikedFit, options: FilterOptions, on_empty: str) -> None:
        """Warn, or raise, where what was found may not be what was meant."""
        if message := nothing_kept(found, options):
            if on_empty == "raise":
                raise ValueError(message)
            if on_empty == "warn":
                warn(message)
        if found.departures:
            warn(
                "What is left without the spikes is not white noise, so n_components_ and "
                f"p_values_ may be wrong: {'; '.join(found.departures)}."
            )
