"""Whatever a user may hand over in place of graphs, systems, meshes, covariances or weights."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from .any_input import (
    CONTAINERS,
    SPARSE,
    WEIGHTS,
    Given,
    contained,
    query,
    stacks,
    tables,
    weights,
)
from .any_numbers import DTYPES, LAYOUTS, Recipe, extreme_floats, laid_out, made, recipes

SQUARES = (*((8, 8), (12, 12), (20, 20)) * 2, (5, 5), (2, 2), (1, 1), (3, 4), (2, 3), (0, 0))
SPD_STACKS = (*((8, 3, 3), (6, 2, 2), (10, 4, 4)) * 2, (1, 2, 2), (3, 1, 1), (2, 5, 5), (0, 2, 2))
FORMS = ("as drawn", *("right",) * 6, "right and permuted", "disconnected", "one entry off")


def _symmetric(x, form, *, laplacian=False, diagonal=0.0):
    """Nonnegative symmetric matrix of the numbers of ``x``; a Laplacian if asked for."""
    if form == "as drawn" or x.ndim != 2 or x.shape[0] != x.shape[1] or x.dtype.kind not in "fiu":
        return x
    W = np.abs(x.astype(x.dtype.newbyteorder("=")))
    W = np.maximum(W, W.T)
    half = len(W) // 2
    if form == "disconnected":
        W[:half, half:], W[half:, :half] = 0, 0
    np.fill_diagonal(W, 0)
    if laplacian:
        with np.errstate(over="ignore", invalid="ignore"):
            degree = W.sum(axis=1)
            W = np.diag(degree + diagonal * degree.max(initial=0)).astype(W.dtype) - W
    if form == "one entry off" and W.size > 1:
        W[0, -1] += 1
    return W


@st.composite
def graphs(draw):
    """Adjacencies, edge lists and lists of graphs, good and bad."""
    recipe = draw(recipes(SQUARES))
    form = draw(st.sampled_from(FORMS))
    rng = np.random.default_rng(recipe.seed)
    x = _symmetric(np.asarray(made(recipe._replace(layout="C"))), form)
    x = laid_out(x, recipe.layout)
    container = draw(st.sampled_from(("array", *SPARSE, "list", "pandas", "edges", "graphs")))
    if container == "edges":
        n_nodes = max(len(x), 1)
        edges = rng.integers(-1 if form == "as drawn" else 0, n_nodes, size=(2, 12))
        X = np.concatenate([edges, edges[::-1]], axis=1).astype(draw(st.sampled_from("ilf")))
    elif container == "graphs":
        X = [x, sp.csr_array(np.ones((3, 3)) - np.eye(3)), x[:1, :1]]
    else:
        X = contained(x, container, rng)
    return Given(X, None, None, X, f"{recipe!r}, {form}, {container}")


@st.composite
def systems(draw):
    """Symmetric matrices with their right-hand sides, good and bad."""
    recipe = draw(recipes(SQUARES))
    form = draw(st.sampled_from(FORMS))
    diagonal = draw(st.sampled_from((0.0, 1e-12, 0.01, 1.0, 1e6)))
    rng = np.random.default_rng(recipe.seed)
    x = np.asarray(made(recipe._replace(layout="C")))
    x = laid_out(_symmetric(x, form, laplacian=True, diagonal=diagonal), recipe.layout)
    container = draw(st.sampled_from(("array", "array", *SPARSE, "list", "pandas")))
    columns = draw(st.sampled_from((None, 1, 3, 0)))
    n = len(x) if x.ndim else 0
    rhs = draw(recipes([(n,) if columns is None else (n, columns)]))
    b = made(rhs._replace(layout="C"))
    words = f"{recipe!r}, {form}, diagonal={diagonal}, {container}, b={rhs!r}"
    return Given(contained(x, container, rng), None, None, b, words)


@st.composite
def covariances(draw):
    """Stacks of symmetric matrices, mostly positive definite."""
    recipe = draw(recipes(SPD_STACKS, dtypes=("float64",) * 12 + ("float32",) * 4 + DTYPES))
    form = draw(st.sampled_from(("as drawn", *("right",) * 6, "singular", "indefinite", "stiff")))
    rng = np.random.default_rng(recipe.seed)
    x = np.asarray(made(recipe._replace(layout="C")))
    if form != "as drawn" and x.dtype.kind == "f":
        with np.errstate(all="ignore"):
            y = x.astype(np.float64)
            y = y @ y.swapaxes(1, 2)
            if form == "singular":
                y[:, 0, :], y[:, :, 0] = 0, 0
            elif form == "right":
                y = y + np.trace(y, axis1=1, axis2=2)[:, None, None] * np.eye(x.shape[1])
            elif form == "stiff":
                y = y + np.diag(np.logspace(0, -14, x.shape[1]))
            elif len(y):
                y[-1] = -y[-1]
            y = (y + y.swapaxes(1, 2)) / 2
            x = y.astype(x.dtype)
    weight = draw(st.sampled_from(WEIGHTS))
    asked = draw(st.sampled_from(("same", "first row", "float32")))
    x = laid_out(x, recipe.layout)
    return Given(
        x.tolist() if draw(st.integers(0, 9)) == 9 else x,
        np.arange(len(x)) % 2,
        weights(weight, len(x), rng),
        query(asked, x, rng),
        f"{recipe!r}, {form}, sample_weight={weight}, query={asked}",
    )


@st.composite
def meshes(draw):
    """Lists of meshes: points, cells, densities, good and bad."""
    dimension = draw(st.sampled_from((2, 2, 3, 1, 4)))
    recipe = draw(recipes([(7, dimension), (4, dimension), (0, dimension), (3,)]))
    rng = np.random.default_rng(recipe.seed)
    vertices = made(recipe)
    corners = draw(st.sampled_from((2, 3, 3, 1, dimension + 1, 5)))
    top = max(len(vertices), 1) if vertices.ndim else 1
    n_cells = draw(st.sampled_from((5, 1, 12, 0)))
    cells = rng.integers(0, top + draw(st.sampled_from((0, 0, 0, 1))), size=(n_cells, corners))
    cells = cells.astype(draw(st.sampled_from(("int64", "int32", "uint8", "int64", "float64"))))
    cells = laid_out(cells, draw(st.sampled_from(LAYOUTS)))
    channels = draw(st.sampled_from((None, None, 0, 1, 2)))
    mesh, words = (vertices, cells), f"{recipe!r}, {n_cells} cells of {corners}"
    if channels is not None:
        density = draw(recipes([(n_cells, channels) if channels else (n_cells,)]))
        mesh, words = (*mesh, made(density)), f"{words}, densities={density!r}"
    n_meshes = draw(st.sampled_from((1, 2, 2, 0)))
    X = [mesh] * n_meshes
    return Given(X, None, None, X[:1], f"{words}, {n_meshes} times")


@st.composite
def weight_matrices(draw):
    """Weight matrices of a network: one, a list, a dictionary, convolution kernels."""
    shapes = ((12, 12), (20, 8), (30, 30), (8, 6, 3, 3), (2, 2), (1, 5), (0, 3), (4,))
    drawn = draw(st.one_of(recipes(shapes), extreme_floats(((6, 6), (5, 9)))))
    plain = isinstance(drawn, np.ndarray)
    W = drawn if plain else made(drawn)
    container = draw(st.sampled_from(("array", "array", "list", "several", "named", "pandas")))
    X = {
        "array": lambda: W,
        "list": lambda: W.tolist(),
        "several": lambda: [W, np.eye(9)],
        "named": lambda: {"first": W, "bias": np.zeros(3)},
        "pandas": lambda: contained(W, "pandas", np.random.default_rng(0)),
    }[container]()
    return Given(X, None, None, None, f"{drawn!r}, {container}")


KINDS = {
    "complex_table": lambda: tables(complex_too=True),
    "epochs": stacks,
    "graph": graphs,
    "matrices": covariances,
    "maps": stacks,
    "mesh": meshes,
    "sampler": tables,
    "sequences": stacks,
    "system": systems,
    "table": tables,
    "weights": weight_matrices,
}

__all__ = ["CONTAINERS", "DTYPES", "KINDS", "Recipe"]
