"""What was measured, and how it reaches a page: tables with their stamps, and figures in the text.

doc/_tables/<name>.json holds the tables of one file of benchmarks, a row a line, each table with
the stamp of its run. ``.. measured:: <name>`` shows them. figures.toml gives a name to a cell::

    [grassmann_pca]
    stream = "Stream | 1000 | sklearn IncrementalPCA | faster"

The address is table, first cells of the row, column. In the tables of speed "faster" is the time of
that call over that of ours, and "slower" the inverse. ``; .2f`` behind it says how it is written.

In the text a figure stands as it reads, and `filled` puts the number of today into its place:
``:figure:`16 <grassmann_pca.stream>``` in reStructuredText and
``<!--figure:grassmann_pca.stream-->16<!---->`` in README.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import tomllib
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = ROOT / "doc" / "_tables"
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba")
IN_TEXT = (
    re.compile(r"(:figure:`)([^`<]*?)( <([\w.]+)>`)"),
    re.compile(r"(<!--figure:([\w.]+)-->)(.*?)(<!---->)"),
)


# --- stamp and store ----------------------------------------------------------------------------


def machine():
    """Processor and cores."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    return f"{cpu}, {os.cpu_count()} cores"


def versions(names=PACKAGES):
    """Python, packages and linear algebra libraries."""
    from threadpoolctl import threadpool_info

    found = [f"Python {platform.python_version()}"]
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    pools = threadpool_info()
    blas = {f"{pool['internal_api']} {pool['version']}" for pool in pools if pool["version"]}
    return ", ".join(found + sorted(blas))


def load():
    """How many processes wanted a processor in the minute before."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def stamp(threads, load_before, seconds, peers=(), budget=None):
    """What one has to know to believe a table; ``peers`` are packages, there or not."""
    absent = [name for name in peers if find_spec(name) is None]
    found = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "threads": str(threads),
        "load before": load_before,
        "took": f"{seconds:.0f} s",
        "versions": versions((*PACKAGES, *(name.replace("_", "-") for name in peers))),
    }
    if absent:
        found["not installed, left out"] = ", ".join(absent)
    return found | ({"budget": f"{budget:g} s of runs a case"} if budget else {})


def read(name):
    """Tables of a page by name; nothing if it was never measured."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def write(name, tables):
    """Write a page, a row a line, so that a change can be read."""
    lines = ["{"]
    for i, (key, table) in enumerate(tables.items()):
        lines.append(f"  {json.dumps(key)}: {{")
        for field in ("title", "note", "stamp", "columns"):
            if field in table:
                lines.append(f'    "{field}": {json.dumps(table[field], ensure_ascii=False)},')
        rows = [f"      {json.dumps(row, ensure_ascii=False)}" for row in table["rows"]]
        lines += ['    "rows": [', ",\n".join(rows), "    ]"]
        lines.append("  }," if i + 1 < len(tables) else "  }")
    (FOLDER / f"{name}.json").write_text("\n".join([*lines, "}", ""]), "utf-8")


# --- reStructuredText ---------------------------------------------------------------------------


def as_list_table(title, rows):
    """A table; the first row is its head, and a first cell that repeats is left blank."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    last = None
    for row in rows:
        cells = ["", *row[1:]] if row[0] == last and row[1:2] else row
        last = row[0]
        lines += [f"   {'  -' if i else '* -'} {cell}".rstrip() for i, cell in enumerate(cells)]
    return "\n".join([*lines, ""])


def as_text(name, chosen=()):
    """Tables of a page, each run of equal stamps below its tables."""
    found = read(name)
    tables = {key: found[key] for key in chosen or found if key in found}
    if not tables:
        return f"Not measured yet: ``make bench-report BENCH={name}``.\n"
    parts, keys = [], list(tables)
    for key, after in zip(keys, [*keys[1:], None], strict=True):
        table = tables[key]
        parts.append(as_list_table(table["title"], [table["columns"], *table["rows"]]))
        parts += [table["note"] + "\n"] if "note" in table else []
        if after is None or tables[after]["stamp"] != table["stamp"]:
            facts = "; ".join(f"{what}: {value}" for what, value in table["stamp"].items())
            parts.append(f"*Measured by* ``make bench-report BENCH={name}``. {facts}.\n")
    return "\n".join(parts)


# --- figures ------------------------------------------------------------------------------------


def definitions():
    """Address of each figure by name."""
    found = tomllib.loads((HERE / "figures.toml").read_text("utf-8"))
    return {
        f"{page}.{name}": address
        for page, named in found.items()
        for name, address in named.items()
    }


def cell(table, keys, column):
    """A cell, by the first cells of its row and the name of its column."""
    rows = [row for row in table["rows"] if row[: len(keys)] == keys]
    if len(rows) != 1 or column not in table["columns"]:
        raise LookupError(
            f"{len(rows)} rows begin with {keys}; columns are {', '.join(table['columns'])}, "
            f"asked for is {column!r}."
        )
    return rows[0][table["columns"].index(column)]


def number(text):
    """The first number of a cell."""
    return float(re.search(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text.replace(",", "")).group())


def figure(name, address):
    """A figure as it is written, and the stamp of its table."""
    address, _, form = address.partition(";")
    table, *keys, column = (part.strip() for part in address.split("|"))
    table = read(name.split(".")[0])[table]
    if column in ("faster", "slower"):
        ours = number(cell(table, [*keys[:-1], "ours"], "seconds"))
        theirs = number(cell(table, keys, "seconds"))
        value = theirs / ours if column == "faster" else ours / theirs
        text = f"{value:.0f}" if value >= 10 else f"{value:{form.strip() or '.1f'}}"
    else:
        text = re.split(r" ±| \(| \[", cell(table, keys, column))[0]
        text = f"{number(text):{form.strip()}}" if form else text
    return re.sub(r"^(-?)0\.", r"\1.", text), table["stamp"]


def figures():
    """Text and stamp of each figure by name."""
    found = {}
    for name, address in definitions().items():
        try:
            found[name] = figure(name, address)
        except (LookupError, AttributeError) as error:
            raise LookupError(f"figures.toml, {name} = {address!r}: {error}") from error
    return found


def pages_with_figures():
    """README and the pages of the documentation."""
    doc = ROOT / "doc"
    return [ROOT / "README.md", *sorted(doc.glob("*.rst")), *sorted(doc.glob("user_guide/*.rst"))]


def filled(text, found):
    """The text with the figures of today."""
    text = IN_TEXT[0].sub(lambda m: m[1] + found[m[4]][0] + m[3], text)
    return IN_TEXT[1].sub(lambda m: m[1] + found[m[2]][0] + m[4], text)


def fill_pages():
    """Put the figures of today into README and documentation; return the files that changed."""
    found, changed = figures(), []
    for path in pages_with_figures():
        text = path.read_text("utf-8")
        if (new := filled(text, found)) != text:
            path.write_text(new, "utf-8")
            changed.append(path.relative_to(ROOT))
    return changed
