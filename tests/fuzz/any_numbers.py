"""Numbers that users have and tests forget: every dtype, memory layout, scale and degeneracy.

Few draws describe an array and a seed fills it, so that ten thousand cost seconds and a failing
one shrinks to words: ``recipe`` says what was drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CONTENTS = (
    *("normal",) * 4,
    *("offset", "constant", "zeros", "one row", "rank one", "repeated columns"),
    *("constant column", "binary", "integers", "heavy tails", "half zero rows"),
)
# Exponents as a share of the range of the dtype: .487 is 1e150 in float64, 1e18 in float32.
SCALES = (
    *(0.0,) * 12,
    *(0.02, -0.02, 0.1, -0.1, 0.24, -0.24, 0.487, -0.487, 0.53, -0.53, 0.99, -0.99, -1.03),
    *("columns", "rows", "entries"),
)
DTYPES = (
    *("float64",) * 12,
    *("float32",) * 4,
    *("float16", "int64", "int8", "uint8", "bool", "longdouble", ">f8", "complex128"),
    *("complex64", "object", "str", "datetime64[s]", "int64 extremes"),
)
LAYOUTS = (
    *("C",) * 4,
    *("F", "reversed rows", "reversed columns", "every other", "read-only", "repeated"),
    *("unaligned", "masked"),
)
SPOILS = (*(None,) * 16, "nan", "inf", "-inf", "nan row")


class Recipe(NamedTuple):
    """What an array is made of."""

    shape: tuple[int, ...]
    content: str
    scale: float | str
    dtype: str
    layout: str
    spoil: str | None
    seed: int


def recipes(shapes, *, contents=CONTENTS, scales=SCALES, dtypes=DTYPES, layouts=LAYOUTS):
    """Strategy of recipes of one of the shapes."""
    return st.builds(
        Recipe,
        st.sampled_from(shapes),
        st.sampled_from(contents),
        st.sampled_from(scales),
        st.sampled_from(dtypes),
        st.sampled_from(layouts),
        st.sampled_from(SPOILS),
        st.integers(0, 2**16),
    )


def extreme_floats(shapes):
    """Strategy of small float64 arrays whose every entry Hypothesis picks itself."""
    floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
    return st.sampled_from(shapes).flatmap(
        lambda shape: hnp.arrays(np.float64, shape, elements=floats)
    )


def made(recipe):
    """Array of a recipe."""
    rng = np.random.default_rng(recipe.seed)
    x = _content(rng, recipe.shape, recipe.content)
    x = _as_dtype(rng, x, recipe)
    return laid_out(spoiled(x, recipe.spoil), recipe.layout)


def _content(rng, shape, content):
    x = rng.normal(size=shape)
    last = (*shape[:-1], 1)
    if content == "offset":
        x += 1e8
    elif content == "constant":
        x = np.full(shape, 3.7)
    elif content == "zeros":
        x = np.zeros(shape)
    elif content == "one row":
        x = np.broadcast_to(rng.normal(size=shape[-1:]), shape).copy()
    elif content == "rank one":
        x = rng.normal(size=last) * rng.normal(size=shape[-1:])
    elif content == "repeated columns":
        x = np.broadcast_to(rng.normal(size=last), shape).copy()
    elif content == "constant column":
        x[..., :1] = 5.0
    elif content == "binary":
        x = (x > 0).astype(float)
    elif content == "integers":
        x = np.round(3 * x)
    elif content == "heavy tails":
        x = rng.standard_cauchy(size=shape) ** 3
    elif content == "half zero rows":
        x[::2] = 0.0
    return x


def scaled(rng, x, scale, dtype=np.float64):
    """``x`` times powers of two that span the range of ``dtype``; clipped where it would end."""
    top = np.finfo(dtype).maxexp
    if scale == "columns":
        exponents = rng.integers(-top // 2, top // 2, size=x.shape[-1:])
    elif scale == "rows":
        exponents = rng.integers(-top // 2, top // 2, size=(*x.shape[:1], *[1] * (x.ndim - 1)))
    elif scale == "entries":
        exponents = rng.integers(-top, top, size=x.shape)
    else:
        exponents = int(scale * top)
    limit = float(np.finfo(dtype).max)
    with np.errstate(over="ignore", under="ignore"):
        return np.clip(np.ldexp(np.asarray(x, dtype=np.float64), exponents), -limit, limit)


def _as_dtype(rng, x, recipe):
    name = recipe.dtype
    if name == "int64 extremes":
        info = np.iinfo(np.int64)
        return rng.choice([info.min, info.max, 0, 1, -1], size=x.shape)
    if name in ("int64", "int8", "uint8"):
        with np.errstate(invalid="ignore"):
            return np.clip(np.nan_to_num(10 * x), 0, 100).astype(name)
    if name == "bool":
        return x > 0
    if name == "str":
        return np.where(x > 0, "high", "low")
    if name == "datetime64[s]":
        return np.clip(10 * x, -1e6, 1e6).astype("int64").astype(name)
    width = {"float32": np.float32, "complex64": np.float32, "float16": np.float16}
    x = scaled(rng, x, recipe.scale, width.get(name, np.float64))
    if name.startswith("complex"):
        x = x + 1j * x[::-1]
    with np.errstate(under="ignore"):
        return x.astype(name)


def spoiled(x, how):
    """``x`` with an entry that is no number, if its dtype has one."""
    if how is None or x.size == 0 or x.dtype.kind not in "fcO":
        return x
    x = x.copy()
    bad = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "nan row": np.nan}[how]
    x[(-1,) if how == "nan row" else (-1,) * x.ndim] = bad
    return x


def laid_out(x, layout):
    """``x`` with the same values somewhere else in memory; "repeated" repeats its first row."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed rows":
        return x[::-1]
    if layout == "reversed columns":
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    if layout == "every other":
        return np.repeat(x, 2, axis=0)[::2]
    if layout == "repeated" and len(x):
        return np.broadcast_to(x[:1], x.shape)  # stride 0, read-only
    if layout == "unaligned" and x.dtype.kind in "fciu":
        raw = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:]
        return raw.view(x.dtype).reshape(x.shape)
    if layout == "masked":
        return np.ma.array(x, mask=np.zeros(x.shape, dtype=bool))
    if layout == "read-only":
        x = x.copy()
        x.setflags(write=False)
    return x
