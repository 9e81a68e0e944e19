"""Dictionaries of observables: transformers from states to functions of them."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._base import Interval, StrOptions, SubspaceEstimator, fit_method, random_seed
from .._validation import check_samples
from ..functional.kernel_edmd import kernel_matrix, mean_distance

__all__ = ["FourierDictionary", "HermiteDictionary", "RBFDictionary"]


class _RowDictionary(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Observables that look at one state at a time."""

    @fit_method
    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn what the observables need to know of the states.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        X = check_samples(self, X, reset=True)
        self._prepare(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Evaluate the observables.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_observables)
            One column for each observable, in the float width of X.
        """
        check_is_fitted(self)
        X = check_samples(self, X, reset=False, method="transform")
        Z = self._evaluate(np.asarray(X, dtype=np.float64))
        narrow = np.float32 if not np.iscomplexobj(Z) else np.complex64
        return Z.astype(narrow) if X.dtype == np.float32 else Z

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class FourierDictionary(_RowDictionary):
    r"""Waves on a torus: observables of angles.

    The functions :math:`e^{i k \cdot x}` for integer vectors k, or their real and imaginary
    parts, with angles :math:`x = 2 \pi \cdot \mathrm{state} / \mathrm{period}`.

    Parameters
    ----------
    n_frequencies : int, default=3
        Largest frequency n of each angle.
    period : float, default=2 pi
        Period of every feature, in its units.
    index_set : {"full", "hyperbolic"}, default="full"
        "full": all :math:`|k_i| \le n`, (2 n + 1)^n_features functions. "hyperbolic": those with
        :math:`\prod \max(1, |k_i|) \le n`, far fewer for several angles.
    output : {"real", "complex"}, default="real"
        "real": 1, :math:`\sqrt 2 \cos(k \cdot x)` and :math:`\sqrt 2 \sin(k \cdot x)`, which span
        the same functions. "complex" is for those who want the characters themselves; not every
        data frame library can hold it.

    Attributes
    ----------
    frequencies_ : ndarray of shape (n_frequencies, n_features)
        The vectors k; for real output one of each pair k, -k.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    See Also
    --------
    HermiteDictionary : Polynomials for the whole line.
    KoopmanEDMD : What takes a dictionary.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.dynamics import FourierDictionary
    >>> FourierDictionary(1).fit_transform([[0.0], [np.pi]]).round(3) + 0.0
    array([[ 1.   ,  1.414,  0.   ],
           [ 1.   , -1.414,  0.   ]])
    """

    _parameter_constraints: dict = {
        "n_frequencies": [Interval(Integral, 0, None, closed="left")],
        "period": [Interval(Real, 0, None, closed="neither")],
        "index_set": [StrOptions({"full", "hyperbolic"})],
        "output": [StrOptions({"real", "complex"})],
    }

    def __init__(self, n_frequencies=3, *, period=2 * np.pi, index_set="full", output="real"):
        self.n_frequencies = n_frequencies
        self.period = period
        self.index_set = index_set
        self.output = output

    def _prepare(self, X: np.ndarray) -> None:
        n, d = self.n_frequencies, X.shape[1]
        if self.index_set == "full" and (2 * n + 1.0) ** d > 1e5:
            raise ValueError(
                f"n_frequencies={n} of {d} features make {(2 * n + 1.0) ** d:.1e} functions. Use "
                "index_set='hyperbolic', fewer frequencies, or fewer features."
            )
        half = self.output == "real"
        waves = _waves(n, d, self.index_set == "hyperbolic", half)
        self.frequencies_ = np.array(waves).reshape(len(waves), d)

    def _evaluate(self, X: np.ndarray) -> np.ndarray:
        phase = X @ self.frequencies_.T * (2 * np.pi / self.period)
        if self.output == "complex":
            return np.exp(1j * phase)
        waves = np.sqrt(2.0) * np.stack([np.cos(phase), np.sin(phase)], axis=2)
        return np.hstack([np.ones((len(X), 1)), waves.reshape(len(X), -1)])

    @property
    def _n_features_out(self) -> int:
        n = len(self.frequencies_)
        return n if self.output == "complex" else 2 * n + 1


def _waves(n: int, d: int, hyperbolic: bool, half: bool) -> list[tuple[int, ...]]:
    """Frequency vectors, built feature by feature; for ``half`` those with first sign positive."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(d):
        found = [(*k, j) for k in found for j in range(-n, n + 1)]
        if hyperbolic:
            found = [k for k in found if np.prod(np.maximum(1, np.abs(k))) <= max(n, 1)]
    return [k for k in found if not half or next((j for j in k if j), 0) > 0]


