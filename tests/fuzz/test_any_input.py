"""Whatever is given to an estimator, it works and is finite, or is refused in words.

``SUBSPACE_LEARN_EXAMPLES=10000 pytest tests/fuzz/test_any_input.py -k GrassmannPCA`` looks further.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.any_structure import KINDS
from tests.fuzz.good_input import fitted_on_good_input, settings_of_every_estimator
from tests.fuzz.robust import examine, kind_of

EXAMPLES = int(os.environ.get("SUBSPACE_LEARN_EXAMPLES", "200"))
ESTIMATORS = settings_of_every_estimator()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_any_input_gives_finite_results_or_is_refused_in_words(name):
    builds = [fitted_on_good_input(estimator) for estimator in ESTIMATORS[name]]
    entries = ["fit", "fit"]
    if hasattr(ESTIMATORS[name][0], "partial_fit"):
        entries.append("partial_fit")

    fitted = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(
        build=st.sampled_from(builds),
        given=KINDS[kind_of(ESTIMATORS[name][0])](),
        entry=st.sampled_from(entries),
    )
    def law(build, given, entry):
        fitted.append(examine(build, given, entry))

    law()
    assert sum(fitted) > len(fitted) / 20, "hardly anything was fitted: the examples are too wild"
