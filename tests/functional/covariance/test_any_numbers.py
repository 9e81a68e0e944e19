"""Public functions of matrices take integers and lists, and refuse what would lose a part."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn import covariance

A = np.array([[[7, 2], [2, 3]], [[5, 1], [1, 9]], [[4, -1], [-1, 2]]])
M = np.array([[3, 1], [1, 2]])
FUNCTIONS = {
    "sqrtm": lambda A, M: covariance.sqrtm(A),
    "invsqrtm": lambda A, M: covariance.invsqrtm(A),
    "logm": lambda A, M: covariance.logm(A),
    "expm": lambda A, M: covariance.expm(A),
    "powm": lambda A, M: covariance.powm(A, 0.3),
    "upper_vector": lambda A, M: covariance.upper_vector(A),
    "distance": lambda A, M: covariance.distance(A, M),
    "pairwise_distance": lambda A, M: covariance.pairwise_distance(A, A),
    "mean_spd": lambda A, M: covariance.mean_spd(A, "euclid").mean,
    "tangent_vectors": covariance.tangent_vectors,
    "log_map": covariance.log_map,
    "exp_map": covariance.exp_map,
    "transport": lambda A, M: covariance.transport(A, M, 2 * np.asarray(M)),
    "whiten": covariance.whiten,
    "augmented_covariances": lambda A, M: covariance.augmented_covariances(A),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_and_lists_give_what_floats_give(name):
    function, wanted = FUNCTIONS[name], FUNCTIONS[name](A.astype(float), M.astype(float))
    for given in (function(A, M), function(A.tolist(), M.tolist()), function(A.astype("i1"), M)):
        assert given.dtype == np.float64
        np.testing.assert_array_equal(given, wanted)


def test_vectors_of_integers_become_matrices_of_the_same_norm():
    S = covariance.symmetric_from_upper([3, 4, 5])
    assert np.linalg.norm(S) == pytest.approx(50**0.5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_masked_and_complex_matrices_are_refused(name):
    masked = np.ma.masked_array(A.astype(float), mask=A == 3)
    with pytest.raises(ValueError, match="masked"):
        FUNCTIONS[name](masked, M)
    hermitian = A + 1j * np.array([[0, 1], [-1, 0]])
    with pytest.raises(ValueError, match="Complex data not supported"):
        FUNCTIONS[name](hermitian, M)


def test_augmented_covariances_refuse_what_is_no_stack_of_finite_signals():
    with pytest.raises(ValueError, match="n_trials, n_channels, n_times"):
        covariance.augmented_covariances(np.ones((2, 9)))
    with pytest.raises(ValueError, match="finite signals"):
        covariance.augmented_covariances(np.full((1, 2, 9), np.nan))
    with pytest.raises(ValueError, match="lag=0"):
        covariance.augmented_covariances(np.ones((1, 2, 9)), 2, 0)
