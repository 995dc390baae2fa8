"""The vectors that a sentence-transformers model gives to the lines of a file, and to the tokens of its tokenizer.

    python teacher.py MODEL texts.txt FOLDER

MODEL is a directory or a name. Written are, each vector rotated by the principal axes of the texts' vectors, so that its first
numbers say the most (cosines stay as they are):
    FOLDER/texts.npy    float16 [lines, width]
    FOLDER/tokens.npy   float16 [tokens, width], of each token alone
    FOLDER/tokenizer.json
What is interrupted goes on where it was: vectors are kept in parts of 65,536 lines until all are there.
"""

import pathlib, sys

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

PART = 65_536


def write(path, write_to):
    beside = path.with_suffix(".tmp")
    with open(beside, "wb") as file:
        write_to(file)
    beside.rename(path)


def main(model, texts, folder):
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    lines = open(texts, encoding="utf8", newline="\n").read().split("\n")[:-1]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = SentenceTransformer(model, device=device)
    if device == "cuda":
        model.half()
    encode = lambda some: model.encode(
        some, batch_size=2048 if device == "cuda" else 64, normalize_embeddings=True, show_progress_bar=False
    )
    starts = range(0, len(lines), PART)
    for start in starts:
        path = parts / f"{start:09}.npy"
        if not path.exists():
            vectors = encode(lines[start : start + PART]).astype(np.float16)
            write(path, lambda file: np.save(file, vectors))
            print(f"{min(start + PART, len(lines))} of {len(lines)}", flush=True)
    load = lambda start: np.load(parts / f"{start:09}.npy").astype(np.float32)

    products = sum(load(start).T @ load(start) for start in starts[:: max(1, len(starts) // 10)])
    axes = np.linalg.eigh(products)[1][:, ::-1].copy()
    width = len(axes)

    tokenizer = model.tokenizer
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    alone = np.zeros((len(tokenizer), width), np.float32)
    for start in range(0, len(alone), 2048):
        ids = torch.arange(start, min(start + 2048, len(alone)))
        ids = torch.stack([torch.full_like(ids, first), ids, torch.full_like(ids, last)], 1).to(device)
        with torch.no_grad():
            out = model({"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)})
        alone[start : start + len(ids)] = out["sentence_embedding"].float().cpu().numpy()
    alone /= np.maximum(np.linalg.norm(alone, axis=1, keepdims=True), 1e-12)
    write(folder / "tokens.npy", lambda file: np.save(file, (alone @ axes).astype(np.float16)))
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))

    def rotated(file):
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(lines), width)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in starts:
            file.write((load(start) @ axes).astype("<f2").tobytes())

    write(folder / "texts.npy", rotated)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
