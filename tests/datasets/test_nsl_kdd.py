"""NSL-KDD: the conversion on rows whose coding is known, and the facts of the real files."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.datasets._nsl_kdd import convert_nsl_kdd


def text_row(protocol, service, flag, attack, difficulty, first_byte_count="491"):
    numbers = ["7", first_byte_count] + [f"{i / 100:.2f}" for i in range(36)]
    return ",".join([numbers[0], protocol, service, flag, *numbers[1:], attack, str(difficulty)])


ROWS = [
    text_row("tcp", "IRC", "SF", "normal", 20),
    text_row("udp", "whois", "OTH", "neptune", 0),
    text_row("icmp", "http_443", "SH", "xterm", 21, first_byte_count="1379963888"),
]


@pytest.fixture(params=["train", "test"])
def subset(request):
    return request.param


@pytest.fixture
def home_of_rows(subset, server, set_source, tmp_path):
    """A data home that is filled from a server with the three rows."""
    name = {"train": "KDDTrain%2B.txt", "test": "KDDTest%2B.txt"}[subset]
    remote = server.offer(name, "\n".join(ROWS).encode())
    set_source(f"nsl_kdd/{subset}", remote)
    return tmp_path


def test_rows_are_coded_as_the_vocabularies_say(subset, home_of_rows):
    bunch = fetch_nsl_kdd(subset, data_home=home_of_rows)
    assert bunch.data.shape == (3, 41)
    assert bunch.data.dtype == np.float32
    for j, (name, words) in zip(bunch.categorical_features, bunch.categories.items(), strict=True):
        assert bunch.feature_names[j] == name
        coded = words[bunch.data[:, j].astype(int)].tolist()
        assert coded == [row.split(",")[1 + "psf".index(name[0])] for row in ROWS]
    np.testing.assert_array_equal(
        bunch.data[:2, 2:38], np.tile(np.float32(np.arange(36) / 100), (2, 1))
    )
    np.testing.assert_array_equal(bunch.target, [0, 1, 1])
    assert bunch.attack.tolist() == ["normal", "neptune", "xterm"]
    assert bunch.family.tolist() == ["normal", "dos", "u2r"]
    assert abs(bunch.data[2, 1] - 1379963888) <= 64  # half the float32 spacing at 2**30
    if subset == "train":
        assert bunch.difficulty.tolist() == [20, 0, 21]
    else:
        assert bunch.difficulty is None


def test_frame_has_the_same_content_as_the_array(subset, home_of_rows):
    pd = pytest.importorskip("pandas")
    array = fetch_nsl_kdd(subset, data_home=home_of_rows)
    bunch = fetch_nsl_kdd(subset, data_home=home_of_rows, as_frame=True)
    assert bunch.data.columns.tolist() == array.feature_names
    assert (bunch.data.dtypes.iloc[:38] == np.float32).all()
    np.testing.assert_array_equal(bunch.data.iloc[:, :38], array.data[:, :38])
    for name, words in array.categories.items():
        assert isinstance(bunch.data[name].dtype, pd.CategoricalDtype)
        assert bunch.data[name].cat.categories.tolist() == words.tolist()
    assert bunch.data["service"].tolist() == ["IRC", "whois", "http_443"]
    pd.testing.assert_frame_equal(bunch.frame, bunch.data.assign(target=bunch.target))
    X, y = fetch_nsl_kdd(subset, data_home=home_of_rows, as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


def test_unknown_word_in_the_text_raises(tmp_path):
    path = tmp_path / "KDDTest+.txt"
    path.write_text(text_row("tcp", "gemini", "SF", "normal", 20))
    with pytest.raises(ValueError, match="gemini"):
        convert_nsl_kdd({path.name: path})


def test_unknown_subset_names_the_choices():
    with pytest.raises(ValueError, match='"train" or "test"'):
        fetch_nsl_kdd("test21")


@pytest.mark.parametrize(
    ("subset", "n_samples", "n_normal"), [("train", 125_973, 67_343), ("test", 22_544, 9_711)]
)
def test_real_counts(fetch_real, subset, n_samples, n_normal):
    bunch = fetch_real(fetch_nsl_kdd, subset)
    assert bunch.data.shape == (n_samples, 41)
    assert bunch.data.dtype == np.float32
    assert np.isfinite(bunch.data).all()
    assert np.sum(bunch.target == 0) == n_normal
    np.testing.assert_array_equal(bunch.attack == "normal", bunch.target == 0)
    np.testing.assert_array_equal(bunch.family == "normal", bunch.target == 0)
    assert [len(words) for words in bunch.categories.values()] == [3, 70, 11]
    column = bunch.feature_names.index
    assert not bunch.data[:, column("num_outbound_cmds")].any()
    rates = [j for j, name in enumerate(bunch.feature_names) if name.endswith("_rate")]
    assert len(rates) == 15
    assert bunch.data[:, rates].min() >= 0
    assert bunch.data[:, rates].max() <= 1
    if subset == "train":
        assert bunch.data[:, column("src_bytes")].max() > 1.3e9
        assert set(bunch.difficulty.tolist()) == set(range(22))
    else:
        assert bunch.difficulty is None


def test_many_attacks_of_the_real_test_set_are_new(fetch_real):
    train = set(fetch_real(fetch_nsl_kdd, "train").attack)
    test = set(fetch_real(fetch_nsl_kdd, "test").attack)
    assert len(test - train) == 17
    assert len(train | test) == 40


def test_first_real_row_reads_as_in_the_text_file(fetch_real):
    X, y = fetch_real(fetch_nsl_kdd, "train", return_X_y=True)
    assert X[0, :3].tolist() == [0, 491, 0]
    assert y[0] == 0


def test_real_frame_decodes_the_words(fetch_real):
    pytest.importorskip("pandas")
    frame = fetch_real(fetch_nsl_kdd, "test", as_frame=True).frame
    assert frame.loc[0, ["protocol_type", "service", "flag"]].tolist() == ["tcp", "private", "REJ"]
    assert frame["target"].sum() == 12_833
