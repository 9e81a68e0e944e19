"""Doctests of the pages: those that need real data or an extra are skipped, visibly, without."""

import pytest

# What a page asks for: packages, and the data set that it reads.
PACKAGES = {
    "big_table.rst": ["dask.dataframe", "pyarrow"],
    "dataframe.rst": ["pandas"],
    "epochs.rst": ["mne", "matplotlib"],
    "covariance.rst": ["mne"],
}
DATA = {
    "dataframe.rst": "nsl_kdd",
    "epochs.rst": "eeg",
    "covariance.rst": "eeg",
    "snapshots.rst": "eeg",
}


@pytest.fixture(autouse=True)
def _what_the_page_needs(request):
    page = request.path.name
    if "subspace_learn.deep import" in request.path.read_text(encoding="utf-8"):
        pytest.importorskip("torch")
    for package in PACKAGES.get(page, []):
        pytest.importorskip(package)
    if "matplotlib" in PACKAGES.get(page, []):
        pytest.importorskip("matplotlib").use("Agg")
    if page not in DATA:
        return
    from subspace_learn.datasets import (
        DatasetUnavailableError,
        fetch_motor_imagery,
        fetch_nsl_kdd,
    )

    try:
        if DATA[page] == "nsl_kdd":
            fetch_nsl_kdd("test", download_if_missing=False)
        else:
            for subject in (1, 15):
                fetch_motor_imagery(subject, download_if_missing=False)
    except DatasetUnavailableError as error:
        pytest.skip(f"{page} needs real data: {error}")
