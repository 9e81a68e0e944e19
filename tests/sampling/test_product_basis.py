"""ProductBasis: domains, names and what is refused."""

import numpy as np
import pytest

from subspace_learn.sampling import ProductBasis


def test_domain_is_the_range_of_the_rows_or_what_is_given(rng):
    X = rng.uniform(2, 5, size=(50, 2))
    fitted = ProductBasis().fit(X)
    np.testing.assert_allclose(fitted.domain_, np.column_stack([X.min(axis=0), X.max(axis=0)]))
    np.testing.assert_allclose(ProductBasis("hermite").fit(X).domain_[:, 0], X.mean(axis=0))
    one = ProductBasis(domain=(0, 1)).fit(X)
    np.testing.assert_array_equal(one.domain_, [[0, 1], [0, 1]])


def test_first_degree_is_the_scaled_input():
    X = np.array([[0.0], [5.0], [10.0]])
    values = ProductBasis("legendre", degree=1, domain=(0, 10)).fit_transform(X)
    np.testing.assert_allclose(values, [[1, -np.sqrt(3)], [1, 0], [1, np.sqrt(3)]], atol=1e-15)


def test_constant_input_gives_finite_features():
    values = ProductBasis().fit_transform(np.full((4, 2), 3.0))
    assert np.isfinite(values).all()
    assert np.isfinite(ProductBasis("hermite").fit_transform(np.full((4, 2), 3.0))).all()


def test_wrong_domains_and_sizes_are_refused(rng):
    X = rng.normal(size=(10, 3))
    for settings, match in [
        ({"domain": [[0, 1], [0, 1]]}, "one pair for each"),
        ({"domain": (1, 1)}, "without width"),
        ({"kind": "hermite", "domain": (0, -1)}, "without width"),
        ({"domain": (0, np.inf)}, "without width"),
        ({"degree": 99}, "makes 171700 products"),
        ({"degree": 0, "include_bias": False}, "makes 0 products"),
        ({"kind": "wavelet"}, "kind"),
    ]:
        with pytest.raises(ValueError, match=match):
            ProductBasis(**settings).fit(X)
