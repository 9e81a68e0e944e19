"""AugmentedCovariances: epochs to covariance matrices of their delay embedding."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.utils import Tags

from .._array import Array, array_namespace, device_of, is_numpy, to_numpy
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method
from .._checks.epochs import check_epochs, warn_of_unequal_channels
from .._checks.magnitude import check_magnitude
from .._checks.table import check_like
from .._distributed import Chunks
from ..functional.covariance.augmented_covariance import (
    augmented_covariances,
    embedded_length,
    lagged_trials,
)
from ..functional.covariance.filter_bank import block_diagonal, check_band
from ._filter_bank import checked_bands, signals_in
from ._order_and_lag import Cell, lag_in_samples, warn_if_singular

__all__ = ["AugmentedCovariances"]


def _checked(X: Any, *, estimator: AugmentedCovariances) -> AugmentedCovariances:
    """An estimator that has seen the epochs of a chunk."""
    return clone(estimator).fit(X)


class AugmentedCovariances(TransformerMixin, SubspaceEstimator):
    r"""Turn each epoch into the covariance matrix of its delay embedding.

    An epoch :math:`x(t)` of C channels becomes the covariance of the stacked signal

    .. math:: z(t) = [x(t), x(t + \tau), \dots, x(t + (p - 1) \tau)], \qquad
              t = 0, \dots, T - (p - 1) \tau - 1,

    which holds what the spatial covariance (order p = 1) holds, and the auto- and
    cross-covariances of the channels at p - 1 delays: rhythms, not only power.

    Parameters
    ----------
    order : int, default=1
        Number of copies p. 1 gives the spatial covariance, whatever the lag.
    lag : int or float, default=1
        Delay :math:`\tau` between two copies: an int in samples, a float in seconds (needs
        ``sfreq``, or ``mne.Epochs``).
    estimator : {"oas", "lwf", "scm"}, default="oas"
        Shrinkage towards a multiple of the identity: oracle approximating, Ledoit-Wolf, or none
        (sample covariance), all in closed form.
    structure : {"full", "toeplitz"}, default="full"
        "toeplitz" assumes stationary epochs: every block is the biased autocovariance at its
        delay, over all T times. Never indefinite, and what ``metric="siegel"`` works on.
    dtype : {"float32", "float64"} or dtype, default=None
        Of the matrices; None keeps that of X. All sums are taken in float64.
    bands : sequence of (float, float), default=None
        Frequency bands, pairs of edges in Hz: the matrix is block-diagonal then, with one augmented
        covariance in each band (see :class:`AugmentedCovarianceClassifier`).
    sfreq : float, default=None
        Sampling rate in Hz, for ``bands`` and a lag in seconds. ``mne.Epochs`` bring their own.

    Attributes
    ----------
    sfreq_ : float or None
        Sampling rate of the epochs of fit, if known.
    ch_names_ : list of str or None
        Names of the channels, if these were ``mne.Epochs``: later ones must have the same.
    n_features_in_ : int
        Number of channels (of times, if X was a table).
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X was a table that had them.

    Raises
    ------
    ValueError
        If ``(order - 1) * lag`` leaves fewer than two times; if X holds NaN (the epochs are named);
        if a band is not below half the sampling rate, or the epochs do not hold a period of it.

    See Also
    --------
    AugmentedCovarianceClassifier : Chooses order and lag, and classifies.
    pyriemann.estimation.Covariances : Spatial covariances by more estimators.

    Notes
    -----
    Costs about 2 p C^2 T flops for each epoch, and memory for the result alone: the embedding is
    never built. `transform` needs no `fit`; a fitted one refuses another number of
    channels, another sampling rate or another array library.

    Epochs held by Dask are mapped chunk by chunk, which changes no number; `fit` looks at the
    first chunk alone.

    Matrices are in the squared units of X. Channels in several units (volts beside teslas) need one
    unit first, since shrinkage has one scale for all: `fit` warns where channels differ by a factor
    of 30 or more. :class:`AugmentedCovarianceClassifier` sees to that itself.

    Where it fails: with T - (p - 1) lag below p C the sample covariance is singular (a warning says
    so) and only shrinkage makes it invertible. Condition numbers grow quickly with the order in
    narrow bands. The published code drops one lag more than needed.

    References
    ----------
    I. Carrara, T. Papadopoulo, "Classification of BCI-EEG based on the augmented covariance
    matrix", IEEE Trans. Biomed. Eng. 2024, arXiv:2302.04508. Y. Chen, A. Wiesel, Y. C. Eldar, A. O.
    Hero, "Shrinkage algorithms for MMSE covariance estimation", IEEE Trans. Signal Process. 2010,
    equation 23 (oas).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.covariance import AugmentedCovariances
    >>> X = np.random.default_rng(0).normal(size=(5, 3, 200))  # 5 epochs, 3 channels
    >>> AugmentedCovariances(order=4, lag=2).fit_transform(X).shape
    (5, 12, 12)
    """

    _parameter_constraints: dict = {
        "order": [Interval(Integral, 1, None, closed="left")],
        "lag": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, None, closed="neither"),
        ],
        "estimator": [StrOptions({"oas", "lwf", "scm"})],
        "structure": [StrOptions({"full", "toeplitz"})],
        "dtype": [StrOptions({"float32", "float64"}), type, np.dtype, None],
        "bands": ["array-like", None],
        "sfreq": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        order=1,
        lag=1,
        *,
        estimator="oas",
        structure="full",
        dtype=None,
        bands=None,
        sfreq=None,
    ) -> None:
        self.order = order
        self.lag = lag
        self.estimator = estimator
        self.structure = structure
        self.dtype = dtype
        self.bands = bands
        self.sfreq = sfreq

    @fit_method
    def fit(self, X: Any, y: Any = None) -> AugmentedCovariances:
        """Check the epochs and the parameters; nothing is learnt.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals; a table holds one channel per row.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : AugmentedCovariances
            Itself.
        """
        X, recording = check_epochs(self, X, reset=True)
        if self.estimator != "scm":
            power = to_numpy(lagged_trials(X).power()).mean(axis=0)
            warn_of_unequal_channels(
                power,
                np.full(len(power), power.mean() ** 0.5 if power.any() else 1.0),
                recording.ch_names,
                f"estimator={self.estimator!r} shrinks all channels towards one variance, in which "
                "the small ones are lost.",
            )
        embedded_length(X.shape[2], self.order, lag_in_samples(self.lag, self.sfreq_))
        for band in checked_bands(self.bands, self.sfreq_) or ():
            check_band(band, self.sfreq_ or 0.0, X.shape[2])
        self._library_of_fit = array_namespace(X).empty((0,), dtype=X.dtype, device=device_of(X))
        return self

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Check the first chunk; nothing is learnt."""
        first = chunks.using().some([0])
        self.__dict__.update(vars(first.total(_checked, None, estimator=clone(self))))

    def transform(self, X: Any) -> Array:
        """Augmented covariance matrices.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals.

        Returns
        -------
        covariances : array of shape (n_epochs, order * n_channels, order * n_channels)
            Exactly symmetric, in the library and on the device of X; of n_bands times that size
            with ``bands``.
        """
        self._validate_params()
        if hasattr(self, "_library_of_fit"):
            check_like(X, self._library_of_fit, where=f"{type(self).__name__}.transform()")
        X, recording = check_epochs(self, X, reset=False, method="transform")
        cell = Cell(self.order, lag_in_samples(self.lag, recording.sfreq))
        warn_if_singular(X.shape[1], X.shape[2], cell, self.estimator, self.structure)
        width = str(X.dtype).rpartition(".")[2] if self.dtype is None else np.dtype(self.dtype).name
        # sums are in float64, but their squares must be there in the result
        check_magnitude(X, name=type(self).__name__, like=width)
        dtype = np.dtype(width) if is_numpy(X) else getattr(array_namespace(X), width)
        options = {"estimator": self.estimator, "structure": self.structure, "dtype": dtype}
        parts = signals_in(self.bands, X, recording.sfreq)
        return block_diagonal([augmented_covariances(part, *cell, **options) for _, part in parts])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.array_api_support = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = (
            ["float64", "float32"] if self.dtype is None else [np.dtype(self.dtype).name]
        )
        return tags
