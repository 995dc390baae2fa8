"""Times a sentence-transformers model on the lines of a file: in torch, as the library runs it, and its network in ONNX
Runtime, with the same tokenizer, mean pooling and normalization. Prints JSON. Needs sentence-transformers; onnx and
onnxruntime for the latter."""

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
import time

import numpy
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("file")
parser.add_argument("model")
options = parser.parse_args()
BATCH = 64
torch.set_num_threads(options.threads)

import sentence_transformers  # after the thread count is set

texts = open(options.file, encoding="utf8", newline="\n").read().split("\n")[:-1]
# warm-up over all lengths: compilation and loading are not timed
warm = sorted(texts, key=len)[:: max(1, len(texts) // (4 * BATCH))]


def timed(encode):
    encode(warm)
    seconds = []
    for _ in range(options.repeats):
        begin = time.perf_counter()
        vectors = encode(texts)
        seconds.append(time.perf_counter() - begin)
    return len(texts) / statistics.median(seconds), vectors


model = sentence_transformers.SentenceTransformer(options.model, device="cpu")
rate, expected = timed(lambda texts: model.encode(texts, batch_size=BATCH, normalize_embeddings=True))
found = [{"name": f"torch {torch.__version__}", "per_second": rate}]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.network = model[0].auto_model

    def forward(self, ids, mask, types):
        return self.network(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


def onnx_runtime(folder):
    import onnxruntime

    path, ones = folder + "/network.onnx", torch.ones(2, 8, dtype=torch.long)
    names = ["ids", "mask", "types"]
    axes = {name: {0: "batch", 1: "time"} for name in [*names, "hidden"]}
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet:
        torch.onnx.export(
            Network().eval(), (ones, ones, 0 * ones), path, input_names=names, output_names=["hidden"], dynamic_axes=axes, dynamo=False
        )
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(path, settings, ["CPUExecutionProvider"])
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.enable_padding()
    tokenizer.enable_truncation(model.max_seq_length)

    def encode(texts):
        order = numpy.argsort([-len(text) for text in texts], kind="stable")
        vectors = [None] * len(texts)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            encoded = tokenizer.encode_batch([texts[row] for row in rows])
            ids = numpy.array([e.ids for e in encoded], numpy.int64)
            mask = numpy.array([e.attention_mask for e in encoded], numpy.int64)
            [hidden] = session.run(None, {"ids": ids, "mask": mask, "types": numpy.zeros_like(ids)})
            mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            for row, vector in zip(rows, mean / numpy.linalg.norm(mean, axis=1, keepdims=True)):
                vectors[row] = vector
        return numpy.stack(vectors)

    rate, vectors = timed(encode)
    assert numpy.abs(vectors - expected).max() < 1e-3, "both must compute the same vectors"
    return {"name": f"onnxruntime {onnxruntime.__version__}", "per_second": rate}


try:
    with tempfile.TemporaryDirectory() as folder:
        found.append(onnx_runtime(folder))
except ImportError as error:
    print(f"without ONNX Runtime: {error}", file=sys.stderr)
print(json.dumps(found))
