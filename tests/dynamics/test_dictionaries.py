"""Dictionaries: orthonormal where they say so, and as many functions as they say."""

import warnings

import numpy as np
import pytest

from subspace_learn.dynamics import (
    DelayDictionary,
    FourierDictionary,
    HermiteDictionary,
    RBFDictionary,
)
from subspace_learn.dynamics._kernel_features import KernelFeatures


@pytest.mark.parametrize("output", ["real", "complex"])
def test_waves_are_orthonormal_on_a_grid(output):
    side = 2 * np.pi * np.arange(9) / 9  # products of waves up to 2 are integrated exactly
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    Z = FourierDictionary(2, output=output).fit_transform(grid)
    assert Z.shape == (81, 25)
    np.testing.assert_allclose(Z.conj().T @ Z / 81, np.eye(25), atol=1e-13)


def test_real_waves_span_the_complex_ones(rng):
    X = rng.uniform(0, 3, size=(60, 2))
    real = FourierDictionary(1, period=3.0).fit_transform(X)
    waves = FourierDictionary(1, period=3.0, output="complex").fit_transform(X)
    fit = real @ np.linalg.lstsq(real.astype(complex), waves, rcond=None)[0]
    np.testing.assert_allclose(fit, waves, atol=1e-10)


def test_hyperbolic_cross_is_smaller_and_too_many_waves_are_refused(rng):
    X = rng.normal(size=(5, 3))
    full = FourierDictionary(3, output="complex").fit(X).frequencies_
    cross = FourierDictionary(3, output="complex", index_set="hyperbolic_cross").fit(X).frequencies_
    assert len(full) == 343
    assert set(map(tuple, cross)) == {
        tuple(k) for k in full if np.prod(np.maximum(1, np.abs(k))) <= 3
    }
    with pytest.raises(ValueError, match="hyperbolic"):
        FourierDictionary(9).fit(rng.normal(size=(5, 6)))


def test_hermite_polynomials_are_orthonormal_for_the_normal_law():
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    x = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    Z = HermiteDictionary(4, scale=2.0).fit_transform(2.0 * x)
    assert Z.shape == (144, 15)
    np.testing.assert_allclose(Z.T @ (w[:, None] * Z), np.eye(15), atol=1e-12)


def test_every_row_is_a_centre_when_there_are_few(rng):
    X = rng.normal(size=(4, 2))
    lift = RBFDictionary(10).fit(X)
    assert len(lift.centers_) == 4
    np.testing.assert_array_equal(lift.transform(X)[:, :3], np.hstack([np.ones((4, 1)), X]))


def test_delays_stand_present_first_and_need_their_window(rng):
    X = rng.normal(size=(10, 2))
    Z = DelayDictionary(2, lag=3).fit(X).embed(X)
    np.testing.assert_array_equal(Z, np.hstack([X[6:], X[3:7], X[:4]]))
    inner = DelayDictionary(1, dictionary=HermiteDictionary(1)).fit(X).embed(X)
    assert inner.shape == (9, 5)
    with pytest.raises(ValueError, match="at least 7 times"):
        DelayDictionary(2, lag=3).fit(X).embed(X[:6])


@pytest.mark.parametrize("units", [[1.0, 1.0], [300.0, 1e-6]])
def test_hermite_polynomials_take_the_root_mean_square_of_each_feature_for_its_unit(units, rng):
    X = rng.normal(size=(40, 2)) + 0.1
    plain = HermiteDictionary(3).fit(X)
    lift = HermiteDictionary(3).fit(X * units)
    np.testing.assert_allclose(lift.scale_, np.sqrt(np.mean((X * units) ** 2, axis=0)), rtol=1e-13)
    np.testing.assert_allclose(lift.transform(X * units), plain.transform(X), rtol=1e-9)
    zero = HermiteDictionary(2).fit(X * [1.0, 0.0])
    assert zero.scale_[1] == 1.0


def test_equal_rows_give_radial_functions_the_scale_one():
    X = np.full((1001, 3), 0.1)  # whose mean is not .1
    assert RBFDictionary(3).fit(X).scale_ == 1.0
    assert RBFDictionary(3).fit(300 * X).scale_ == 1.0


def test_angles_in_another_unit_are_doubted(rng):
    angles = rng.uniform(0, 2 * np.pi, size=(40, 2))
    for factor in (1e-5, 1e6):
        with pytest.warns(UserWarning, match=r"Column 1 spans .* periods of 6\.283"):
            FourierDictionary(1).fit(angles * [1.0, factor])
    degrees = FourierDictionary(2, period=360.0).fit_transform(np.degrees(angles))
    np.testing.assert_allclose(degrees, FourierDictionary(2).fit_transform(angles), atol=1e-12)


@pytest.mark.parametrize("factor", [1e-6, 300.0])
def test_lengths_that_are_given_in_another_unit_are_doubted(factor, rng):
    X = factor * rng.normal(size=(60, 2))
    for make in (
        lambda scale: HermiteDictionary(2, scale=scale),
        lambda scale: RBFDictionary(5, scale=scale, random_state=0),
        lambda scale: KernelFeatures(3, gamma=scale**-2),
    ):
        with pytest.warns(UserWarning, match=r"is 1, but the states have a size of"):
            make(1.0).fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make(3 * factor).fit(X)


@pytest.mark.parametrize(
    "lift",
    [
        FourierDictionary(2),
        FourierDictionary(2, output="complex"),
        HermiteDictionary(3),
        RBFDictionary(4, random_state=0),
        RBFDictionary(4, include_state=False, random_state=0),
    ],
    ids=repr,
)
def test_there_is_a_name_for_each_observable(lift, rng):
    Z = lift.fit_transform(rng.normal(size=(30, 2)))
    assert len(lift.get_feature_names_out()) == Z.shape[1]


@pytest.mark.parametrize(
    ("dictionary", "later"),
    [
        (FourierDictionary(2, period=20.0), {"period": 3.0}),
        (FourierDictionary(2, period=20.0), {"output": "complex"}),
        (HermiteDictionary(3), {"degree": 1}),
        (RBFDictionary(5, random_state=0), {"kernel": "laplacian"}),
        (RBFDictionary(5, random_state=0), {"include_state": False}),
    ],
    ids=str,
)
def test_parameters_that_were_set_after_the_fit_concern_the_next_one(rng, dictionary, later):
    X = rng.normal(size=(60, 2)) * [3.0, 4.0]
    wanted = dictionary.fit(X).transform(X)
    dictionary.set_params(**later)
    np.testing.assert_array_equal(dictionary.transform(X), wanted)
    assert len(dictionary.get_feature_names_out()) == wanted.shape[1]
