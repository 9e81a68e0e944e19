"""What the class GrassmannPCA adds: streams, merging, attributes, containers, errors."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from subspace_learn import GrassmannPCA


@pytest.fixture(scope="module")
def digits():
    return load_digits().data


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer().data


def angle(a, b):
    """Largest principal angle between the subspaces of two fits."""
    return subspace_angles(np.asarray(a.components_).T, np.asarray(b.components_).T).max()


@pytest.mark.parametrize("solver", ["auto", "covariance", "svd", "randomized"])
def test_every_solver_equals_scikit_learns_pca_on_digits(digits, solver):
    ours = GrassmannPCA(5, solver=solver, random_state=0).fit(digits)
    theirs = PCA(5, svd_solver="full").fit(digits)
    assert angle(ours, theirs) < 1e-6
    for name in ("mean_", "explained_variance_", "explained_variance_ratio_", "singular_values_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9)
    assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_, rel=1e-9)
    scores = np.abs(theirs.transform(digits))  # signs are a convention
    np.testing.assert_allclose(np.abs(ours.transform(digits)), scores, atol=1e-4)


def test_signs_are_fixed_by_the_largest_entry(digits):
    rows = GrassmannPCA(8).fit(digits).components_
    assert (rows[np.arange(8), np.abs(rows).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_share_of_the_variance_gives_pcas_dimension(digits, share):
    assert GrassmannPCA(share).fit(digits).n_components_ == PCA(share).fit(digits).n_components_


def test_hundred_shuffled_batches_equal_one_fit(digits, rng):
    order = rng.permutation(len(digits))
    streamed = GrassmannPCA(10)
    for rows in np.array_split(order, 100):
        streamed.partial_fit(digits[rows])
    whole = GrassmannPCA(10).fit(digits)
    assert angle(streamed, whole) < 1e-8
    np.testing.assert_allclose(streamed.explained_variance_, whole.explained_variance_, rtol=1e-10)
    assert streamed.n_samples_seen_ == len(digits)
    assert streamed.statistics_ == "exact"


def test_single_rows_stream_like_one_table(cancer):
    streamed = GrassmannPCA(3)
    for row in cancer[:50]:
        streamed.partial_fit(row[None, :])
    assert angle(streamed, GrassmannPCA(3, solver="covariance").fit(cancer[:50])) < 1e-8


def test_a_stream_answers_as_soon_as_it_has_rows_enough(cancer):
    streamed = GrassmannPCA(3).partial_fit(cancer[:2])
    assert streamed.n_samples_seen_ == 2
    with pytest.raises(NotFittedError, match="has seen 2 row"):
        streamed.transform(cancer[:2])
    assert streamed.partial_fit(cancer[2:3]).transform(cancer[:2]).shape == (2, 3)


def test_streams_go_on_after_a_fit(cancer):
    ours = GrassmannPCA(4, keep_statistics=True).fit(cancer[:300]).partial_fit(cancer[300:])
    assert angle(ours, GrassmannPCA(4).fit(cancer)) < 1e-8


def test_a_stream_after_a_fit_without_statistics_says_what_is_not_known(cancer):
    X = cancer / cancer.std(axis=0)
    with pytest.warns(UserWarning, match=r"keep_statistics=True.*begin with partial_fit"):
        ours = GrassmannPCA(4).fit(X[:300]).partial_fit(X[300:])
    whole = GrassmannPCA(4).fit(X)
    np.testing.assert_allclose(ours.mean_, whole.mean_, rtol=1e-12)
    total = ours.explained_variance_.sum() / ours.explained_variance_ratio_.sum()
    assert total == pytest.approx(np.var(X, axis=0, ddof=1).sum(), rel=1e-12)
    assert 1e-3 < angle(ours, whole) < 1.0  # not exact, and said so
    # a fit that left nothing out knows everything
    every = GrassmannPCA().fit(X[:300]).partial_fit(X[300:])
    np.testing.assert_allclose(every.explained_variance_, np.linalg.eigvalsh(np.cov(X.T))[::-1])


def test_fits_without_statistics_do_not_merge_but_say_what_to_do(cancer):
    ours, kept = GrassmannPCA(2).fit(cancer), GrassmannPCA(2).partial_fit(cancer)
    assert (ours.statistics_, kept.statistics_) == ("none", "exact")
    for pair in ((ours, kept), (kept, ours)):
        with pytest.raises(ValueError, match=r"keep_statistics=True before fit, or .*partial_fit"):
            pair[0].merge(pair[1])


def test_a_fitted_model_is_no_larger_than_scikit_learns(rng):
    X = rng.normal(size=(600, 400))
    ours = len(pickle.dumps(GrassmannPCA(10).fit(X)))
    assert ours < 1.2 * len(pickle.dumps(PCA(10).fit(X)))
    kept = GrassmannPCA(10, keep_statistics=True).fit(X)
    assert len(pickle.dumps(kept)) > 8 * 400**2


def test_merging_is_exact_and_leaves_the_other_alone(cancer):
    keeping = GrassmannPCA(4, keep_statistics=True)
    a, b = clone(keeping).fit(cancer[:300]), clone(keeping).fit(cancer[300:])
    before = b.components_.copy()
    assert angle(a.merge(b), GrassmannPCA(4).fit(cancer)) < 1e-8
    np.testing.assert_array_equal(b.components_, before)


def test_merging_low_rank_fits_of_low_rank_data_is_exact(rng):
    X = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 80)) + 1.0
    a, b = (
        GrassmannPCA(3, solver="svd", keep_statistics=True).fit(part) for part in (X[:30], X[30:])
    )
    assert a.merge(b).statistics_ == "low_rank"
    assert angle(a, GrassmannPCA(3).fit(X)) < 1e-8


def test_weights_equal_repetition(cancer, rng):
    w = rng.integers(0, 4, size=len(cancer))
    weighted = GrassmannPCA(4).fit(cancer, sample_weight=w)
    repeated = GrassmannPCA(4).fit(np.repeat(cancer, w, axis=0))
    assert angle(weighted, repeated) < 1e-8
    np.testing.assert_allclose(
        weighted.explained_variance_, repeated.explained_variance_, rtol=1e-11
    )


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.csr_array])
@pytest.mark.parametrize("solver", ["covariance", "randomized"])
def test_sparse_equals_dense_in_every_method(digits, form, solver):
    settings = {"n_components": 6, "solver": solver, "keep_statistics": True, "random_state": 0}
    dense, sparse = GrassmannPCA(**settings).fit(digits), GrassmannPCA(**settings)
    sparse.fit(form(digits))
    assert angle(dense, sparse) < 1e-7
    rows = form(digits[:20])
    np.testing.assert_allclose(sparse.transform(rows), dense.transform(digits[:20]), atol=1e-4)
    np.testing.assert_allclose(
        sparse.score_samples(rows), dense.score_samples(digits[:20]), rtol=1e-6
    )
    sparse.partial_fit(rows)
    assert sparse.n_samples_seen_ == len(digits) + 20


def test_arrays_of_any_library_stay_there(xp, digits):
    X = xp.asarray(digits[:300])
    ours = GrassmannPCA(4).fit(X)
    for array in (ours.components_, ours.mean_, ours.explained_variance_, ours.transform(X)):
        assert xp.owns(array)
    assert xp.owns(ours.inverse_transform(ours.transform(X)))
    assert angle_np(xp, ours, GrassmannPCA(4).fit(digits[:300])) < 1e-8


def angle_np(xp, a, b):
    return subspace_angles(xp.numpy(a.components_).T, b.components_.T).max()


def test_float32_stays_float32_and_keeps_its_accuracy(xp, digits):
    X = (digits + 1000.0).astype(np.float32)  # far from the origin
    ours = GrassmannPCA(4).fit(xp.asarray(X))
    for array in (ours.components_, ours.mean_, ours.transform(xp.asarray(X))):
        assert xp.numpy(array).dtype == np.float32
    # relative gap behind eigenvalue 4 is 0.2: a few float32 roundings over it
    assert angle_np(xp, ours, GrassmannPCA(4).fit(digits)) < 1e-5


def test_tensors_that_require_gradients_are_detached(digits):
    torch = pytest.importorskip("torch")
    ours = GrassmannPCA(2).fit(torch.asarray(digits).requires_grad_())
    assert not ours.components_.requires_grad


def test_other_libraries_do_not_mix_with_the_fit(digits):
    torch = pytest.importorskip("torch")
    ours = GrassmannPCA(2).fit(digits)
    with pytest.raises(ValueError, match=r"fitted with: numpy.*ToDevice"):
        ours.transform(torch.asarray(digits))
    with pytest.raises(ValueError, match="torch"):
        ours.partial_fit(torch.asarray(digits))


def test_projection_is_idempotent_and_its_residual_orthogonal(cancer):
    ours = GrassmannPCA(3).fit(cancer)
    once = ours.inverse_transform(ours.transform(cancer))
    twice = ours.inverse_transform(ours.transform(once))
    scale = np.abs(cancer).max()
    np.testing.assert_allclose(twice, once, atol=1e-12 * scale)
    assert np.abs((cancer - once) @ ours.components_.T).max() < 1e-11 * scale
    np.testing.assert_allclose(
        ours.reconstruction_error(cancer), ((cancer - once) ** 2).sum(axis=1), rtol=1e-6
    )
    assert ours.score(cancer) == pytest.approx(ours.score_samples(cancer).mean())


def test_adding_a_constant_to_every_row_changes_nothing(cancer):
    moved = GrassmannPCA(3).fit(cancer + np.arange(30.0))
    assert angle(moved, GrassmannPCA(3).fit(cancer)) < 1e-8


def test_rotating_the_features_rotates_the_subspace(cancer, rng):
    Q, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    rotated = GrassmannPCA(3).fit(cancer @ Q)
    rotated_back = rotated.components_ @ Q.T
    reference = GrassmannPCA(3).fit(cancer)
    assert subspace_angles(rotated_back.T, reference.components_.T).max() < 1e-8


def test_it_lives_in_a_pipeline_and_a_grid_search():
    X, y = load_breast_cancer(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(GrassmannPCA(), LogisticRegression(max_iter=5000)),
        {"grassmannpca__n_components": [1, np.int64(3), 0.999]},
        cv=3,
    ).fit(np.log1p(X), y)
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_out(library):
    frames = pytest.importorskip(library)
    data = load_breast_cancer()
    X = frames.DataFrame(dict(zip(data.feature_names, data.data.T, strict=True)))
    out = GrassmannPCA(2).set_output(transform=library).fit(X).transform(X)
    assert list(out.columns) == ["grassmannpca0", "grassmannpca1"]


def test_weights_travel_by_metadata_routing(cancer):
    import sklearn

    w = np.where(np.arange(len(cancer)) < 100, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(GrassmannPCA(2).set_fit_request(sample_weight=True))
        pipe.fit(cancer, sample_weight=w)
    assert angle(pipe[0], GrassmannPCA(2).fit(cancer[:100])) < 1e-8


def test_pickles_and_clones(cancer):
    ours = GrassmannPCA(3).fit(cancer)
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.transform(cancer), ours.transform(cancer))
    assert not hasattr(clone(ours), "components_")


@pytest.mark.parametrize("kind", [int, np.random.default_rng, np.random.RandomState])
def test_random_state_of_any_kind_repeats_itself(digits, kind):
    fits = [
        GrassmannPCA(3, solver="randomized", random_state=kind(7)).fit(digits) for _ in range(2)
    ]
    np.testing.assert_array_equal(fits[0].components_, fits[1].components_)


# -- wrong input -------------------------------------------------------------------------------


def test_a_failing_batch_leaves_the_fit_as_it_was(cancer):
    ours = GrassmannPCA(3, keep_statistics=True).fit(cancer)
    before = {name: value for name, value in vars(ours).items()}
    bad_batches = [
        np.full((2, 30), np.nan),
        cancer[:5, :7],
        np.empty((0, 30)),
        cancer.astype(complex),
        np.full((2, 30), 1e200),
    ]
    for batch in bad_batches:
        with pytest.raises(ValueError, match=r"NaN|features|sample|Complex|as large as"):
            ours.partial_fit(batch)
        assert vars(ours) == before
    with pytest.raises(ValueError, match="NaN"):
        ours.fit(np.full((4, 2), np.nan))
    assert vars(ours) == before
    assert ours.transform(cancer).shape == (569, 3)


def test_an_interrupted_fit_leaves_the_fit_as_it_was(cancer, monkeypatch):
    import subspace_learn.grassmann._grassmann_pca as module

    ours = GrassmannPCA(3).fit(cancer)
    before = ours.components_.copy()

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fitted_subspace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ours.fit(cancer[:, :5])
    assert ours.n_features_in_ == 30
    np.testing.assert_array_equal(ours.components_, before)


@pytest.mark.parametrize(
    ("n_components", "message"), [(31, "at most 30"), (0, "n_components"), (1.5, "n_components")]
)
def test_dimensions_out_of_range_are_refused(cancer, n_components, message):
    with pytest.raises(ValueError, match=message):
        GrassmannPCA(n_components).fit(cancer)


def test_one_row_and_weights_that_sum_to_one_are_refused(cancer):
    with pytest.raises(ValueError, match="minimum of 2"):
        GrassmannPCA().fit(cancer[:1])
    with pytest.raises(ValueError, match="sum to more than 1"):
        GrassmannPCA(2).fit(cancer, sample_weight=np.full(569, 1 / 569))
    with pytest.raises(ValueError, match="at least one non-zero"):
        GrassmannPCA(2).fit(cancer, sample_weight=np.zeros(569))


def test_constant_columns_divide_nothing_by_zero(cancer):
    X = np.column_stack([cancer, np.full(569, 3.0)])
    with np.errstate(all="raise"):
        ours = GrassmannPCA(31).fit(X)
        assert np.isfinite(ours.transform(X)).all()
        constant = GrassmannPCA().fit(np.ones((5, 3)))
    np.testing.assert_array_equal(constant.explained_variance_ratio_, [0.0])


def test_wrong_partners_do_not_merge(cancer):
    ours = GrassmannPCA(3).partial_fit(cancer)
    with pytest.raises(TypeError, match="another fitted GrassmannPCA"):
        ours.merge(PCA(3).fit(cancer))
    with pytest.raises(ValueError, match="30 and 7 features"):
        ours.merge(GrassmannPCA(3).fit(cancer[:, :7]))
    with pytest.raises(NotFittedError):
        ours.merge(GrassmannPCA(3))


def test_too_few_steps_are_reported(digits):
    with pytest.warns(ConvergenceWarning, match="did not reach tol.*Increase max_iter"):
        GrassmannPCA(5, solver="randomized", max_iter=1, random_state=0).fit(digits)


def test_coordinates_of_the_wrong_width_are_refused(digits):
    with pytest.raises(ValueError, match="needs the 4 coordinates"):
        GrassmannPCA(4).fit(digits).inverse_transform(np.ones((2, 3)))


def test_inputs_are_never_modified(digits):
    X = digits.copy()
    X.setflags(write=False)
    for solver in ("covariance", "svd", "randomized"):
        GrassmannPCA(2, solver=solver, random_state=0).fit(X).transform(X)
    np.testing.assert_array_equal(X, digits)


def test_batch_of_weight_zero_changes_nothing():
    rng = np.random.default_rng(0)
    X, weights = 3 + rng.normal(size=(40, 5)), rng.integers(0, 3, 40) * 0.5
    weights[[0, 20, 39]] = 0
    stream = GrassmannPCA(2)
    for i in range(40):
        stream.partial_fit(X[i : i + 1], sample_weight=weights[i : i + 1])
    whole = GrassmannPCA(2).fit(X, sample_weight=weights)
    np.testing.assert_allclose(stream.components_, whole.components_, atol=1e-10)
    np.testing.assert_allclose(stream.explained_variance_, whole.explained_variance_, rtol=1e-10)
    with pytest.raises(NotFittedError):
        GrassmannPCA(2).partial_fit(X, sample_weight=np.zeros(40)).transform(X)
