"""The table of capabilities tells the truth: each cell is tried, and the page shows each row."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from subspace_learn._capabilities import Capabilities, capabilities, capability_table, kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks.data import example
from tests.common_checks.instances import instances

# Examples are small tables, of which a tenth of the rows is a poor sample.
pytestmark = pytest.mark.filterwarnings(r"ignore:\d+ draws cannot keep:UserWarning")

# The first setting of each: solvers that cannot do all that the estimator can say so when asked.
INSTANCES = {type(e).__name__: e for e in reversed(instances())}
PAGES = Path(__file__).resolve().parents[1] / "doc" / "_ext" / "capability_page.py"


@pytest.fixture(params=sorted(INSTANCES))
def estimator(request):
    """Each estimator, but for those that need torch."""
    return clone(INSTANCES[request.param])


def fitted(estimator, X=None, **options):
    """Fitted on X, or on an example of its kind."""
    example_X, y = example(kind_of_input(estimator))
    return estimator.fit(example_X if X is None else X, y, **options)


def test_sparse_input_is_taken_where_the_table_says_so(estimator):
    if kind_of_input(estimator) not in {"table", "sampler"}:
        pytest.skip("sparse tables only")
    X, _ = example("table")
    if capabilities(estimator).sparse:
        check_is_fitted(fitted(estimator, sp.csr_array(np.abs(X))))
    else:
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            fitted(estimator, sp.csr_array(X))


def test_weights_are_taken_where_the_table_says_so(estimator):
    kind = kind_of_input(estimator)
    if kind in {"graph", "mesh", "system"}:
        assert not capabilities(estimator).weights
        return
    weights = np.ones(len(example(kind)[0]))
    if capabilities(estimator).weights:
        check_is_fitted(fitted(estimator, sample_weight=weights))
    else:
        with pytest.raises(TypeError):
            fitted(estimator, sample_weight=weights)


def test_batches_are_taken_where_the_table_says_so(estimator):
    X, y = example(kind_of_input(estimator))
    if capabilities(estimator).stream:
        check_is_fitted(estimator.partial_fit(X, y))
    else:
        assert not hasattr(estimator, "partial_fit")


def test_columns_have_names_where_the_table_says_so(estimator):
    if not capabilities(estimator).names:
        assert not hasattr(estimator, "get_feature_names_out")
        return
    X, _ = example(kind_of_input(estimator))
    Z = fitted(estimator).transform(X)
    names = estimator.get_feature_names_out()
    widths = {part.shape[1] for part in (Z if isinstance(Z, list) else [Z]) if part.ndim == 2}
    assert widths <= {len(names)}
    assert len(set(names)) == len(names)


def test_chance_and_progress_are_parameters_where_the_table_says_so(estimator):
    row, parameters = capabilities(estimator), estimator.get_params(deep=False)
    assert (row.seed, row.progress) == ("random_state" in parameters, "verbose" in parameters)


def test_table_has_a_row_for_every_estimator():
    assert list(capability_table()) == sorted(estimators())


def test_some_rows_are_as_known():
    table = capability_table()
    assert table["GrassmannPCA"] == Capabilities(
        "table",
        sparse=True,
        arrays=True,
        float32=True,
        weights=True,
        stream=True,
        names=True,
        seed=True,
        progress=False,
    )
    assert table["KoopmanEDMD"].weights
    assert table["SpectralPositionalEncoding"].kind == "graph"
    assert table["SubspaceDetector"].float32 is None


def test_page_shows_every_estimator():
    spec = importlib.util.spec_from_file_location("capability_page", PAGES)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    text = page.as_list_table(capability_table())
    assert all(f"`{name} <" in text for name in estimators())
    assert text.count("* - ") == 1 + len(estimators())
