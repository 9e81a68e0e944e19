"""What maps over cells may be: a table of scores, areas of its columns, several maps at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from .._array import (
    Array,
    array_namespace,
    as_float,
    detached,
    is_array,
    is_complex,
    is_numpy,
    to_numpy,
)
from .._warnings import warn
from .columns import refuse_masked, refuse_other_order, refuse_what_is_no_number
from .named_graph import places_of

__all__ = ["check_areas", "check_map", "check_maps", "columns_of", "labels_of"]

_SHOWN = 5


def check_map(scores: Any, *, where: str, name: str = "y_score") -> Array:
    """Check scores of shape (n_samples, n_cells): real; minus infinity is allowed, NaN is not.

    Raises ValueError, naming the rows, if one holds NaN or plus infinity, or minus infinity alone.
    """
    if is_numpy(scores) or not is_array(scores):
        if isinstance(scores, np.ma.MaskedArray):
            refuse_masked(scores, name=where, input_name=name)
        refuse_what_is_no_number(scores, name=where, input_name=name)
        how: dict[str, Any] = {"ensure_all_finite": False, "input_name": name, "estimator": where}
        how |= {"ensure_min_samples": 0, "ensure_min_features": 0, "allow_nd": True}
        scores = check_array(scores, dtype=[np.float64, np.float32], ensure_2d=False, **how)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(
            f"{where}: {name} must have shape (n_samples, n_cells), neither 0, but has "
            f"{tuple(scores.shape)}. Give one column for each cell; for one row, {name}[None]."
        )
    if is_complex(scores):
        raise ValueError(f"{where}: {name} must be real numbers, but is of dtype {scores.dtype}.")
    scores = as_float(detached(scores))
    top = to_numpy(array_namespace(scores).max(scores, axis=1))  # NaN if there is one
    if not np.isfinite(top).all():
        bad = np.flatnonzero(~np.isfinite(top))
        what = {"nan": "NaN", "inf": "infinity", "-inf": "minus infinity alone"}[str(top[bad[0]])]
        raise ValueError(
            f"{where}: {name} holds {what} in row {bad[0]}; {bad.size} of {len(top)} rows cannot "
            "be ranked. Minus infinity (a probability of 0) may stand where a cell is ruled out, "
            "but not in every cell of a row."
        )
    return scores


def labels_of(scores: Any, areas: Any, labels: Any, *, where: str) -> Sequence[Any]:
    """Labels of the columns of a map: given, else those of a data frame, of areas, or numbers."""
    n_cells = np.shape(scores)[1]
    if labels is not None:
        found = list(to_numpy(labels) if is_array(labels) else labels)
    elif hasattr(scores, "columns"):
        found = list(scores.columns)
    else:
        named = _labels_of_areas(areas)  # they name the columns too, in their order
        if named is None:
            return range(n_cells)
        found = named
    if len(found) != n_cells or len(set(found)) != n_cells:
        raise ValueError(
            f"{where}: the map has {n_cells} columns, but there are {len(found)} labels of cells, "
            f"{len(set(found))} of them different. Give labels=, one for each column in its order."
        )
    return found


def check_areas(areas: Any, labels: Sequence[Any], *, where: str) -> np.ndarray:
    """Areas of the labelled columns, in their order.

    Areas may be an array in the order of the columns, or a mapping or Series by label, which may
    hold further cells. Raises ValueError if one is missing, not positive or not finite.
    """
    if named := _labels_of_areas(areas):
        by_label = dict(zip(named, _values_of_areas(areas), strict=True))
        lacking = [label for label in labels if label not in by_label]
        if lacking:
            raise ValueError(
                f"{where}: areas has no entry for {len(lacking)} of {len(labels)} cells, such as "
                f"{lacking[0]!r}. Its own labels begin with {named[:_SHOWN]!r}."
            )
        found = np.array([by_label[label] for label in labels], dtype=np.float64)
    else:
        found = np.asarray(to_numpy(areas) if is_array(areas) else areas, dtype=np.float64)
    if found.shape != (len(labels),):
        raise ValueError(
            f"{where}: areas must hold one number for each of the {len(labels)} cells, but has "
            f"shape {found.shape}."
        )
    bad = np.flatnonzero(~((found > 0) & np.isfinite(found)))
    if bad.size:
        raise ValueError(
            f"{where}: areas must be positive and finite, but that of cell {labels[bad[0]]!r} is "
            f"{found[bad[0]]:g}; so are {bad.size} in all."
        )
    return found


def columns_of(y_true: Any, labels: Sequence[Any], *, where: str, areas: Any = None) -> np.ndarray:
    """Column of each true cell, -1 where it is none of them.

    Warns if that is so of all, and ``areas`` by label know none of them either.
    """
    values = to_numpy(y_true) if is_array(y_true) else np.asarray(y_true)
    if values.ndim != 1:
        raise ValueError(
            f"{where}: y_true must be 1-D, one label of a cell for each row, but has shape "
            f"{values.shape}."
        )
    given = values.tolist()
    if isinstance(labels, range):
        found = [label if label in labels else -1 for label in given]
    else:
        place = {label: i for i, label in enumerate(labels)}
        found = [place.get(label, -1) for label in given]
    if given and max(found) < 0 and not set(given) & set(_labels_of_areas(areas) or ()):
        warn(
            f"{where}: none of the {len(found)} true cells is a column of the map: y_true begins "
            f"with {values[:_SHOWN].tolist()!r}, the cells with {list(labels[:_SHOWN])!r}. "
            "Each counts as never found. Are the labels of one kind (1 and '1' differ)?"
        )
    return np.array(found, dtype=np.int64)


def check_maps(X: Any, *, where: str) -> tuple[list[Array], list[str] | None, list[Any] | None]:
    """Several maps of the same rows over the same cells.

    Parameters
    ----------
    X : array of shape (n_samples, n_maps, n_cells), or list or dict of (n_samples, n_cells)
        What the user gave.
    where : str
        Name of the calling method, for error messages.

    Returns
    -------
    maps : list of array of shape (n_samples, n_cells)
        Float; columns in one order.
    names : list of str or None
        Names of the maps, if they came with some.
    labels : list or None
        Labels of the cells, if the maps came as data frames.
    """
    names = [str(name) for name in X] if isinstance(X, Mapping) else None
    parts = list(X.values()) if isinstance(X, Mapping) else X
    if not isinstance(parts, list | tuple):
        stack = parts if is_array(parts) else np.asarray(parts)
        if stack.ndim != 3:
            raise ValueError(
                f"{where} expects maps of shape (n_samples, n_maps, n_cells), or a list or dict of "
                f"maps of shape (n_samples, n_cells), but got an array of shape "
                f"{tuple(stack.shape)}. For one map: X[:, None, :]."
            )
        parts = [stack[:, m, :] for m in range(stack.shape[1])]
    if len(parts) == 0:
        raise ValueError(f"{where} was given no map; at least one is needed.")
    titles = names or [f"map {m}" for m in range(len(parts))]
    labels = list(parts[0].columns) if hasattr(parts[0], "columns") else None
    maps = []
    for part, title in zip(parts, titles, strict=True):
        if (hasattr(part, "columns")) != (labels is not None):
            raise ValueError(
                f"{where}: {title} is {'a' if labels is None else 'no'} data frame, unlike "
                f"{titles[0]}. Give all maps in one form, so that their cells can be matched."
            )
        refuse_other_order(parts[0], part, input_name=title)
        found = check_map(part, where=where, name=title)
        if labels is not None:
            order = places_of(
                labels,
                list(part.columns),
                where=where,
                whose=f"the columns of {title}",
                whose_names=f"those of {titles[0]}",
            )
            found = found[:, order]
        maps.append(found)
    shapes = [tuple(found.shape) for found in maps]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{where}: all maps must cover the same rows and the same cells, but their shapes are "
            f"{dict(zip(titles, shapes, strict=True))}."
        )
    array_namespace(*maps)  # of one library
    return maps, names, labels


def _labels_of_areas(areas: Any) -> list[Any] | None:
    """Labels of areas that come by label: a mapping or a pandas Series."""
    if isinstance(areas, Mapping):
        return list(areas)
    return list(areas.index) if hasattr(areas, "iloc") else None


def _values_of_areas(areas: Any) -> list[Any]:
    return list(areas.values()) if isinstance(areas, Mapping) else areas.tolist()
