"""SSMClassifier: sequences by stacked state space layers."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Tags

from .._array import Array, array_namespace, is_array, library_name, to_numpy
from .._base import Interval, StrOptions, warn
from .._checks.epochs import check_epochs, is_recording, warn_if_transposed
from .._checks.table import check_samples
from ._classifier import BaseDeepClassifier
from ._documentation import with_training_parameters
from ._input import refuse_unequal_lengths

__all__ = ["SSMClassifier"]


@with_training_parameters()
class SSMClassifier(BaseDeepClassifier):
    r"""Classify sequences by what stacked linear systems make of them.

    Channels are mapped to ``d_model`` features at each time; each of ``n_layers`` blocks sends
    them through linear systems :math:`x' = A x + B u,\ y = C x + D u` with diagonal A
    (:class:`S4DLayer` or :class:`S5Layer`), a GELU and a gated linear layer, adds the result to
    its input and normalises; the mean over time goes to a linear classifier. All of it is trained
    on the cross-entropy.

    Parameters
    ----------
    layer : {"s4d", "s5"}, default="s4d"
        One system for each feature, or one for all of them.
    init : {"legs", "lin", "inv", "ptd"}, default="lin"
        Where the systems start, see :class:`S4DLayer`. "ptd" is robust to a sinusoid at the one
        frequency at which "legs" resonates.
    d_model : int, default=32
        Number of features.
    d_state : int, default=32
        State size of a system, even.
    n_layers : int, default=2
        Number of blocks.
    dropout : float, default=0.0
        Share of features switched off in training, in [0, 1).
    dt_min : float, default=1e-3
        Smallest initial step: a system remembers about 1 / dt samples, and "lin" starts with
        angular frequencies 0, pi dt, 2 pi dt, ... per sample.
    dt_max : float, default=1e-1
        Largest initial step.
    bidirectional : bool, default=False
        Whether each system also runs backwards in time.
    state_lr : float, default=1e-3
        Learning rate of eigenvalues, steps and (of "s5") inputs, which have no weight decay either.
    lr : float, default=1e-2
        Learning rate of all other parameters.
    batch_size : int or None, default=32
        Sequences of a batch; None takes all at every step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_channels_ : int
        Number of channels of a sequence; 1 if X was a table.
    ch_names_ : list of str or None
        Names of the channels, if X was ``mne.Epochs``: later ones must have the same order.
    sfreq_ : float or None
        Sampling rate of such epochs in Hz: later ones must have the same.

    See Also
    --------
    subspace_learn.HiPPOTransformer : Features of sequences without training.
    subspace_learn.AugmentedCovarianceClassifier : For oscillations, ten times faster to fit.

    Notes
    -----
    **Layout.** X is (n_samples, length, channels), time before channels, as torch has it. A table
    is taken as sequences of one channel. ``mne.Epochs`` (anything with ``get_data`` and ``info``)
    is known to be (n_epochs, n_channels, n_times) and is turned around; arrays cannot be told
    apart, so turn epochs around yourself: ``X.transpose(0, 2, 1)``; this includes what
    :class:`mne.decoding.Scaler` returns. EEG is in volts there, where a network learns nothing:
    bring it to about unit variance first, with ``epochs.apply_function(lambda x: 1e5 * x)`` for
    example, which keeps names and rate. A warning names the size of X if it is far from 1.

    Sequences of any length may follow those of `fit`, if X was not a table. Costs for each batch
    are those of the layers; "s5" is about twice as fast as "s4d" on a CPU.

    References
    ----------
    A. Gu, A. Gupta, K. Goel, C. Re, "On the Parameterization and Initialization of Diagonal State
    Space Models", NeurIPS 2022, arXiv:2206.11893.

    J. T. H. Smith, A. Warrington, S. W. Linderman, "Simplified State Space Layers for Sequence
    Modeling", ICLR 2023, arXiv:2208.04933.

    A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney, N. B. Erichson, "Robustifying State-space Models
    for Long Sequences via Approximate Diagonalization", ICLR 2024, arXiv:2310.01698.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.deep import SSMClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, size=100)
    >>> phase = np.arange(50) * np.where(y, 0.4, 0.5)[:, None] + rng.uniform(0, 6, size=(100, 1))
    >>> X = np.sin(phase)[:, :, None]  # two frequencies, (n_samples, length, channels)
    >>> clf = SSMClassifier(d_model=8, n_layers=1, max_epochs=20, lr=0.02, random_state=0)
    >>> clf.fit(X[:80], y[:80]).score(X[80:], y[80:]) > 0.9
    True
    """

    _kind_of_input = "sequences"
    _parameter_constraints: dict = {
        **BaseDeepClassifier._parameter_constraints,
        "layer": [StrOptions({"s4d", "s5"})],
        "init": [StrOptions({"inv", "legs", "lin", "ptd"})],
        "d_model": [Interval(Integral, 1, None, closed="left")],
        "d_state": [Interval(Integral, 2, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "dt_min": [Interval(Real, 0, None, closed="neither")],
        "dt_max": [Interval(Real, 0, None, closed="neither")],
        "bidirectional": ["boolean"],
        "state_lr": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        layer="s4d",
        *,
        init="lin",
        d_model=32,
        d_state=32,
        n_layers=2,
        dropout=0.0,
        dt_min=1e-3,
        dt_max=1e-1,
        bidirectional=False,
        state_lr=1e-3,
        class_weight=None,
        max_epochs=50,
        lr=1e-2,
        batch_size=32,
        optimizer="adamw",
        weight_decay=0.0,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype=None,
        random_state=None,
        verbose=0,
        net_params=None,
    ):
        super().__init__(
            max_epochs=max_epochs,
            lr=lr,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            callbacks=callbacks,
            device=device,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
            net_params=net_params,
        )
        self.layer = layer
        self.init = init
        self.d_model = d_model
        self.d_state = d_state
        self.n_layers = n_layers
        self.dropout = dropout
        self.dt_min = dt_min
        self.dt_max = dt_max
        self.bidirectional = bidirectional
        self.state_lr = state_lr
        self.class_weight = class_weight

    def _checked(self, X: Any, *, reset: bool, method: str) -> Array:
        """Sequences, (n_samples, length, channels)."""
        X = checked_sequences(self, X, reset=reset, method=method)
        if reset:
            self.n_channels_ = X.shape[2]
        elif X.shape[2] != self.n_channels_:  # a table now and none then, or the reverse
            raise ValueError(
                f"X has sequences of {X.shape[2]} channels, but {type(self).__name__} was fitted "
                f"with {self.n_channels_}. A table counts as sequences of one channel; a single "
                "sequence is X[None]."
            )
        return X if library_name(X) == "torch" else to_numpy(X)

    def _build_module(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> Any:
        from ._state_space_net import StateSpaceNet

        return StateSpaceNet(
            self.n_channels_,
            n_outputs,
            self.layer,
            self.d_model,
            self.n_layers,
            self.dropout,
            d_state=self.d_state,
            init=self.init,
            dt_min=self.dt_min,
            dt_max=self.dt_max,
            bidirectional=self.bidirectional,
        )

    def _optimizer(self) -> tuple[str | Callable[..., Any], dict[str, Any]]:
        from ._state_space_net import STATE_PARAMETERS

        own = {"lr": self.state_lr, "weight_decay": 0.0}
        return self.optimizer, {"param_groups": [(STATE_PARAMETERS, own)]}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def checked_sequences(estimator: Any, X: Any, *, reset: bool, method: str) -> Array:
    """Check sequences as :func:`~subspace_learn._checks.epochs.check_epochs` does epochs.

    Raises
    ------
    ValueError
        As there; or if a sequence has length 1: that is a row, not a sequence.
    """
    name = type(estimator).__name__
    if is_recording(X):
        X = _turned(check_epochs(estimator, X, reset=reset, method=method, power=2)[0])
        if reset:
            _warn_of_units(X)
        return X
    if not (is_array(X) or hasattr(X, "ndim")):
        refuse_unequal_lengths(X, f"{name}.{method}()", "sequences", "times")
        X = np.asarray(X)  # lists
    if X.ndim > 3:
        raise ValueError(
            f"{name}.{method}() expects sequences of shape (n_samples, length, channels), or "
            f"(n_samples, length) for one channel, but got a {X.ndim}D array of shape "
            f"{tuple(X.shape)}."
        )
    if X.ndim < 3:
        X = check_samples(estimator, X, reset=reset, method=method)
        X = array_namespace(X).expand_dims(X, axis=2)
        if reset:
            estimator.ch_names_ = estimator.sfreq_ = None
    elif X.shape[1] != 1:
        X, recording = check_epochs(
            estimator, X.swapaxes(1, 2), reset=reset, method=method, power=2
        )
        if reset:
            warn_if_transposed(X, recording, "(n_samples, length, channels)")
        X = _turned(X)
    if X.shape[1] == 1:
        raise ValueError(
            f"{name}.{method}() needs sequences of length 2 or more, but was given length 1 (of a "
            "table: n_features = 1). X is (n_samples, length, channels), or (n_samples, length) "
            "for one channel. For rows without time, use DeepClassifier."
        )
    if reset:
        _warn_of_units(X)
    return X


def _warn_of_units(X: Array) -> None:
    """Warn of numbers so small or large that steps of usual size learn nothing from them."""
    xp = array_namespace(X)
    squares = xp.mean(xp.astype(X, xp.float64, copy=False) ** 2, axis=(0, 1))
    size = float(xp.mean(squares)) ** 0.5
    sizes = to_numpy(squares) ** 0.5
    weak = np.flatnonzero((sizes > 0) & (sizes < 1e-4 * sizes.max()))
    if len(weak):
        warn(
            f"Channel {weak[0]} of X has a root mean square of {sizes[weak[0]]:.3g}, the largest "
            f"{sizes.max():.3g}: a network learns nothing from channels so much smaller than "
            f"others ({len(weak)} of {len(sizes)} here). Bring all to one size, here and in "
            "predict: they may be in different units."
        )
    if size > 0 and not 1e-3 < size < 1e3:
        warn(
            f"The root mean square of X is {size:.3g}, but a network learns from numbers of about "
            f"1. Multiply X by {1 / size:.1g}, here and in predict (EEG of MNE is in volts)."
        )


def _turned(X: Array) -> Array:
    """Channels before times to times before channels."""
    return array_namespace(X).permute_dims(X, (0, 2, 1))
