"""One small example of every kind of X, with targets: what the generic tests fit on."""

from __future__ import annotations

from typing import Any

from .complex_table import make_complex_table
from .epochs import make_epochs
from .graph import make_graph
from .maps import make_maps
from .matrices import make_matrices
from .mesh import make_meshes
from .sequences import make_sequences
from .system import make_matrix
from .table import make_table


def example(kind: str) -> tuple[Any, Any]:
    """Return X and y for an estimator of this kind; y is None where there are no samples."""
    if kind in {"table", "sampler"}:
        return make_table()
    if kind == "complex_table":
        return make_complex_table(), None
    if kind == "epochs":
        return make_epochs()
    if kind == "sequences":
        return make_sequences()
    if kind == "matrices":
        return make_matrices()
    if kind == "maps":
        return make_maps()
    return {"graph": make_graph, "mesh": make_meshes, "system": make_matrix}[kind](), None
