"""What users have and tests forget: the checks that every estimator of numbers passes.

Each takes an unfitted estimator. A check may skip, with the reason; an estimator that is exempt
from one stands in ``EXEMPT``, with the reason.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.utils.validation import has_fit_parameter

from subspace_learn._capabilities import kind_of_input
from tests.common_checks.instances import (
    AMPLIFIES_ROUNDING,
    COLUMNS_ARE_ROWS,
    ROWS_ARE_TIMES,
    STOPS_AT_A_TOLERANCE,
    instances,
)
from tests.fuzz.robust import is_supervised

from .readings import (
    AXIS_OF_COLUMNS,
    EPS32,
    METHODS,
    Fitted,
    answers,
    attributes,
    data,
    differences,
    largest,
    seeded,
)

EXEMPT: dict[tuple[str, str], str] = {
    ("SensitivitySampler", "check_batches_give_the_statistics_of_one_fit"): (
        "rows of a stream are drawn as they come; its law is tested in tests/sampling"
    ),
    ("KoopmanEDMD", "check_batches_give_the_statistics_of_one_fit"): (
        "a cut between two rows takes a pair away; pairs in batches are tested in tests/dynamics"
    ),
    ("GrassmannClassifier", "check_batches_give_the_statistics_of_one_fit"): (
        "a batch is a step of the optimizer; mean, scale and constant are tested in tests/grassmann"
    ),
    ("HeavyTailSpectrum", "check_float32_gives_the_numbers_of_float64"): (
        "where a tail begins is one of its eigenvalues, and neighbours may change places"
    ),
    ("RobustDirections", "check_weights_are_repetitions"): (
        "the default disturbance is drawn for each row; with one that draws nothing: common checks"
    ),
    ("RBFDictionary", "check_ties_do_not_flip_signs"): "centres are drawn from rows, in order",
}
# Where a minimum is found by steps that stop at a tolerance: relative error of the answer.
STOPS_AT = {**dict.fromkeys(STOPS_AT_A_TOLERANCE, 1e-3), "GrassmannClassifier": 1e-5}
# In units of X, and zero in exact arithmetic: means of centred coordinates.
VANISHES = {"score_mean_"}
# What is read off whole samples or counts them, and so knows repeated rows from weights.
COUNTS_ROWS = {"n_samples_seen_", "n_iter_", "indices_", "rows_", "weights_", "labels_"}


def columns_of(estimator):
    kind = kind_of_input(estimator)
    if kind not in AXIS_OF_COLUMNS:
        pytest.skip(f"X of kind {kind!r} has no columns to change")
    return AXIS_OF_COLUMNS[kind]


def times(X, axis, column, factor):
    X = X.copy()
    X[(slice(None),) * axis + (column,)] *= factor
    return X


def with_column(X, axis, values):
    """X with one more column: a constant, or a copy of a column (an int in a tuple)."""
    part = np.take(X, [values[0]], axis=axis) if isinstance(values, tuple) else None
    if part is None:
        part = np.full_like(np.take(X, [0], axis=axis), values)
    return np.concatenate([X, part], axis=axis)


def moved_by_rounding(estimator, X, y, draws=3):
    """How far each number moves when each entry of X moves by a rounding of float32.

    No method can know its answer better than that: it is what the condition of the problem allows.
    """
    wanted = Fitted(estimator, X, y).numbers
    moves = dict.fromkeys(wanted, 0.0)
    for seed in range(draws):
        nudge = 1 + EPS32 * np.random.default_rng(seed).uniform(-1, 1, X.shape)
        given = Fitted(estimator, X * nudge, y, query=X).numbers
        for name, value in wanted.items():
            same = name in given and given[name].shape == value.shape
            gap = np.nanmax(np.abs(given[name] - value), initial=0.0) if same else np.inf
            moves[name] = max(moves[name], float(gap))
    return wanted, moves


@pytest.mark.parametrize("factor", [1.0, 300.0, 1e4])
def check_float32_gives_the_numbers_of_float64(estimator, factor):
    axis = columns_of(estimator)
    X, y = data(estimator)
    X32 = times(X, axis, 1, factor).astype(np.float32 if X.dtype.kind == "f" else np.complex64)
    X64 = X32.astype(np.float64 if X.dtype.kind == "f" else np.complex128)
    wanted, moves = moved_by_rounding(estimator, X64, y)
    given = Fitted(estimator, X32, y)
    if given.said and given.said != Fitted(estimator, X64, y).said:
        pytest.skip(f"said so: {given.said}")
    slack = 10 if type(estimator).__name__ in STOPS_AT_A_TOLERANCE else 1

    # What is zero in exact arithmetic, such as a residual of full rank, is a square of roundings.
    zero = (EPS32 * largest(X32)) ** 2

    def allowed(name):
        # answers are rounded once to float32; sums of a few hundred terms are good to 30 roundings
        size = largest(X32) if name in VANISHES else largest(wanted[name])
        return slack * 30 * (moves[name] + EPS32 * size + zero)

    wrong = differences(given.numbers, wanted, allowed)
    assert not wrong, wrong


DEGENERATE = {
    "a constant column of .1": lambda X, axis: with_column(X, axis, 0.1),
    "a zero column": lambda X, axis: with_column(X, axis, 0.0),
    "a column twice": lambda X, axis: with_column(X, axis, (1,)),
    "a column times 1e-6": lambda X, axis: times(X, axis, 1, 1e-6),
    "a column times 1e6": lambda X, axis: times(X, axis, 1, 1e6),
}


@pytest.mark.parametrize("what", sorted(DEGENERATE))
def check_degenerate_columns_get_an_answer(estimator, what):
    axis = columns_of(estimator)
    X, y = data(estimator)
    X = DEGENERATE[what](X, axis)
    fitted = Fitted(estimator, X, y)
    for name, value in fitted.numbers.items():
        if name not in estimator._not_finite:
            assert np.isfinite(value).all(), f"{name} is not finite with {what}"


def check_no_residue_of_rounding_is_taken_for_a_scale(estimator):
    """.1 does not sum exactly, .125 does: what differs is not in the data."""
    axis = columns_of(estimator)
    X, y = data(estimator)
    n = next(n for n in range(len(X), 0, -1) if np.std(np.full(n, 0.1)) > 0)
    X, y = X[:n], None if y is None else y[:n]
    exact = Fitted(estimator, with_column(X, axis, 0.125), y).numbers
    given = Fitted(estimator, with_column(X, axis, 0.1), y).numbers
    for name, value in exact.items():
        if name in given and given[name].size:
            size, before = largest(given[name]), largest(value)
            assert size <= 10 * before + 1e-6, f"{name} grows from {before:.3g} to {size:.3g}"


def check_rows_given_twice_change_nothing_but_weight(estimator):
    """A duplicated row gets an answer, and both copies the same one."""
    if kind_of_input(estimator) not in AXIS_OF_COLUMNS:
        pytest.skip("no rows")
    X, y = data(estimator)
    X, y = np.concatenate([X, X[:1]]), None if y is None else np.concatenate([y, y[:1]])
    said = Fitted(estimator, X, y).answers
    for name, value in said.items():
        if len(np.shape(value)) and len(value) == len(X) and name != "inverse_transform":
            rounding = 1e-9 * largest(value)
            assert np.allclose(value[0], value[-1], rtol=0, atol=rounding), name


def check_weights_are_repetitions(estimator):
    if not has_fit_parameter(estimator, "sample_weight"):
        pytest.skip("no sample_weight")
    X, y = data(estimator)
    weights = np.random.default_rng(3).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    wanted = Fitted(estimator, X[rows], None if y is None else y[rows], query=X).numbers
    given = Fitted(estimator, X, y, sample_weight=weights.astype(float)).numbers
    name = type(estimator).__name__
    rtol = STOPS_AT.get(name, 1e-8 * AMPLIFIES_ROUNDING.get(name, 1))
    wanted = {
        name: value
        for name, value in wanted.items()
        if name not in COUNTS_ROWS and name != "score" and name in given
        if value.shape[:1] != rows.shape or given[name].shape[:1] != (len(X),)  # a number per row
    }
    wrong = differences(given, wanted, lambda name: rtol * max(largest(wanted[name]), 1.0))
    assert not wrong, wrong


CUTS = {
    "single rows": lambda n: range(1, n),
    "two rows, then the rest": lambda n: [2],
    "three unequal parts": lambda n: [n // 6, n // 2],
}


@pytest.mark.parametrize("cut", sorted(CUTS))
def check_batches_give_the_statistics_of_one_fit(estimator, cut):
    if not hasattr(estimator, "partial_fit"):
        pytest.skip("no partial_fit")
    X, y = data(estimator)
    once = Fitted(estimator, X, y)
    stream = seeded(estimator)
    starts = [0, *CUTS[cut](len(X)), len(X)]
    targets = {"classes": np.unique(y)} if is_supervised(estimator) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what one fit says of the data was looked at
        for first, last in itertools.pairwise(starts):
            part = (X[first:last], *((y[first:last],) if is_supervised(estimator) else ()))
            stream.partial_fit(*part, **targets)
            targets = {}
        given = {**attributes(stream), **answers(stream, X, y)}
    wanted = {n: v for n, v in once.numbers.items() if n not in {"n_iter_", "score"}}
    rtol = 1e-8 * AMPLIFIES_ROUNDING.get(type(estimator).__name__, 1)
    wrong = differences(given, wanted, lambda name: rtol * max(largest(wanted[name]), 1.0))
    assert not wrong, wrong


@pytest.mark.parametrize("library", ["pandas", "polars"])
def check_columns_in_another_order_are_noticed(estimator, library):
    if kind_of_input(estimator) not in ("table", "complex_table"):
        pytest.skip("no named columns")
    frames = pytest.importorskip(library)
    X, y = data(estimator)
    if X.dtype.kind == "c":
        pytest.skip("complex columns")
    names = [f"c{j}" for j in range(X.shape[1])]
    table = frames.DataFrame({name: X[:, j] for j, name in enumerate(names)})
    other = table[names[::-1]] if library == "pandas" else table.select(names[::-1])
    fitted = Fitted(estimator, table, y).estimator
    for method in (*METHODS, "partial_fit"):
        if method in ("inverse_transform", "filter") or not hasattr(fitted, method):
            continue
        targets = (y,) if method in ("score", "partial_fit") and is_supervised(fitted) else ()
        with pytest.raises(ValueError, match=r"(?s)feature names.*order|columns.*order"):
            getattr(fitted, method)(other, *targets)


@pytest.mark.parametrize(
    "config",
    [
        {"transform_output": "pandas"},
        {"transform_output": "polars"},
        {"enable_metadata_routing": True},
        {"assume_finite": True},
    ],
    ids=lambda config: "-".join(map(str, *config.items())),
)
def check_settings_of_scikit_learn_change_no_number(estimator, config):
    if config.get("transform_output"):
        pytest.importorskip(config["transform_output"])
    X, y = data(estimator)
    wanted = Fitted(estimator, X, y).numbers
    if config.get("transform_output") and wanted.get("transform", X).ndim > 2:
        pytest.skip("images and matrices are no columns of a frame")
    with sklearn.config_context(**config):
        given = Fitted(estimator, X, y).numbers
    wrong = differences(given, wanted, lambda name: 0.0)
    assert not wrong, wrong


def check_fitted_attributes_do_not_read_parameters(estimator):
    X, y = data(estimator)
    fitted = Fitted(estimator, X, y)
    others = [e for e in instances() if type(e) is type(estimator)]
    flips = {n: not v for n, v in estimator.get_params(deep=False).items() if isinstance(v, bool)}
    for other in [*(e.get_params(deep=False) for e in others), flips]:
        model = fitted.estimator
        before = model.get_params(deep=False)
        model.set_params(**{n: v for n, v in other.items() if n not in ("random_state",)})
        now = attributes(model)
        model.set_params(**before)
        wrong = differences(now, fitted.attributes, lambda name: 0.0)
        assert not wrong, f"after set_params({other}): {wrong}"


def check_ties_do_not_flip_signs(estimator):
    """Two columns that mirror each other tie in every direction; rounding must not choose."""
    if kind_of_input(estimator) != "table" or not hasattr(estimator, "transform"):
        pytest.skip("nothing that has a sign")
    if type(estimator).__name__ in ROWS_ARE_TIMES | COLUMNS_ARE_ROWS:
        pytest.skip("the order of rows is that of times, or of columns")
    X, y = data(estimator)
    flag = (np.arange(len(X)) % 3 == 0).astype(float)
    X = np.column_stack([X[:, :3], 20 * flag, 20 * (1 - flag)])
    wanted = Fitted(estimator, X, y).answers["transform"]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(X))
        given = Fitted(estimator, X[order], None if y is None else y[order], query=X)
        gap = np.max(np.abs(given.answers["transform"] - wanted))
        assert gap <= 1e-6 * largest(wanted), f"off by {gap:.3g} of {largest(wanted):.3g}"


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]
