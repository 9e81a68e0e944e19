"""Loads saved models in this process, which fitted none, and says which of them answer otherwise.

Run by tests/fuzz/test_saved_models.py: ``python -m tests.fuzz.reload FOLDER`` prints, as JSON,
what went wrong by file.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import skops.io

from .robust import answers

# Types in a skops file that skops asks about, beside the classes of this package. None of them runs
# code of strangers when it is made; functools.partial and what torch needs are in deep models only.
TRUSTED = {"numpy.dtype", "scipy.sparse._csr.csr_array"}
TRUSTED_IN_DEEP_MODELS = {
    "functools.partial",
    "skorch.callbacks.logging.EpochTimer",
    "skorch.callbacks.scoring.PassthroughScoring",
    "skorch.dataset.Dataset",
    "skorch.history.History",
    "skorch.setter.optimizer_setter",
    "torch.nn.modules.loss.CrossEntropyLoss",
    "torch.nn.modules.loss.MSELoss",
    "torch.optim.adam.Adam",
    "torch.optim.adamw.AdamW",
    "torch.optim.sgd.SGD",
    "torch.utils.data.dataloader.DataLoader",
}


def types_to_trust(file, *, deep):
    """Types in a skops file that have to be trusted: ours, the user's own, or named here.

    Raises
    ------
    LookupError
        If there is another.
    """
    known = TRUSTED | (TRUSTED_IN_DEEP_MODELS if deep else set())
    found = skops.io.get_untrusted_types(file=file)
    own = ("subspace_learn.", "tests.")  # tests: the net and the function that a user plugs in
    unknown = [t for t in found if not t.startswith(own) and t not in known]
    if unknown:
        raise LookupError(f"{file.name} holds types that nobody vouches for: {unknown}")
    return found


def loaded(file):
    """The model in a file of either format."""
    if file.suffix == ".joblib":
        return joblib.load(file)
    return skops.io.load(file, trusted=types_to_trust(file, deep=file.name.startswith("deep")))


def main(folder):
    """Compare every model in ``folder`` with what it said when it was saved."""
    wrong, compared = {}, 0
    for file in sorted(folder.glob("*.joblib")) + sorted(folder.glob("*.skops")):
        if file.name.startswith("said"):
            continue
        compared += 1
        query, said = joblib.load(folder / f"said {file.stem}.joblib")
        try:
            np.testing.assert_equal(answers(loaded(file), query), said)
        except Exception as error:
            wrong[file.name] = f"{type(error).__name__}: {error}"[:500]
    print(json.dumps({**wrong, "compared": compared}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
