"""AugmentedCovarianceClassifier: order, lag and classifier of delay-augmented covariances."""

from __future__ import annotations

import functools
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, move_like, to_numpy
from .._base import RANDOM_STATE, Interval, StrOptions, SubspaceEstimator, fit_method, progress
from .._checks.epochs import Recording, check_epochs, check_power, warn_of_unequal_channels
from .._checks.table import check_groups, check_labels, check_sample_weight
from ..functional.covariance.augmented_covariance import LaggedTrials, lagged_trials
from ..functional.covariance.embedding_selection import afnn_order_and_lag, mdop_order_and_lag
from ._decision_rules import decision_rule, tangent_classifier
from ._filter_bank import checked_bands
from ._geometry import FilterBankGeometry, geometry_of, trials_in, unit_scale
from ._order_and_lag import (
    Cell,
    View,
    candidate_cells,
    checked_candidates,
    folds,
    searched,
    warn_if_singular,
)

__all__ = ["AugmentedCovarianceClassifier"]


def _has(method: str) -> Any:
    """Check for `available_if`: nearest means have every method, else the classifier decides."""

    def check(self: AugmentedCovarianceClassifier) -> bool:
        fitted = hasattr(self, "classifier_")
        if self.classifier_ is None if fitted else self.classifier == "mdm":
            return True
        inner = self.classifier_ if fitted else tangent_classifier(self.classifier)
        if not hasattr(inner, method):
            raise AttributeError(
                f"classifier={self.classifier!r} has no {method}. Use classifier='lr' or 'mdm', "
                "or wrap the whole in sklearn.calibration.CalibratedClassifierCV."
            )
        return True

    return available_if(check)


