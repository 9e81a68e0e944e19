"""HiPPOTransformer: a series as the coefficients of an online memory, and back."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, double, move_like, to_numpy
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method
from .._checks.epochs import check_epochs, warn_if_transposed
from .._checks.table import check_like, check_scores
from ..functional.sequence.hippo import MEASURES, hippo_operator, hippo_trajectory

__all__ = ["HiPPOTransformer"]


class HiPPOTransformer(TransformerMixin, SubspaceEstimator):
    r"""Project each series on polynomials or waves of its past, as an online memory does.

    A memory of n numbers follows :math:`c' = A c + B x`, such that
    :math:`\sum_n c_n g_n` is the best approximation of the past of x under a measure: all of the
    past alike ("legs"), or its last ``window`` samples ("legt", "fout"). `transform` gives the
    memory after the last sample, `trajectory` after each, `inverse_transform` the series that the
    memory remembers.

    Parameters
    ----------
    n_coefficients : int, default=16
        Size n of the memory, for each channel. Odd for "fout".
    measure : {"legs", "legt", "fout"}, default="legs"
        Legendre polynomials on the whole past; Legendre polynomials, or a Fourier series, on a
        window.
    window : float, default=None
        Length of the window of "legt" and "fout" in samples, at least 1. None means the length of
        the series.

    Attributes
    ----------
    operator_ : array of shape (n_times, n_coefficients)
        Maps a series of the length in fit to its coefficients.
    reconstruction_ : array of shape (n_coefficients, n_out)
        Maps coefficients to the mean of the reconstruction over each sample; n_out is n_times for
        "legs", else the samples in the window.
    n_times_ : int
        Length of the series in fit.
    n_channels_ : int
        Number of channels; 1 if X was a table.
    ch_names_ : list of str or None
        Names of the channels, if X was ``mne.Epochs``: later ones must have the same order.
    sfreq_ : float or None
        Sampling rate of such epochs in Hz: later ones must have the same.
    n_features_in_ : int
        Number of channels (of times, if X was a table).
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X was a table that had them.

    Raises
    ------
    ValueError
        If the series have fewer than two samples, hold NaN (the series are named), if
        ``measure="fout"`` and ``n_coefficients`` is even, or if ``mne.Epochs`` differ from those of
        fit in channels, order or rate.

    See Also
    --------
    ptd_legs : The same memory as independent complex modes.
    sklearn.decomposition.PCA : The best linear projection of series that resemble those of fit.

    Notes
    -----
    `fit` learns nothing but the shape. The recurrence of all samples is summed up in one matrix, in
    closed form and without error of the step: O(n_times n) a series. A 3-D X of another length
    than in fit gets its own matrix, O(n_times n^2), and the same number of coefficients.

    "legs" is the exact least squares projection of the stair of samples. "legt" and "fout" differ
    from it on their window, since a memory must guess the value that leaves the window.

    Where it fails: n polynomials follow about n / pi waves over the past; a jump is followed to
    O(1 / n) in the mean. "legs" forgets old detail as the past grows. With all the data at hand a
    cosine transform or PCA keeps as much: the memory is for series that come sample by sample.

    References
    ----------
    A. Gu, T. Dao, S. Ermon, A. Rudra, C. Re, "HiPPO: Recurrent Memory with Optimal Polynomial
    Projections", NeurIPS 2020, Theorems 1 and 2. A. Gu, I. Johnson, A. Timalsina, A. Rudra, C. Re,
    "How to Train Your HiPPO", ICLR 2023 ("fout").

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn import HiPPOTransformer
    >>> t = np.linspace(0, 1, 200)
    >>> X = np.sin(8 * t + np.arange(5)[:, None])
    >>> memory = HiPPOTransformer(12).fit(X)
    >>> coefficients = memory.transform(X)
    >>> coefficients.shape
    (5, 12)
    >>> bool(np.abs(memory.inverse_transform(coefficients) - X).max() < 1e-2)
    True
    """

    _parameter_constraints: dict = {
        "n_coefficients": [Interval(Integral, 1, None, closed="left")],
        "measure": [StrOptions(set(MEASURES))],
        "window": [Interval(Real, 1, None, closed="left"), None],
    }

    def __init__(self, n_coefficients=16, *, measure="legs", window=None) -> None:
        self.n_coefficients = n_coefficients
        self.measure = measure
        self.window = window

    @fit_method
    def fit(self, X: Any, y: Any = None) -> HiPPOTransformer:
        """Make the matrix of the memory for series of this length.

        Parameters
        ----------
        X : array of shape (n_series, n_channels, n_times) or (n_series, n_times), or mne.Epochs
            Series; a table holds one channel per row.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : HiPPOTransformer
            Itself.
        """
        X, recording = check_epochs(self, X, reset=True, power=2)
        warn_if_transposed(X, recording, "(n_series, n_channels, n_times)")
        self._is_table = X.shape[1] != self.n_features_in_  # of a table: the times
        self.n_channels_, self.n_times_ = X.shape[1], X.shape[2]
        self.operator_, self.reconstruction_ = self._matrices(X)
        return self

    def transform(self, X: Any) -> Array:
        """Coefficients after the last sample.

        Parameters
        ----------
        X : array of shape (n_series, n_channels, n_times) or (n_series, n_times)
            Series.

        Returns
        -------
        coefficients : array of shape (n_series, n_channels * n_coefficients)
            Channel by channel, in the library and on the device of X.
        """
        X = self._checked(X, "transform")
        forward = self.operator_ if X.shape[2] == self.n_times_ else self._matrices(X)[0]
        # float64: a level far above the changes of a float32 series would drown its coefficients
        coefficients = array_namespace(X).astype(double(X) @ forward, X.dtype)
        return array_namespace(X).reshape(coefficients, (X.shape[0], -1))

    def trajectory(self, X: Any) -> Array:
        """Coefficients after each sample: the memory as it is kept online.

        Parameters
        ----------
        X : array of shape (n_series, n_channels, n_times) or (n_series, n_times)
            Series.

        Returns
        -------
        coefficients : array of shape (n_series, n_times, n_channels * n_coefficients)
            The last along time are those of `transform`. Computed on the host, in float64; the
            result goes back to the library, device and float width of X.
        """
        X = self._checked(X, "trajectory")
        n_series, n_channels, n_times = X.shape
        path = hippo_trajectory(
            to_numpy(X).reshape(-1, n_times), self.measure, self.n_coefficients, self.window
        )
        path = path.reshape(n_series, n_channels, n_times, -1).swapaxes(1, 2)
        path = move_like(np.ascontiguousarray(path.reshape(n_series, n_times, -1)), X)
        return array_namespace(X).astype(path, X.dtype)

    def inverse_transform(self, X: Any) -> Array:
        """The series that the memory remembers.

        Parameters
        ----------
        X : array of shape (n_series, n_channels * n_coefficients)
            Coefficients that `transform` returned for series of the length in fit.

        Returns
        -------
        series : array of shape (n_series, n_channels, n_out) or (n_series, n_out)
            Means over each sample's interval: of all samples for "legs", else of those in the
            window. A table if fit was given one.
        """
        check_is_fitted(self)
        width = self.n_channels_ * self.n_coefficients
        coefficients = check_scores(
            self, X, n_features=width, like=self.operator_, method="inverse_transform"
        )
        xp = array_namespace(coefficients)
        shape = (coefficients.shape[0], self.n_channels_, self.n_coefficients)
        series = double(xp.reshape(coefficients, shape)) @ self.reconstruction_
        series = xp.astype(series, coefficients.dtype)
        return series[:, 0, :] if self._is_table else series

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the coefficients.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency.

        Returns
        -------
        names : ndarray of str
            Such as "legs3", or "channel2_legs3" if there are several channels.
        """
        check_is_fitted(self)
        names = [f"{self.measure}{k}" for k in range(self.n_coefficients)]
        if self.n_channels_ > 1:
            names = [f"channel{c}_{name}" for c in range(self.n_channels_) for name in names]
        return np.asarray(names, dtype=object)

    def _checked(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        check_like(X, self.operator_, where=f"{type(self).__name__}.{method}()")
        X, _ = check_epochs(self, X, reset=False, method=method, power=2)
        if X.shape[1] != self.n_channels_:
            raise ValueError(
                f"X has {X.shape[1]} channels, but {type(self).__name__} was fitted with a "
                "table of one. Give X of shape (n_series, n_times), or fit again."
            )
        return X

    def _matrices(self, X: Array) -> list[Array]:
        """Both matrices for the length of X, in float64, in its library."""
        pair = hippo_operator(self.measure, self.n_coefficients, X.shape[2], self.window)
        return [move_like(matrix, X) for matrix in pair]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
