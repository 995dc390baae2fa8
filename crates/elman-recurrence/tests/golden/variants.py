"""Creates variants.safetensors: states and all gradients of scans with projection, layer normalization, recurrent
dropout and zoneout, from PyTorch in float64.

    pip install torch safetensors numpy
    python variants.py

The recurrent layers of torch.nn support none of the last three, so the recurrence is implemented here from the
equations, with torch.nn.functional.layer_norm, and differentiated by torch. The plain gates are checked against
torch.lstm_cell and torch.gru_cell.
"""
import pathlib
import torch
from torch.nn.functional import layer_norm
from safetensors.torch import save_file

T, B, H, P = 6, 4, 5, 3
GATES = {"rnn": 1, "gru": 3, "gru_before": 3, "lstm": 4}
RATES = [0.25, 0.125]
torch.manual_seed(1990)
out = {}


def rand(*shape):
    """Exactly representable in float32."""
    return (torch.rand(*shape) * 2 - 1).double()


def product(w, rows, recurrent_input):
    """The recurrent product of some of the gates, including its bias, [B, rows]."""
    v = recurrent_input @ w["weights"][rows].T
    if "gain" in w:
        v = layer_norm(v, v.shape[1:], w["gain"][rows])
    return v + w["bias"][rows]


def step(kind, w, x, state, recurrent_input):
    """One time step of the cell. x: [B, G*H]; recurrent_input: the input of the recurrent product."""
    whole = slice(0, GATES[kind] * H)
    if kind == "rnn":
        return [torch.tanh(x + product(w, whole, recurrent_input))]
    if kind == "lstm":
        i, f, g, o = (x + product(w, whole, recurrent_input)).chunk(4, 1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return [torch.sigmoid(o) * torch.tanh(c), c]
    xr, xz, xn = x.chunk(3, 1)
    if kind == "gru":
        hr, hz, hn = product(w, whole, recurrent_input).chunk(3, 1)
        n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
    else:
        hr, hz = product(w, slice(0, 2 * H), recurrent_input).chunk(2, 1)
        n = torch.tanh(xn + product(w, slice(2 * H, 3 * H), torch.sigmoid(xr + hr) * recurrent_input))
    z = torch.sigmoid(xz + hz)
    return [(1 - z) * n + z * state[0]]


def scan(kind, w, regularizers):
    state, states = w["state"], []
    for t in range(T):
        recurrent_input = state[0] * regularizers["dropout"] if "dropout" in regularizers else state[0]
        new = step(kind, w, w["input"][t], state, recurrent_input)
        if "projection" in w:
            new[0] = new[0] @ w["projection"].T
        if "masks" in regularizers:
            new = [z[t] * old + (1 - z[t]) * s for z, old, s in zip(regularizers["masks"], state, new)]
        elif "rates" in regularizers:
            new = [r * old + (1 - r) * s for r, old, s in zip(regularizers["rates"], state, new)]
        state = new
        states.append(new)
    return [torch.stack(s) for s in zip(*states)]


def make(kind, *variants):
    width = P if "projection" in variants else H
    rows, count = GATES[kind] * H, 2 if kind == "lstm" else 1
    widths = [width, H][:count]
    w = {"input": rand(T, B, rows), "weights": rand(rows, width), "bias": rand(rows)}
    w |= {f"state{n}": rand(B, size) for n, size in enumerate(widths)}
    if "projection" in variants:
        w["projection"] = rand(P, H)
    if "norm" in variants:
        w["gain"] = rand(rows) + 1
    regularizers = {}
    if "dropout" in variants:
        regularizers["dropout"] = (torch.rand(B, width) < 0.5).double() * 2
    if "masks" in variants:
        regularizers["masks"] = [(torch.rand(T, B, size) < 0.3).double() for size in widths]
    if "rates" in variants:
        regularizers["rates"] = RATES
    for t in w.values():
        t.requires_grad_(True)
    results = scan(kind, w | {"state": [w[f"state{n}"] for n in range(count)]}, regularizers)
    if not variants and kind in ("lstm", "gru"):
        check(kind, w, results)
    cotangents = [rand(*r.shape) for r in results]
    sum((r * c).sum() for r, c in zip(results, cotangents)).backward()

    case = "-".join((kind, *variants)) if variants else f"{kind}-plain"
    store = {f"in.{n}": t for n, t in w.items()} | {f"grad.{n}": t.grad for n, t in w.items()}
    store |= {f"out.{n}": t for n, t in enumerate(results)} | {f"cot.{n}": t for n, t in enumerate(cotangents)}
    if "dropout" in regularizers:
        store["noise.dropout"] = regularizers["dropout"]
    store |= {f"noise.mask{n}": t for n, t in enumerate(regularizers.get("masks", []))}
    out.update({f"{case}.{n}": t.detach().float().contiguous().clone() for n, t in store.items()})


def check(kind, w, results):
    """Checks the loop above against the cells of torch."""
    identity, zero = torch.eye(GATES[kind] * H).double(), torch.zeros(GATES[kind] * H).double()
    h, c = w["state0"], w.get("state1")
    for t in range(T):
        if kind == "lstm":
            h, c = torch.lstm_cell(w["input"][t], (h, c), identity, w["weights"], zero, w["bias"])
        else:
            h = torch.gru_cell(w["input"][t], h, identity, w["weights"], zero, w["bias"])
        assert torch.allclose(h, results[0][t], atol=1e-12)


for kind in GATES:
    projected = ["projection"] if kind in ("rnn", "lstm") else []
    for variants in ([], ["norm"], ["dropout"], ["masks"], ["rates"], [*projected, "norm", "dropout", "masks"]):
        make(kind, *variants)
save_file(out, pathlib.Path(__file__).with_name("variants.safetensors"), metadata={"torch": torch.__version__})
print(len(out), "tensors")
