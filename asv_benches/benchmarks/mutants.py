"""Single changes of the code: how many the tests notice, counted from the log of make mutants."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from .common import Listing

LOG = "SUBSPACE_LEARN_MUTANTS"


class Mutants(Listing):
    """Single changes of the code, and whether a test notices

    One operator, number or truth value is changed at a time (``make mutants``). "Equivalent" are
    survivors that change no result: a person has read them and written so into the log. Their share
    is taken of the others.
    """

    def rows(self):
        if LOG not in os.environ:
            raise NotImplementedError(f"{LOG} does not name a log of make mutants")
        text = Path(os.environ[LOG]).read_text("utf-8")
        found = [json.loads(line) for line in text.splitlines()]
        yield ["rooms", "changes", "noticed", "survived", "equivalent", "share noticed, %"]
        groups = {"all": found}
        for row in found:
            parts = row["file"].split("/")
            groups.setdefault(parts[2] if parts[1] == "functional" else parts[1], []).append(row)
        for name, rows in sorted(groups.items(), key=lambda item: (item[0] != "all", item[0])):
            verdicts = Counter(row["verdict"] for row in rows)
            survived, same = verdicts["survived"], verdicts["equivalent"]
            noticed = len(rows) - survived - same
            share = 100 * noticed / max(noticed + survived, 1)
            numbers = (len(rows), noticed, survived, same)
            yield [name, *map(str, numbers), f"{share:.0f}"]
