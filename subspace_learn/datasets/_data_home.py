"""The data home: where data files lie, and how a missing one gets there or is complained about.

A data set is a few files below the home. :func:`local_files` returns their paths; if one is missing
it downloads the originals, checks their SHA-256, converts them, and moves the results into place.
All of that happens in a scratch folder, so a failure at any point leaves the home as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from urllib.parse import unquote

import numpy as np

from . import _sources

__all__ = [
    "DatasetUnavailableError",
    "Outputs",
    "data_home",
    "local_files",
    "optional_import",
    "read_npy",
    "read_npz",
]

VARIABLE = "SUBSPACE_LEARN_DATA"
_TIMEOUT = 60.0  # seconds without an answer from the server

# What a converter returns: file below the home -> array (.npy) or named arrays (.npz).
Outputs: TypeAlias = Mapping[str, "np.ndarray | Mapping[str, np.ndarray]"]
Converter: TypeAlias = Callable[[Mapping[str, Path]], Outputs]


class DatasetUnavailableError(OSError):
    """A data file is missing and cannot be had, or it is there and cannot be read.

    The message names the file, the address of the original, and what to do.
    """


def data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Name the folder that holds the data sets; it is not created.

    Parameters
    ----------
    data_home : path-like or None, default=None
        The folder. If None, the environment variable ``SUBSPACE_LEARN_DATA``; if that is unset or
        empty, ``~/.cache/subspace_learn``.

    Returns
    -------
    path : pathlib.Path
        The folder, with ``~`` expanded.

    Examples
    --------
    >>> from subspace_learn.datasets import data_home
    >>> data_home("/data/eeg").as_posix()
    '/data/eeg'
    """
    folder = data_home or os.environ.get(VARIABLE) or Path("~", ".cache", "subspace_learn")
    return Path(folder).expanduser()


def local_files(
    source: str,
    outputs: Sequence[str],
    convert: Converter,
    *,
    home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    progressbar: bool = False,
) -> list[Path]:
    """Return the paths of a data set's files, after fetching and converting them if need be.

    Parameters
    ----------
    source : str
        Key of the originals in ``_sources.SOURCES``.
    outputs : sequence of str
        The files of the data set, relative to the data home.
    convert : callable
        Takes ``{file name: path}`` of the originals, returns at least the ``outputs``.
    home : path-like or None, default=None
        See :func:`data_home`.
    download_if_missing : bool, default=True
        If False, a missing file is an error.
    progressbar : bool, default=False
        Show the progress of each download (needs tqdm).

    Returns
    -------
    paths : list of pathlib.Path
        One path per output, in that order.

    Raises
    ------
    DatasetUnavailableError
        If a file is missing and could not be brought.
    """
    folder = data_home(home)
    paths = [folder / output for output in outputs]
    missing = [output for output, path in zip(outputs, paths, strict=True) if not path.is_file()]
    if not missing:
        return paths
    where = f"{', '.join(missing)} not found in the data home {folder}"
    if not download_if_missing:
        raise _unavailable(
            source, f"{where}; download_if_missing=False", "call with download_if_missing=True"
        )
    try:
        scratch = _scratch_folder(folder)
    except OSError as error:
        raise _unavailable(
            source, f"{where}, which cannot be written ({error})", "make that folder writable"
        ) from error
    with scratch as name:
        originals = _download(source, Path(name), where, progressbar)
        converted = convert(originals)
        try:
            _publish({output: converted[output] for output in outputs}, folder, Path(name))
        except OSError as error:
            raise _unavailable(
                source, f"{where}; writing it failed ({error})", "free space there"
            ) from error
    return paths


def read_npz(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the named arrays of a cached ``.npz`` file; a damaged file gives a clear error."""

    def arrays() -> dict[str, np.ndarray]:
        # Opened here: np.load leaves a file that is no archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}

    return _readable(path, arrays)


def read_npy(path: Path) -> np.ndarray:
    """Read a cached ``.npy`` file; a damaged file gives a clear error."""

    def array() -> np.ndarray:
        with path.open("rb") as file:
            return np.load(file, allow_pickle=False)

    return _readable(path, array)


def optional_import(module: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{purpose} needs {module}, which is not installed: pip install "subspace-learn[data]".'
        ) from error


def _readable(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetUnavailableError(
            f"{path} cannot be read ({type(error).__name__}: {error}): the file is damaged or not "
            f"the one expected. Delete it and call again to fetch it anew, or let {VARIABLE} (or "
            "data_home=) name a folder with a sound copy."
        ) from error


def _unavailable(source: str, what: str, remedy: str) -> DatasetUnavailableError:
    addresses = [remote.url for remote in _sources.SOURCES[source]]
    more = f" and {len(addresses) - 3} more beside it" if len(addresses) > 3 else ""
    return DatasetUnavailableError(
        f"{what}. Its origin is {', '.join(addresses[:3])}{more}. Either {remedy}, or set the "
        f"environment variable {VARIABLE} (or data_home=) to a folder that has the file."
    )


def _scratch_folder(folder: Path) -> tempfile.TemporaryDirectory[str]:
    # Inside the home: os.replace is atomic only within one file system, and a home that cannot be
    # written shows itself before anything is downloaded.
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".part-", dir=folder)


def _download(source: str, scratch: Path, where: str, progressbar: bool) -> dict[str, Path]:
    """Bring the originals of ``source`` into ``scratch``, each with its hash checked."""
    pooch = optional_import("pooch", "Downloading a data set")
    if progressbar:
        optional_import("tqdm", "A progress bar")
    originals = {}
    for remote in _sources.SOURCES[source]:
        path = scratch / unquote(remote.url.rsplit("/", 1)[1])
        try:
            _bring(pooch, remote.url, path, progressbar)
        except OSError as error:  # requests' exceptions are OSErrors
            raise _unavailable(
                source,
                f"{where}; downloading {remote.url} failed ({type(error).__name__}: {error})",
                "call again with a working network",
            ) from error
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != remote.sha256:
            raise _unavailable(
                source,
                f"{where}; {remote.url} answered with SHA-256 {found} instead of {remote.sha256} "
                "and was thrown away (the original, or something on the way, changed)",
                "try another network",
            )
        originals[path.name] = path
    return originals


def _bring(pooch: ModuleType, url: str, path: Path, progressbar: bool) -> None:
    """Write what ``url`` answers to ``path``; an answer that breaks off is closed, too."""
    with contextlib.ExitStack() as answers:

        def close_later(answer: Any, **_: Any) -> None:  # pooch itself leaves it open
            answers.callback(answer.close)

        download = pooch.HTTPDownloader(
            progressbar=progressbar, timeout=_TIMEOUT, hooks={"response": close_later}
        )
        download(url, str(path), None)


def _publish(outputs: Outputs, folder: Path, scratch: Path) -> None:
    """Write all outputs to ``scratch``, then move each to its place."""
    written = []
    for number, (relative, content) in enumerate(outputs.items()):
        part = scratch / f"output-{number}{Path(relative).suffix}"
        if isinstance(content, Mapping):
            arrays: dict[str, Any] = dict(content)
            np.savez_compressed(part, **arrays)
        else:
            np.save(part, content, allow_pickle=False)
        written.append((part, folder / relative))
    for part, target in written:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, target)
