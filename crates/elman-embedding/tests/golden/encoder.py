"""Writes encoder.safetensors: sentence encoders and their training losses in PyTorch, for tests/parity.rs.

    python encoder.py

Two models, a bidirectional `gru` with two layers and a unidirectional `lstm` with one, on ragged batches. For each
model: the weights, the vectors, and for every objective the loss and its gradients with respect to all weights.
"""
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

VOCABULARY, EMBED, HIDDEN, WIDTH, TEACHER = 13, 5, 4, 6, 8
LENGTHS = [7, 1, 4, 6]
TEMPERATURE, MARGIN = 0.2, 0.3


class Model(nn.Module):
    def __init__(self, cell, layers, bidirectional):
        super().__init__()
        self.hidden = HIDDEN * (2 if bidirectional else 1)
        self.bidirectional = bidirectional
        self.embedding = nn.Embedding(VOCABULARY, EMBED)
        self.network = cell(EMBED, HIDDEN, layers, batch_first=True, bidirectional=bidirectional)
        self.attention = nn.Linear(self.hidden, 1, bias=False)
        self.projection = nn.Linear(4 * self.hidden, WIDTH)
        for p in self.parameters():
            nn.init.uniform_(p, -0.8, 0.8)

    def forward(self, ids):
        lengths = torch.tensor(LENGTHS)
        packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        h, state = self.network(packed)
        h, _ = pad_packed_sequence(h, batch_first=True)
        mask = (torch.arange(h.shape[1]) < lengths[:, None])[:, :, None]
        state = state[0] if isinstance(state, tuple) else state
        last = torch.cat([state[-2], state[-1]], 1) if self.bidirectional else state[-1]
        mean = (h * mask).sum(1) / lengths[:, None]
        max_pooled = h.masked_fill(~mask, -torch.inf).amax(1)
        weights = self.attention(h).masked_fill(~mask, -torch.inf).softmax(1)
        pooled = torch.cat([last, mean, max_pooled, (h * weights).sum(1)], 1)
        return F.normalize(self.projection(pooled), dim=1)


def cosines(a, b):
    return F.cosine_similarity(a, b, dim=1)


def cosine_matrix(a, b):
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T


def info_nce(a, b):
    scores = cosine_matrix(a, b) / TEMPERATURE
    targets = torch.arange(len(a))
    return (F.cross_entropy(scores, targets) + F.cross_entropy(scores.T, targets)) / 2


def distill(v, t):
    return (1 - cosines(v, t[:, : v.shape[1]])).mean() + (cosine_matrix(v, v) - cosine_matrix(t, t)).square().mean()


torch.manual_seed(1)
out = {}
for name, model in {"gru": Model(nn.GRU, 2, True), "lstm": Model(nn.LSTM, 1, False)}.items():
    model = model.double()
    texts = [torch.randint(0, VOCABULARY, (len(LENGTHS), max(LENGTHS))) for _ in range(3)]
    teacher = torch.randn(len(LENGTHS), TEACHER).double()
    scores = torch.rand(len(LENGTHS)).double()
    a, b, c = (model(ids) for ids in texts)
    losses = {
        "mse": (a - teacher[:, :WIDTH]).square().sum(1).mean(),
        "cosine": (1 - cosines(a, teacher[:, :WIDTH])).mean(),
        "relational": (cosine_matrix(a, a) - cosine_matrix(teacher, teacher)).square().mean(),
        "info_nce": info_nce(a, b),
        "triplet": (cosines(a, c) - cosines(a, b) + MARGIN).relu().mean(),
        "cosine_regression": (cosines(a, b) - scores).square().mean(),
        "matryoshka": (distill(a[:, :2], teacher) + distill(a[:, :4], teacher) + distill(a, teacher)) / 3,
    }
    for i, ids in enumerate(texts):
        out[f"{name}.ids.{i}"] = ids
    out |= {f"{name}.teacher": teacher, f"{name}.scores": scores}
    out |= {f"{name}.vectors": a}
    parameters = dict(model.named_parameters())
    out |= {f"{name}.weights.{key}": p for key, p in parameters.items()}
    for loss, value in losses.items():
        gradients = torch.autograd.grad(value, parameters.values(), retain_graph=True)
        out[f"{name}.{loss}"] = value.reshape(1)
        out |= {f"{name}.{loss}.{key}": g for key, g in zip(parameters, gradients)}

here = Path(__file__).parent
floats = {k: v.detach().contiguous() for k, v in out.items()}
save_file({k: v.float() if v.is_floating_point() else v for k, v in floats.items()}, here / "encoder.safetensors")
