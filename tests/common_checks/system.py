"""Our common checks for solvers of linear systems: what the table checks ask, of a matrix.

Those of scikit-learn's checks that look at the estimator alone, or at what `fit` does to it, are
called here by name or asked again with a matrix in place of a table.
"""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tests.common_checks.graph import check_scikit_learn_checks_of_the_estimator_alone

N = 225
TOL = 1e-10  # relative residual asked of solve


def make_matrix(dtype=np.float64, *, laplacian=False):
    """Weighted Laplacian of a 15 x 15 grid, with 0.01 on the diagonal or without."""
    rng = np.random.default_rng(20260101)
    path = sp.diags_array([np.ones(14)], offsets=[1], shape=(15, 15))
    upper = sp.csr_array(sp.kron(path, sp.eye_array(15)) + sp.kron(sp.eye_array(15), path))
    upper.data = rng.uniform(0.5, 2, upper.nnz).astype(np.float32)
    W = (upper + upper.T).astype(dtype)
    degree = np.asarray(W.sum(axis=1)).ravel()
    shift = 0 if laplacian else 0.01
    return sp.csr_array(sp.diags_array((degree + shift).astype(dtype)) - W)


def right_hand_sides(k=None, dtype=np.float64):
    shape = N if k is None else (N, k)
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


def check_keyword_only_parameters(estimator):
    parameters = list(inspect.signature(type(estimator).__init__).parameters.values())[1:]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)


def check_fit_returns_itself_and_sets_only_attributes_with_an_underscore(estimator):
    before = set(vars(estimator))
    assert estimator.fit(make_matrix(), None) is estimator
    assert estimator.n_features_in_ == N
    added = set(vars(estimator)) - before
    assert all(name.startswith("_") or name.endswith("_") for name in added)
    assert estimator.get_params() == clone(estimator).get_params()


def check_unfitted_says_so(estimator):
    for call in (lambda: estimator.solve(np.ones(N)), estimator.aspreconditioner):
        with pytest.raises(NotFittedError):
            call()


def check_solution_is_one(estimator):
    A, B = make_matrix(), right_hand_sides(3)
    X = estimator.fit(A).solve(B, tol=TOL)
    assert (np.linalg.norm(A @ X - B, axis=0) <= 2 * TOL * np.linalg.norm(B, axis=0)).all()


def check_input_is_unchanged_and_may_be_read_only(estimator):
    A, b = make_matrix(), right_hand_sides()
    before, b_before = A.copy(), b.copy()
    for part in (A.data, A.indices, A.indptr, b):
        part.setflags(write=False)
    estimator.fit(A).solve(b, x0=b)
    assert A.nnz == before.nnz
    assert (A != before).nnz == 0
    np.testing.assert_array_equal(b, b_before)
    dense = before.toarray()
    dense.setflags(write=False)
    estimator.fit(dense)
    np.testing.assert_array_equal(dense, before.toarray())


def check_float_width_stays(estimator):
    for dtype in (np.float32, np.float64):
        estimator.fit(make_matrix(dtype))
        assert estimator.solve(right_hand_sides(dtype=dtype)).dtype == dtype
        assert estimator.solve(right_hand_sides(2, dtype=dtype)).dtype == dtype
    assert estimator.solve(np.ones(N, dtype=int)).dtype == np.float64


def check_second_fit_gives_the_same(estimator):
    A, b = make_matrix(), right_hand_sides()
    once = estimator.fit(A).solve(b)
    np.testing.assert_array_equal(estimator.fit(A).solve(b), once)


def check_forms_of_a_matrix_give_the_same(estimator):
    A, b = make_matrix(), right_hand_sides()
    wide = A.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    coo = A.tocoo()
    twice = sp.coo_array(
        (
            np.concatenate([coo.data / 2, coo.data / 2]),
            tuple(np.concatenate([part, part]) for part in coo.coords),
        ),
        shape=A.shape,
    )
    wanted = clone(estimator).fit(A).solve(b)
    for form in (
        *(A.toarray(), A.toarray().tolist(), sp.csc_matrix(A), sp.csr_matrix(A)),
        *(coo, twice, wide, A.tolil(), sp.bsr_array(A)),
    ):
        np.testing.assert_array_equal(clone(estimator).fit(form).solve(b), wanted)


