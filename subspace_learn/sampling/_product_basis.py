"""ProductBasis: orthonormal polynomials or waves of several inputs as a transformer."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._base import Interval, StrOptions, SubspaceEstimator, fit_method
from .._checks.magnitude import finite_result
from .._checks.table import check_on_host, check_samples
from ..functional.sampling.product_bases import KINDS, basis_values, multi_indices

__all__ = ["ProductBasis"]

_MOST_PRODUCTS = 100_000
# An interval narrower than so many roundings of its numbers is that of a constant; below the
# second number a width has no inverse in floats.
_ROUNDINGS = 4
_NO_WIDTH = np.finfo(np.float64).tiny / np.finfo(np.float64).eps


class ProductBasis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    r"""Products of one-dimensional orthonormal functions: features for smooth regression.

    .. math:: \varphi_j(x) = \prod_i \varphi_{j_i}\big((x_i - c_i) / s_i\big), \qquad j \in J .

    Orthonormal with respect to the law that goes with the kind, on the domain.

    Parameters
    ----------
    kind : {"legendre", "chebyshev", "hermite", "fourier"}, default="legendre"
        Polynomials for the uniform, the arcsine, the normal law; sines and cosines for the uniform
        law on a period (degree 2k - 1 is the sine, 2k the cosine of k periods).
    degree : int, default=3
        Largest degree k.
    index_set : {"total_degree", "hyperbolic_cross", "tensor"}, default="total_degree"
        Which products: sum of degrees at most k; product of (degree + 1) at most k + 1; each
        degree at most k.
    domain : array-like of shape (2,) or (n_features, 2), default=None
        Lowest and highest value of each input; for "hermite" mean and standard deviation. None
        takes them from the rows of `fit`. An input that is constant there, to the rounding of its
        float width, has its own size for a width (1 if it is 0).
    include_bias : bool, default=True
        Whether the constant function is among the features.

    Attributes
    ----------
    domain_ : ndarray of shape (n_features, 2)
        The domain used.
    multi_indices_ : ndarray of shape (n_products, n_features)
        Degree of each product in each input.
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If the domain has the wrong shape or no width, or there would be over 100,000 products.

    See Also
    --------
    DPPLeastSquares : Takes such a basis by its name.
    sklearn.preprocessing.PolynomialFeatures : Monomials, which are badly conditioned beyond
        degree 5 or so.

    Notes
    -----
    n products times n_features multiplications. Rows outside the domain are extrapolated.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import ProductBasis
    >>> x = np.linspace(-1, 1, 1001)[:, None]
    >>> phi = ProductBasis("legendre", degree=2, domain=(-1, 1)).fit_transform(x)
    >>> bool(np.abs(phi.T @ phi / 1001 - np.eye(3)).max() < 0.01)
    True
    """

    _parameter_constraints: dict = {
        "kind": [StrOptions(set(KINDS))],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "index_set": [StrOptions({"total_degree", "hyperbolic_cross", "tensor"})],
        "domain": ["array-like", None],
        "include_bias": ["boolean"],
    }

    def __init__(
        self,
        kind="legendre",
        *,
        degree=3,
        index_set="total_degree",
        domain=None,
        include_bias=True,
    ) -> None:
        self.kind = kind
        self.degree = degree
        self.index_set = index_set
        self.domain = domain
        self.include_bias = include_bias

    @fit_method
    def fit(self, X: Any, y: Any = None) -> ProductBasis:
        """Fix the domain and list the products.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.
        y : None
            Ignored.

        Returns
        -------
        self : ProductBasis
            Fitted.
        """
        check_on_host(self, X)
        X = check_samples(self, X, reset=True, computed_in=np.float64)
        self.domain_, self._kind = self._domain(X), self.kind
        self.multi_indices_ = multi_indices(
            X.shape[1], self.degree, self.index_set, include_bias=self.include_bias
        )
        n_products = len(self.multi_indices_)
        if not 0 < n_products <= _MOST_PRODUCTS:
            raise ValueError(
                f"degree={self.degree} in {X.shape[1]} inputs ({self.index_set}) makes "
                f"{n_products} products; 1 to {_MOST_PRODUCTS} are possible. Change degree or "
                "index_set."
            )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Values of the products.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        phi : ndarray of shape (n_samples, n_products)
            In the float width of X.
        """
        check_is_fitted(self)
        how: dict = {"like": self.domain_, "method": "transform", "computed_in": np.float64}
        X = check_samples(self, X, reset=False, **how)
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            values = basis_values(self._standard(X), self._kind, self.multi_indices_)
            values = values.astype(X.dtype, copy=False)
        return finite_result(values, name=type(self).__name__, method="transform")

    @property
    def _n_features_out(self) -> int:
        return len(self.multi_indices_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _domain(self, X: np.ndarray) -> np.ndarray:
        n_inputs = X.shape[1]
        if self.domain is None:
            low, high = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
            size = np.maximum(np.abs(low), np.abs(high))
            flat = high - low <= np.maximum(_ROUNDINGS * np.finfo(X.dtype).eps * size, _NO_WIDTH)
            half = np.where(size > _NO_WIDTH, size, 1.0)  # the unit decides nothing
            if self.kind == "hermite":
                mean, width = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
                return np.column_stack([np.where(flat, low, mean), np.where(flat, half, width)])
            # a constant input is put in the middle of an interval
            return np.column_stack(
                [np.where(flat, low - half, low), np.where(flat, high + half, high)]
            )
        domain = np.asarray(self.domain, dtype=np.float64)
        if domain.shape == (2,):
            domain = np.tile(domain, (n_inputs, 1))
        if domain.shape != (n_inputs, 2):
            raise ValueError(
                f"domain has shape {np.shape(self.domain)}; give (2,) for all inputs, or "
                f"({n_inputs}, 2), one pair for each."
            )
        width = domain[:, 1] - (0.0 if self.kind == "hermite" else domain[:, 0])
        if not (np.isfinite(domain).all() and (width > 0).all()):
            raise ValueError(
                f"domain={domain.tolist()} has an input without width. Give lowest < highest, or "
                "for 'hermite' a mean and a positive standard deviation."
            )
        return domain

    def _standard(self, X: np.ndarray) -> np.ndarray:
        """Inputs in standard coordinates."""
        first, second = self.domain_.T
        if self._kind == "hermite":
            return (X - first) / second
        return (X - (first + second) / 2) * (2 / (second - first))

    def _from_standard(self, t: np.ndarray) -> np.ndarray:
        first, second = self.domain_.T
        if self._kind == "hermite":
            return t * second + first
        return t * ((second - first) / 2) + (first + second) / 2
