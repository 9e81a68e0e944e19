"""Warnings that point at the user's line, from however deep in the package."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

__all__ = ["kept_warnings", "warn"]

# Frames of these are passed over: ours, and the wrappers through which scikit-learn calls us.
_BETWEEN = (__package__, "sklearn", "joblib")
_HERE = str(Path(__file__).parent)

_KEPT: ContextVar[list | None] = ContextVar("kept", default=None)


@contextmanager
def kept_warnings() -> Iterator[list[tuple[str, type[Warning]]]]:
    """Keep what `warn` is given, in this thread, in the list that this returns.

    For work that another machine does: there nobody reads a warning.
    """
    kept: list[tuple[str, type[Warning]]] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside this package and scikit-learn; at the outermost if none is.

    Parameters
    ----------
    message : str
        What happened, the number that decides, what to do.
    category : type of Warning, default=UserWarning
        Such as ``sklearn.exceptions.ConvergenceWarning``.
    """
    kept = _KEPT.get()
    if kept is not None:
        kept.append((message, category))
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_between(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_between(frame) -> bool:  # type: ignore[no-untyped-def]
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    return module in _BETWEEN or frame.f_code.co_filename.startswith(_HERE)
