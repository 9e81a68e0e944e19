"""Our common checks for estimators of meshes: what the table checks ask, on lists of meshes.

scikit-learn has no checks for input that is no table. Those of its checks that look at the
estimator alone are called here by name, as for graphs.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.spatial import Delaunay
from sklearn.base import clone
from sklearn.utils import get_tags

from .graph import check_scikit_learn_checks_of_the_estimator_alone

N_MESHES = 5


def make_meshes(dtype=np.float64, n_channels=None):
    """Seeded triangulations of random points in the unit square, with densities if asked for."""
    rng = np.random.default_rng(20260101)
    meshes = []
    for k in range(N_MESHES):
        mesh = Delaunay(rng.uniform(size=(6 + k, 2)))
        triple = (mesh.points.astype(dtype), mesh.simplices)
        if n_channels is not None:
            shape = (len(mesh.simplices), n_channels) if n_channels else len(mesh.simplices)
            triple = (*triple, rng.uniform(size=shape).astype(dtype))
        meshes.append(triple)
    return meshes


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X = make_meshes(n_channels=2)
    before = [[part.copy() for part in mesh] for mesh in X]
    for mesh in X:
        for part in mesh:
            part.setflags(write=False)
    estimator.fit(X).transform(X)
    for mesh, copy in zip(X, before, strict=True):
        for part, wanted in zip(mesh, copy, strict=True):
            np.testing.assert_array_equal(part, wanted)


def check_float_width_stays(estimator):
    for dtype in get_tags(estimator).transformer_tags.preserves_dtype:
        X = make_meshes(dtype, n_channels=0)
        assert clone(estimator).fit(X).transform(X).dtype == dtype


def check_second_fit_gives_the_same(estimator):
    X = make_meshes()
    once = estimator.fit(X).transform(X)
    np.testing.assert_array_equal(estimator.fit(X).transform(X), once)


def check_one_mesh_gives_what_it_gives_in_a_list(estimator):
    X = make_meshes()
    wanted = estimator.fit(X).transform(X)
    given = np.concatenate([estimator.transform([mesh]) for mesh in X])
    np.testing.assert_array_equal(given, wanted)
    order = np.random.default_rng(0).permutation(N_MESHES)
    np.testing.assert_array_equal(estimator.transform([X[i] for i in order]), wanted[order])


def check_forms_of_a_mesh_give_the_same(estimator):
    X = make_meshes()
    wanted = estimator.fit(X).transform(X)
    for form in (
        [Delaunay(vertices) for vertices, _ in X],
        [(vertices.tolist(), simplices.tolist()) for vertices, simplices in X],
        [(vertices, simplices, np.ones(len(simplices))) for vertices, simplices in X],
        tuple(list(mesh) for mesh in X),
    ):
        np.testing.assert_allclose(
            clone(estimator).fit(form).transform(form), wanted, rtol=0, atol=1e-14
        )


def check_pickle_keeps_the_fit(estimator):
    X = make_meshes()
    estimator.fit(X)
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.transform(X), estimator.transform(X))


def check_bad_meshes_are_refused_and_the_earlier_fit_stays(estimator):
    X = make_meshes()
    estimator.fit(X)
    before, state = estimator.transform(X), sorted(vars(estimator))
    vertices, simplices = X[0]
    missing = vertices.copy()
    missing[2, 1] = np.nan
    for match, bad in {
        "empty list": [],
        "list of meshes": X[0],
        "list of meshes, but got a int": 3,
        "mesh 1 must be": [X[0], vertices],
        "mesh 0: vertices contains NaN": [(missing, simplices)],
        "Complex": [(vertices.astype(complex), simplices)],
        "not numeric": [(vertices.astype(str), simplices)],
        "vertices must have shape": [(vertices[0], simplices)],
        "simplices must be integers": [(vertices, simplices * 1.0)],
        "at least one": [(vertices, simplices[:0])],
        "numbered from 0": [X[0], (vertices, simplices + 1)],
        "1 channels|there are": [(vertices, simplices, np.ones(len(simplices) + 1))],
        "different numbers of dimensions": [X[0], (np.ones((3, 3)), np.array([[0, 1, 2]]))],
        "different numbers of channels": [X[0], (*X[1], np.ones((len(X[1][1]), 2)))],
        "split larger cells": [(vertices, np.array([[0, 1, 2, 3]]))],
    }.items():
        for call in (estimator.fit, estimator.transform):
            with pytest.raises(ValueError, match=match):
                call(bad)
        assert sorted(vars(estimator)) == state
        np.testing.assert_array_equal(estimator.transform(X), before)
    with pytest.raises(ValueError, match="fitted in 2D with 1"):
        estimator.transform(make_meshes(n_channels=2))


def check_set_output_gives_data_frames(estimator):
    X = make_meshes(n_channels=2)
    if not estimator.flatten:
        pytest.skip("images have more axes than a data frame")
    wanted = clone(estimator).fit(X).transform(X)
    for library in ("pandas", "polars"):
        pytest.importorskip(library)
        frame = clone(estimator).set_output(transform=library).fit(X).transform(X)
        assert type(frame).__module__.partition(".")[0] == library
        assert list(frame.columns) == list(estimator.fit(X).get_feature_names_out())
        np.testing.assert_array_equal(frame.to_numpy(), wanted)


CHECKS = [
    check_scikit_learn_checks_of_the_estimator_alone,
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_one_mesh_gives_what_it_gives_in_a_list,
    check_forms_of_a_mesh_give_the_same,
    check_pickle_keeps_the_fit,
    check_bad_meshes_are_refused_and_the_earlier_fit_stays,
    check_set_output_gives_data_frames,
]
LIBRARY_CHECKS = []