class AugmentedCovarianceClassifier(ClassifierMixin, SubspaceEstimator):
    r"""Classify epochs by the covariance of their delay embedding, on the SPD manifold.

    Each epoch becomes an augmented covariance matrix (see :class:`AugmentedCovariances`) of order
    p and lag :math:`\tau`; matrices become tangent vectors :math:`\log(M^{-1/2} S M^{-1/2})` at a
    reference M, and these go to a linear classifier; or the nearest class mean decides. Order 1 is
    the usual spatial covariance. With ``bands`` an epoch becomes one such matrix in each of several
    frequency bands.

    Parameters
    ----------
    order : int or "auto", default="auto"
        Number of delayed copies; "auto" chooses from ``orders`` and 1.
    lag : int, float or "auto", default="auto"
        Delay between copies, int in samples or float in seconds; "auto" chooses from ``lags``.
    orders : sequence of int, default=(1, 2, 3, 4, 6, 8)
        Candidates. Cells with fewer embedded times than rows are left out, order 1 is added.
    lags : sequence of int or float, default=(1, 2, 3, 4, 6, 8)
        Candidates, in samples or seconds.
    bands : sequence of (float, float), "auto" or None, default=None
        Frequency bands: pairs of edges in Hz, which may overlap. Each epoch is filtered into each
        band, without a shift in time, and becomes one matrix of the same order and lag in each.
        Needs the sampling rate. None leaves epochs as they are. "auto" compares that with two
        generic bands, 5 to 15 and 13 to 27 Hz, by the accuracy on the folds of ``cv``.
    selection : {"cv", "mdop", "afnn"}, default="cv"
        How "auto" chooses, always on the training epochs only:

        - "cv": cross-validated accuracy; of all cells within one standard error of the best, the
          lowest order (with ``bands="auto"``, the fewest blocks: bands times squared order).
        - "mdop": maximising derivatives on projection, without labels.
        - "afnn": mutual information and averaged false neighbours, without labels.

        The last two look no further than the largest candidates, at epochs as they are.
    estimator : {"oas", "lwf", "scm"}, default="oas"
        Shrinkage of the covariances.
    structure : {"full", "toeplitz"}, default="full"
        Whether the epochs are taken to be stationary.
    metric : str, default="riemann"
        "riemann" (affine invariant), "logeuclid", "wasserstein", "siegel" (needs
        ``structure="toeplitz"``), or any metric of pyRiemann, computed by it.
    reference : {"arithmetic", "mean"}, default="arithmetic"
        Where the tangent space touches: the arithmetic mean of the training matrices, or the mean
        of the metric. Not used by "mdm", which takes the means of the metric.
    classifier : {"svm", "lr", "mdm"} or estimator, default="svm"
        Linear support vector machine, logistic regression (both with C=1), minimum distance to the
        class means, or a scikit-learn classifier for the tangent vectors.
    cv : int, splitter or iterable, default=5
        Folds of "cv", in the order of the epochs. An int is lowered to the number of groups, or of
        epochs in the smallest class. With ``groups`` (sessions, runs) no group is in two folds;
        give them where neighbouring epochs resemble each other. Folds that train without one of
        the classes are left out, with a warning.
    tol : float, default=1e-8
        Stops an iterated mean: Frobenius norm of its gradient, a relative error.
    max_iter : int, default=50
        Most iterations of a mean.
    sfreq : float, default=None
        Sampling rate in Hz, for ``bands`` and for lags in seconds; ``mne.Epochs`` bring their own.
    n_jobs : int, default=None
        Threads for the decompositions of the matrices.
    random_state : int, RandomState, Generator or None, default=None
        For a ``classifier`` with a ``random_state`` of None; "svm", "lr" and "mdm" draw nothing.
    verbose : int, default=0
        Whether a line is printed for each candidate.

    Attributes
    ----------
    scale_ : ndarray of shape (n_channels,) or (n_bands, n_channels)
        Root mean square of the training signals, one number for each type of channel of
        ``mne.Epochs`` (volts beside teslas), else for all, in each band: signals are divided by it
        first, so that units never matter, and no band outweighs another.
    bands_ : ndarray of shape (n_bands, 2) or None
        Bands in use, in Hz; None if epochs are taken as they are.
    order_ : int
        Order in use.
    lag_ : int
        Lag in use, in samples; 1 if the order is 1.
    cv_results_ : dict or None
        Of "cv" and of ``bands="auto"``: parameters, scores of every fold, mean, standard deviation
        and rank of each cell, as in GridSearchCV; None if nothing was searched.
    reference_ : array of shape (d, d) or (p, C, C), or None
        Point where the tangent space touches, in the units of X; of "siegel" an SPD matrix and
        p - 1 contractions; None for "mdm". With bands a stack of n_bands of these.
    class_means_ : array of shape (n_classes, d, d) or (n_classes, p, C, C), or None
        Means of "mdm", in the units of X, else None. With bands each has n_bands of these.
    condition_number_ : float
        Of the weighted mean of the training matrices, before any metric, each type of channel at
        unit power; the largest of all bands. Above 1e8 the affine-invariant metric rests on
        rounding; infinite if it is singular (a dead channel without shrinkage): "euclid", and "mdm"
        of "wasserstein" allow it.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    classifier_ : estimator or None
        The classifier of the tangent vectors, fitted; None for "mdm".
    n_iter_ : int
        Iterations of the mean that took most; 1 where no mean is iterated.
    sfreq_ : float or None
        Sampling rate of the training epochs, if known.
    ch_names_ : list of str or None
        Names of the channels, if these were ``mne.Epochs``: later ones must have the same.
    n_features_in_ : int
        Number of channels (of times, if X was a table).
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X was a table that had them.

    Raises
    ------
    ValueError
        If X holds NaN (epochs are named), y holds one class, a matrix is not positive definite (the
        likely causes are named), order and lag leave fewer than two times, or order, lag or bands
        are to be chosen by "cv" and a class has a single epoch or no fold trains on every class; if
        a band is not below half the sampling rate, this rate is not known, or the epochs do not
        hold a period of the lower edge; if
        ``mne.Epochs`` differ from those of fit in channels, order or rate, or still wait for a
        projection or a rejection.

    See Also
    --------
    AugmentedCovariances : The matrices alone, for pyRiemann's pipelines.
    pyriemann.classification.MDM : Minimum distance to mean on given matrices.

    Notes
    -----
    One fit costs n lagged products (2 p C^2 T flops each) and n eigendecompositions of size d =
    p C (about 9 d^3); a search costs that for each cell, since a cell's tangent vectors are shared
    by its folds: the reference of a search is that of all training epochs, which uses no label.
    With order and lag given, the estimator has no inner search and GridSearchCV can drive it.

    A filter bank costs what one band costs, times the number of bands: the blocks of a
    block-diagonal matrix are worked on one by one, which changes no number. The filter is a
    Butterworth band-pass of order 2, run forwards and backwards over each epoch alone. It does not
    know what came before and after the epoch, so that in the first and last ``1.5 / (high - low)``
    seconds its output is off by more than a tenth of the signal.

    With ``sample_weight``, weights are frequencies in the means, the classifier and the scores; a
    row of weight 2 in a search is yet not two rows, which could stand in two folds.

    Of a single channel (a table), 1e-12 of the mean variance is added to every variance, so that a
    constant row has a logarithm. With more channels nothing is added: a flat epoch is an error.

    Units do not matter: signals are brought to unit mean power of the training epochs, and under
    metrics whose lengths have units ("wasserstein", "euclid", most of pyRiemann's) tangent vectors
    to unit mean square. So C=1, a kernel and the softmax of "mdm" mean the same in volts and in
    microvolts. One channel in other units than the rest of its type does matter, since shrinkage
    has one scale for all: a warning gives the factor from 30 on.

    Where it fails: subjects whose classes differ in power only gain nothing from the delays, and a
    search on 40 epochs cannot tell cells apart that differ by less than six points; the rule of one
    standard error then stays at low orders. Shrinkage is not invariant to a mixing of channels, so
    with "oas" and "lwf" neither is the classifier.

    References
    ----------
    I. Carrara, T. Papadopoulo, "Classification of BCI-EEG based on the augmented covariance
    matrix", IEEE Trans. Biomed. Eng. 2024, arXiv:2302.04508. The same, "Enhancing computational
    efficiency of motor imagery BCI classification with block-Toeplitz augmented covariance matrices
    and Siegel metric", arXiv:2406.16909. A. Barachant, S. Bonnet, M. Congedo, C. Jutten,
    "Classification of covariance matrices using a Riemannian-based kernel for BCI applications",
    Neurocomputing 2013 (tangent space).

    Examples
    --------
    Two classes of one channel with equal power, at 10 and at 12 Hz of 125:

    >>> import numpy as np
    >>> from subspace_learn import AugmentedCovarianceClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 20)
    >>> phase = 2 * np.pi * (np.where(y, 12, 10)[:, None] * np.arange(250) / 125)
    >>> X = np.sin(phase + rng.uniform(0, 6, size=(40, 1))) + rng.normal(size=(40, 250))
    >>> clf = AugmentedCovarianceClassifier(order=6, lag=2).fit(X[::2], y[::2])
    >>> bool(clf.score(X[1::2], y[1::2]) > 0.9)
    True
    >>> spatial = AugmentedCovarianceClassifier(order=1, lag=1).fit(X[::2], y[::2])
    >>> bool(spatial.score(X[1::2], y[1::2]) < 0.75)
    True
    """

    _not_finite = {"condition_number_": "infinite if the mean matrix is singular"}

    _parameter_constraints: dict = {
        "order": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "lag": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
        ],
        "orders": ["array-like"],
        "lags": ["array-like"],
        "bands": ["array-like", StrOptions({"auto"}), None],
        "selection": [StrOptions({"cv", "mdop", "afnn"})],
        "estimator": [StrOptions({"oas", "lwf", "scm"})],
        "structure": [StrOptions({"full", "toeplitz"})],
        "metric": [str],
        "reference": [StrOptions({"arithmetic", "mean"})],
        "classifier": [StrOptions({"svm", "lr", "mdm"}), BaseEstimator],
        "cv": ["cv_object"],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "sfreq": [Interval(Real, 0, None, closed="neither"), None],
        "n_jobs": [Integral, None],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        order="auto",
        lag="auto",
        *,
        orders=(1, 2, 3, 4, 6, 8),
        lags=(1, 2, 3, 4, 6, 8),
        bands=None,
        selection="cv",
        estimator="oas",
        structure="full",
        metric="riemann",
        reference="arithmetic",
        classifier="svm",
        cv=5,
        tol=1e-8,
        max_iter=50,
        sfreq=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ) -> None:
        self.order = order
        self.lag = lag
        self.orders = orders
        self.lags = lags
        self.bands = bands
        self.selection = selection
        self.estimator = estimator
        self.structure = structure
        self.metric = metric
        self.reference = reference
        self.classifier = classifier
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.sfreq = sfreq
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(
        self, X: Any, y: Any, *, groups: Any = None, sample_weight: Any = None
    ) -> AugmentedCovarianceClassifier:
        """Choose order and lag where asked to, and train the classifier.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals, band-pass filtered; a table holds one channel per row.
        y : array of shape (n_epochs,)
            Class of each epoch; numbers or words.
        groups : array of shape (n_epochs,), default=None
            Session, run or subject of each epoch: kept together by the folds of "cv".
        sample_weight : array of shape (n_epochs,), default=None
            Nonnegative frequencies.

        Returns
        -------
        self : AugmentedCovarianceClassifier
            Fitted.
        """
        X, recording = check_epochs(self, X, reset=True)
        y = check_labels(self, y, X.shape[0])
        if groups is not None:
            check_groups(groups, X.shape[0])
            groups = np.unique(groups, return_inverse=True)[1]
        all_labels, weight, all_weights = y, None, None
        if sample_weight is not None:
            all_weights = to_numpy(check_sample_weight(sample_weight, X))
            rows = np.flatnonzero(all_weights)
            X = array_namespace(X).take(X, move_like(rows, X), axis=0)
            y, weight = y[rows], all_weights[rows]
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class only, {self.classes_.tolist()[0]!r}, among {len(y)} epochs "
                "with weight. A classifier needs two classes or more."
            )
        # a constant row of a table is a series like any other, but its variance has no logarithm
        self._floor = 1e-12 if X.shape[1] == 1 else 0.0
        views = self._views(X, weight, recording)
        splits = functools.partial(folds, self.cv, all_labels, groups, all_weights)
        view, cell = self._chosen(X, views, y, weight, splits)
        (self.order_, self.lag_), self.scale_, rule = cell, view.scale, view.rule
        self.bands_ = None if view.bands is None else np.array(view.bands)
        warn_if_singular(X.shape[1], X.shape[2], cell, self.estimator, self.structure)
        points, scale = rule.geometry.points(view.trials, *cell), move_like(self.scale_, X)
        self._rule_ = rule.fit(points, y, weight)
        self.n_iter_ = rule.n_iter
        self.reference_, self.class_means_ = (
            None if found is None else rule.geometry.multiplied(found, scale)
            for found in (rule.reference, rule.means)
        )
        self.classifier_ = rule.classifier
        self.condition_number_ = rule.geometry.condition_number(
            points, None if weight is None else move_like(weight, points)
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Class of each epoch.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals.

        Returns
        -------
        y : ndarray of shape (n_epochs,)
            Labels.
        """
        points = self._points(X, "predict")
        return self._rule_.predict(points)

    @_has("decision_function")
    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of the classes, as the classifier gives them.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals.

        Returns
        -------
        scores : ndarray of shape (n_epochs,) or (n_epochs, n_classes)
            For "mdm" minus the squared distances; of two classes the difference.
        """
        points = self._points(X, "decision_function")
        return self._rule_.decision_function(points)

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes; not with ``classifier="svm"``.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals.

        Returns
        -------
        probabilities : ndarray of shape (n_epochs, n_classes)
            For "mdm" the softmax of minus the squared distances, which is not calibrated.
        """
        points = self._points(X, "predict_proba")
        return self._rule_.predict_proba(points)

    def tangent_vectors(self, X: Any) -> np.ndarray:
        """Features the classifier sees; of "mdm" the distances to the class means.

        Parameters
        ----------
        X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
            Signals.

        Returns
        -------
        vectors : ndarray of shape (n_epochs, n_vector_features)
            Of size d (d + 1) / 2 for a metric on matrices of size d.
        """
        points = self._points(X, "tangent_vectors")
        return self._rule_.features(points)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        # of a table every row is one short series, of which the spatial covariance keeps the
        # variance alone: scikit-learn's blobs cannot be told apart by it
        tags.classifier_tags.poor_score = True
        return tags

    def _points(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        X, _ = check_epochs(self, X, reset=False, method=method)
        trials = trials_in(self.bands_, X, self.sfreq_, self._floor)
        trials.divide(move_like(self.scale_, X))
        power = to_numpy(trials.power())
        power = power if self.bands_ is None else power.mean(axis=1)
        check_power(power, name=type(self).__name__)
        return self._rule_.geometry.points(trials, self.order_, self.lag_)

    def _views(self, X: Array, weight: np.ndarray | None, recording: Recording) -> list[View]:
        """Training signals as ``bands`` says, each with a rule that is not fitted yet."""
        geometry = geometry_of(
            self.metric,
            self.structure,
            self.estimator,
            tangent=self.classifier != "mdm",
            tol=self.tol,
            max_iter=self.max_iter,
            n_jobs=self.n_jobs,
        )
        whole, views = lagged_trials(X, self._floor), []
        kinds = self._kinds(whole, weight, recording)
        bands = None if self.bands is None else checked_bands(self.bands, self.sfreq_)
        for choice in [None, bands] if isinstance(self.bands, str) else [bands]:
            trials = whole if choice is None else trials_in(choice, X, self.sfreq_, self._floor)
            scale = unit_scale(trials, weight, kinds)
            trials.divide(move_like(scale, X))
            where = geometry if choice is None else FilterBankGeometry(geometry)
            rule = decision_rule(self.classifier, where, self.reference, self.random_state)
            views.append(View(choice, trials, scale, rule))
        return views

    def _kinds(
        self, trials: LaggedTrials, weight: np.ndarray | None, recording: Recording
    ) -> np.ndarray:
        """Type of each channel, the same for all if nothing tells; signals that differ are told."""
        power = to_numpy(trials.power())
        check_power(power / (power.mean() or 1.0), name=type(self).__name__)
        kinds = np.asarray(recording.ch_types or [""] * power.shape[1])
        if self.estimator != "scm" or self.metric != "riemann":
            warn_of_unequal_channels(
                np.average(power, axis=0, weights=weight),
                unit_scale(trials, weight, kinds),
                recording.ch_names,
                "Shrinkage, and every metric but 'riemann', measure all channels on one scale, on "
                "which the small ones are lost.",
            )
        return kinds

    def _chosen(
        self, X: Array, views: list[View], y: np.ndarray, weight: np.ndarray | None, splits: Any
    ) -> tuple[View, Cell]:
        """Bands, order and lag by the rule of ``selection``; a search leaves its table."""
        self.cv_results_ = None
        cells = self._cells(X)
        by_score = "auto" in (self.order, self.lag) and self.order != 1 and self.selection == "cv"
        if len(views) == 1 and not by_score:
            return views[0], cells[0]
        report = functools.partial(progress, self) if self.verbose else None
        view, cell, self.cv_results_ = searched(views, y, weight, cells, splits(), report)
        return view, cell

    def _cells(self, X: Array) -> list[Cell]:
        """Orders and lags that the scores of folds choose from; one if they do not."""
        if self.order == 1:
            return [Cell(1, 1)]
        orders, lags = checked_candidates(
            self.orders if self.order == "auto" else [self.order],
            self.lags if self.lag == "auto" else [self.lag],
            self.sfreq_,
        )
        if "auto" not in (self.order, self.lag):
            return [Cell(orders[0], lags[0])]
        if self.selection != "cv":
            select = mdop_order_and_lag if self.selection == "mdop" else afnn_order_and_lag
            found = Cell(*select(to_numpy(X), max_lag=max(lags), max_order=max(orders)))
            order = found.order if self.order == "auto" else orders[0]
            lag = found.lag if self.lag == "auto" else lags[0]
            return [Cell(order, lag if order > 1 else 1)]
        cells = candidate_cells(orders, lags, X.shape[1], X.shape[2])
        if self.order != "auto":  # order 1, always a candidate, was not asked for
            cells = [cell for cell in cells if cell.order == self.order]
        if not cells:
            raise ValueError(
                f"{X.shape[2]} times are too few for {X.shape[1]} channels and orders {orders} at "
                f"lags {lags}: order * n_channels rows need as many times after the delays. Give "
                "longer epochs, fewer channels, or smaller orders and lags."
            )
        return cells
