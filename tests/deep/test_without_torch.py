"""The package where the extra is not installed: a fresh interpreter that cannot find torch."""

from __future__ import annotations

import subprocess
import sys

BLOCK = """
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in ("torch", "skorch") else find(name, path, target)
importlib.machinery.PathFinder.find_spec = find_spec
"""


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_estimators_are_importable_and_name_the_extra_when_fitted():
    message = run(
        "from subspace_learn.deep import DeepClassifier\n"
        "from sklearn.base import clone\n"
        "clf = clone(DeepClassifier(module__hidden=3))\n"
        "try:\n"
        "    clf.fit([[0.0], [1.0]], [0, 1])\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    assert message.endswith("Install it with: pip install 'subspace-learn[deep]'")


def test_layers_name_the_extra_when_asked_for():
    message = run(
        "import subspace_learn.deep\n"
        "try:\n"
        "    subspace_learn.deep.GrassmannHead\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    assert "needs torch" in message
    assert "subspace-learn[deep]" in message


def test_all_other_names_are_still_discovered():
    names = run(
        "from subspace_learn._discovery import estimators, public_names\n"
        "print(*estimators(), *(found.name for found in public_names()))"
    ).split()
    assert {"GrassmannPCA", "DeepClassifier"} <= set(names)
    assert "GrassmannHead" not in names
