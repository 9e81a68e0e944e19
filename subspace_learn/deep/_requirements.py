"""What this room needs beside the package itself."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["EXTRA", "require_torch"]

EXTRA = ("torch", "skorch")


def require_torch() -> None:
    """Raise ImportError, with the command that helps, unless torch and skorch are installed."""
    for name in EXTRA:
        if find_spec(name) is None:
            raise ImportError(
                f"subspace_learn.deep needs {name}, which is not installed. Install it with: "
                "pip install 'subspace-learn[deep]'",
                name=name,
            )
