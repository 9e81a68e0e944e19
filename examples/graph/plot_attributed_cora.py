"""
Papers by what they cite and what they say
==========================================

Cora: 2,708 papers, 5,278 citations among them, and for each paper which of 1,433 words it uses. The
graph has 78 components. The seven fields are never shown to the fit; they only score it.

Citations alone and words alone each give a partition. With ``adjacency``, the table of words
becomes a second kind of evidence: words are vertices of the graph, eliminated exactly, and a block
model says how much a citation and a word are worth. Where the data home has no Cora and the network
is off, a planted graph stands in.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import DatasetUnavailableError, fetch_attributed_graph
from subspace_learn.graph import EmbeddingDisplay, SortedAdjacencyDisplay


def planted_papers(n=800, n_fields=5, n_words=200, seed=0):
    """Citations and words that both follow the field, with much noise."""
    rng = np.random.default_rng(seed)
    field = np.arange(n) % n_fields
    cites = rng.random((n, n)) < np.where(field[:, None] == field, 0.012, 0.002)
    upper = np.triu(cites, 1).astype(float)
    usual = rng.random((n_fields, n_words)) < 0.15
    words = rng.random((n, n_words)) < 0.03 + 0.1 * usual[field]
    return sp.csr_array(upper + upper.T), sp.csr_array(words.astype(float)), field


try:
    cora = fetch_attributed_graph("cora")
    citations, words, field = cora.adjacency, cora.attributes, cora.target
except DatasetUnavailableError:
    print("Cora is not at hand: a planted graph instead.")
    citations, words, field = planted_papers()
n_fields = len(np.unique(field))

# %%
# Edges, words, both
# ------------------
# ``SpectralAMGClustering`` takes the graph with ``affinity="precomputed"``, or words with
# ``adjacency=``.

models = {
    "citations": SpectralAMGClustering(n_fields, affinity="precomputed", random_state=0),
    "both": SpectralAMGClustering(n_fields, random_state=0),
}
models["citations"].fit(citations)
models["both"].fit(words, adjacency=citations)
scores = {
    "words\n(K-means)": normalized_mutual_info_score(
        field, KMeans(n_fields, n_init=10, random_state=0).fit(words).labels_
    )
}
scores |= {
    name: normalized_mutual_info_score(field, model.labels_) for name, model in models.items()
}
for name, score in scores.items():
    print(f"{' '.join(name.split()):16s} NMI {score:.3f}")

both = models["both"]
print(f"components {both.n_components_found_}, share of words {both.attribute_weight_}")
for (share, n_vectors), bound in sorted(both.vector_trials_.items()):
    print(f"  start at share {share}, {n_vectors} vectors: bound {bound:,.0f}")

# %%
# The start whose fit has the largest bound is kept, and belief propagation from there gives the
# labels: no class is needed to choose.

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
left.bar(list(scores), list(scores.values()), color="#0072B2")
left.set(ylabel="NMI with the fields", ylim=(0, 1), title="Evidence")
EmbeddingDisplay.from_estimator(both, ax=middle)
SortedAdjacencyDisplay.from_estimator(both, ax=right)
plt.show()
