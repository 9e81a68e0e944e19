"""What DPPLeastSquares does before any label exists: features, a design, a plan to fit by."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array

from .._base import SubspaceEstimator, progress, random_generator
from .._checks.table import check_samples
from ..functional.sampling.dpp_least_squares import (
    Design,
    FeatureSpace,
    design_rows,
    feature_space,
    phi_at,
)
from ._product_basis import ProductBasis

__all__ = ["LabelDesign"]


class LabelDesign(SubspaceEstimator):
    """Private half of `DPPLeastSquares`; the parameters are documented there."""

    def _mapped(self, X: Any, checked: np.ndarray) -> np.ndarray:
        """Features of rows; a map fitted on a DataFrame sees a DataFrame."""
        rows = checked if self._map_is_ours else X
        return check_array(self.feature_map_.transform(rows), input_name="features")

    def _christoffel(self, X: Any) -> np.ndarray:
        """Christoffel function of the features of the design at any rows."""
        checked = check_samples(self, X, reset=False, method="from_estimator")
        F = checked if self.feature_map_ is None else self._mapped(X, checked)
        phi = self._space.features(F)
        with np.errstate(divide="ignore"):
            return 1.0 / np.einsum("ij,ij->i", phi, phi)

    @property
    def _map_is_ours(self) -> bool:
        return isinstance(self.feature_map_, ProductBasis)

    def _make_design(self, X: Any, checked: np.ndarray, weights: np.ndarray | None) -> None:
        """Orthonormalise and draw."""
        self.feature_map_ = self._fitted_map(X, checked)
        F = checked if self.feature_map_ is None else self._mapped(X, checked)
        space = feature_space(F, weights, intercept=self.fit_intercept, rcond=self.rcond)
        left_out = F.shape[1] - len(space.kept)
        if left_out:
            progress(
                self,
                f"{left_out} of {F.shape[1]} features are constant or depend on the others and are "
                "left out (see kept_features_)",
            )
        drawn = design_rows(
            space,
            self._n_points(space.law.basis.shape[1], np.count_nonzero(space.measure)),
            random_generator(self.random_state),
            scheme=self.sampling,
            reference=self._reference(X, space),
            condition=self.condition,
            max_redraws=self.max_redraws,
            method=self.sampler,
        )
        self._store_design(space, drawn, phi_at(space, drawn.indices))

    def _fitted_map(self, X: Any, checked: np.ndarray) -> Any:
        if self.feature_map is None:
            return None
        if isinstance(self.feature_map, str):
            return ProductBasis(self.feature_map, include_bias=not self.fit_intercept).fit(checked)
        if isinstance(self.feature_map, ProductBasis):
            # the constant is counted once: as the intercept, if there is one
            basis = clone(self.feature_map)
            bare = {"include_bias": False} if self.fit_intercept else {}
            return basis.set_params(**bare).fit(checked)
        return clone(self.feature_map).fit(X)

    def _n_points(self, m: int, n_samples: int | None, given: int | None = None) -> int:
        """Number of draws for m features."""
        given = self.n_points if given is None else given
        if given is None:
            if self.sampling == "dpp":
                return m
            without = self.sampling == "volume_without_replacement" and n_samples is not None
            return min(2 * m, n_samples) if without else 2 * m
        if given < m or (self.sampling == "dpp" and given != m):
            wanted = f"exactly {m}" if self.sampling == "dpp" else f"at least {m}"
            raise ValueError(
                f"n_points={given}, but the features have rank {m} (with the constant, if "
                f"fit_intercept) and sampling={self.sampling!r} needs {wanted}. Raise n_points or "
                "use fewer features."
            )
        return int(given)

    def _reference(self, X: Any, space: FeatureSpace) -> np.ndarray | None:
        if self.reference_measure is None:
            return None
        if self.sampling != "volume":
            raise ValueError(
                f"reference_measure goes with sampling='volume', not with {self.sampling!r}. Leave "
                "it out; the measure mu of the rows is sample_weight."
            )
        if isinstance(self.reference_measure, str):
            return space.measure
        given = self.reference_measure
        return np.asarray(given(X) if callable(given) else given, dtype=np.float64).reshape(-1)

    def _basis_on(self, domain: Any) -> ProductBasis:
        """The product basis, without the constant if there is an intercept, on a domain."""
        basis = self.feature_map
        if isinstance(basis, str):
            basis = ProductBasis(basis)
        if not isinstance(basis, ProductBasis) or not (basis.include_bias or self.fit_intercept):
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
        basis = clone(basis).set_params(domain=domain, include_bias=not self.fit_intercept)
        return basis.fit(np.zeros((1, len(domain))))

    def _was_planned(self, checked: np.ndarray, weights: np.ndarray | None) -> bool:
        """Whether `design` was called for this table and these weights."""
        planned = getattr(self, "_planned", None)
        if planned is None or planned[0] != checked.shape:
            return False
        same_rows = np.array_equal(checked[self.indices_], planned[1])
        return same_rows and (weights is None or np.array_equal(weights, planned[2]))

    def _store_design(self, space: FeatureSpace, drawn: Design, phi: np.ndarray) -> None:
        """Keep the design and what a fit needs of the table; an earlier fit goes."""
        if not drawn.met:
            warnings.warn(
                f"None of {drawn.n_redraws + 1} designs met condition={self.condition}; the best "
                "one is used. Raise n_points, condition or max_redraws.",
                ConvergenceWarning,
                stacklevel=5,
            )
        for name in ("coef_", "intercept_", "points_"):
            vars(self).pop(name, None)
        self._space, self._phi = space.without_rows(), phi
        self.indices_ = drawn.indices
        self.sample_weight_ = drawn.weights
        self.gram_condition_ = drawn.gram_condition
        self.n_proposals_ = drawn.n_proposals
        self.n_redraws_ = drawn.n_redraws
        self.kept_features_ = space.kept
