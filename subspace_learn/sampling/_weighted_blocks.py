"""What SensitivitySampler does with a block of weighted rows: check, score, draw, reduce."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .._base import SubspaceEstimator
from .._checks.table import check_on_host, check_sample_weight, check_samples
from ..functional.sampling.dpp import own_order
from ..functional.sampling.row_sampling import RowSample, embedding_error, row_scores, sample_rows
from ..functional.sampling.row_stream import Coreset
from ._checks import check_targets

__all__ = ["WeightedBlocks", "taken"]


class WeightedBlocks(SubspaceEstimator):
    """Private half of `SensitivitySampler`; the parameters are documented there."""

    def _block(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> Coreset:
        """Checked rows as a coreset that stands for itself."""
        check_on_host(self, X)
        X = check_samples(self, X, reset=reset, accept_sparse="csr")
        n = X.shape[0]
        if y is not None and self.append_target:
            y = self._numeric(y, n)
        elif y is not None:
            y = np.asarray(y)
            if len(y) != n:
                raise ValueError(f"y has {len(y)} rows, but X has {n}. Give one target per row.")
        weights = check_sample_weight(sample_weight, X)
        return Coreset(X, y, np.ones(n) if weights is None else weights, np.arange(n), 0, 0.0)

    def _numeric(self, y: Any, n: int) -> np.ndarray:
        try:
            return check_targets(self, y, n)
        except ValueError as error:
            if np.asarray(y).dtype.kind in "OUS":
                raise ValueError(
                    "y is not numeric, so that it cannot be a column beside X. Set "
                    "append_target=False for class labels."
                ) from error
            raise

    def _columns(self, block: Coreset) -> Any:
        """A: the rows of X with what is appended, times the roots of their weights."""
        n = block.rows.shape[0]
        extra = [np.ones((n, 1))] if self.append_constant else []
        if block.targets is not None and self.append_target:
            extra.append(block.targets.reshape(n, -1))
        if sp.issparse(block.rows):
            parts = [block.rows, *(sp.csr_matrix(e) for e in extra)]
            A = sp.hstack(parts).tocsr() if extra else block.rows
        else:
            A = np.hstack([block.rows, *extra]) if extra else block.rows
            A = A.astype(np.float64, copy=False)
        if (block.weights == 1).all():
            return A
        root = (block.weights ** (1.0 / self.p))[:, None]
        return A.multiply(root).tocsr() if sp.issparse(A) else A * root

    def _drawn(
        self, block: Coreset, size: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, RowSample]:
        """Scores and sample of a block, its own weights included."""
        A = self._columns(block)
        scores = row_scores(
            A,
            self.row_score,
            p=self.p,
            method=self.method,
            tol=self.tol,
            max_iter=self.max_iter,
            rng=rng,
        )
        if not (block.weights > 0).all():
            scores = np.where(block.weights > 0, scores, 0.0)
        squares = A.multiply(A).sum(axis=0) if sp.issparse(A) else np.einsum("ij,ij->j", A, A)
        order = own_order(A, np.sqrt(np.asarray(squares)).reshape(-1))
        return scores, sample_rows(
            scores, size, rng, law=self.law, merge=self.merge_repeats, order=order
        )

    def _reduced(self, block: Coreset) -> Coreset:
        """A coreset of at most the size of the stream, and what that cost."""
        if block.rows.shape[0] <= self._stream_size:
            return block
        _, sample = self._drawn(block, self._stream_size, self._rng)
        error = embedding_error(self._columns(block), sample.indices, sample.weights, p=self.p)
        return taken(block, sample)._replace(error=(1 + block.error) * (1 + error) - 1)

    def _check_like_stream(self, block: Coreset) -> None:
        if not self._stream:
            return
        kinds = [
            (None if b.targets is None else b.targets.shape[1:], sp.issparse(b.rows))
            for b in (self._stream[0], block)
        ]
        if kinds[0] != kinds[1]:
            raise ValueError(
                "A batch differs from those before: all must be dense or all sparse, and y must "
                "have the same columns in all batches or be left out in all."
            )


def taken(block: Coreset, sample: RowSample) -> Coreset:
    """The sampled rows of a block."""
    i = sample.indices
    return Coreset(
        block.rows[i],
        None if block.targets is None else block.targets[i],
        block.weights[i] * sample.weights,
        block.indices[i],
        block.level,
        block.error,
    )
