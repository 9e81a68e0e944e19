"""The laws and a denoised covariance beside scikit-rmt and skfolio, for doc/_tables.

Run it with a Python that has skfolio and subspace_learn. scikit-rmt 2.1 needs NumPy below 2, which
subspace_learn does not run on, so it stands in an environment of its own:

SCIKIT_RMT_PYTHON=/its/bin/python python asv_benches/random_matrix_peers_tables.py

Times are the smallest of several calls, one thread; those of scikit-rmt are of another process.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import warnings

import numpy as np
from random_matrix_tables import loss, oracle, planted
from sklearn.covariance import LedoitWolf
from tables import spread, write_page
from threadpoolctl import threadpool_limits

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.functional.random_matrix.noise_laws import tracy_widom_determinant
from subspace_learn.random_matrix import (
    AnalyticShrinkage,
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_quantile,
    tracy_widom_cdf,
    tracy_widom_quantile,
)

POINTS = {
    "s": np.linspace(-5, 4, 1000),
    "q": np.linspace(0.01, 0.999, 200),
    "x": np.linspace(0.05, 2.95, 1000),
    "u": np.linspace(0.01, 0.99, 200),
}

SCIKIT_RMT = """
import json, sys, time
import numpy as np
from skrmt.ensemble.spectral_law import MarchenkoPasturDistribution, TracyWidomDistribution
points = {name: np.array(values) for name, values in json.load(sys.stdin).items()}
tw, mp = TracyWidomDistribution(beta=1), MarchenkoPasturDistribution(ratio=0.5, beta=1)
calls = {"tw_cdf": lambda: tw.cdf(points["s"]), "tw_quantile": lambda: tw.ppf(points["q"]),
         "mp_density": lambda: mp.pdf(points["x"]), "mp_cdf": lambda: mp.cdf(points["x"]),
         "mp_quantile": lambda: mp.ppf(points["u"])}
answer = {}
for name, call in calls.items():
    call()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        values = call()
        times.append(time.perf_counter() - start)
    answer[name] = [np.asarray(values, float).tolist(), min(times)]
json.dump(answer, sys.stdout)
"""


def timed(call, n_calls=9):
    """Result, and the smallest time of some warm calls."""
    call()
    times = []
    for _ in range(n_calls):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, min(times)


def scikit_rmt():
    """What scikit-rmt makes of the points, and how long it takes."""
    python = os.environ.get("SCIKIT_RMT_PYTHON")
    if python is None:
        raise SystemExit("SCIKIT_RMT_PYTHON must name a Python that has scikit-rmt (NumPy < 2).")
    given = json.dumps({name: values.tolist() for name, values in POINTS.items()})
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    run = subprocess.run(
        [python, "-W", "ignore", "-c", SCIKIT_RMT],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return {name: (np.array(values), t) for name, (values, t) in json.loads(run.stdout).items()}


def laws():
    """Tracy-Widom 1, Marchenko-Pastur (ratio 1/2), ours and scikit-rmt's: largest error, time."""
    s, q, x, u = (POINTS[name] for name in "sqxu")
    ours = {
        "tw_cdf": timed(lambda: tracy_widom_cdf(s)),
        "tw_quantile": timed(lambda: tracy_widom_quantile(q)),
        "mp_density": timed(lambda: marchenko_pastur_density(x, 0.5, 1.0)),
        "mp_cdf": timed(lambda: marchenko_pastur_cdf(x, 0.5, 1.0)),
        "mp_quantile": timed(lambda: marchenko_pastur_quantile(u, 0.5)),
    }
    errors = {
        "tw_cdf": lambda v: np.abs(v - [tracy_widom_determinant(float(t))[0] for t in s]).max(),
        "tw_quantile": lambda v: np.abs(
            [tracy_widom_determinant(float(t))[0] - p for t, p in zip(v, q, strict=True)]
        ).max(),
        "mp_density": None,
        "mp_cdf": None,
        "mp_quantile": lambda v: np.abs(marchenko_pastur_cdf(v, 0.5, 1.0) - u).max(),
    }
    names = {
        "tw_cdf": "Tracy-Widom distribution function, 1,000 points",
        "tw_quantile": "Tracy-Widom quantile, 200 points (error in probability)",
        "mp_density": "Marchenko-Pastur density, 1,000 points",
        "mp_cdf": "Marchenko-Pastur distribution function, 1,000 points",
        "mp_quantile": "Marchenko-Pastur quantile, 200 points (error in probability)",
    }
    rows = [("what", "error, ours", "scikit-rmt", "time, ours, ms", "scikit-rmt", "ratio")]
    for name, (theirs, seconds) in scikit_rmt().items():
        values, mine = ours[name]
        if errors[name] is None:
            cells = (f"they agree to {max(np.abs(values - theirs).max(), 1e-16):.0e}", "")
        else:
            cells = (f"{errors[name](values):.0e}", f"{errors[name](theirs):.0e}")
        times = (f"{1e3 * mine:.2f}", f"{1e3 * seconds:.2f}", f"{seconds / mine:.1f}")
        rows.append((names[name], *cells, *times))
    return rows


def turned(n, p, seed):
    """Rows whose spikes lie along random directions, and their covariance."""
    X, basis = make_spiked_samples(
        n, p, spikes=(9.0, 4.0, 2.0, 0.5), random_state=seed, return_basis=True
    )
    return X, np.eye(p) + basis * np.array([9.0, 4.0, 2.0, 0.5]) @ basis.T


def covariances(n_seeds=20):
    """Covariance of spikes 10, 5, 3, 1.5: relative Frobenius loss of 20 draws; time over ours."""
    from skfolio.moments import DenoiseCovariance

    estimators = {
        "RandomMatrixFilter": RandomMatrixFilter(),
        "AnalyticShrinkage": AnalyticShrinkage(),
        "skfolio DenoiseCovariance": DenoiseCovariance(),
        "sklearn LedoitWolf": LedoitWolf(),
    }
    rows = [("n, p", "spikes", *estimators, "oracle")]
    for draw, where in ((turned, "random directions"), (planted, "single features")):
        for n, p in ((400, 200), (2000, 200)):
            found, times = [], []
            for seed in range(n_seeds):
                X, truth = draw(n, p, seed)
                made = [
                    timed(lambda e=e, X=X: e.fit(X).covariance_, 1) for e in estimators.values()
                ]
                found.append([*(loss(c, truth) for c, _ in made), loss(oracle(X, truth), truth)])
                times.append([seconds / made[0][1] for _, seconds in made])
            cells = [spread(column) for column in np.array(found).T]
            for i, ratio in enumerate(np.median(times, axis=0)):
                cells[i] += f"; {ratio:.1f}"
            rows.append((f"{n}, {p}", where, *cells))
    return rows


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        write_page("random_matrix_peers", __doc__.splitlines()[0], laws, covariances)
