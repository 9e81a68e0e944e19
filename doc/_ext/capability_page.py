"""Write the table of what each estimator takes and does, before Sphinx reads its sources."""

from __future__ import annotations

from pathlib import Path

from subspace_learn._capabilities import Capabilities, capability_table
from subspace_learn._discovery import public_names

OUTPUT = Path(__file__).resolve().parents[1] / "api" / "generated" / "_capabilities.rst"
KINDS = {
    "complex_table": "table, also complex",
    "sampler": "table",
    "system": "sparse matrix",
    "pairwise": "affinities",
}
HEADS = (
    "X",
    "sparse",
    "CuPy, torch",
    "float32 kept",
    "sample_weight",
    "partial_fit",
    "named columns",
    "random_state",
    "verbose",
)


def as_list_table(table: dict[str, Capabilities]) -> str:
    """reStructuredText of the table: a row for each estimator, linked to its page."""
    path = {found.name: found.path for found in public_names()}
    lines = [".. list-table::", "   :header-rows: 1", "   :class: capabilities", ""]
    lines += ["   * - estimator", *(f"     - {head}" for head in HEADS)]
    for name, row in table.items():
        lines.append(f"   * - :doc:`{name} </api/generated/{path[name]}>`")
        lines.append(f"     - {KINDS.get(row.kind, row.kind)}")
        lines += [f"     - {_cell(value)}" for value in row[1:]]
    return "\n".join([*lines, ""])


def _cell(value: bool | None) -> str:
    return {True: "yes", False: "", None: "n/a"}[value]


def write_page(app=None) -> None:
    """Write the table, unless it stands there already."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    text = as_list_table(capability_table())
    if not OUTPUT.exists() or OUTPUT.read_text("utf-8") != text:
        OUTPUT.write_text(text, "utf-8")


def setup(app):
    app.connect("builder-inited", write_page, priority=200)  # after api_pages has tidied the folder
    return {"parallel_read_safe": True, "parallel_write_safe": True}
