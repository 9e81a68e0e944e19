"""How a script of this folder writes its page of doc/_tables: parts, each a table."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "doc" / "_tables"


def spread(values, digits=3):
    """Mean and standard deviation."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def as_list_table(title, rows):
    """reStructuredText of a table; the first row is its head."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, ""])


def write_page(stem, description, *parts):
    """Print each part; write them all to the page ``stem`` unless one was named."""
    by_name = {part.__name__: part for part in parts}
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("part", nargs="?", choices=by_name, help="this one, printed only")
    chosen = parser.parse_args().part
    page = []
    for part in [by_name[chosen]] if chosen else parts:
        page.append(as_list_table(part.__doc__.rstrip("."), part()))
        print(page[-1], flush=True)
    if chosen is None:
        (FOLDER / f"{stem}.rst").write_text("\n".join(page), "utf-8")