def check_permuted_rows_permute_the_solution(estimator):
    A, b = make_matrix(), right_hand_sides()
    wanted = clone(estimator).fit(A).solve(b, tol=TOL)
    order = np.random.default_rng(0).permutation(N)
    found = estimator.fit(A[order][:, order]).solve(b[order], tol=TOL)
    # errors are the residual times the norm of the inverse, 100, twice
    atol = 2 * 100 * TOL * np.linalg.norm(b)
    np.testing.assert_allclose(found, wanted[order], rtol=0, atol=atol)


def check_singular_laplacian_gives_the_pseudo_inverse(estimator):
    A, B = make_matrix(laplacian=True), right_hand_sides(2)
    with pytest.warns(UserWarning, match="out of reach"):
        X = estimator.fit(A).solve(B, tol=TOL)
    # smallest eigenvalue of a 15 x 15 grid with weights above .5 is above .02
    atol = 50 * TOL * np.linalg.norm(B)
    np.testing.assert_allclose(X, np.linalg.pinv(A.toarray()) @ B, rtol=0, atol=atol)


def check_preconditioner_is_linear_and_symmetric(estimator):
    estimator.set_params(**({"composition": "symmetrized"} if _multiplicative(estimator) else {}))
    M = estimator.fit(make_matrix()).aspreconditioner()
    B = M @ np.eye(N)
    np.testing.assert_allclose(B, B.T, rtol=0, atol=1e-10 * abs(B).max())
    assert np.linalg.eigvalsh((B + B.T) / 2)[0] > 0
    x = right_hand_sides()
    np.testing.assert_allclose(M @ x, B @ x, rtol=0, atol=1e-10 * abs(B).max() * N)
    assert (M @ x).shape == (N,)
    assert (M @ x[:, None]).shape == (N, 1)


def _multiplicative(estimator):
    return estimator.get_params().get("composition") == "multiplicative"


def check_pickle_keeps_the_fit(estimator):
    A, b = make_matrix(), right_hand_sides()
    estimator.fit(A)
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.solve(b), estimator.solve(b))


def check_bad_matrices_are_refused_and_the_earlier_fit_stays(estimator):
    A, b = make_matrix().toarray(), right_hand_sides()
    estimator.fit(A)
    before, state = estimator.solve(b), sorted(vars(estimator))
    one_way, missing, indefinite = A.copy(), A.copy(), A - np.eye(N)
    one_way[0, 1] += 1
    missing[2, 3] = missing[3, 2] = np.nan
    negative, empty_pivot = A.copy(), A.copy()
    negative[4, 4] = -1
    empty_pivot[4, 4] = 0
    for match, bad in {
        "not symmetric: 1 pairs": one_way,
        "NaN or infinity": missing,
        "square": A[:, 1:],
        "empty": A[:0, :0],
        "[Cc]omplex": A.astype(complex),
        "entry 4 of the diagonal is -1": negative,
        "entry 4 of the diagonal is 0": empty_pivot,
        "not positive definite": indefinite,
    }.items():
        for given in (bad, sp.csr_array(bad)):
            with pytest.raises(ValueError, match=match):
                estimator.fit(given)
    for match, bad in {"1D array": A[0], "not numeric": [["a", "b"], ["c", "d"]]}.items():
        with pytest.raises(ValueError, match=match):
            estimator.fit(bad)
    assert sorted(vars(estimator)) == state
    np.testing.assert_array_equal(estimator.solve(b), before)


def check_bad_right_hand_sides_are_refused(estimator):
    estimator.fit(make_matrix())
    b = right_hand_sides()
    missing = b.copy()
    missing[3] = np.inf
    for match, bad in {
        "NaN or infinity": missing,
        r"shape \(224,\)": b[1:],
        "shape": b.reshape(15, 15),
        "real numbers": b.astype(complex),
        "sparse": sp.csr_array(b[:, None]),
    }.items():
        with pytest.raises(ValueError, match=match):
            estimator.solve(bad)
        with pytest.raises(ValueError, match=match):
            estimator.solve(b, x0=bad)


CHECKS = [
    check_scikit_learn_checks_of_the_estimator_alone,
    check_keyword_only_parameters,
    check_fit_returns_itself_and_sets_only_attributes_with_an_underscore,
    check_unfitted_says_so,
    check_solution_is_one,
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_forms_of_a_matrix_give_the_same,
    check_permuted_rows_permute_the_solution,
    check_singular_laplacian_gives_the_pseudo_inverse,
    check_preconditioner_is_linear_and_symmetric,
    check_pickle_keeps_the_fit,
    check_bad_matrices_are_refused_and_the_earlier_fit_stays,
    check_bad_right_hand_sides_are_refused,
]
LIBRARY_CHECKS = []
