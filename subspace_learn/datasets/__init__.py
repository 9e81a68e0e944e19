"""Public data sets as ``fetch_*`` functions, and small seeded generators as ``make_*`` functions.

Fetched data lie in one folder, the data home (see :func:`data_home`). A missing file is brought
from its public origin with pooch, checked against a known SHA-256 and converted. Data frames need
pandas. Both come with ``pip install "subspace-learn[data]"`` and are imported when first used.
"""

from ._data_home import DatasetUnavailableError, data_home
from ._eeg import fetch_motor_imagery, fetch_ssvep
from ._generators import make_noniid_clients, make_spiked_samples, make_subspace_outliers
from ._graphs import fetch_attributed_graph
from ._nsl_kdd import fetch_nsl_kdd

__all__ = [
    "DatasetUnavailableError",
    "data_home",
    "fetch_attributed_graph",
    "fetch_motor_imagery",
    "fetch_nsl_kdd",
    "fetch_ssvep",
    "make_noniid_clients",
    "make_spiked_samples",
    "make_subspace_outliers",
]
