"""Attributed graphs: citation, web, social and protein networks with known or unknown classes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import Bunch

from ._data_home import Outputs, local_files, read_npy, read_npz
from ._graph_formats import geom_gcn, gml, matrix_market, nettack, one_hot, planetoid

__all__ = ["convert_graph", "fetch_attributed_graph"]

# graph -> its files beside adjacency.npz
_FILES = {
    "cora": ("attributes.npz", "labels.npy"),
    "texas": ("attributes.npz", "labels.npy"),
    "polblogs": ("labels.npy",),
    "polbooks": ("labels.npy",),
    "football": ("labels.npy",),
    "yeast_ppi": ("attributes.npz", "labels.npy"),
    "lazega71_advice": ("attributes.npz", "metadata.npy"),
    "lazega36_advice": ("attributes.npz", "metadata.npy"),
    "lazega36_friend": ("attributes.npz", "metadata.npy"),
    "sbm400": ("attributes.npz", "labels.npy"),
}

_BOOTCMATCH = """Shipped with BCMatch4Graphs (BSD-3-Clause); D'Ambra, De Santis, Vassilevski,
Cutillo, "Network clustering by embedding of attribute-augmented graphs", 2021."""
_LAZEGA = f"""lawyers of a firm in New England; attributes are seven integer codes (`metadata`),
one-hot encoded column by column. No true classes. Lazega, "The Collegial Phenomenon", 2001.
{_BOOTCMATCH}"""
_ORIGINS = {
    "cora": """Cora: 2708 papers, 5278 citations, 1433 binary words, 7 fields. 78 components, the
largest has 2485 nodes: report results on the whole graph and on the largest component.
LINQS collection, as split for Planetoid (Yang, Cohen, Salakhutdinov, ICML 2016; MIT licence).""",
    "texas": """Texas: 183 web pages of a university (CMU WebKB), 279 links, 1703 binary words, 5
classes of 33, 1, 18, 101 and 30; linked pages tend to differ in class. As distributed with
Geom-GCN (Pei et al., ICLR 2020); there Cornell's attribute file is a copy of this one.""",
    "polblogs": """Political blogs: 1490 blogs, 16715 links, liberal (0) or conservative (1). 266
are isolated, the largest component has 1222 nodes. Adamic & Glance, 2005; copy of nettack.""",
    "polbooks": """Books on US politics: 105 books, 441 joint purchases, 3 leanings (0 conservative,
1 liberal, 2 neutral). V. Krebs, unpublished; collection of M. Newman.""",
    "football": """American college football: 115 teams, 613 games of autumn 2000, 12 conferences.
Girvan & Newman, PNAS 99, 2002; collection of M. Newman.""",
    "yeast_ppi": f"""Yeast protein interactions: 2375 proteins, 11693 interactions, 52 one-hot
function codes, of which 14..52 occur once each. The attribute IS the target: use it to check
mechanics, never as evidence of quality. {_BOOTCMATCH}""",
    "lazega71_advice": f"Advice (717 edges) among 71 {_LAZEGA}",
    "lazega36_advice": f"Advice (289 edges) among 36 {_LAZEGA}",
    "lazega36_friend": f"Friendship (187 edges) among 36 {_LAZEGA}",
    "sbm400": f"""Stochastic block model: 400 nodes, 1008 edges, 5 blocks. The attribute IS the
target: use it to check mechanics, never as evidence of quality. {_BOOTCMATCH}""",
}
_CONVENTIONS = """

The graph is undirected, without self-loops, all weights 1. The target must not be used in a fit.
"""


