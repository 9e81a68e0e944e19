"""Weighted samples of a stream of rows by merge and reduce, in memory of logarithmic growth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

__all__ = ["Coreset", "absorbed"]


class Coreset(NamedTuple):
    """Rows that stand for more rows."""

    rows: Any
    """(k, d), dense or CSR."""
    targets: np.ndarray | None
    """(k,) or (k, n_targets)."""
    weights: np.ndarray
    """On the p-th power, (k,)."""
    indices: np.ndarray
    """Numbers of the rows in the stream, (k,)."""
    level: int
    """How often rows were reduced at most; coresets of equal level are merged."""
    error: float
    """The p-norms of the rows it stands for are kept within 1 +- error."""


def joined(parts: list[Coreset]) -> Coreset:
    """Rows of several coresets together; their error is the largest."""
    rows = [part.rows for part in parts]
    targets = [part.targets for part in parts if part.targets is not None]
    return Coreset(
        sp.vstack(rows).tocsr() if sp.issparse(rows[0]) else np.concatenate(rows),
        np.concatenate(targets) if len(targets) == len(parts) else None,
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.indices for part in parts]),
        max(part.level for part in parts),
        max(part.error for part in parts),
    )


def shifted(part: Coreset, n_before: int) -> Coreset:
    """The coreset of rows that come ``n_before`` rows later."""
    return part._replace(indices=part.indices + n_before)


def absorbed(
    buckets: list[Coreset], block: Coreset, reduce: Callable[[Coreset], Coreset]
) -> list[Coreset]:
    """Add a block to the buckets of a stream.

    Parameters
    ----------
    buckets : list of Coreset
        At most one for each level, the highest first.
    block : Coreset
        New rows.
    reduce : callable
        Makes a coreset smaller; gives it back unchanged if it is small enough. Its own error
        composes with that of what it was given.

    Returns
    -------
    buckets : list of Coreset
        A new list. After b blocks there are at most 1 + log2(b) buckets, each reduced at most that
        often: like carries in binary counting.
    """
    buckets = list(buckets)
    new = reduce(block)
    while buckets and buckets[-1].level <= new.level:
        level = new.level
        new = reduce(joined([buckets.pop(), new]))
        new = new._replace(level=level + 1)
    return [*buckets, new]
