"""What each estimator can take and do, read off its class, its tags and its signatures.

The documentation prints the table, the common tests choose their checks by it; nothing is written
down twice.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from sklearn.utils import get_tags

from ._discovery import estimators

__all__ = ["Capabilities", "capabilities", "capability_table", "kind_of_input"]


class Capabilities(NamedTuple):
    """One row of the table."""

    kind: str
    """What X is: see :func:`kind_of_input`."""
    sparse: bool
    """Whether X may be a sparse matrix."""
    arrays: bool
    """Whether arrays of CuPy and torch are computed with where they lie."""
    float32: bool | None
    """Whether float32 stays float32; None for what does not transform."""
    weights: bool
    """Whether `fit` takes ``sample_weight``."""
    stream: bool
    """Whether there is a `partial_fit`."""
    names: bool
    """Whether columns that come out have names: `get_feature_names_out`, `set_output`."""
    seed: bool
    """Whether chance plays a part: parameter ``random_state``."""
    progress: bool
    """Whether long fits tell how far they are: parameter ``verbose``."""


def kind_of_input(estimator: Any) -> str:
    """Return the kind of X an estimator takes, or what it does instead of mapping samples.

    Parameters
    ----------
    estimator : estimator
        Unfitted or fitted.

    Returns
    -------
    kind : str
        "table" (n_samples, n_features), "complex_table" (may be complex), "epochs" (n_epochs,
        n_channels, n_times), "sequences" (n_sequences, n_times, n_channels), "images" (n_images,
        n_channels, height, width), "matrices" (n_matrices, n, n), "maps" (n_samples,
        n_maps, n_cells), "graph", "pairwise" (affinities of samples), "mesh", "system" (a sparse
        matrix to solve with), or "sampler" (a table of which some rows are drawn).
    """
    if hasattr(estimator, "fit_resample"):
        return "sampler"
    if hasattr(estimator, "aspreconditioner"):
        return "system"
    if estimator._kind_of_input is not None:
        return estimator._kind_of_input
    tags = get_tags(estimator).input_tags
    if tags.three_d_array:
        return "epochs" if tags.two_d_array else "matrices"
    if tags.pairwise:
        return "pairwise" if tags.two_d_array else "graph"
    return "table" if tags.two_d_array else "mesh"


def capabilities(estimator: Any) -> Capabilities:
    """Return what one estimator, with its parameters as they are, can take and do.

    Parameters
    ----------
    estimator : estimator
        Unfitted or fitted.

    Returns
    -------
    row : Capabilities
        Its row of the table.
    """
    tags = get_tags(estimator)
    parameters = inspect.signature(type(estimator)).parameters
    transformer = tags.transformer_tags
    return Capabilities(
        kind=kind_of_input(estimator),
        sparse=tags.input_tags.sparse,
        arrays=tags.array_api_support,
        float32="float32" in transformer.preserves_dtype if transformer is not None else None,
        weights=_takes_weights(estimator),
        stream=hasattr(estimator, "partial_fit"),
        names=hasattr(estimator, "get_feature_names_out"),
        seed="random_state" in parameters,
        progress="verbose" in parameters,
    )


def _takes_weights(estimator: Any) -> bool:
    """Whether `fit` names ``sample_weight``, or takes it among ``**weights``."""
    names = inspect.signature(estimator.fit).parameters
    return "sample_weight" in names or "weights" in names


def capability_table() -> dict[str, Capabilities]:
    """Return the row of every public estimator with its default parameters, by name.

    Returns
    -------
    table : dict of str to Capabilities
        In alphabetical order.
    """
    return {name: capabilities(cls()) for name, cls in sorted(estimators().items())}
