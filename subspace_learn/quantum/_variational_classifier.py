"""VariationalQuantumClassifier: a trained circuit behind a quantum feature map."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit
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
    random_generator,
    warn,
)
from .._checks.table import check_labels, check_on_host, check_sample_weight, check_samples
from ..functional.quantum.feature_map import MAPS, entangled_pairs
from ..functional.quantum.variational import (
    Circuit,
    circuit,
    logistic_loss,
    parity,
    parity_gradient,
)
from ._angles import checked_angles, states_of

__all__ = ["VariationalQuantumClassifier"]


class VariationalQuantumClassifier(ClassifierMixin, SubspaceEstimator):
    r"""Tell two classes apart by a trained quantum circuit, simulated exactly.

    A feature map turns a row into a state of n qubits; a circuit :math:`W(\theta)` of rotations and
    controlled signs turns the state; the parity of all qubits is measured:

    .. math:: f(x) = \langle \psi(x) | W^\dagger Z^{\otimes n} W | \psi(x) \rangle, \qquad
              \log \frac{p}{1 - p} = g\, (f(x) + b).

    Angles, gain g and bias b are trained on the cross-entropy by L-BFGS with exact gradients. It is
    meant for teaching; logistic regression is the model to beat.

    Parameters
    ----------
    depth : int, default=2
        Entangling layers of the circuit, which has 2 n (depth + 1) angles.
    feature_map : {"zz", "z"}, default="zz"
        As in :class:`QuantumKernel`.
    reps : int, default=2
        Layers of the feature map.
    entanglement : {"full", "linear", "circular"} or list of pairs of int, default="full"
        Pairs of qubits that the map ("zz") and the circuit join.
    scale : float, default=1.0
        Factor of X.
    alpha : float, default=1e-3
        Penalty ``alpha / 2`` on the squared gain, without which it grows without end where the
        circuit separates the classes.
    n_init : int, default=3
        Random starts, of which the one with the smallest loss is kept.
    max_iter : int, default=300
        Most iterations of L-BFGS from each start.
    tol : float, default=1e-6
        Stop when no entry of the gradient is larger.
    max_bytes : float, default=5e7
        Memory that the states of the rows may take. Each of some hundred steps goes through it
        several times: at this size a fit takes minutes.
    random_state : int, RandomState, Generator or None, default=None
        Of the starts.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two classes.
    angles_ : ndarray of shape (2 * n_features * (depth + 1),)
        Of the layers in turn, those about y before those about z.
    gain_ : float
        Of the log-odds, above 0.
    bias_ : float
        Added to the parity.
    loss_ : float
        Mean cross-entropy at the end, without the penalty.
    n_iter_ : int
        Iterations from the start that was kept.
    n_features_in_ : int
        Number of columns, and of qubits.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If y does not hold two classes, or the states do not fit into ``max_bytes``.

    Warns
    -----
    UserWarning
        If angles leave [-4 pi, 4 pi].
    ConvergenceWarning
        If L-BFGS reaches ``max_iter`` from the start that was kept.

    See Also
    --------
    QuantumKernel : The kernel of the same map, for a support vector machine.

    Notes
    -----
    A step costs O(N n depth 2^n), twice for the gradient (adjoint method), whatever the number of
    angles. Where it fails: the loss has many minima, and gradients fade with many qubits. More
    than two classes: wrap it in scikit-learn's ``OneVsRestClassifier``.

    References
    ----------
    V. Havlicek et al., "Supervised learning with quantum-enhanced feature spaces", Nature 567,
    2019 (arXiv:1804.11326), the variational classifier. The paper trains by SPSA on measured
    frequencies; here expectations and gradients are exact, and a gain joins the bias.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 2 * np.pi, size=(60, 2))
    >>> y = np.where(np.cos(2 * X[:, 0]) * np.cos(2 * X[:, 1]) > 0, "even", "odd")
    >>> model = VariationalQuantumClassifier(1, feature_map="z", reps=1, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "depth": [Interval(Integral, 0, None, closed="left")],
        "feature_map": [StrOptions(set(MAPS))],
        "reps": [Interval(Integral, 1, None, closed="left")],
        "entanglement": [StrOptions({"full", "linear", "circular"}), list, tuple],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_bytes": [Interval(Real, 0, None, closed="neither")],
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        depth: int = 2,
        *,
        feature_map: str = "zz",
        reps: int = 2,
        entanglement: str | Sequence[Sequence[int]] = "full",
        scale: float = 1.0,
        alpha: float = 1e-3,
        n_init: int = 3,
        max_iter: int = 300,
        tol: float = 1e-6,
        max_bytes: float = 5e7,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> None:
        self.depth = depth
        self.feature_map = feature_map
        self.reps = reps
        self.entanglement = entanglement
        self.scale = scale
        self.alpha = alpha
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_bytes = max_bytes
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True  # with the published scale, on ordinary tables
        return tags

    @fit_method
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> VariationalQuantumClassifier:
        """Train the circuit.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.
        y : array-like of shape (n_samples,)
            Labels of two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : VariationalQuantumClassifier
            Fitted.
        """
        check_on_host(self, X)
        X = check_samples(self, X, reset=True, power=None)
        labels = check_labels(self, y, X.shape[0])
        weights = check_sample_weight(sample_weight, X)
        self.classes_, target = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported: y must hold two classes, but holds "
                f"{len(self.classes_)}. Only one class is too few; for more than two wrap "
                f"{type(self).__name__} in sklearn's OneVsRestClassifier."
            )
        share = np.ones(len(target)) if weights is None else weights
        states = states_of(self, checked_angles(self, X.astype(np.float64), warns=True))
        self._circuit = circuit(
            X.shape[1], self.depth, entangled_pairs(X.shape[1], self.entanglement)
        )
        found = self._trained(states, target, share / share.sum())
        self.angles_, self.bias_ = found.x[:-2], float(found.x[-2])
        self.gain_ = float(np.exp(found.x[-1]))
        self.loss_ = float(found.fun) - self.alpha / 2 * self.gain_**2
        self.n_iter_ = int(found.nit)
        if found.nit >= self.max_iter:
            warn(
                f"L-BFGS reached max_iter={self.max_iter} with a largest gradient of "
                f"{np.abs(found.jac).max():.1e}. Raise max_iter or tol.",
                ConvergenceWarning,
            )
        return self

    def _trained(self, states: np.ndarray, target: np.ndarray, share: np.ndarray) -> OptimizeResult:
        """Result of the best of the random starts."""
        given: Circuit = self._circuit
        rng = random_generator(self.random_state)

        def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
            angles, bias, gain = point[:-2], point[-2], np.exp(point[-1])
            f = parity(states, angles, given)
            loss, slope = logistic_loss(f, target, share, gain, bias)
            by_angle = parity_gradient(states, angles, given, gain * slope)
            ends = [gain * slope.sum(), gain * (slope @ (f + bias)) + self.alpha * gain**2]
            return loss + self.alpha / 2 * gain**2, np.concatenate([by_angle, ends])

        found = []
        for _ in range(self.n_init):
            start = np.append(rng.normal(scale=0.5, size=given.n_angles), [0.0, 1.0])
            options = {"maxiter": self.max_iter, "gtol": self.tol, "ftol": 1e-12}
            how: dict[str, Any] = {"jac": True, "method": "L-BFGS-B"}
            found.append(minimize(objective, start, options=options, **how))
        return min(found, key=lambda result: result.fun)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the second class.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``gain_ * (f + bias_)``.
        """
        check_is_fitted(self)
        check_on_host(self, X)
        X = check_samples(self, X, reset=False, method="decision_function", power=None)
        states = states_of(self, checked_angles(self, X.astype(np.float64), warns=False))
        return self.gain_ * (parity(states, self.angles_, self._circuit) + self.bias_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.

        Returns
        -------
        proba : ndarray of shape (n_samples, 2)
            Rows sum to 1.
        """
        second = expit(self.decision_function(X))
        return np.stack([1.0 - second, second], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Return the more likely class of each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes.
        """
        second = self.decision_function(X) > 0
        return self.classes_[second.astype(int)]
