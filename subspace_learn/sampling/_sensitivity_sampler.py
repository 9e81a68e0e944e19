"""SensitivitySampler: few weighted rows that keep the p-norms of a large table."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import is_array, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    random_generator,
    warn,
)
from .._checks.columns import refuse_masked
from .._checks.merging import check_mergeable
from .._checks.table import check_on_host, check_sample_weight, check_samples, rows_of
from .._chunk_tasks import add_up
from .._distributed import Chunks, is_lazy
from ..functional.sampling.row_sampling import SCORES, RowSample
from ..functional.sampling.row_stream import (
    Coreset,
    RowStream,
    SamplingRule,
    drawn_from,
    whole_stream,
)
from ._checks import check_targets

__all__ = ["SensitivitySampler"]

# Rows for each column below which a stream that keeps a share of its rows reduces nothing.
_ROWS_PER_COLUMN = 20


class _NoTransform:
    """Stands where `transform` would, and says what to use instead."""

    def __get__(self, sampler: Any, owner: type) -> Any:
        text = (
            f"{owner.__name__!r} object has no attribute 'transform': it changes the number of "
            "rows, which a step of a Pipeline cannot. Use fit_resample, or "
            "SubsampledEstimator(estimator, sampler) as the last step."
        )
        # a Pipeline would replace an AttributeError by a text of its own, which names no way out
        by_pipeline = sys._getframe(1).f_code.co_name == "_validate_steps"
        raise TypeError(text) if by_pipeline else AttributeError(text)


class SensitivitySampler(SubspaceEstimator):
    r"""Weighted sample of rows on which p-norm regression gives nearly the same answer.

    .. math:: (1 - \varepsilon) |Ax|_p^p \le \sum_{i \in S} w_i |a_i^T x|^p
              \le (1 + \varepsilon) |Ax|_p^p \quad \text{for all } x,

    with A the columns of X and of y. Rows are drawn in proportion to a score of their importance.

    Parameters
    ----------
    n_samples : int or float, default=0.1
        Number of draws (expected number of rows for "bernoulli"), or in (0, 1] as a share of the
        rows; in a stream, of all rows seen so far, and at least 20 rows for each column.
    p : float, default=2.0
        Exponent, at least 1: 2 for least squares, 1 for least absolute deviations.
    row_score : str, default="lewis"
        - "lewis": Lewis weights, the best worst case for every p; leverage scores at p = 2.
        - "leverage", "root_leverage": leverage scores tau, and tau^(p/2).
        - "sensitivity": the largest share of the norm a row can have.
        - "combined": sensitivity and leverage, each scaled to sum to 1, added.
        - "uniform": equal; fails when few rows own a direction.
    law : {"replacement", "bernoulli"}, default="replacement"
        Independent draws, or each row by itself with probability min(1, c score).
    method : {"auto", "exact", "sketch", "approximate"}, default="auto"
        How scores are computed, see `leverage_scores` ("sketch": leverage, root_leverage, lewis)
        and `lp_sensitivities` ("approximate": sensitivity, combined).
    append_target : bool, default=True
        Whether y joins the columns, as regression needs. Set it to False for class labels.
    append_constant : bool, default=False
        Whether a column of ones joins them, as regression with an intercept needs.
    merge_repeats : bool, default=True
        Whether a row drawn k times appears once with k times the weight.
    tol : float, default=0.01
        Relative accuracy of Lewis weights and of the bounds of sensitivities.
    max_iter : int, default=200
        Most steps for either.
    random_state : int, RandomState, Generator or None, default=None
        Draws the rows. Shuffled rows give the same sample, except for exact ties.

    Attributes
    ----------
    scores_ : ndarray of shape (n_samples,)
        Score of each row, after `fit` only.
    total_ : float
        Their sum (S for "sensitivity"), after `fit` only.
    probabilities_ : ndarray of shape (n_samples,)
        Probability of each row to be drawn, or kept ("bernoulli"), after `fit` only.
    indices_ : ndarray of shape (n_drawn,)
        Rows of the sample; in a stream, counted from its first row.
    weights_ : ndarray of shape (n_drawn,)
        Their weights, which belong to the p-th power of residuals.
    rows_ : ndarray or CSR matrix of shape (n_drawn, n_features)
        The rows themselves, which a stream does not keep elsewhere.
    targets_ : ndarray of shape (n_drawn,), (n_drawn, n_targets) or None
        Their targets.
    error_ : float or None
        After `partial_fit` or `merge`: how far merge-and-reduce has moved any p-norm of the
        columns: at most for p = 2, as far as a search found for other p. The draw of `fit` is not
        counted; None after `fit`.
    n_samples_seen_ : int
        Number of rows seen.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If ``n_samples`` exceeds the number of rows, all rows are zero, y is not numeric and
        ``append_target`` is set, or method and score do not go together.

    Warns
    -----
    UserWarning
        If there are fewer draws than columns: no sample so small keeps all norms.

    See Also
    --------
    SubsampledEstimator : An estimator fitted on such a sample, for Pipelines.
    DPPLeastSquares : Which rows to label, when labels are dear.

    Notes
    -----
    A few leverage passes over X, 2 n d^2 flops each. "Lewis" needs of the order of d log d rows for
    p <= 2 and d^(p/2) for p > 2, divided by eps^2; on tables without rare directions a uniform
    sample is as good and cheaper.

    `fit` and `fit_resample` take what Dask holds: each chunk is sampled with a seed of its own, and
    samples merge in the order of the chunks, as in a stream. Nothing is exact there: ``error_``
    says what it cost. ``random_state`` and the chunks determine the sample, whatever runs where.

    Weights multiply the p-th power: hand them over as ``sample_weight``. To scale rows instead,
    multiply them by ``weights_ ** (1 / p)``.

    References
    ----------
    D. P. Woodruff, T. Yasuda, "Sharper bounds for lp sensitivity sampling", ICML 2023,
    arXiv:2306.00732 (definitions; "combined" for p > 2).
    A. Munteanu, S. Omlor, "Optimal bounds for lp sensitivity sampling via l2 augmentation",
    arXiv:2406.00328 (2024) ("combined" for p <= 2).
    M. B. Cohen, R. Peng, "Lp row sampling by Lewis weights", STOC 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from subspace_learn import SensitivitySampler
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_t(3, size=(20000, 5))
    >>> y = X @ np.arange(5.0) + rng.normal(size=20000)
    >>> sampler = SensitivitySampler(500, random_state=0)
    >>> X_few, y_few, weights = sampler.fit_resample(X, y, return_weights=True)
    >>> few = LinearRegression().fit(X_few, y_few, sample_weight=weights)
    >>> bool(np.abs(few.coef_ - np.arange(5.0)).max() < 0.15)
    True
    """

    _parameter_constraints: dict = {
        "n_samples": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "p": [Interval(Real, 1, None, closed="left")],
        "row_score": [StrOptions(set(SCORES))],
        "law": [StrOptions({"replacement", "bernoulli"})],
        "method": [StrOptions({"auto", "exact", "sketch", "approximate"})],
        "append_target": ["boolean"],
        "append_constant": ["boolean"],
        "merge_repeats": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        n_samples=0.1,
        *,
        p=2.0,
        row_score="lewis",
        law="replacement",
        method="auto",
        append_target=True,
        append_constant=False,
        merge_repeats=True,
        tol=0.01,
        max_iter=200,
        random_state=None,
    ) -> None:
        self.n_samples = n_samples
        self.p = p
        self.row_score = row_score
        self.law = law
        self.method = method
        self.append_target = append_target
        self.append_constant = append_constant
        self.merge_repeats = merge_repeats
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SensitivitySampler:
        """Score all rows and draw the sample.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets.
        sample_weight : array of shape (n_samples,), default=None
            Weights that the rows have already, on the p-th power; multiplied into ``weights_``.

        Returns
        -------
        self : SensitivitySampler
            Fitted.
        """
        block = self._checked_block(X, y, sample_weight, reset=True)
        n = block.rows.shape[0]
        size = self._size(n)
        if size > n:
            raise ValueError(
                f"n_samples={self.n_samples} draws were asked for, but X has {n} sample(s). Choose "
                "fewer, or a share in (0, 1]."
            )
        rng, rule = random_generator(self.random_state), self._rule()
        self.scores_, sample = drawn_from(block, size, rng, rule)
        self.total_ = float(self.scores_.sum())
        self.probabilities_ = sample.probabilities
        target = None if block.targets is None else block.targets[:1]
        n_columns = rule.columns(block.rows[:1], target).shape[1]
        if rule.row_score in ("lewis", "leverage"):  # they sum to the rank
            n_columns = min(n_columns, round(self.total_))
        if size < n_columns:
            warn(
                f"{size} draws cannot keep the norms of columns of rank {n_columns}: what lies in "
                f"other directions is lost. Raise n_samples, to {10 * n_columns} or more."
            )
        self._store(RowStream(rule, [block.chosen(sample)], n, rng))
        self.error_: float | None = None
        return self

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SensitivitySampler:
        """Add a batch of rows of a stream, keeping at most n_samples (1 + log2(batches)) rows.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows, at best many more than the sample.
        y : array of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, in all batches or in none.
        sample_weight : array of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : SensitivitySampler
            Updated; ``error_`` tells what the reductions have cost so far.
        """
        first = not hasattr(self, "indices_")
        block = self._checked_block(X, y, sample_weight, reset=first, may_be_empty=True)
        n_rows = block.rows.shape[0]
        present = block.weights > 0
        if not present.all():  # rows that do not count take no place
            block = block.chosen(
                RowSample(np.flatnonzero(present), np.ones(present.sum()), present)
            )
        self._extend(None if first else self._stream, [block], n_rows)
        return self

    @fit_method
    def merge(self, other: SensitivitySampler) -> SensitivitySampler:
        """Add the sample of ``other``, as if its rows had come after these.

        Parameters
        ----------
        other : SensitivitySampler
            Fitted on other rows of the same columns, with the same p and the same columns
            appended. Not changed.

        Returns
        -------
        self : SensitivitySampler
            Updated.

        Raises
        ------
        TypeError
            If ``other`` is not a SensitivitySampler.
        ValueError
            If the two differ in columns, their names or their order, in p, in what is appended, or
            in having targets.
        """
        check_mergeable(self, other)
        _check_norms(self._stream.rule, other._stream.rule)
        stream = other._stream
        self._extend(self._stream, stream.coresets, stream.n_seen)
        return self

    def fit_resample(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, return_weights: bool = False
    ) -> Any:
        """Fit, and return the rows of the sample in the manner of imbalanced-learn.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows. A DataFrame keeps its index. Of rows held by Dask the sample is an array.
        y : array or Series of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, continuous or (with append_target=False) class labels.
        sample_weight : array of shape (n_samples,), default=None
            As in `fit`.
        return_weights : bool, default=False
            Whether to return the weights too. Without them an estimator on the sample is biased.

        Returns
        -------
        X_resampled : as X
            Rows of the sample.
        y_resampled : as y
            Their targets; left out if y is None.
        weights : ndarray of shape (n_drawn,)
            If ``return_weights``.
        """
        self.fit(X, y, sample_weight)
        tables = [X] if y is None else [X, y]
        if is_lazy(X):  # the rows themselves are here already
            found = [self.rows_, self.targets_][: len(tables)]
        else:
            found = [rows_of(table, self.indices_) for table in tables]
        if return_weights:
            found.append(self.weights_)
        return tuple(found) if len(found) > 1 else found[0]

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Sample each chunk, with a seed of its own, and merge the samples in their order."""
        rng = random_generator(self.random_state)
        seeds = [int(seed) for seed in rng.integers(2**31, size=len(chunks.X))]
        add_up(self, chunks.using("y", "sample_weight").also(random_state=seeds))

    def get_support(self, indices: bool = False) -> np.ndarray:
        """Tell which rows are in the sample.

        Parameters
        ----------
        indices : bool, default=False
            Whether to return row numbers instead of a mask.

        Returns
        -------
        support : ndarray
            Mask of shape (n_samples_seen,), or ascending row numbers.
        """
        check_is_fitted(self)
        if indices:
            return np.unique(self.indices_)
        mask = np.zeros(self.n_samples_seen_, dtype=bool)
        mask[self.indices_] = True
        return mask

    transform = _NoTransform()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "indices_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _rule(self) -> SamplingRule:
        return SamplingRule(**{name: getattr(self, name) for name in SamplingRule._fields})

    def _size(self, n_rows: int) -> int:
        if isinstance(self.n_samples, Integral):
            return int(self.n_samples)
        return max(1, round(float(self.n_samples) * n_rows))

    def _checked_block(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, may_be_empty: bool = False
    ) -> Coreset:
        """Checked rows as a coreset that stands for itself."""
        check_on_host(self, X)
        X = check_samples(self, X, reset=reset, accept_sparse="csr", computed_in=np.float64)
        n = X.shape[0]
        if y is not None and self.append_target:
            y = self._numeric_targets(y, n)
        elif y is not None:
            refuse_masked(y, name=type(self).__name__, input_name="y")
            y = to_numpy(y) if is_array(y) else np.asarray(y)
            if len(y) != n:
                raise ValueError(f"y has {len(y)} rows, but X has {n}. Give one target per row.")
        weights = check_sample_weight(sample_weight, X, may_be_empty=may_be_empty)
        return Coreset(X, y, np.ones(n) if weights is None else weights, np.arange(n))

    def _numeric_targets(self, y: Any, n: int) -> np.ndarray:
        try:
            return check_targets(self, y, n)
        except ValueError as error:
            if np.asarray(y).dtype.kind not in "OUS" or "is missing" in str(error):
                raise
            raise ValueError(
                f"{error} Text cannot be a column beside X: set append_target=False for class "
                "labels."
            ) from error

    def _extend(self, stream: RowStream | None, blocks: list[Coreset], n_rows: int) -> None:
        """Add blocks that stand for ``n_rows`` rows to a stream, or begin one."""
        rule = self._rule()
        if stream is None:
            stream = RowStream(rule, [], 0, random_generator(self.random_state))
        _check_norms(stream.rule, rule)
        for block in blocks:
            _check_alike([*stream.coresets, block])
        size = self._size(stream.n_seen + n_rows)
        if not isinstance(self.n_samples, Integral):
            size = max(size, _ROWS_PER_COLUMN * self.n_features_in_)
        self._store(stream._replace(rule=rule).extended(blocks, n_rows, size))
        for name in ("scores_", "total_", "probabilities_"):
            self.__dict__.pop(name, None)
        self.error_ = max(part.error for part in self._stream.coresets)

    def _store(self, stream: RowStream) -> None:
        self._stream, self.n_samples_seen_ = stream, stream.n_seen
        whole = whole_stream(stream.coresets)
        self.indices_, self.weights_ = whole.indices, whole.weights
        self.rows_, self.targets_ = whole.rows, whole.targets


def _check_norms(ours: SamplingRule, theirs: SamplingRule) -> None:
    """Raise ValueError unless two samples keep the same norms."""
    for name in ("p", "append_target", "append_constant"):
        first, second = getattr(ours, name), getattr(theirs, name)
        if first != second:
            raise ValueError(
                f"Rows sampled with {name}={first} and rows sampled with {name}={second} keep "
                f"different norms and cannot be added. Use one {name} for all."
            )


def _check_alike(parts: list[Coreset]) -> None:
    """Raise ValueError unless all parts are dense or all sparse, with targets of one shape."""
    kinds = {
        (None if part.targets is None else part.targets.shape[1:], sp.issparse(part.rows))
        for part in parts
    }
    if len(kinds) > 1:
        raise ValueError(
            "A batch differs from those before: all must be dense or all sparse, and y must have "
            "the same columns in all batches or be left out in all."
        )
