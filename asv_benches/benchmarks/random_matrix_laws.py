"""The Marchenko-Pastur and Tracy-Widom laws beside scikit-rmt.

scikit-rmt 2.1 needs NumPy below 2, which subspace_learn does not run on: SCIKIT_RMT_PYTHON names
the Python of an environment of its own that has it.
"""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np

from subspace_learn.functional.random_matrix.marchenko_pastur import (
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_quantile,
)
from subspace_learn.functional.random_matrix.tracy_widom import (
    tracy_widom_cdf,
    tracy_widom_determinant,
    tracy_widom_quantile,
)

from .common import Speed

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


def scikit_rmt(what):
    """What scikit-rmt makes of the points, and how long it takes in its own process."""
    given = json.dumps({name: values.tolist() for name, values in POINTS.items()})
    run = subprocess.run(
        [os.environ["SCIKIT_RMT_PYTHON"], "-W", "ignore", "-c", SCIKIT_RMT],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )
    values, seconds = json.loads(run.stdout)[what]
    return np.array(values), seconds


def determinant(points):
    return np.array([tracy_widom_determinant(float(t))[0] for t in points])


def mp_cdf(x):
    return marchenko_pastur_cdf(x, 0.5, 1.0)


LAWS = {
    "Tracy-Widom distribution function, 1,000 points": ("tw_cdf", "s", tracy_widom_cdf),
    "Tracy-Widom quantile, 200 points": ("tw_quantile", "q", tracy_widom_quantile),
    "Marchenko-Pastur density, 1,000 points": (
        "mp_density",
        "x",
        lambda x: marchenko_pastur_density(x, 0.5, 1.0),
    ),
    "Marchenko-Pastur distribution function, 1,000 points": ("mp_cdf", "x", mp_cdf),
    "Marchenko-Pastur quantile, 200 points": (
        "mp_quantile",
        "u",
        lambda u: marchenko_pastur_quantile(u, 0.5),
    ),
}


class Laws(Speed):
    """Tracy-Widom 1 and Marchenko-Pastur (ratio 1/2), one thread; score: largest error.

    Of a quantile the error in probability; of a Marchenko-Pastur density or distribution function
    the difference to scikit-rmt, where that is there.
    """

    n_threads = 1
    param_names = ["law"]
    params = [list(LAWS)]
    budget = 4.0

    def make_data(self, law):
        self.key, points, self.function = LAWS[law]
        self.theirs = None
        if "SCIKIT_RMT_PYTHON" in os.environ:
            self.theirs = scikit_rmt(self.key)
        points = POINTS[points]
        return points[::20] if self.quick else points

    def ours(self, points):
        return self.function(points)

    def extras(self, points, result, seconds):
        return {
            "scikit-rmt over ours": self.theirs[1] / seconds if self.theirs else "not installed"
        }

    def score(self, points, values):
        if self.key == "tw_cdf":
            return np.abs(values - determinant(points)).max()
        if self.key.endswith("quantile"):
            law = determinant if self.key == "tw_quantile" else mp_cdf
            return np.abs(law(values) - points).max()
        return np.abs(values - self.theirs[0]).max() if self.theirs else np.nan
