"""Whatever a user may hand to an estimator, as Hypothesis strategies: one for each kind of X."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from .any_numbers import SCALES, SPOILS, extreme_floats, made, recipes, scaled, spoiled

TABLES = (
    *((12, 3), (20, 4), (7, 2), (30, 5), (12, 3), (20, 4)),
    *((5, 5), (3, 8), (2, 2), (2, 20), (1, 3), (8, 1), (1, 1), (0, 3), (3, 0), (0, 0), (60, 3)),
)
STACKS = (
    *((6, 2, 12), (8, 3, 20), (6, 2, 12), (4, 1, 9), (2, 3, 4), (1, 2, 15), (6, 4, 2), (5, 2, 1)),
    *((0, 2, 9), (3, 0, 9), (3, 2, 0)),
)
CONTAINERS = (
    *("array",) * 14,
    *("list", "pandas", "pandas nullable", "pandas strings", "pandas mixed names"),
    *("pandas categories", "polars", "polars strings", "memoryview", "none", "scalar", "row"),
    *("stack", "generator"),
)
SPARSE = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr", "wide", "twice", "zeros", "unsorted")
TARGETS = (
    *("labels",) * 16,
    *("words", "numbers", "one class", "none", "short", "column", "two columns", "nan", "bools"),
    *("own class each", "huge", "tiny", "list", "series", "complex", "objects", "constant"),
)
WEIGHTS = (
    *("none",) * 12,
    "counts",
    "counts",
    "zeros",
    "negative",
    "huge",
    "tiny",
    "short",
    "nan",
    "one",
)
QUERIES = ("same", "same", "first row", "other scale", "spoiled", "fewer columns", "float32")


class Given(NamedTuple):
    """One call of an estimator: what is fitted, and what is asked afterwards."""

    X: Any
    y: Any
    sample_weight: Any
    query: Any
    words: str  # what was drawn, since arrays do not print it


def contained(x, container, rng):
    """The table ``x`` in another container, as far as it can be held there."""
    if container in SPARSE or container.startswith("pandas") or container.startswith("polars"):
        if x.ndim != 2:
            return x
        x = np.asarray(x)
    if container in SPARSE:
        return _sparse(x, container, rng)
    if container.startswith(("pandas", "polars")):
        return _frame(x, container)
    return {
        "array": lambda: x,
        "list": lambda: x.tolist(),
        "memoryview": lambda: memoryview(np.ascontiguousarray(x)) if x.dtype.kind in "fiu" else x,
        "none": lambda: None,
        "scalar": lambda: 3.0,
        "row": lambda: x.reshape(-1),
        "stack": lambda: x[None, None],
        "generator": lambda: (row for row in x),
    }[container]()


def _sparse(x, form, rng):
    if x.dtype.kind not in "fiub" or x.dtype in (np.float16, np.longdouble):
        x = np.zeros(x.shape)
    x = np.where(rng.random(x.shape) < 0.6, x, 0).astype(x.dtype.newbyteorder("="))
    if form in ("csr", "csc", "coo", "lil", "dok", "dia"):
        return getattr(sp, f"{form}_array")(x)
    if form == "bsr":
        return sp.bsr_array(x, blocksize=(1, 1)) if 0 not in x.shape else sp.csr_array(x)
    A = sp.csr_array(x)
    if form == "wide":
        A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    elif form == "twice":
        A = A.tocoo()
        halves = (np.concatenate([A.data, A.data]), np.concatenate([A.coords] * 2, axis=1))
        A = sp.coo_array(halves, shape=A.shape)
    elif form == "zeros":
        A.data = A.data * (np.arange(A.nnz) % 2).astype(A.dtype)
    elif form == "unsorted":
        for start, end in zip(A.indptr[:-1], A.indptr[1:], strict=True):
            A.indices[start:end], A.data[start:end] = (
                A.indices[start:end][::-1].copy(),
                A.data[start:end][::-1].copy(),
            )
        A.has_sorted_indices = False
    return A


def _frame(x, container):
    import pandas as pd
    import polars as pl

    x = x.astype("float64") if x.dtype in (np.longdouble, np.float16) else x
    x = x.astype(x.dtype.newbyteorder("="))
    names = [f"c{j}" for j in range(x.shape[1])]
    if container.startswith("polars"):
        columns = {name: x[:, j].tolist() for j, name in enumerate(names)}
        if container == "polars strings":
            columns = {name: [str(v) for v in column] for name, column in columns.items()}
        return pl.DataFrame(columns, strict=False)
    frame = pd.DataFrame(x, columns=names)
    if container == "pandas nullable" and x.dtype.kind in "fiub":
        frame = frame.convert_dtypes()
        if 0 not in frame.shape and frame.dtypes.iloc[0] == "Int64":
            frame.iloc[0, 0] = pd.NA
    elif container == "pandas strings":
        frame = frame.astype(str)
    elif container == "pandas mixed names":
        frame.columns = [0, *names[1:]] if names else []
    elif container == "pandas categories" and names:
        frame[names[-1]] = frame[names[-1]].astype(str).astype("category")
    return frame


def target(how, n_samples, rng):
    """Targets of ``n_samples`` rows, good and bad."""
    labels = np.arange(n_samples) % 2
    values = rng.normal(size=n_samples)
    missing = values.copy()
    missing[-1:] = np.nan
    if how == "series":
        import pandas as pd

        return pd.Series(labels)
    return {
        "labels": labels,
        "words": np.array(["no", "yes"])[labels],
        "numbers": values,
        "one class": np.zeros(n_samples, dtype=int),
        "constant": np.full(n_samples, 2.5),
        "none": None,
        "short": labels[:-1],
        "column": labels[:, None],
        "two columns": np.stack([values, values], axis=1),
        "nan": missing,
        "bools": labels > 0,
        "own class each": np.arange(n_samples),
        "huge": 1e300 * values,
        "tiny": 1e-310 * values,
        "list": labels.tolist(),
        "complex": values + 1j,
        "objects": np.array([*labels[:-1], "last"][:n_samples], dtype=object),
    }[how]


def weights(how, n_samples, rng):
    """Weights of ``n_samples`` rows, good and bad."""
    counts = rng.integers(0, 3, size=n_samples)
    missing = counts.astype(float)
    missing[-1:] = np.nan
    return {
        "none": None,
        "counts": counts,
        "zeros": np.zeros(n_samples),
        "negative": -counts.astype(float),
        "huge": 1e300 * (counts + 1.0),
        "tiny": 1e-310 * (counts + 1.0),
        "short": counts[:-1],
        "nan": missing,
        "one": np.arange(n_samples) == 0,
    }[how]


def query(how, x, rng):
    """What is asked of the fitted estimator: the table again, or one that differs."""
    if how == "first row":
        return x[:1]
    if how == "fewer columns":
        return x[:, 1:] if x.ndim > 1 else x
    if x.dtype.kind != "f" or how == "same":
        return x
    if how == "float32":
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(x, dtype=np.float32)
    if how == "spoiled":
        return spoiled(np.asarray(x), rng.choice([s for s in SPOILS if s]))
    scale = rng.choice([s for s in SCALES if isinstance(s, float)])
    return scaled(rng, x, float(scale), np.float32 if x.itemsize <= 4 else np.float64)


@st.composite
def _given(draw, arrays, containers):
    recipe = draw(arrays)
    with np.errstate(all="ignore"):  # what is drawn may leave the range of its dtype
        return _drawn(draw, recipe, containers)


def _drawn(draw, recipe, containers):
    plain = isinstance(recipe, np.ndarray)
    x = recipe if plain else made(recipe)
    container, y, weight, asked = (
        draw(st.sampled_from(choices)) for choices in (containers, TARGETS, WEIGHTS, QUERIES)
    )
    words = f"{recipe!r}, {container}, y={y}, sample_weight={weight}, query={asked}"
    rng = np.random.default_rng(0 if plain else recipe.seed)
    n_samples = len(x) if x.ndim else 0
    return Given(
        contained(x, container, rng),
        target(y, n_samples, rng),
        weights(weight, n_samples, rng),
        contained(query(asked, x, rng), container, rng),
        words,
    )


def tables(*, complex_too=False):
    """Tables of samples, dense and sparse, good and bad."""
    dense = recipes(TABLES)
    if complex_too:
        dense = st.one_of(dense, recipes(TABLES, dtypes=("complex128", "complex64")))
    anything = st.one_of(dense, dense, dense, extreme_floats(((4, 2), (6, 3), (3, 5))))
    return st.one_of(_given(anything, CONTAINERS), _given(dense, CONTAINERS + SPARSE))


def stacks():
    """Stacks of tables: epochs, sequences."""
    dense = st.one_of(recipes(STACKS), recipes(STACKS), extreme_floats(((3, 2, 5),)))
    flat = ("array", "array", "array", "list", "row", "stack", "none")
    return st.one_of(_given(dense, flat), _given(dense, flat), tables())
