"""Doctests of the guide: pages that need real data or an extra are skipped, visibly, without."""

import pytest


@pytest.fixture(autouse=True)
def _data_of_the_page(request):
    if "subspace_learn.deep import" in request.path.read_text(encoding="utf-8"):
        pytest.importorskip("torch")
    if request.path.name != "covariance.rst":
        return
    pytest.importorskip("mne")
    pytest.importorskip("matplotlib").use("Agg")
    from subspace_learn.datasets import DatasetUnavailableError, fetch_motor_imagery

    try:
        fetch_motor_imagery(15, download_if_missing=False)
    except DatasetUnavailableError as error:
        pytest.skip(f"{request.path.name} needs motor imagery data: {error}")
