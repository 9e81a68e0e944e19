"""Loops that array operations cannot express, compiled by numba on first use.

Functions of arrays and scalars, NumPy in and out; the caller allocates. Import a kernel inside the
function that calls it, so that numba is loaded by the first fit that needs it and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numba

__all__ = ["jit"]


def jit(
    function: Callable[..., Any] | None = None,
    *,
    error_model: Literal["python", "numpy"] = "python",
) -> Any:
    """Compile ``function`` on first call and keep the machine code on disk where that is allowed.

    numba raises ``RuntimeError: no locator available`` where no cache folder can be written (a
    read-only installation): then the code is compiled anew in each process. With
    ``error_model="numpy"`` a division by 0 is no error, as in NumPy: the test for it would keep a
    loop from running on several numbers at once.
    """
    if function is None:
        return partial(jit, error_model=error_model)
    try:
        return numba.njit(cache=True, error_model=error_model)(function)
    except RuntimeError:
        return numba.njit(error_model=error_model)(function)
