"""Where files lie, and each way in which bringing one can fail: nothing may stay behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from subspace_learn.datasets import DatasetUnavailableError, _data_home, _sources, data_home
from subspace_learn.datasets import fetch_attributed_graph as fetch

GML = b"""graph
[
  node [ id 0 label "A" value "n" ]
  node [ id 1 label "B" value "c" ]
  node [ id 2 label "C" value "n" ]
  edge [ source 0 target 1 ]
  edge [ source 2 target 1 ]
]
"""
SOURCE = "graphs/polbooks"


def files_below(folder):
    return [path for path in folder.rglob("*") if not path.is_dir()]


def assert_clean(folder):
    """No file of any kind, no scratch folder."""
    assert files_below(folder) == []
    assert not list(folder.glob(".part-*"))


def test_data_home_is_argument_then_variable_then_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("SUBSPACE_LEARN_DATA", raising=False)
    assert data_home() == tmp_path / ".cache" / "subspace_learn"
    monkeypatch.setenv("SUBSPACE_LEARN_DATA", "~/named")
    assert data_home() == tmp_path / "named"
    assert data_home(tmp_path / "given") == tmp_path / "given"
    assert not list(tmp_path.iterdir()), "naming the home must not create it"


def test_import_loads_no_optional_package():
    code = (  # scikit-learn itself imports pandas where it is installed
        "import sys, sklearn.utils; before = set(sys.modules);"
        "import subspace_learn.datasets as d; d.make_spiked_samples(3, 4, random_state=0);"
        "new = set(sys.modules) - before;"
        "print({'pandas', 'pooch', 'requests', 'mne', 'matplotlib', 'tqdm'} & new)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_download_converts_once_and_keeps_only_the_results(server, set_source, tmp_path, capfd):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    home = tmp_path / "new" / "home"
    for _ in range(2):
        graph = fetch("polbooks", data_home=home)
    assert server.requests == ["/polbooks.gml"]
    np.testing.assert_array_equal(graph.adjacency.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(graph.target, [1, 0, 1])  # "c" before "n"
    assert sorted(path.relative_to(home).as_posix() for path in files_below(home)) == [
        "graphs/polbooks/adjacency.npz",
        "graphs/polbooks/labels.npy",
    ]
    assert not list(home.glob(".part-*"))
    assert capfd.readouterr() == ("", "")


def test_progress_bar_shows_only_when_wanted(server, set_source, tmp_path, capfd):
    pytest.importorskip("tqdm")
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    fetch("polbooks", data_home=tmp_path, progressbar=True)
    assert "100%" in capfd.readouterr().err


def test_one_missing_file_of_two_is_brought_again(server, set_source, tmp_path):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    fetch("polbooks", data_home=tmp_path)
    (tmp_path / "graphs/polbooks/labels.npy").unlink()
    np.testing.assert_array_equal(fetch("polbooks", data_home=tmp_path).target, [1, 0, 1])


def test_wrong_hash_is_refused(server, set_source, tmp_path):
    right = server.offer("polbooks.gml", GML)
    wrong = server.offer("polbooks.gml", GML.replace(b"target 1", b"target 0"))
    set_source(SOURCE, right)
    with pytest.raises(DatasetUnavailableError) as caught:
        fetch("polbooks", data_home=tmp_path)
    for part in (right.url, right.sha256, wrong.sha256, "SUBSPACE_LEARN_DATA"):
        assert part in str(caught.value)
    assert_clean(tmp_path)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"content": b"", "status": 404}, "404"),
        ({"content": b"", "status": 500}, "500"),
        ({"content": GML[:50], "announced": len(GML)}, str(len(GML) - 50)),
    ],
    ids=["not found", "server error", "truncated"],
)
def test_failed_answer_leaves_nothing(server, set_source, tmp_path, answer, shown):
    remote = server.offer("polbooks.gml", GML)
    server.offer("polbooks.gml", **answer)
    set_source(SOURCE, remote)
    with pytest.raises(DatasetUnavailableError, match=r"polbooks/adjacency\.npz") as caught:
        fetch("polbooks", data_home=tmp_path)
    assert shown in str(caught.value)
    assert remote.url in str(caught.value)
    assert_clean(tmp_path)


def test_failure_of_the_second_original_leaves_nothing(server, set_source, tmp_path):
    graph = b"%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n2 1 0.999\n"
    missing = _sources.Remote(f"{server.address}/metadata_sample2.txt", "0" * 64)
    set_source("graphs/sbm400", server.offer("sample2.mtx", graph), missing)
    with pytest.raises(DatasetUnavailableError, match=r"metadata_sample2\.txt failed"):
        fetch("sbm400", data_home=tmp_path)
    assert server.requests == ["/sample2.mtx", "/metadata_sample2.txt"]
    assert_clean(tmp_path)


def test_no_network_names_file_address_and_variable(closed_address, set_source, tmp_path):
    pytest.importorskip("pooch")
    url = f"{closed_address}/polbooks.gml"
    set_source(SOURCE, _sources.Remote(url, "0" * 64))
    with pytest.raises(DatasetUnavailableError) as caught:
        fetch("polbooks", data_home=tmp_path)
    for part in ("graphs/polbooks/adjacency.npz", url, "SUBSPACE_LEARN_DATA", "network"):
        assert part in str(caught.value)
    assert_clean(tmp_path)


def test_download_not_allowed_asks_nobody_and_creates_nothing(server, set_source, tmp_path):
    remote = server.offer("polbooks.gml", GML)
    set_source(SOURCE, remote)
    home = tmp_path / "home"
    with pytest.raises(DatasetUnavailableError, match="download_if_missing=True") as caught:
        fetch("polbooks", data_home=home, download_if_missing=False)
    for part in ("graphs/polbooks/labels.npy", remote.url, "SUBSPACE_LEARN_DATA"):
        assert part in str(caught.value)
    assert server.requests == []
    assert not home.exists()


def test_data_home_that_cannot_be_created_is_told_before_the_download(server, set_source, tmp_path):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetUnavailableError, match="cannot be written"):
        fetch("polbooks", data_home=tmp_path / "file" / "home")
    assert server.requests == []


def test_read_only_home_is_told_before_the_download(server, set_source, tmp_path):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user (the superuser?) may write anywhere")
        with pytest.raises(DatasetUnavailableError, match="cannot be written"):
            fetch("polbooks", data_home=tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert server.requests == []


def test_refused_scratch_folder_reads_as_read_only_home(server, set_source, tmp_path, monkeypatch):
    # What a read-only home looks like from within, also for the superuser.
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    set_source(SOURCE, server.offer("polbooks.gml", GML))
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(DatasetUnavailableError, match=r"cannot be written.*Permission denied"):
        fetch("polbooks", data_home=tmp_path)
    assert server.requests == []


def test_read_only_home_with_the_files_is_enough(server, set_source, tmp_path, monkeypatch):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    fetch("polbooks", data_home=tmp_path)

    def refuse(*args, **kwargs):
        raise AssertionError("nothing is missing, so nothing may be written")

    monkeypatch.setattr(_data_home, "_scratch_folder", refuse)
    assert fetch("polbooks", data_home=tmp_path).adjacency.shape == (3, 3)


def test_full_disk_while_writing_leaves_nothing(server, set_source, tmp_path, monkeypatch):
    def full(file, *args, **kwargs):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    set_source(SOURCE, server.offer("polbooks.gml", GML))
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DatasetUnavailableError, match="No space left"):
        fetch("polbooks", data_home=tmp_path)
    assert_clean(tmp_path)


@pytest.mark.parametrize("name", ["adjacency.npz", "labels.npy"])
@pytest.mark.parametrize("kept", [0, 60, -10], ids=["empty", "start only", "end missing"])
def test_truncated_cached_file_is_named(server, set_source, tmp_path, name, kept):
    set_source(SOURCE, server.offer("polbooks.gml", GML))
    fetch("polbooks", data_home=tmp_path)
    path = tmp_path / "graphs/polbooks" / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetUnavailableError, match="Delete it") as caught:
        fetch("polbooks", data_home=tmp_path)
    assert str(path) in str(caught.value)


def test_cached_file_of_other_content_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.ones(3))
    with pytest.raises(DatasetUnavailableError, match=r"other\.npz.*'y is not"):
        _data_home.read_npz(tmp_path / "other.npz", ["X", "y"])


def test_cached_pickle_is_not_loaded(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "objects.npy", objects)
    np.savez(tmp_path / "objects.npz", X=objects)
    with pytest.raises(DatasetUnavailableError, match=r"objects\.npy"):
        _data_home.read_npy(tmp_path / "objects.npy")
    with pytest.raises(DatasetUnavailableError, match=r"objects\.npz"):
        _data_home.read_npz(tmp_path / "objects.npz", ["X"])


@pytest.mark.parametrize("module", ["pooch", "tqdm"])
def test_missing_optional_package_names_the_extra(module, monkeypatch, tmp_path):
    if module == "tqdm":
        pytest.importorskip("pooch")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{module}.*pip install "subspace-learn\[data\]"'):
        fetch("polbooks", data_home=tmp_path, progressbar=True)
    assert_clean(tmp_path)


def test_sources_are_pinned_and_hashed():
    for remotes in _sources.SOURCES.values():
        for remote in remotes:
            assert len(bytes.fromhex(remote.sha256)) == 32
            if not remote.url.startswith("https://physionet.org/files/eegmmidb/1.0.0/"):
                host, _, _, commit = remote.url.removeprefix("https://").split("/")[:4]
                assert host == "raw.githubusercontent.com"
                assert len(bytes.fromhex(commit)) == 20
