"""The battery of tests/battery on deep estimators, in settings that train for a few epochs."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.base import clone

from subspace_learn.deep import (
    DeepClassifier,
    DeepRegressor,
    DeepTransformer,
    GrassmannNetClassifier,
    SSMClassifier,
)
from tests.battery import structures, tables
from tests.battery.test_battery import variants

FEW = {"max_epochs": 2, "random_state": 0}
FULL = {"max_epochs": 3, "batch_size": None, "optimizer": "sgd", "random_state": 0}
ESTIMATORS = [
    DeepClassifier(**FEW),
    DeepClassifier(**FULL),
    DeepRegressor(**FEW),
    DeepTransformer(**FULL),
    GrassmannNetClassifier((6, 4), n_components=2, **FEW),
    SSMClassifier(d_model=4, d_state=4, n_layers=1, **FEW),
]
CHECKS = [
    structures.check_one_item_alone_gets_its_answer,
    structures.check_travels_to_a_worker,
    tables.check_columns_in_another_order_are_noticed,
    tables.check_degenerate_columns_get_an_answer,
    tables.check_fitted_attributes_do_not_read_parameters,
    tables.check_no_residue_of_rounding_is_taken_for_a_scale,
    tables.check_rows_given_twice_change_nothing_but_weight,
    tables.check_settings_of_scikit_learn_change_no_number,
]
# Rounding of the rows moves a training in batches by more than the rows: Adam divides by gradients.
OF_FULL_BATCHES = [
    tables.check_float32_gives_the_numbers_of_float64,
    tables.check_weights_are_repetitions,
]
CASES = [
    pytest.param(estimator, check, how, id=f"{estimator!r}-{check.__name__}-{list(how.values())}")
    for check in [*CHECKS, *OF_FULL_BATCHES]
    for how in variants(check)
    for estimator in ESTIMATORS
    if check not in OF_FULL_BATCHES or estimator.batch_size is None
    if how.get("factor", 1.0) == 1.0  # a step of float32 rounds by more than rows of one scale do
]


@pytest.mark.filterwarnings("ignore:The largest root mean square")
@pytest.mark.parametrize(("estimator", "check", "how"), CASES)
def test_battery(estimator, check, how):
    check(clone(estimator), **how)