def fetch_attributed_graph(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    progressbar: bool = False,
) -> Any:
    """Load an undirected graph with its node attributes and classes, downloading it if need be.

    Parameters
    ----------
    name : str
        One of "cora", "texas", "polblogs", "polbooks", "football", "yeast_ppi", "lazega71_advice",
        "lazega36_advice", "lazega36_friend", "sbm400".
    data_home : path-like or None, default=None
        Folder of the data; see :func:`data_home`.
    download_if_missing : bool, default=True
        If False, a missing file raises.
    return_X_y : bool, default=False
        Return ``(attributes, target)`` instead of a Bunch; the graph must have both.
    progressbar : bool, default=False
        Show the progress of a download (needs tqdm).

    Returns
    -------
    graph : sklearn.utils.Bunch or tuple
        ``adjacency`` (n_nodes, n_nodes) CSR array, float32, symmetric, ones; ``attributes``
        (n_nodes, n_attributes) CSR array or None; ``target`` (n_nodes,) or None; ``metadata``
        (n_nodes, 7) integer codes (Lazega only) or None; ``attribute_names``, ``a<column>=<value>``
        for one-hot codes, else None; ``name``; ``DESCR``.

    Raises
    ------
    DatasetUnavailableError
        If a file is missing and cannot be brought, or is damaged.
    ValueError
        If ``name`` is unknown, or ``return_X_y`` is asked of a graph without attributes or target.
    """
    if name not in _FILES:
        raise ValueError(f"name={name!r} is unknown: take one of {list(_FILES)}.")
    has = {Path(file).stem for file in _FILES[name]}
    if return_X_y and not has >= {"attributes", "labels"}:
        lacking = " and ".join(sorted({"attributes", "labels"} - has)).replace("labels", "target")
        raise ValueError(
            f"return_X_y=True needs attributes and a target; {name!r} has no {lacking}. Take the "
            "Bunch (return_X_y=False)."
        )
    outputs = [f"graphs/{name}/{file}" for file in ("adjacency.npz", *_FILES[name])]
    paths = local_files(
        f"graphs/{name}",
        outputs,
        partial(convert_graph, name=name),
        home=data_home,
        download_if_missing=download_if_missing,
        progressbar=progressbar,
    )
    stored = {path.stem: _read(path) for path in paths}
    # Some copies of polblogs hold 2 where a link is listed twice.
    stored["adjacency"].data[:] = 1.0
    attributes, target = stored.get("attributes"), stored.get("labels")
    if return_X_y:
        return attributes, target
    metadata = stored.get("metadata")
    return Bunch(
        adjacency=stored["adjacency"],
        attributes=attributes,
        target=target,
        metadata=metadata,
        attribute_names=_attribute_names(name, metadata, target),
        name=name,
        DESCR=_ORIGINS[name] + _CONVENTIONS,
    )


def convert_graph(originals: Mapping[str, Path], name: str) -> Outputs:
    """Turn the original files of graph ``name`` into adjacency, attributes, labels, metadata."""
    convert = {
        "cora": planetoid,
        "texas": geom_gcn,
        "polblogs": nettack,
        "polbooks": gml,
        "football": gml,
    }.get(name, matrix_market)
    parts = convert(originals)
    if name == "sbm400":
        parts["labels"] = (
            parts["labels"] - 1
        )  # blocks count from 0; yeast keeps its published codes
    outputs: dict[str, Any] = {}
    for file in ("adjacency.npz", *_FILES[name]):
        part = parts[Path(file).stem]
        outputs[f"graphs/{name}/{file}"] = _fields(part) if sp.issparse(part) else part
    return outputs


def _fields(matrix: sp.csr_array) -> dict[str, np.ndarray]:
    """Give the arrays of a CSR matrix under the names that ``scipy.sparse.load_npz`` knows."""
    return {
        "indices": matrix.indices.astype(np.int32),
        "indptr": matrix.indptr.astype(np.int32),
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": matrix.data.astype(np.float32),
    }


def _read(path: Path) -> Any:
    if path.suffix == ".npy":
        return read_npy(path).astype(np.int64)
    stored = read_npz(path, ["data", "indices", "indptr", "shape"])
    # 32-bit indices: many scikit-learn estimators accept no others.
    indices, indptr = stored["indices"].astype(np.int32), stored["indptr"].astype(np.int32)
    matrix = sp.csr_array((stored["data"], indices, indptr), shape=tuple(stored["shape"].tolist()))
    matrix.sort_indices()
    return matrix


def _attribute_names(
    name: str, metadata: np.ndarray | None, target: np.ndarray | None
) -> list[str] | None:
    """Names of one-hot attributes, from the codes they show; no names are known for words."""
    if metadata is not None:
        return one_hot(metadata)[1]
    if name in ("yeast_ppi", "sbm400") and target is not None:
        return one_hot(target[:, None])[1]
    return None
