"""Claims of Ling and Strohmer (2018) at small size: error proportional to noise, steps of LSQR."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.inverse.self_calibration.calibration import (
    calibrated,
)
from subspace_learn.functional.inverse.self_calibration.system import CalibrationOptions
from subspace_learn.inverse import error_after_best_scalar
from tests.functional.inverse.self_calibration.cases import case, mean, noisy

# Median errors (gains, signals) at 20 and 40 dB for 128 sensors, 32 atoms, 8 snapshots, Gaussian
# maps, |d| in [0.5, 1.5], phases in [0, 0.4 pi]: measured once with independent code (the
# project's sheet).
TABLE = {
    ("repeated", "ls", 20): (0.0394, 0.0216),
    ("repeated", "ls", 40): (3.91e-3, 2.17e-3),
    ("repeated", "svd", 20): (0.0398, 0.0219),
    ("repeated", "svd", 40): (3.91e-3, 2.17e-3),
    ("diverse", "ls", 20): (0.0449, 0.0742),
    ("diverse", "ls", 40): (4.54e-3, 7.38e-3),
    ("diverse", "svd", 20): (0.0453, 0.0743),
    ("diverse", "svd", 40): (4.53e-3, 7.38e-3),
}
TABLE |= {(m, how, 60): tuple(e / 10 for e in TABLE[m, how, 40]) for m, how, _ in list(TABLE)}


def median_errors(model, method, snr_db, refine=0, n_repeats=9):
    rows = []
    for seed in range(n_repeats):
        rng = np.random.default_rng(seed)
        Y, stack, d, x = case(rng, model, 128, 32, 8, phase=0.4)
        options = CalibrationOptions(
            method=method,
            shared_signal=model == "repeated",
            normalization=mean(128) if method == "ls" else None,
            refine=refine,
        )
        found = calibrated(noisy(rng, Y, snr_db), stack, options)
        assert found.spectrum.null_dim == 1
        rows.append(
            [error_after_best_scalar(a, b) for a, b in ((found.gains, d), (found.signals, x))]
        )
    return np.median(rows, axis=0)


@pytest.mark.parametrize(("model", "method", "snr_db"), TABLE)
def test_errors_in_noise_are_those_of_the_table(model, method, snr_db):
    # 20 percent, the target of the project: medians of nine draws differ by that much
    np.testing.assert_allclose(
        median_errors(model, method, snr_db), TABLE[model, method, snr_db], rtol=0.2
    )


@pytest.mark.parametrize(
    ("model", "wanted"), [("repeated", (3.91e-3, 1.88e-3)), ("diverse", (4.38e-3, 6.42e-3))]
)
def test_fifty_alternating_steps_gain_what_the_table_says(model, wanted):
    given = median_errors(model, "ls", 40, refine=50, n_repeats=5)
    np.testing.assert_allclose(given, wanted, rtol=0.2)


@pytest.mark.parametrize("m", [256, 1024, 4096])
def test_steps_of_lsqr_do_not_grow_with_the_size(rng, m):
    Y, stack, d, _ = case(rng, "repeated", m, m // 4, 4, kind="dft", phase=0.4)
    options = CalibrationOptions(solver="lsqr", shared_signal=True, normalization=mean(m))
    found = calibrated(Y, stack, options)
    assert found.n_iter <= 45
    assert error_after_best_scalar(found.gains, d) <= 1e-8
