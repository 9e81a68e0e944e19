"""Dask: the one file that knows it by name, as `_array.py` knows CuPy.

What comes in is an array, a data frame, or a list of delayed blocks: a table in chunks of rows, and
never made one array here. ``fit`` turns each chunk into statistics, where that chunk lies, and adds
them up in a tree; ``transform``, ``predict`` and the like stay lazy. This file writes graphs and
hands them to Dask. What runs where, when, and again after a failure, is Dask's business.

An estimator takes part by a method ``_fit_chunks(chunks)``, which gets `Chunks` and leaves the
estimator fitted; all others refuse in words.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import check_is_fitted

from ._array import array_namespace, move_like
from ._warnings import kept_warnings, warn

__all__ = [
    "LAZY",
    "Chunks",
    "add_up",
    "adopt_columns",
    "fit_on_chunks",
    "is_lazy",
    "map_over_chunks",
    "merged",
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

    def refuse(self, *others: str) -> None:
        """Raise TypeError if one of these stands beside the blocks."""
        for name in others:
            if name in self.beside:
                raise TypeError(
                    f"{name} is not known for chunks of Dask. Give a list of delayed blocks, one "
                    "for each trajectory, without it."
                )

    def also(self, **pieces: list[Any]) -> Chunks:
        """The same with more pieces beside the blocks."""
        return self._replace(beside={**self.beside, **pieces})

    def first(self) -> Chunks:
        """The first block alone."""
        return self._part(slice(1))

    def rest(self) -> Chunks:
        """The blocks without the first."""
        return self._part(slice(1, None))

    def _part(self, some: slice) -> Chunks:
        return self._replace(
            X=self.X[some],
            beside={name: pieces[some] for name, pieces in self.beside.items()},
            names=self.names[some],
            sizes=None if self.sizes is None else self.sizes[some],
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
        from dask import delayed

        common = {name: _one_task(value) for name, value in shared.items()}
        answer = delayed(_answer, pure=False)
        return [
            answer(
                function, self.names[i], X, **{k: v[i] for k, v in self.beside.items()}, **common
            )
            for i, X in enumerate(self.X)
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
        from dask import delayed

        parts = self.each(partial(_with_warnings, function), **shared)
        added = delayed(_added, pure=False)
        while len(parts) > 1:
            parts = [added(add, parts[i : i + _FAN]) for i in range(0, len(parts), _FAN)]
        (found,) = _told(_computed(parts))
        if found is None and not or_none:
            raise ValueError(f"No row of X counts: its {len(self.X)} chunk(s) hold none.")
        return found

    def gathered(self, function: Callable[..., Any], **shared: Any) -> list[Any]:
        """What ``function`` says of each block that has rows, here."""
        answers = _told(_computed(self.each(partial(_with_warnings, function), **shared)))
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

        answers = self.each(partial(_with_warnings, function), **shared)
        pieces, summary = dask.delayed(partial(_arranged, arrange), pure=False, nout=2)(answers)
        kept = dask.persist(summary, *(pieces[i] for i in range(len(self.X))))
        (found,) = _told(_computed(kept[:1]))
        return list(kept[1:]), found


def chunks_of(X: Any, beside: dict[str, Any], *, for_fit: bool = True) -> Chunks:
    """Cut what Dask holds into delayed blocks; raise if what stands beside has other chunks.

    ``for_fit`` lets Dask fuse the tasks that make a block; without, other results share them.
    """
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
                f"{name} has {_counted(pieces[name], own)}, but X has {_counted(blocks, sizes)}. "
                f"Give both in the same chunks: {name}.rechunk(X.chunks[0])."
            )
    names = [f"chunk {i}" for i in range(len(blocks))]
    if sizes:
        ends = np.cumsum(sizes)
        names = [
            f"{name} (rows {end - n} to {end - 1})"
            for name, n, end in zip(names, sizes, ends, strict=True)
        ]
    return Chunks(blocks, pieces, names, sizes, not isinstance(X, list | tuple) and X.ndim == 2)


def add_up(estimator: Any, chunks: Chunks) -> None:
    """Leave the estimator as ``partial_fit`` of each chunk and ``merge`` of them all would."""
    fitted = chunks.total(_fitted_on_one, merged, estimator=clone(estimator))
    parameters = estimator.get_params(deep=False)
    vars(estimator).clear()
    vars(estimator).update({**vars(fitted), **parameters})


def adopt_columns(estimator: Any, seen: Any) -> None:
    """Take number and names of columns from a clone that has seen them, in place of older ones."""
    for name in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(name, None)
    vars(estimator).update({k: v for k, v in vars(seen).items() if k.endswith("_in_")})


def fit_on_chunks(estimator: Any, method: str, given: dict[str, Any]) -> Any:
    """Fit on what Dask holds, or refuse in words."""
    name = type(estimator).__name__
    X, *_ = given.values()
    if not hasattr(estimator, "_fit_chunks"):
        sample = (
            "Draw a weighted sample of its rows first, which is small: SensitivitySampler("
            ").fit_resample(X, return_weights=True) takes what Dask holds. Or call"
        )
        raise TypeError(
            f"{name}.{method}() needs all of X at once, in memory, but X is held by Dask. "
            f"{sample if _n_axes(X) == 2 else 'Call'} X.compute(), if it fits into memory."
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
    estimator._fit_chunks(chunks_of(X, dict(list(given.items())[1:])))
    return estimator


def map_over_chunks(estimator: Any, method: str, given: dict[str, Any]) -> Any:
    """Apply a method of a fitted estimator to what Dask holds: a lazy array comes back.

    An array gives an array with the same chunks of rows, a frame one whose chunks are its
    partitions, and a list of delayed blocks such a list. `score` is computed at once.
    """
    (first, X), *rest = given.items()
    _refuse_method(estimator, method, X)
    check_is_fitted(estimator)
    lazy = {name: value for name, value in rest if is_lazy(value)}
    fixed = {name: value for name, value in rest if name not in lazy}
    if method == "score":
        return _mean_score(estimator, chunks_of(X, dict(rest)))
    before = estimator._rows_before(method) if hasattr(estimator, "_rows_before") else 0
    call = partial(_called, method=method, first=first, fixed=fixed, before=before)
    frozen = copy.copy(estimator)  # a later fit binds new arrays, and changes no lazy result
    if isinstance(X, list | tuple):
        return chunks_of(X, lazy).each(call, estimator=frozen)
    X = _whole_rows(X)
    with kept_warnings():
        made_up = {name: _made_up(value, before + 1) for name, value in lazy.items()}
        example = call(_made_up(X, before + 1), estimator=frozen, **made_up)
    chunks = chunks_of(X, lazy, for_fit=False).overlapping(before)
    parts = chunks.each(partial(call, empty=example[:0]), estimator=frozen)
    sizes = [np.nan] * len(parts) if _is_frame(X) else list(X.chunks[0])
    if before:
        ends = np.maximum(np.cumsum([0, *sizes]) - before, 0)
        sizes = np.diff(ends).tolist()
    return _lazy_array(parts, sizes, example)


# --- graphs ---------------------------------------------------------------------------------------


def is_lazy(value: Any) -> bool:
    """Whether Dask holds it, or its first part."""
    if isinstance(value, list | tuple) and len(value):
        value = value[0]
    return hasattr(value, LAZY)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "_meta") and not hasattr(value, "chunks")


def _n_axes(X: Any) -> int:
    return X.ndim if isinstance(getattr(X, "ndim", None), int) else 2


def _blocks(table: Any, fused: bool) -> tuple[list[Any], tuple[int, ...] | None]:
    """Delayed blocks of rows, and how many rows each has, where that is known."""
    from dask.delayed import Delayed

    if isinstance(table, Delayed):
        return [table], None
    if isinstance(table, list | tuple):
        return list(table), None
    if _is_frame(table):
        return list(table.to_delayed(optimize_graph=fused)), None
    table = _whole_rows(table)
    sizes = table.chunks[0]
    return list(table.to_delayed(optimize_graph=fused).reshape(-1)), None if any(
        np.isnan(sizes)
    ) else sizes


def _counted(blocks: list[Any], sizes: tuple[int, ...] | None) -> str:
    rows = "" if sizes is None else f" of {', '.join(map(str, sizes[:5]))} ... rows"
    return f"{len(blocks)} chunk(s){rows}"


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
    from dask import delayed

    last, below = delayed(_last_rows, pure=False), delayed(_stacked, pure=False)
    found, tail = [blocks[0]], None
    for i in range(1, len(blocks)):
        enough = sizes is not None and sizes[i - 1] >= n  # then blocks need not wait for another
        tail = last(None if enough else tail, blocks[i - 1], n)
        found.append(below(tail, blocks[i]))
    return found


def _one_task(value: Any) -> Any:
    from dask import delayed

    return delayed(value, pure=False, traverse=False)


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


def _made_up(table: Any, n_rows: int) -> Any:
    """Some rows like those of ``table``, to see what a method makes of them."""
    shape = (n_rows, *table.shape[1:])
    values = np.random.default_rng(0).uniform(1.0, 2.0, shape)  # as integers they are 1
    like = table._meta
    if not _is_frame(table):
        return move_like(values.astype(table.dtype), like)
    if table.ndim == 1:
        return type(like)(values, name=like.name).astype(like.dtype)
    return type(like)(values, columns=like.columns).astype(like.dtypes.to_dict())


def _refuse_method(estimator: Any, method: str, X: Any) -> None:
    """Raise TypeError unless rows of the result belong to rows of X."""
    name, takes = type(estimator).__name__, hasattr(estimator, "_fit_chunks")
    if takes and method in _BY_ROWS and is_lazy(X):
        return
    if takes and method == "score" and is_lazy(X):
        if is_classifier(estimator) or hasattr(estimator, "score_samples"):
            return  # a mean over rows
    raise TypeError(
        f"{name}.{method}() takes arrays in memory, but was given what Dask holds. Where each row "
        f"is treated by itself, apply it to the chunks: X.map_blocks(model.{method}, ...) of an "
        f"array, X.map_partitions(model.{method}) of a frame. Else call compute() first."
    )


def _mean_score(estimator: Any, chunks: Chunks) -> float:
    """Mean over all rows of what ``score`` says of the chunks."""
    score = chunks.total(_score_and_weight, _sum_of_pairs, estimator=copy.copy(estimator))
    return float(score[0] / score[1])


# --- tasks ----------------------------------------------------------------------------------------


def _n_rows(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _answer(function: Callable[..., Any], name: str, X: Any, **others: Any) -> Any:
    """What ``function`` says of a block; its error says which block it was."""
    try:
        return function(X, **others)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"In {name} of X: {error}") from error


def _with_warnings(function: Callable[..., Any], X: Any, **others: Any) -> tuple[Any, list]:
    """What ``function`` says of a block, None if that is empty, and its warnings."""
    if _n_rows(X) == 0:
        return None, []
    with kept_warnings() as said:
        found = function(X, **others)
    return found, said


def _added(add: Callable[[Any, Any], Any], answers: list[tuple[Any, list]]) -> tuple[Any, list]:
    """One answer of several, each warning once."""
    found = [answer for answer, _ in answers if answer is not None]
    with kept_warnings() as said:
        total = reduce(add, found) if found else None
    return total, list(dict.fromkeys([*(s for _, own in answers for s in own), *said]))


def _arranged(
    arrange: Callable[[list], tuple[list, Any]], answers: list[tuple[Any, list]]
) -> tuple[list, tuple[Any, list]]:
    pieces, summary = arrange([found for found, _ in answers])
    return pieces, (summary, [s for _, own in answers for s in own])


def _told(answers: list[tuple[Any, list]]) -> list[Any]:
    """Answers alone, once their warnings are given here, where the user is."""
    for message, category in dict.fromkeys(said for _, own in answers for said in own):
        warn(message, category)
    return [found for found, _ in answers]


def _fitted_on_one(X: Any, *, estimator: Any, random_state: Any = None, **beside: Any) -> Any:
    """A clone of the estimator that has seen one block; None if no row of it counts."""
    fitted = clone(estimator)
    if random_state is not None:
        fitted.set_params(random_state=random_state)
    fitted.partial_fit(X, **beside)
    return fitted if fitted.__sklearn_is_fitted__() else None


def merged(ours: Any, theirs: Any) -> Any:
    """A fit on the rows of both; neither changes, for Dask may ask for them again."""
    return copy.copy(ours).merge(theirs)


def _called(
    X: Any,
    *,
    estimator: Any,
    method: str,
    first: str,
    fixed: dict[str, Any],
    before: int,
    empty: Any = None,
    **lazy: Any,
) -> Any:
    """Rows that a method makes of a block, of which the first ``before`` rows make none."""
    if empty is not None and _n_rows(X) <= before:
        return empty
    return getattr(estimator, method)(**{first: X}, **fixed, **lazy)


def _score_and_weight(X: Any, *, estimator: Any, **beside: Any) -> tuple[float, float]:
    weights = beside.get("sample_weight")
    weight = float(_n_rows(X) if weights is None else np.sum(np.asarray(weights)))
    return (weight * estimator.score(X, **beside), weight) if weight else (0.0, 0.0)


def _sum_of_pairs(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] + b[0], a[1] + b[1]


def _last_rows(before: Any, X: Any, n: int) -> Any:
    """The last n rows of X, or of what stands before it and X."""
    rows = X if before is None or _n_rows(X) >= n else _stacked(before, X)
    return rows.iloc[-n:] if hasattr(rows, "iloc") else rows[max(_n_rows(rows) - n, 0) :]


def _stacked(top: Any, bottom: Any) -> Any:
    """Rows of both, one below the other."""
    if hasattr(top, "iloc"):
        import pandas as pd

        return pd.concat([top, bottom])
    return array_namespace(top, bottom).concat([top, bottom], axis=0)
