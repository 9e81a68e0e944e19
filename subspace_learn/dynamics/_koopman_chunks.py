"""KoopmanEDMD on trajectories that come in chunks: no pair is lost where a chunk ends."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.base import clone

from .._base import warn
from .._chunk_tasks import adopt_columns
from .._distributed import Chunks
from ..functional.dynamics.pair_factors import PairFactors
from ._koopman_fit import Training, together, trained_on
from ._snapshots import is_pairs

__all__ = ["fit_chunks", "rows_before", "warn_if_pairs_are_few"]

# Methods that take states, and need the past of each where the dictionary does.
_OF_STATES = ("transform", "eigenfunctions", "predict")


def fit_chunks(model: Any, chunks: Chunks) -> None:
    """Fit a KoopmanEDMD by the compressed pairs of chunks."""
    warn_if_pairs_are_few(model._store(trained_on_chunks(model, chunks)))


def warn_if_pairs_are_few(model: Any) -> Any:
    """Warn of a fit that passes through every pair; the model comes back."""
    n_pairs, n_directions = model.n_pairs_seen_, model.n_components_
    if n_pairs <= n_directions:
        warn(
            f"{n_pairs} pairs for {n_directions} directions: the fit passes through every pair, so "
            "residuals_ are near 0 and mean nothing. Use fewer observables, n_components, more "
            "data, or held_out_residuals."
        )
    return model


def rows_before(model: Any, method: str) -> int:
    """Rows before a row of X that a method of a fitted KoopmanEDMD needs."""
    return model._model.window - 1 if method in _OF_STATES else 0


def trained_on_chunks(estimator: Any, chunks: Chunks) -> Training:
    """Compress the pairs of chunks, with the dictionary that the first chunk determines.

    Chunks of one table lose no pair: each gets the last rows of those before it.
    """
    for name in ("lengths", "groups"):
        if name in chunks.beside:
            raise TypeError(
                f"{name} is not known for X in chunks. Give a list of blocks, one for each "
                "trajectory, without it."
            )
    seen, lead = chunks.first().total(_lead, None, estimator=clone(estimator))
    if "y" not in chunks.beside:
        chunks = chunks.overlapping(lead.window)
    later = chunks.rest()
    if later.X:
        how = {"estimator": seen, "lead": lead._replace(factors=None), "is_cut": chunks.consecutive}
        add = partial(together, solver=estimator.solver)
        factors = later.total(_factors_like, add, or_none=True, **how)
        if factors is not None:
            lead = lead._replace(factors=add(lead.factors, factors))
    adopt_columns(estimator, seen)
    return lead


def _lead(X: Any, *, estimator: Any, **beside: Any) -> tuple[Any, Training]:
    """What the first chunk says, and an estimator that saw its columns."""
    estimator = clone(estimator)
    return estimator, _trained_on_chunk(estimator, X, **beside)


def _factors_like(
    X: Any, *, estimator: Any, lead: Training, is_cut: bool, **beside: Any
) -> PairFactors | None:
    """Compressed pairs of a later chunk; None if it is too short for one."""
    if "y" not in beside and X.ndim == 2 and X.shape[0] <= lead.window:
        if not is_cut:
            warn(f"A trajectory shorter than {lead.window + 1} times was skipped.")
        return None
    return _trained_on_chunk(estimator, X, before=lead, added=False, **beside).factors


def _trained_on_chunk(
    estimator: Any, X: Any, *, y: Any = None, u: Any = None, **more: Any
) -> Training:
    if y is not None and not is_pairs(y):
        raise ValueError("y holds labels, not successors of the shape of X. Leave it out.")
    return trained_on(estimator, X, y, u=u, lengths=None, groups=None, **more)
