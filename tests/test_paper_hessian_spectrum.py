"""Sagun et al. 2017 in small: classes set the outliers of a Hessian, parameters only add a bulk.

Networks on digits, pixels as they are (nonnegative), stopped half-way. With all rows in
one half space and rectified units one direction rules the inputs of each layer, and softmax sees it
once for each class but one: K - 1 outliers. Where rows are centred they are not seen so clearly;
the benchmarks have both.
"""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from subspace_learn.random_matrix import hessian_spectrum, mlp_hvp


def spectrum(n_classes, width, seed, gauss_newton=False):
    """Of a network stopped at half the loss of guessing."""
    X, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:60] for k in range(n_classes)])
    X, y = X[rows] / 16, y[rows]
    network = MLPClassifier((width,), batch_size=50, learning_rate_init=0.003, random_state=seed)
    loss = np.inf
    while loss > 0.5 * np.log(n_classes):
        loss = network.partial_fit(X, y, classes=np.arange(n_classes)).loss_
    hvp, n = mlp_hvp(network, X, y, gauss_newton=gauss_newton)
    return hessian_spectrum(hvp, n, n_steps=60, n_probes=2, rng=0)


@pytest.mark.parametrize("gauss_newton", [False, True])
@pytest.mark.parametrize("n_classes", [3, 5, 10])
def test_outliers_are_as_many_as_classes_less_one_at_every_width(n_classes, gauss_newton):
    for width in (32, 128):
        for seed in range(2):
            found = spectrum(n_classes, width, seed, gauss_newton)
            assert len(found.outliers) == n_classes - 1


def test_more_parameters_scale_the_bulk_and_leave_the_outliers():
    small, large = spectrum(5, 32, 0), spectrum(5, 128, 0)
    assert large.n > 3.9 * small.n
    assert len(small.outliers) == len(large.outliers) == 4
    # outliers within a third of one another, in a matrix four times as large
    np.testing.assert_allclose(large.outliers, small.outliers, rtol=1 / 3)
    # the bulk keeps its shape: the share of eigenvalues beyond 1 % of the first, of which two
    # probes see some 170 with a standard error of 8 %, is the same
    shares = [s.weights[np.abs(s.nodes) > 0.01 * s.nodes[-1]].sum() for s in (small, large)]
    assert shares[1] == pytest.approx(shares[0], rel=0.35)
