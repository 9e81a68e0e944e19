"""HiPPOTransformer: what the class adds to the operators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from subspace_learn import HiPPOTransformer
from subspace_learn.functional.sequence.hippo import hippo_operator


@pytest.fixture
def series(rng):
    """Six series of three channels: smooth waves."""
    t = np.linspace(0, 1, 120)
    return np.sin(rng.uniform(3, 9, (6, 3, 1)) * t + rng.uniform(0, 6, (6, 3, 1)))


@pytest.mark.parametrize("measure", ["legs", "legt", "fout"])
def test_channels_are_remembered_one_by_one(measure, series, xp):
    memory = HiPPOTransformer(7, measure=measure, window=30.0).fit(xp.asarray(series))
    coefficients = memory.transform(xp.asarray(series))
    forward, backward = hippo_operator(measure, 7, 120, 30.0)
    wanted = (series @ forward).reshape(6, 21)
    np.testing.assert_allclose(xp.numpy(coefficients), wanted, rtol=0, atol=1e-13)
    back = memory.inverse_transform(coefficients)
    assert back.shape == (6, 3, 120 if measure == "legs" else 30)
    np.testing.assert_allclose(xp.numpy(back), series @ forward @ backward, rtol=0, atol=1e-12)
    path = memory.trajectory(xp.asarray(series))
    assert xp.owns(path)
    np.testing.assert_allclose(xp.numpy(path)[:, -1], wanted, rtol=0, atol=1e-12)
    assert memory.get_feature_names_out()[8] == f"channel1_{measure}1"


def test_series_of_another_length_have_as_many_coefficients(series):
    memory = HiPPOTransformer(5).fit(series)
    shorter = HiPPOTransformer(5).fit(series[:, :, :50])
    np.testing.assert_array_equal(
        memory.transform(series[:, :, :50]), shorter.transform(series[:, :, :50])
    )


def test_float32_stays_along_the_way(series):
    memory = HiPPOTransformer(5).fit(series.astype(np.float32))
    coefficients = memory.transform(series.astype(np.float32))
    assert coefficients.dtype == np.float32
    assert memory.inverse_transform(coefficients).dtype == np.float32
    assert memory.trajectory(series.astype(np.float32)).dtype == np.float32


def test_a_smooth_series_comes_back(series):
    memory = HiPPOTransformer(16).fit(series)
    back = memory.inverse_transform(memory.transform(series))
    # the stair of samples, of height 0.08, shows at the two ends
    np.testing.assert_allclose(back, series, atol=1e-2)


def test_one_sample_is_no_series():
    with pytest.raises(ValueError, match="at least 2 times"):
        HiPPOTransformer().fit(np.ones((4, 1)))
    with pytest.raises(ValueError, match="at least 2 times"):
        HiPPOTransformer().fit(np.ones((4, 2, 1)))


def test_wrong_shapes_are_told(series):
    with pytest.raises(ValueError, match="such as 5"):
        HiPPOTransformer(4, measure="fout").fit(series)
    table = HiPPOTransformer(4).fit(series[:, 0])
    with pytest.raises(ValueError, match="fitted with a table"):
        table.transform(np.ones((2, 120, 9)))
    with pytest.raises(ValueError, match=r"3 columns, but .* 4 coordinates"):
        table.inverse_transform(np.ones((2, 3)))


def test_it_is_searched_in_a_pipeline(rng):
    """Slow against fast waves in noise: the coefficients are a table for any classifier."""
    t = np.linspace(0, 1, 80)
    y = np.arange(60) % 2
    X = np.sin((4 + 8 * y)[:, None] * t) + 0.3 * rng.normal(size=(60, 80))
    pipeline = make_pipeline(HiPPOTransformer(), LogisticRegression())
    grid = {
        "hippotransformer__n_coefficients": [3, 9],
        "hippotransformer__measure": ["legs", "legt", "fout"],
    }
    assert GridSearchCV(pipeline, grid, cv=3).fit(X, y).best_score_ > 0.95


def test_names_tell_channels_apart_wherever_there_are_several(series):
    for n_channels in (2, 3):
        names = HiPPOTransformer(2).fit(series[:, :n_channels]).get_feature_names_out()
        wanted = [f"channel{c}_legs{k}" for c in range(n_channels) for k in range(2)]
        assert names.tolist() == wanted
    assert HiPPOTransformer(2).fit(series[:, :1]).get_feature_names_out().tolist() == [
        "legs0",
        "legs1",
    ]


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("factor", [1.0, 300.0, 1e-6, 1e6])
def test_float32_says_what_float64_says(series, factor, offset):
    """Products are summed in float64: what is lost is the rounding of the result alone."""
    X = (factor * (series + offset)).astype(np.float32)
    wide = X.astype(np.float64)
    for measure in ("legs", "legt"):
        memory = HiPPOTransformer(measure=measure)
        wanted = memory.fit(wide).transform(wide)
        back = memory.inverse_transform(wanted)
        narrow = HiPPOTransformer(measure=measure).fit(X)
        coefficients = narrow.transform(X)
        np.testing.assert_allclose(coefficients, wanted, rtol=1e-6)
        found = narrow.inverse_transform(coefficients)
        # rounding of the largest coefficient is spread over all times
        np.testing.assert_allclose(found, back, atol=2e-6 * np.abs(wanted).max())


def test_a_constant_series_has_one_coefficient():
    X = np.full((3, 1, 1001), 0.1)
    coefficients = HiPPOTransformer().fit(X).transform(X)
    np.testing.assert_allclose(coefficients[:, 0], 0.1, rtol=1e-12)
    np.testing.assert_allclose(coefficients[:, 1:], 0.0, atol=1e-13)


def test_defaults_are_sixteen_coefficients_of_the_whole_past(series):
    memory = HiPPOTransformer().fit(series)
    np.testing.assert_array_equal(memory.operator_, hippo_operator("legs", 16, 120, None)[0])
    windowed = HiPPOTransformer(measure="legt").fit(series)
    np.testing.assert_array_equal(windowed.operator_, hippo_operator("legt", 16, 120, 120.0)[0])
