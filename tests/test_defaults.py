"""Every default of every estimator stands here once more: none changes by accident.

A change that is meant is made in both places: ``python -m tests.test_defaults`` writes the table.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from subspace_learn._discovery import estimators

TABLE = Path(__file__).with_name("defaults.json")


def defaults():
    """Estimator -> parameter -> repr of its default; estimators of absent extras are left out."""
    found = {}
    for name, cls in sorted(estimators().items()):
        parameters = inspect.signature(cls).parameters.values()
        found[name] = {
            p.name: "required" if p.default is p.empty else repr(p.default)
            for p in parameters
            if p.kind is not p.VAR_KEYWORD
        }
    return found


def test_defaults_are_those_of_the_table():
    written, found = json.loads(TABLE.read_text("utf-8")), defaults()
    for name, parameters in found.items():
        assert parameters == written[name], f"{name}: meant? python -m tests.test_defaults"
    extra = {name for name in set(written) - set(found) if not _needs_torch(written[name])}
    assert not extra, f"gone, but still in the table: {extra}"


def _needs_torch(parameters):
    return "net" in parameters or "device" in parameters


if __name__ == "__main__":
    TABLE.write_text(json.dumps(defaults(), indent=1, ensure_ascii=False) + "\n", "utf-8")
