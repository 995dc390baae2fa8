"""Writes quantized.json: int8 and binary vectors by NumPy and sentence-transformers.

    pip install numpy sentence-transformers && python quantized.py

A list with an object for each dimension d: `vectors`, f32, `[count, d]`; `int8`, `[count, d]`: by NumPy, each vector
scaled to an absolute maximum of 127 and rounded, ties to even; `ubinary`, `[count, ⌈d/8⌉]`: by sentence-transformers,
the same as numpy.packbits; `hamming`, `[count, count]`: Hamming distances of the signs.
"""

import json
from pathlib import Path

import numpy as np
from sentence_transformers.util.quantization import quantize_embeddings

random = np.random.default_rng(5)


def case(d):
    vectors = random.standard_normal((3, d)).astype(np.float32)
    # zeros of both signs, rounding ties, subnormals, all zeros
    vectors[1, ::3] = 0.0
    vectors[1, ::5] = -0.0
    ties = np.resize(np.float32([127, 0.5, -0.5, 1.5, -2.5, 126.5, -127]), (1, d))
    small = np.full((1, d), np.float32(1e-45)) * np.where(np.arange(d) % 2, -1, 1).astype(np.float32)
    vectors = np.concatenate([vectors, ties, small, np.zeros((1, d), np.float32)])
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    int8 = np.rint(vectors / np.where(largest == 0, np.float32(1), largest) * np.float32(127)).astype(np.int8)
    ubinary = quantize_embeddings(vectors, "ubinary")
    assert (ubinary == np.packbits(vectors > 0, axis=-1)).all()
    signs = vectors > 0
    hamming = (signs[:, None] != signs[None]).sum(-1)
    return {name: array.tolist() for name, array in locals().items() if name in ("vectors", "int8", "ubinary", "hamming")}


cases = [case(d) for d in (1, 7, 8, 9, 64, 65, 130)]
Path(__file__).with_suffix(".json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
