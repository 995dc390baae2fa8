"""Writes tsne.json next to this file: how well scikit-learn's t-SNE preserves neighbors.

    pip install numpy scikit-learn && python tsne.py

`kept`: for the vectors of elman-index's clusters.json, the share of a vector's ten neighbors by cosine that are among the ten
nearest points on the plane.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

here = Path(__file__)
source = here.parents[3] / "elman-index/tests/golden/clusters.json"
vectors = np.array(json.loads(source.read_text())["vectors"], float)
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest(points):
    found = NearestNeighbors(n_neighbors=11).fit(points).kneighbors(points, return_distance=False)
    return [set(row) - {n} for n, row in enumerate(found)]


plane = TSNE(2, init="pca", perplexity=30, random_state=1).fit_transform(unit)
recall = float(np.mean([len(a & b) / 10 for a, b in zip(nearest(unit), nearest(plane))]))
here.with_suffix(".json").write_text(json.dumps({"kept": recall}) + "\n")
