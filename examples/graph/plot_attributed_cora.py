"""
Papers by what they cite and what they say
==========================================

Cora: 2,708 papers, 5,278 citations among them, and for each paper which of 1,433 words it uses. The
graph has 78 components. The seven fields are never shown to the fit; they only score it.

Citations alone and words alone each give a partition. A simple and strong way to use both is to
average the words of each paper with those of the papers around it, some times over, and to group
the averages by K-means. How many times is best nobody says. ``SpectralAMGClustering`` with
``adjacency`` tries several, and walks that go through both citations and words; a block model,
which learns how much a citation and a word are worth, chooses among them and moves papers.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array, csr_matrix, diags_array, eye_array
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import normalize

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
# The baseline: smoothed words
# ----------------------------
# Words in 100 directions of their TF-IDF table, averaged 0 to 20 times over the citations. One
# average already says more than the words alone; twenty blur the fields.

loops = csr_array(citations + eye_array(len(field)))
root = diags_array(1 / np.sqrt(loops.sum(axis=1)))
walk = root @ loops @ root
rows = TfidfTransformer().fit_transform(csr_matrix(words))
rows = normalize(TruncatedSVD(100, random_state=0).fit_transform(rows))
baseline = {}
for n_steps in range(21):
    if n_steps in (0, 1, 2, 4, 6, 8, 10, 15, 20):
        found = KMeans(n_fields, n_init=5, random_state=0).fit(normalize(rows)).labels_
        baseline[n_steps] = normalized_mutual_info_score(field, found)
        print(f"words smoothed {n_steps:2d} times: NMI {baseline[n_steps]:.3f}")
    rows = walk @ rows

# %%
# Edges, and both
# ---------------
# ``SpectralAMGClustering`` takes the graph with ``affinity="precomputed"``, or words with
# ``adjacency=``.

edges = SpectralAMGClustering(n_fields, affinity="precomputed", random_state=0).fit(citations)
both = SpectralAMGClustering(n_fields, random_state=0).fit(words, adjacency=citations)
scores = {
    name: normalized_mutual_info_score(field, model.labels_)
    for name, model in (("citations alone", edges), ("both", both))
}
for name, score in scores.items():
    print(f"{name}: NMI {score:.3f}")

for share, n_components, bound in both.vector_trials_:
    print(f"  walk with share {share}, {n_components} vectors: bound {bound:,.0f}")
for n_steps, bound in both.smoothing_trials_:
    print(f"  words smoothed {n_steps} times: bound {bound:,.0f}")
print(f"kept: {both.smoothing_} steps; a word counts {both.block_model_.value_weight:.2f}")

# %%
# The start whose fit has the largest bound is kept, and belief propagation from there gives the
# labels: no class is needed to choose.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.plot(list(baseline), list(baseline.values()), "o-", color="#0072B2", label="smoothed words")
for (name, score), color in zip(scores.items(), ("#999999", "#D55E00"), strict=True):
    left.axhline(score, color=color, label=name)
left.set(xlabel="times that words are smoothed", ylabel="NMI with the fields", ylim=(0, 0.65))
left.legend(loc="lower right")
EmbeddingDisplay.from_estimator(both, ax=right)

# %%
# Citations, with papers sorted by cluster: what is off the diagonal blocks cites another field.

SortedAdjacencyDisplay.from_estimator(both)
plt.show()
