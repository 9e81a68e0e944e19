"""The worked example of doc/development.rst, which includes the parts between the markers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import ortho_group

# [formula]
from subspace_learn._array import array_namespace


def zca_matrix(S, reg=1e-6):
    r"""Symmetric W with W S W = I: the whitening that changes the rows least.

    W = S^{-1/2} (Kessy, Lewin and Strimmer 2018, eq. 12), with eigenvalues below ``reg`` times the
    largest raised to that. S: symmetric positive semidefinite array of shape (d, d).
    """
    xp = array_namespace(S)
    values, vectors = xp.linalg.eigh(S)
    least = max(reg * float(values[-1]), float(xp.finfo(S.dtype).smallest_normal))
    return (vectors / xp.sqrt(xp.clip(values, min=least))) @ vectors.T


# [class]
from numbers import Real

from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from subspace_learn._base import Interval, SubspaceEstimator, fit_method
from subspace_learn._checks.table import check_samples


class ZCAWhitener(OneToOneFeatureMixin, TransformerMixin, SubspaceEstimator):
    """White rows that stay as near to the given ones as white rows can."""

    _parameter_constraints = {"reg": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, *, reg=1e-6):
        self.reg = reg

    @fit_method
    def fit(self, X, y=None):
        X = check_samples(self, X, reset=True, min_samples=2)  # 1 check
        xp = array_namespace(X)
        mean = xp.mean(X, axis=0)
        centred = X - mean
        W = zca_matrix(centred.T @ centred / X.shape[0], self.reg)  # 2 call one storey down
        self.mean_, self.whitening_ = mean, W  # 3 store
        return self  # 4 return

    def transform(self, X):
        check_is_fitted(self)
        X = check_samples(self, X, reset=False, like=self.whitening_, method="transform")
        return (X - self.mean_) @ self.whitening_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# [tests]
def covariance(rng, d=5):
    A = rng.standard_normal((3 * d, d))
    return A.T @ A / (3 * d)


def test_agrees_with_the_inverse_root_of_scipy(xp, rng):  # oracle, over each array library
    S = covariance(rng)
    W = xp.numpy(zca_matrix(xp.asarray(S)))
    np.testing.assert_allclose(W, np.linalg.inv(sqrtm(S)), atol=1e-12 * np.linalg.cond(S))


def test_turns_with_the_data(rng):  # law: W(Q S Q^T) = Q W(S) Q^T
    S, Q = covariance(rng), ortho_group.rvs(5, random_state=0)
    turned = zca_matrix(Q @ S @ Q.T)
    np.testing.assert_allclose(turned, Q @ zca_matrix(S) @ Q.T, atol=1e-12 * np.linalg.cond(S))


def test_a_column_that_is_constant_stays_finite(rng):  # limit: S is singular
    X = np.column_stack([rng.standard_normal((40, 3)), np.ones(40)])
    Z = ZCAWhitener().fit_transform(X)
    np.testing.assert_allclose(np.cov(Z[:, :3].T, bias=True), np.eye(3), atol=1e-10)
    np.testing.assert_array_equal(Z[:, 3], 0.0)


def test_says_what_is_wrong():  # errors
    with pytest.raises(ValueError, match="2"):
        ZCAWhitener().fit(np.ones((1, 3)))


# [end]
def test_passes_the_checks_of_scikit_learn():
    """In the package test_common.py does this for every public estimator."""
    from sklearn.utils.estimator_checks import check_estimator

    failed = [
        f"{result['check_name']}: {result['exception']}"
        for result in check_estimator(ZCAWhitener(), on_skip=None, on_fail=None)
        if result["status"] == "failed"
    ]
    assert not failed, "\n".join(failed)
