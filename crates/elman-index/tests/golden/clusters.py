"""Writes clusters.json: the inertia of scikit-learn's k-means on sentence embeddings.

    pip install numpy scikit-learn
    cut -d , -f 1 stsb/dev.csv | grep -v '"' | sort -u | head -600 >sentences.txt
    elman embed sentences.txt --vector-dtype int8 -o vectors.npy
    python clusters.py vectors.npy

`vectors`: `[600, 32]`, the first dimensions of the embeddings of 600 sentences of the STS benchmark. `inertia`: for
each number of clusters, the lowest inertia of ten runs of KMeans on the normalized vectors, which is the sum of squared
distances from the means of the clusters.
"""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

vectors = np.load(sys.argv[1])[:600, :32].astype(int)
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
inertia = {k: KMeans(k, n_init=10, random_state=1).fit(unit).inertia_ for k in (2, 5, 20, 60)}
golden = {"vectors": vectors.tolist(), "inertia": inertia}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
