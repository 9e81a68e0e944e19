"""Dictionaries of observables: transformers from states to functions of them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, device_of, double, is_complex, move_like, to_numpy
from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    random_seed,
    warn,
)
from .._checks.magnitude import finite_result
from .._checks.table import check_samples
from ..functional.dynamics.kernel_edmd import kernel_matrix, mean_distance
from ._unequal_scales import warn_of_far_scale, warn_of_unequal_scales

__all__ = ["FourierDictionary", "HermiteDictionary", "RBFDictionary"]

_MOST_FUNCTIONS = 100_000
# Periods that a feature may span before its unit is doubted; unwrapped angles turn many times.
_FEWEST_TURNS, _MOST_TURNS = 0.01, 1000.0


class _RowDictionary(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Observables that look at one state at a time."""

    _learned: str  # attribute that holds what `fit` learned, an array of the library of X

    @fit_method
    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn what the observables need to know of the states.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States, of any array library.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        X = check_samples(self, X, reset=True, computed_in=np.float64)
        self._settings = self.get_params()  # what is set later concerns the next fit
        self._prepare(X)
        return self

    def transform(self, X: Any) -> Array:
        """Evaluate the observables.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States, of the array library of `fit`.

        Returns
        -------
        Z : array of shape (n_samples, n_observables)
            One column for each observable, in the float width of X.
        """
        check_is_fitted(self)
        like = getattr(self, self._learned)
        X = check_samples(
            self, X, reset=False, like=like, method="transform", computed_in=np.float64
        )
        xp = array_namespace(X)
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            Z = self._evaluate(double(X))
        finite_result(Z, name=type(self).__name__, method="transform")
        if X.dtype != xp.float32:
            return Z
        return xp.astype(Z, xp.complex64 if is_complex(Z) else xp.float32)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
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
    index_set : {"tensor", "hyperbolic_cross"}, default="tensor"
        "tensor": all :math:`|k_i| \le n`, (2 n + 1)^n_features functions. "hyperbolic_cross":
        those with :math:`\prod \max(1, |k_i|) \le n`, far fewer for several angles.
    output : {"real", "complex"}, default="real"
        "real": 1, :math:`\sqrt 2 \cos(k \cdot x)` and :math:`\sqrt 2 \sin(k \cdot x)`, which span
        the same functions. "complex" is for those who want the characters themselves; not every
        data frame library can hold it.

    Attributes
    ----------
    frequencies_ : array of shape (n_frequencies, n_features)
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

    _learned = "frequencies_"
    _parameter_constraints: dict = {
        "n_frequencies": [Interval(Integral, 0, None, closed="left")],
        "period": [Interval(Real, 0, None, closed="neither")],
        "index_set": [StrOptions({"tensor", "hyperbolic_cross"})],
        "output": [StrOptions({"real", "complex"})],
    }

    def __init__(
        self, n_frequencies=3, *, period=2 * np.pi, index_set="tensor", output="real"
    ) -> None:
        self.n_frequencies = n_frequencies
        self.period = period
        self.index_set = index_set
        self.output = output

    def _prepare(self, X: Array) -> None:
        n, d = self.n_frequencies, X.shape[1]
        if self.index_set == "tensor" and (2 * n + 1.0) ** min(d, 99) > _MOST_FUNCTIONS:
            raise ValueError(
                f"n_frequencies={n} of {d} features make {(2 * n + 1.0) ** min(d, 99):.1e} "
                "functions. Use index_set='hyperbolic_cross', fewer frequencies, or fewer features."
            )
        _warn_of_other_units(X, self.period, getattr(self, "feature_names_in_", None))
        half = self.output == "real"
        waves = _waves(n, d, self.index_set == "hyperbolic_cross", half)
        self.frequencies_ = move_like(np.array(waves, dtype=np.int64).reshape(len(waves), d), X)

    def _evaluate(self, X: Array) -> Array:
        xp = array_namespace(X)
        phase = X @ xp.astype(self.frequencies_, X.dtype).T * (2 * np.pi / self._settings["period"])
        if self._settings["output"] == "complex":
            return xp.exp(1j * xp.astype(phase, xp.complex128))
        waves = 2**0.5 * xp.stack([xp.cos(phase), xp.sin(phase)], axis=2)
        shape = (X.shape[0], 2 * self.frequencies_.shape[0])
        return xp.concat([_ones(X), xp.reshape(waves, shape)], axis=1)

    @property
    def _n_features_out(self) -> int:
        n = self.frequencies_.shape[0]
        return n if self._settings["output"] == "complex" else 2 * n + 1


