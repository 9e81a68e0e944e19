"""Which options of RandomMatrixFilter go together with one another and with the data."""

from __future__ import annotations

from math import ceil
from typing import Any

from scipy.sparse import issparse

from .._array import array_namespace
from ..functional.random_matrix.random_matrix_filter import ColumnSums

__all__ = [
    "check_mergeable",
    "check_stream_options",
    "check_table_options",
    "degrees_of_freedom",
    "kept_sums",
    "resolved_solver",
    "rows_are_equalised",
]


def resolved_solver(solver: str, shape: tuple[int, int]) -> str:
    """Turn "auto" into the solver of the smaller eigenproblem."""
    if solver != "auto":
        return solver
    return "gram" if shape[0] < shape[1] else "covariance"


def rows_are_equalised(model: Any) -> bool:
    """Whether rows are brought to one length, which needs all of them."""
    return model.standardize in ("samples", "both")


def degrees_of_freedom(weight: float, center: bool) -> float:
    """Sum of the weights, less 1 for the mean.

    Raises
    ------
    ValueError
        If less than one is left.
    """
    n_samples = weight - (1.0 if center else 0.0)
    if n_samples < 1:
        raise ValueError(
            f"The sample_weight given so far sum to {weight:.3g}; weights are frequencies and must "
            f"sum to {'2' if center else '1'} at least. Multiply them by the number of rows."
        )
    return n_samples


def check_table_options(model: Any, X: Any, weights: Any, X_perturbed: Any) -> None:
    """Raise ValueError if ``fit`` cannot do what the options ask on this table."""
    weight = float(X.shape[0]) if weights is None else float(array_namespace(weights).sum(weights))
    limit = min(int(degrees_of_freedom(weight, model.center)), *X.shape)
    if model.n_components is not None and model.n_components > limit:
        raise ValueError(
            f"n_components={model.n_components} must be at most {limit} here (X has shape "
            f"{tuple(X.shape)}, center={model.center}). Choose a smaller one or give more data."
        )
    if model.standardize is True:
        raise ValueError(
            "standardize=True is not known: say 'features', 'samples' or 'both' (or False)."
        )
    if rows_are_equalised(model) and issparse(X) and model.center:
        raise ValueError(
            f"standardize={model.standardize!r} with center=True measures rows from their mean, to "
            "which sparse X is not close. Use center=False, standardize='features', or dense X."
        )
    if model.edge == "permutation":
        _check_permutations(model, X, weights)
    if X_perturbed is not None and model.selector not in ("rbns", "rotated_rbns"):
        raise ValueError(
            f"X_perturbed was given, but selector={model.selector!r} does not use it. Use "
            "selector='rbns' or 'rotated_rbns', or leave it out."
        )


def _check_permutations(model: Any, X: Any, weights: Any) -> None:
    needed = ceil(1 / model.significance - 1e-9) - 1
    if model.n_permutations < needed:
        raise ValueError(
            f"edge='permutation' at significance={model.significance} needs n_permutations >= "
            f"{needed}, but was given {model.n_permutations}: fewer cannot show so small a chance."
        )
    if issparse(X) or weights is not None:
        given = "sparse X" if issparse(X) else "sample_weight"
        raise ValueError(
            f"edge='permutation' permutes the rows of each column and cannot serve {given}. Use "
            "edge='tracy_widom' with standardize='features', or give dense rows without weights."
        )


def check_stream_options(model: Any) -> bool:
    """Return True, or raise ValueError if the options need all rows at once."""
    wants = [
        f"{name}={value!r}"
        for name, value, fine in (
            ("standardize", model.standardize, (False, "features")),
            ("edge", model.edge, ("tracy_widom", "marchenko_pastur", "gavish_donoho")),
            ("selector", model.selector, (None,)),
            ("solver", model.solver, ("auto", "covariance")),
        )
        if value not in fine
    ]
    if wants:
        raise ValueError(
            f"partial_fit and merge keep sums, not rows, but {' and '.join(wants)} "
            f"need{'s' if len(wants) == 1 else ''} the rows. Use fit, or other options."
        )
    return True


def kept_sums(model: Any) -> ColumnSums:
    """Sums of a fit, to which rows can be added.

    Raises
    ------
    ValueError
        If the fit kept none.
    """
    if model._sums is None:
        raise ValueError(
            f"This fit kept no covariance sums (solver_={model.solver_!r}, standardize="
            f"{model.standardize!r}), so no rows can be added. Start with partial_fit, or fit with "
            "solver='covariance' and standardize=False or 'features'."
        )
    return model._sums


def check_mergeable(model: Any, other: Any) -> None:
    """Raise ValueError if two fits are of different features or about different centres."""
    if other.n_features_in_ != model.n_features_in_ or other.center != model.center:
        raise ValueError(
            f"Cannot merge fits of {model.n_features_in_} and {other.n_features_in_} features "
            f"with center={model.center} and center={other.center}: both must agree."
        )
    names = [getattr(e, "feature_names_in_", None) for e in (model, other)]
    if all(n is not None for n in names) and list(names[0]) != list(names[1]):
        raise ValueError(
            "Cannot merge fits whose feature names differ: give both the same columns in the same "
            "order."
        )
