"""Dask: the one file that knows it by name, as `_array.py` knows CuPy.

What comes in is an array, a data frame, or a list of delayed blocks: a table in chunks of rows, and
never made one array here. ``fit`` turns each chunk into statistics, where that chunk lies, and adds
them up in a tree; ``transform``, ``predict`` and the like stay lazy. This file writes graphs and
hands them to Dask. What runs where, when, and again after a failure, is Dask's business.

An estimator takes part by ``_after_chunks()``, which ends a fit after ``partial_fit`` of each chunk
and ``merge`` of all, or by ``_fit_chunks(chunks)``, which does more. All others refuse in words.
What tasks do, without a word of Dask, stands in `_chunk_tasks.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ._chunk_tasks import (
    add_up,
    added,
    answer,
    arranged,
    called,
    is_frame,
    last_rows,
    made_up,
    mean_score,
    stacked,
    takes_chunks,
    told,
    with_warnings,
)
from ._warnings import kept_warnings, warn

__all__ = [
    "LAZY",
    "Chunks",
    "fit_on_chunks",
    "is_lazy",
    "map_over_chunks",
    "refuse_container",
]

LAZY = "__dask_graph__"  # what every collection of Dask has
# Statistics that one task of the tree adds up.
_FAN = 8
# Methods whose result has a row for each row of X, that depends on this row alone.
_BY_ROWS = {
    *("transform", "inverse_transform", "predict", "predict_proba", "predict_log_proba"),
    *("decision_function", "score_samples", "reconstruction_error", "filter"),
    *("eigenfunctions", "simulate"),
}


class Chunks(NamedTuple):
    """A table in chunks of rows, with what stands beside them."""

    X: list[Any]
    """Delayed blocks, in the order of the rows."""
    beside: dict[str, list[Any]]
    """The same of y, sample_weight and so on: a piece for each block."""
    names: list[str]
    """What each block is called in errors."""
    sizes: tuple[int, ...] | None
    """Rows of each block, where that is known."""
    consecutive: bool
    """Whether the blocks are one table, in order; else each is a table of its own."""

    def using(self, *wanted: str) -> Chunks:
        """The same with these pieces alone beside the blocks."""
        return self._replace(beside={k: v for k, v in self.beside.items() if k in wanted})

    def also(self, **pieces: list[Any]) -> Chunks:
        """The same with more pieces beside the blocks."""
        return self._replace(beside={**self.beside, **pieces})

    def some(self, which: Sequence[int]) -> Chunks:
        """These blocks alone."""
        return self._replace(
            X=[self.X[i] for i in which],
            beside={name: [pieces[i] for i in which] for name, pieces in self.beside.items()},
            names=[self.names[i] for i in which],
            sizes=None,
        )

    def overlapping(self, n: int) -> Chunks:
        """Each block with the last n rows of those before it on top, if they are one table."""
        if not self.consecutive or n == 0:
            return self
        below = partial(_overlapping, n=n, sizes=self.sizes)
        beside = {name: below(pieces) for name, pieces in self.beside.items()}
        return self._replace(X=below(self.X), beside=beside, sizes=None)

    def each(self, function: Callable[..., Any], **shared: Any) -> list[Any]:
        """Delayed ``function(block, **beside, **shared)`` of each block; errors name the block."""
        # within each task: a task of its own would draw all others to the worker that holds it
        call, task = partial(function, **shared), _delayed(answer)
        return [
            task(call, name, X, **{k: v[i] for k, v in self.beside.items()})
            for i, (name, X) in enumerate(zip(self.names, self.X, strict=True))
        ]

    def total(
        self,
        function: Callable[..., Any],
        add: Callable[[Any, Any], Any] | None,
        *,
        or_none: bool = False,
        **shared: Any,
    ) -> Any:
        """What ``function`` says of the blocks, added up in a tree, in their order.

        None says nothing; if all do, that is an error, or None if it may be. The order of additions
        does not depend on what is ready first, so that a block that is computed again, after a
        worker died, changes nothing.
        """
        parts = self.each(partial(with_warnings, function), **shared)
        adding = _delayed(added)
        while len(parts) > 1:
            parts = [adding(add, parts[i : i + _FAN]) for i in range(0, len(parts), _FAN)]
        (found,) = told(_computed(parts))
        if found is None and not or_none:
            raise ValueError(f"No row of X counts: its {len(self.X)} chunk(s) hold none.")
        return found

    def gathered(self, function: Callable[..., Any], **shared: Any) -> list[Any]:
        """What ``function`` says of each block that has rows, here."""
        answers = told(_computed(self.each(partial(with_warnings, function), **shared)))
        return [found for found in answers if found is not None]

    def arranged(
        self,
        function: Callable[..., Any],
        arrange: Callable[[list], tuple[list, Any]],
        **shared: Any,
    ) -> tuple[list[Any], Any]:
        """Pieces, one for each block, and a summary, that ``arrange`` makes of what is said of all.

        The pieces stay where Dask keeps them. An empty block says None.
        """
        import dask

        answers = self.each(partial(with_warnings, function), **shared)
        pieces, summary = _delayed(partial(arranged, arrange), nout=2)(answers)
        kept = dask.persist(summary, *(pieces[i] for i in range(len(self.X))))
        (found,) = told(_computed(kept[:1]))
        return list(kept[1:]), found


def chunks_of(X: Any, beside: dict[str, Any], *, for_fit: bool = True) -> Chunks:
    """Cut what Dask holds into delayed blocks; raise if what stands beside has other chunks.

    ``for_fit`` lets Dask fuse the tasks that make a block; without, other results share them.
    """
    X = _listed(X)
    blocks, sizes = _blocks(X, for_fit)
    pieces: dict[str, list[Any]] = {}
    for name, table in beside.items():
        if table is None:
            continue
        if not is_lazy(table):
            raise TypeError(
                f"{name} is in memory, but X comes from Dask in {len(blocks)} chunk(s). Give "
                f"{name} in the same chunks: dask.array.from_array({name}, chunks=X.chunks[0])."
            )
        pieces[name], own = _blocks(table, for_fit)
        if len(pieces[name]) != len(blocks) or (sizes and own and sizes != own):
            raise ValueError(
                f"{name} has {len(pieces[name])} chunk(s) of {own or 'unknown'} rows, but X has "
                f"{len(blocks)} of {sizes or 'unknown'}. Give both in the same chunks: "
                f"{name}.rechunk(X.chunks[0])."
            )
    names = [f"chunk {i}" for i in range(len(blocks))]
    if sizes:
        ends = np.cumsum(sizes)
        names = [
            f"{name} (rows {end - n} to {end - 1})"
            for name, n, end in zip(names, sizes, ends, strict=True)
        ]
    return Chunks(blocks, pieces, names, sizes, not isinstance(X, list | tuple) and X.ndim == 2)


def fit_on_chunks(estimator: Any, method: str, given: dict[str, Any]) -> Any:
    """Fit on what Dask holds, or refuse in words."""
    name = type(estimator).__name__
    X, *_ = given.values()  # in the order of the signature
    is_table = getattr(_listed(X), "ndim", 2) == 2
    if not takes_chunks(estimator):
        sample = (
            "Draw a weighted sample of its rows first, which is small: SensitivitySampler("
            ").fit_resample(X, return_weights=True) takes what Dask holds. Or call"
        )
        raise TypeError(
            f"{name}.{method}() needs all of X at once, in memory, but X is held by Dask. "
            f"{sample if is_table else 'Call'} X.compute(), if it fits into memory."
        )
    if method != "fit":
        raise TypeError(
            f"{name}.{method}() takes one batch, in memory, but was given what Dask holds. Give "
            "all of it to fit, which goes through it chunk by chunk, or this batch as X.compute()."
        )
    if not is_lazy(X):
        lazy = [key for key, value in given.items() if is_lazy(value)]
        raise TypeError(
            f"X is in memory, but {lazy[0]} is held by Dask. Call {lazy[0]}.compute(), or give X "
            "in the same chunks."
        )
    chunks = chunks_of(X, dict(list(given.items())[1:]))
    if hasattr(estimator, "_fit_chunks"):
        estimator._fit_chunks(chunks)
    else:
        add_up(estimator, chunks.using("sample_weight"))
        estimator._after_chunks()
    return estimator


def map_over_chunks(estimator: Any, method: str, given: dict[str, Any]) -> Any:
    """Apply a method of a fitted estimator to what Dask holds: a lazy array comes back.

    An array gives an array with the same chunks of rows, a frame one whose chunks are its
    partitions, and a list of delayed blocks such a list. `score` is computed at once.
    """
    (first, X), *rest = given.items()
    _refuse_method(estimator, method, X)
    check_is_fitted(estimator)
    X = _listed(X)
    lazy = {name: value for name, value in rest if is_lazy(value)}
    fixed = {name: value for name, value in rest if name not in lazy}
    if method == "score":
        return mean_score(estimator, chunks_of(X, dict(rest)))
    before = estimator._rows_before(method) if hasattr(estimator, "_rows_before") else 0
    call = partial(called, method=method, first=first, fixed=fixed, before=before)
    frozen = copy.copy(estimator)  # a later fit binds new arrays, and changes no lazy result
    if isinstance(X, list | tuple):
        return chunks_of(X, lazy).each(call, estimator=frozen)
    X = _whole_rows(X)
    with kept_warnings():
        beside = {name: made_up(value, before + 1) for name, value in lazy.items()}
        example = call(made_up(X, before + 1), estimator=frozen, **beside)
    chunks = chunks_of(X, lazy, for_fit=False).overlapping(before)
    parts = chunks.each(partial(call, empty=example[:0]), estimator=frozen)
    sizes = [np.nan] * len(parts) if is_frame(X) else list(X.chunks[0])
    if before:
        sizes = np.diff(np.maximum(np.cumsum([0, *sizes]) - before, 0)).tolist()
    return _lazy_array(parts, sizes, example)


def refuse_container(estimator: Any, wanted: str) -> None:
    """Raise if `set_output` asks for a frame, which would hold in memory what Dask does not."""
    if wanted != "default":
        raise TypeError(
            f"set_output(transform={wanted!r}) asks {type(estimator).__name__}.transform() for a "
            "frame in memory, but X is held by Dask. For a lazy frame call X.map_partitions("
            "model.transform) of a frame; for a lazy array set_output(transform='default')."
        )


# --- graphs ---------------------------------------------------------------------------------------


def is_lazy(value: Any) -> bool:
    """Whether Dask holds it, or its first part."""
    if isinstance(value, list | tuple) and len(value):
        value = value[0]
    # arrays of xarray that no one cut have the one, and None for the other
    return hasattr(value, LAZY) and getattr(value, "chunks", ()) is not None


def _listed(X: Any) -> Any:
    """One delayed block as a list of one."""
    from dask.delayed import Delayed

    return [X] if isinstance(X, Delayed) else X


def _blocks(table: Any, fused: bool) -> tuple[list[Any], tuple[int, ...] | None]:
    """Delayed blocks of rows, and how many rows each has, where that is known."""
    if isinstance(table, list | tuple):
        return list(table), None
    if is_frame(table):
        return list(table.to_delayed(optimize_graph=fused)), None
    if not hasattr(table, "to_delayed") or not hasattr(table, "chunks"):
        raise TypeError(
            f"Dask's arrays, frames and lists of delayed blocks are known here, but not "
            f"{type(table).__name__}. Turn it into one of these: of xarray, give X.data."
        )
    table = _whole_rows(table)
    sizes = None if np.isnan(table.chunks[0]).any() else table.chunks[0]
    return list(table.to_delayed(optimize_graph=fused).reshape(-1)), sizes


def _whole_rows(X: Any) -> Any:
    """An array whose chunks are not cut across rows."""
    cuts = [n for n in getattr(X, "numblocks", ())[1:] if n > 1]
    if not cuts:
        return X
    warn(
        f"X is cut into {cuts[0]} chunks along an axis other than its rows, and is put together "
        "(rechunk), which moves all of it between workers. Load it in chunks of whole rows."
    )
    return X.rechunk(dict.fromkeys(range(1, X.ndim), -1))


def _overlapping(blocks: list[Any], n: int, sizes: tuple[int, ...] | None) -> list[Any]:
    """Each block below the last n rows of all blocks before it."""
    last, below = _delayed(last_rows), _delayed(stacked)
    found, tail = [blocks[0]], None
    for i in range(1, len(blocks)):
        enough = sizes is not None and sizes[i - 1] >= n  # then blocks need not wait for another
        tail = last(None if enough else tail, blocks[i - 1], n)
        found.append(below(tail, blocks[i]))
    return found


def _delayed(what: Any, **how: Any) -> Any:
    """A task that makes or calls ``what``; Dask shall not look into it."""
    from dask import delayed

    return delayed(what, pure=False, traverse=False, **how)


def _computed(parts: list[Any]) -> list[Any]:
    import dask

    return list(dask.compute(*parts))


def _lazy_array(parts: list[Any], sizes: list[float], example: Any) -> Any:
    """One lazy array of delayed parts that are like ``example``, with so many rows."""
    import dask.array as da

    shape, like = example.shape[1:], example[:0]
    arrays = [
        da.from_delayed(part, shape=(n, *shape), dtype=example.dtype, meta=like)
        for part, n in zip(parts, sizes, strict=True)
    ]
    return da.concatenate(arrays, allow_unknown_chunksizes=True)


def _refuse_method(estimator: Any, method: str, X: Any) -> None:
    """Raise TypeError unless rows of the result belong to rows of X."""
    name, takes = type(estimator).__name__, takes_chunks(estimator)
    is_mean = is_classifier(estimator) or hasattr(estimator, "score_samples")
    if takes and is_lazy(X) and (method in _BY_ROWS or (method == "score" and is_mean)):
        return
    raise TypeError(
        f"{name}.{method}() takes arrays in memory, but was given what Dask holds. Where each row "
        f"is treated by itself, apply it to the chunks: X.map_blocks(model.{method}, ...) of an "
        f"array, X.map_partitions(model.{method}) of a frame. Else call compute() first."
    )
