"""Weighted samples of a stream of rows by merge and reduce, in memory of logarithmic growth."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .dpp import own_order
from .row_sampling import RowSample, embedding_error, row_scores, sample_rows

__all__ = ["Coreset", "RowStream", "SamplingRule", "absorbed", "drawn_from", "whole_stream"]


class SamplingRule(NamedTuple):
    """Which columns count, how rows are scored and how they are drawn."""

    p: float
    """Exponent of the norm."""
    row_score: str = "lewis"
    """One of `row_sampling.SCORES`."""
    method: str = "auto"
    """How scores are computed."""
    tol: float = 0.01
    """When Lewis weights and sensitivities stop."""
    max_iter: int = 200
    """The latest that they stop."""
    law: str = "replacement"
    """Or "bernoulli"."""
    merge_repeats: bool = True
    """Whether a row drawn k times appears once."""
    append_target: bool = True
    """Whether targets are columns of the norm."""
    append_constant: bool = False
    """Whether a column of ones is."""

    def columns(self, rows: Any, targets: np.ndarray | None) -> Any:
        """The columns whose norms are to be kept, float64 if dense.

        Parameters
        ----------
        rows : ndarray or CSR matrix of shape (k, d)
            Rows of X.
        targets : ndarray of shape (k,) or (k, n_targets), or None
            Their targets.

        Returns
        -------
        A : ndarray or CSR matrix of shape (k, n_columns)
            X, the constant, the targets.
        """
        n = rows.shape[0]
        extra = [np.ones((n, 1))] if self.append_constant else []
        if targets is not None and self.append_target:
            extra.append(targets.reshape(n, -1))
        if sp.issparse(rows):
            return sp.hstack([rows, *map(sp.csr_matrix, extra)]).tocsr() if extra else rows
        A = np.hstack([rows, *extra]) if extra else rows
        return A.astype(np.float64, copy=False)


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
    level: int = 0
    """How often rows were reduced at most; coresets of equal level are merged."""
    error: float = 0.0
    """The p-norms of the rows it stands for are kept within 1 +- error."""

    def chosen(self, sample: RowSample) -> Coreset:
        """The sampled rows alone.

        Parameters
        ----------
        sample : RowSample
            Which, and their weights among these rows.

        Returns
        -------
        coreset : Coreset
            Of the same level and error.
        """
        i = sample.indices
        targets = None if self.targets is None else self.targets[i]
        return self._replace(
            rows=self.rows[i],
            targets=targets,
            weights=self.weights[i] * sample.weights,
            indices=self.indices[i],
        )


class RowStream(NamedTuple):
    """What is kept of all rows seen so far."""

    rule: SamplingRule
    coresets: list[Coreset]
    """At most one for each level, the highest first."""
    n_seen: int
    rng: np.random.Generator

    def extended(self, blocks: Iterable[Coreset], n_rows: int, size: int) -> RowStream:
        """Add rows; this stream and its random numbers stay as they are.

        Parameters
        ----------
        blocks : iterable of Coreset
            They stand for ``n_rows`` rows, which are numbered from 0.
        n_rows : int
            How many.
        size : int
            Rows that a coreset is reduced to.

        Returns
        -------
        stream : RowStream
            Of all rows.
        """
        rng = copy.deepcopy(self.rng)
        coresets = self.coresets
        for block in blocks:
            block = block._replace(indices=block.indices + self.n_seen)
            coresets = absorbed(coresets, block, lambda part: _reduced(part, size, rng, self.rule))
        return self._replace(coresets=coresets, n_seen=self.n_seen + n_rows, rng=rng)


def drawn_from(
    block: Coreset, size: int, rng: np.random.Generator, rule: SamplingRule
) -> tuple[np.ndarray, RowSample]:
    """Score the rows of a coreset, their weights included, and draw from them.

    Parameters
    ----------
    block : Coreset
        Rows; those of weight 0 count as absent.
    size : int
        Number of draws.
    rng : Generator
        Random numbers.
    rule : SamplingRule
        How.

    Returns
    -------
    scores : ndarray of shape (k,)
        Nonnegative.
    sample : RowSample
        A row of weight 2 is drawn like two equal rows.
    """
    A = rule.columns(block.rows, block.targets)
    scores = row_scores(
        A,
        rule.row_score,
        p=rule.p,
        method=rule.method,
        tol=rule.tol,
        max_iter=rule.max_iter,
        rng=rng,
        weights=block.weights,
    )
    w = block.weights
    squares = A.multiply(A).T @ w if sp.issparse(A) else np.einsum("ij,ij,i->j", A, A, w)
    order = own_order(A, np.sqrt(squares))
    return scores, sample_rows(
        scores, size, rng, law=rule.law, merge=rule.merge_repeats, order=order
    )


def _reduced(block: Coreset, size: int, rng: np.random.Generator, rule: SamplingRule) -> Coreset:
    """A coreset of at most ``size`` rows, and what that cost."""
    if block.rows.shape[0] <= size:
        return block
    A = rule.columns(block.rows, block.targets)
    if not A.size or not abs(A).max() > 0:  # no norm to keep: any rows will do
        rule = rule._replace(row_score="uniform", method="auto")
        return block.chosen(drawn_from(block, size, rng, rule)[1])
    sample = drawn_from(block, size, rng, rule)[1]
    error = embedding_error(
        A, sample.indices, sample.weights, p=rule.p, sample_weight=block.weights
    )
    return block.chosen(sample)._replace(error=(1 + block.error) * (1 + error) - 1)


def whole_stream(parts: list[Coreset]) -> Coreset:
    """Rows of several coresets together.

    Parameters
    ----------
    parts : list of Coreset
        At least one, all dense or all sparse.

    Returns
    -------
    coreset : Coreset
        Its level and its error are the largest.
    """
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


def absorbed(
    coresets: list[Coreset], block: Coreset, reduce: Callable[[Coreset], Coreset]
) -> list[Coreset]:
    """Add a block to the coresets of a stream.

    Parameters
    ----------
    coresets : list of Coreset
        At most one for each level, the highest first.
    block : Coreset
        New rows.
    reduce : callable
        Makes a coreset smaller; gives it back unchanged if it is small enough. Its own error
        composes with that of what it was given.

    Returns
    -------
    coresets : list of Coreset
        A new list. After b blocks there are at most 1 + log2(b) of them, each reduced at most that
        often: like carries in binary counting.
    """
    coresets = list(coresets)
    new = reduce(block)
    while coresets and coresets[-1].level <= new.level:
        level = new.level
        new = reduce(whole_stream([coresets.pop(), new]))
        new = new._replace(level=level + 1)
    return [*coresets, new]
