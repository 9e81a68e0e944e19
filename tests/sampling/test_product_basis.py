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


@pytest.mark.parametrize("kind", ["legendre", "chebyshev", "hermite", "fourier"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_column_says_nothing_whatever_its_sum_rounds_to(rng, kind, dtype):
    """0.1 has no exact sum: its standard deviation is rounding, and no scale."""
    X = np.column_stack([rng.normal(size=1001), np.full(1001, 0.1)]).astype(dtype)
    basis = ProductBasis(kind, degree=3)
    phi = basis.fit_transform(X)
    alone = ProductBasis(kind, degree=3).fit_transform(X[:, :1])
    for degree in range(4):
        column = np.flatnonzero((basis.multi_indices_ == [degree, 0]).all(axis=1))
        np.testing.assert_allclose(
            phi[:, column[0]], alone[:, degree], rtol=1e-5 if dtype == np.float32 else 1e-12
        )
    constants = phi[:, basis.multi_indices_[:, 0] == 0]
    np.testing.assert_array_equal(constants, constants[:1].repeat(1001, axis=0))
    assert np.abs(constants).max() < 3  # values at the middle of the domain
    np.testing.assert_allclose(
        basis.transform(X + np.array([0, 0.1], dtype)),
        ProductBasis(kind, degree=3)
        .fit(X * dtype(1e-6))
        .transform((X + np.array([0, 0.1], dtype)) * dtype(1e-6)),
        rtol=1e-12 if dtype == np.float64 else 1e-3,
        atol=1e-9 if dtype == np.float64 else 1e-3,
    )


@pytest.mark.parametrize("kind", ["legendre", "chebyshev", "hermite", "fourier"])
@pytest.mark.parametrize("factor", [300.0, 1e4, 1e-6, 1e6])
def test_units_of_a_column_do_not_matter(rng, kind, factor):
    X = rng.gamma(2.0, size=(200, 2))
    scaled = X * [factor, 1.0]
    np.testing.assert_allclose(
        ProductBasis(kind).fit_transform(scaled), ProductBasis(kind).fit_transform(X), atol=1e-9
    )


def test_defaults_are_legendre_products_of_total_degree_three_with_the_constant():
    X = np.random.default_rng(0).uniform(size=(20, 2))
    basis = ProductBasis().fit(X)
    assert len(basis.multi_indices_) == 10
    t = 2 * (X[:, 1] - X[:, 1].min()) / np.ptp(X[:, 1]) - 1
    column = np.flatnonzero((basis.multi_indices_ == [0, 2]).all(axis=1))[0]
    wanted = np.sqrt(5) * (3 * t**2 - 1) / 2
    np.testing.assert_allclose(basis.transform(X)[:, column], wanted, atol=1e-13)
    np.testing.assert_array_equal(basis.transform(X)[:, 0], 1.0)


def test_a_kind_that_was_set_after_the_fit_concerns_the_next_one(rng):
    X = rng.uniform(20, 50, size=(50, 2))
    basis = ProductBasis().fit(X)
    wanted = basis.transform(X)
    np.testing.assert_array_equal(basis.set_params(kind="hermite").transform(X), wanted)
