"""
Papers by what they cite and what they say
==========================================

Cora: 2,708 papers, 5,278 citations among them, and for each paper which of 1,433 words it uses. The
graph has 78 components. The seven fields are never shown to the fit; they only score it.

Citations alone and words alone each give a partition. With ``adjacency``, the table of words
becomes a second kind of evidence: words are vertices of the graph, eliminated exactly, and a block
model says how much a citation and a word are worth.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import DatasetUnavailableError, fetch_attributed_graph
from subspace_learn.graph import EmbeddingDisplay, SortedAdjacencyDisplay

try:
    cora = fetch_attributed_graph("cora")
except (DatasetUnavailableError, ImportError) as error:
    print(f"Nothing to show without the graph: {error}")
    raise SystemExit(0) from None
citations, words, field = cora.adjacency, cora.attributes, cora.target
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
print(f"components {both.n_connected_components_}, share of words {both.attribute_weight_}")
for share, n_components, bound in sorted(both.vector_trials_):
    print(f"  start at share {share}, {n_components} vectors: bound {bound:,.0f}")

# %%
# The start whose fit has the largest bound is kept, and belief propagation from there gives the
# labels: no class is needed to choose.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.bar(list(scores), list(scores.values()), color="#0072B2")
left.set(ylabel="NMI with the fields", ylim=(0, 0.6), title="evidence")
EmbeddingDisplay.from_estimator(both, ax=right)

# %%
# Citations, with papers sorted by cluster: what is off the diagonal blocks cites another field.

SortedAdjacencyDisplay.from_estimator(both)
plt.show()
