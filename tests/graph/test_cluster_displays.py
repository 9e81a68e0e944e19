"""What the pictures of a clustering show, read off the artists."""

import matplotlib as mpl
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from subspace_learn import SpectralAMGClustering
from subspace_learn.graph import (
    EmbeddingDisplay,
    HierarchyDisplay,
    SortedAdjacencyDisplay,
)

mpl.use("Agg")


@pytest.fixture
def fitted():
    blocks = sp.block_diag([np.ones((k, k)) - np.eye(k) for k in (6, 9)], format="lil")
    blocks[0, 7] = blocks[7, 0] = 1
    graph = sp.block_diag([blocks, sp.csr_array((3, 3))], format="csr")
    return SpectralAMGClustering(2, affinity="precomputed", random_state=0).fit(graph)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_embedding_shows_each_vertex_with_edges_once(fitted):
    display = EmbeddingDisplay.from_estimator(fitted)
    assert sum(len(dots.get_offsets()) for dots in display.ax_.collections) == 15
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["cluster 0 (12)", "cluster 1 (6)"]
    assert 0 < display.explained_ <= 1 + 1e-12


def test_many_rows_are_thinned():
    rng = np.random.default_rng(0)
    display = EmbeddingDisplay(rng.normal(size=(50_001, 3)), rng.integers(0, 2, 50_001)).plot()
    assert sum(len(dots.get_offsets()) for dots in display.ax_.collections) <= 20_000


def test_one_dimension_is_drawn_on_a_line():
    display = EmbeddingDisplay(np.arange(1.0, 5)[:, None], np.array([0, 0, 1, 1])).plot()
    assert display.explained_ == pytest.approx(1)


def test_sorted_adjacency_has_its_weight_on_the_diagonal_blocks(fitted):
    display = SortedAdjacencyDisplay.from_estimator(fitted)
    image = np.asarray(display.ax_.images[0].get_array())
    assert image.shape == (18, 18)
    # 51 edges within the two cliques, one between them
    assert display.share_inside_ == pytest.approx(51 / 52)
    assert np.count_nonzero(image[:12, 12:]) == 1


def test_axes_may_be_given(fitted):
    import matplotlib.pyplot as plt

    _, (left, right) = plt.subplots(1, 2)
    assert EmbeddingDisplay.from_estimator(fitted, ax=left).ax_ is left
    assert SortedAdjacencyDisplay.from_estimator(fitted, ax=right).ax_ is right


def test_hierarchy_display_takes_a_clustering(fitted):
    graph = SpectralAMGClustering(2, affinity="precomputed", strategy="bootstrap", random_state=0)
    display = HierarchyDisplay.from_estimator(graph.fit(fitted.affinity_matrix_))
    assert len(display.axes_) == 2


def test_unfitted_estimators_are_refused():
    for display in (EmbeddingDisplay, SortedAdjacencyDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(SpectralAMGClustering())
