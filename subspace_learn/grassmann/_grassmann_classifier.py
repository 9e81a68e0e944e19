"""GrassmannClassifier: softmax regression whose class vectors are subspaces."""

from __future__ import annotations

import functools
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if

from .._array import Array, array_namespace, device_of, is_numpy, library_name, move_like, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    fit_method,
    progress,
    random_generator,
    random_seed,
    warn,
)
from ..functional.grassmann.grassmann_classifier import (
    Labelled,
    labelled_rows,
    log_probabilities,
    probabilities,
)
from ..functional.grassmann.grassmann_training import (
    Plan,
    Stream,
    absorbed,
    class_starts,
    stratified_split,
    trained,
)
from ..functional.grassmann.nearest_subspace import (
    column_statistics,
    merged_statistics,
)
from ..linalg.grassmann import random_point
from ._class_subspaces import ClassSubspaceModel, Table

__all__ = ["GrassmannClassifier"]


def _streams(estimator: Any) -> bool:
    if estimator.solver != "rsgd":
        raise AttributeError(
            f"partial_fit needs solver='rsgd', but solver={estimator.solver!r} reads all rows at "
            "every step."
        )
    return True


class GrassmannClassifier(ClassSubspaceModel):
    r"""Classify rows by their angles to one subspace per class, trained by cross-entropy.

    Class c owns a point of the Grassmann manifold Gr(k, d) with orthonormal basis :math:`S_c`. The
    logits are :math:`\gamma |S_c^T x| / |x|`, and the weighted mean of

    .. math:: -\log p_{y}(x) + \frac{\alpha}{2} (1 - |S_y^T x|^2 / |x|^2), \qquad
              p(x) = \operatorname{softmax}_c(\gamma |S_c^T x| / |x|)

    is minimised over all subspaces together.

    Parameters
    ----------
    n_components : int, default=None
        Dimension k of each class's subspace, below n_features. That n_classes * k exceeds
        n_features is normal: the subspaces may intersect. None means 4, but at most half of
        n_features and what the rows of each class span.
    gamma : float, default=25.0
        Scale of the logits, which lie in [0, gamma]. Small: every row counts, the loss is smooth.
        Large: only rows near a border count. Worth a search, with ``alpha``.
    init : {"class_pca", "random"}, default="class_pca"
        Start: the principal subspace of each class (the fit of
        :class:`NearestSubspaceClassifier`; needs k independent rows of each class), or subspaces
        drawn from the uniform law.
    solver : {"conjugate_gradient", "trust_region", "rsgd"}, default="conjugate_gradient"
        - "conjugate_gradient": all rows at every step (pymanopt), NumPy only, in float64. The
          choice for tables of up to about 1e5 rows.
        - "trust_region": the same with second derivatives; fewer, dearer steps. For accurate
          minima.
        - "rsgd": Riemannian stochastic gradients in batches along geodesics; any array library, any
          number of rows, and `partial_fit`.
    learning_rate : float, default=0.01
        Step size of "rsgd"; in `fit` a half cosine takes it to 0 over ``max_iter`` epochs.
    momentum : float, default=0.9
        Of "rsgd", in [0, 1).
    batch_size : int or "auto", default="auto"
        Rows of a batch of "rsgd": "auto" is n_samples / 32, but 128 at least and 2048 at most.
    max_iter : int, default=200
        Most iterations, or epochs of "rsgd". With 0 the start is the result.
    tol : float, default=1e-3
        Stops when the norm of the gradient is below ``tol``, or ten iterations improve the
        objective by less than its square; "rsgd" when the loss has not improved by ``tol`` for
        ``n_iter_no_change`` epochs.
    center : bool, default=True
        Whether the mean of the training rows is subtracted before the lengths are taken.
    standardize : bool, default=True
        Whether features are divided by their standard deviations before the lengths are taken, so
        that units do not matter. A feature that does not vary stays as it is.
    constant : float or "auto", default="auto"
        Value of a constant feature appended to every row before its length is taken. With it x and
        -x are told apart, and a zero row has a direction. "auto" is the root mean square length of
        the rows; 0 appends none.
    alpha : float, default=1.0
        Weight of the second term above: the energy of a row outside the subspace of its own
        class. Class PCA is its minimiser, so that a large ``alpha`` keeps the subspaces near those
        of CLAFIC. (The norm of S is sqrt(k) everywhere on the manifold: an L2 penalty would do
        nothing.)
    early_stopping : bool, default=False
        Whether a part of the rows is set aside to choose the iterate that is returned: the one of
        lowest loss among those, the start included, whose accuracy on them is not below that of
        the start.
    validation_fraction : float, default=0.1
        Share of each class that is set aside with ``early_stopping``.
    n_iter_no_change : int, default=10
        Iterations without improvement on those rows that end the training; also the patience of
        "rsgd" with its own loss.
    random_state : int, RandomState, Generator or None, default=None
        For the random start, the batches and the rows set aside.
    verbose : int, default=0
        Whether a line is printed after each iteration.

    Attributes
    ----------
    subspaces_ : array of shape (n_classes, n_features, n_components)
        Orthonormal columns, with one more row at the end if a constant is appended. Only their
        span means anything.
    n_components_ : int
        Dimension of each subspace.
    classes_ : array of shape (n_classes,)
        Class labels, sorted; in the array library of X if they are numbers.
    mean_ : array of shape (n_features,)
        Subtracted from every row: mean of the training rows if ``center``, else zeros.
    scale_ : array of shape (n_features,)
        What features are divided by: their standard deviations if ``standardize``, else ones.
    constant_ : float
        The constant feature; 0 where none is appended.
    n_iter_ : int
        Iterations or epochs that were run (calls of `partial_fit` count).
    loss_curve_ : list of float
        The objective at every iterate, from the start on; for "rsgd" its mean over each epoch.
    best_iter_ : int
        Iterate whose subspaces were kept, 0 being the start: that of the lowest loss among those
        whose accuracy is not below that of the start, on the rows set aside or else on all.
    validation_scores_ : list of float or None
        Accuracy on the rows set aside, from the start on; None without early stopping.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If X holds NaN, infinity, or a row without a direction; if y holds one class only; if a
        class has fewer than k independent rows (``init="class_pca"``), or k is not below
        n_features; if X is not NumPy's and the solver is not "rsgd".

    See Also
    --------
    NearestSubspaceClassifier : The start, untrained; always report it beside.

    Notes
    -----
    An iteration costs about 4 n d C k flops, and C eigenproblems of size k.

    Where it fails: with ``constant=0`` rows x and -x cannot be told apart, and lengths do not
    matter. The objective is not convex, and has kinks where a row is orthogonal to a subspace. With
    k = 1 minima lie at such points; the full-batch solvers then end by the second rule of ``tol``.
    Training returns nothing that is below its start on the training rows, but on few rows it can
    *lower* the accuracy on others: search over ``gamma`` and ``alpha``, or set ``early_stopping``.

    The published form has ``center=False, standardize=False, constant=0``. Its algorithm is "rsgd"
    with a random start, its momentum kept in the ambient space, and d x k singular value
    decompositions; here the momentum is carried along the manifold, and the decompositions are
    k x k.

    References
    ----------
    H. Wang, Z. Li, W. Zhang, "Get the Best of Both Worlds: Improving Accuracy and Transferability
    by Grassmann Class Representation", ICCV 2023, arXiv:2308.01547.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from subspace_learn import GrassmannClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    >>> clf = GrassmannClassifier(n_components=12, gamma=50, alpha=10, standardize=False)
    >>> clf.fit(X_train, y_train).score(X_test, y_test) > 0.98       # pixels share a unit
    True
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "init": [StrOptions({"class_pca", "random"})],
        "solver": [StrOptions({"conjugate_gradient", "trust_region", "rsgd"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "center": ["boolean"],
        "standardize": ["boolean"],
        "constant": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=None,
        *,
        gamma=25.0,
        init="class_pca",
        solver="conjugate_gradient",
        learning_rate=0.01,
        momentum=0.9,
        batch_size="auto",
        max_iter=200,
        tol=1e-3,
        center=True,
        standardize=True,
        constant="auto",
        alpha=1.0,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        random_state=None,
        verbose=0,
    ) -> None:
        self.n_components = n_components
        self.gamma = gamma
        self.init = init
        self.solver = solver
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.center = center
        self.standardize = standardize
        self.constant = constant
        self.alpha = alpha
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GrassmannClassifier:
        """Train the subspaces of the classes.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,)
            Class of each row; numbers or words.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies. Batches of "rsgd" hold rows, whatever their weights.

        Returns
        -------
        self : GrassmannClassifier
            Fitted.
        """
        self._tell_idle_parameters()
        table = self._table(X, y, sample_weight, reset=True, method="fit")
        if self.solver != "rsgd" and not is_numpy(table.X):
            raise ValueError(
                f"solver={self.solver!r} works on NumPy arrays only (pymanopt), but X is from "
                f"{library_name(table.X)}. Use solver='rsgd', or ToDevice('cpu')."
            )
        classes, codes = self._classes_of(table.labels, table.X)
        rng = random_generator(self.random_state)
        self._gamma, self._seen = float(self.gamma), column_statistics(table.X, table.weights)
        self.scale_ = self._keep_origin(self._seen, table.X, self.standardize)
        self.n_components_, rows = self._dimension_and_rows(codes, classes, table)
        data = self._labelled(table, codes, "fit")
        validation = None
        if self.early_stopping:
            split = stratified_split(codes, self.validation_fraction, rng)
            parts = [move_like(numbers, data.X) for numbers in split]
            codes = codes[to_numpy(parts[0])]
            rows = [move_like(np.flatnonzero(codes == c), data.X) for c in range(len(rows))]
            data, validation = (labelled_rows(data, numbers) for numbers in parts)
        start, ranks = self._start(data, rows, rng)
        if min(ranks) < self.n_components_ and self.n_components is None:
            self.n_components_ = max(1, min(ranks))
            start, ranks = self._start(data, rows, rng)
        if min(ranks) < self.n_components_:
            name = to_numpy(classes).tolist()[int(np.argmin(ranks))]
            raise ValueError(
                f"The rows of class {name!r} span fewer than n_components={self.n_components_} "
                "directions. Choose a smaller n_components, give more distinct rows, or use "
                "init='random'."
            )
        result = trained(
            start,
            data,
            self._plan(data),
            rng,
            validation=validation,
            report=functools.partial(progress, self),
        )
        self.classes_ = classes
        self.subspaces_ = array_namespace(table.X).astype(result.subspaces, table.X.dtype)
        _, self.n_iter_, _, self.loss_curve_, self.validation_scores_, self.best_iter_ = result
        self._stream = Stream(self.subspaces_, None, random_seed(rng))
        if not result.converged:
            warn(
                f"solver={self.solver!r} did not reach tol={self.tol} in {result.n_iter} "
                "iterations. Increase max_iter or tol, or set early_stopping.",
                ConvergenceWarning,
            )
        return self

    @available_if(_streams)
    @fit_method
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> GrassmannClassifier:
        """Go once through a batch of rows, in steps of constant length (``solver="rsgd"``).

        The first call makes the start from its rows, of which there should be several times k in
        each class; a class with fewer than k independent ones starts at random. ``mean_``,
        ``scale_`` and ``constant_`` are those of all rows so far, however they are cut into
        batches.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Any number of rows.
        y : array of shape (n_samples,)
            Class of each row.
        classes : array of shape (n_classes,), default=None
            All classes that will come; needed in the first call, optional later.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

        Returns
        -------
        self : estimator
            Updated; unchanged if the batch raised an error.
        """
        first = not hasattr(self, "subspaces_")
        table = self._table(X, y, sample_weight, reset=first, method="partial_fit")
        known = self._known_classes(table.X, classes)
        codes = self._known_codes(table.labels, to_numpy(known))
        if not len(codes):  # all rows have weight zero
            return self
        batch = column_statistics(table.X, table.weights)
        self._seen = batch if first else merged_statistics(self._seen, batch)
        self._gamma = float(self.gamma)
        self.scale_ = self._keep_origin(self._seen, table.X, self.standardize)
        if first:
            self.n_components_ = self._dimension(table.X.shape[1])
        data = self._labelled(table, codes, "partial_fit")
        if first:
            rng = random_generator(self.random_state)
            rows = [move_like(np.flatnonzero(codes == c), data.X) for c in range(known.shape[0])]
            self.subspaces_, _ = self._start(data, rows, rng)
            self.classes_, self.n_iter_, self.loss_curve_ = known, 0, []
            self.validation_scores_ = None
            self._stream = Stream(self.subspaces_, None, random_seed(rng))
        self._stream, loss = absorbed(self._stream, data, self._plan(data))
        self.subspaces_ = self._stream.subspaces
        self.n_iter_ = self.best_iter_ = self.n_iter_ + 1
        self.loss_curve_ = [*self.loss_curve_, loss]
        progress(self, f"batch {self.n_iter_}: loss {loss:.6f}")
        return self

    def transform(self, X: Any) -> Array:
        """Cosine of the angle between each row and each class's subspace.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X_new : array of shape (n_samples, n_classes)
            ``|S_c^T x| / |x|``, in [0, 1].
        """
        X = self._checked(X, "transform")
        return self._in(X, self._cosines(X, "transform"))

    def predict_proba(self, X: Any) -> Array:
        """Softmax of the logits: what the loss was computed from, not calibrated.

        The scale ``gamma`` is set, not learnt, and no difference of logits can exceed it, so the
        probabilities are too timid for a small gamma and too bold for a large one. Where they
        are to be read as frequencies, wrap the classifier in
        :class:`sklearn.calibration.CalibratedClassifierCV`.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : array of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to 1. float64.
        """
        return probabilities(self._scores(X, "predict_proba"))

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_probabilities : array of shape (n_samples, n_classes)
            At most 0, at least about ``-gamma``.
        """
        return log_probabilities(self._scores(X, "predict_log_proba"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = self.solver == "rsgd"
        return tags

    def _scores(self, X: Any, method: str) -> Array:
        X = self._checked(X, method)
        return self._gamma * self._cosines(X, method)

    def _tell_idle_parameters(self) -> None:
        """Parameters of another solver, or of a stop that is not asked for."""
        idle = {}
        if self.solver != "rsgd":
            names = ("learning_rate", "momentum", "batch_size")
            idle = dict.fromkeys(names, f"solver={self.solver!r}")
        if not self.early_stopping:
            idle["validation_fraction"] = "early_stopping=False"
            if self.solver != "rsgd":
                idle["n_iter_no_change"] = f"solver={self.solver!r} and early_stopping=False"
        self._warn_of_idle(idle)

    def _labelled(self, table: Table, codes: np.ndarray, method: str) -> Labelled:
        """Directions of the rows with all that the objective needs; full batches in float64."""
        X = self._directions(table.X, method)
        xp = array_namespace(X)
        if self.solver == "rsgd":
            X = xp.astype(X, table.X.dtype)
        ones = xp.ones(X.shape[0], dtype=X.dtype, device=device_of(X))
        weights = ones if table.weights is None else xp.astype(table.weights, X.dtype)
        codes = move_like(codes.astype(np.int64), X)
        return Labelled(X, codes, weights, self._gamma, float(self.alpha))

    def _plan(self, data: Labelled) -> Plan:
        automatic = min(max(data.X.shape[0] // 32, 128), 2048)
        return Plan(
            solver=self.solver,
            max_iter=self.max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            batch_size=automatic if self.batch_size == "auto" else self.batch_size,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
        )

    def _start(
        self, data: Labelled, rows: list[Array], rng: np.random.Generator
    ) -> tuple[Array, list[int]]:
        """Subspaces by class PCA where the rows of a class allow it, else random ones."""
        drawn = random_point(data.X.shape[1], self.n_components_, rng, shape=(len(rows),))
        start = array_namespace(data.X).astype(move_like(drawn, data.X), data.X.dtype)
        if self.init == "random":
            return start, [self.n_components_] * len(rows)
        # mean_ has the precision of the rows that were given
        eps = float(array_namespace(start).finfo(self.mean_.dtype).eps)
        return class_starts(data, rows, start, eps=eps)
