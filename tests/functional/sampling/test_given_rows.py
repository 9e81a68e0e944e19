"""What the public functions on rows take, and what they say of the rest."""

import numpy as np
import pandas as pd
import pytest

from subspace_learn.sampling import (
    christoffel_function,
    leverage_scores,
    lewis_weights,
    lp_sensitivities,
    projection_dpp,
    volume_sample,
)


def drawn(Q):
    return projection_dpp(Q, np.random.default_rng(0))


def sampled(Q):
    return volume_sample(Q, 9, np.random.default_rng(0))


FUNCTIONS = [
    leverage_scores,
    lewis_weights,
    lp_sensitivities,
    christoffel_function,
    drawn,
    sampled,
]


@pytest.fixture
def rows(rng):
    return np.linalg.qr(rng.normal(size=(40, 3)))[0]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lists_and_frames_are_tables_like_others(rows, function):
    wanted = function(rows)
    for given in (rows.tolist(), pd.DataFrame(rows), pd.DataFrame(rows).astype("Float64")):
        # sums in another order of memory
        np.testing.assert_allclose(function(given), wanted, rtol=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_no_table_of_numbers_is_refused_in_words(rows, function):
    frame = pd.DataFrame(rows)
    for given, message in (
        (np.ma.array(rows, mask=rows > 0.3), "masked"),
        (np.where(rows > 0.3, np.nan, rows), "NaN"),
        (frame.assign(n=pd.array([None] + [1] * 39, dtype="Int64")), "needs a number|NaN"),
        (frame.assign(n=pd.Timestamp("2026-01-01")), "needs a number"),
        (frame[[0]].assign(n="a"), "needs a number"),
        (rows * 1j, "complex"),
        (rows[:, 0], "shape"),
        (rows[:0], "shape"),
    ):
        with pytest.raises(ValueError, match=message):
            function(given)
