"""What a user waits for before the first number: imports, and the first call of a kernel.

Every measurement is a fresh interpreter; the ratio runs are interleaved.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

ROUNDS = 7
OURS = "import subspace_learn"
HEADLINE = "from subspace_learn import GrassmannPCA, SubspaceDetector"
PEERS = {"numpy": "import numpy", "sklearn": "import sklearn.decomposition"}

# Prints the seconds of the first and the second call of a kernel; numba's import is counted apart.
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
print(imported - begin, time.perf_counter() - imported)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def wall(code):
    begin = time.perf_counter()
    run(code)
    return time.perf_counter() - begin


def import_seconds(*statements):
    """Median seconds each statement adds to a fresh interpreter that does nothing; interleaved."""
    rounds = [[wall(code) for code in ("pass", *statements)] for _ in range(ROUNDS)]
    nothing, *each = (median(column) for column in zip(*rounds, strict=True))
    return [seconds - nothing for seconds in each]


def _ratio(ours, peer):
    return ours / peer


class Import:
    """The package should cost next to nothing, a headline name what scikit-learn costs."""

    timeout = 300.0

    def setup(self):
        for code in (OURS, HEADLINE, *PEERS.values()):
            run(code)  # byte code on disk, files in the page cache

    def track_import(self):
        return import_seconds(OURS)[0]

    track_import.unit = "s"

    def track_import_headline(self):
        return import_seconds(HEADLINE)[0]

    track_import_headline.unit = "s"

    def track_ratio_import_to_numpy(self):
        return _ratio(*import_seconds(OURS, PEERS["numpy"]))

    track_ratio_import_to_numpy.unit = "ours / numpy"

    def track_ratio_import_headline_to_sklearn(self):
        return _ratio(*import_seconds(HEADLINE, PEERS["sklearn"]))

    track_ratio_import_headline_to_sklearn.unit = "ours / sklearn.decomposition"


class FirstKernelCall:
    """First call of a compiled kernel in a new process, its machine code cached on disk already."""

    timeout = 300.0

    def setup(self):
        run(FIRST_KERNEL_CALL)  # fills the cache

    def _median(self, which):
        return median(float(run(FIRST_KERNEL_CALL).stdout.split()[which]) for _ in range(ROUNDS))

    def track_import_kernel(self):
        return self._median(0)

    track_import_kernel.unit = "s"

    def track_first_call(self):
        return self._median(1)

    track_first_call.unit = "s"
