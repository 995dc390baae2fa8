"""Builds an index of vectors and searches it. Prints JSON, or null if the library is not installed. Needs numpy and the
library.

    vector_search.py --threads N FOLDER WIDTH hnswlib|usearch|faiss-hnsw|faiss-flat

FOLDER contains `vectors` and `queries` (float32, normalized), and `exact`, the ten true neighbors of each query as
int32. The index is written to a file and opened by a separate process, so that only the memory of searching is
measured.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time

import numpy

EXPANSIONS = [16, 32, 64, 96, 128, 192, 256, 512]
CONNECTIVITY, EXPANSION_ADD, K = 16, 128, 10

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--search", action="store_true", help="search an existing index")
parser.add_argument("folder")
parser.add_argument("width", type=int)
parser.add_argument("peer")
options = parser.parse_args()
path = os.path.join(options.folder, options.peer)


def rows(name, kind=numpy.float32, width=options.width):
    return numpy.fromfile(os.path.join(options.folder, name), kind).reshape(-1, width)


class Hnswlib:
    def __init__(self):
        self.library = importlib.import_module("hnswlib")

    def build(self, vectors):
        index = self.library.Index("ip", options.width)
        index.init_index(len(vectors), M=CONNECTIVITY, ef_construction=EXPANSION_ADD)
        index.add_items(vectors, num_threads=options.threads)
        index.save_index(path)

    def open(self):
        self.index = self.library.Index("ip", options.width)
        self.index.load_index(path)

    def search(self, queries, threads, expansion):
        self.index.set_ef(max(expansion, K))
        return self.index.knn_query(queries, K, num_threads=threads)[0]


class Usearch:
    def __init__(self):
        self.library = importlib.import_module("usearch.index")

    def empty(self):
        kind = {"metric": "ip", "dtype": "f16", "connectivity": CONNECTIVITY, "expansion_add": EXPANSION_ADD}
        return self.library.Index(ndim=options.width, **kind)

    def build(self, vectors):
        index = self.empty()
        index.add(numpy.arange(len(vectors)), vectors, threads=options.threads)
        index.save(path)

    def open(self):
        self.index = self.empty()
        self.index.view(path)

    def search(self, queries, threads, expansion):
        self.index.expansion_search = expansion
        return self.index.search(queries, K, threads=threads).keys.reshape(len(queries), K)


class Faiss:
    def __init__(self):
        self.library = importlib.import_module("faiss")

    def build(self, vectors):
        self.library.omp_set_num_threads(options.threads)
        if options.peer == "faiss-flat":
            index = self.library.IndexFlatIP(options.width)
        else:
            index = self.library.IndexHNSWFlat(options.width, CONNECTIVITY, self.library.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = EXPANSION_ADD
        index.add(vectors)
        self.library.write_index(index, path)

    def open(self):
        self.index = self.library.read_index(path)

    def search(self, queries, threads, expansion):
        self.library.omp_set_num_threads(threads)
        if expansion:
            self.index.hnsw.efSearch = expansion
        return self.index.search(queries, K)[1]


def memory(name):
    with open("/proc/self/status", encoding="utf8") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))


def searched(peer):
    queries, exact = rows("queries"), rows("exact", numpy.int32, K)
    before, begin = memory("VmRSS"), time.perf_counter()
    peer.open()
    opened = time.perf_counter() - begin
    settings = []
    for expansion in [None] if options.peer == "faiss-flat" else EXPANSIONS:
        peer.search(queries, options.threads, expansion)
        begin = time.perf_counter()
        # one query at a time
        found = numpy.concatenate([peer.search(queries[n : n + 1], 1, expansion) for n in range(len(queries))])
        one = time.perf_counter() - begin
        begin = time.perf_counter()
        peer.search(queries, options.threads, expansion)
        every = time.perf_counter() - begin
        hits = sum(len(set(a) & set(b)) for a, b in zip(exact.tolist(), found.tolist()))
        speeds = {"one_thread": len(queries) / one, "all_threads": len(queries) / every}
        settings.append({"expansion": expansion, "recall": hits / exact.size, **speeds})
    return {"open_seconds": opened, "memory": memory("VmHWM") - before, "settings": settings}


try:
    peer = {"hnswlib": Hnswlib, "usearch": Usearch}.get(options.peer, Faiss)()
except ImportError:
    print("null")
    sys.exit()
if options.search:
    print(json.dumps(searched(peer)))
else:
    vectors = rows("vectors")
    begin = time.perf_counter()
    peer.build(vectors)
    built = time.perf_counter() - begin
    del vectors
    output = subprocess.run([sys.executable, *sys.argv, "--search"], check=True, stdout=subprocess.PIPE)
    size = os.path.getsize(path)
    os.remove(path)
    results = {"name": options.peer, "build_seconds": built, "bytes": size, "searched": json.loads(output.stdout)}
    print(json.dumps(results))
