"""The table of examples/demo.py as a page: python asv_benches/demo_tables.py, half a minute."""

from __future__ import annotations

import sys
from pathlib import Path

from tables import write_page

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))

import demo


def at_work():
    """The eight headline estimators on real data (``make demo`` prints the same and draws)."""
    rows = [("estimator", "task", "measure", "baseline", "peer", "ours")]
    for task in demo.TASKS:
        row = task()
        pairs = [f"{value:.3g} ({name})" for name, value in (row.baseline, row.peer)]
        rows.append((row.estimator, row.task, row.measure, *pairs, f"{row.ours:.3g}"))
    return rows


if __name__ == "__main__":
    write_page("demo", __doc__, at_work)
