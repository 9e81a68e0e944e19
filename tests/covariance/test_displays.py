"""What the displays of the covariance family draw: numbers, names and frames."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import (
    AugmentedCovariances,
    CovarianceDisplay,
    OrderLagDisplay,
    TangentSpaceDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")

SFREQ = 125.0


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def epochs():
    """Epochs of 3 channels, two classes that differ by their rhythm, and sessions."""
    rng = np.random.default_rng(0)
    y = np.array(["slow", "fast"])[np.arange(40) % 2]
    rate = np.where(y == "slow", 6.0, 12.0)[:, None, None]
    phase = 2 * np.pi * rate * np.arange(150) / SFREQ + rng.uniform(0, 6, size=(40, 1, 1))
    X = np.sin(phase) + rng.normal(size=(40, 3, 150))
    return X, y, np.repeat([0, 1, 2, 3], 10)


@pytest.fixture(scope="module")
def fitted(epochs):
    X, y, _ = epochs
    return AugmentedCovarianceClassifier(orders=(1, 2, 4), lags=(2, 3), sfreq=SFREQ).fit(X, y)


def tick_texts(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


# --- CovarianceDisplay ---------------------------------------------------------------------------


def test_images_hold_the_matrices_on_one_scale_symmetric_about_zero(epochs):
    S = AugmentedCovariances(order=2, lag=3).fit_transform(epochs[0])[:4]
    display = CovarianceDisplay.from_matrices(S, order=2, lag=3)
    largest = np.abs(S).max()
    for ax, matrix in zip(display.axes_, S, strict=True):
        [image] = ax.images
        np.testing.assert_array_equal(image.get_array(), matrix)
        assert image.get_clim() == (-largest, largest)
    assert len(display.axes_) == 4


def test_class_means_are_those_of_the_matrices_the_classifier_uses(epochs, fitted):
    X, y, _ = epochs
    display = CovarianceDisplay.from_estimator(fitted, X, y)
    S = AugmentedCovariances(fitted.order_, fitted.lag_).fit_transform(X)
    for ax, label in zip(display.axes_, ["fast", "slow"], strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), S[y == label].mean(axis=0))
        assert ax.get_title() == f"{label} (20 epochs)"


@pytest.mark.parametrize(
    ("lag", "sfreq", "delays", "label"),
    [
        (5, None, ["0", "5", "10"], "delay (samples)"),
        (5, 125.0, ["0", "40", "80"], "delay (ms)"),
        (None, None, ["0", "1", "2"], "delay (lags)"),
    ],
)
def test_blocks_are_parted_by_lines_and_named_by_their_delay(lag, sfreq, delays, label):
    display = CovarianceDisplay.from_matrices(np.eye(6), order=3, lag=lag, sfreq=sfreq)
    [ax] = display.axes_
    assert tick_texts(ax.xaxis) == delays
    assert ax.get_xlabel() == label
    np.testing.assert_allclose(ax.get_xticks(), [0.5, 2.5, 4.5])  # middle of blocks of two
    heights = [line.get_ydata() for line in ax.lines]
    assert [float(a) for a, b in heights if a == b] == [1.5, 3.5]
    widths = [line.get_xdata() for line in ax.lines]
    assert [float(a) for a, b in widths if a == b] == [1.5, 3.5]
    assert tick_texts(ax.yaxis) == ["0", "1"] * 3  # channels without names are numbered


def test_channel_names_stand_on_both_axes_of_a_spatial_covariance():
    display = CovarianceDisplay.from_matrices(np.eye(3), ch_names=["C3", "Cz", "C4"], unit="µV²")
    [ax] = display.axes_
    assert tick_texts(ax.xaxis) == tick_texts(ax.yaxis) == ["C3", "Cz", "C4"]
    assert not ax.lines
    assert display.colorbar_.ax.get_ylabel() == "covariance (µV²)"


def test_names_are_left_out_where_they_would_not_be_readable():
    display = CovarianceDisplay.from_matrices(np.eye(200), order=4, lag=1)
    assert tick_texts(display.axes_[0].yaxis) == ["0", "1", "2", "3"]
    assert display.axes_[0].get_ylabel() == "delay (samples)"


def test_epochs_of_mne_bring_names_rate_and_unit(epochs):
    mne = pytest.importorskip("mne")
    X, y, _ = epochs
    info = mne.create_info(["C3", "Cz", "C4"], SFREQ, "eeg")
    epo = mne.EpochsArray(1e-6 * X, info, verbose="error")
    transformer = AugmentedCovariances(order=2, lag=0.04).fit(epo)
    display = CovarianceDisplay.from_estimator(transformer, epo, y)
    assert tick_texts(display.axes_[0].yaxis) == ["C3", "Cz", "C4"] * 2
    assert tick_texts(display.axes_[0].xaxis) == ["0", "40"]
    assert display.colorbar_.ax.get_ylabel() == "covariance (V²)"
    S = AugmentedCovariances(order=2, lag=5).fit_transform(epo)
    np.testing.assert_array_equal(
        display.axes_[1].images[0].get_array(), S[y == "slow"].mean(axis=0)
    )


def test_zero_matrices_are_drawn_white():
    display = CovarianceDisplay.from_matrices(np.zeros((2, 2)))
    assert display.axes_[0].images[0].get_clim() == (-1.0, 1.0)


def test_given_axes_are_used(epochs, fitted):
    figure, axes = plt.subplots(2, 1)
    display = CovarianceDisplay.from_estimator(fitted, *epochs[:2], axes=axes)
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": 2}, "size 3 cannot hold order=2"),
        ({"ch_names": ["C3"]}, r"ch_names has 1 entries for 3 channels"),
        ({"titles": ["a", "b"]}, "titles has 2 entries for 1 matrices"),
    ],
)
def test_matrices_that_do_not_fit_their_description_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CovarianceDisplay.from_matrices(np.eye(3), **settings)


def test_what_is_not_a_stack_of_square_matrices_is_refused(epochs):
    with pytest.raises(ValueError, match=r"shape \(40, 3, 150\)"):
        CovarianceDisplay.from_matrices(epochs[0])


def test_estimators_without_order_and_lag_are_refused(epochs):
    with pytest.raises(TypeError, match="BaseEstimator has no order and lag"):
        CovarianceDisplay.from_estimator(BaseEstimator(), *epochs[:2])


# --- OrderLagDisplay -----------------------------------------------------------------------------


def frames(ax):
    """Corner and width of the frames, by line style."""
    return {patch.get_linestyle(): (*patch.get_xy(), patch.get_width()) for patch in ax.patches}


def test_map_holds_the_mean_scores_and_writes_them(fitted):
    display = OrderLagDisplay.from_estimator(fitted)
    table, [image] = fitted.cv_results_, display.ax_.images
    drawn = image.get_array()
    written = {text.get_position(): text.get_text() for text in display.ax_.texts}
    assert display.orders == [1, 2, 4]
    assert display.lags == [2, 3]
    for p, tau, mean in zip(
        table["param_order"], table["param_lag"], table["mean_test_score"], strict=True
    ):
        row = [1, 2, 4].index(p)
        column = [2, 3].index(tau)
        assert drawn[row, column] == mean
        where = (0.5, row) if p == 1 else (column, row)
        assert written[where] == f"{mean:.2f}" + (" (no lag)" if p == 1 else "")
    assert drawn[0, 0] == drawn[0, 1]  # order 1 is one cell
    assert len(written) == 5
    assert tick_texts(display.ax_.xaxis) == ["2\n16", "3\n24"]


def test_frames_stand_around_the_choice_and_the_best_mean():
    scores = np.array([[0.5, 0.5, 0.5], [0.6, 0.7, 0.6], [np.nan, 0.6, 0.72]])
    display = OrderLagDisplay([1, 2, 4], [1, 2, 3], scores, (2, 2)).plot()
    assert frames(display.ax_) == {"solid": (0.5, 0.5, 1), "dashed": (1.5, 1.5, 1)}
    assert display.ax_.get_title() == "framed: chosen; dashed: best mean"
    assert len(display.ax_.texts) == 1 + 3 + 2  # nothing is written where nothing was tried


def test_order_one_is_framed_as_one_wide_cell():
    scores = np.array([[0.7, 0.7, 0.7], [0.6, 0.6, 0.6]])
    display = OrderLagDisplay([1, 2], [1, 2, 3], scores, (1, 1)).plot()
    assert frames(display.ax_) == {"solid": (-0.5, -0.5, 3)}
    assert display.ax_.get_xlabel() == "lag (samples)"


def test_search_of_order_one_alone_is_drawn(epochs):
    X, y, _ = epochs
    clf = AugmentedCovarianceClassifier(orders=(1,), lags=(2, 3)).fit(X, y)
    assert OrderLagDisplay.from_estimator(clf).scores.shape == (1, 1)


@pytest.mark.parametrize("settings", [{"order": 2, "lag": 1}, {"selection": "afnn"}])
def test_without_a_search_the_error_says_what_to_set(epochs, settings):
    X, y, _ = epochs
    clf = AugmentedCovarianceClassifier(orders=(1, 2), lags=(1, 2), **settings).fit(X, y)
    with pytest.raises(ValueError, match=r"Nothing was searched.*order='auto'.*selection='cv'"):
        OrderLagDisplay.from_estimator(clf)


def test_map_of_another_estimator_is_refused():
    with pytest.raises(TypeError, match="best_estimator_"):
        OrderLagDisplay.from_estimator(AugmentedCovariances())


# --- TangentSpaceDisplay -------------------------------------------------------------------------


def test_points_are_the_principal_components_of_the_tangent_vectors(epochs, fitted):
    X, y, _ = epochs
    display = TangentSpaceDisplay.from_estimator(fitted, X, y)
    vectors = fitted.tangent_vectors(X)
    centred = vectors - vectors.mean(axis=0)
    U, s, _ = np.linalg.svd(centred, full_matrices=False)
    # principal components have no sign of their own
    np.testing.assert_allclose(np.abs(display.coordinates), np.abs(U[:, :2] * s[:2]), atol=1e-10)
    share = 100 * s**2 / np.sum(s**2)
    assert display.ax_.get_xlabel().endswith(f"({share[0]:.0f} %)")
    assert display.ax_.get_ylabel().endswith(f"({share[1]:.0f} %)")


def drawn_points(ax):
    return [np.asarray(c.get_offsets()) for c in ax.collections if len(c.get_offsets())]


def test_each_class_has_its_own_colour_and_marker(epochs, fitted):
    X, y, _ = epochs
    display = TangentSpaceDisplay.from_estimator(fitted, X, y)
    fast, slow = drawn_points(display.ax_)
    np.testing.assert_array_equal(fast, display.coordinates[y == "fast"])
    np.testing.assert_array_equal(slow, display.coordinates[y == "slow"])
    colours = [tuple(c.get_facecolor()[0]) for c in display.ax_.collections if len(c.get_offsets())]
    assert len(set(colours)) == 2
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["fast", "slow"]


def test_groups_are_markers(epochs, fitted):
    X, y, groups = epochs
    display = TangentSpaceDisplay.from_estimator(fitted, X, y, groups=groups)
    parts = drawn_points(display.ax_)
    assert len(parts) == 8  # two classes in four groups
    np.testing.assert_array_equal(parts[1], display.coordinates[(y == "fast") & (groups == 1)])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["fast", "slow", "group 0", "group 1", "group 2", "group 3"]


def test_of_nearest_means_the_distances_are_drawn(epochs):
    X, y, _ = epochs
    clf = AugmentedCovarianceClassifier(2, 2, classifier="mdm").fit(X, y)
    display = TangentSpaceDisplay.from_estimator(clf, X, y)
    assert "distances to class means" in display.ax_.get_xlabel()


def test_too_many_classes_or_too_few_coordinates_are_refused(epochs):
    X, y, _ = epochs
    clf = AugmentedCovarianceClassifier(1, 1).fit(X, y)
    with pytest.raises(ValueError, match="20 classes cannot be told apart"):
        TangentSpaceDisplay.from_estimator(clf, X, np.arange(40) // 2)
    one = AugmentedCovarianceClassifier(1, 1).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="40 epochs of 1 coordinates make no plane"):
        TangentSpaceDisplay.from_estimator(one, X[:, :1], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TangentSpaceDisplay.from_estimator(clf, X, y[:-1])
