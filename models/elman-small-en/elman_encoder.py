"""A sentence encoder trained by elman, for sentence-transformers:

    SentenceTransformer("DIRECTORY", trust_remote_code=True).encode(["a cat sat on the mat"])

Loads config.json, tokenizer.json and model.safetensors (f32, f16 or int8 weights) from the directory.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FILES = ["config.json", "tokenizer.json", "model.safetensors", "elman_encoder.py"]
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Encoder(nn.Module):
    def __init__(self, directory):
        super().__init__()
        self.directory = Path(directory)
        self.config = config = json.loads((self.directory / "config.json").read_text())["encoder"]
        self.reader = Tokenizer.from_file(str(self.directory / "tokenizer.json"))
        self.reader.no_padding()
        self.reader.no_truncation()
        self.tokenizer = self.reader
        self.max_seq_length = None
        width = config["d_hidden"] * (2 if config["bidirectional"] else 1)
        pools = config["pooling"].split("+")
        self.embedding = nn.Embedding(config["vocabulary"], config["d_embed"])
        self.network = CELLS[config["cell"]](
            config["d_embed"], config["d_hidden"], config["layers"], batch_first=True, bidirectional=config["bidirectional"]
        )
        self.attention = nn.Linear(width, 1, bias=False) if "attention" in pools else None
        self.pools = pools
        self.projection = nn.Linear(width * len(pools), config["d_projection"]) if config["d_projection"] else None
        self.width = config["d_projection"] or width * len(pools)
        stored = load_file(self.directory / "model.safetensors")
        scales = {name: stored.pop(name) for name in list(stored) if name.endswith(".scale")}
        for name, scale in scales.items():
            weight = name.removesuffix(".scale")
            stored[weight] = stored[weight].float() * scale[:, None]
        self.load_state_dict({name: weight.float() for name, weight in stored.items()})

    def preprocess(self, texts, *_, **__):
        texts = [text if isinstance(text, str) else " ".join(text) for text in texts]
        rows = [encoding.ids for encoding in self.reader.encode_batch(texts, add_special_tokens=False)]
        lengths = [len(row) for row in rows]
        ids = torch.zeros(len(rows), max([1, *lengths]), dtype=torch.long)
        for row, tokens in zip(ids, rows):
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        mask = torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]
        return {"input_ids": ids, "attention_mask": mask.long()}

    tokenize = preprocess

    def forward(self, features, **_):
        ids, mask = features["input_ids"], features["attention_mask"].bool()
        lengths = mask.sum(1)
        vectors = torch.zeros(len(ids), self.width, device=ids.device)
        some = lengths > 0  # a text without tokens has a zero vector
        if some.any():
            vectors[some] = self.vectors(ids[some], mask[some], lengths[some])
        features["sentence_embedding"] = vectors
        return features

    def vectors(self, ids, mask, lengths):
        packed = pack_padded_sequence(self.embedding(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, state = self.network(packed)
        hidden, _ = pad_packed_sequence(hidden, batch_first=True, total_length=ids.shape[1])
        state = state[0] if isinstance(state, tuple) else state
        mask = mask[:, :, None]
        pooled = []
        for pool in self.pools:
            if pool == "mean":
                pooled.append((hidden * mask).sum(1) / lengths[:, None])
            elif pool == "max":
                pooled.append(hidden.masked_fill(~mask, -torch.inf).amax(1))
            elif pool == "last":
                pooled.append(torch.cat([state[-2], state[-1]], 1) if self.network.bidirectional else state[-1])
            else:
                weights = self.attention(hidden).masked_fill(~mask, -torch.inf).softmax(1)
                pooled.append((hidden * weights).sum(1))
        vectors = torch.cat(pooled, 1)
        if self.projection is not None:
            vectors = self.projection(vectors)
        return nn.functional.normalize(vectors, dim=1) if self.config["normalize"] else vectors

    def get_sentence_embedding_dimension(self):
        return self.width

    get_embedding_dimension = get_sentence_embedding_dimension

    def save(self, path, *_, **__):
        for name in FILES:
            shutil.copyfile(self.directory / name, Path(path) / name)

    @classmethod
    def load(cls, path, *_, **__):
        return cls(path)