class HermiteDictionary(_RowDictionary):
    r"""Hermite polynomials up to a total degree, orthonormal for a standard normal state.

    Products of :math:`\mathrm{He}_k(x) / \sqrt{k!}`, the natural observables of an
    Ornstein-Uhlenbeck process and a better conditioned basis of polynomials than powers.

    Parameters
    ----------
    degree : int, default=3
        Largest total degree.
    scale : float, default=1.0
        The state is divided by it first: its standard deviation, in units of X.

    Attributes
    ----------
    powers_ : ndarray of shape (n_observables, n_features)
        Degree of each observable in each feature, by total degree.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    See Also
    --------
    FourierDictionary : Waves for angles.
    sklearn.preprocessing.PolynomialFeatures : Powers.

    Examples
    --------
    >>> from subspace_learn.dynamics import HermiteDictionary
    >>> HermiteDictionary(2).fit_transform([[2.0]]).round(3)
    array([[1.   , 2.   , 2.121]])
    """

    _parameter_constraints: dict = {
        "degree": [Interval(Integral, 0, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, degree=3, *, scale=1.0):
        self.degree = degree
        self.scale = scale

    def _prepare(self, X: np.ndarray) -> None:
        powers: list[tuple[int, ...]] = [()]
        for _ in range(X.shape[1]):
            powers = [(*p, j) for p in powers for j in range(self.degree + 1 - sum(p))]
        self.powers_ = np.array(sorted(powers, key=lambda p: (sum(p), tuple(-j for j in p))))

    def _evaluate(self, X: np.ndarray) -> np.ndarray:
        x = X / self.scale
        values = [np.ones_like(x), x]
        for k in range(1, self.degree):  # orthonormal three-term recurrence
            values.append((x * values[k] - np.sqrt(k) * values[k - 1]) / np.sqrt(k + 1))
        table = np.stack(values)  # degree, sample, feature
        Z = np.ones((len(X), len(self.powers_)))
        for feature in range(X.shape[1]):
            Z *= table[self.powers_[:, feature], :, feature].T
        return Z

    @property
    def _n_features_out(self) -> int:
        return len(self.powers_)


class RBFDictionary(_RowDictionary):
    r"""Radial functions about k-means centres, with the constant and the state beside them.

    Parameters
    ----------
    n_centers : int, default=100
        Number of centres; at most one for each row.
    kernel : {"rbf", "laplacian", "lorentzian"}, default="rbf"
        With r the distance to a centre and d the scale: :math:`e^{-r^2/d^2}`, :math:`e^{-r/d}`,
        :math:`1 / (1 + r^2 / d^2)`.
    scale : float, default=None
        Length d in units of X; None takes the mean distance of the rows from their mean.
    include_state : bool, default=True
        Whether 1 and the state are observables too: without 1, the eigenvalue 1 of every system is
        only approximated.
    random_state : int, RandomState, Generator or None, default=None
        Starts k-means.

    Attributes
    ----------
    centers_ : ndarray of shape (n_centers, n_features)
        Centres.
    scale_ : float
        Length used.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    See Also
    --------
    sklearn.kernel_approximation.Nystroem : Kernel features on a sample of rows.
    KoopmanEDMD : What takes a dictionary.

    Notes
    -----
    Wide functions are nearly dependent: ``rcond`` of `KoopmanEDMD` then decides the rank, which
    ``rank_`` reports.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.dynamics import RBFDictionary
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> RBFDictionary(10, random_state=0).fit_transform(X).shape
    (50, 13)
    """

    _parameter_constraints: dict = {
        "n_centers": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions({"rbf", "laplacian", "lorentzian"})],
        "scale": [Interval(Real, 0, None, closed="neither"), None],
        "include_state": ["boolean"],
        "random_state": "no_validation",
    }

    def __init__(
        self, n_centers=100, *, kernel="rbf", scale=None, include_state=True, random_state=None
    ):
        self.n_centers = n_centers
        self.kernel = kernel
        self.scale = scale
        self.include_state = include_state
        self.random_state = random_state

    def _prepare(self, X: np.ndarray) -> None:
        X = np.asarray(X, dtype=np.float64)
        distinct = np.unique(X, axis=0)
        if len(distinct) <= self.n_centers:
            self.centers_ = distinct
        else:
            seed = random_seed(self.random_state) % 2**32
            self.centers_ = (
                KMeans(self.n_centers, n_init=1, random_state=seed).fit(X).cluster_centers_
            )
        self.scale_ = float(self.scale) if self.scale is not None else mean_distance(X)

    def _evaluate(self, X: np.ndarray) -> np.ndarray:
        radial = kernel_matrix(X, self.centers_, kernel=self.kernel, scale=self.scale_)
        if not self.include_state:
            return radial
        return np.hstack([np.ones((len(X), 1)), X, radial])

    @property
    def _n_features_out(self) -> int:
        extra = 1 + self.centers_.shape[1] if self.include_state else 0
        return len(self.centers_) + extra
