"""The vectors that a sentence-transformers model gives to the lines of a file, and to the tokens of its tokenizer.

    python teacher.py MODEL texts.txt FOLDER

MODEL is a directory or a name. Written are, each vector rotated by the principal axes of the texts' vectors, so that its first
numbers say the most (cosines stay as they are):
    FOLDER/texts.npy    float16 [lines, width]
    FOLDER/tokens.npy   float16 [tokens, width], of each token alone
    FOLDER/tokenizer.json
What is interrupted goes on where it was: vectors are kept in parts of 65,536 lines until all are there. Texts are tokenised one part
ahead, on all cores, so that a graphics card does not wait for them.
"""

import pathlib, sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

PART = 65_536


def write(path, write_to):
    beside = path.with_suffix(".tmp")
    with open(beside, "wb") as file:
        write_to(file)
    beside.rename(path)


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
        """Of texts about as long: their places, the tokens [texts, longest], and which of these are padding (0)."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            found = self.tokenizer.encode_batch_fast([texts[place] for place in places])
            yield places, np.array([one.ids for one in found]), np.array([one.attention_mask for one in found])

    def vectors(self, ids, mask):
        ids, mask = (torch.as_tensor(array).to(self.device) for array in (ids, mask))
        features = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
        with torch.no_grad():
            return torch.nn.functional.normalize(self.model(features)["sentence_embedding"].float(), dim=-1)

    def encode(self, count, batches):
        """The vectors [count, width] of batches of texts, each in its place."""
        done = [(places, self.vectors(ids, mask).half()) for places, ids, mask in batches]
        out = np.empty((count, done[0][1].shape[1]), np.float16)
        for places, vectors in done:
            out[places] = vectors.cpu().numpy()
        return out


def main(name, texts, folder):
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    lines = open(texts, encoding="utf8", newline="\n").read().split("\n")[:-1]
    teacher = Teacher(name)
    path = lambda start: parts / f"{start:09}.npy"
    starts = range(0, len(lines), PART)
    missing = [start for start in starts if not path(start).exists()]
    with ThreadPoolExecutor(1) as ahead:
        read = lambda start: ahead.submit(lambda: list(teacher.batches(lines[start : start + PART])))
        following = read(missing[0]) if missing else None
        for start, after in zip(missing, missing[1:] + [None]):
            batches, following = following.result(), None if after is None else read(after)
            end = min(start + PART, len(lines))
            vectors = teacher.encode(end - start, batches)
            write(path(start), lambda file: np.save(file, vectors))
            print(f"{end} of {len(lines)}", flush=True)
    load = lambda start: np.load(path(start)).astype(np.float32)

    products = sum(load(start).T @ load(start) for start in starts[:: max(1, len(starts) // 10)])
    axes = np.linalg.eigh(products)[1][:, ::-1].copy()
    width = len(axes)

    first, last = teacher.model.tokenizer.cls_token_id, teacher.model.tokenizer.sep_token_id
    tokens = np.arange(teacher.saved.get_vocab_size())
    alone = [
        teacher.vectors(ids, np.ones_like(ids)).cpu().numpy()
        for some in np.array_split(tokens, len(tokens) // 2048 + 1)
        for ids in [np.stack([np.full_like(some, first), some, np.full_like(some, last)], 1)]
    ]
    write(folder / "tokens.npy", lambda file: np.save(file, (np.concatenate(alone) @ axes).astype(np.float16)))
    teacher.saved.save(str(folder / "tokenizer.json"))

    def rotated(file):
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(lines), width)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in starts:
            file.write((load(start) @ axes).astype("<f2").tobytes())

    write(folder / "texts.npy", rotated)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
