"""What a user waits for before the first number: imports, first fits, the first call of a kernel.

Every number is a median of fresh interpreters with warm caches (byte code, kernels, files), and in
seconds of the processor, which other work on the machine does not add to.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import joblib
import numpy as np

from .common import Benchmark, Listing

OURS = "import subspace_learn"
HEADLINE = "from subspace_learn import GrassmannPCA, SubspaceDetector"
NUMPY, SKLEARN = "import numpy", "import sklearn.decomposition"
ROOT = Path(__file__).resolve().parents[2]

# Prints the seconds of the first call of a kernel; numba's import is counted apart.
FIRST_KERNEL_CALL = """
import time
import numpy as np
import scipy.sparse as sp
X = sp.random(50, 20, density=0.2, format="csr", random_state=0)
weights, gram = np.ones(50), np.zeros((20, 20))
begin = time.perf_counter()
from subspace_learn.kernels.gram import csr_gram
imported = time.perf_counter()
csr_gram(X.data, X.indices, X.indptr, weights, gram)
print(json.dumps([imported - begin, time.perf_counter() - imported]))
"""
FIT = """
import sklearn.decomposition, joblib, time, warnings
warnings.simplefilter("ignore")
begin = time.process_time()
from {module} import {name}
estimator, arguments = joblib.load({file!r})
loaded = time.process_time()
estimator.fit(*arguments)
first = time.process_time()
estimator.fit(*arguments)
print(json.dumps([loaded - begin, first - loaded, time.process_time() - first]))
"""


def run(code):
    """What an interpreter prints, and the seconds of processor it takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "import json\n" + code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Import(Benchmark):
    """Imports and first calls: the package, a headline name, a compiled kernel"""

    n_rounds = 7

    def setup(self):
        if self.quick:
            self.n_rounds = 1
            return
        for code in (OURS, HEADLINE, NUMPY, SKLEARN, FIRST_KERNEL_CALL):
            run(code)  # byte code and kernels on disk, files in the page cache

    def seconds(self, *statements):
        """Median seconds each statement adds to an interpreter that does nothing; interleaved."""
        rounds = [[run(c)[1] for c in ("pass", *statements)] for _ in range(self.n_rounds)]
        nothing, *each = (median(column) for column in zip(*rounds, strict=True))
        return [max(seconds - nothing, 1e-9) for seconds in each]

    def track_ratio_import_to_numpy(self):
        ours, numpy = self.seconds(OURS, NUMPY)
        return ours / numpy

    def track_ratio_import_headline_to_sklearn(self):
        ours, sklearn = self.seconds(HEADLINE, SKLEARN)
        return ours / sklearn

    def track_first_kernel_call(self):
        rounds = [json.loads(run(FIRST_KERNEL_CALL)[0])[1] for _ in range(self.n_rounds)]
        return median(rounds)

    def table(self, budget=None):
        """Return one row for each thing that is tracked."""
        self.setup()
        return [
            ["what", "value", "target"],
            ["import over NumPy's", f"{self.track_ratio_import_to_numpy():.2g}", "1.3"],
            [
                "headline name over sklearn.decomposition",
                f"{self.track_ratio_import_headline_to_sklearn():.3g}",
                "1.3",
            ],
            ["first call of a kernel, s", f"{self.track_first_kernel_call():.2g}", ".5"],
        ]


def estimators(quick):
    """First setting of each public estimator of the common tests, and what its `fit` takes."""
    if quick:
        from subspace_learn import GrassmannPCA

        return {"GrassmannPCA": (GrassmannPCA(2), (np.eye(9, 4),))}
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.common_checks.instances import deep_instances, instances
    from tests.fuzz.good_input import good_input
    from tests.fuzz.robust import is_supervised

    chosen = {}
    for estimator in instances() + (deep_instances() if find_spec("torch") else []):
        if type(estimator).__name__ not in chosen:
            X, y, _ = good_input(estimator)
            arguments = (X, y) if is_supervised(estimator) else (X,)
            chosen[type(estimator).__name__] = estimator, arguments
    return chosen


class FirstFits(Listing):
    """First fits in a fresh process, scikit-learn imported, on the small data of the common tests.

    The first fit less the second is what is paid for being the first: libraries that waited until
    then, kernels read from their cache.
    """

    def rows(self):
        yield "estimator", "import, s", "first fit, s", "second fit, s"
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "case.joblib")
            for name, (estimator, arguments) in estimators(self.quick).items():
                joblib.dump((estimator, arguments), file)
                code = FIT.format(module=type(estimator).__module__, name=name, file=file)
                n_runs = 2 if self.quick else 4
                rounds = [json.loads(run(code)[0].splitlines()[-1]) for _ in range(n_runs)]
                columns = zip(*rounds[1:], strict=True)  # the first fills the caches
                yield name, *(f"{median(column):.3f}" for column in columns)