def _warn_of_other_units(X: Array, period: float, names: Any) -> None:
    """Warn where a feature turns so little, or so often, that the unit is hardly that."""
    xp = array_namespace(X)
    turns = to_numpy(xp.max(X, axis=0) - xp.min(X, axis=0)) / period
    odd = np.flatnonzero(((turns > 0) & (turns < _FEWEST_TURNS)) | (turns > _MOST_TURNS))
    if len(odd):
        name = str(odd[0]) if names is None else repr(str(names[odd[0]]))
        warn(
            f"Column {name} spans {turns[odd[0]]:.3g} periods of {period:.4g}. If it is no angle "
            "in that unit, FourierDictionary sees a constant or noise: set period to what it "
            "repeats after (360 for degrees), or take another dictionary."
        )


def _ones(X: Array) -> Array:
    """The constant observable."""
    return array_namespace(X).ones((X.shape[0], 1), dtype=X.dtype, device=device_of(X))


def _waves(n: int, d: int, hyperbolic: bool, half: bool) -> list[tuple[int, ...]]:
    """Frequency vectors, built feature by feature; for ``half`` those with first sign positive."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(d):
        found = [(*k, j) for k in found for j in range(-n, n + 1)]
        if hyperbolic:
            found = [k for k in found if np.prod(np.maximum(1, np.abs(k))) <= max(n, 1)]
        if len(found) > _MOST_FUNCTIONS:
            raise ValueError(
                f"n_frequencies={n} of {d} features make more than {_MOST_FUNCTIONS:,} functions. "
                "Use fewer frequencies or fewer features."
            )
    return [k for k in found if not half or next((j for j in k if j), 0) > 0]


class HermiteDictionary(_RowDictionary):
    r"""Hermite polynomials up to a total degree, orthonormal for a standard normal state.

    Products of :math:`\mathrm{He}_k(x) / \sqrt{k!}`, the natural observables of an
    Ornstein-Uhlenbeck process and a better conditioned basis of polynomials than powers.

    Parameters
    ----------
    degree : int, default=3
        Largest total degree.
    scale : float or "auto", default="auto"
        The state is divided by it first: its standard deviation, in units of X. "auto" takes the
        root mean square of each feature, so that units do not matter. Polynomials span the same
        functions whatever the scale; one that is far from the data makes them nearly dependent.

    Attributes
    ----------
    powers_ : array of shape (n_observables, n_features)
        Degree of each observable in each feature, by total degree.
    scale_ : array of shape (n_features,)
        What each feature is divided by; 1 where a feature is zero.
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
    >>> HermiteDictionary(2, scale=1.0).fit_transform([[2.0]]).round(3)
    array([[1.   , 2.   , 2.121]])
    """

    _learned = "powers_"
    _parameter_constraints: dict = {
        "degree": [Interval(Integral, 0, None, closed="left")],
        "scale": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(self, degree=3, *, scale="auto") -> None:
        self.degree = degree
        self.scale = scale

    def _prepare(self, X: Array) -> None:
        n_products = math.comb(X.shape[1] + self.degree, self.degree)
        if n_products > _MOST_FUNCTIONS:
            raise ValueError(
                f"degree={self.degree} of {X.shape[1]} features makes {n_products:.1e} functions. "
                "Use a lower degree or fewer features."
            )
        powers: list[tuple[int, ...]] = [()]
        for _ in range(X.shape[1]):
            powers = [(*p, j) for p in powers for j in range(self.degree + 1 - sum(p))]
        powers.sort(key=lambda p: (sum(p), tuple(-j for j in p)))
        self.powers_ = move_like(np.array(powers, dtype=np.int64), X)
        xp, X = array_namespace(X), double(X)
        sizes = xp.linalg.vector_norm(X, axis=0) / X.shape[0] ** 0.5
        if self.scale == "auto":
            self.scale_ = xp.where(sizes > 0, sizes, xp.ones_like(sizes))
        else:
            self.scale_ = xp.full_like(sizes, float(self.scale))
            warn_of_far_scale(self.scale, float(xp.max(sizes)), "scale of HermiteDictionary")

    def _evaluate(self, X: Array) -> Array:
        xp = array_namespace(X)
        x = X / self.scale_
        values = [xp.ones_like(x), x]
        for k in range(1, self._settings["degree"]):  # orthonormal three-term recurrence
            values.append((x * values[k] - k**0.5 * values[k - 1]) / (k + 1) ** 0.5)
        Z = 1.0
        for j in range(X.shape[1]):
            table = xp.stack([value[:, j] for value in values], axis=1)  # sample, degree
            Z = Z * xp.take(table, self.powers_[:, j], axis=1)
        return Z

    @property
    def _n_features_out(self) -> int:
        return self.powers_.shape[0]


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
    centers_ : array of shape (n_centers, n_features)
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
    Distances are taken over all features: one that spreads a hundred times as wide as another is
    warned of, since the other then hardly counts.
    Wide functions are nearly dependent: ``rcond`` of `KoopmanEDMD` then decides how many directions
    are kept, which ``n_components_`` reports. k-means runs on the host: `fit` copies the states of
    another library or device there, once, and the centres back; `transform` works where the states
    are.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.dynamics import RBFDictionary
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> RBFDictionary(10, random_state=0).fit_transform(X).shape
    (50, 13)
    """

    _learned = "centers_"
    _parameter_constraints: dict = {
        "n_centers": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions({"rbf", "laplacian", "lorentzian"})],
        "scale": [Interval(Real, 0, None, closed="neither"), None],
        "include_state": ["boolean"],
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self, n_centers=100, *, kernel="rbf", scale=None, include_state=True, random_state=None
    ) -> None:
        self.n_centers = n_centers
        self.kernel = kernel
        self.scale = scale
        self.include_state = include_state
        self.random_state = random_state

    def _prepare(self, X: Array) -> None:
        rows = double(to_numpy(X))  # scikit-learn's k-means works on the host
        centers = np.unique(rows, axis=0)
        if len(centers) > self.n_centers:
            seed = random_seed(self.random_state) % 2**32
            kmeans = KMeans(self.n_centers, n_init=1, random_state=seed)
            centers = kmeans.fit(rows).cluster_centers_
        warn_of_unequal_scales(rows, type(self).__name__, getattr(self, "feature_names_in_", None))
        self.centers_ = move_like(centers, X)
        distance = mean_distance(double(X))
        self.scale_ = distance if self.scale is None else float(self.scale)
        warn_of_far_scale(self.scale_, distance, "scale of RBFDictionary")

    def _evaluate(self, X: Array) -> Array:
        kernel = self._settings["kernel"]
        radial = kernel_matrix(X, self.centers_, kernel=kernel, scale=self.scale_)
        if not self._settings["include_state"]:
            return radial
        return array_namespace(X).concat([_ones(X), X, radial], axis=1)

    @property
    def _n_features_out(self) -> int:
        extra = 1 + self.centers_.shape[1] if self._settings["include_state"] else 0
        return self.centers_.shape[0] + extra
