"""QuantumKernel: overlaps of states that a quantum feature map makes, simulated exactly."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, is_array, move_like, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    random_generator,
    warn,
)
from .._checks.table import check_samples
from ..functional.quantum.feature_map import (
    MAPS,
    cone_projection,
    fidelity_kernel,
    sampled_kernel,
    target_alignment,
)
from ._angles import checked_angles, states_of

__all__ = ["QuantumKernel", "kernel_target_alignment", "state_vectors"]

_CONCENTRATED = 0.1


class QuantumKernel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    r"""Kernel of a quantum feature map, for teaching and as an exact, fast reference.

    A row x becomes a state of n qubits, one for each column, and two rows are as near as their
    states overlap:

    .. math:: K(x, y) = |\langle \psi(x) | \psi(y) \rangle|^2, \quad
              |\psi(x)\rangle = \bigl(D(x) H^{\otimes n}\bigr)^r |0\rangle .

    Put ``MinMaxScaler((0, 6.28))`` before it and ``SVC(kernel="precomputed")`` behind it in a
    Pipeline. For prediction take a support vector machine with an RBF kernel first: on real tables
    it did as well or better here.

    Parameters
    ----------
    feature_map : {"zz", "z"}, default="zz"
        Phases of single qubits and of pairs, or of single qubits alone (a product of cosines).
    reps : int, default=2
        Layers r of the map.
    entanglement : {"full", "linear", "circular"} or list of pairs of int, default="full"
        Which pairs of qubits "zz" joins.
    scale : float, default=1.0
        Factor of X: the bandwidth. Accuracy mostly falls with it; choose it by cross-validation.
    shots : int, default=None
        Measurements of each entry, as on a device: entries become shares of a binomial draw, and
        the kernel of the fitted rows is projected to the positive semidefinite matrices. None is
        exact.
    max_bytes : float, default=4e9
        Memory that the states of the rows may take.
    random_state : int, RandomState, Generator or None, default=None
        Of the shots.

    Attributes
    ----------
    states_ : array of shape (n_samples, 2**n_features)
        States of the fitted rows.
    mean_overlap_ : float
        Mean kernel between two different fitted rows; 0 for a single row. Below .1 the kernel is
        nearly the identity and says little.
    n_features_in_ : int
        Number of columns, and of qubits.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If the states do not fit into ``max_bytes`` (16 N 2^n bytes for N rows of n columns), or
        pairs name qubits that are not there.

    Warns
    -----
    UserWarning
        If angles leave [-4 pi, 4 pi], or the mean overlap is below .1.

    See Also
    --------
    state_vectors : The states as a function.
    kernel_target_alignment : How well a kernel fits labels.
    VariationalQuantumClassifier : Trains a circuit behind the same map.

    Notes
    -----
    The map costs O(N r n 2^n), the kernel one product of N x 2^n by 2^n x N complex numbers.
    Where it fails: overlaps of unrelated rows fall like 2^-n, so that with many columns or a large
    scale every row resembles itself alone. With ``shots``, `transform` draws anew, also for the
    fitted rows, while `fit_transform` gives the projected kernel of the fit.

    References
    ----------
    V. Havlicek et al., "Supervised learning with quantum-enhanced feature spaces", Nature 567,
    2019 (arXiv:1804.11326), equations 1 to 3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from sklearn.svm import SVC
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(
    ...     MinMaxScaler((0, 6.28)), QuantumKernel(scale=0.03), SVC(kernel="precomputed", C=10)
    ... )
    >>> float(cross_val_score(model, X, y).mean().round(2))
    0.95
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "feature_map": [StrOptions(set(MAPS))],
        "reps": [Interval(Integral, 1, None, closed="left")],
        "entanglement": [StrOptions({"full", "linear", "circular"}), list, tuple],
        "scale": [Interval(Real, 0, None, closed="neither")],
        "shots": [Interval(Integral, 1, None, closed="left"), None],
        "max_bytes": [Interval(Real, 0, None, closed="neither")],
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        feature_map: str = "zz",
        *,
        reps: int = 2,
        entanglement: str | Sequence[Sequence[int]] = "full",
        scale: float = 1.0,
        shots: int | None = None,
        max_bytes: float = 4e9,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> None:
        self.feature_map = feature_map
        self.reps = reps
        self.entanglement = entanglement
        self.scale = scale
        self.shots = shots
        self.max_bytes = max_bytes
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.states_.shape[0])

    @fit_method
    def fit(self, X: Any, y: Any = None) -> QuantumKernel:
        """Compute the states of the rows.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles; NumPy, CuPy, torch or DataFrame.
        y : None
            Ignored.

        Returns
        -------
        self : QuantumKernel
            Fitted.
        """
        self._fitted(X)
        return self

    @fit_method
    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Compute the states of the rows and return their kernel.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.
        y : None
            Ignored.

        Returns
        -------
        K : array of shape (n_samples, n_samples)
            Symmetric, positive semidefinite; of the float width and library of X.
        """
        K = self._fitted(X)
        if self.shots is None:
            return K
        rng = random_generator(self.random_state)
        drawn = sampled_kernel(to_numpy(K), self.shots, rng, symmetric=True)
        return move_like(cone_projection(drawn), K)

    def transform(self, X: Any) -> Array:
        """Overlaps of new rows with the fitted ones.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Angles.

        Returns
        -------
        K : array of shape (n_samples, n_fitted_samples)
            In [0, 1].
        """
        check_is_fitted(self)
        how: dict[str, Any] = {"like": self.states_, "method": "transform", "power": None}
        X = check_samples(self, X, reset=False, **how)
        states = states_of(self, checked_angles(self, X, warns=False))
        K = fidelity_kernel(states, self._states_like(states))
        if self.shots is None:
            return K
        rng = random_generator(self.random_state)
        return move_like(sampled_kernel(to_numpy(K), self.shots, rng, symmetric=False), K)

    def _fitted(self, X: Any) -> Array:
        """Store the states of the rows and return their kernel."""
        X = check_samples(self, X, reset=True, power=None)
        self.states_ = states_of(self, checked_angles(self, X, warns=True))
        K = fidelity_kernel(self.states_, self.states_)
        n = K.shape[0]
        off = float(array_namespace(K).sum(K)) - n
        self.mean_overlap_ = max(off, 0.0) / (n * (n - 1)) if n > 1 else 0.0
        if n > 1 and self.mean_overlap_ < _CONCENTRATED:
            warn(
                f"the mean overlap of two rows is {self.mean_overlap_:.2g}: the kernel is nearly "
                f"the identity, and a classifier on it remembers rows. Lower scale ({self.scale:g})"
                f" or use fewer columns ({X.shape[1]})."
            )
        return K

    def _states_like(self, states: Array) -> Array:
        """Fitted states in the precision of new ones."""
        xp = array_namespace(states)
        same = self.states_.dtype == states.dtype
        return self.states_ if same else xp.astype(self.states_, states.dtype)


def state_vectors(
    X: Any,
    *,
    feature_map: str = "zz",
    reps: int = 2,
    entanglement: str | Sequence[Sequence[int]] = "full",
    scale: float = 1.0,
) -> Array:
    """State vectors of a quantum feature map, one for each row.

    Parameters
    ----------
    X : array of shape (n_samples, n_qubits)
        Angles; NumPy, CuPy or torch.
    feature_map : {"zz", "z"}, default="zz"
        As in :class:`QuantumKernel`.
    reps : int, default=2
        Layers of the map.
    entanglement : {"full", "linear", "circular"} or list of pairs of int, default="full"
        Which pairs of qubits "zz" joins.
    scale : float, default=1.0
        Factor of X.

    Returns
    -------
    states : array of shape (n_samples, 2**n_qubits)
        Complex, of length 1. Qubit q is bit q of the number of a basis state: column 1 changes
        fastest, as in Qiskit, whose gates make the complex conjugate up to a phase.

    Raises
    ------
    ValueError
        As :class:`QuantumKernel` does.

    Examples
    --------
    >>> import numpy as np
    >>> state_vectors([[np.pi / 2]], feature_map="z", reps=1).round(3)
    array([[0.+0.707j, 0.-0.707j]])
    """
    kernel = QuantumKernel(feature_map, reps=reps, entanglement=entanglement, scale=scale)
    kernel._validate_params()
    X = check_samples(kernel, X, reset=True, power=None, method="state_vectors")
    return states_of(kernel, checked_angles(kernel, X, warns=True))


def kernel_target_alignment(K: Any, y: Any) -> float:
    r"""How well a kernel separates the classes: its cosine with the kernel of the labels.

    .. math:: A = \frac{\langle K, T \rangle}{\|K\| \, \|T\|}, \quad T_{ij} = 1 \text{ if }
              y_i = y_j \text{ else } -\tfrac{1}{C - 1}

    Parameters
    ----------
    K : array of shape (n_samples, n_samples)
        Kernel of the rows with themselves.
    y : array-like of shape (n_samples,)
        Labels of C classes.

    Returns
    -------
    alignment : float
        In [-1, 1]; 1 if K is a multiple of T. It is not centred.

    Raises
    ------
    ValueError
        If K is not square or not finite, has another number of rows than y, or y holds one class.

    References
    ----------
    N. Cristianini, J. Shawe-Taylor, A. Elisseeff, J. Kandola, "On kernel-target alignment", NIPS
    2001, section 3.

    Examples
    --------
    >>> kernel_target_alignment([[1.0, 0.0], [0.0, 1.0]], ["a", "b"]).__round__(3)
    0.707
    """
    K = K if is_array(K) else np.asarray(K, dtype=np.float64)
    _, codes = np.unique(to_numpy(y) if is_array(y) else np.asarray(y), return_inverse=True)
    xp = array_namespace(K)
    if K.ndim != 2 or tuple(K.shape) != (codes.size, codes.size):
        raise ValueError(
            f"K must be the kernel of the {codes.size} rows that y has with themselves, but has "
            f"shape {tuple(K.shape)}."
        )
    if not bool(xp.all(xp.isfinite(K))):
        raise ValueError("K holds NaN or infinity.")
    n_classes = int(codes.max()) + 1
    if n_classes < 2:
        raise ValueError("y holds one class: there is nothing to be aligned with.")
    target = np.where(codes[:, None] == codes, 1.0, -1.0 / (n_classes - 1))
    return target_alignment(K, xp.astype(move_like(target, K), K.dtype))
