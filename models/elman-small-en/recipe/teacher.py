"""Computes the vectors of a sentence-transformers model for the lines of a file and for the tokens of its tokenizer.

    python teacher.py MODEL texts.txt FOLDER

MODEL is a directory or a name. All vectors are rotated to the principal axes of the text vectors, so that the first
dimensions have the largest variance (cosines do not change). Output:
    FOLDER/texts.npy    float16 [lines, width]
    FOLDER/tokens.npy   float16 [tokens, width], of single tokens
    FOLDER/tokenizer.json
An interrupted run resumes: vectors are saved in parts of 65,536 lines. The next part is tokenized on all cores while
the GPU computes the current one.
"""

import pathlib, sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

PART_LINES = 65_536


def write(path, write_content):
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        write_content(file)
    temporary.rename(path)


class Teacher:
    def __init__(self, name):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = SentenceTransformer(name, device=self.device).eval()
        if self.device == "cuda":
            self.model.half()
        self.batch = 2048 if self.device == "cuda" else 64
        self.saved = Tokenizer.from_str(self.model.tokenizer.backend_tokenizer.to_str())
        self.saved.no_padding()
        self.saved.no_truncation()
        self.tokenizer = Tokenizer.from_str(self.saved.to_str())
        self.tokenizer.enable_truncation(self.model.max_seq_length)
        self.tokenizer.enable_padding(pad_id=self.model.tokenizer.pad_token_id, pad_token=self.model.tokenizer.pad_token)

    def batches(self, texts):
        """Batches of texts of similar length: their indices, token ids [texts, time], and the mask (0 for padding)."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), self.batch):
            indices = order[start : start + self.batch]
            found = self.tokenizer.encode_batch_fast([texts[index] for index in indices])
            yield indices, np.array([one.ids for one in found]), np.array([one.attention_mask for one in found])

    def vectors(self, ids, mask):
        ids, mask = (torch.as_tensor(array).to(self.device) for array in (ids, mask))
        features = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
        with torch.no_grad():
            return torch.nn.functional.normalize(self.model(features)["sentence_embedding"].float(), dim=-1)

    def encode(self, count, batches):
        """The vectors [count, width] of batches of texts, in the order of the texts."""
        done = [(indices, self.vectors(ids, mask).half()) for indices, ids, mask in batches]
        out = np.empty((count, done[0][1].shape[1]), np.float16)
        for indices, vectors in done:
            out[indices] = vectors.cpu().numpy()
        return out


def main(name, texts, folder):
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    lines = open(texts, encoding="utf8", newline="\n").read().split("\n")[:-1]
    teacher = Teacher(name)
    path = lambda start: parts / f"{start:09}.npy"
    starts = range(0, len(lines), PART_LINES)
    missing = [start for start in starts if not path(start).exists()]
    with ThreadPoolExecutor(1) as executor:
        tokenize = lambda start: executor.submit(lambda: list(teacher.batches(lines[start : start + PART_LINES])))
        next_batches = tokenize(missing[0]) if missing else None
        for start, next_start in zip(missing, missing[1:] + [None]):
            batches, next_batches = next_batches.result(), None if next_start is None else tokenize(next_start)
            end = min(start + PART_LINES, len(lines))
            vectors = teacher.encode(end - start, batches)
            write(path(start), lambda file: np.save(file, vectors))
            print(f"{end} of {len(lines)}", flush=True)
    load = lambda start: np.load(path(start)).astype(np.float32)

    products = sum(load(start).T @ load(start) for start in starts[:: max(1, len(starts) // 10)])
    axes = np.linalg.eigh(products)[1][:, ::-1].copy()
    width = len(axes)

    first, last = teacher.model.tokenizer.cls_token_id, teacher.model.tokenizer.sep_token_id
    tokens = np.arange(teacher.saved.get_vocab_size())
    token_vectors = [
        teacher.vectors(ids, np.ones_like(ids)).cpu().numpy()
        for chunk in np.array_split(tokens, len(tokens) // 2048 + 1)
        for ids in [np.stack([np.full_like(chunk, first), chunk, np.full_like(chunk, last)], 1)]
    ]
    write(folder / "tokens.npy", lambda file: np.save(file, (np.concatenate(token_vectors) @ axes).astype(np.float16)))
    teacher.saved.save(str(folder / "tokenizer.json"))

    def rotated(file):
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(lines), width)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in starts:
            file.write((load(start) @ axes).astype("<f2").tobytes())

    write(folder / "texts.npy", rotated)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
