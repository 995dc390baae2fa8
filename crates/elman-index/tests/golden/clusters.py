"""Makes clusters.json beside this file: how well scikit-learn's k-means does on sentence vectors.

    pip install numpy scikit-learn
    cut -d , -f 1 stsb/dev.csv | grep -v '"' | sort -u | head -600 >sentences.txt
    elman embed sentences.txt --vector-dtype int8 -o vectors.npy
    python clusters.py vectors.npy

`vectors`: `[600, 32]`, the first numbers of the vectors of 600 sentences of the STS benchmark. `inertia`: for each number of
clusters, the least that KMeans found in ten runs with the vectors scaled to length 1: the sum of squared distances from the
means of the clusters.
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
