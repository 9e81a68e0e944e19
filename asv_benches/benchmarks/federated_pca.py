"""Time per round of FederatedGrassmannPCA against features and clients."""

from __future__ import annotations

import warnings
from statistics import median

from threadpoolctl import threadpool_limits

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import make_noniid_clients

from .common import N_THREADS

ROWS = 20000


class Rounds:
    """Median milliseconds of rounds 2 to 8 on 20,000 rows in all, one process."""

    param_names = ["aggregation", "features", "clients"]
    params = [["krylov", "admm", "euclidean"], [50, 200, 800], [5, 50]]
    timeout = 300.0

    def setup(self, aggregation, features, clients):
        self.X, self.groups = make_noniid_clients(
            clients, ROWS // clients, features, 5, random_state=0
        )

    def track_milliseconds_per_round(self, aggregation, features, clients):
        pca = FederatedGrassmannPCA(
            5, aggregation=aggregation, n_rounds=8, local_steps=5, tol=0.0, random_state=0
        )
        with threadpool_limits(N_THREADS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tol=0 is never reached: that is the point
            pca.fit(self.X, groups=self.groups)
        return 1e3 * median(line["seconds"] for line in pca.history_[1:])

    track_milliseconds_per_round.unit = "ms"
