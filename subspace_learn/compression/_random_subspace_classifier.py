"""RandomSubspaceClassifier: a perceptron trained in a random subspace of its parameters."""

from __future__ import annotations

from itertools import count
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    progress,
    random_seed,
    warn,
)
from .._checks.table import check_labels, check_on_host, check_sample_weight, check_samples
from ..functional.compression.random_subspace import (
    PROJECTIONS,
    NetworkShape,
    initial_parameters,
    network_loss,
    network_outputs,
    random_projection,
)

__all__ = ["RandomSubspaceClassifier"]

# Ratio of the root mean squares of columns beyond which a network does not see the smaller one.
_FAR_APART = 1e3


class RandomSubspaceClassifier(ClassifierMixin, SubspaceEstimator):
    r"""Train a perceptron with few numbers, along a random subspace of its parameters.

    Weights and biases are :math:`\theta = \theta_0 + P z`: start :math:`\theta_0` and map P are
    random and fixed by a seed, only the d numbers z are trained, by L-BFGS on the cross-entropy.
    The smallest d that does nearly as well as all parameters is the intrinsic dimension of the
    problem: see `intrinsic_dimension`.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(32,)
        Units of each hidden layer. () is softmax regression.
    n_components : int or None, default=100
        Numbers d that are trained. None trains all parameters, from the same start.
    projection : {"dense", "sparse", "fastfood"}, default="dense"
        P: Gaussian; few signs; or Hadamard products, which are not stored.
    activation : {"relu", "tanh"}, default="relu"
        Of the hidden units.
    alpha : float, default=1e-4
        Penalty on the squared weights, as in ``MLPClassifier``; it acts on theta, not on z.
    max_iter : int, default=300
        Most iterations of L-BFGS.
    tol : float, default=1e-4
        Stop when no entry of the gradient in z is larger.
    random_state : int, RandomState, Generator or None, default=None
        Of start and projection. Subspaces of one seed have the same start; dense ones are nested.
    verbose : int, default=0
        Above 0, one line for every tenth iteration is printed.

    Attributes
    ----------
    coordinates_ : ndarray of shape (n_components,)
        z: with `seed_` and `scale_` the whole model. None if all parameters were trained.
    scale_ : float
        Root mean square of the entries of X, by which they are divided: their common unit decides
        nothing.
    seed_ : int
        Of start and projection.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer; those of the first are divided by ``scale_``.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    n_parameters_ : int
        Weights and biases together, D.
    loss_ : float
        Cross-entropy and penalty at the end.
    n_iter_ : int
        Iterations.
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If ``n_components`` exceeds the number of parameters, there is one class, or X holds NaN.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` was reached.
    UserWarning
        If the columns of X are of sizes far apart: their units decide then.

    See Also
    --------
    intrinsic_dimension : How many numbers are enough.
    sklearn.neural_network.MLPClassifier : All parameters, by stochastic gradients too.

    Notes
    -----
    The paper trains by stochastic gradients; L-BFGS on all rows leaves no luck of the optimiser
    in the comparison of dimensions. A pass costs that of the network and of one product with P and
    one with its transpose. Scale the features, as for any network.

    Where it fails: as a way to save time. Dense P costs more than the network saves; with d below
    the intrinsic dimension accuracy falls steeply.

    References
    ----------
    C. Li, H. Farkhoor, R. Liu, J. Yosinski, "Measuring the Intrinsic Dimension of Objective
    Landscapes", ICLR 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from subspace_learn.compression import RandomSubspaceClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomSubspaceClassifier((16,), n_components=20, random_state=0).fit(scale(X), y)
    >>> len(model.coordinates_), model.n_parameters_
    (20, 131)
    >>> bool(model.score(scale(X), y) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [tuple],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "projection": [StrOptions(set(PROJECTIONS))],
        "activation": [StrOptions({"relu", "tanh"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(32,),
        *,
        n_components=100,
        projection="dense",
        activation="relu",
        alpha=1e-4,
        max_iter=300,
        tol=1e-4,
        random_state=None,
        verbose=0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_components = n_components
        self.projection = projection
        self.activation = activation
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> RandomSubspaceClassifier:
        """Train the coordinates z.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,)
            Classes.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies: a row of weight 2 counts as two rows, of weight 0 as none.

        Returns
        -------
        self : RandomSubspaceClassifier
            Fitted.
        """
        check_on_host(self, X)
        X = check_samples(self, X, reset=True, accept_sparse="csr", computed_in=np.float64)
        X = X.astype(np.float64)
        y = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X)
        if weights is not None:
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        _warn_of_units(X, getattr(self, "feature_names_in_", None))
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds one class only: "
                f"{self.classes_[0]!r}."
            )
        shape = self._shape(X.shape[1])
        self.n_parameters_ = shape.n_parameters
        self._network = (shape, self.activation)  # not as they are set later
        self.seed_ = random_seed(self.random_state)
        theta, P = subspace(shape, self.n_components, self.projection, self.seed_)
        self.scale_ = _size(X, weights)
        table = (X / self.scale_, labels, weights)
        found = self._minimum(theta, P, shape, *table)
        self.loss_, self.n_iter_ = float(found.fun), int(found.nit)
        self.coordinates_ = None if P is None else found.x
        layers = shape.layers(found.x if P is None else theta + P @ found.x)
        self.coefs_ = [weights for weights, _ in layers]
        self.coefs_[0] = self.coefs_[0] / self.scale_
        self.intercepts_ = [bias for _, bias in layers]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Softmax of the scores.
        """
        return softmax(self._scores(X, "predict_proba"), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        scores = self._scores(X, "predict")
        return self.classes_[scores.argmax(axis=1)]

    def _scores(self, X: Any, method: str) -> np.ndarray:
        check_is_fitted(self)
        check_on_host(self, X)
        how: dict = {"accept_sparse": "csr", "computed_in": np.float64}
        X = check_samples(self, X, reset=False, method=method, **how)
        pairs = zip(self.coefs_, self.intercepts_, strict=True)
        theta = np.concatenate([part.ravel() for pair in pairs for part in pair])
        shape, activation = self._network
        return network_outputs(theta, shape, X.astype(np.float64), activation)[-1]

    def _shape(self, n_features: int) -> NetworkShape:
        hidden = self.hidden_layer_sizes
        if not all(isinstance(units, Integral) and int(units) > 0 for units in hidden):
            raise ValueError(
                f"hidden_layer_sizes={hidden!r} must be a tuple of ints of 1 or more, such as "
                "(32,), or () for a model without hidden units."
            )
        return NetworkShape((n_features, *map(int, hidden), len(self.classes_)))

    def _minimum(
        self, theta: Any, P: Any, shape: NetworkShape, X: Any, labels: Any, weights: Any
    ) -> Any:
        steps = count(1)

        def tell(intermediate_result: scipy.optimize.OptimizeResult) -> None:
            step = next(steps)
            if step % 10 == 0:
                progress(self, f"iteration {step}: loss {intermediate_result.fun:.4g}")

        def objective(z: np.ndarray) -> tuple[float, np.ndarray]:
            point = z if P is None else theta + P @ z
            loss, gradient = network_loss(
                point,
                shape,
                X,
                labels,
                activation=self.activation,
                alpha=self.alpha,
                sample_weight=weights,
            )
            return loss, gradient if P is None else P.rmatvec(gradient)

        found = scipy.optimize.minimize(
            objective,
            theta if P is None else np.zeros(P.shape[1]),
            jac=True,
            method="L-BFGS-B",
            callback=tell,
            options={"maxiter": self.max_iter, "maxfun": 20 * self.max_iter, "gtol": self.tol},
        )
        if found.nit >= self.max_iter:
            warn(
                f"L-BFGS reached max_iter={self.max_iter} with a largest gradient of "
                f"{np.abs(found.jac).max():.1e}. Raise max_iter or tol, or scale the features.",
                ConvergenceWarning,
            )
        return found

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _warn_of_units(X: Any, names: np.ndarray | None) -> None:
    """Say which columns are too large or too small for a network to see the others, or them."""
    squares = X.power(2).mean(axis=0) if sp.issparse(X) else np.einsum("ij,ij->j", X, X) / len(X)
    sizes = np.sqrt(np.asarray(squares, dtype=np.float64)).reshape(-1)
    present = np.flatnonzero(sizes)
    if not len(present):
        return
    low, high = present[sizes[present].argmin()], present[sizes[present].argmax()]
    if sizes[high] <= _FAR_APART * sizes[low]:
        return
    low_name, high_name = (i if names is None else repr(names[i]) for i in (low, high))
    warn(
        f"The root mean squares of the columns of X run from {sizes[low]:.2g} (column {low_name}) "
        f"to {sizes[high]:.2g} (column {high_name}). A network does not see the small ones beside "
        "the large: put StandardScaler before it."
    )


def _size(X: Any, weights: np.ndarray | None) -> float:
    """Root mean square of the entries of X; 1 if all are 0."""
    squares = (X.multiply(X) if sp.issparse(X) else X * X).sum(axis=1)
    mean = np.average(np.asarray(squares).reshape(-1), weights=weights) / X.shape[1]
    return float(np.sqrt(mean)) or 1.0


def subspace(
    shape: NetworkShape, dim: int | None, projection: str, seed: int
) -> tuple[np.ndarray, Any]:
    """Start and projection of a seed; no projection if all parameters are trained."""
    theta = initial_parameters(shape, np.random.default_rng([seed, 0]))
    if dim is None:
        return theta, None
    rng = np.random.default_rng([seed, 1])
    return theta, random_projection(projection, shape.n_parameters, dim, rng)
