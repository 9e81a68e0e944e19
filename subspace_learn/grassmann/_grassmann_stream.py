"""Partial fits of GrassmannClassifier: rows that come in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from .._array import Array, array_namespace, to_numpy
from .._base import fit_method, progress, random_generator, random_seed
from ..functional.grassmann.grassmann_training import Stream, absorbed

__all__ = ["StreamOfBatches"]


def _streams(estimator: Any) -> bool:
    if estimator.solver != "rsgd":
        raise AttributeError(
            f"partial_fit needs solver='rsgd', but solver={estimator.solver!r} reads all rows at "
            "every step."
        )
    return True


class StreamOfBatches:
    """Adds `partial_fit` to a classifier that can start, and take a step from, its subspaces."""

    @available_if(_streams)
    @fit_method
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> StreamOfBatches:
        """Go once through a batch of rows, in steps of constant length (``solver="rsgd"``).

        The first call makes the start from its rows, of which there should be several times k in
        each class; a class with fewer than k independent ones starts at random. With ``center`` the
        mean of all rows so far is subtracted.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Any number of rows.
        y : array of shape (n_samples,)
            Class of each row.
        classes : array of shape (n_classes,), default=None
            All classes that will come; needed in the first call, optional later.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

        Returns
        -------
        self : estimator
            Updated; unchanged if the batch raised an error.
        """
        first = not hasattr(self, "subspaces_")
        X, labels, weights = self._table(X, y, sample_weight, reset=first, method="partial_fit")
        known = self._known_classes(X, classes)
        codes = self._known_codes(labels, to_numpy(known))
        if first:
            rng = random_generator(self.random_state)
            self.mean_ = self._mean(X, weights, self.center)
            data = self._labelled(X, codes, weights, "partial_fit")
            self.subspaces_, _ = self._started(data, codes, known, rng)
            self.classes_, self.n_iter_, self.loss_curve_ = known, 0, []
            self.best_iter_, self.validation_scores_ = 0, None
            self._begin_stream(0.0, rng)
        self._absorb(X, codes, weights)
        return self

    def _absorb(self, X: Array, codes: np.ndarray, weights: Array | None) -> None:
        """Bring in a batch of a stream: mean, then subspaces."""
        weight = float(X.shape[0] if weights is None else array_namespace(X).sum(weights))
        self._weight = self._weight + weight
        if self.center:
            gap = self._mean(X, weights, True) - self.mean_
            self.mean_ = self.mean_ + gap * (weight / self._weight)
        data = self._labelled(X, codes, weights, "partial_fit")
        self._stream, loss = absorbed(self._stream, data, self._plan(data))
        self.subspaces_ = self._stream.subspaces
        self.n_iter_ = self.best_iter_ = self.n_iter_ + 1
        self.loss_curve_ = [*self.loss_curve_, loss]
        progress(self, f"batch {self.n_iter_}: loss {loss:.6f}")

    def _begin_stream(self, weight: float, rng: np.random.Generator) -> None:
        """What `partial_fit` goes on from."""
        zeros = array_namespace(self.subspaces_).zeros_like(self.subspaces_)
        self._weight, self._stream = weight, Stream(self.subspaces_, zeros, random_seed(rng))
