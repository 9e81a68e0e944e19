"""Fits that can be continued: covariance sums take further rows, or those of another fit."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import fit_method
from .._checks.table import check_sample_weight
from ..functional.random_matrix.random_matrix_filter import (
    ColumnSums,
    Spectrum,
    column_sums,
    covariance_spectrum,
    merged_column_sums,
    sums_scale,
)
from ._filter_options import (
    check_mergeable,
    check_stream_options,
    degrees_of_freedom,
    kept_sums,
)
from ._signal_projection import SignalProjection
from ._spiked_fit import SpikedFit, spiked_fit, warn_of_departures

__all__ = ["SumStream"]


class SumStream(SignalProjection):
    """``partial_fit`` and ``merge`` of an estimator that keeps ``_sums`` and stores spiked fits."""

    center: bool
    standardize: Any
    _sums: ColumnSums | None

    @available_if(check_stream_options)
    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add a batch of rows to the covariance sums of those before, and solve again.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library of the batches before; the first batch needs two.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

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
        X = self._checked(X, reset=first, method="partial_fit", min_samples=2 if first else 1)
        weights = check_sample_weight(sample_weight, X)
        sums = column_sums(X, weights, center=self.center)
        if first:
            self._dtype, self.solver_ = X.dtype, "covariance"
        else:
            sums = merged_column_sums(kept_sums(self), sums, center=self.center)
        return self._refitted(sums)

    @available_if(check_stream_options)
    @fit_method
    def merge(self, other: Self) -> Self:
        """Add the rows that ``other`` was fitted on, without seeing them.

        Parameters
        ----------
        other : RandomMatrixFilter
            Fitted on other rows of the same features, with the same ``center``. Not changed.

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
            If the two differ in features or in ``center``, or one kept no sums.
        """
        if not isinstance(other, SumStream):
            raise TypeError(f"merge needs another RandomMatrixFilter, but was given {type(other)}.")
        check_is_fitted(self)
        check_is_fitted(other)
        check_mergeable(self, other)
        sums = merged_column_sums(kept_sums(self), kept_sums(other), center=self.center)
        return self._refitted(sums)

    @abstractmethod
    def _store(self, fitted: SpikedFit) -> None:
        """Bind what was found."""

    def _covariance_spectrum(
        self, sums: ColumnSums, n_samples: float, scale: Array | None
    ) -> Spectrum:
        eps = float(array_namespace(sums.first).finfo(self._dtype).eps)
        return covariance_spectrum(sums, n_samples, scale, eps=eps)

    def _refitted(self, sums: ColumnSums) -> Self:
        """Solve for what the sums determine."""
        n_samples = degrees_of_freedom(sums.moments.weight, self.center)
        scale = sums_scale(sums, n_samples) if self.standardize == "features" else None
        spectrum = self._covariance_spectrum(sums, n_samples, scale)
        mean = sums.moments.mean if scale is None else sums.moments.mean / scale
        self._sums, self.n_samples_seen_ = sums, sums.moments.n_samples
        self._store(spiked_fit(self, spectrum, mean, scale, None))
        warn_of_departures(self, None)
        return self
