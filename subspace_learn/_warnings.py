"""Warnings that point at the user's line, from however deep in the package."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

__all__ = ["warn"]

# Frames of these are passed over: ours, and the wrappers through which scikit-learn calls us.
_BETWEEN = (__package__, "sklearn", "joblib")
_HERE = str(Path(__file__).parent)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside this package and scikit-learn; at the outermost if none is.

    Parameters
    ----------
    message : str
        What happened, the number that decides, what to do.
    category : type of Warning, default=UserWarning
        Such as ``sklearn.exceptions.ConvergenceWarning``.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_between(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_between(frame) -> bool:  # type: ignore[no-untyped-def]
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    return module in _BETWEEN or frame.f_code.co_filename.startswith(_HERE)
