"""Which features DPPLeastSquares fits: columns, a product basis, or a transformer of the user's."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from ._product_basis import ProductBasis

__all__ = ["basis_on_domain", "fitted_feature_map"]


def fitted_feature_map(feature_map: Any, X: Any, intercept: bool) -> Any:
    """Fit the map on X; the constant of a product basis is counted once, as the intercept."""
    if isinstance(feature_map, str):
        return ProductBasis(feature_map, include_bias=not intercept).fit(X)
    own = clone(feature_map)
    if isinstance(own, ProductBasis) and intercept:
        own.set_params(include_bias=False)
    return own.fit(X)


def basis_on_domain(feature_map: Any, domain: Any, intercept: bool) -> ProductBasis:
    """The product basis, without the constant if there is an intercept, on a domain."""
    basis = ProductBasis(feature_map) if isinstance(feature_map, str) else feature_map
    if not isinstance(basis, ProductBasis) or not (basis.include_bias or intercept):
        raise ValueError(
            "design_points draws from a product basis with the constant: give feature_map by "
            "name or as a ProductBasis. From any other map, draw rows of a table with design."
        )
    domain = basis.domain if domain is None else domain
    if domain is None:
        raise ValueError(
            "design_points needs a domain: give one, of shape (n_inputs, 2), here or to the "
            "ProductBasis."
        )
    domain = np.atleast_2d(np.asarray(domain, dtype=np.float64))
    basis = clone(basis).set_params(domain=domain, include_bias=not intercept)
    return basis.fit(np.zeros((1, len(domain))))
