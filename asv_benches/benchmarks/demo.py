"""The table of examples/demo.py (``make demo`` prints the same and draws)."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from .common import Listing

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


class Headline(Listing):
    """The eight headline estimators on real data"""

    needs = ("data", "pyriemann")

    def rows(self):
        spec = importlib.util.spec_from_file_location("demo", DEMO)
        demo = importlib.util.module_from_spec(spec)
        sys.path.append(str(DEMO.parent))  # its peers stand beside it
        try:
            spec.loader.exec_module(demo)
        finally:
            sys.path.remove(str(DEMO.parent))
        yield "estimator", "task", "measure", "baseline", "peer", "ours"
        tasks = {task.__name__: task for task in demo.TASKS}
        here = Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # pictures are of no use here
            try:
                for task in [tasks["random_matrix_filter"]] if self.quick else tasks.values():
                    row = task()
                    pairs = [f"{value:.3g} ({name})" for name, value in (row.baseline, row.peer)]
                    yield row.estimator, row.task, row.measure, *pairs, f"{row.ours:.3g}"
            finally:
                os.chdir(here)
