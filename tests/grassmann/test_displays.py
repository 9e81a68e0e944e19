"""Pictures of the family: what is drawn is what was fitted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from subspace_learn.datasets import make_noniid_clients
from subspace_learn.grassmann import FederatedGrassmannPCA, RoundsDisplay

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")


@pytest.fixture
def fits():
    X, groups = make_noniid_clients(n_clients=4, n_features=12, random_state=0)
    settings = {"random_state": 0, "n_rounds": 4}
    yield {
        name: FederatedGrassmannPCA(3, aggregation=name, **settings).fit(X, groups=groups)
        for name in ("krylov", "covariance")
    }
    plt.close("all")


def test_rounds_display_draws_the_history_of_each_fit(fits):
    best = fits["covariance"].explained_variance_ratio_.sum()
    display = RoundsDisplay.from_estimators(fits, exact=best)
    *curves, line = display.ax_.lines
    assert [curve.get_label() for curve in curves] == ["krylov", "covariance"]
    for curve, fit in zip(curves, fits.values(), strict=True):
        np.testing.assert_array_equal(curve.get_xdata(), np.arange(1, len(fit.history_) + 1))
        last = fit.history_[-1]["explained_variance_ratio"]
        assert curve.get_ydata()[-1] == last
    # after its last round every client has answered, so the last point is the fit's own share
    assert curves[1].get_ydata()[-1] == pytest.approx(best, rel=1e-12)
    assert line.get_ydata()[0] == best


def test_rounds_display_adds_up_the_bytes(fits):
    display = RoundsDisplay.from_estimators(fits, against="bytes")
    sent = [line["bytes_sent"] for line in fits["krylov"].history_]
    assert display.steps["krylov"][-1] == sum(sent)
    assert display.ax_.get_xlabel() == "bytes sent by a client"


def test_rounds_display_refuses_what_it_does_not_know(fits):
    with pytest.raises(ValueError, match="use 'round' or 'bytes'"):
        RoundsDisplay.from_estimators(fits, against="seconds")
    with pytest.raises(NotFittedError):
        RoundsDisplay.from_estimators({"unfitted": FederatedGrassmannPCA(2)})
