"""Generates training.safetensors: ten steps of training in PyTorch, for tests/parity.rs.

    python training.py

Two models, an LSTM with two layers between an embedding and an output: `untied`, and `tied` with a projection from the
hidden width to the embedding's. No dropout, SGD, gradients clipped by their global norm, the state carried. Per model:
the text's ids, the weights before, the gradients of the first step before clipping, the weights after the first step,
and the losses and gradient norms of all steps.
"""
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

VOCABULARY, EMBED, HIDDEN, LAYERS = 11, 6, 8, 2
BATCH, BPTT, STEPS, LEARNING_RATE, CLIP = 3, 5, 10, 2.0, 0.2


class Model(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBED)
        self.network = nn.LSTM(EMBED, HIDDEN, LAYERS)
        self.projection = nn.Linear(HIDDEN, EMBED) if tied else None
        self.weight = None if tied else nn.Parameter(torch.empty(VOCABULARY, HIDDEN))
        self.bias = nn.Parameter(torch.empty(VOCABULARY))
        for p in self.parameters():
            nn.init.uniform_(p, -0.5, 0.5)

    def forward(self, x, state):
        y, state = self.network(self.embedding(x), state)
        if self.projection is not None:
            y = self.projection(y)
        weight = self.embedding.weight if self.weight is None else self.weight
        return nn.functional.linear(y, weight, self.bias).flatten(0, 1), state

    def named(self):
        """Parameters with elman's names."""
        for name, p in self.named_parameters():
            yield f"output.{name}" if name in ("weight", "bias") else name, p


def run(label, tied, out):
    torch.manual_seed(1)
    model = Model(tied)
    ids = torch.randint(VOCABULARY, (BATCH, BPTT * STEPS + 1))
    out[f"{label}.ids"] = ids.flatten().clone()
    out.update({f"{label}.before.{name}": p.detach().clone() for name, p in model.named()})
    losses, norms, state = [], [], None
    text = ids.t()
    for i in range(0, BPTT * STEPS, BPTT):
        model.zero_grad(set_to_none=True)
        state = None if state is None else tuple(s.detach() for s in state)
        logits, state = model(text[i : i + BPTT], state)
        loss = nn.functional.cross_entropy(logits, text[i + 1 : i + 1 + BPTT].flatten())
        loss.backward()
        if i == 0:
            out.update({f"{label}.gradient.{name}": p.grad.clone() for name, p in model.named()})
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), CLIP))
        with torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-LEARNING_RATE)
        if i == 0:
            out.update({f"{label}.after.{name}": p.detach().clone() for name, p in model.named()})
        losses.append(loss.detach())
    assert any(n > CLIP for n in norms) and norms[0] > CLIP, norms
    out[f"{label}.losses"], out[f"{label}.norms"] = torch.stack(losses), torch.stack(norms)
    print(label, [f"{x:.4f}" for x in losses], [f"{x:.3f}" for x in norms])


out = {}
run("untied", False, out)
run("tied", True, out)
save_file({name: t.contiguous() for name, t in out.items()}, Path(__file__).with_name("training.safetensors"))
