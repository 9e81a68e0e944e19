"""KoopmanEDMD: names of columns, time axes, data frames out, and recordings."""

import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import KFold, TimeSeriesSplit, cross_val_score
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    DelayDictionary,
    ForecastDisplay,
    FourierDictionary,
    HermiteDictionary,
    multi_step_score,
)

pd = pytest.importorskip("pandas")
NAMES = ["a", "b", "c"]
OTHER = ["c", "a", "b"]


@pytest.fixture
def driven():
    """States of unequal scales under two unequal inputs, as frames."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(120, 2)) * [1.0, 40.0]
    x = np.zeros((120, 3))
    move = np.array([[0.9, 0.1, 0.0], [0.0, 0.7, 0.2], [0.0, 0.0, 0.5]])
    push = np.array([[1.0, 0.0, 2.0], [0.0, 0.1, 0.3]])
    for t in range(119):
        x[t + 1] = x[t] @ move + u[t] @ push
    return pd.DataFrame(x * [1.0, 300.0, 1e-3], columns=NAMES), pd.DataFrame(u, columns=["m", "n"])


def test_successors_are_matched_by_the_names_of_their_columns(driven):
    X, y = driven[0][:-1], driven[0].shift(-1)[:-1]
    plain, shuffled = KoopmanEDMD().fit(X, y), KoopmanEDMD().fit(X, y[OTHER])
    np.testing.assert_array_equal(shuffled.koopman_matrix_, plain.koopman_matrix_)
    assert plain.score(X, y[OTHER]) == plain.score(X, y)
    with pytest.raises(ValueError, match=r"y has the columns \['z', 'b', 'c'\], but X has"):
        KoopmanEDMD().fit(X, y.rename(columns={"a": "z"}))


def test_inputs_are_matched_by_the_names_that_they_had_in_the_fit(driven):
    X, u = driven
    model, swapped = KoopmanEDMD().fit(X, u=u), u[["n", "m"]]
    np.testing.assert_array_equal(model.predict(X, swapped), model.predict(X, u))
    assert model.score(X, u=swapped) == model.score(X, u=u)
    start = X.to_numpy()[None, :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an array beside a fit with names
        ahead = [model.simulate(start, 5, table[:5]) for table in (u, swapped)]
    np.testing.assert_array_equal(*ahead)
    pieces = [X[:1], X[5:6]]
    one, two = (model.simulate(pieces, 4, [t[:4], t[5:9]]) for t in (u, swapped))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(two[1], X[6:10], rtol=1e-9)
    with pytest.raises(ValueError, match="u has the columns"):
        model.predict(X, u.rename(columns={"m": "q"}))
    with pytest.raises(ValueError, match="inputs u have the columns"):
        model.merge(KoopmanEDMD().fit(X, u=swapped))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_trajectories_in_a_list_are_matched_by_name(library, driven):
    lib = pytest.importorskip(library)
    X = driven[0].to_numpy()
    frames = [lib.DataFrame(dict(zip(NAMES, part.T, strict=True))) for part in (X[:50], X[50:])]
    frames[1] = frames[1][OTHER]
    model = KoopmanEDMD().fit(frames)
    np.testing.assert_allclose(
        model.koopman_matrix_, KoopmanEDMD().fit([X[:50], X[50:]]).koopman_matrix_, rtol=1e-12
    )
    assert list(model.feature_names_in_) == NAMES
    with pytest.raises(ValueError, match="trajectory 1 has the columns"):
        KoopmanEDMD().fit([frames[0], lib.DataFrame({name: [1.0, 2.0] for name in "zbc"})])
    with pytest.raises(ValueError, match="same order"):
        model.predict([frames[1]])


def test_columns_in_another_order_are_refused_wherever_states_go_in(driven):
    X = driven[0]
    model = KoopmanEDMD().fit(X)
    for call in (
        model.predict,
        model.transform,
        model.score,
        lambda Z: model.simulate(Z[:1], 2),
        lambda Z: model.simulate([Z[:1], Z[1:2]], 2),
        lambda Z: ForecastDisplay.from_estimator(model, Z),
        lambda Z: multi_step_score(model, Z, n_steps=2),
        KoopmanEDMD().partial_fit(X).partial_fit,
        lambda Z: model.merge(KoopmanEDMD().fit(Z)),
    ):
        with pytest.raises(ValueError, match="order"):
            call(X[OTHER])


def test_trajectories_and_inputs_in_lists_are_predicted_as_they_are_fitted(driven):
    X, u = (table.to_numpy() for table in driven)
    model = KoopmanEDMD().fit(X, u=u)
    pieces, pushes = [X[:40], X[40:]], [u[:40], u[40:]]
    np.testing.assert_array_equal(model.predict(pieces, u=pushes), model.predict(X, u))
    assert model.score(pieces, u=pushes) > 1 - 1e-12


def test_rows_of_another_index_beside_x_are_warned_of_after_the_fit_too(driven):
    X, u = driven
    model, moved = KoopmanEDMD().fit(X, u=u), u.iloc[::-1]
    autonomous, successors = KoopmanEDMD().fit(X), X.iloc[::-1]
    for name, call in (
        ("u", lambda: KoopmanEDMD().fit(X, u=moved)),
        ("u", lambda: model.predict(X, u=moved)),
        ("u", lambda: model.score(X, u=moved)),
        ("y", lambda: autonomous.score(X, successors)),
        ("y", lambda: autonomous.held_out_residuals(X, successors)),
    ):
        with pytest.warns(UserWarning, match=f"index of {name} has the labels of X in another"):
            call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(X, u=u)
        model.predict(X, u=moved.to_numpy())
        autonomous.score(X.iloc[:-1], X.iloc[1:])


def test_a_merge_of_a_frame_and_an_array_warns_once(driven):
    X, _ = driven
    named, nameless = KoopmanEDMD().fit(X[:60]), KoopmanEDMD().fit(X[60:].to_numpy())
    with pytest.warns(UserWarning, match="Only one of the two tables has column names") as said:
        named.merge(nameless)
    assert len(said) == 1


# --- time axes -----------------------------------------------------------------------------------


@pytest.fixture
def daily():
    """A day of 24 steps, hour by hour, in two columns."""
    t = np.arange(1000)
    index = pd.date_range("2024-01-01", periods=1000, freq="h")
    wave = np.column_stack([np.cos(2 * np.pi * t / 24), 50 * np.sin(2 * np.pi * t / 24)])
    return pd.DataFrame(wave, columns=["x", "y"], index=index)


def period(model):
    return 2 * np.pi / np.abs(model.continuous_eigenvalues_.imag)


def test_gaps_in_a_time_index_are_counted_in_a_warning(daily, rng):
    kept = rng.random(1000) > 0.1
    steps = np.diff(np.flatnonzero(kept))
    uneven, longest = int(np.sum(steps > 1)), steps.max()
    match = f"{uneven} of {len(steps)} steps .* the longest {longest} times as long"
    with pytest.warns(UserWarning, match=match):
        model = KoopmanEDMD().fit(daily[kept])
    assert abs(period(model)[0] - 24) > 1  # what the warning is about
    for call in (model.score, model.held_out_residuals, KoopmanEDMD().partial_fit):
        with pytest.warns(UserWarning, match=match):
            call(daily[kept])
    pieces = np.cumsum(np.r_[0, steps > 1])
    alone = np.isin(pieces, np.flatnonzero(np.bincount(pieces) > 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KoopmanEDMD().fit(daily[kept][alone], groups=pieces[alone])
    np.testing.assert_allclose(period(model), 24, rtol=1e-10)


@pytest.mark.parametrize("kind", ["dates", "periods", "durations", "numbers", "floats"])
def test_every_kind_of_time_index_is_read(kind, daily):
    index = {
        "dates": daily.index,
        "periods": daily.index.to_period("h"),
        "durations": daily.index - daily.index[0],
        "numbers": pd.RangeIndex(7, 3007, 3),
        "floats": pd.Index(0.1 * np.arange(1000)),
    }[kind]
    X = daily.set_index(index)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KoopmanEDMD().fit(X)
        order = np.random.default_rng(0).permutation(999)  # pairs may stand anywhere
        KoopmanEDMD().fit(X.iloc[order], X.iloc[order + 1])
    with pytest.warns(UserWarning, match="1 of 998 steps"):
        KoopmanEDMD().fit(X.drop(X.index[500]))
    with pytest.warns(UserWarning, match="999 go back"):
        KoopmanEDMD().fit(X[::-1])


def test_months_are_even_steps_and_names_are_no_times(daily):
    for index in (pd.date_range("2023-01-01", periods=30, freq="MS"), [f"r{i}" for i in range(30)]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            KoopmanEDMD().fit(daily[:30].set_index(pd.Index(index)))


def test_splits_that_join_rows_across_a_fold_are_warned_of(daily):
    with pytest.warns(UserWarning, match=r"the longest 334 times"):
        cross_val_score(KoopmanEDMD(), daily, cv=KFold(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cross_val_score(KoopmanEDMD(), daily, cv=TimeSeriesSplit(3)).min() > 1 - 1e-9


def test_a_row_that_needs_its_past_is_warned_of_too(daily):
    model = KoopmanEDMD(DelayDictionary(2)).fit(daily)
    with pytest.warns(UserWarning, match="1 of 996 steps"):
        model.predict(daily.drop(daily.index[[3, 4, 5]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KoopmanEDMD().fit(daily).predict(daily.drop(daily.index[3]))


# --- what comes out, and recordings --------------------------------------------------------------


def test_rows_without_enough_past_are_left_out_of_the_frame_and_its_index(daily):
    model = KoopmanEDMD(DelayDictionary(2)).set_output(transform="pandas").fit(daily)
    Z = model.transform(daily)
    assert list(Z.index) == list(daily.index[2:])
    np.testing.assert_array_equal(
        Z.to_numpy(), KoopmanEDMD(DelayDictionary(2)).fit(daily).transform(daily)
    )


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize(
    "lift",
    [
        None,
        PolynomialFeatures(2),
        FourierDictionary(1, output="complex"),
        DelayDictionary(1, dictionary=HermiteDictionary(2)),
    ],
    ids=lambda lift: type(lift).__name__,
)
def test_a_global_setting_for_frames_changes_the_container_only(container, lift, daily):
    lib = pytest.importorskip(container)
    plain = KoopmanEDMD(lift).fit(daily)
    with config_context(transform_output=container):
        model = KoopmanEDMD(lift).fit(daily)
        Z = model.transform(daily)
        np.testing.assert_array_equal(model.predict(daily), plain.predict(daily))
    assert isinstance(Z, lib.DataFrame)
    np.testing.assert_array_equal(Z.to_numpy(), plain.transform(daily))


def test_a_stack_of_epochs_is_not_silently_read_with_channels_as_times(rng):
    epochs = rng.normal(size=(10, 4, 50))
    for given in (epochs, list(epochs)):
        with pytest.warns(UserWarning, match="4 times and 50 features"):
            KoopmanEDMD(n_components=2).fit(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KoopmanEDMD().fit(np.swapaxes(epochs, 1, 2))
        KoopmanEDMD(n_components=2).fit(rng.normal(size=(60, 2, 20)))  # stacked pairs


def test_recordings_of_mne_are_refused_with_the_call_to_make(rng):
    mne = pytest.importorskip("mne")
    raw = mne.io.RawArray(
        rng.normal(size=(3, 300)), mne.create_info(3, 100.0, "eeg"), verbose="error"
    )
    epochs = mne.make_fixed_length_epochs(raw, 1.0, preload=True, verbose="error")
    for call in (KoopmanEDMD().fit, KoopmanEDMD().fit(raw.get_data().T).predict):
        with pytest.raises(TypeError, match=r"MNE RawArray.*X\.get_data\(\)\.T"):
            call(raw)
        with pytest.raises(TypeError, match=r"swapaxes"):
            call(epochs)
        with pytest.raises(TypeError, match=r"list of MNE Epochs"):
            call([epochs[0], epochs[1]])


def test_times_in_the_last_level_of_an_index_are_read(driven):
    X, _ = driven
    stacked = X.set_axis(pd.MultiIndex.from_product([["s1", "s2"], range(60)]))
    with pytest.warns(UserWarning, match="1 of 119 steps"):
        KoopmanEDMD().fit(stacked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KoopmanEDMD().fit(stacked, groups=stacked.index.get_level_values(0))


@pytest.mark.parametrize("name", ["groups", "sample_weight", "u"])
def test_what_stands_beside_the_states_under_other_labels_is_told(driven, name):
    X, u = driven
    hours = pd.date_range("2026-01-01", periods=120, freq="h")
    X = X.set_axis(hours)
    beside = {
        "groups": pd.Series(np.repeat(["a", "b"], 60), index=hours),
        "sample_weight": pd.Series(np.arange(1.0, 121.0), index=hours),
        "u": u.set_axis(hours),
    }[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KoopmanEDMD().fit(X, **{name: beside})
        KoopmanEDMD().fit(X, **{name: beside.reset_index(drop=True)})  # rows without labels
        KoopmanEDMD().fit(X[:-1], X[1:])  # successors have the labels of the next rows
    with pytest.warns(UserWarning, match=f"index of {name} has the labels of X in another order"):
        KoopmanEDMD().fit(X, **{name: beside[::-1]})
    with pytest.warns(UserWarning, match=f"index of {name} has other labels than X"):
        KoopmanEDMD().fit(X, **{name: beside.set_axis(hours + pd.Timedelta("300h"))})


def test_a_column_of_dates_is_sent_to_the_index(driven):
    X, _ = driven
    dated = X.assign(when=pd.date_range("2026-01-01", periods=120, freq="h"))
    with pytest.raises(ValueError, match=r"'when' \(dates\).*belongs in the index: X.set_index"):
        KoopmanEDMD().fit(dated)
    KoopmanEDMD().fit(dated.set_index("when"))


def test_a_merge_of_inputs_of_which_one_has_names_is_told(driven):
    X, u = driven
    named, bare = KoopmanEDMD().fit(X, u=u), KoopmanEDMD().fit(X, u=u.to_numpy())
    with pytest.warns(UserWarning, match="Only one of the two tables has column names"):
        named.merge(bare)
